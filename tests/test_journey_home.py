"""Home in a real Chromium, and each page as the first that anyone opens on a fresh server."""

import pytest
from conftest import ROOT, Server

pytestmark = pytest.mark.browser


def test_home_shows_a_latent_plane_and_leads_to_train(page, server):
    page.goto(server.url)
    page.wait_for_selector("[data-testid=stImage] img", timeout=60_000)
    assert page.locator("h1").inner_text() == "Latentscape"
    page.wait_for_function("() => document.querySelector('[data-testid=stImage] img').naturalWidth > 300")
    page.click(".st-key-home_train button")
    page.wait_for_selector(".st-key-train_start", timeout=30_000)
    assert page.url.endswith("/train")


def test_a_deep_link_is_the_first_thing_a_fresh_server_is_asked(page, tmp_path):
    fresh = Server(ROOT / "streamlit_app.py", tmp_path / "log")
    try:
        page.goto(f"{fresh.url}/train")
        page.wait_for_selector(".st-key-train_start button", timeout=60_000)
        page.wait_for_selector(".st-key-checkpoint", timeout=30_000)
        assert page.locator("[data-testid=stSidebarNavLink]").all_inner_texts()[0].endswith("Home")
    finally:
        fresh.close()
