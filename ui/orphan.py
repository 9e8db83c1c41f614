"""Loaded by the local scheduler's process: end it when the page server is gone, however it went.

Workers end themselves when their scheduler does, so nothing is left behind even by a killed server.
"""

import os
import threading
import time

PARENT = "LATENTSCAPE_SERVER_PID"


def dask_setup(scheduler) -> None:
    """Called by Dask once the scheduler runs."""
    threading.Thread(target=_watch, args=(int(os.environ[PARENT]),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)
