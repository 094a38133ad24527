"""Erases clear text, and says in the log itself that it was erased, by whom and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import col, select

from archive_api.access_log.events import AccessEvent, Outcome
from archive_api.access_log.models import ClearRow
from archive_api.errors import MalformedError
from archive_api.services import Services
from ledger.log.access import ERASE_ACTION

__all__ = ["Erasure", "Erasures"]

_RANGES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What is to be erased: what all given conditions are true of, at least one being given.

    Attributes:
        person_id: of this person.
        before: recorded before this time.
        indices: these entries.
        reason: why, without naming anybody; it stays in the log.
        subject: who asked for it, as in `AccessEvent.subject`.
    """

    person_id: str | None = None
    before: datetime | None = None
    indices: Sequence[int] | None = None
    reason: str
    subject: Mapping[str, Any] | None = None


class Erasures:
    """Erases.

    Args:
        services: the server's.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def erase(self, erasure: Erasure) -> int:
        """Erase clear text for ever; an entry says which, before it is gone.

        Returns:
            Of how many entries.

        Raises:
            MalformedError: no condition is given.
        """
        access_log = self._services.access_log
        access_log.drain()
        ranges = _ranges(self._find(erasure))
        for start in range(0, len(ranges), _RANGES):
            part = ranges[start : start + _RANGES]
            event = AccessEvent(
                ERASE_ACTION,
                Outcome.GRANTED,
                subject=erasure.subject,
                object_kind="log",
                object_id=access_log.name,
                detail={"erased": [list(pair) for pair in part], "reason": erasure.reason},
            )
            promise = access_log.record(event)
            self._overwrite(part, promise.index)
        if ranges:
            access_log.writer.publish()  # ends the journal's segment: what it still has of the text goes with it
            access_log.drain()
            self._services.database.forget_deleted()
        return sum(last - first + 1 for first, last in ranges)

    def _find(self, erasure: Erasure) -> list[int]:
        conditions = []
        if erasure.person_id is not None:
            conditions.append(col(ClearRow.person_id) == erasure.person_id)
        if erasure.before is not None:
            conditions.append(col(ClearRow.time) < int(erasure.before.timestamp()))
        if erasure.indices is not None:
            conditions.append(col(ClearRow.entry_index).in_(erasure.indices))
        if not conditions:
            raise MalformedError("expected a person, a time or indices, got nothing to erase by")
        query = select(ClearRow.entry_index).where(col(ClearRow.erased_by).is_(None), *conditions)
        with self._services.database.reading() as session:
            return list(session.exec(query.order_by(col(ClearRow.entry_index))).all())

    def _overwrite(self, ranges: Sequence[tuple[int, int]], erased_by: int) -> None:
        with self._services.database.transaction(secure_delete=True) as session:
            for first, last in ranges:
                rows = session.exec(select(ClearRow).where(col(ClearRow.entry_index).between(first, last))).all()
                for row in rows:
                    row.salt = row.clear = row.person_id = None
                    row.erased_by = erased_by
                    session.add(row)


def _ranges(indices: Sequence[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for index in indices:
        if ranges and ranges[-1][1] == index - 1:
            ranges[-1] = (ranges[-1][0], index)
        else:
            ranges.append((index, index))
    return ranges
