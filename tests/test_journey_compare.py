"""Compare in a real Chromium: models are measured one after the other, and their draws stand below each other."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_two_models_are_measured_and_their_draws_stand_below_each_other(page, server):
    page.goto(f"{server.url}/compare")
    chosen = page.locator(".st-key-compare_table [data-testid=stDataFrame]")
    chosen.wait_for()
    box = page.locator("[data-testid=stMultiSelect]")
    box.get_by_label("Clear all").click()
    for name in ("mnist-2d", "mnist-fvsbn"):
        box.locator("input").fill(name)
        page.get_by_role("option", name=name, exact=True).click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Measure 3 rows").click()
    pictures = page.locator(".st-key-compare_draws img")
    expect(pictures).to_have_count(3)
    expect(page.get_by_role("button", name="Measure")).to_have_count(0)
