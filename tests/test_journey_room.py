"""Every page at the widths of a telephone, a tablet, a window beside another, and a projector: nothing is cut off."""

import pytest
from conftest import PATIENCE, new_context, wait_until
from test_journey_axe import AT_REST, DRAWN

from latentscape.site_map import PAGES

pytestmark = pytest.mark.browser

WIDTHS = (390, 641, 700, 800, 960, 1100, 1280)  # 641 and 700: 1280 and 1400 at 200 %
CUT_OFF = """() => {
    const found = new Set(), main = document.querySelector(".stMain");
    const right = main.getBoundingClientRect().left + main.clientWidth;
    const isShown = (node) => node.checkVisibility({ visibilityProperty: true }) && node.clientWidth > 1;
    if (main.scrollWidth > main.clientWidth) found.add(`the page scrolls sideways: ${main.scrollWidth} in ${main.clientWidth}`);
    const read = "button, .stMetric, [role=tablist], .stButtonGroup, h1, h2, h3, p, .stText, figcaption";
    for (const node of main.querySelectorAll(read)) {
        if (!isShown(node)) continue;
        const words = node.innerText.slice(0, 40);
        if (node.getBoundingClientRect().right > right + 1) found.add(`beyond the edge: ${node.localName} ${words}`);
        for (const part of [node, ...node.querySelectorAll("*")])
            if (isShown(part) && getComputedStyle(part).overflowX !== "visible" && part.scrollWidth > part.clientWidth + 1)
                found.add(`cut off: ${node.localName} ${words} (${part.scrollWidth} in ${part.clientWidth})`);
    }
    return [...found];
}"""


@pytest.fixture(scope="module")
def tab(chromium, server):
    context = new_context(chromium)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("address", [address for *_, address in PAGES.values()])
def test_nothing_is_cut_off_at_any_width(tab, server, address):
    tab.set_viewport_size({"width": WIDTHS[-1], "height": 800})
    tab.goto(f"{server.url}/{address}")
    tab.locator(DRAWN[address]).first.wait_for(state="attached")
    tab.wait_for_function(AT_REST, timeout=1000 * PATIENCE)
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 800})
        wait_until(lambda: tab.evaluate(CUT_OFF) == [], PATIENCE, lambda width=width: f"{width}: {tab.evaluate(CUT_OFF)}")


def test_columns_stand_one_above_the_other_where_there_is_no_room_for_two(tab, server):
    tab.goto(f"{server.url}/map")
    tab.locator(DRAWN["map"]).first.wait_for(state="attached")
    chart, beside = tab.locator(".st-key-map_figure"), tab.locator(".st-key-map_dimensions")
    for width, stacked in ((1280, False), (800, True), (390, True)):
        tab.set_viewport_size({"width": width, "height": 800})
        wait_until(
            lambda stacked=stacked: (beside.bounding_box()["y"] > chart.bounding_box()["y"] + chart.bounding_box()["height"])
            == stacked, PATIENCE, f"stacked at {width}: {stacked}",
        )
    wait_until(lambda: chart.bounding_box()["height"] < 390 * 1.2, PATIENCE, "the chart is as low as its place")


def test_the_finder_finds_what_is_cut_off(tab):
    tab.set_content('<main class="stMain"><button style="width: 40px; overflow: hidden; white-space: nowrap">far too long'
                    "</button><button>short</button></main>")
    assert [words.split("(")[0].strip() for words in tab.evaluate(CUT_OFF)] == ["cut off: button far too long"]
