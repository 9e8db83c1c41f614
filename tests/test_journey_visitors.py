"""Two people and one server, in real browsers: what a copied address, a second tab and each link give."""

import re

import pytest
from conftest import PATIENCE, new_context, wait_until
from playwright.sync_api import expect
from test_journey_train import train_without_end, wait_for_status

pytestmark = pytest.mark.browser


@pytest.fixture
def another(chromium):
    """A second person's browser."""
    context = new_context(chromium, viewport={"width": 1400, "height": 900})
    yield context.new_page()
    context.close()


def link_of(page, key: str) -> str:
    page.get_by_role("button", name="Share").click()
    found = page.locator(f".st-key-{key} code").inner_text()
    page.keyboard.press("Escape")
    return found


def test_an_address_only_looks_a_control_link_controls_and_neither_is_an_identity(page, server, another):
    train_without_end(page, server)
    page.wait_for_url(re.compile("run="))
    control = link_of(page, "train_link_control")
    assert control.split("run=")[1] not in page.url

    another.goto(page.url)  # the copied address
    wait_for_status(another, "Running")
    another.wait_for_selector(".st-key-train_map")
    expect(another.locator(".st-key-train_stop")).to_have_count(0)
    expect(another.get_by_role("button", name="Share")).to_have_count(0)
    expect(another.locator(".st-key-train_start button")).to_be_enabled()  # their own form

    another.goto(control)
    another.wait_for_selector(".st-key-train_pause button")
    wait_until(lambda: control.split("run=")[1] not in another.url, PATIENCE, "the address shows the link to look")
    another.reload()  # still controls
    another.wait_for_selector(".st-key-train_pause button:enabled")
    another.click(".st-key-train_stop button")
    wait_for_status(another, "Stopped")
    expect(another.locator(".st-key-train_keep")).to_have_count(0)  # the model is its owner's
    wait_for_status(page, "Stopped")
    page.wait_for_selector(".st-key-train_keep button")

    cookies = [cookie for context in (page.context, another.context) for cookie in context.cookies()]
    secrets = [cookie for cookie in cookies if cookie["name"] == "latentscape_visitor"]
    assert len({cookie["value"] for cookie in secrets}) == len(secrets) == 2
    assert all(cookie["httpOnly"] for cookie in cookies if cookie["name"].startswith("latentscape_"))  # others are Streamlit's


def test_a_second_tab_and_a_reload_are_the_same_visitor_and_find_the_training(page, server):
    train_without_end(page, server)
    page.wait_for_url(re.compile("run="))
    duplicate = page.context.new_page()
    duplicate.goto(page.url)
    duplicate.wait_for_selector(".st-key-train_stop button:enabled")
    fresh = page.context.new_page()
    fresh.goto(f"{server.url}/train")  # without the address
    wait_for_status(fresh, "Running")
    page.close()  # the owner's first tab goes
    fresh.reload()
    fresh.wait_for_selector(".st-key-train_stop button:enabled")
    fresh.click(".st-key-train_stop button")
    wait_for_status(duplicate, "Stopped")
