"""Map in a real Chromium: hover and see an image, lasso and see many, watch t-SNE form."""

import re

import numpy as np
import pytest
from conftest import PATIENCE, ROOT, Server, at_rest, new_context, swipe, wait_until
from playwright.sync_api import expect

from vae_core import checkpoint, data, evaluate

pytestmark = pytest.mark.browser
CHART = ".st-key-map_chart .js-plotly-plot"
HOVERED = "[data-testid=hover-picture]"


def open_map(page, server, query: str = "") -> None:
    page.goto(f"{server.url}/map{query}")
    page.wait_for_selector(f"{CHART} .nsewdrag")
    at_rest(page.locator(f"{CHART} .nsewdrag"))


def on_screen(page, points: np.ndarray) -> np.ndarray:
    """Data coordinates (N, 2) -> pixels of the window."""
    return np.array(page.evaluate(
        """([chart, points]) => {
             const plot = document.querySelector(chart), {xaxis, yaxis} = plot._fullLayout;
             const box = plot.getBoundingClientRect();
             return points.map(([x, y]) => [box.x + xaxis._offset + xaxis.d2p(x), box.y + yaxis._offset + yaxis.d2p(y)]);
           }""",
        [CHART, np.asarray(points, float).tolist()],
    ))


def lasso(page, corners: np.ndarray) -> None:
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in (*corners[1:], corners[0]):
        page.mouse.move(*corner, steps=6)
    page.mouse.up()


def first_point(page) -> float:
    """Across, of the first point of the first class as Plotly drew it."""
    return page.wait_for_function(f"() => document.querySelector('{CHART}')?._fullData?.[0].x[0]").json_value()


def moved(page, before: float) -> float:
    """The same, once it is another than before."""
    return page.wait_for_function(
        """([chart, before]) => {
             const now = document.querySelector(chart)?._fullData?.[0].x[0];
             return now !== before && now;
           }""",
        arg=[CHART, before],
    ).json_value()


@pytest.fixture(scope="module")
def codes():
    """mu of the test images by the model that the page opens on."""
    model = checkpoint.open_file(ROOT / "checkpoints" / "mnist-2d").model
    return evaluate.encode(model, data.load("mnist").test_images)[0].numpy()


def test_the_image_under_the_cursor_is_the_one_of_that_code(page, server, codes):
    open_map(page, server)
    lonely = int(np.argmax(np.linalg.norm(codes, axis=1)))  # nobody is near: the cursor can only mean this one
    spot = on_screen(page, codes[[lonely]])[0]
    page.mouse.move(*(spot + 30))
    page.mouse.move(*spot, steps=6)
    page.wait_for_function(f"n => document.querySelector('{HOVERED}')?.dataset.index === String(n)", arg=lonely)
    expect(page.locator(HOVERED)).to_be_visible()
    shown = page.evaluate(
        """async hovered => {
             const {backgroundImage, backgroundPosition, backgroundSize} = document.querySelector(hovered).style;
             const image = new Image();
             image.src = backgroundImage.slice(5, -2);
             await image.decode();
             const scale = parseFloat(backgroundSize) / image.width;
             const [x, y] = backgroundPosition.split(' ').map(word => -parseFloat(word) / scale);
             const canvas = new OffscreenCanvas(28, 28).getContext('2d');
             canvas.drawImage(image, -x, -y);
             return Array.from(canvas.getImageData(0, 0, 28, 28).data).filter((_, index) => index % 4 === 0);
           }""",
        HOVERED,
    )
    original = data.load("mnist").test_images[lonely].numpy().ravel().astype(int)
    assert np.abs(np.array(shown) - original).mean() < 8  # packed with loss; another digit differs by some 40
    page.mouse.move(spot[0], 20)
    page.wait_for_function(f"() => document.querySelector('{HOVERED}').style.display === 'none'")


@pytest.fixture
def endless(tmp_path):
    running = Server(ROOT / "tests" / "apps" / "endless_tsne.py", tmp_path / "log", by_uvicorn_from=tmp_path)
    yield running
    running.close()


def test_a_lasso_fills_the_gallery_and_the_selection_survives_a_watched_t_sne(page, endless, codes):
    open_map(page, endless)
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    lasso(page, on_screen(page, corners))
    gallery = page.locator(".st-key-map_gallery")
    gallery.get_by_text(re.compile(r"images selected")).wait_for()
    inside = int((np.abs(codes) < 0.5).all(1).sum())
    chosen = int(gallery.get_by_text(re.compile(r"images selected")).inner_text().split()[0].replace(",", ""))
    assert chosen == pytest.approx(inside, rel=0.03)  # the hand of the mouse is a pixel wide
    expect(gallery.locator("figure")).to_have_count(36)
    expect(gallery.locator("figure img").first).to_have_js_property("naturalWidth", 28)

    axes = first_point(page)
    page.locator(".st-key-map_method").get_by_text("t-SNE").click()
    page.locator(".st-key-map_status").get_by_text(re.compile(r"iteration \d+ of")).wait_for()
    early = moved(page, axes)
    moved(page, early)  # the picture moves while it converges
    page.locator(".st-key-map_stop button").click()
    page.locator(".st-key-map_status").get_by_text(re.compile("stopped at iteration")).wait_for()
    expect(gallery.get_by_text(f"{chosen:,} images selected")).to_be_visible()
    selected = f"() => document.querySelector('{CHART}')?._fullData?.map(trace => trace.selectedpoints?.length ?? 0) ?? []"
    wait_until(lambda: sum(page.evaluate(selected)[:10]) == chosen, PATIENCE, "the selection on the new projection")

    page.locator(".st-key-map_clear button").click()
    gallery.get_by_text("Nothing is selected.").wait_for()
    stopped = first_point(page)
    page.locator(".st-key-map_method").get_by_text("Latent axes").click()
    assert moved(page, stopped) == axes


def selected(page) -> list[int | None]:
    """How many points of each trace the chart does not grey; None of those where it greys nothing."""
    found = page.evaluate(f"() => document.querySelector('{CHART}')?._fullData?.map(trace => trace.selectedpoints ?? null)")
    return [None if points is None else len(points) for points in found or []]


def scrolled(page) -> float:
    return page.evaluate("() => document.querySelector('.stMain').scrollTop")


def reach(page) -> float:
    """How far the chart goes across."""
    return page.evaluate(f"() => document.querySelector('{CHART}')._fullLayout.xaxis.range.reduce((low, high) => high - low)")


def test_the_hand_on_the_chart_and_in_the_gallery(page, server, codes):
    open_map(page, server)
    gallery = page.locator(".st-key-map_gallery")
    farthest = codes[np.argmax(np.linalg.norm(codes, axis=1))]
    nowhere = np.array([farthest + step for step in ([0.3, 0.3], [0.8, 0.3], [0.8, 0.8])])  # beyond it there is no point
    lasso(page, on_screen(page, nowhere))
    wait_until(lambda: set(selected(page)) == {None}, PATIENCE, "nothing is grey after a lasso around nothing")
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    lasso(page, on_screen(page, corners))
    words = gallery.get_by_text(re.compile(r"images selected"))
    words.wait_for()
    chosen = int(words.inner_text().split()[0].replace(",", ""))
    wait_until(lambda: sum(n or 0 for n in selected(page)) == chosen, PATIENCE, "the chart agrees with the gallery")
    lasso(page, on_screen(page, nowhere))
    wait_until(lambda: sum(n or 0 for n in selected(page)) == chosen, PATIENCE, "the selection after a lasso around nothing")
    expect(words).to_have_text(f"{chosen:,} images selected")

    # The page scrolls under the wheel until the chart has the focus, and with Ctrl the chart zooms.
    page.locator("h1").click()
    wide, (middle, *_) = reach(page), on_screen(page, codes[:1] * 0)
    page.mouse.move(*middle)
    page.mouse.wheel(0, 120)
    wait_until(lambda: scrolled(page) > 60, PATIENCE, "the page to scroll")
    assert reach(page) == wide
    page.mouse.wheel(0, -400)
    wait_until(lambda: scrolled(page) == 0, PATIENCE, "the page to be back")
    page.keyboard.down("Control")
    page.mouse.wheel(0, -120)
    wait_until(lambda: reach(page) < wide, PATIENCE, "the chart to zoom")
    page.keyboard.up("Control")

    # A picture of the gallery opens in Explore, and the selection is there when one comes back.
    link = gallery.locator("figure a").first
    number = re.search(r"image=(\d+)", link.get_attribute("href"))[1]
    link.click()
    page.wait_for_url(re.compile(rf"/explore\?.*image={number}\b"))
    expect(page.locator(".st-key-explore_image input")).to_have_value(number)
    page.go_back()
    words.wait_for()
    expect(words).to_have_text(f"{chosen:,} images selected")

    # So does a point; a double click is no click.
    at_rest(page.locator(f"{CHART} .nsewdrag"))
    lonely = int(np.argmax(np.linalg.norm(codes, axis=1)))
    page.mouse.dblclick(*on_screen(page, codes[[lonely]])[0])
    gallery.get_by_text("Nothing is selected.").wait_for()
    wait_until(lambda: set(selected(page)) == {None}, PATIENCE, "the chart agrees with the gallery")
    at_rest(page.locator(f"{CHART} .nsewdrag"))
    assert "/map" in page.url
    page.mouse.click(*on_screen(page, codes[[lonely]])[0])
    page.wait_for_url(re.compile(rf"/explore\?.*image={lonely}\b"))
    expect(page.locator(".st-key-explore_image input")).to_have_value(str(lonely))


def test_on_a_phone_nothing_is_cut_off_and_a_swipe_scrolls_the_page(chromium, server):
    phone = new_context(chromium, viewport={"width": 360, "height": 800}, has_touch=True).new_page()
    open_map(phone, server, "?checkpoint=mnist-20d")
    phone.wait_for_function("() => document.querySelector('.stMain').scrollWidth <= innerWidth")
    phone.locator(CHART).scroll_into_view_if_needed()
    box = at_rest(phone.locator(f"{CHART} .nsewdrag"))
    before, hand = scrolled(phone), phone.context.new_cdp_session(phone)
    middle = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    swipe(hand, middle["x"], middle["y"], 200)
    wait_until(lambda: scrolled(phone) > before + 100, PATIENCE, "the page to scroll")
    assert set(selected(phone)) == {None}
    phone.context.close()
