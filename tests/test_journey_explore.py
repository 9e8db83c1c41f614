"""Explore in a real Chromium: open, drag, see another digit, and send the link."""

import pytest

pytestmark = pytest.mark.browser
PAD = "[data-testid=latent-pad]"


def open_pad(page, address: str) -> None:
    page.goto(address)
    page.wait_for_function(f"() => +document.querySelector('{PAD}')?.dataset.decodes > 0", timeout=90_000)


def picture(page) -> str:
    return page.evaluate("() => document.querySelector('canvas[data-testid=decoded]').toDataURL()")


def test_drag_see_another_digit_and_send_the_link(page, server, chromium):
    open_pad(page, f"{server.url}/explore")
    assert page.locator("h1").count() == 1
    before, start = picture(page), page.get_attribute(PAD, "data-z")
    box = page.locator("[data-testid=latent-plane]").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - box["width"] / 4, y - box["height"] / 4, steps=10)
    assert page.get_attribute(PAD, "data-z") != start  # while the hand is still down
    assert picture(page) != before
    page.mouse.up()
    z = [float(value) for value in page.get_attribute(PAD, "data-z").split(",")]
    page.wait_for_function("() => new URL(location).searchParams.get('z')?.split(',').some(value => +value)", timeout=20_000)
    shown = page.wait_for_selector(".st-key-explore_z1 input")
    page.wait_for_function(
        "([box, value]) => Math.abs(box.value - value) < 0.01", arg=[shown, z[0]], timeout=20_000
    )  # the number box follows
    assert (box["y"] + box["height"]) <= 900  # whole above the fold

    guest = chromium.new_context(viewport={"width": 1400, "height": 900}).new_page()
    open_pad(guest, page.url)
    seen = [float(value) for value in guest.get_attribute(PAD, "data-z").split(",")]
    assert seen == pytest.approx(z, abs=0.01)
    guest.context.close()


def test_a_number_box_moves_the_marker_without_a_mouse(page, server):
    open_pad(page, f"{server.url}/explore")
    page.locator(".st-key-explore_z1 input").fill("1.5")
    page.keyboard.press("Enter")
    page.wait_for_function(
        f"() => Math.abs(parseFloat(document.querySelector('{PAD}').dataset.z) - 1.5) < 1e-3", timeout=20_000
    )
