"""How the worker is doing, for readiness."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

__all__ = ["WorkerMonitor"]

_ALARMING_FAILURES = 3


@dataclass(slots=True)
class WorkerMonitor:
    """Written by the worker, read by anybody.

    Attributes:
        rounds: finished since the start.
        failures: rounds in a row that could not finish.
        last_error: why the last round could not finish, or None.
        thread: the worker's, once it runs.
        is_elsewhere: other processes have workers, and this one has none.
    """

    rounds: int = 0
    failures: int = 0
    last_error: str | None = None
    thread: threading.Thread | None = field(default=None, repr=False)
    is_elsewhere: bool = False

    def finished(self) -> None:
        """A round came to its end."""
        self.rounds += 1
        self.failures = 0
        self.last_error = None

    def failed(self, reason: str) -> None:
        """A round could not finish."""
        self.failures += 1
        self.last_error = reason

    @property
    def is_stuck(self) -> bool:
        """Whether it fails again and again; a single refusal of a busy node is not worth an alarm."""
        return self.failures >= _ALARMING_FAILURES

    @property
    def is_alive(self) -> bool:
        """Whether the worker's thread runs."""
        return self.thread is not None and self.thread.is_alive()
