"""Explore in a real Chromium: open, drag, see another digit, and send the link."""

import json
import re
from urllib.parse import parse_qs, urlparse

import pytest
from conftest import PATIENCE, at_rest, new_context, wait_until
from PIL import Image
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
PAD = "[data-testid=latent-pad]"
PLANE = "[data-testid=latent-plane]"


def open_pad(page, address: str) -> None:
    page.goto(address)
    page.wait_for_function(f"() => +document.querySelector('{PAD}')?.dataset.decodes > 0")


def seen(page, index: int = 0) -> list[float]:
    """The point z where a pad's marker is."""
    return [float(value) for value in page.locator(PAD).nth(index).get_attribute("data-z").split(",")]


def linked(page, name: str) -> list[float]:
    """The numbers that the address has under a name."""
    return [float(value) for value in url_of(page).get(name, [""])[0].split(",") if value]


def picture(page) -> str:
    return page.evaluate("() => document.querySelector('canvas[data-testid=decoded]').toDataURL()")


def test_drag_see_another_digit_and_send_the_link(page, server, chromium):
    open_pad(page, f"{server.url}/explore")
    expect(page.locator("h1")).to_have_count(1)
    plane = at_rest(page.locator(PLANE).first)
    before, start = picture(page), page.get_attribute(PAD, "data-z")
    x, y = plane["x"] + plane["width"] / 2, plane["y"] + plane["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - plane["width"] / 4, y - plane["height"] / 4, steps=10)
    expect(page.locator(PAD)).not_to_have_attribute("data-z", start)  # while the hand is still down
    wait_until(lambda: picture(page) != before, PATIENCE, "another picture")
    page.mouse.up()
    wait_until(lambda: linked(page, "z") == pytest.approx(seen(page), abs=2e-5) != [0, 0], PATIENCE, "the address follows")
    z = seen(page)
    shown = page.wait_for_selector(".st-key-explore_z1 input")
    page.wait_for_function(
        "([box, value]) => Math.abs(box.value - value) < 0.01", arg=[shown, z[0]]
    )  # the number box follows
    assert plane["y"] + plane["height"] <= 900  # whole above the fold

    guest = new_context(chromium, viewport={"width": 1400, "height": 900}).new_page()
    open_pad(guest, page.url)
    wait_until(lambda: seen(guest) == pytest.approx(z, abs=2e-5), PATIENCE, "the guest is where the link says")
    guest.context.close()


def test_a_number_box_moves_the_marker_without_a_mouse(page, server):
    open_pad(page, f"{server.url}/explore")
    page.locator(".st-key-explore_z1 input").fill("1.5")
    page.keyboard.press("Enter")
    page.wait_for_function(
        f"() => Math.abs(parseFloat(document.querySelector('{PAD}').dataset.z) - 1.5) < 1e-3"
    )


def test_a_point_that_no_draw_would_reach_is_said_to_be_moved_by_hand(page, server):
    open_pad(page, f"{server.url}/explore?image=7")
    words = page.locator(".latent-pad__formula")
    assert "by hand" not in (words.text_content() or "")
    page.locator(".st-key-explore_z1 input").fill("-3")
    page.keyboard.press("Enter")
    words.filter(has_text="the point was moved by hand").wait_for()


def test_the_first_view_keeps_the_codes_in_sight_of_an_image_at_their_edge(page, server):
    """The marker is well inside, and so are most of the plane's classes."""
    page.set_viewport_size({"width": 1280, "height": 720})
    open_pad(page, f"{server.url}/explore?image=7")
    x, y, scale = (float(word) for word in page.locator(PLANE).get_attribute("data-window").split(","))
    box, at = page.locator(PLANE).bounding_box(), seen(page)
    across, up = box["width"] / 2 / scale, box["height"] / 2 / scale
    assert abs(at[0] - x) < 0.9 * across
    assert abs(at[1] - y) < 0.9 * up
    assert abs(x) < across, "the origin is in sight"
    assert abs(y) < up


def open_section(page, name: str) -> None:
    page.get_by_role("radio", name=name).click()
    page.wait_for_function("() => !document.querySelector('[data-testid=stStatusWidget]')")


def posterior(page, index: int = 0) -> list[float]:
    """x, y, half axes and angle of the ellipse on a pad; empty without one."""
    words = page.locator(PLANE).nth(index).get_attribute("data-posterior")
    return [float(word) for word in words.split(",")] if words else []


def test_draw_a_digit_with_the_mouse_and_see_its_ellipse_and_terms(page, server):
    page.set_viewport_size({"width": 1280, "height": 720})  # a projector
    open_pad(page, f"{server.url}/explore")
    assert posterior(page) == []
    open_section(page, "Your own digit")
    canvas = page.locator(".st-key-explore_draw canvas").last
    box = at_rest(canvas)
    plane = page.locator(PLANE).bounding_box()
    for drawn in (box, plane):
        assert drawn["y"] + drawn["height"] <= 720, "what is drawn and where it lands are in view together"
    tools = page.locator(".st-key-explore_draw").get_by_role("button", name="Reset canvas & history").bounding_box()
    assert tools["y"] + tools["height"] <= box["y"], "beside the drawing, not upon it"
    page.mouse.move(box["x"] + 140, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 140, box["y"] + 240, steps=10)  # a one
    page.mouse.up()
    page.wait_for_function("() => document.querySelector('[data-testid=latent-plane]').dataset.posterior")
    x, y, *half_axes, _ = posterior(page)
    assert all(0 < half < 1 for half in half_axes)
    page.wait_for_function(
        f"([x, y]) => {{ const z = document.querySelector('{PAD}').dataset.z.split(','); "
        "return Math.hypot(z[0] - x, z[1] - y) < 1e-4; }",
        arg=[x, y],
    )  # the marker glides to its code
    page.get_by_role("cell", name="-ELBO").wait_for()
    expect(page.locator(f"{PAD} [data-part=nearestName]")).to_have_text("1")  # of the nearest test image


def test_a_walk_along_the_decoder_is_drawn_on_the_plane_and_taken_along(page, server):
    open_pad(page, f"{server.url}/explore")
    path = "JSON.parse(document.querySelector('[data-testid=latent-plane]').dataset.path)"
    wait_until(lambda: page.evaluate(path) == [], PATIENCE, "no walk yet")
    open_section(page, "Walk")
    page.wait_for_function(f"() => {path}.length > 1")
    straight = page.evaluate(path)
    page.locator(".st-key-explore_walk").get_by_text("Along the decoder").click()
    before = json.dumps(straight, separators=(",", ":"))
    page.wait_for_function(f"(line) => JSON.stringify({path}) !== line", arg=before)
    bent = page.evaluate(path)
    assert bent[0] == pytest.approx(straight[0], abs=1e-4)
    assert bent[-1] == pytest.approx(straight[-1], abs=1e-4)
    page.wait_for_url(re.compile("section=walk&walk=3-2-decoder"))
    link = page.context.new_page()
    open_pad(link, page.url)
    link.wait_for_function(f"(line) => JSON.stringify({path}) === line", arg=json.dumps(bent, separators=(",", ":")))
    link.locator(".st-key-explore_strip button").wait_for()
    link.close()
    with page.expect_download() as download:
        page.click(".st-key-explore_strip button")
    with Image.open(download.value.path()) as strip:
        assert strip.width > 10 * strip.height
    open_section(page, "Grid")
    page.wait_for_function(f"() => {path}.length === 0")  # the walk goes with its section


def test_a_second_model_shows_the_same_image_and_a_link_opens_both(page, server, chromium):
    open_pad(page, f"{server.url}/explore?image=5&show=codes")
    page.locator(".st-key-explore_model").get_by_role("combobox").click()
    page.get_by_role("option", name="Beside: mnist-20d", exact=True).click()
    both = f"""() => {{
        const pads = [...document.querySelectorAll('{PAD}')];
        const ready = pads.every((pad) => +pad.dataset.decodes &&
            pad.querySelector('[data-testid=latent-plane]').dataset.posterior);
        return ready && pads.length === 2 && pads[0].getBoundingClientRect().right < pads[1].getBoundingClientRect().left;
    }}"""  # side by side
    page.wait_for_function(both)
    page.wait_for_function("() => new URL(location).searchParams.has('beside_z')")
    assert len(posterior(page, 0)) == len(posterior(page, 1)) == 5
    at_rest(page.locator(PLANE).first)
    assert all(bottom <= 900 for bottom in bottoms(page))
    before = [seen(page, index) for index in (0, 1)]
    plane = page.locator(PLANE).nth(1).bounding_box()
    page.mouse.click(plane["x"] + plane["width"] * 0.7, plane["y"] + plane["height"] * 0.3)
    wait_until(
        lambda: linked(page, "beside_z") == pytest.approx(seen(page, 1), abs=2e-5) != before[1], PATIENCE, "the address follows"
    )
    after = [seen(page, index) for index in (0, 1)]
    assert after[0] == before[0]

    guest = new_context(chromium, viewport={"width": 1400, "height": 900}).new_page()
    guest.goto(page.url)
    guest.wait_for_function(both)
    for index in (0, 1):
        wait_until(lambda pad=index: seen(guest, pad) == pytest.approx(after[pad], abs=2e-5), PATIENCE, "where the link says")
    expect(guest.locator(".st-key-explore_layers [aria-checked=true]")).to_have_text("Codes")
    expect(guest.locator(".st-key-explore_image input")).to_have_value("5")
    wait_until(lambda: url_of(guest) == url_of(page), PATIENCE, "the same address")
    guest.context.close()


def test_two_models_of_many_dimensions_are_whole_above_the_fold(page, server):
    open_pad(page, f"{server.url}/explore?checkpoint=mnist-20d&beside=mnist-20d-binary")
    page.wait_for_function(
        f"() => {{ const pads = [...document.querySelectorAll('{PAD}')];"
        " return pads.length === 2 && pads.every((pad) => +pad.dataset.decodes) }",
    )
    at_rest(page.locator(PLANE).first)
    assert all(bottom <= 900 for bottom in bottoms(page))


def bottoms(page) -> list[float]:
    """Where plane and picture of each pad end, in pixels from the top of the window."""
    parts = f"{PAD} :is(.latent-pad__left, .latent-pad__right)"
    return page.eval_on_selector_all(parts, "parts => parts.map(part => part.getBoundingClientRect().bottom)")


CUT = """() => {
  const main = document.querySelector('.stMainBlockContainer');
  const parts = [...main.querySelectorAll('button, input, canvas, table, [data-testid=stMetricValue]')];
  const isWide = (part) => part.getBoundingClientRect().right > main.getBoundingClientRect().right + 1;
  const isShort = (part) => part.matches('button, [data-testid=stMetricValue]') && part.scrollWidth > part.clientWidth + 1;
  const cut = parts.filter((part) => part.checkVisibility() && (isWide(part) || isShort(part)));
  return cut.map((part) => part.outerHTML.slice(0, 200));
}"""


@pytest.mark.parametrize("width", [660, 800, 1000])
def test_nothing_is_cut_where_columns_have_little_room(page, server, width):
    page.set_viewport_size({"width": width, "height": 900})
    open_pad(page, f"{server.url}/explore?image=7")
    at_rest(page.locator(PLANE))
    assert page.evaluate(CUT) == []
    open_section(page, "Your own digit")
    at_rest(page.locator(".st-key-explore_draw canvas").last)
    frame = page.locator(".st-key-explore_draw .dc-scroll")
    assert frame.evaluate("(node) => node.clientWidth") == 280
    assert page.evaluate(CUT) == []


def url_of(page) -> dict[str, list[str]]:
    return parse_qs(urlparse(page.url).query)


def test_a_heat_map_fills_the_plane(page, server):
    open_pad(page, f"{server.url}/explore?show=density")
    page.locator(".latent-pad__ramp").wait_for()
    page.wait_for_function(  # strong in the middle of the codes, and nothing in a corner
        """() => {
            const canvas = document.querySelector('canvas[data-part=tiles]');
            const { width, height } = canvas;
            const alpha = (x, y) => canvas.getContext('2d').getImageData(x * width, y * height, 1, 1).data[3];
            return alpha(0.5, 0.5) > 150 && alpha(0.02, 0.98) < 40;
        }"""
    )


FRAMES = """count => new Promise((done) => {
  const tick = () => (count-- ? requestAnimationFrame(tick) : done());
  tick();
})"""
IN_SIGHT = """() => {
  const plane = document.querySelector('[data-testid=latent-plane]');
  const [x, y, scale] = plane.dataset.window.split(',').map(Number);
  const [z1, z2] = document.querySelector('[data-testid=latent-pad]').dataset.z.split(',').map(Number);
  const inside = (offset, size) => Math.abs(offset) * scale < size / 2;
  return plane.clientHeight === 478 && inside(z1 - x, plane.clientWidth) && inside(z2 - y, plane.clientHeight);
}"""


def test_a_style_sheet_that_comes_late_makes_no_pad_grow_and_the_marker_is_in_sight(page, server):
    held = []
    page.route(re.compile(r"/style\.css"), lambda request: held.append(request))
    page.goto(f"{server.url}/explore?image=7")
    page.wait_for_function("() => document.querySelector('[data-testid=latent-pad]')?.dataset.decodes > 0")
    page.evaluate(FRAMES, 30)
    assert held, "the pad has its style sheet from somewhere else"
    assert page.evaluate("() => document.querySelector('[data-testid=latent-plane]').scrollHeight") < 100
    assert page.evaluate("() => document.querySelector('.stMain').scrollHeight") < 5000
    for request in held:
        request.continue_()
    page.wait_for_function(IN_SIGHT)
