"""Home in a real Chromium, and each page as the first that anyone opens on a fresh server."""

import re

import pytest
from conftest import ROOT, Server, at_rest
from playwright.sync_api import expect

from latentscape.site_map import PAGES

pytestmark = pytest.mark.browser


PAD = "[data-testid=latent-pad]"


def test_home_is_a_pad_that_can_be_dragged_at_once_and_leads_to_train(page, server):
    page.goto(server.url)
    page.wait_for_function(f"() => +document.querySelector('{PAD}')?.dataset.decodes > 0")
    expect(page.locator("h1")).to_have_text("Latentscape")
    pad = at_rest(page.locator(PAD))
    assert pad["y"] + pad["height"] <= 900  # whole above the fold
    plane = page.locator("[data-testid=latent-plane]").bounding_box()
    x, y = plane["x"] + plane["width"] / 2, plane["y"] + plane["height"] / 2
    start, decodes = page.get_attribute(PAD, "data-z"), int(page.get_attribute(PAD, "data-decodes"))
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 150, y - 120, steps=12)
    page.mouse.up()
    page.wait_for_function(f"(before) => +document.querySelector('{PAD}').dataset.decodes > before + 3", arg=decodes)
    expect(page.locator(PAD)).not_to_have_attribute("data-z", start)
    page.click(".st-key-home_train button")
    page.wait_for_selector(".st-key-train_start")
    page.wait_for_url(re.compile("/train$"))


def test_on_a_telephone_the_pad_comes_first_and_fits_the_screen(page, server):
    page.set_viewport_size({"width": 400, "height": 900})
    page.goto(server.url)
    page.wait_for_function(f"() => +document.querySelector('{PAD}')?.dataset.decodes > 0")
    pad = at_rest(page.locator(PAD))
    assert pad["y"] + pad["height"] <= 900
    assert pad["y"] < page.locator(".st-key-home_train button").bounding_box()["y"]
    page.wait_for_function("() => document.querySelector('[data-testid=stMain]').scrollWidth <= innerWidth")


REMEMBER_THE_MENU = """() => {
    window.menu = new Set();
    const look = () => document.querySelectorAll('[data-testid=stSidebarNavLink]').forEach((link) => menu.add(link.innerText));
    new MutationObserver(look).observe(document, { childList: true, subtree: true });
}"""


def test_a_deep_link_is_the_first_thing_a_fresh_server_is_asked(page, tmp_path):
    fresh = Server(ROOT / "streamlit_app.py", tmp_path / "log")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(fresh.url)))
    page.add_init_script(f"({REMEMBER_THE_MENU})()")
    try:
        page.goto(f"{fresh.url}/train")
        page.wait_for_selector(".st-key-train_start button")
        page.wait_for_selector(".st-key-checkpoint")
        titles = {title for title, *_ in PAGES.values()}
        seen = {text.split("\n")[-1] for text in page.evaluate("() => [...menu]")}
        assert seen - {""} == titles  # never a menu of file names
        assert not [path for path in asked if path.startswith("/train/")]  # the server is not looked for under the page
        modules = [path for path in asked if path.endswith(".js")]
        assert len(modules) == len(set(modules))
        inside = page.eval_on_selector_all("link[rel=inside]", "links => links.map((link) => new URL(link.href).pathname)")
        assert len(inside) > 30
        assert not set(inside) & set(modules)  # what travels inside the page is not fetched
    finally:
        fresh.close()
