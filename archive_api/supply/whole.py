"""What reads every event of a building while somebody waits: so many at most, and one such answer at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select
from sqlmodel import Session, col

from archive_api.errors import PolicyError, TooManyError
from archive_api.supply.models import SupplyEvent

__all__ = ["MAX_CHARACTERS", "MAX_EVENTS", "reading_whole"]

MAX_EVENTS: Final = 200_000
MAX_CHARACTERS: Final = 256 << 20
"""Of all records; read, they take about ten times as much memory."""
_WAIT_SECONDS: Final = 1.0
_TURN: Final = threading.Lock()


@contextmanager
def reading_whole(session: Session, events: ColumnElement[bool], *, most: int = MAX_EVENTS) -> Iterator[None]:
    """Take a turn at reading many events at once; everything made of them has to end with the block.

    Args:
        session: over one snapshot.
        events: condition on `SupplyEvent`: those that will be read.
        most: how many they may be.

    Raises:
        PolicyError: they are too many or too long (code `findings_too_many`).
        TooManyError: somebody else's are being read.
    """
    counted: Any = select(func.count(), func.coalesce(func.sum(func.length(col(SupplyEvent.body))), 0)).where(events)
    count, size = session.execute(counted).one()
    if count > most or size > MAX_CHARACTERS:
        raise PolicyError(
            f"expected at most {most} events of {MAX_CHARACTERS} characters in all, got {count} of {size}",
            code="findings_too_many",
            events=count,
        )
    if not _TURN.acquire(timeout=_WAIT_SECONDS):
        raise TooManyError("expected one such question at a time, got another under way", retry_after_seconds=10)
    try:
        yield
    finally:
        _TURN.release()
