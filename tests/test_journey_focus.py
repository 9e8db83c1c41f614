"""What who uses no mouse, or no eyes, has of a press: the focus stays, its end is said; forced colours tell what is chosen."""

import re

import pytest
from conftest import PATIENCE, new_context
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

INSIDE = "(key) => !!document.activeElement.closest(`.st-key-${key}`)"
ON = "(key) => document.activeElement.matches(`.st-key-${key} button`)"
SPOKEN = "[data-testid=spoken]"


def press(page, key: str) -> None:
    page.locator(f".st-key-{key} button:enabled").focus()
    page.keyboard.press("Enter")


def test_the_focus_stays_and_the_end_of_a_training_is_spoken(page, server):
    page.goto(f"{server.url}/train")
    page.wait_for_selector(".st-key-train_start button:enabled")
    press(page, "train_start")
    expect(page.locator(".st-key-train_start button")).to_be_disabled()
    page.wait_for_function(INSIDE, arg="train_start")
    page.locator(".st-key-train_status", has_text="Running").wait_for()
    press(page, "train_pause")
    page.locator(".st-key-train_pause", has_text="Resume").wait_for()
    page.wait_for_function(ON, arg="train_pause")  # the same button, with another word
    assert page.locator(SPOKEN).text_content() == ""
    press(page, "train_stop")
    expect(page.locator(".st-key-train_stop button")).to_be_disabled()
    page.wait_for_function(INSIDE, arg="train_stop")
    expect(page.locator(SPOKEN)).to_have_text(re.compile("training of .* is stopped"))
    page.keyboard.press("Shift+Tab")  # from where it is held, on as ever
    page.wait_for_function("() => document.activeElement !== document.body && !document.activeElement.dataset.holdsFocus")


def test_the_focus_stays_where_a_bar_comes_in_the_place_of_a_button(page, server):
    page.goto(f"{server.url}/autoencoders?section=bottleneck")
    page.wait_for_selector(".st-key-ae_sizes_start button")
    press(page, "ae_sizes_start")
    page.wait_for_selector(".st-key-ae_sizes_stop button")
    page.wait_for_function(INSIDE, arg="ae_bottleneck")
    page.keyboard.press("Tab")
    page.wait_for_function(ON, arg="ae_sizes_stop")
    page.keyboard.press("Enter")
    page.locator(".st-key-ae_sizes_stop").wait_for(state="detached")
    page.wait_for_function(INSIDE, arg="ae_bottleneck")


def test_who_goes_elsewhere_is_not_called_back(page, server):
    page.goto(f"{server.url}/train")
    page.wait_for_selector(".st-key-train_start button:enabled")
    page.locator(".st-key-train_start button").focus()
    page.locator("h1").click()
    page.evaluate("document.querySelector('.st-key-train_start button').disabled = true")
    page.wait_for_timeout(300)  # what must not happen has had its time
    assert not page.evaluate(INSIDE, "train_start")


def test_the_end_of_a_t_sne_is_spoken(page, server):
    page.goto(f"{server.url}/map?checkpoint=mnist-20d")
    page.locator(".st-key-map_method").get_by_text("t-SNE").click()
    page.wait_for_selector(".st-key-map_stop button", timeout=1000 * PATIENCE)
    press(page, "map_stop")
    expect(page.locator(SPOKEN)).to_have_text("t-SNE of mnist-20d has stopped.")


BACK = "(selector) => getComputedStyle(document.querySelector(selector)).backgroundColor"


def test_in_forced_colours_what_is_chosen_is_seen(chromium, server):
    context = new_context(chromium, viewport={"width": 1280, "height": 800}, forced_colors="active")
    page = context.new_page()
    colour = lambda selector: page.evaluate(BACK, selector)  # noqa: E731
    page.goto(f"{server.url}/autoencoders")
    page.locator(".st-key-ae_first .stSlider").wait_for()
    assert colour("[role=tab][aria-selected=true]") != colour("[role=tab][aria-selected=false]")
    thumb, rail = "div:has(> [data-testid=stSliderThumbValue])", "[role=group] > [data-orientation] > div:first-child"
    assert len({colour("body"), colour(f".stSlider {thumb}"), colour(f".stSlider {rail}")}) == 3
    page.goto(f"{server.url}/map")
    switch = ".st-key-map_prior label > span + div"
    page.locator(switch).wait_for()
    off = colour(switch), colour(f"{switch} > div")
    assert off[0] != off[1]
    page.locator(switch).click()
    page.locator(".st-key-map_prior label[data-selected]").wait_for()
    assert colour(switch) != off[0]
    assert colour(switch) != colour(f"{switch} > div")
    chosen = ".st-key-map_method button[data-selected]"
    assert colour(chosen) != colour(".st-key-map_method button:not([data-selected])")
    context.close()
