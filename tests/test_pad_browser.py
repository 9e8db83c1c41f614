"""The pad in a real Chromium, inside Streamlit: hands, keys, what travels, what is seen."""

import math
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from conftest import PATIENCE, ROOT, Server, at_rest, new_context, swipe, wait_until
from playwright.sync_api import expect

from vae_core import checkpoint, data

pytestmark = pytest.mark.browser
APP = ROOT / "tests" / "apps" / "pad_app.py"
PIXELS = """() => {
    const canvas = document.querySelector('canvas[data-testid=decoded]');
    return [canvas.width, canvas.height, ...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data];
}"""


@pytest.fixture(scope="module")
def pad_server(tmp_path_factory):
    running = Server(APP, tmp_path_factory.mktemp("pad") / "log")
    yield running
    running.close()


class Pad:
    """What a test sees of the pad on a page."""

    def __init__(self, page):
        self.page = page
        self.root = page.get_by_test_id("latent-pad")
        self.plane = page.get_by_test_id("latent-plane")

    def open(self, url: str):
        self.page.goto(url)
        self.page.wait_for_selector("[data-testid=latent-pad]:not([data-decodes='0'])")
        self.page.wait_for_function("() => !document.querySelector('[data-testid=stStatusWidget]')")
        at_rest(self.plane)
        return self

    @property
    def z(self) -> list[float]:
        return [float(value) for value in self.root.get_attribute("data-z").split(",")]

    @property
    def decodes(self) -> int:
        return int(self.root.get_attribute("data-decodes"))

    @property
    def window(self) -> list[float]:
        """x and y in the middle, pixels a unit."""
        return [float(value) for value in self.plane.get_attribute("data-window").split(",")]

    @property
    def pixels(self) -> np.ndarray:
        width, height, *values = self.page.evaluate(PIXELS)
        return np.array(values, np.uint8).reshape(height, width, 4)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """A place on the page: parts of the plane's width and height."""
        box = self.plane.bounding_box()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def python(self) -> tuple[list[float], int]:
        """The point that Python shows, and how often the script ran."""
        texts = self.page.get_by_test_id("stText").all_inner_texts()
        point = next(text for text in texts if text.startswith("z "))
        runs = next(text for text in texts if text.startswith("runs "))
        return [float(value) for value in point[2:].split(",")], int(runs[5:])

    def heard(self) -> Callable[[], bool]:
        """Whether Python shows the point where the pad stands."""
        return lambda: np.allclose(self.python()[0], self.z, atol=2e-6)


@pytest.fixture
def pad(page):
    """The test fails if the browser's console has an error."""
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield Pad(page)
    assert errors == []


def test_a_drag_decodes_in_the_browser_and_python_hears_of_its_end(pad, pad_server):
    sent: list[int] = []
    pad.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(len(frame))))
    pad.open(pad_server.url)
    before, z_before, decodes_before, runs_before = pad.pixels, pad.z, pad.decodes, pad.python()[1]
    frames_before = len(sent)
    pad.page.mouse.move(*pad.at(0.45, 0.5))
    pad.page.mouse.down()
    for move in range(60):
        pad.page.mouse.move(*pad.at(0.45 + 0.2 * move / 59, 0.5 - 0.25 * math.sin(move / 10)))
    wait_until(lambda: pad.decodes > decodes_before + 5, PATIENCE, "the image follows the hand")
    pad.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")  # all is drawn
    assert len(sent) == frames_before, "the drag talked to the server"
    assert pad.python()[1] == runs_before
    assert pad.z != z_before
    assert not np.array_equal(pad.pixels, before)
    pad.page.mouse.up()
    wait_until(pad.heard(), PATIENCE, "Python shows the settled point")
    settled = pad.z
    pad.plane.press("ArrowRight")  # what was sent between comes before this
    wait_until(lambda: pad.z != settled, PATIENCE, "the pad has moved")
    wait_until(pad.heard(), PATIENCE, "Python shows the next point")
    assert pad.python()[1] == runs_before + 2
    assert len(sent) == frames_before + 2


def test_the_marker_stands_where_the_pointer_is(pad, pad_server):
    pad.open(pad_server.url)
    middle_x, middle_y, scale = pad.window
    box = pad.plane.bounding_box()
    pad.page.mouse.click(*pad.at(0.7, 0.3))
    expected = [middle_x + 0.2 * box["width"] / scale, middle_y + 0.2 * box["height"] / scale]
    wait_until(lambda: np.allclose(pad.z, expected, atol=2.5 / scale), PATIENCE, "the marker comes to the pointer")


def test_the_image_is_what_torch_decodes(pad, pad_server):
    pad.open(pad_server.url)
    pad.page.mouse.click(*pad.at(0.55, 0.4))
    wait_until(pad.heard(), PATIENCE, "Python shows the settled point")
    shipped = next(path for name in ("mnist-2d", "mnist-2d-tutorial") if (path := ROOT / f"checkpoints/{name}.json").exists())
    with torch.no_grad():
        expected = checkpoint.open_file(shipped).model.decode(torch.tensor([pad.z]))[0, 0].mul(255)
    assert np.abs(pad.pixels[:, :, 0] - expected.numpy()).max() < 0.6  # rounding to a byte, and z to six digits
    assert (pad.pixels[:, :, 3] == 255).all()


def test_arrow_keys_move_the_point_and_shift_makes_larger_steps(pad, pad_server):
    pad.open(pad_server.url)
    pad.page.get_by_role("button", name="Far").focus()
    pad.page.keyboard.press("Tab")
    assert pad.plane.evaluate("(node) => node === document.activeElement")
    assert pad.plane.evaluate("(node) => getComputedStyle(node).outlineWidth") == "3px"
    start, runs = pad.z, pad.python()[1]
    pad.page.keyboard.press("ArrowRight")
    wait_until(lambda: pad.z[0] > start[0], PATIENCE, "a small step")
    small = pad.z[0] - start[0]
    pad.page.keyboard.press("Shift+ArrowUp")
    wait_until(lambda: pad.z[1] > start[1], PATIENCE, "a large step")
    assert pad.z[1] - start[1] == pytest.approx(10 * small, rel=1e-3)
    for _ in range(20):
        pad.page.keyboard.press("ArrowLeft")
    wait_until(pad.heard(), PATIENCE, "Python shows the settled point")
    assert pad.python()[1] <= runs + 2, "a run of key presses is one report (or two, on a slow machine)"
    for _ in range(12):
        pad.page.keyboard.press("Shift+ArrowRight")  # beyond the edge: the window follows
    wait_until(lambda: pad.window[0] > 0.5, PATIENCE, "the window follows the marker")
    wait_until(pad.heard(), PATIENCE, "Python shows the settled point")


def test_weights_travel_once(pad, pad_server):
    received, fetched = [], []
    pad.page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(len(frame))))
    pad.page.on("response", lambda answer: "/parcels/" in answer.url and fetched.append(answer))
    pad.open(pad_server.url)
    wait_until(lambda: len(fetched) == 3, PATIENCE, "decoder, codes and images")
    assert [answer.status for answer in fetched] == [200, 200, 200], "they come once"
    assert sum(len(answer.body()) for answer in fetched) > 500_000
    assert sum(received) < 100_000
    received.clear()
    pad.page.mouse.click(*pad.at(0.6, 0.6))
    wait_until(pad.heard(), PATIENCE, "Python shows the settled point")
    assert 0 < sum(received) < 20_000
    assert len(fetched) == 3


def test_a_pad_whose_decoder_does_not_arrive_says_so(page, pad_server):
    pad = Pad(page)
    page.route("**/parcels/*", lambda route: route.fulfill(status=404))
    page.goto(pad_server.url)
    expect(page.get_by_test_id("pad-notice")).to_have_text(
        "The pad's data did not arrive (the server answered 404). Reload this page."
    )
    page.unroute("**/parcels/*")
    page.get_by_test_id("stBaseButton-secondary").filter(has_text="Move").click()
    expect(page.get_by_test_id("pad-notice")).to_be_hidden()
    wait_until(lambda: pad.decodes > 0, PATIENCE, "asked for again at the next change")


SCROLLED = "() => document.querySelector('[data-testid=stMain]').scrollTop"


def test_the_wheel_scrolls_the_page_and_zooms_with_ctrl_or_the_focus(pad, pad_server):
    pad.page.set_viewport_size({"width": 1000, "height": 400})
    pad.open(pad_server.url)
    home = pad.window
    pad.page.mouse.move(*pad.at(0.75, 0.3))
    pad.page.mouse.wheel(0, 120)
    wait_until(lambda: pad.page.evaluate(SCROLLED) > 0, PATIENCE, "the page scrolls")
    assert pad.window == home
    pad.page.mouse.wheel(0, -1000)
    wait_until(lambda: pad.page.evaluate(SCROLLED) == 0, PATIENCE, "and back")
    assert pad.window == home
    pad.page.keyboard.down("Control")
    pad.page.mouse.wheel(0, -300)
    pad.page.keyboard.up("Control")
    wait_until(lambda: pad.window[2] > 1.1 * home[2], PATIENCE, "closer")


def test_the_wheel_zooms_around_the_pointer_and_a_double_click_goes_back(pad, pad_server):
    pad.open(pad_server.url)
    home = pad.window
    pad.plane.focus()
    pad.page.mouse.move(*pad.at(0.75, 0.5))
    pad.page.mouse.wheel(0, -300)
    wait_until(lambda: pad.window[2] > 1.1 * home[2], PATIENCE, "closer")
    assert pad.window[0] > home[0]
    assert pad.page.evaluate(SCROLLED) == 0
    pad.page.mouse.dblclick(*pad.at(0.5, 0.5))
    wait_until(lambda: np.allclose(pad.window, home), PATIENCE, "all of it again")


def test_python_moves_the_marker_until_the_visitor_does(pad, pad_server):
    pad.open(pad_server.url)
    pad.page.mouse.click(*pad.at(0.6, 0.6))
    wait_until(pad.heard(), PATIENCE, "Python shows the settled point")
    pad.page.get_by_role("button", name="Move").click()
    wait_until(lambda: pad.z == [1, -1], PATIENCE, "the marker glides to where Python wants it")
    wait_until(pad.heard(), PATIENCE, "Python knows it")
    pad.plane.focus()
    pad.page.keyboard.press("ArrowRight")
    wait_until(lambda: pad.z[0] > 1, PATIENCE, "the visitor goes on from there")
    wait_until(pad.heard(), PATIENCE, "Python shows the settled point")


def test_the_window_follows_a_marker_that_python_puts_far_away(pad, pad_server):
    pad.open(pad_server.url)
    home = pad.window
    pad.page.get_by_role("button", name="Move").click()
    wait_until(lambda: pad.z == [1, -1], PATIENCE, "the marker is there")
    assert pad.window == home, "it was in sight: nothing moves"
    pad.page.get_by_role("button", name="Far").click()
    wait_until(lambda: pad.z == [9, -7], PATIENCE, "the marker is there")
    wait_until(lambda: np.allclose(pad.window, [9, -7, home[2]]), PATIENCE, "the window is around it")
    pad.page.mouse.dblclick(*pad.at(0.5, 0.5))
    wait_until(lambda: np.allclose(pad.window, home), PATIENCE, "a double click shows all of it again")


def test_the_numbers_under_the_cursor(pad, pad_server):
    pad.open(pad_server.url)
    pad.page.mouse.click(*pad.at(0.52, 0.45))
    wait_until(pad.heard(), PATIENCE, "Python shows the settled point")
    shipped = next(path for name in ("mnist-2d", "mnist-2d-tutorial") if (path := ROOT / f"checkpoints/{name}.json").exists())
    with torch.no_grad():
        codes, _ = checkpoint.open_file(shipped).model.encode(data.to_float(data.load("mnist").test_images[:2000]))
    distances = (codes - torch.tensor(pad.z)).norm(dim=1)

    def number(name: str) -> float:
        return float(pad.page.get_by_test_id(name).inner_text().replace("−", "-"))

    prior = torch.distributions.Normal(0, 1).log_prob(torch.tensor(pad.z)).sum().item()
    wait_until(lambda: number("log-prior") == pytest.approx(prior, abs=0.006), PATIENCE, "the prior's density")
    nearest = distances.min().item()
    wait_until(lambda: number("nearest-distance") == pytest.approx(nearest, abs=0.0006), PATIENCE, "the distance")
    expect(pad.page.get_by_test_id("nearest-image")).to_have_js_property("width", 28)  # the pictures come last
    thumb = pad.page.get_by_test_id("nearest-image").evaluate(
        "(canvas) => [...canvas.getContext('2d').getImageData(0, 0, 28, 28).data]"
    )
    nearest = data.load("mnist").test_images[distances.argmin()].numpy()[0]
    np.testing.assert_array_equal(np.array(thumb).reshape(28, 28, 4)[:, :, 0], nearest)


def test_the_posterior_is_drawn_to_scale(pad, pad_server):
    pad.open(f"{pad_server.url}/?posterior=1")
    shipped = next(path for name in ("mnist-2d", "mnist-2d-tutorial") if (path := ROOT / f"checkpoints/{name}.json").exists())
    with torch.no_grad():
        mu, logvar = checkpoint.open_file(shipped).model.encode(data.to_float(data.load("mnist").test_images[3:4]))
    sigma = torch.exp(0.5 * logvar[0]).tolist()
    x, y, a, b, angle = (float(value) for value in pad.plane.get_attribute("data-posterior").split(","))
    assert (x, y) == pytest.approx(mu[0].tolist(), abs=1e-4)
    spread = (abs(a * math.cos(angle)) + abs(b * math.sin(angle)), abs(a * math.sin(angle)) + abs(b * math.cos(angle)))
    assert spread == pytest.approx(sigma, rel=1e-3)


def shipped_posterior(index: int):
    """The shipped model, and mean and sigma of what it says of a test image."""
    model = checkpoint.open_file(next(
        path for name in ("mnist-2d", "mnist-2d-tutorial") if (path := ROOT / f"checkpoints/{name}.json").exists()
    )).model
    with torch.no_grad():
        mu, logvar = model.encode(data.to_float(data.load("mnist").test_images[index : index + 1]))
    return model, mu[0], torch.exp(0.5 * logvar[0])


def test_a_draw_goes_from_mu_to_mu_plus_sigma_times_epsilon_with_its_picture(pad, pad_server):
    pad.open(f"{pad_server.url}/?posterior=1")
    home, point = pad.window, pad.z
    model, mu, sigma = shipped_posterior(3)
    draws = pad.page.get_by_test_id("pad-draws").get_by_role("button")
    expect(draws).to_have_count(10)
    oldest = draws.first.get_attribute("aria-label")
    button = pad.page.get_by_test_id("pad-draw")
    button.click()
    wait_until(lambda: pad.root.get_attribute("data-drawn"), PATIENCE, "the draw has come to its end")
    z = torch.tensor([float(value) for value in pad.root.get_attribute("data-drawn").split(",")])
    epsilon = (z - mu) / sigma
    assert 0 < epsilon.abs().max() < 6
    with torch.no_grad():
        expected = model.decode(z[None])[0, 0].mul(255)
    assert np.abs(pad.pixels[:, :, 0] - expected.numpy()).max() < 0.6
    assert pad.window[2] > 4 * home[2], "what is drawn from can be seen"
    rows = pad.page.get_by_test_id("pad-values").locator("tr").all_inner_texts()
    told = np.array([[float(cell.replace("−", "-")) for cell in row.split()[1:]] for row in rows])
    np.testing.assert_allclose(told, torch.stack([mu, sigma, epsilon, z], 1), atol=6e-3)
    assert pad.z == point, "the marker is where it was"
    expect(draws).to_have_count(10)
    assert draws.first.get_attribute("aria-label") != oldest
    assert draws.last.get_attribute("aria-pressed") == "true"
    assert button.evaluate("(node) => node === document.activeElement")
    expect(pad.root.locator("[aria-live=polite]")).to_have_text(re.compile(r"drawn: z1 .*; nearest is \d, .* away"))
    draws.first.click()
    expect(draws.first).to_have_attribute("aria-pressed", "true")
    pad.page.get_by_test_id("pad-all").click()
    wait_until(lambda: np.allclose(pad.window, home), PATIENCE, "all of the plane")
    pad.plane.press("ArrowRight")
    wait_until(lambda: pad.root.get_attribute("data-drawn") == "", PATIENCE, "the hand takes over")
    expect(draws.first).to_have_attribute("aria-pressed", "false")


def test_beside_the_plane_there_is_room_for_a_finger_that_scrolls(chromium, pad_server):
    context = new_context(chromium, viewport={"width": 390, "height": 500}, has_touch=True, is_mobile=True)
    pad = Pad(context.new_page()).open(pad_server.url)
    box, window, z = pad.plane.bounding_box(), pad.window, pad.z
    assert box["x"] + box["width"] <= 390 - 44
    touch = context.new_cdp_session(pad.page)
    x, y = box["x"] + box["width"] + 20, min(box["y"] + box["height"] - 20, 400)  # within the window
    swipe(touch, x, y, 150)
    wait_until(lambda: pad.page.evaluate(SCROLLED) > 50, PATIENCE, "the page scrolls")
    assert (pad.window, pad.z) == (window, z)
    context.close()


def test_a_finger_drags(chromium, pad_server):
    context = new_context(chromium, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    pad = Pad(context.new_page()).open(pad_server.url)
    before, scroll = pad.z, pad.page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollTop")
    touch = context.new_cdp_session(pad.page)
    places = [pad.at(0.3 + 0.04 * step, 0.4 + 0.03 * step) for step in range(8)]
    points = [[{"x": x, "y": y}] for x, y in places]
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points[0]})
    for point in points[1:]:
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": point})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    wait_until(pad.heard(), PATIENCE, "Python shows the settled point")
    assert pad.z != before
    assert pad.page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollTop") == scroll
    zoom = pad.window[2]
    pinch = [[pad.at(0.5 - d, 0.5), pad.at(0.5 + d, 0.5)] for d in (0.1, 0.15, 0.2, 0.3)]
    fingers = [[{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(pair)] for pair in pinch]
    for kind, points in zip(["touchStart", *["touchMove"] * 3], fingers, strict=True):
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    wait_until(lambda: pad.window[2] > 1.5 * zoom, PATIENCE, "two fingers apart zoom")
    context.close()


@pytest.mark.parametrize(("width", "height", "most"), [(1400, 900, 560), (1000, 800, 560), (320, 740, 640)])
def test_the_pad_is_whole_at_every_size(pad, pad_server, width, height, most):
    pad.page.set_viewport_size({"width": width, "height": height})
    pad.open(pad_server.url)
    box = pad.root.bounding_box()
    assert box["height"] <= most
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    for part in ("latent-plane", "decoded", "nearest-distance", "nearest-image"):
        inner = pad.page.get_by_test_id(part).bounding_box()
        assert inner["x"] >= box["x"] - 1
        assert inner["x"] + inner["width"] <= box["x"] + box["width"] + 1
        assert inner["y"] + inner["height"] <= box["y"] + box["height"] + 1


@pytest.mark.parametrize("query", ["dims=1", "dims=3&arch=residual&half=1&layers=images", "dims=64&layers=codes"])
def test_other_latent_spaces(pad, pad_server, query):
    pad.open(f"{pad_server.url}/?{query}")
    dims = int(query[5:].split("&")[0])
    pad.page.mouse.click(*pad.at(0.6, 0.3))
    wait_until(pad.heard(), PATIENCE, "Python shows the settled point")
    assert len(pad.z) == dims
    assert all(value != 0 for value in pad.z[:2])
    assert not any(pad.z[2:]), "the plane of two dimensions leaves the others alone"


def test_what_the_runtime_lacks_is_decoded_by_the_server(pad, pad_server):
    pad.open(f"{pad_server.url}/?dims=2&unsupported=1")
    assert "Softplus" in pad.page.get_by_test_id("pad-notice").inner_text()
    before = pad.pixels
    pad.page.mouse.click(*pad.at(0.7, 0.2))
    wait_until(lambda: not np.array_equal(pad.pixels, before), PATIENCE, "the server's image arrives")
    assert "latent-pad--waiting" not in pad.root.get_attribute("class")


def test_with_the_server_gone_the_drag_goes_on(page, tmp_path):
    server = Server(APP, tmp_path / "log")
    try:
        pad = Pad(page).open(server.url)
        page.mouse.click(*pad.at(0.5, 0.5))
        wait_until(pad.heard(), PATIENCE, "the page has come to rest")
    finally:
        server.close()
    page.get_by_test_id("stDialog").wait_for()  # Streamlit says that the connection is lost
    page.keyboard.press("Escape")
    page.get_by_test_id("stDialog").wait_for(state="hidden")
    decodes, z = pad.decodes, pad.z
    page.mouse.move(*pad.at(0.5, 0.5))
    page.mouse.down()
    page.mouse.move(*pad.at(0.7, 0.4), steps=30)
    page.mouse.up()
    wait_until(lambda: pad.decodes > decodes + 5, PATIENCE, "the image follows the hand")
    assert pad.z != z
