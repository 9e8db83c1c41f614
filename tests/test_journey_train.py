"""Train, as a newcomer does it, in a real Chromium."""

import re

import pytest
from conftest import PATIENCE, new_context, wait_until
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
STATUS = ".st-key-train_status"
LOSS_IS_SHOWN = "() => /Test loss.*\\d nats/.test(document.querySelector('.st-key-train_numbers')?.innerText)"
HAS_STATUS = "word => document.querySelector('.st-key-train_status')?.innerText.startsWith(word)"


def wait_for_status(page, word: str) -> None:
    page.wait_for_function(HAS_STATUS, arg=word)


def shown_loss(page) -> float | None:
    """The number of nats that the page shows as the test loss; None before the first epoch ends."""
    found = re.search(r"Test loss .*? ([\d.]+) = .* nats", page.locator(".st-key-train_numbers").inner_text())
    return float(found[1]) if found else None


def open_train(page, server, query: str = "") -> None:
    page.goto(f"{server.url}/train{query}")
    page.wait_for_selector(".st-key-train_start button")


def fill_epochs(page, epochs: int) -> None:
    box = page.locator(".st-key-train_epochs input")
    expect(box).to_have_count(1)  # while a form is drawn anew there may be two
    box.fill(str(epochs))


def train_without_end(page, server) -> None:
    """Start a training that is not over within the hour, though each of its epochs takes seconds; it is running."""
    open_train(page, server)
    page.locator(".st-key-train_preset input").click()
    page.get_by_role("option", name="First map in ten seconds").click()
    expect(page.locator(".st-key-train_batch_size input")).to_have_value("256")
    fill_epochs(page, 1000)
    page.click(".st-key-train_start button")
    wait_for_status(page, "Running")


def test_a_newcomer_presses_train_and_stops_before_an_epoch_is_over(page, server):
    open_train(page, server)
    wait_for_status(page, "Idle")
    expect(page.locator("h1")).to_have_count(1)
    page.click(".st-key-train_start button")
    wait_for_status(page, "Running")
    for key in ("train_map", "train_reconstructions", "train_samples", "train_loss"):
        page.wait_for_selector(f".st-key-{key}")
    page.click(".st-key-train_stop button")
    wait_for_status(page, "Stopped")


IN_VIEW = """keys => keys.every(key => {
    const box = document.querySelector(`.st-key-${key}`)?.getBoundingClientRect();
    return box && box.height > 50 && box.top >= 0 && box.bottom <= innerHeight && box.right <= innerWidth;
})"""


def test_on_a_projector_what_is_learned_is_in_view_together(page, server):
    page.set_viewport_size({"width": 1280, "height": 720})
    train_without_end(page, server)
    shown = ["train_map_figure", "train_reconstructions", "train_samples", "train_loss_figure"]
    page.wait_for_function(IN_VIEW, arg=shown)  # while it runs
    assert page.evaluate("() => document.querySelector('.stMain').scrollTop") == 0, "without scrolling"
    page.click(".st-key-train_stop button")
    wait_for_status(page, "Stopped")
    page.wait_for_function(IN_VIEW, arg=shown)


def test_on_a_telephone_the_training_comes_first_and_into_sight(chromium, server):
    context = new_context(chromium, viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    open_train(page, server)
    before = [page.locator(f".st-key-{key}").bounding_box()["y"] for key in ("train_start", "train_status")]
    assert before[0] < before[1], "one presses before one watches"
    page.tap(".st-key-train_start button")
    page.locator(".st-key-train_samples img").wait_for()
    page.wait_for_function(
        "() => { const at = key => document.querySelector(`.st-key-${key}`).getBoundingClientRect();"
        " return at('train_status').top >= 0 && at('train_words').bottom < innerHeight && at('train_start').top > innerHeight }"
    )
    page.click(".st-key-train_stop button")
    context.close()


def test_where_columns_wrap_the_training_comes_into_sight(chromium, server):
    context = new_context(chromium, viewport={"width": 800, "height": 1000})
    page = context.new_page()
    open_train(page, server)
    page.click(".st-key-train_start button")
    page.locator(".st-key-train_samples img").wait_for()
    page.wait_for_function(
        "() => { const at = key => document.querySelector(`.st-key-${key}`).getBoundingClientRect();"
        " return at('train_status').top >= 0 && at('train_map_figure').bottom < innerHeight }"
    )
    page.click(".st-key-train_stop button")
    context.close()


def test_a_stopped_run_is_found_again_after_a_reload_and_taken_away(page, server):
    train_without_end(page, server)
    page.wait_for_function(LOSS_IS_SHOWN)
    page.click(".st-key-train_stop button")
    wait_for_status(page, "Stopped")
    page.wait_for_selector(".st-key-train_keep button")
    page.wait_for_url(re.compile("run="))
    shown = shown_loss(page)
    page.reload()
    wait_for_status(page, "Stopped")
    wait_until(lambda: shown_loss(page) == shown, PATIENCE, "the same loss after a reload")
    with page.expect_download() as download:
        page.click(".st-key-train_download button")
    assert download.value.suggested_filename.endswith(".zip")


def test_the_loss_falls_and_pause_then_step_trains_exactly_one_epoch_and_a_guest_may_look(page, server, chromium):
    train_without_end(page, server)
    page.wait_for_function(LOSS_IS_SHOWN)
    page.wait_for_function(
        "first => parseFloat(document.querySelector('.st-key-train_numbers strong').innerText) < first",
        arg=shown_loss(page),
    )
    page.click(".st-key-train_pause button")
    wait_for_status(page, "Paused")
    done = int(re.search(r"(\d+) of 1000 epochs", page.locator(STATUS).inner_text())[1])
    page.click(".st-key-train_step button")
    page.wait_for_function(
        "done => document.querySelector('.st-key-train_status').innerText.startsWith(`Paused · ${done + 1} of 1000 epochs`)",
        arg=done,
    )

    page.get_by_role("button", name="Share").click()
    link = page.locator(".st-key-train_link_look code").inner_text()
    page.keyboard.press("Escape")
    guest = new_context(chromium).new_page()
    guest.goto(link)
    guest.wait_for_selector(STATUS)
    guest.wait_for_selector(".st-key-train_map")
    expect(guest.locator(".st-key-train_stop")).to_have_count(0)
    guest.context.close()

    page.click(".st-key-train_stop button")
    wait_for_status(page, "Stopped")


@pytest.mark.parametrize("width", [1400, 320])
def test_nothing_is_cut_off_sideways(page, server, width):
    page.set_viewport_size({"width": width, "height": 900})
    for path in ("/", "/train"):
        page.goto(server.url + path)
        page.wait_for_selector("h1")
        page.wait_for_function("() => !document.querySelector('[data-testid=stStatusWidget]')")
        page.wait_for_function(
            "() => { const main = document.querySelector('[data-testid=stMain]');"
            " return document.documentElement.scrollWidth <= innerWidth && main.scrollWidth <= main.clientWidth }"
        )


def shown_moment(page) -> str:
    return page.locator(".st-key-train_replay output").inner_text()


def test_what_is_shown_follows_until_a_person_moves_it_and_all_of_it_is_of_one_moment(page, server):
    """Epochs of a few milliseconds: the bar gets new moments faster than the page is drawn."""
    open_train(page, server, "?preset=watch-a-map-form&data=digits&architecture=mlp")
    fill_epochs(page, 150)
    page.click(".st-key-train_start button")
    wait_for_status(page, "Done")
    expect(page.locator(".st-key-train_replay output")).to_have_text("150 epochs")
    expect(page.get_by_role("button", name="Follow", exact=True)).to_be_hidden()
    expect(page.locator(".st-key-train_map")).to_contain_text("after 150 epochs")
    last = shown_loss(page)

    bar = page.locator(".st-key-train_replay input")
    bar.press("Home")
    for key in ("train_map", "train_reconstructions"):
        expect(page.locator(f".st-key-{key} [role=img], .st-key-{key} img").first).to_be_visible()
    expect(page.locator(".st-key-train_map")).to_contain_text("before training")
    expect(page.locator(".st-key-train_numbers")).to_contain_text("Nothing is measured yet")
    bar.press("ArrowRight")
    expect(page.locator(".st-key-train_numbers")).to_contain_text("Training loss")
    assert re.fullmatch(r"0\.\d\d epochs", shown_moment(page))
    expect(page.locator(".st-key-train_map")).to_contain_text(f"after {shown_moment(page)}")
    page.wait_for_selector(".st-key-train_loss path[style*='stroke-dasharray']", state="attached")  # the moment in the curves

    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.get_by_role("button", name="Pause replay")).to_be_visible()
    page.get_by_role("button", name="Follow", exact=True).click()
    expect(page.locator(".st-key-train_map")).to_contain_text("after 150 epochs")
    wait_until(lambda: shown_loss(page) == last, PATIENCE, "the loss of the last epoch")
