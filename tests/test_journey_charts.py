"""A chart that changes, in a real Chromium: it never vanishes, and leaves no contexts of WebGL behind."""

import pytest
from conftest import ROOT, Server

pytestmark = pytest.mark.browser
WATCH = """
() => {
  window.blank = 0;
  window.stills = 0;
  window.shown = new Set();
  const inked = (canvas) => {  // whether anything is drawn on it
    const small = new OffscreenCanvas(40, 40).getContext('2d');
    small.drawImage(canvas, 0, 0, 40, 40);
    return small.getImageData(0, 0, 40, 40).data.some(value => value > 0);
  };
  const look = () => {
    const host = document.querySelector('.st-key-changing');
    const plot = host?.querySelector('.js-plotly-plot .gl-canvas-context');
    const still = host?.querySelector('.chart-still .gl-canvas-context');
    const seen = [plot, still].some(canvas => canvas && inked(canvas));
    if (!seen || host.getBoundingClientRect().height < 390) window.blank++;
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


def test_a_chart_that_changes_never_vanishes_and_leaves_no_contexts_behind(page, changing):
    warnings = []
    page.on("console", lambda message: warnings.append(message.text) if "Too many active WebGL" in message.text else None)
    page.goto(changing.url)
    page.wait_for_function("() => document.querySelector('.st-key-changing .js-plotly-plot')?._fullLayout?.meta > 1")
    page.evaluate(WATCH)
    page.wait_for_function("() => window.shown.size > 24 && window.stills > 0")
    assert page.evaluate("() => window.blank") == 0
    assert warnings == []
