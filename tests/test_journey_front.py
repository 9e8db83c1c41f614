"""The app as any server of ASGI apps starts it, from a folder that is not its own, in a real Chromium."""

import pytest
from conftest import ROOT, Server

from latentscape.site_map import PAGES

pytestmark = pytest.mark.browser
IS_OURS = (  # the colour of .streamlit/config.toml, which comes a moment after the first drawing
    "() => getComputedStyle(document.querySelector('.st-key-home_train button')).backgroundColor === 'rgb(67, 56, 202)'"
)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    running = Server(ROOT / "streamlit_app.py", folder / "log", by_uvicorn_from=folder)
    yield running
    running.close()


def test_started_elsewhere_it_looks_as_it_should_and_asks_no_other_host(page, elsewhere):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.goto(elsewhere.url)
    page.wait_for_selector(".st-key-home_train button")
    page.wait_for_function(IS_OURS)
    for title, _, address in PAGES.values():
        page.locator("[data-testid=stSidebarNav]").get_by_role("link", name=title, exact=True).click()
        page.wait_for_url(lambda url, address=address: url.split("?")[0] == f"{elsewhere.url}/{address}")
        page.wait_for_selector("h1")
    host = f"127.0.0.1:{elsewhere.port}/"
    assert len(asked) > 50
    assert [url for url in asked if not url.startswith((f"http://{host}", f"ws://{host}", "data:", "blob:"))] == []
