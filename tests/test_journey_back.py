"""Back and Forward in a real Chromium, on each page that has an address: one entry for a change that was meant, none for a
drag, and each entry brings its view back."""

import re
from urllib.parse import parse_qsl, urlparse

import pytest
from conftest import PATIENCE, at_rest, wait_until
from playwright.sync_api import Page, expect
from test_journey_explore import PAD, PLANE, open_pad, seen
from test_journey_map import CHART
from test_journey_train import fill_epochs, wait_for_status

pytestmark = pytest.mark.browser
SWEPT = "word => document.querySelector('.st-key-sweep_status')?.innerText.startsWith(word)"
TWENTY = ".st-key-explore_z20"  # only a model of twenty dimensions has it


def address(page: Page) -> str:
    """What the browser shows now; page.url learns of it only while something is asked of the page."""
    return page.evaluate("location.href")


def said(page: Page) -> dict[str, str]:
    """The words of the address."""
    return dict(parse_qsl(urlparse(address(page)).query))


class Entries:
    """The browser's history, followed: each act says how many entries it added, and what the address is then."""

    def __init__(self, page: Page):
        self.page, self.views, self.at = page, [address(page)], 0
        self.before = self.length - 1  # entries that were there already

    @property
    def length(self) -> int:
        return self.page.evaluate("history.length")

    def added(self, count: int, **words: str) -> None:
        """So many more since the last act, with these words in the address; what it is then is remembered."""
        there = {name: word for name, word in words.items() if word}
        gone = words.keys() - there.keys()
        settled = lambda: there.items() <= said(self.page).items() and not gone & said(self.page).keys()  # noqa: E731
        wait_until(settled, PATIENCE, lambda: f"{words} in {address(self.page)}")
        self.at += count
        expected = self.before + self.at + 1
        found = lambda: f"{expected} entries, not {self.length}: {address(self.page)}"  # noqa: E731
        wait_until(lambda: self.length == expected, PATIENCE, found)
        self.views[self.at :] = [address(self.page)]

    def go(self, steps: int) -> None:
        """Press Back (-1) or Forward (1); the address is the one of that entry, and stays it."""
        length = self.length
        self.page.go_back() if steps < 0 else self.page.go_forward()
        self.at += steps
        there = self.views[self.at]
        wait_until(lambda: address(self.page) == there, PATIENCE, lambda: f"{there}, not {address(self.page)}")
        assert self.length == length


def visit(page: Page, title: str) -> None:
    page.locator("[data-testid=stSidebarNav]").get_by_role("link", name=title, exact=True).click()


def choose(page: Page, key: str, name: str) -> None:
    page.locator(f".st-key-{key}").get_by_role("combobox").click()
    page.get_by_role("option", name=name, exact=True).click()
    page.keyboard.press("Escape")  # a list of many stays open, and hides what is around it


def chosen(page: Page, key: str):
    return page.locator(f".st-key-{key} input").first


def drag(page: Page, across: float, up: float) -> list[float]:
    """Drag the marker to a place, as shares of the plane; the point where it is let go, once the address has it."""
    box = at_rest(page.locator(PLANE).first)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * across, box["y"] + box["height"] * up, steps=6)
    page.mouse.up()
    there = seen(page)
    wait_until(lambda: point(page) == pytest.approx(there, abs=2e-5), PATIENCE, lambda: f"{there} in {address(page)}")
    return there


def point(page: Page) -> list[float]:
    return [float(word) for word in said(page)["z"].split(",")]


def marker_is_at(page: Page, z: list[float]) -> None:
    ready = lambda: page.locator(PAD).count() and page.locator(PAD).first.get_attribute("data-z")  # noqa: E731
    wait_until(lambda: ready() and seen(page) == pytest.approx(z, abs=2e-5), PATIENCE, lambda: f"marker at {z}, not {ready()}")


def open_home(page: Page, server) -> Entries:
    open_pad(page, f"{server.url}/")
    return Entries(page)


def test_explore(page, server):
    entries = open_home(page, server)
    visit(page, "Explore")
    entries.added(1, checkpoint="mnist-2d", z="0,0")
    first = drag(page, 0.3, 0.4)
    entries.added(0)
    page.get_by_role("radio", name="Grid").click()
    entries.added(1, section="grid")
    second = drag(page, 0.6, 0.3)
    third = drag(page, 0.4, 0.6)
    page.locator(".st-key-explore_z1 input").fill("0.25")
    page.keyboard.press("Enter")
    third[0] = 0.25
    wait_until(lambda: point(page) == pytest.approx(third, abs=1e-4), PATIENCE, "the typed coordinate in the address")
    entries.added(0, section="grid")
    assert second != pytest.approx(third)
    choose(page, "checkpoint", "mnist-20d")
    entries.added(1, checkpoint="mnist-20d", section="grid")
    page.locator(".st-key-explore_plane").get_by_text("Principal components").click()
    entries.added(1, plane="components")
    page.locator(".st-key-explore_layers").get_by_text("Codes", exact=True).click()
    entries.added(1, show="codes")

    entries.go(-1)
    expect(page.locator(".st-key-explore_layers [aria-checked=true]")).to_have_text(["Pictures and codes"])
    entries.go(-1)
    expect(page.locator(".st-key-explore_plane [aria-checked=true]")).to_have_text(["Two dimensions"])
    entries.go(-1)
    expect(chosen(page, "checkpoint")).to_have_value("mnist-2d")
    expect(page.get_by_role("radio", name="Grid")).to_be_checked()
    marker_is_at(page, [0.25, third[1]])
    entries.go(-1)
    marker_is_at(page, first)  # on the same plane, where it was before the section was opened
    expect(page.get_by_role("radio", name="A test image")).to_be_checked()
    for _ in range(4):
        entries.go(1)
    expect(chosen(page, "checkpoint")).to_have_value("mnist-20d")
    page.wait_for_selector(TWENTY, state="attached")
    expect(page.locator(".st-key-explore_plane [aria-checked=true]")).to_have_text(["Principal components"])
    expect(page.locator(".st-key-explore_layers [aria-checked=true]")).to_have_text(["Codes"])
    entries.go(-1)
    expect(page.locator(".st-key-explore_layers [aria-checked=true]")).to_have_text(["Pictures and codes"])
    page.get_by_role("radio", name="Traversals").click()  # what came later is gone, and one entry added
    entries.added(1, section="traversals", show="")


def test_a_link_to_explore_adds_no_entry_and_back_leaves_it(page, server):
    entries = open_home(page, server)
    z = ",".join(["0.5"] * 20)
    open_pad(page, f"{server.url}/explore?checkpoint=mnist-20d&z={z}&plane=components&section=walk&show=nonsense")
    entries.added(1, checkpoint="mnist-20d", plane="components", walk="3-2-straight", show="")
    choose(page, "explore_model", "Beside: mnist-2d")
    entries.added(1, beside="mnist-2d", beside_z="0,0")
    entries.go(-1)
    expect(page.locator(PAD)).to_have_count(1)
    entries.go(1)
    expect(page.locator(PAD)).to_have_count(2)
    entries.go(-1)
    page.go_back()
    page.wait_for_url(f"{server.url}/")
    page.get_by_role("button", name="Drag through a trained one").wait_for()


def test_map(page, server):
    entries = open_home(page, server)
    visit(page, "Map")
    entries.added(1, checkpoint="mnist-2d", picture="axes")
    choose(page, "checkpoint", "mnist-20d")
    entries.added(1, checkpoint="mnist-20d", picture="axes-7-12")
    page.locator(".st-key-map_method").get_by_text("PCA").click()
    entries.added(1, picture="components")
    choose(page, "map_colour", "KL")
    entries.added(1, colour="kl")
    axis = f"() => document.querySelector('{CHART}')?._fullLayout?.xaxis.title.text"
    wait_until(lambda: "PC 1" in (page.evaluate(axis) or ""), PATIENCE, "the components")

    entries.go(-1)
    expect(chosen(page, "map_colour")).to_have_value("Class")
    entries.go(-1)
    expect(page.locator(".st-key-map_method [aria-checked=true]")).to_have_text(["Latent axes"])
    wait_until(lambda: page.evaluate(axis) == "z7", PATIENCE, lambda: page.evaluate(axis))
    entries.go(-1)
    expect(chosen(page, "checkpoint")).to_have_value("mnist-2d")
    wait_until(lambda: page.evaluate(axis) == "z1", PATIENCE, lambda: page.evaluate(axis))
    for _ in range(3):
        entries.go(1)
    expect(chosen(page, "map_colour")).to_have_value("KL")
    wait_until(lambda: "PC 1" in (page.evaluate(axis) or ""), PATIENCE, "the components")

    visit(page, "Explore")  # the model goes along, and Back finds the map as it was
    entries.added(1, checkpoint="mnist-20d", plane="axes-7-12", picture="")
    choose(page, "checkpoint", "fashion-2d")
    entries.added(1, checkpoint="fashion-2d")
    entries.go(-1)
    expect(chosen(page, "checkpoint")).to_have_value("mnist-20d")
    entries.go(-1)
    wait_until(lambda: "PC 1" in (page.evaluate(axis) or ""), PATIENCE, "the components")
    expect(chosen(page, "map_colour")).to_have_value("KL")


def test_sweep(page, server):
    entries = open_home(page, server)
    visit(page, "Sweep beta")
    page.wait_for_selector(".st-key-sweep_start button:enabled")
    entries.added(1, beside="")
    models = page.locator(".st-key-sweep_models")
    models.get_by_role("button", name=re.compile("shapes-conv-beta1")).click()
    entries.added(1, beside="shapes-conv")
    page.get_by_label("Data set").click()
    page.get_by_role("option", name="Small digits").click()
    page.locator(".st-key-sweep_betas").get_by_role("button", name=re.compile("0.25")).click()
    page.locator(".st-key-sweep_epochs input").fill("1")
    page.click(".st-key-sweep_start button")
    page.wait_for_function(SWEPT, arg="Running")
    trained = wait_until(lambda: said(page).get("runs"), PATIENCE, "the trainings in the address")
    entries.added(1, runs=trained, beside="")
    page.wait_for_function(SWEPT, arg="Done")
    entries.added(0, runs=trained, beside="")  # all that they did meanwhile added none
    page.wait_for_selector(".st-key-sweep_start button:enabled")
    choose(page, "sweep_models", "mnist-2d")
    entries.added(1, beside="mnist-2d", runs=trained)

    entries.go(-1)
    expect(models.get_by_role("button", name=re.compile("mnist-2d"))).to_have_count(0)
    page.wait_for_function(SWEPT, arg="Done")
    entries.go(-1)
    page.wait_for_function(SWEPT, arg="Idle")
    expect(models.get_by_role("button", name=re.compile("shapes-conv"))).to_have_count(1)
    entries.go(-1)
    expect(models.get_by_role("button", name=re.compile("shapes-conv"))).to_have_count(2)
    for _ in range(3):
        entries.go(1)
    page.wait_for_function(SWEPT, arg="Done")
    expect(models.get_by_role("button", name=re.compile("mnist-2d"))).to_have_count(1)


def train(page: Page, epochs: int) -> None:
    page.wait_for_selector(".st-key-train_start button:enabled")
    fill_epochs(page, epochs)
    page.click(".st-key-train_start button")
    page.wait_for_function(
        "done => document.querySelector('.st-key-train_status')?.innerText.startsWith(done)",
        arg=f"Done · {epochs} of {epochs} epochs",
    )


def test_train(page, server):
    entries = open_home(page, server)
    visit(page, "Train")
    page.wait_for_selector(".st-key-train_start button:enabled")
    entries.added(1, run="", preset="")
    choose(page, "train_preset", "Textbook")
    entries.added(1, preset="textbook")
    page.locator(".st-key-train_data input").click()
    page.get_by_role("option", name="Small digits").click()
    train(page, 2)
    first = wait_until(lambda: said(page).get("run"), PATIENCE, "the training in the address")
    entries.added(1, run=first, preset="textbook")  # all that it did meanwhile added no other
    replay = page.locator(".st-key-train_replay input")
    replay.press("ArrowLeft")
    expect(replay).to_have_attribute("aria-valuetext", "1 epoch")
    train(page, 3)
    second = wait_until(lambda: said(page)["run"] != first and said(page)["run"], PATIENCE, "another training in the address")
    entries.added(1, run=second)

    entries.go(-1)
    wait_for_status(page, "Done · 2 of 2 epochs")
    entries.go(-1)
    wait_for_status(page, "Idle")
    expect(chosen(page, "train_preset")).to_have_value("Textbook")
    entries.go(-1)
    expect(chosen(page, "train_preset")).to_have_value("Watch a map form")
    wait_for_status(page, "Idle")
    for _ in range(3):
        entries.go(1)
    wait_for_status(page, "Done · 3 of 3 epochs")
    expect(chosen(page, "train_preset")).to_have_value("Textbook")
