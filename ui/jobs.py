"""Trainings as jobs: a queue in front of the cluster's workers, and everything that can happen to a run.

The pages call submit, pause, resume, step and stop; a thread a second dispatches the queue, notices silence and forgets
what nobody watches. The store of runs is the only state.
"""

import contextlib
import logging
import threading
import time
import uuid
from functools import lru_cache

from distributed import Event, Future
from distributed.client import FutureCancelledError
from distributed.scheduler import KilledWorker

from ui import worker
from ui.cluster import Cluster, cluster
from ui.own import Pictures, store
from ui.runs import ACTIVE, DONE, FAILED, PAUSED, QUEUED, RUNNING, STOPPED, Frame, Run, RunStore
from ui.store import Store
from vae_core.errors import BadInput

log = logging.getLogger(__name__)
MAX_QUEUE = 40
SILENCE_SECONDS = 30  # without a sign of life while training: the worker is replaced
LOADING_SECONDS = 600  # the same while a data set may be downloading
TICK_SECONDS = 0.5
CLUSTER_LOST = "The cluster was lost; the last epoch is kept. Start again."


@lru_cache(maxsize=1)
def jobs() -> "Jobs":
    """The one Jobs of this server."""
    return Jobs(cluster(), store())


class Jobs:
    """See the module. All methods may be called from any thread; none waits for a training."""

    def __init__(self, on: Cluster, within: Store | None = None):
        """`within` is the store in whose budget the runs count."""
        self.store = RunStore(within)
        self.lock = self.store.lock
        self._topic = f"latentscape-{uuid.uuid4().hex}"
        self._cluster = on
        on.listen(self._topic, self._on_event)
        self._queue: list[Run] = []
        self._futures: dict[str, Future] = {}
        self._interrupts: dict[str, float] = {}  # run id -> when it was asked to leave
        self._warming = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="latentscape-jobs", daemon=True)
        self._thread.start()

    # What a page asks for.

    def warm_up(self) -> None:
        """Start the cluster in the background and let its worker import torch; returns at once."""
        with self.lock:
            if self._warming:
                return
            self._warming = True

        def begin():
            with contextlib.suppress(BadInput):
                client = self._cluster.client()
                client.submit(worker.warm_up, resources={"train": 1}, pure=False).add_done_callback(
                    lambda future: future.release()
                )

        threading.Thread(target=begin, daemon=True).start()

    def submit(
        self, request: dict, owner: str, one_epoch: bool = False, pictures: Pictures | None = None, purpose: str = ""
    ) -> Run:
        """Queue a training for the visitor `owner`, for good or to pause after one epoch; on `pictures`, where it is not
        on a data set with a name.

        A visitor with a run for the same purpose that is not over gets that run back.

        Raises BadInput where the queue is full.
        """
        with self.lock:
            for run in self.store.all():
                if (run.owner, run.purpose) == (owner, purpose) and run.status in (*ACTIVE, PAUSED):
                    return run
            if len(self._queue) >= MAX_QUEUE:
                raise BadInput(f"{MAX_QUEUE} trainings are waiting already; try again in a few minutes.")
            run = Run(request, owner, purpose, stop_after=1 if one_epoch else None, pictures=pictures)
            if not self.store.add(run):
                raise BadInput("Too many trainings are paused or waiting on this server; try again in a few minutes.")
            if pictures is not None:
                pictures.runs.add(run.id)
            self._queue.append(run)
            return run

    def pause(self, run: Run) -> None:
        """Leave the worker after the present batch, keeping everything."""
        self._leave(run, "pause", PAUSED)

    def stop(self, run: Run) -> None:
        """End the run; its checkpoint is what it has learned so far."""
        self._leave(run, "stop", STOPPED)

    def resume(self, run: Run, one_epoch: bool = False) -> None:
        """Queue a paused run again, for good or for one epoch."""
        with self.lock:
            if run.status != PAUSED:
                return
            run.stop_after = len(run.epochs) + 1 if one_epoch else None
            run.status, run.wanted = QUEUED, ""
            run.changed += 1
            self._queue.append(run)

    def forget_pictures(self, owner: str) -> None:
        """The visitor removes their own pictures: trainings on them end, and what they have told is forgotten."""
        for run in self.store.all():
            if run.owner == owner and run.is_of_pictures:
                self.stop(run)
                self.store.forget(run)
                run.let_go_of_pictures()

    def position(self, run: Run) -> int:
        """Place in the queue from 1; 0 when it is not waiting."""
        with self.lock:
            return self._queue.index(run) + 1 if run in self._queue else 0

    def close(self) -> None:
        """End the thread, and the cluster's processes where they are local."""
        self._closed.set()
        self._thread.join(timeout=10)
        self._cluster.close()

    # What happens to a run.

    def _leave(self, run: Run, wanted: str, status: str) -> None:
        with self.lock:
            if run in self._queue:
                self._queue.remove(run)
                self._end(run, PAUSED if wanted == "pause" else STOPPED)
            elif run.status == PAUSED and status == STOPPED:
                self._end(run, STOPPED)
            elif run.id in self._futures:
                run.wanted = wanted
                run.changed += 1
                self._interrupts.setdefault(run.id, time.monotonic())
                attempt = run.attempt
            else:
                return
        if run.wanted:
            self._set_interrupt(run, attempt)

    def _set_interrupt(self, run: Run, attempt: int) -> None:
        with contextlib.suppress(Exception):  # a cluster that does not answer is noticed by the watch
            Event(worker.interrupt_name(run.id, attempt), client=self._cluster.client()).set()

    def _end(self, run: Run, status: str, reason: str = "") -> None:
        """Call with the lock held."""
        run.status, run.reason, run.wanted = status, reason, ""
        if status != PAUSED:
            run.state = None
            run.let_go_of_pictures()
        run.worker = None
        run.changed += 1

    def _on_event(self, message: dict) -> None:
        with self.lock:
            run = self.store.get(message.get("run", ""))
            if run is None or message["attempt"] != run.attempt or run.id not in self._futures:
                return
            run.last_sign = time.monotonic()
            run.changed += 1
            kind = message["kind"]
            if kind == "loading":
                run.worker = message["worker"]
            elif kind == "started":
                run.status = RUNNING
                run.about = {**message, "originals": worker.unpack(message["originals"])}
            elif kind in ("frame", "progress", "epoch"):
                self._take_frame(run, message)

    def _take_frame(self, run: Run, message: dict) -> None:
        run.add_curve(message.get("curve", []))
        run.rate, run.left = message.get("rate", run.rate), message.get("left", run.left)
        arrays = {name: worker.unpack(message[name]) for name in ("points", "reconstructions", "samples")}
        frame = Frame(
            message.get("epoch", run.progress), explained=message["explained"], weights=message.get("weights"), **arrays
        )
        run.live = frame
        if message["kind"] == "epoch":
            run.epochs.append(message["record"])
            run.weights = message["weights"]
        if message["kind"] != "progress":
            run.add_frame(frame)
        self.store.grown(run)

    def _on_finished(self, run: Run, attempt: int, future: Future) -> None:
        """The task returned, failed, or its worker died. Runs in a thread of the client."""
        try:
            result = future.result(timeout=10)
        except KilledWorker:
            result = {"outcome": "failed", "reason": "The training process ended unexpectedly (out of memory, perhaps); the "
                      "last epoch is kept. Start again, with a smaller model if it happens twice."}  # fmt: skip
        except FutureCancelledError:
            result = {"outcome": "failed", "reason": CLUSTER_LOST}
        except Exception as error:
            log.exception("training %s", run.id[:6], exc_info=error)
            result = {"outcome": "failed", "reason": "The training stopped on an error that the server's log describes; the "
                      "last epoch is kept."}  # fmt: skip
        with self.lock:
            if run.attempt != attempt or self._futures.pop(run.id, None) is None:
                return
            self._interrupts.pop(run.id, None)
            run.weights = result.get("weights", run.weights)
            if result["outcome"] == "failed":
                self._end(run, FAILED, result["reason"])
            elif result["outcome"] == "done":
                self._end(run, DONE)
            else:
                run.state = result["state"]
                self._end(run, STOPPED if run.wanted == "stop" else PAUSED)
            self.store.grown(run)

    # The thread that keeps the house.

    def _watch(self) -> None:
        while not self._closed.wait(TICK_SECONDS):
            try:
                self._dispatch()
                self._notice_silence()
                for run in self.store.forget_unseen():
                    self.stop(run)
                    run.let_go_of_pictures()
            except Exception as error:
                log.exception("jobs", exc_info=error)

    def _dispatch(self) -> None:
        if not self._queue:
            return
        try:
            client = self._cluster.client()
        except BadInput as error:
            with self.lock:
                for run in self._queue:
                    self._end(run, FAILED, str(error))
                self._queue.clear()
            return
        slots = self._cluster.training_slots()  # asks the client's thread, which may be waiting for our lock: not inside it
        while True:
            with self.lock:
                if not self._queue or len(self._futures) >= slots:
                    return
                run = self._queue[0]
                pictures = run.pictures
            try:
                sent = pictures and self._cluster.send(pictures.images, "train")  # waits for the client: not inside the lock
            except BadInput as error:
                with self.lock:
                    if run in self._queue:
                        self._queue.remove(run)
                        self._end(run, FAILED, str(error))
                continue
            with self.lock:
                if run not in self._queue:  # stopped meanwhile
                    continue
                self._queue.remove(run)
                run.attempt += 1
                run.last_sign = time.monotonic()
                run.about.pop("kind", None)
                future = client.submit(
                    worker.train_job, run.id, run.attempt, self._topic, run.request, run.state, run.stop_after, sent,
                    resources={"train": 1}, pure=False, retries=0, key=f"train-{run.id}-{run.attempt}",
                )  # fmt: skip
                self._futures[run.id] = future
            future.add_done_callback(lambda done, run=run, attempt=run.attempt: self._on_finished(run, attempt, done))

    def _notice_silence(self) -> None:
        now, connected = time.monotonic(), self._cluster.connected
        lost: list[str] = []
        with self.lock:
            for run in self.store.all():
                allowed = SILENCE_SECONDS if run.status == RUNNING else LOADING_SECONDS
                silent = now - run.last_sign > allowed or now - self._interrupts.get(run.id, now) > SILENCE_SECONDS
                if run.id not in self._futures or (connected and not silent):
                    continue
                if connected and run.worker:
                    lost.append(run.worker)
                del self._futures[run.id]
                self._interrupts.pop(run.id, None)
                reason = f"The training process gave no sign of life for {allowed} s; the last epoch is kept. Start again."
                self._end(run, FAILED, reason if connected else CLUSTER_LOST)
        for address in lost:
            log.warning("no sign of life; replacing the worker %s", address)
            self._cluster.replace_worker(address)
