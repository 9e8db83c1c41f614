"""Copy link, in a real Chromium, on every page: what is copied opens what was shown."""

import pytest
from conftest import PATIENCE, wait_until
from playwright.sync_api import expect

from latentscape.site_map import PAGES

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("name", [address for _, _, address in PAGES.values()])
def test_the_link_of_a_page_is_its_address(page, server, name):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{server.url}/{name}")
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator(".copy-link")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    expect(page.locator(".copy-link")).to_have_text("Copy link")


def test_a_copied_link_opens_what_was_chosen(page, server):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{server.url}/restore")
    image = page.locator(".st-key-restore_image input")
    image.fill("7")
    image.press("Enter")
    wait_until(lambda: "image=7" in page.evaluate("location.href"), PATIENCE, lambda: page.evaluate("location.href"))
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator(".copy-link")).to_have_text("Copied")
    link = page.evaluate("navigator.clipboard.readText()")
    page.goto("about:blank")
    page.goto(link)
    expect(page.locator(".st-key-restore_image input")).to_have_value("7")
