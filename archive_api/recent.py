"""What was computed last, within a room: for values that follow from their keys for ever."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["Recent"]

_Value = TypeVar("_Value")


class Recent(Generic[_Value]):
    """Values by key, those used last; for several threads.

    Args:
        room: how much the values may weigh together; one value is kept whatever it weighs.
    """

    def __init__(self, *, room: int) -> None:
        self._room = room
        self._held: OrderedDict[str, tuple[_Value, int]] = OrderedDict()
        self._lock = Lock()

    def find(self, key: str) -> _Value | None:
        """A value that is held; it counts as used."""
        with self._lock:
            found = self._held.get(key)
            if found is None:
                return None
            self._held.move_to_end(key)
            return found[0]

    def keep(self, key: str, value: _Value, *, weight: int) -> None:
        """Hold a value, and let go of those used longest ago; the first value of a key stays."""
        with self._lock:
            if key not in self._held:
                self._held[key] = (value, weight)
                self._room -= weight
            while self._room < 0 and len(self._held) > 1:
                self._room += self._held.popitem(last=False)[1][1]
