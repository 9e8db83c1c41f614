"""Trainings as jobs: visitors take turns on the cluster's workers, and everything that can happen to a run.

The pages call submit, pause, resume, step and stop; a thread, twice a second and whenever something happens, gives turns,
notices silence and forgets what nobody watches. The store of runs and the turns are the only state.
"""

import contextlib
import logging
import threading
import time
import uuid

from latentscape.work import worker
from latentscape.work.belongings import Pictures
from latentscape.work.cluster import Cluster
from latentscape.work.dask_private import FutureCancelledError, KilledWorker
from latentscape.work.runs import ACTIVE, DONE, FAILED, PAUSED, QUEUED, RUNNING, STOPPED, Frame, Run, RunStore
from latentscape.work.store import Store, give_back
from latentscape.work.tasks import CLUSTER_LOST, KILLED, Task, Tasks, cancel
from latentscape.work.turns import Place, Turns
from vae_core.errors import BadInput

log = logging.getLogger(__name__)
MAX_QUEUE = 40
ALONE, SWEEP = "", "sweep"  # what a run is for
TICK_SECONDS = 0.5
TIDY_SECONDS = 60.0  # between two looks for memory that was freed, by Streamlit for instance when a visitor has left
KEPT = "The last epoch is kept."  # said with the reason why a run ended, where an epoch was over
GATHER_SECONDS = 60  # in which a state must have come back


class Jobs:
    """See the module. All methods may be called from any thread; none waits for a training."""

    def __init__(self, on: Cluster, within: Store | None = None):
        """`within` is the store in whose budget the runs count."""
        self.store = RunStore(within)
        self.lock = self.store.lock
        self.turns = Turns()
        topic = f"latentscape-{uuid.uuid4().hex}"
        self._cluster, self._tasks = on, Tasks(on, topic, self.lock)
        on.listen(topic, self._on_event)
        self._warming = False
        self._closed = False
        self._wake = threading.Event()  # something happened that the thread should see to at once
        self._thread = threading.Thread(target=self._watch, name="latentscape-jobs", daemon=True)
        self._thread.start()

    # What a page asks for.

    def warm_up(self) -> None:
        """Start the cluster in the background and let its workers import torch; returns at once."""
        with self.lock:
            if self._warming:
                return
            self._warming = True

        def begin():
            with contextlib.suppress(BadInput):
                client = self._cluster.client()
                for _ in range(self._cluster.training_slots() or 1):
                    client.submit(worker.warm_up, resources={"train": 1}, pure=False).add_done_callback(
                        lambda future: future.release()
                    )

        threading.Thread(target=begin, daemon=True).start()

    def submit(self, request: dict, owner: str, one_epoch: bool = False, pictures: Pictures | None = None) -> Run:
        """Queue a training for the visitor `owner`, for good or to pause after one epoch; on `pictures`, where it is not on a
        data set with a name.

        A visitor with a run that is not over gets that run back; those of a sweep are another matter.

        Raises BadInput where too many wait.
        """
        with self.lock:
            present = self._not_over(owner, ALONE)
            return present[0] if present else self._queue([request], owner, ALONE, one_epoch, pictures)[0]

    def submit_sweep(self, requests: list[dict], owner: str, pictures: Pictures | None = None) -> list[Run]:
        """Queue several trainings that are compared: all of them or none. A visitor whose last sweep is not over gets that.

        Raises BadInput where too many wait.
        """
        with self.lock:
            return self._not_over(owner, SWEEP) or self._queue(requests, owner, SWEEP, False, pictures)

    def _not_over(self, owner: str, purpose: str) -> list[Run]:
        present = [run for run in self.store.all() if (run.owner, run.purpose) == (owner, purpose)]
        return [run for run in present if run.status in (*ACTIVE, PAUSED)]

    def _queue(
        self, requests: list[dict], owner: str, purpose: str, one_epoch: bool, pictures: Pictures | None
    ) -> list[Run]:
        """Call with the lock held."""
        if len(self.turns.waiting) + len(requests) > MAX_QUEUE:
            raise BadInput(f"{MAX_QUEUE} trainings are waiting already; try again in a few minutes.")
        runs = [Run(asked, owner, purpose, stop_after=1 if one_epoch else None, pictures=pictures) for asked in requests]
        if not self.store.add_all(runs):
            raise BadInput("Too many trainings are paused or waiting on this server; try again in a few minutes.")
        for run in runs:
            if pictures is not None:
                pictures.runs.add(run.id)
            self.turns.add(run)
        self._wake.set()
        return runs

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
            self.turns.add(run)
            self._wake.set()

    def forget_pictures(self, owner: str) -> None:
        """The visitor removes their own pictures: trainings on them end, and what they have told is forgotten."""
        for run in self.store.all():
            if run.owner == owner and run.is_of_pictures:
                self.stop(run)
                self.store.forget(run)
                run.let_go_of_pictures()

    def place(self, run: Run) -> Place | None:
        """Where a run that waits for its turn stands; None when it does not wait."""
        with self.lock:
            return self.turns.place(run)

    def close(self) -> None:
        """End the thread, and the cluster's processes where they are local."""
        self._closed = True
        self._wake.set()
        self._thread.join(timeout=10)
        self._cluster.close()

    # What happens to a run.

    def _leave(self, run: Run, wanted: str, status: str) -> None:
        with self.lock:
            if self.turns.remove(run):
                self._end(run, status)
            elif run.status == PAUSED and status == STOPPED:
                self._end(run, STOPPED)
            elif (task := self._tasks.of(run.id)) is not None:
                run.wanted = wanted
                run.changed += 1
                if wanted == "stop" and task.stopped is None:
                    task.stopped = time.monotonic()
            else:
                return
        if run.wanted:
            self._tasks.ask(run, task.attempt, "leave")

    def _end(self, run: Run, status: str, reason: str = "") -> None:
        """Call with the lock held. The run is not on a worker any more: for good, paused, or until its next turn."""
        run.status, run.reason, run.wanted = status, f"{reason} {KEPT}" if reason and run.epochs else reason, ""
        if status not in (PAUSED, QUEUED):
            run.state = run.directions = None
            run.let_go_of_pictures()
        run.worker = None
        run.changed += 1
        self.turns.end(run)
        self._wake.set()

    def _on_event(self, message: dict) -> None:
        with self.lock:
            task = self._tasks.of(message["run"], message["attempt"])
            if task is None:
                return
            run, kind = task.run, message["kind"]
            run.last_sign = time.monotonic()
            run.changed += 1
            if kind == "alive":
                task.hear(message["steps"])
            elif kind == "loading":
                if run.worker is not None:  # Dask gave it to another worker after the first one had died
                    self._tasks.take(task)
                    self._give_up(task, KILLED)
                    return
                run.worker = message["worker"]
            elif kind == "started":
                run.status, run.state = RUNNING, None
                run.about = {**message, "originals": worker.unpack(message["originals"])}
            elif kind in ("frame", "moment", "progress", "epoch"):
                self._take_frame(run, message)

    def _take_frame(self, run: Run, message: dict) -> None:
        run.add_curve(message.get("curve", []))
        run.rate, run.left = message.get("rate", run.rate), message.get("left", run.left)
        if message["kind"] == "epoch":
            run.epochs.append(message["record"])
            run.weights = message["weights"]
        if "points" not in message:  # there was no time for a picture
            return
        arrays = {name: worker.unpack(message[name]) for name in ("points", "reconstructions", "samples", "scores", "found")}
        frame = Frame(
            message.get("epoch", run.progress), explained=message["explained"], weights=message.get("weights"), **arrays
        )
        run.live = frame
        if message["kind"] != "progress":
            run.add_frame(frame)
        self.store.grown(run)
        if self.turns.waiting:
            self._wake.set()  # a first turn may be over

    def _give_up(self, task: Task, reason: str) -> None:
        """Call with the lock held, for a task that was taken."""
        self._end(task.run, STOPPED if task.run.wanted == "stop" else FAILED, reason)
        cancel(task)

    def _on_finished(self, task: Task) -> None:
        """The task returned, failed, or its worker died. Runs in a thread of the client."""
        run = task.run
        try:
            result = task.future.result(timeout=GATHER_SECONDS)
        except KilledWorker:
            result = {"outcome": "failed", "reason": KILLED}
        except FutureCancelledError:
            result = {"outcome": "failed", "reason": CLUSTER_LOST}
        except Exception as error:
            log.exception("training %s", run.id[:6], exc_info=error)
            result = {"outcome": "failed", "reason": "The training stopped on an error that the server's log describes."}
        with self.lock:
            if not self._tasks.take(task):
                return
            run.weights = result.get("weights", run.weights)
            run.add_curve(result.get("curve", []))
            if result["outcome"] == "failed":
                self._end(run, FAILED, result["reason"])
            elif result["outcome"] == "done":
                self._end(run, DONE)
            else:
                run.state, run.directions = result["state"], result["directions"]
                stepped = run.stop_after is not None and result["epochs"] >= run.stop_after
                if run.wanted or stepped:
                    self._end(run, STOPPED if run.wanted == "stop" else PAUSED)
                else:  # it gave way
                    self._end(run, QUEUED)
                    self.turns.add(run)
            self.store.grown(run)

    # The thread that keeps the house.

    def _watch(self) -> None:
        tidied = time.monotonic()
        while not self._closed:
            self._wake.wait(TICK_SECONDS)
            self._wake.clear()
            try:
                self._tasks.give_up(self._give_up)
                self._dispatch()
                self._take_turns()
                for run in self.store.forget_unseen():
                    self.stop(run)
                    run.let_go_of_pictures()
                with self.lock:
                    self._tasks.keep_pictures({run.pictures.id for run in self.store.all() if _needs_pictures(run)})
                if time.monotonic() - tidied > TIDY_SECONDS:
                    give_back()
                    tidied = time.monotonic()
            except Exception as error:
                log.exception("jobs", exc_info=error)

    def _dispatch(self) -> None:
        if not self.turns.waiting:
            return
        try:
            client = self._cluster.client()
        except BadInput as error:
            with self.lock:
                for run in list(self.turns.waiting):
                    self.turns.remove(run)
                    self._end(run, FAILED, str(error))
            return
        slots = self._cluster.training_slots()  # asks the client's thread, which may be waiting for our lock: not inside it
        while True:
            with self.lock:
                self.turns.slots = slots
                if not self.turns.waiting or len(self._tasks) >= slots:
                    return
                run = self.turns.order()[0]
                pictures = run.pictures
            try:
                sent = pictures and self._tasks.bring(pictures)
            except BadInput as error:
                with self.lock:
                    if self.turns.remove(run):
                        self._end(run, FAILED, str(error))
                continue
            with self.lock:
                if run not in self.turns.waiting:  # stopped meanwhile
                    continue
                self.turns.begin(run)
                self._tasks.start(client, run, sent, self._on_finished)

    def _take_turns(self) -> None:
        with self.lock:
            asked = [(run, run.attempt) for run in self.turns.to_give_way()]
        for run, attempt in asked:
            self._tasks.ask(run, attempt, "give way")


def _needs_pictures(run: Run) -> bool:
    return run.pictures is not None and run.status in ACTIVE
