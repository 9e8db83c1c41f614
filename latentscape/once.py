"""What a server has one of: made when it is first asked for, and only once, however many ask at the same time."""

import functools
import threading
from collections.abc import Callable
from typing import TypeVar

Thing = TypeVar("Thing")


def once(make: Callable[[], Thing]) -> Callable[[], Thing]:
    """`make`, called by the first who asks while the others wait; where it raises, the next one tries again.

    (functools.lru_cache lets two first callers make one each.)
    """
    lock, made = threading.Lock(), []

    @functools.wraps(make)
    def get() -> Thing:
        if not made:
            with lock:
                if not made:
                    made.append(make())
        return made[0]

    return get
