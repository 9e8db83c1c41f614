"""From asking for /explore until the pad shows a picture and can be dragged: our first page beside Streamlit's own.

Each opening is that of a browser that was just started and has nothing in its cache, or once more of one that has been there.
Nobody watches meanwhile: the page notes the moment itself (latent_pad/assets/instance.js) and is asked afterwards, for a
debugger that listens slows every request down. The same app is served below a base path for comparison: there Streamlit's page
comes as it is (latentscape/server/front_door.py). Rounds alternate; prints medians.
"""

import argparse
import re
import statistics
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Playwright, sync_playwright

from tests.conftest import CHROMIUM_FLAGS, ROOT, Server, find_chromium

REST = 3  # seconds that a browser gets to start, before anything is asked of it
PATIENCE = 8  # seconds after which a page has long been there
NOTED = "() => performance.getEntriesByName('latent-pad')[0]?.startTime"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    found = find_chromium()
    if found is None:
        print("opening: not measured, no Chromium found")
        return
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        servers = {
            "our page": Server(ROOT / "streamlit_app.py", Path(folder) / "ours"),
            "Streamlit's": Server(ROOT / "streamlit_app.py", Path(folder) / "plain", base="/plain"),
        }
        try:
            for server in servers.values():
                openings(playwright, found, f"{server.url}/explore")  # warms the server
            taken = {name: [] for name in servers}
            for _ in range(arguments.rounds):
                for name, server in servers.items():
                    taken[name].append(openings(playwright, found, f"{server.url}/explore"))
        finally:
            for server in servers.values():
                server.close()
    for when, words in enumerate(("in a fresh browser", "opened again")):
        ours, plain = (statistics.median(pair[when] for pair in taken[name]) for name in servers)
        ratio = f"{ours / plain:.2f} of the {plain:.2f} s with Streamlit's page"
        print(f"Explore {words}: first drag after {ours:.2f} s, {ratio}")


def openings(playwright: Playwright, chromium: str, url: str) -> tuple[float, float]:
    """Seconds until the first picture, in a browser without a cache, and started once more with what it has kept."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        return opening(playwright, chromium, profile, url), opening(playwright, chromium, profile, url)


def opening(playwright: Playwright, chromium: str, profile: str, url: str) -> float:
    """One browser, one page."""
    command = [chromium, "--headless=new", "--window-size=1400,900", f"--user-data-dir={profile}", "--remote-debugging-port=0"]
    browser = subprocess.Popen([*command, *CHROMIUM_FLAGS, "about:blank"], stderr=subprocess.PIPE, text=True)
    try:
        address = next(match[1] for line in browser.stderr if (match := re.search(r"ws://([\w.:]+)/", line)))
        time.sleep(REST)
        urllib.request.urlopen(urllib.request.Request(f"http://{address}/json/new?{url}", method="PUT")).close()
        time.sleep(PATIENCE)
        seen = playwright.chromium.connect_over_cdp(f"http://{address}")
        page = next(page for context in seen.contexts for page in context.pages if page.url.startswith(url))
        page.wait_for_function(f"({NOTED})() > 0", timeout=60_000)
        return page.evaluate(NOTED) / 1000
    finally:
        browser.terminate()
        browser.wait(timeout=20)


if __name__ == "__main__":
    main()
