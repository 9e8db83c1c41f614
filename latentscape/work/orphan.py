"""Loaded by the local cluster's processes: end with the page server, however it went, so that nothing is left behind."""

import os
import threading
import time

PARENT = "LATENTSCAPE_SERVER_PID"


def dask_setup(scheduler_or_nanny) -> None:
    """Called by Dask once the process serves. A worker ends with its nanny."""
    threading.Thread(target=_watch, args=(int(os.environ[PARENT]),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)
