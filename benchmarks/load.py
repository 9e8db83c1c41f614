"""A class on one server: thirty learners who open Train and press it within five seconds, and one real Chromium that drags.

The server is this machine's own, on 127.0.0.1, as it is for a class (LATENTSCAPE_SHARED=1). Somebody opens other pages, and
has opened each of them once before the class comes, as a teacher does: what a server makes once for everybody is made by then.
Prints errors, how long pages, presses and following took, the Chromium's frames a second, when each learner saw the first map
and when it had formed, and the server's memory before, at its peak, and three minutes after the last one left.
"""

import argparse
import asyncio
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
from playwright.sync_api import sync_playwright

from benchmarks.learner import Learner
from benchmarks.pad import DRAG, READY, SECONDS
from tests.conftest import CHROMIUM_FLAGS, ROOT, Server, find_chromium

ARRIVING = 5.0  # seconds within which they all come
MOST_SECONDS = 12 * 60  # that a training may take
LEAVING = 180  # seconds after which memory is looked at again
PAGES = ("/", "/map", "/explore", "/restore", "/autoencoders")  # what the passer-by opens
REST = 3.0  # seconds between two of them
AT_REST = 10  # looks in a row at a memory that hardly changes
PATIENCE = 120  # seconds in which it comes to rest, or is taken as it is


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learners", type=int, default=30)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(ROOT / "streamlit_app.py", Path(folder) / "log", LATENTSCAPE_SHARED="1")
        memory = Memory(server.process.pid)
        try:
            lesson = Lesson(server.url, arguments.learners, memory)
            asyncio.run(lesson.rehearse())
            with sync_playwright() as playwright:
                rates = lesson.beside(playwright)
            lesson.report(rates)
            memory.report()
        finally:
            memory.close()
            server.close()


class Lesson:
    """The learners, in a thread of their own."""

    def __init__(self, url: str, learners: int, memory: "Memory"):
        self.url, self.memory = url, memory
        self.threads = ThreadPoolExecutor(learners + 1)
        self.learners = [Learner(url, self.threads) for _ in range(learners)]
        self.passer_by = Learner(url, self.threads)
        self.faults: list[str] = []

    def beside(self, playwright) -> list[float]:
        """Hold the lesson; the frames a second of a browser that drags all the while, in rounds of SECONDS."""
        found, rates = find_chromium(), []
        browser = playwright.chromium.launch(executable_path=found, args=CHROMIUM_FLAGS) if found else None
        if browser is None:
            print("the pad: not measured, no Chromium found")
        else:
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.goto(f"{self.url}/explore")
            page.wait_for_function(READY, timeout=90_000)
        self.memory.settle()
        lesson = threading.Thread(target=lambda: asyncio.run(self._hold()))
        lesson.start()
        while lesson.is_alive():
            if browser is None:
                lesson.join(SECONDS)
            else:
                rates.append(page.evaluate(DRAG, SECONDS)["rate"])
        if browser is not None:
            browser.close()
        return rates

    async def rehearse(self) -> None:
        """Open each page once."""
        for page in PAGES:
            await self.passer_by.visit(page)
        self.passer_by.took.clear()

    async def _hold(self) -> None:
        over = asyncio.Event()
        walking = asyncio.create_task(self._without_fault(self._walk(over)))
        there = [asyncio.create_task(self._without_fault(self._come(number, over))) for number in range(len(self.learners))]
        while any(learner.formed is None for learner, task in zip(self.learners, there, strict=True) if not task.done()):
            await asyncio.sleep(0.5)
        over.set()
        await asyncio.gather(walking, *there)

    async def _come(self, number: int, over: asyncio.Event) -> None:
        await asyncio.sleep(ARRIVING * number / len(self.learners))
        await self.learners[number].train(MOST_SECONDS, over)

    async def _walk(self, over: asyncio.Event) -> None:
        await asyncio.sleep(ARRIVING)
        while not over.is_set():
            for page in PAGES:
                await self.passer_by.visit(page)
                await asyncio.sleep(REST)

    async def _without_fault(self, doing) -> None:
        try:
            await doing
        except Exception as error:  # what else it may be is a fault too, and is told
            self.faults.append(f"{type(error).__name__}: {error}")

    def report(self, rates: list[float]) -> None:
        """Print what was seen."""
        print(f"{len(self.learners)} learners: {len(self.faults)} errors", *sorted(set(self.faults)), sep="\n  ")
        took = {
            what: [second for learner in self.learners for second in learner.took[what]] for what in ("open", "press", "follow")
        }
        took["another page"] = self.passer_by.took["open"]
        for what, seconds in took.items():
            if seconds:
                p50, p95 = np.percentile(seconds, (50, 95))
                print(f"{what}: p50 {p50:.2f} s, p95 {p95:.2f} s of {len(seconds)}")
        for what, seconds in (
            ("first map", [learner.first_map for learner in self.learners]),
            ("formed map", [learner.formed for learner in self.learners]),
        ):
            seen = sorted(second for second in seconds if second is not None)
            if seen:
                print(f"{what}: first after {seen[0]:.0f} s, median {statistics.median(seen):.0f} s, last {seen[-1]:.0f} s")
        if rates:
            print(f"the pad beside them: {statistics.median(rates):.1f} frames a second, slowest round {min(rates):.1f}")


class Memory:
    """The memory of the server and all its processes, looked at once a second; shared pages are counted once."""

    def __init__(self, pid: int):
        self.server = psutil.Process(pid)
        self.looks: list[int] = []
        self.before = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def settle(self) -> None:
        """Wait until it hardly changes any more, the workers being ready; that is what was before."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and (len(self.looks) < 30 or np.ptp(self.looks[-AT_REST:]) > 5 * 2**20):
            time.sleep(1)
        self.before = self.looks[-1]

    def report(self) -> None:
        """Wait until everybody has long been gone, then print."""
        peak = max(self.looks)
        time.sleep(LEAVING)
        before, peak, after = (bytes / 2**20 for bytes in (self.before, peak, self.looks[-1]))
        late = f"{after:,.0f} MB {LEAVING} s after the last one left"
        print(f"memory: {before:,.0f} MB before, {peak:,.0f} MB at the peak, {late}")

    def close(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(1):
            total = 0
            for process in [self.server, *self.server.children(recursive=True)]:
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:  # it has just ended
                    continue
            self.looks.append(total)


if __name__ == "__main__":
    main()
