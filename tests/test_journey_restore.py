"""Restore in a real Chromium: paint a mask, and every repair and its score change."""

import pytest

pytestmark = pytest.mark.browser
ROW = ".st-key-restore_methods img"


def pictures(page) -> list[str]:
    return page.eval_on_selector_all(ROW, "images => images.map(image => image.src)")


def test_paint_a_mask_and_see_the_repairs_and_scores_change(page, server):
    page.goto(f"{server.url}/restore")
    page.wait_for_selector(".st-key-restore_scores [data-testid=stDataFrame]", timeout=90_000)
    page.locator(".st-key-restore_damage input").click()
    page.get_by_text("Paint it by hand").click()
    canvas = page.locator(".st-key-restore_mask canvas").last
    canvas.wait_for(timeout=20_000)
    page.wait_for_function(f"() => new Set([...document.querySelectorAll('{ROW}')].map(i => i.src)).size < 5", timeout=20_000)
    before = pictures(page)
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 180, steps=10)
    page.mouse.up()
    page.wait_for_function(
        "([row, before]) => { const now = [...document.querySelectorAll(row)].map(i => i.src);"
        " return now.length === before.length && now.filter((src, at) => src !== before[at]).length > 2 * 6 }",
        arg=[ROW, before], timeout=30_000,
    )  # fmt: skip
