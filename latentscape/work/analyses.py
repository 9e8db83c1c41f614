"""Long computations on a finished model, such as t-SNE: on the cluster's analysis worker, each once for all who ask.

An analysis is known by what it computes: checkpoint digest, method, parameters, seed. Whoever asks for it again gets the one
that runs, or its result; it ends early when the last viewer stops it or goes away.
"""

import contextlib
import logging
import os
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from distributed import Event, Future, get_worker

from latentscape.once import once
from latentscape.work.cluster import Cluster, cluster
from latentscape.work.dask_private import FutureCancelledError, KilledWorker
from latentscape.work.worker import pack, unpack
from vae_core.errors import BadInput

log = logging.getLogger(__name__)
WAITING, RUNNING, DONE, STOPPED, FAILED = "waiting", "running", "done", "stopped", "failed"
MAX_WAITING = 30
MAX_KEPT = 64  # results; a t-SNE of 10,000 points is 80 kB
CLUSTER_LOST = "The cluster was lost. Try again."
OUR_ERROR = "The analysis stopped on an error that the server's log describes."
AWAY_SECONDS = 60  # without a look: the viewer's tab is closed


@dataclass
class Analysis:
    """One computation as its viewers see it. `told` is the latest of what it told on its way, `result` what it returned."""

    key: tuple
    status: str = WAITING
    told: dict = field(default_factory=dict)
    result: dict | None = None
    reason: str = ""
    viewers: dict[str, float] = field(default_factory=dict)  # tab -> when it last looked
    asked: float = field(default_factory=time.monotonic)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def active(self) -> bool:
        return self.status in (WAITING, RUNNING)


@once
def analyses() -> "Analyses":
    """The one Analyses of this server."""
    return Analyses(cluster())


class Analyses:
    """See the module. All methods may be called from any thread; none waits for a computation."""

    def __init__(self, on: Cluster):
        self._cluster = on
        self._topic = f"latentscape-analysis-{uuid.uuid4().hex}"
        on.listen(self._topic, self._on_event)
        self._lock = threading.RLock()
        self._known: OrderedDict[tuple, Analysis] = OrderedDict()
        self._futures: dict[str, Future] = {}

    def ask(self, key: tuple, viewer: str, task: Callable, *arguments) -> Analysis:
        """The analysis `key`, started as task(tell, stopped, *arguments) in the worker where it is not known or was stopped.

        An ImageSet among the arguments is brought to the worker first. `tell(**content)` shows arrays and plain values to the
        viewers, `stopped()` says whether to leave.
        Raises BadInput where too many wait.
        """
        with self._lock:
            self._leave_the_gone()
            analysis = self._known.get(key)
            if analysis is None or analysis.status in (STOPPED, FAILED):
                if sum(known.active for known in self._known.values()) >= MAX_WAITING:
                    raise BadInput("Many people are asking for pictures at once; try again in a minute.")
                analysis = self._known[key] = Analysis(key)
                threading.Thread(target=self._start, args=(analysis, task, arguments), daemon=True).start()
            self._known.move_to_end(key)
            analysis.viewers[viewer] = time.monotonic()
            while len(self._known) > MAX_KEPT:
                oldest = next((k for k, known in self._known.items() if not known.active), None)
                if oldest is None:
                    break
                del self._known[oldest]
            return analysis

    def find(self, key: tuple, viewer: str) -> Analysis | None:
        """The analysis `key` if somebody asked for it; `viewer` has looked."""
        with self._lock:
            self._leave_the_gone()
            analysis = self._known.get(key)
            if analysis is not None and analysis.active:
                analysis.viewers[viewer] = time.monotonic()
            return analysis

    def stop(self, analysis: Analysis, viewer: str) -> None:
        """`viewer` has seen enough. The last viewer ends the computation; what it told stays."""
        with self._lock:
            analysis.viewers.pop(viewer, None)
            if analysis.active and not analysis.viewers:
                self._end(analysis, STOPPED)

    def forget(self, viewer: str) -> None:
        """Let go of what nobody but this viewer has asked for."""
        with self._lock:
            for key, analysis in list(self._known.items()):
                if not analysis.viewers.keys() - {viewer}:
                    self._end(analysis, STOPPED)
                    del self._known[key]

    def ahead(self, analysis: Analysis) -> int:
        """How many analyses will be computed before this one."""
        with self._lock:
            active = [known for known in self._known.values() if known.active and known is not analysis]
            return sum(known.status == RUNNING or known.asked < analysis.asked for known in active)

    def warm_up(self, task: Callable) -> None:
        """Start the analysis worker in the background and let it run task(), an import for example; returns at once."""

        def begin():
            with contextlib.suppress(BadInput):
                self._cluster.ensure_analysis()
                future = self._cluster.client().submit(task, resources={"analysis": 1}, pure=True)
                future.add_done_callback(lambda done: done.release())

        threading.Thread(target=begin, daemon=True).start()

    def _start(self, analysis: Analysis, task: Callable, arguments: tuple) -> None:
        from vae_core.data import ImageSet  # here: workers and the scheduler import this module, and may need no torch

        try:
            self._cluster.ensure_analysis()
            arguments = [self._cluster.send(part, "analysis") if isinstance(part, ImageSet) else part for part in arguments]
            with self._lock:
                if not analysis.active:
                    return
                future = self._futures[analysis.id] = self._cluster.client().submit(
                    run_analysis, analysis.id, self._topic, task, *arguments,
                    resources={"analysis": 1}, pure=False, retries=0, key=f"analysis-{analysis.id}",
                )
        except BadInput as error:
            self._end(analysis, FAILED, str(error))
            return
        except Exception as error:
            log.exception("analysis", exc_info=error)
            self._end(analysis, FAILED, OUR_ERROR)
            return
        future.add_done_callback(lambda done: self._on_finished(analysis, done))

    def _end(self, analysis: Analysis, status: str, reason: str = "") -> None:
        with self._lock:
            analysis.status, analysis.reason = status, reason
            future = self._futures.pop(analysis.id, None)
        if future is not None and status == STOPPED:
            threading.Thread(target=self._interrupt, args=(analysis, future), daemon=True).start()

    def _interrupt(self, analysis: Analysis, future: Future) -> None:
        with contextlib.suppress(Exception):  # a cluster that is gone computes nothing
            Event(event_name(analysis.id), client=self._cluster.client()).set()
            if future.status == "pending":
                future.cancel()

    def _leave_the_gone(self) -> None:
        """End what nobody looks at any more and forget it: nobody has stopped it, and who asks next sees it from the start.
        What a lost cluster was computing has failed."""
        now = time.monotonic()
        if not self._cluster.connected:
            for analysis in [known for known in self._known.values() if known.active and known.id in self._futures]:
                self._end(analysis, FAILED, CLUSTER_LOST)
        for key, analysis in list(self._known.items()):
            if analysis.active and analysis.viewers and all(now - seen > AWAY_SECONDS for seen in analysis.viewers.values()):
                self._end(analysis, STOPPED)
                del self._known[key]

    def _on_event(self, message: dict) -> None:
        with self._lock:
            analysis = next((known for known in self._known.values() if known.id == message["id"]), None)
            if analysis is not None and analysis.active:
                analysis.status = RUNNING
                analysis.told = message["plain"] | {name: unpack(packed) for name, packed in message["arrays"].items()}

    def _on_finished(self, analysis: Analysis, future: Future) -> None:
        try:
            result, reason = future.result(timeout=10), ""
        except BadInput as error:
            result, reason = None, str(error)
        except KilledWorker:
            result, reason = None, "The analysis process ended unexpectedly (out of memory, perhaps). Try again."
        except FutureCancelledError:
            result, reason = None, CLUSTER_LOST
        except Exception as error:
            log.exception("analysis", exc_info=error)
            result, reason = None, OUR_ERROR
        with self._lock:
            self._futures.pop(analysis.id, None)
            if analysis.active:
                analysis.result = result
                self._end(analysis, FAILED if result is None else DONE, reason)


def event_name(identity: str) -> str:
    """The name of the Event that asks an analysis to leave."""
    return f"latentscape-stop-{identity}"


def run_analysis(identity: str, topic: str, task: Callable, *arguments) -> dict | None:
    """Runs in the worker: task(tell, stopped, *arguments)."""
    with contextlib.suppress(AttributeError, OSError):  # Windows has no nice; a container may forbid it
        os.setpriority(os.PRIO_PROCESS, 0, 10)
    worker, event = get_worker(), Event(event_name(identity))

    def tell(**content) -> None:
        arrays = {name: pack(value) for name, value in content.items() if isinstance(value, np.ndarray)}
        plain = {name: value for name, value in content.items() if name not in arrays}
        worker.log_event(topic, {"id": identity, "plain": plain, "arrays": arrays})

    tell()
    return task(tell, event.is_set, *arguments)
