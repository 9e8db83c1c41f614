"""What pages draw of a run: each picture is made once, however many look at it."""

import threading
from collections.abc import Callable, Hashable
from typing import Any

MOST = 12  # what is under way, and the last moments that were looked at again


class Drawings:
    """The last MOST pictures that were asked for: charts of Plotly, or addresses that carry a picture. Who asks for one that is
    being made waits for it."""

    def __init__(self):
        self._lock = threading.Lock()
        self._made: dict[tuple, tuple[Any, int]] = {}  # and its bytes

    def get(self, *what: Hashable, make: Callable[[], Any]) -> Any:
        """The picture of that name, made now if it is not there. Nobody may change it."""
        with self._lock:
            if what in self._made:
                found = self._made.pop(what)
            else:
                drawn = make()
                found = drawn, len(drawn if isinstance(drawn, str) else drawn.to_json(validate=False))
            self._made[what] = found
            while len(self._made) > MOST:
                del self._made[next(iter(self._made))]
            return found[0]

    @property
    def size(self) -> int:
        """Bytes, about."""
        return sum(size for _, size in list(self._made.values()))
