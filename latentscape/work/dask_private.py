"""What we use of Dask that it does not promise to keep: every such name stands here, and tests/test_private_names.py tells what
each is to do. Without one of them trainings fail; the pages stay."""

from collections import deque

from distributed import Client, SpecCluster
from distributed.client import FutureCancelledError
from distributed.deploy.subprocess import SubprocessScheduler, SubprocessWorker
from distributed.scheduler import KilledWorker

__all__ = [
    "FutureCancelledError", "KilledWorker", "SubprocessScheduler", "SubprocessWorker", "add_worker", "connection", "ended",
    "pid_of", "processes", "settle", "start_again", "workers",
]


# A local cluster.


def add_worker(local: SpecCluster, name: str, spec: dict) -> None:
    """Start one more worker, if there is none of this name, and wait until it is there."""
    if name not in local.worker_spec:
        local.worker_spec[name] = spec
        local.sync(local._correct_state)


def start_again(local: SpecCluster, names: list[str]) -> None:
    """Forget these workers, whose nannies have died, and start others in their place."""
    specs = {name: local.worker_spec.pop(name) for name in names if name in local.worker_spec}
    local.sync(local._correct_state)
    local.worker_spec.update(specs)
    local.sync(local._correct_state)


def processes(local: SpecCluster) -> list:
    """Those of the scheduler and of each worker's nanny, as asyncio has them; none where all are threads of this one."""
    parts = (local.scheduler, *local.workers.values())
    return [part.process for part in parts if getattr(part, "process", None) is not None]


def ended(local: SpecCluster) -> list[str]:
    """The names of the workers whose nanny's process has ended."""
    nannies = {name: getattr(worker, "process", None) for name, worker in local.workers.items()}
    return [name for name, process in nannies.items() if process is not None and process.returncode is not None]


# Any cluster.


def connection(client: Client) -> object:
    """Another one means that the last one was lost."""
    return client.scheduler_comm


def workers(client: Client, seconds: float) -> dict[str, dict]:
    """What the scheduler knows of each worker, by its address. Raises what a connection raises, after so many seconds too."""
    return client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=seconds)["workers"]


def settle(topic: str, ours: bool, dask_scheduler=None) -> None:
    """Runs on the scheduler: weights in our events are not kept there; and where it is ours, a crash is an answer, not a silent
    retry."""
    if ours:
        dask_scheduler.allowed_failures = 0
    dask_scheduler._broker._topics[topic].events = deque(maxlen=1)


def pid_of(dask_worker) -> int:
    """The number of the process that a nanny watches over. Runs on the nanny."""
    return dask_worker.pid
