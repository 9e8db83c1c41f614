"""Hostile names in a real browser: no page shows a picture, follows a link or asks another host because a file says so."""

import pytest
from playwright.sync_api import Page
from test_journey_data import UPLOAD, open_data
from test_words import MARK, NAME, hostile_zip, model_of

from latentscape.site_map import PAGES
from vae_core import folder

pytestmark = pytest.mark.browser
DRAWN = {  # what is there when a page has said everything
    "map": ".st-key-map_chart .legend", "explore": "[data-testid=latent-pad]", "data": ".st-key-data_balance .js-plotly-plot",
    "train": ".st-key-train_start",
}
FOUND = f"""() => [...document.querySelectorAll('img, a, iframe, .katex, [data-testid=stIconMaterial]')].filter(it =>
    [it.src, it.href, it.closest('.katex')?.textContent].some(said => said?.includes('{MARK}'))).map(it => it.outerHTML)"""


def test_no_page_reads_more_than_words(page: Page, server):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    name = f"{NAME}.zip"
    images, _ = folder.read_pictures(hostile_zip(), name=name)
    open_data(page, server)
    page.set_input_files(UPLOAD, {"name": name, "mimeType": "application/zip", "buffer": hostile_zip()})
    page.wait_for_selector(".st-key-data_balance .js-plotly-plot")
    page.get_by_role("button", name="Open a file").click()
    mine = {"name": "own.safetensors", "mimeType": "application/octet-stream", "buffer": model_of(images)}
    page.set_input_files(".st-key-checkpoint_upload input[type=file]", mine)
    page.locator(".st-key-model_about", has_text=MARK).wait_for()
    page.keyboard.press("Escape")
    for title, _, address in PAGES.values():
        page.locator("[data-testid=stSidebarNav]").get_by_role("link", name=title, exact=True).click()
        page.wait_for_url(lambda url, address=address: url.split("?")[0] == f"{server.url}/{address}")
        page.locator(DRAWN.get(address, "h1")).first.wait_for(state="attached")
        assert MARK in page.locator(".st-key-model_about").inner_text()
        assert page.evaluate(FOUND) == [], title
        if address == "map":
            shown = page.locator(".st-key-map_chart .legend").text_content()
            assert all(images.classes[label].strip() in shown for label in set(images.test_labels.tolist()))
    assert [url for url in asked if not url.startswith((f"{server.url}/", "data:", "blob:"))] == []
