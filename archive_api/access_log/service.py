"""What is answered about logs: tiles, proofs, entries with their clear text."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlmodel import Session, col, select

from archive_api.access_log.events import ACCESS_STREAM
from archive_api.access_log.models import ClearRow
from archive_api.access_log.schemas import ConsistencyOut, HeadOut, LogOut, ProofOut, RecordOut, RecordsOut
from archive_api.errors import MalformedError, NotFoundError
from archive_api.services import Services
from archive_api.streams.anchoring import heads
from ledger.adapters.log_writer import LogWriter
from ledger.canonical import parse_canonical
from ledger.log.access import ClearText
from ledger.log.checkpoint import SignedCheckpoint, verifier_key
from ledger.log.proofs import TreeReader
from ledger.log.tiles import ENTRIES, TILE_WIDTH, Tile, parse_entries

__all__ = ["LogService"]

_HEADS_SHOWN = 10


class LogService:
    """One stream, for reading.

    Args:
        services: the server's.
        stream: its name.

    Raises:
        NotFoundError: there is none of this name.
    """

    def __init__(self, services: Services, stream: str) -> None:
        if stream != ACCESS_STREAM:
            raise NotFoundError(f"expected a stream, got {stream[:40]!r}", code="log_not_found")
        self._services = services
        self._writer: LogWriter = services.access_log.writer

    def describe(self, session: Session) -> LogOut:
        """The stream's origin, key, size and heads."""
        published = self._writer.published
        sent = [
            HeadOut(
                size=row.size,
                root=row.root,
                phase=job.phase,
                block_number=job.block_number,
                block_time=None if job.block_time is None else datetime.fromtimestamp(job.block_time, UTC),
                sent_at=row.created_at,
            )
            for row, job in reversed(heads(session, self._writer.origin)[-_HEADS_SHOWN:])
        ]
        key = verifier_key(self._writer.origin, self._writer.key)
        return LogOut(
            stream=ACCESS_STREAM, origin=self._writer.origin, verifier_key=key, size=published.size, anchored=sent
        )

    def checkpoint(self) -> bytes:
        """The newest signed checkpoint.

        Raises:
            NotFoundError: the log is still empty.
        """
        note = self._writer.store.checkpoint()
        if note is None:
            raise NotFoundError("expected a checkpoint, got an empty log", code="log_empty")
        return note

    def tile(self, name: str, *, entries: bool) -> bytes:
        """A tile or bundle by its C2SP name, as far as a checkpoint covers it.

        Raises:
            NotFoundError: none of this name, or not so wide yet.
        """
        tile = Tile.parse(name)
        if (tile.level == ENTRIES) is not entries or not tile.is_within(self._writer.published.size):
            raise NotFoundError("expected a tile under the checkpoint, got another", code="no_tile")
        return self._writer.store.read(tile)

    def proof(self, index: int) -> ProofOut:
        """Prove an entry under the newest checkpoint.

        Raises:
            NotFoundError: no entry of this index is under it.
        """
        note = self.checkpoint()
        published = SignedCheckpoint.parse(note).checkpoint
        if index >= published.size:
            raise NotFoundError(f"expected an index below {published.size}, got {index}", code="log_entry_not_found")
        tree = TreeReader(self._writer.store, published.size)
        return ProofOut(
            origin=published.origin,
            leaf_index=index,
            tree_size=published.size,
            leaf_hash=tree.leaf(index).hex(),
            path=[item.hex() for item in tree.inclusion(index).path],
            checkpoint=note.decode(),
        )

    def consistency(self, old_size: int, new_size: int | None) -> ConsistencyOut:
        """Prove that the tree of one size begins with that of another.

        Raises:
            MalformedError: sizes in the wrong order, or none that a checkpoint covers.
        """
        size = self._writer.published.size if new_size is None else new_size
        if not 0 <= old_size <= size <= self._writer.published.size:
            raise MalformedError(
                f"expected sizes in order up to {self._writer.published.size}, got {old_size} and {size}",
                code="sizes_out_of_order",
            )
        path = TreeReader(self._writer.store, size).consistency(old_size)
        return ConsistencyOut(
            origin=self._writer.origin, old_size=old_size, new_size=size, path=[item.hex() for item in path]
        )

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
