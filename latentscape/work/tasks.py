"""The turns of runs as tasks of the cluster: started, asked to leave, and given up where nothing is heard of them any more."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from distributed import Client, Event, Future

from latentscape.work import worker
from latentscape.work.belongings import Pictures
from latentscape.work.cluster import Cluster
from latentscape.work.runs import RUNNING, Run

log = logging.getLogger(__name__)
SILENCE_SECONDS = 30  # without a sign of life while training: the worker is replaced
LOADING_SECONDS = 600  # the same while a data set may be downloading; and without a batch while there are signs of life
CLUSTER_LOST = "The cluster was lost. Start again."
KILLED = (
    "The training process ended unexpectedly (out of memory, perhaps). Start again, with a smaller model if it happens twice."
)


@dataclass(eq=False)
class Task:
    """A run's turn on the cluster."""

    run: Run
    attempt: int
    future: Future
    steps: int = 0  # at the last sign of life
    moved: float = field(default_factory=time.monotonic)  # when there was another step
    stopped: float | None = None  # when somebody wanted its end

    def hear(self, steps: int) -> None:
        """A sign of life came, and so many steps were done."""
        if steps != self.steps:
            self.steps, self.moved = steps, time.monotonic()

    def silence(self) -> str:
        """Why it is given up; empty where it is not."""
        now, run = time.monotonic(), self.run
        allowed = SILENCE_SECONDS if run.status == RUNNING else LOADING_SECONDS
        if now - run.last_sign > allowed or (self.stopped is not None and now - self.stopped > SILENCE_SECONDS):
            return f"The training process gave no sign of life for {allowed} s. Start again."
        if run.status == RUNNING and now - self.moved > LOADING_SECONDS:
            return f"No batch was over after {LOADING_SECONDS} s. Choose a smaller batch size."
        return ""


class Tasks:
    """The tasks that are on the cluster now. What says so is called with the lock of the runs held, the rest without: it waits
    for the client, whose thread may be waiting for that lock."""

    def __init__(self, on: Cluster, topic: str, lock: threading.RLock):
        self._cluster, self._topic, self._lock = on, topic, lock
        self._tasks: dict[str, Task] = {}  # by the run's id
        self._sent: dict[str, Future] = {}  # own pictures that are on a worker, by their id

    def __len__(self) -> int:
        return len(self._tasks)

    def of(self, run_id: str, attempt: int | None = None) -> Task | None:
        """The task of a run, that of this attempt if one is named. Lock held."""
        task = self._tasks.get(run_id)
        return task if task is None or attempt in (None, task.attempt) else None

    def start(self, client: Client, run: Run, images: Future | None, then: Callable[[Task], None]) -> None:
        """Another attempt at the run; `then` is called in a thread of the client when it is over. Lock held."""
        run.attempt += 1
        run.last_sign = time.monotonic()
        future = client.submit(
            worker.train_job, run.id, run.attempt, self._topic, run.request, run.state, run.stop_after, images, run.directions,
            resources={"train": 1}, pure=False, retries=0, key=f"train-{run.id}-{run.attempt}",
        )
        task = self._tasks[run.id] = Task(run, run.attempt, future)
        future.add_done_callback(lambda _: then(task))

    def take(self, task: Task) -> bool:
        """The task is over, or what it still tells is not heard; whether it was here. Lock held."""
        if self._tasks.get(task.run.id) is not task:
            return False
        del self._tasks[task.run.id]
        return True

    def ask(self, run: Run, attempt: int, wish: str) -> None:
        """Ask a task to "leave" or to "give way"."""
        with contextlib.suppress(Exception):  # a cluster that does not answer is noticed otherwise
            Event(worker.event_name(run.id, attempt, wish), client=self._cluster.client()).set()

    def bring(self, pictures: Pictures) -> Future:
        """The pictures on a worker, for all turns of the runs that use them. Raises BadInput where none takes them."""
        sent = self._sent.get(pictures.id)
        if sent is None or sent.status != "finished":  # their worker died
            sent = self._sent[pictures.id] = self._cluster.send(pictures.images, "train")
        return sent

    def keep_pictures(self, used: set[str]) -> None:
        """Let go of all other pictures."""
        for identity in self._sent.keys() - used:
            del self._sent[identity]

    def give_up(self, then: Callable[[Task, str], None]) -> None:
        """Take the tasks of which nothing will be heard any more, and say why to `then`, with the lock held. Workers that are
        silent are replaced."""
        with self._lock:
            watched = [(task, task.run.worker) for task in self._tasks.values()]
        if not watched:
            return
        connected, present = self._cluster.connected, self._cluster.addresses()
        silent = []
        with self._lock:
            for task, address in watched:
                reason = "" if connected else CLUSTER_LOST
                if connected and present and address and address not in present and address == task.run.worker:
                    reason = KILLED
                elif connected and (reason := task.silence()) and address:
                    silent.append(address)
                if reason and self.take(task):
                    then(task, reason)
        for address in silent:
            log.warning("no sign of life; replacing the worker %s", address)
            self._cluster.replace_worker(address)


def cancel(task: Task) -> None:
    """Tell the cluster that nobody waits for the task; returns at once."""

    def begin():
        with contextlib.suppress(Exception):  # of a cluster that is gone
            task.future.cancel()

    threading.Thread(target=begin, daemon=True).start()
