"""How the worker is doing, for readiness."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

__all__ = ["WorkerMonitor"]


@dataclass(slots=True)
class WorkerMonitor:
    """Written by the worker, read by anybody.

    Attributes:
        rounds: finished since the start.
        last_error: why the last round could not finish, or None.
        thread: the worker's, once it runs.
    """

    rounds: int = 0
    last_error: str | None = None
    thread: threading.Thread | None = field(default=None, repr=False)

    @property
    def is_alive(self) -> bool:
        """Whether the worker's thread runs."""
        return self.thread is not None and self.thread.is_alive()
