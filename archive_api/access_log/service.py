"""What is answered about the access log beside what is of every log: entries with their clear text."""

from __future__ import annotations

from sqlmodel import col, select

from archive_api.access_log.events import ACCESS_STREAM
from archive_api.access_log.models import ClearRow
from archive_api.access_log.schemas import RecordOut, RecordsOut
from archive_api.services import Services
from archive_api.streams.reading import LogReading
from ledger.canonical import parse_canonical
from ledger.log.access import ClearText
from ledger.log.tiles import ENTRIES, TILE_WIDTH, Tile, parse_entries

__all__ = ["AccessReading"]


class AccessReading(LogReading):
    """The access log, for reading.

    Args:
        services: the server's.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._writer = services.access_log.writer
        super().__init__(ACCESS_STREAM, self._writer)

    def records(self, first: int, limit: int) -> RecordsOut:
        """Entries from an index on, with their clear text."""
        self._services.access_log.drain()
        end = min(self._writer.published.size, first + limit)
        if first >= end:
            return RecordsOut(items=[], next=None)
        query = select(ClearRow).where(col(ClearRow.entry_index).between(first, end - 1))
        with self._services.database.reading() as session:
            rows = {row.entry_index: row for row in session.exec(query)}
        items: list[RecordOut] = []
        for bundle in range(first // TILE_WIDTH, (end - 1) // TILE_WIDTH + 1):
            start = bundle * TILE_WIDTH
            width = min(TILE_WIDTH, self._writer.published.size - start)
            entries = parse_entries(self._writer.store.read(Tile(ENTRIES, bundle, width)), width)
            wanted = range(max(first, start), min(end, start + width))
            items += [_record(index, entries[index - start], rows.get(index)) for index in wanted]
        return RecordsOut(items=items, next=end if end < self._writer.published.size else None)


def _record(index: int, entry: bytes, row: ClearRow | None) -> RecordOut:
    record = RecordOut(index=index, entry=parse_canonical(entry))
    if row is not None and row.clear is not None:
        clear = ClearText.parse(row.clear.encode())
        record.subject = None if clear.subject is None else dict(clear.subject)
        record.source, record.search = clear.source, clear.search
    elif row is not None:
        record.erased_by = row.erased_by
    return record
