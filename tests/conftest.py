"""What the tests share: a real Chromium and a real server, both bounded and ended by their own process id."""

import collections
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)  # two test processes share two cores; small tensors gain nothing from a second thread
ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 600  # seconds that a test waits for what must come: on a machine that is busy with other things, too
CHROMIUM_FLAGS = [
    f"--{flag}"
    for flag in (
        "no-sandbox",
        "disable-gpu",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
    )
]


@pytest.fixture(autouse=True)
def visitors_leave():
    """After each test nothing is left of its visitors."""
    yield
    if "latentscape.ui.own" in sys.modules:
        from latentscape.ui.own import store
        from latentscape.work.store import EVERYBODY, Held

        for owner in set(store().owners()) - {EVERYBODY}:
            store().drop(owner, Held)


@pytest.fixture
def no_cluster(monkeypatch):
    """Pages without the processes that train."""
    from latentscape.work import jobs

    monkeypatch.setattr(jobs.Jobs, "warm_up", lambda self: None)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Makes the shipped models be one of the small digits with so many latent dimensions, called "small"."""
    from latentscape.ui import picker
    from vae_core import checkpoint, data, train
    from vae_core.models.vae import VAEConfig

    def make(latent_dim: int) -> None:
        digits = data.load("digits")
        model = VAEConfig(image_shape=digits.image_shape, latent_dim=latent_dim, hidden=16)
        state = train.start(model, digits, train.TrainConfig(epochs=1))
        for _ in train.fit(state, digits):
            pass
        weights, recipe = train.finish(state, digits, "digits", "train")
        checkpoint.save(tmp_path, "small", weights, recipe)
        monkeypatch.setattr(picker, "SHIPPED", tmp_path)

    return make


@pytest.fixture
def jobs(monkeypatch):
    """Jobs whose cluster never answers and whose queue is never dispatched."""
    from latentscape.ui import running
    from latentscape.work.cluster import Cluster
    from latentscape.work.jobs import Jobs
    from vae_core.errors import BadInput

    def nobody(self):
        raise BadInput("The cluster cannot be reached.")

    monkeypatch.setattr(Cluster, "client", nobody)
    monkeypatch.setattr(Jobs, "_dispatch", lambda self: None)
    made = Jobs(Cluster())
    monkeypatch.setattr(running, "jobs", lambda: made)
    yield made
    made.close()


@pytest.fixture(scope="session")
def weights():
    """The checkpoint of a tiny model of the digits."""
    from vae_core import data, train
    from vae_core.models.vae import VAEConfig

    digits = data.load("digits")
    model = VAEConfig(image_shape=digits.image_shape, latent_dim=2, hidden=8)
    state = train.start(model, digits, train.TrainConfig(epochs=1))
    for _ in train.fit(state, digits):
        pass
    return train.finish(state, digits, "digits", "train")[0]


def analyses_here(monkeypatch):
    """Analyses that are computed in this process, at once, when they are asked for."""
    from latentscape.work.analyses import DONE, FAILED, STOPPED, Analyses
    from latentscape.work.cluster import Cluster
    from vae_core.errors import BadInput

    def compute(self, analysis, task, arguments):
        try:
            analysis.result = task(lambda **content: None, lambda: False, *arguments)
            analysis.status = DONE if analysis.result else STOPPED
        except BadInput as error:
            analysis.reason, analysis.status = str(error), FAILED

    monkeypatch.setattr(Analyses, "_start", compute)
    return Analyses(Cluster())


def narrow(family) -> dict[str, int]:
    """The settings of the smallest model of a family."""
    return {"hidden": 8} if family.has("hidden") else {}


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(claim, seconds: float, what: str):
    """The first true value of claim(), looked at 20 times a second; fails with `what` after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := claim():
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")


def at_rest(element) -> dict[str, float]:
    """The box of an element (x, y, width, height in pixels) once it has stayed where it is for a while."""
    looks = collections.deque(maxlen=8)

    def still() -> bool:
        looks.append(element.bounding_box())
        return len(looks) == looks.maxlen and all(box and box == looks[0] for box in looks)

    wait_until(still, PATIENCE, lambda: f"{element} at rest: {looks}")
    return looks[0]


def swipe(hand, x: float, y: float, up: float) -> None:
    """A finger goes up from (x, y) by so many pixels; `hand` is a CDP session of the page."""
    hand.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 13):
        hand.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y - up * step / 12}]})
    hand.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


class Server:
    """A Streamlit app in its own process on 127.0.0.1."""

    def __init__(
        self, script: Path, log: Path, base: str = "", by_uvicorn_from: Path | None = None, port: int = 0, **environment: str
    ):
        """Started by `streamlit run`, or from some folder as any server of ASGI apps starts it; on a free port, or this one."""
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}{base}"
        python = [sys.executable, "-m"]
        command = [*python, "streamlit", "run", str(script), "--server.address", "127.0.0.1", "--server.port", str(self.port),
                   "--server.baseUrlPath", base]
        if by_uvicorn_from:
            command = [*python, "uvicorn", f"{script.stem}:app", "--app-dir", str(script.parent), "--port", str(self.port)]
        self._log = log.open("w")
        self.process = subprocess.Popen(
            command, cwd=by_uvicorn_from or ROOT, env=os.environ | environment, stdout=self._log, stderr=subprocess.STDOUT
        )
        wait_until(self._healthy, PATIENCE, f"server up; see {log}")

    def _healthy(self) -> bool:
        assert self.process.poll() is None, "the server ended"
        try:
            return urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2).status == 200
        except OSError:
            return False

    def close(self) -> None:
        """End the process, and with it the workers that it started."""
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=10)
        self._log.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The real app."""
    running = Server(ROOT / "streamlit_app.py", tmp_path_factory.mktemp("server") / "log")
    yield running
    running.close()


def find_chromium() -> str | None:
    """A Chromium that the machine has; None leaves it to Playwright's own."""
    return next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def chromium():
    """A headless Chromium: on PATH, or Playwright's own. Without one, skip; with LATENTSCAPE_REQUIRE_BROWSER=1, fail."""
    from playwright.sync_api import Error, expect, sync_playwright

    expect.set_options(timeout=1000 * PATIENCE)

    with sync_playwright() as playwright:
        found = find_chromium()
        try:
            browser = playwright.chromium.launch(executable_path=found, args=CHROMIUM_FLAGS)
        except Error:
            reason = "no Chromium found: the browser tests did not run"
            if os.environ.get("LATENTSCAPE_REQUIRE_BROWSER") == "1":
                pytest.fail(reason)
            pytest.skip(reason)
        yield browser
        browser.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A journey that fails says what its tabs showed then."""
    from playwright.sync_api import Error

    report = yield
    browser = getattr(item, "funcargs", {}).get("chromium")
    if call.when == "call" and report.failed and browser is not None:
        for tab in (tab for context in browser.contexts for tab in context.pages):
            try:
                shown = tab.locator("body").inner_text(timeout=5_000)
            except Error as error:
                shown = str(error)
            report.sections.append((f"shown at {tab.url}", shown))
    return report


def new_context(chromium, **settings):
    """Another visitor's browser, as patient as the first."""
    context = chromium.new_context(**settings)
    context.set_default_timeout(1000 * PATIENCE)
    return context


@pytest.fixture
def page(chromium):
    """A fresh tab, 1400 x 900, that fails the test if it asks anyone but 127.0.0.1 for anything."""
    context = new_context(chromium, viewport={"width": 1400, "height": 900})
    opened = context.new_page()
    outside: list[str] = []
    opened.on("request", lambda request: _note_outside(request.url, outside))
    yield opened
    context.close()
    assert not outside, f"requests to the internet: {outside}"


def _note_outside(url: str, outside: list[str]) -> None:
    if not url.startswith(("http://127.0.0.1", "data:", "blob:")):
        outside.append(url)
