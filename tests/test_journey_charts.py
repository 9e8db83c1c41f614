"""A chart that changes, in a real Chromium: a still stands in its place meanwhile, and no contexts of WebGL are left."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import ROOT, Server
from test_journey_train import train_without_end, wait_for_status

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


SAMPLE = """
keys => {
  window.samples = { frames: 0, blank: [], drawings: {}, elements: {} };
  const look = () => {
    samples.frames++;
    for (const key of keys) {
      const chart = document.querySelector(`.st-key-${key} .js-plotly-plot`);
      const has = chart?.querySelector('.main-svg .xtick') && chart._fullData?.length && chart.clientHeight > 50
        && (chart.querySelector('.scatterlayer .trace path') || chart.querySelector('.gl-canvas'));
      if (!has) samples.blank.push([key, samples.frames]);
      (samples.elements[key] ??= new Set()).add(chart);
      const { y } = chart?._fullData?.[0] ?? {};
      (samples.drawings[key] ??= new Set()).add(`${y?.length} ${y?.[0]}`);
    }
    requestAnimationFrame(look);
  };
  look();
}
"""
LIVE = ["train_map_chart", "train_loss_chart"]


def test_of_a_running_training_the_charts_are_there_in_every_frame_and_hide_what_a_hand_hid(page, server):
    train_without_end(page, server)
    for key in LIVE:
        page.wait_for_selector(f".st-key-{key} .js-plotly-plot .xtick")
    page.evaluate(SAMPLE, LIVE)
    page.wait_for_function("keys => keys.every(key => window.samples.drawings[key].size > 2)", arg=LIVE)
    page.locator(".st-key-train_map_chart .legendtoggle").first.click()
    hidden = "() => document.querySelector('.st-key-train_map_chart .js-plotly-plot')._fullData[0].visible === 'legendonly'"
    page.wait_for_function(hidden)
    seen = page.evaluate("window.samples.drawings.train_loss_chart.size")
    page.wait_for_function("seen => window.samples.drawings.train_loss_chart.size > seen + 3", arg=seen)
    assert page.evaluate(hidden)
    assert page.evaluate("window.samples.frames") > 60
    assert page.evaluate("window.samples.blank") == []
    assert [page.evaluate("key => window.samples.elements[key].size", key) for key in LIVE] == [1, 1]
    page.click(".st-key-train_stop button")
    wait_for_status(page, "Stopped")
    for key in LIVE:
        assert page.locator(f".st-key-{key} [role=img]").get_attribute("aria-label")
        assert [rule["id"] for rule in Axe().run(page, context=f".st-key-{key}").response["violations"]] == []
