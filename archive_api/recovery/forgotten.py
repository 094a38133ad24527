"""What the access log says after a catalogue was lost: that the clear text of its entries is gone with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import insert
from sqlmodel import col, select

from archive_api.access_log.events import AccessEvent, Outcome
from archive_api.access_log.models import ClearRow
from archive_api.access_log.streams import AccessStream
from archive_api.db.engine import Database
from archive_api.streams.server_log import entries_of
from ledger.log.access import ERASE_ACTION, AccessEntry

__all__ = ["tell_of_lost_clear_text"]

_BATCH: Final = 2_000
REASON: Final = "catalogue lost; rebuilt from chain and content"


def tell_of_lost_clear_text(access_log: AccessStream, database: Database) -> int:
    """Tell of every entry without clear text, as an erasure is told: first in the log, then in the catalogue.

    What the log's journal still has is taken over before.

    Args:
        access_log: open for writing.
        database: the rebuilt catalogue.

    Returns:
        Of how many entries.

    Raises:
        LedgerError, ApiError: log or catalogue cannot be written.
    """
    access_log.drain()
    size = access_log.writer.store.head().size
    with database.reading() as session:
        there = set(session.exec(select(ClearRow.entry_index).where(col(ClearRow.entry_index) < size)))
    missing = [index for index in range(size) if index not in there]
    if not missing:
        return 0
    ranges: list[list[int]] = []
    for index in missing:
        if ranges and ranges[-1][1] == index - 1:
            ranges[-1][1] = index
        else:
            ranges.append([index, index])
    event = AccessEvent(
        ERASE_ACTION,
        Outcome.GRANTED,
        object_kind="log",
        object_id=access_log.name,
        detail={"erased": ranges, "reason": REASON},
    )
    told = access_log.record(event).index
    for rows in _rows(access_log, missing, told):
        with database.transaction() as session:
            session.connection().execute(insert(ClearRow), rows)
    access_log.writer.publish()
    return len(missing)


def _rows(access_log: AccessStream, missing: list[int], told: int) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(missing), _BATCH):
        part = missing[start : start + _BATCH]
        entries = entries_of(access_log.writer.store, part[0], part[-1] + 1)
        yield [
            {
                "entry_index": index,
                "time": int(AccessEntry.parse(entries[index - part[0]]).time.timestamp()),
                "person_id": None,
                "salt": None,
                "clear": None,
                "erased_by": told,
            }
            for index in part
        ]
