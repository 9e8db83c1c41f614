"""The server is killed under open pages and started again: nothing hangs, and what was lost is said."""

import pytest
from conftest import PATIENCE, ROOT, Server, wait_until
from playwright.sync_api import expect
from test_journey_train import fill_epochs, train_without_end, wait_for_status

pytestmark = pytest.mark.browser


@pytest.fixture
def mortal(tmp_path):
    """Starts a server, and later another on the same port."""
    servers = []

    def start() -> Server:
        port = servers[0].port if servers else 0
        servers.append(Server(ROOT / "streamlit_app.py", tmp_path / f"log{len(servers)}", port=port))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def test_pages_come_back_with_a_server_that_was_killed_say_what_was_lost_and_go_on(page, mortal):
    server = mortal()
    pad = page.context.new_page()
    pad.goto(f"{server.url}/explore")
    pad.wait_for_function("() => +document.querySelector('[data-testid=latent-pad]')?.dataset.decodes > 0")
    train_without_end(page, server)
    wait_until(lambda: "run=" in page.url, PATIENCE, "the run has an address")
    for pictures in ("reconstructions", "samples"):  # the browser has fetched what draws them
        page.wait_for_selector(f".st-key-train_{pictures} img")

    server.process.kill()
    server.process.wait()
    decodes = "() => +document.querySelector('[data-testid=latent-pad]').dataset.decodes"
    before = pad.evaluate(decodes)
    pad.focus("[data-testid=latent-plane]")
    pad.keyboard.press("ArrowRight")  # the pad needs no server
    pad.wait_for_function(f"before => ({decodes})() > before", arg=before)

    mortal()
    expect(page.get_by_text("The server was started anew.")).to_be_visible()
    expect(page.get_by_text("This run is no longer here")).to_be_visible()
    page.click(".st-key-shell_restart button")
    expect(page.get_by_text("The server was started anew.")).to_have_count(0)
    fill_epochs(page, 1000)
    page.click(".st-key-train_start button")
    wait_for_status(page, "Running")
    page.click(".st-key-train_stop button")
    wait_for_status(page, "Stopped")
    pad.get_by_role("radio", name="Codes", exact=True).click()  # a page at rest asks for nothing by itself
    expect(pad.get_by_text("The server was started anew.")).to_be_visible()
    page.reload()
    page.wait_for_selector(".st-key-train_start button")
    expect(page.get_by_text("The server was started anew.")).to_have_count(0)
