"""The Dask cluster behind the pages: the one that LATENTSCAPE_SCHEDULER names, or a local one that goes away with the server.

Workers carry a Dask resource, "train" or "analysis", so that a projection never waits for a training. A local cluster has
one worker for each; the analysis worker starts when it is first needed.
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import psutil
from distributed import Client, Future, SpecCluster
from distributed.deploy import LocalCluster
from distributed.deploy.subprocess import SubprocessScheduler, SubprocessWorker

from ui import orphan
from vae_core.errors import BadInput

if TYPE_CHECKING:  # the scheduler imports this module too, and needs no torch
    from vae_core.data import ImageSet

log = logging.getLogger(__name__)
CONNECT_SECONDS = 10
START_SECONDS = 60  # in which a worker that was asked for must be there
REPLACE_SECONDS = 20  # in which a killed worker must have left the cluster

# One core stays free for the page server and a browser on the same machine: OpenMP threads that wait for one that has lost
# its core train many times slower than one thread less.
# Dask's nanny makes malloc give every freed block back at once and each library use one thread; a training step then takes
# half as long again. A cluster elsewhere wants the same variables in the environment of its workers.
WORKER_ENVIRON = {"MALLOC_TRIM_THRESHOLD_": str(2**28), "MALLOC_MMAP_THRESHOLD_": str(2**25)} | dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(max(1, (os.cpu_count() or 1) - 1))
)


@lru_cache(maxsize=1)
def cluster() -> "Cluster":
    """The one Cluster of this server."""
    return Cluster()


class Cluster:
    """A connection that is made when it is first needed and made again when it was lost. Safe from any thread."""

    def __init__(self, address: str | None = None):
        """`address` defaults to LATENTSCAPE_SCHEDULER."""
        self.address = address or os.environ.get("LATENTSCAPE_SCHEDULER") or None
        self._handlers: dict[str, Callable[[dict], None]] = {}
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._local: SpecCluster | None = None

    def listen(self, topic: str, handler: Callable[[dict], None]) -> None:
        """Events that workers log to `topic` reach `handler(message)`."""
        with self._lock:
            self._handlers[topic] = handler
            if self._client is not None:
                self._subscribe(topic)

    def client(self) -> Client:
        """The connected client. Raises BadInput where the cluster cannot be reached or started."""
        with self._lock:
            if self._client is not None and self._client.status == "running":
                return self._client
            self._drop()
            try:
                if not self.address:
                    self._local = _start_local()
                self._client = Client(self.address or self._local, timeout=CONNECT_SECONDS, set_as_default=False)
                for topic in self._handlers:
                    self._subscribe(topic)
            except Exception as error:
                log.warning("no cluster", exc_info=error)
                self._drop()
                where = "The cluster that LATENTSCAPE_SCHEDULER names" if self.address else "The training process"
                raise BadInput(f"{where} cannot be reached; training is not possible until it is started again.") from error
            return self._client

    @property
    def connected(self) -> bool:
        """Whether there is a live connection now; never waits."""
        client = self._client
        return client is not None and client.status == "running"

    def training_slots(self) -> int:
        """How many trainings can run at once: workers that have the resource "train"."""
        return len(self._workers_with("train"))

    def send(self, images: "ImageSet", resource: str) -> Future:
        """Bring images to a worker that has the resource, for tasks that get the Future as an argument; they leave it when
        the Future is released. Waits for a worker that is starting. Raises BadInput where none takes them."""
        client, end = self.client(), time.monotonic() + START_SECONDS
        try:
            while not (workers := self._workers_with(resource)) and time.monotonic() < end:
                time.sleep(0.2)
            (sent,) = client.scatter([images], workers=workers, hash=False)
        except Exception as error:
            log.warning("no worker takes the images", exc_info=error)
            raise BadInput("The pictures could not be sent to the process that computes; try again.") from error
        return sent

    def ensure_analysis(self) -> None:
        """Start the local analysis worker if it is not there yet.

        Raises BadInput where the cluster cannot be reached, or is somebody else's and has no worker for analyses.
        """
        self.client()
        if self.address and not self._workers_with("analysis"):
            raise BadInput("The cluster has no worker with the resource analysis; start one to compute projections.")
        with self._lock:
            if self._local is not None and "analysis" not in self._local.worker_spec:
                self._local.worker_spec["analysis"] = _worker_spec("analysis")
                self._local.sync(self._local._correct_state)

    def replace_worker(self, address: str) -> None:
        """Kill the worker process at `address`, whatever it is doing, and wait until the cluster knows; its nanny starts a
        new one, as after any crash. (Dask's own restart_workers asks the process to leave first, and may lose it.)
        """
        if not self.connected:
            return
        self._client.run(_kill, workers=[address], nanny=True, on_error="ignore")
        end = time.monotonic() + REPLACE_SECONDS
        while self.connected and address in self._workers() and time.monotonic() < end:
            time.sleep(0.1)

    def close(self) -> None:
        """Disconnect, and end a local cluster's processes."""
        with self._lock:
            self._drop()

    def _subscribe(self, topic: str) -> None:
        handler = self._handlers[topic]
        self._client.run_on_scheduler(_settle, topic=topic)
        self._client.subscribe_topic(topic, lambda event: handler(event[1]))

    def _workers_with(self, resource: str) -> list[str]:
        return [address for address, worker in self._workers().items() if resource in worker.get("resources", {})]

    def _workers(self) -> dict[str, dict]:
        return self._client.scheduler_info(n_workers=-1)["workers"] if self.connected else {}

    def _drop(self) -> None:
        for part in (self._client, self._local):
            if part is not None:
                try:
                    part.close(timeout=5)
                except Exception as error:
                    log.warning("closing %s", part, exc_info=error)
        self._client = self._local = None


def _settle(topic: str, dask_scheduler=None) -> None:
    """Runs on the scheduler: a crash is an answer, not a silent retry; and weights in events are not kept there."""
    dask_scheduler.allowed_failures = 0
    dask_scheduler._broker._topics[topic].events = deque(maxlen=1)


def _kill(dask_worker) -> None:
    """Runs on a nanny."""
    psutil.Process(dask_worker.pid).kill()


def _worker_spec(resource: str) -> dict:
    memory = psutil.virtual_memory().total
    # One task thread: with a second, OpenMP sees more teams than cores, stops spinning, and a step takes twice as long.
    options = {
        "host": "127.0.0.1", "nthreads": 1, "name": resource, "resources": {resource: 1}, "silence_logs": logging.ERROR,
        "memory_limit": memory * 6 // 10 if resource == "train" else memory * 3 // 10,
        "death_timeout": 120, "preload_nanny": ["ui.orphan"],
    }  # fmt: skip
    return {"cls": SubprocessWorker, "options": {"worker_kwargs": options}}


def _start_local() -> SpecCluster:
    if os.name == "nt":  # Dask's subprocess cluster does not run on Windows: threads of this process instead
        return LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None,
                            resources={"train": 1, "analysis": 1})  # fmt: skip
    os.environ.setdefault("DASK_DISTRIBUTED__NANNY__PRE_SPAWN_ENVIRON", repr(WORKER_ENVIRON))
    os.environ[orphan.PARENT] = str(os.getpid())
    scheduler = {"host": "127.0.0.1", "port": 0, "dashboard": False, "dashboard_address": None, "preload": ["ui.orphan"]}
    return SpecCluster(
        workers={"train": _worker_spec("train")},
        scheduler={"cls": SubprocessScheduler, "options": {"scheduler_kwargs": scheduler}},
        silence_logs=logging.ERROR,
        name="latentscape",
    )
