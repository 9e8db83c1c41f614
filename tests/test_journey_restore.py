"""Restore in a real Chromium: paint a mask, and every repair and its score change."""

import pytest
from conftest import at_rest

pytestmark = pytest.mark.browser
ROW = ".st-key-restore_methods img"
SCORES = """() => [...document.querySelectorAll('.st-key-restore_methods [class*=st-key-restore_card_] p')]
    .map((line) => line.innerText).filter((words) => / dB$/.test(words))"""

COUNT_SENT = """() => { window.sent = 0; document.addEventListener('click', (event) => {
    window.sent += /^Update the app/.test(event.composedPath()[0].title) }, true); }"""


def pictures(page) -> list[str]:
    return page.eval_on_selector_all(ROW, "images => images.map(image => image.src)")


def test_paint_a_mask_and_see_the_repairs_and_scores_change(page, server):
    page.goto(f"{server.url}/restore")
    page.wait_for_selector(".st-key-restore_scores [data-testid=stDataFrame]")
    page.locator(".st-key-restore_damage input").click()
    page.get_by_text("Paint it by hand").click()
    canvas = page.locator(".st-key-restore_mask canvas").last
    canvas.wait_for()
    page.wait_for_function(f"() => new Set([...document.querySelectorAll('{ROW}')].map(i => i.src)).size < 5")
    before = pictures(page)
    page.wait_for_function(f"() => ({SCORES})().length === 0")  # nothing is lost yet
    box = at_rest(canvas)
    assert box["y"] + box["height"] <= 900  # above the fold
    page.evaluate(COUNT_SENT)
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 180, steps=10)
    page.mouse.up()
    page.wait_for_function("() => window.sent === 1")  # as the stroke ends, and not a while later
    page.wait_for_function(
        "([row, before]) => { const now = [...document.querySelectorAll(row)].map(i => i.src);"
        " return now.length === before.length && now.filter((src, at) => src !== before[at]).length > 2 * 6 }",
        arg=[ROW, before],
    )
    page.wait_for_function(f"() => ({SCORES})().length === 7")
    first = page.evaluate(SCORES)
    page.mouse.move(box["x"] + 60, box["y"] + 240)
    page.mouse.down()
    page.mouse.move(box["x"] + 220, box["y"] + 40, steps=10)
    page.mouse.up()
    page.wait_for_function(
        f"(first) => {{ const now = ({SCORES})(); "
        "return now.length === 7 && now.filter((words, at) => words !== first[at]).length > 5 }",
        arg=first,
    )


SIDEWAYS = """() => { const main = document.querySelector('[data-testid=stMain]'), right = main.getBoundingClientRect().right;
    return main.scrollWidth > main.clientWidth || document.documentElement.scrollWidth > innerWidth
        || [...main.querySelectorAll('[class*=st-key-restore_]')].some((e) => e.getBoundingClientRect().right > right + 1) }"""


@pytest.mark.parametrize("address", ["restore", "restore?damage=painted"])
def test_nothing_lies_beside_the_window_at_the_width_of_a_tablet(page, server, address):
    page.set_viewport_size({"width": 1024, "height": 900})
    page.goto(f"{server.url}/{address}")
    page.wait_for_selector(".st-key-restore_scores [data-testid=stDataFrame]")
    for width in (1024, 900, 800, 768, 700, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(f"(width) => innerWidth === width && !({SIDEWAYS})()", arg=width)


@pytest.mark.parametrize(("width", "across", "least"), [(1400, 8, 110), (400, 3, 100)])
def test_the_pictures_are_as_large_as_the_window_allows_and_in_line(page, server, width, across, least):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{server.url}/restore")
    page.wait_for_selector(".st-key-restore_scores [data-testid=stDataFrame]")
    page.wait_for_function(  # when all pictures are loaded: repairs in one line, their errors in another
        """([across, least]) => {
            const cards = [...document.querySelectorAll('[class*=st-key-restore_card_]')].map((card) =>
                [...card.querySelectorAll('img')].map((image) => image.getBoundingClientRect()));
            const inLine = (card, at) => card.every((box, row) => Math.abs(box.y - cards[at - (at % across)][row].y) < 1);
            const large = (card) => card.length === 2 && card.every((box) => box.width >= least && box.height >= least);
            return cards.length === 8 && cards.every(large) && cards.every(inLine);
        }""",
        arg=[across, least],
    )
    segments = "[...document.querySelectorAll('.st-key-restore_source *')]"
    page.wait_for_function(f"() => {segments}.every((part) => part.scrollWidth <= part.clientWidth + 1)")  # none is cut off
    page.wait_for_function("() => document.querySelector('[data-testid=stMain]').scrollWidth <= innerWidth")
