"""Dragging on Explore in a headless Chromium: decoded frames a second, the gaps between frames, messages to the server.

A pointer that moves before every frame, made inside the page: nothing of the measuring runs beside it. Prints, for each model,
medians over rounds of five seconds; then the same while a training runs on the machine.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.conftest import CHROMIUM_FLAGS, ROOT, Server, find_chromium

SECONDS = 5
PLACES = {
    "mnist-2d": "/explore",
    "mnist-20d on its PCA plane": "/explore?checkpoint=mnist-20d&plane=components",
    "shapes-conv on its PCA plane": "/explore?checkpoint=shapes-conv&plane=components",
}
READY = "() => +document.querySelector('[data-testid=latent-pad]')?.dataset.decodes > 0"
DRAG = """async seconds => {
  const pad = document.querySelector('[data-testid=latent-pad]'), plane = document.querySelector('[data-testid=latent-plane]');
  const box = plane.getBoundingClientRect(), gaps = [];
  const send = (kind, angle) => plane.dispatchEvent(new PointerEvent(kind, {
    pointerId: 1, pointerType: 'mouse', isPrimary: true, button: 0, buttons: kind === 'pointerup' ? 0 : 1, bubbles: true,
    clientX: box.x + box.width * (0.5 + 0.4 * Math.sin(2.1 * angle)),
    clientY: box.y + box.height * (0.5 + 0.4 * Math.sin(3.3 * angle)),
  }));
  const frame = () => new Promise(requestAnimationFrame);
  send('pointerdown', 0);
  for (let i = 0; i < 20; i++) { send('pointermove', i / 60); await frame(); }
  const before = +pad.dataset.decodes, began = await frame();
  let last = began;
  while (last - began < seconds * 1000) {
    send('pointermove', (last - began) / 1000);
    const now = await frame();
    gaps.push(now - last);
    last = now;
  }
  const decodes = +pad.dataset.decodes - before;
  send('pointerup', seconds);
  gaps.sort((a, b) => a - b);
  return {rate: decodes / ((last - began) / 1000), p95: gaps[Math.floor(gaps.length * 0.95)], worst: gaps.at(-1)};
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    found = find_chromium()
    if found is None:
        print("pad: not measured, no Chromium found")
        return
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(ROOT / "streamlit_app.py", Path(folder) / "log")
        browser = playwright.chromium.launch(executable_path=found, args=CHROMIUM_FLAGS)
        try:
            opened = browser.new_page()
            opened.goto(server.url)
            opened.wait_for_function(READY, timeout=90_000)
            measure(browser.new_page(viewport={"width": 1400, "height": 900}), server.url, arguments.rounds, "")
            opened.goto(f"{server.url}/train")
            opened.click(".st-key-train_start button", timeout=60_000)
            opened.wait_for_function(
                "() => document.querySelector('.st-key-train_status')?.innerText.startsWith('Running')", timeout=120_000
            )
            opened.goto("about:blank")
            measure(browser.new_page(viewport={"width": 1400, "height": 900}), server.url, arguments.rounds, ", while training")
        finally:
            browser.close()
            server.close()


def measure(page: Page, url: str, rounds: int, when: str) -> None:
    """Print the medians of each place."""
    sent: list[int] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda _: sent.append(1)))
    for name, address in PLACES.items():
        page.goto(url + address)
        page.wait_for_function(READY, timeout=90_000)
        page.wait_for_load_state("networkidle")
        results = []
        for _ in range(rounds):
            already = len(sent)
            results.append(page.evaluate(DRAG, SECONDS) | {"messages": (len(sent) - already) / SECONDS})
        middle = {key: statistics.median(result[key] for result in results) for key in results[0]}
        print(
            f"{name}{when}: {middle['rate']:.1f} decoded frames a second, gap p95 {middle['p95']:.1f} ms, longest "
            f"{middle['worst']:.0f} ms, {middle['messages']:.1f} messages a second",
            flush=True,
        )


if __name__ == "__main__":
    main()
