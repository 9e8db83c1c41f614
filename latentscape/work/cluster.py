"""The Dask cluster behind the pages: the one that LATENTSCAPE_SCHEDULER names, or a local one that goes away with the server.

Workers carry a Dask resource, "train" or "analysis", so that a projection never waits for a training. A local cluster has one
worker for trainings for every two cores, and one for analyses that starts when it is first needed.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil
from dask.system import CPU_COUNT
from distributed import Client, Future, SpecCluster
from distributed.deploy import LocalCluster
from distributed.system import MEMORY_LIMIT

from latentscape.once import once
from latentscape.work import dask_private, orphan
from vae_core.errors import BadInput, shortly

if TYPE_CHECKING:  # the scheduler imports this module too, and needs no torch
    from vae_core.data import ImageSet

log = logging.getLogger(__name__)
CONNECT_SECONDS = 10
START_SECONDS = 60  # in which a worker that was asked for must be there
REPLACE_SECONDS = 20  # in which a killed worker must have left the cluster
MEND_SECONDS = 0.5  # between two looks for workers that must be started again
ANSWER_SECONDS = 10  # in which a scheduler must say who its workers are
MOST_WORKERS = 8
TRAIN_MEMORY, ANALYSIS_MEMORY = 0.6, 0.3  # shares of the machine's
LEAST_MEMORY = 2**30  # bytes that a worker for trainings has at least; torch alone takes about half of it

QUIET = {  # Dask samples what each worker does a hundred times a second, and the health of each loop fifty times
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False", "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "500ms",
}


def training_workers() -> int:
    """Workers for trainings in a local cluster: LATENTSCAPE_WORKERS (1 to 64), or one for every two cores, at most MOST_WORKERS
    and as many as there is memory for. Raises BadInput where the variable is no such number."""
    asked = os.environ.get("LATENTSCAPE_WORKERS", "").strip()
    if asked:
        if not asked.isdecimal() or not 1 <= int(asked) <= 64:
            raise BadInput(f"LATENTSCAPE_WORKERS is a number from 1 to 64, not {shortly(asked)}.")
        return int(asked)
    return max(1, min(CPU_COUNT // 2, MOST_WORKERS, int(MEMORY_LIMIT * TRAIN_MEMORY) // LEAST_MEMORY))


def worker_environ(workers: int) -> dict[str, str]:
    """Variables for each of so many training workers on this machine.

    One core stays free for the page server and a browser on the same machine, the others are shared out: OpenMP threads that
    wait for one that has lost its core train many times slower than one thread less. How many does not depend on who trains
    beside: the same seed is to give the same losses.
    Dask's nanny makes malloc give every freed block back at once and each library use one thread; a training step then takes
    half as long again.
    """
    threads = str(max(1, (CPU_COUNT - 1) // workers))
    malloc = {"MALLOC_TRIM_THRESHOLD_": str(2**28), "MALLOC_MMAP_THRESHOLD_": str(2**25)}
    return malloc | dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)


@once
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
        self._comm: object = None  # the client's connection: another one means that this one was lost
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
            if self.connected:
                return self._client
            self._drop()
            try:
                if not self.address:
                    self._local = _start_local()
                    threading.Thread(target=self._keep, args=(self._local,), name="latentscape-cluster", daemon=True).start()
                self._client = Client(self.address or self._local, timeout=CONNECT_SECONDS, set_as_default=False)
                for topic in self._handlers:
                    self._subscribe(topic)
                self._comm = dask_private.connection(self._client)
            except BadInput:
                raise
            except Exception as error:
                log.warning("no cluster", exc_info=error)
                self._drop()
                where = "The cluster that LATENTSCAPE_SCHEDULER names" if self.address else "The training process"
                raise BadInput(f"{where} cannot be reached; training is not possible until it is started again.") from error
            return self._client

    @property
    def connected(self) -> bool:
        """Whether there is a live connection now, the same since it was made (Dask's client may find a scheduler again, but
        not what it was told before); never waits."""
        client = self._client
        return client is not None and client.status == "running" and dask_private.connection(client) is self._comm

    def training_slots(self) -> int:
        """How many trainings can run at once: workers that have the resource "train"."""
        return len(self._workers_with("train"))

    def addresses(self) -> set[str]:
        """Where the workers are now; empty where nobody says so in time."""
        return set(self._workers() or {})

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
            if self._local is not None:
                dask_private.add_worker(self._local, "analysis", _analysis_spec())

    def replace_worker(self, address: str) -> None:
        """Kill the worker process at `address`, whatever it is doing, and wait until the cluster knows; its nanny starts a
        new one, as after any crash. (Dask's own restart_workers asks the process to leave first, and may lose it.)
        """
        if not self.connected:
            return
        self._client.run(_kill, workers=[address], nanny=True, on_error="ignore")
        end = time.monotonic() + REPLACE_SECONDS
        while self.connected and time.monotonic() < end:
            known = self._workers()
            if known is not None and address not in known:  # where nobody answers, it may still be given a task
                return
            time.sleep(0.1)

    def close(self) -> None:
        """Disconnect, and end a local cluster's processes."""
        with self._lock:
            self._drop()

    def _keep(self, local: SpecCluster) -> None:
        """Runs in a thread as long as `local` is the cluster: start those workers again whose nanny has died, and so cannot do
        it. (A nanny ends by itself where its worker dies before it has heard that the worker runs.)"""
        while self._local is local:
            try:
                with self._lock:
                    ended = dask_private.ended(local) if self._local is local and self.connected else []
                    if ended:
                        log.warning("nannies have died; starting again: %s", ", ".join(map(str, ended)))
                        dask_private.start_again(local, ended)
            except Exception as error:
                log.exception("the cluster's workers", exc_info=error)
            time.sleep(MEND_SECONDS)

    def _subscribe(self, topic: str) -> None:
        handler = self._handlers[topic]
        self._client.run_on_scheduler(dask_private.settle, topic=topic, ours=not self.address)
        self._client.subscribe_topic(topic, lambda event: handler(event[1]))

    def _workers_with(self, resource: str) -> list[str]:
        return [address for address, worker in (self._workers() or {}).items() if resource in worker.get("resources", {})]

    def _workers(self) -> dict[str, dict] | None:
        """None where nobody says so in time."""
        if not self.connected:
            return None
        try:
            return dask_private.workers(self._client, ANSWER_SECONDS)
        except Exception as error:  # lost, or too busy to answer: the next look tells
            log.warning("the scheduler does not answer", exc_info=error)
            return None

    def _drop(self) -> None:
        processes = dask_private.processes(self._local) if self._local else []
        for part in (self._client, self._local):
            if part is not None:
                try:
                    part.close(timeout=5)
                except Exception as error:
                    log.warning("closing %s", part, exc_info=error)
        for process in processes:  # closing needs a scheduler that lives
            _kill_tree(process.pid)
        self._client = self._local = self._comm = None


def _kill(dask_worker) -> None:
    """Runs on a nanny."""
    psutil.Process(dask_private.pid_of(dask_worker)).kill()


def _kill_tree(pid: int) -> None:
    with contextlib.suppress(psutil.Error):
        if psutil.Process(pid).ppid() != os.getpid():  # ended, and the number is somebody else's
            return
        for process in (*psutil.Process(pid).children(recursive=True), psutil.Process(pid)):
            process.kill()


def _train_specs(count: int) -> dict[str, dict]:
    """So many workers for trainings that share their part of the memory, by name."""
    memory = int(MEMORY_LIMIT * TRAIN_MEMORY) // count
    return {name: _worker_spec("train", name, memory) for name in (f"train-{number}" for number in range(count))}


def _analysis_spec() -> dict:
    return _worker_spec("analysis", "analysis", int(MEMORY_LIMIT * ANALYSIS_MEMORY))


def _worker_spec(resource: str, name: str, memory: int) -> dict:
    """A worker with the resource, and so many bytes of memory."""
    # One task thread: with a second, OpenMP sees more teams than cores, stops spinning, and a step takes twice as long.
    options = {
        "host": "127.0.0.1", "nthreads": 1, "name": name, "resources": {resource: 1}, "silence_logs": logging.ERROR,
        "memory_limit": memory, "death_timeout": 120, "preload_nanny": [orphan.__name__],
    }
    return {"cls": dask_private.SubprocessWorker, "options": {"worker_kwargs": options}}


def _start_local() -> SpecCluster:
    if os.name == "nt":  # Dask's subprocess cluster does not run on Windows: threads of this process instead
        return LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None,
                            resources={"train": 1, "analysis": 1})
    count = training_workers()
    os.environ.setdefault("DASK_DISTRIBUTED__NANNY__PRE_SPAWN_ENVIRON", repr(worker_environ(count)))
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    os.environ[orphan.PARENT] = str(os.getpid())
    scheduler = {
        "host": "127.0.0.1", "port": 0, "dashboard": False, "dashboard_address": None, "preload": [orphan.__name__],
    }
    return SpecCluster(
        workers=_train_specs(count),
        scheduler={"cls": dask_private.SubprocessScheduler, "options": {"scheduler_kwargs": scheduler}},
        silence_logs=logging.ERROR,
        name="latentscape",
    )
