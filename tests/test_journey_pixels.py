"""Pixels in a real Chromium: a model draws, says its surprise and what a pixel looks at, and finishes what a hand began."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
PIXELS = """
selector => [...document.querySelectorAll(selector)].map(canvas =>
  Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data))
"""
PICTURE, WAYS = ".st-key-pixels_canvas canvas", ".st-key-pixels_sheet canvas"


def open_pixels(page, server, asked: str = "") -> None:
    page.goto(f"{server.url}/pixels?{asked}")
    expect(page.locator(".pixel-desk [role=status]")).to_contain_text("Twelve ways to finish it are drawn")
    expect(page.locator(WAYS)).to_have_count(12)


def reds(page, selector: str) -> list[list[int]]:
    """The red of each pixel of these canvases."""
    return [data[::4] for data in page.evaluate(PIXELS, selector)]


def at(page, row: int, column: int) -> tuple[float, float]:
    """Where on the screen the middle of a pixel of the picture is."""
    box = page.locator(PICTURE).bounding_box()
    return box["x"] + (column + 0.5) * box["width"] / 28, box["y"] + (row + 0.5) * box["height"] / 28


@pytest.mark.parametrize("model", ["mnist-made", "mnist-fvsbn", "mnist-pixelcnn"])
def test_a_model_draws_a_digit_and_says_its_surprise(page, server, model):
    open_pixels(page, server, f"model={model}&speed=at-once")
    before = reds(page, PICTURE)
    page.get_by_role("button", name="Draw a digit").click()
    expect(page.locator(".pixel-desk [role=status]")).to_contain_text("A digit is drawn.")
    nats = float(re.search(r"([\d.]+) nats in all", page.locator(".pixel-desk [role=status]").inner_text())[1])
    assert 20 < nats < 250, "as much as a digit of such a model has"
    (drawn,) = reds(page, PICTURE)
    assert [drawn] != before
    assert 20 < sum(red > 200 for red in drawn) < 350


def test_twelve_ways_go_on_from_what_a_hand_drew(page, server):
    open_pixels(page, server, "model=mnist-made&rows=14")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".pixel-desk [role=status]")).to_contain_text("Twelve ways")
    page.mouse.move(*at(page, 6, 10))
    page.mouse.down()
    for column in range(10, 19):
        page.mouse.move(*at(page, 6, column))
    page.mouse.up()
    page.mouse.click(*at(page, 20, 4))  # below the line is the model's
    inked = [6 * 28 + column for column in range(10, 19)]
    page.wait_for_function(
        "([selector, inked]) => [...document.querySelectorAll(selector)].every(canvas => {"
        " const data = canvas.getContext('2d').getImageData(0, 0, 28, 28).data;"
        " const below = data.subarray(4 * 14 * 28).filter((value, i) => i % 4 === 0);"
        " return inked.every(i => data[4 * i] > 200) && below.some(value => value > 200) })",
        arg=[WAYS, inked],
    )
    ways = reds(page, WAYS)
    known = {tuple(way[: 14 * 28]) for way in ways}
    assert len(known) == 1, "what is known is the same in all"
    assert sum(next(iter(known))) / 255 < 40, "and nothing but what was drawn"
    assert len({tuple(way[14 * 28 :]) for way in ways}) > 6, "what is finished is not"


def test_a_pixel_says_its_probability_and_what_it_looks_at_by_mouse_and_by_keyboard(page, server):
    open_pixels(page, server, "model=mnist-pixelcnn")
    page.get_by_label("Ask a pixel").check()
    page.mouse.click(*at(page, 14, 14))
    told = page.locator(".st-key-pixels_canvas figcaption")
    expect(told).to_have_text(re.compile(r"Row 15, column 15: ink with probability 0\.\d{4}, given those before it\."))
    blue = (
        "selector => { const data = document.querySelector(selector).getContext('2d').getImageData(0, 0, 28, 28).data;"
        " return [...Array(784).keys()].filter(i => data[4 * i + 2] > data[4 * i] + 20) }"
    )
    page.wait_for_function(f"selector => ({blue})(selector).length > 20", arg=PICTURE)
    looked = page.evaluate(blue, PICTURE)
    assert max(looked) < 14 * 28 + 14, "only at those before it"
    assert min(looked) >= 5 * 28, "six blocks see nine rows up"
    page.locator(PICTURE).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(told).to_contain_text("Row 16, column 16")
