"""A chart that changes, in a real Chromium: a still stands in its place meanwhile, and no contexts of WebGL are left."""

import pytest
from conftest import ROOT, Server

pytestmark = pytest.mark.browser
WATCH = """
() => {
  window.stills = 0;
  window.shown = new Set();
  const look = () => {
    const host = document.querySelector('.st-key-changing');
    const still = host?.querySelector('.chart-still .gl-canvas-context');
    if (still) window.stills++;
    const turn = host?.querySelector('.js-plotly-plot')?._fullLayout?.meta;
    if (turn) window.shown.add(turn);
    requestAnimationFrame(look);
  };
  look();
}
"""


@pytest.fixture
def changing(tmp_path):
    running = Server(ROOT / "tests" / "apps" / "changing_chart.py", tmp_path / "log")
    yield running
    running.close()


def test_a_chart_that_changes_has_a_still_in_between_and_leaves_no_contexts_behind(page, changing):
    warnings = []
    page.on("console", lambda message: warnings.append(message.text) if "Too many active WebGL" in message.text else None)
    page.goto(changing.url)
    page.wait_for_function("() => document.querySelector('.st-key-changing .js-plotly-plot')?._fullLayout?.meta > 1")
    page.evaluate(WATCH)
    page.wait_for_function("() => window.shown.size > 24 && window.stills > 0")
    assert warnings == []
