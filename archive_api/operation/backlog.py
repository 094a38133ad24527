"""What waits: jobs of the outbox, captures without a place, heads of logs that are not on chain for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, text
from sqlmodel import Session, col, select

from archive_api.outbox.models import Job
from archive_api.streams.models import CaptureRow, HeadRow
from ledger.anchoring import Phase

__all__ = ["Backlog", "Waiting"]

_WAITING = tuple(phase for phase in Phase if phase not in (Phase.FINAL,))


@dataclass(frozen=True, slots=True)
class Waiting:
    """Jobs of one kind in one phase: how many, and since when the oldest."""

    kind: str
    phase: str
    count: int
    oldest: datetime

    @property
    def is_refused(self) -> bool:
        """Whether these wait for people, not for the worker."""
        return self.phase == Phase.REFUSED


class Backlog:
    """Queries that cost by what waits, not by what there is."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def jobs(self) -> Sequence[Waiting]:
        """Jobs that are not final, by kind and phase."""
        query = (
            select(Job.kind, Job.phase, func.count(), func.min(Job.created_at))
            .where(col(Job.phase).in_(_WAITING))
            .group_by(Job.kind, Job.phase)
        )
        return [Waiting(*row) for row in self._session.exec(query).all()]

    def captures(self) -> tuple[int, datetime | None]:
        """How many captures have no place in their log yet, and since when the oldest."""
        query = select(func.count(), func.min(CaptureRow.created_at)).where(col(CaptureRow.first_index).is_(None))
        return self._session.exec(query).one()

    def anchored_size(self, origin: str) -> int:
        """Up to which size a log's heads are on chain for good; 0: none is."""
        query = (
            select(HeadRow.size)
            .join(Job, col(Job.id) == HeadRow.job_id)
            .where(HeadRow.origin == origin, Job.phase == Phase.FINAL)
            .order_by(col(HeadRow.size).desc())
            .limit(1)
        )
        return self._session.exec(query).first() or 0

    def catalogue_bytes(self) -> int:
        """How large the catalogue is."""
        connection = self._session.connection()
        if connection.dialect.name == "sqlite":
            pages = int(connection.execute(text("PRAGMA page_count")).scalar_one())
            return pages * int(connection.execute(text("PRAGMA page_size")).scalar_one())
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
