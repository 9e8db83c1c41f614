"""`make screenshots`: pages as a newcomer meets them, in light and dark, into docs/; or `python -m docs.screenshots home map`
for some of them. Needs a Chromium."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests.conftest import CHROMIUM_FLAGS, ROOT, Server, find_chromium

DOCS = Path(__file__).resolve().parent
SIZE = {"width": 1400, "height": 900}
PAD = "() => +document.querySelector('[data-testid=latent-pad]')?.dataset.decodes > 0"
CHART = ".st-key-map_chart .js-plotly-plot .nsewdrag"


def pad(page: Page) -> None:
    page.wait_for_function(PAD, timeout=90_000)
    page.wait_for_timeout(4000)  # the decoded pictures of the plane come a few a frame


def t_sne(page: Page) -> None:
    """Converged, with its numbers."""
    page.wait_for_selector(CHART, timeout=90_000)
    page.locator(".st-key-map_method").get_by_text("t-SNE").click()
    page.locator(".st-key-map_status").get_by_text("t-SNE · 10,000").wait_for(timeout=400_000)
    for numbers in page.locator("[data-testid=stMetricValue]").all():
        expect(numbers).not_to_have_text("…", timeout=200_000)


def trained(page: Page) -> None:
    """The first preset, from the press to the end."""
    page.click(".st-key-train_start button")
    page.wait_for_function(
        "() => document.querySelector('.st-key-train_status')?.innerText.startsWith('Done')", timeout=600_000
    )


def shows(selector: str) -> Callable[[Page], None]:
    def wait(page: Page) -> None:
        page.wait_for_selector(selector, timeout=90_000)
        page.wait_for_timeout(1000)  # charts fade in

    return wait


SHOTS: dict[str, tuple[str, Callable[[Page], None]]] = {  # file -> address, what to wait for
    "home": ("/", pad),
    "map": ("/map?checkpoint=mnist-20d", t_sne),
    "explore": ("/explore?z=-0.4,0.9", pad),
    "train": ("/train", trained),
    "sweep": ("/sweep", shows(".st-key-sweep_pictures img")),
    "restore": ("/restore", shows(".st-key-restore_scores table, .st-key-restore_scores [data-testid=stDataFrame]")),
    "autoencoders": ("/autoencoders", shows(".st-key-ae_kernels img")),
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(ROOT / "streamlit_app.py", Path(folder) / "log")
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_FLAGS)
        try:
            for name in sys.argv[1:] or SHOTS:
                address, ready = SHOTS[name]
                for scheme in ("light", "dark"):
                    page = browser.new_context(viewport=SIZE, color_scheme=scheme).new_page()
                    page.goto(server.url + address)
                    ready(page)
                    page.mouse.move(700, 5)
                    page.wait_for_function("() => !document.querySelector('[data-stale=true]')", timeout=30_000)
                    page.screenshot(path=DOCS / (f"{name}.png" if scheme == "light" else f"{name}-dark.png"))
                    page.context.close()
        finally:
            browser.close()
            server.close()


if __name__ == "__main__":
    main()
