"""Sweep beta, as a newcomer does it, in a real Chromium."""

import re

import pytest
from conftest import PATIENCE, wait_until
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
HAS_STATUS = "word => document.querySelector('.st-key-sweep_status')?.innerText.startsWith(word)"


def test_three_betas_are_trained_compared_and_found_again(page, server):
    page.goto(f"{server.url}/sweep")
    page.wait_for_selector(".st-key-sweep_start button")
    page.get_by_label("Data set").click()
    page.get_by_role("option", name="Small digits").click()
    betas = page.locator(".st-key-sweep_betas")
    betas.get_by_role("button", name=re.compile("0.25")).click()
    page.click(".st-key-sweep_start button")
    page.wait_for_function(HAS_STATUS, arg="Running")
    page.wait_for_function(HAS_STATUS, arg="Done")
    page.wait_for_selector(".st-key-sweep_chart .js-plotly-plot")
    labels = page.locator(".st-key-sweep_chart .textpoint text")
    by_rate = ["β = 16", "β = 4", "β = 1"]  # the larger beta tells less
    wait_until(lambda: list(dict.fromkeys(labels.all_text_contents())) == by_rate, PATIENCE, labels.all_text_contents)
    expect(page.locator(".st-key-sweep_map_digits .js-plotly-plot")).to_have_count(1)
    expect(page.locator(".st-key-sweep_pictures img")).to_have_count(7)  # the originals once, two rows a model
    page.reload()
    page.wait_for_function(HAS_STATUS, arg="Done")
    page.wait_for_url(re.compile("runs="))
    page.locator(".st-key-sweep_epochs input").fill("900")
    page.click(".st-key-sweep_start button")
    page.wait_for_function(HAS_STATUS, arg="Running")
    page.click(".st-key-sweep_stop button")
    page.wait_for_function(HAS_STATUS, arg="Stopped")
    expect(page.locator(".st-key-sweep_status")).to_contain_text("4 of 4 trainings over")
