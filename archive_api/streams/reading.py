"""What is answered about any log: its heads, tiles and proofs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from sqlmodel import Session, col, select

from archive_api.errors import MalformedError, NotFoundError
from archive_api.outbox.models import Job
from archive_api.streams.models import HeadRow
from archive_api.streams.schemas import ConsistencyOut, HeadOut, LogOut, ProofOut
from ledger.log.checkpoint import Checkpoint, SignedCheckpoint, verifier_key
from ledger.log.keys import LogKey
from ledger.log.proofs import TreeReader
from ledger.log.tiles import ENTRIES, Tile
from ledger.merkle import EMPTY_ROOT
from ledger.ports.log import LogStore

__all__ = ["LogReading", "LogView", "StoredLog", "heads", "published_in"]

_HEADS_SHOWN: Final = 10


class LogView(Protocol):
    """A log as far as it is published; a `LogWriter` is one."""

    @property
    def origin(self) -> str:
        """The stream's origin line."""
        ...

    @property
    def key(self) -> LogKey:
        """The log's public key."""
        ...

    @property
    def store(self) -> LogStore:
        """Its files."""
        ...

    @property
    def published(self) -> Checkpoint:
        """The newest checkpoint; of size 0 before the first."""
        ...


@dataclass(frozen=True, slots=True)
class StoredLog:
    """A log read from its files, beside whoever writes it."""

    origin: str
    key: LogKey
    store: LogStore

    @property
    def published(self) -> Checkpoint:
        """The newest checkpoint; of size 0 before the first."""
        return published_in(self.store.checkpoint(), self)


def published_in(note: bytes | None, log: LogView | StoredLog) -> Checkpoint:
    """What a log's own checkpoint says; of size 0 where there is none yet."""
    return Checkpoint(log.origin, 0, EMPTY_ROOT) if note is None else SignedCheckpoint.parse(note).checkpoint


class LogReading:
    """One log, for reading.

    Args:
        stream: its name.
        log: itself.
    """

    def __init__(self, stream: str, log: LogView) -> None:
        self._stream = stream
        self._log = log
        self._fixed: tuple[bytes, TreeReader] | None = None

    def fixed(self) -> LogReading:
        """The same, with every proof under the checkpoint of now, whose tiles are read once.

        Raises:
            NotFoundError: the log is still empty.
        """
        reading = LogReading(self._stream, self._log)
        note = self.checkpoint()
        reading._fixed = note, TreeReader(self._log.store, SignedCheckpoint.parse(note).checkpoint.size)
        return reading

    def describe(self, session: Session) -> LogOut:
        """The stream's origin, key, size and heads."""
        sent = [
            HeadOut(
                size=row.size,
                root=row.root,
                phase=job.phase,
                block_number=job.block_number,
                block_time=None if job.block_time is None else datetime.fromtimestamp(job.block_time, UTC),
                sent_at=row.created_at,
                tiles_cid=row.tiles_cid,
            )
            for row, job in heads(session, self._log.origin, newest=_HEADS_SHOWN)[::-1]
        ]
        return LogOut(
            stream=self._stream,
            origin=self._log.origin,
            verifier_key=verifier_key(self._log.origin, self._log.key),
            size=self._log.published.size,
            anchored=sent,
        )

    def checkpoint(self) -> bytes:
        """The newest signed checkpoint.

        Raises:
            NotFoundError: the log is still empty.
        """
        if self._fixed is not None:
            return self._fixed[0]
        note = self._log.store.checkpoint()
        if note is None:
            raise NotFoundError("expected a checkpoint, got an empty log", code="log_empty")
        return note

    def tile(self, name: str, *, entries: bool) -> bytes:
        """A tile or bundle by its C2SP name, as far as a checkpoint covers it.

        Raises:
            NotFoundError: none of this name, or not so wide yet.
        """
        tile = Tile.parse(name)
        if (tile.level == ENTRIES) is not entries or not tile.is_within(self._log.published.size):
            raise NotFoundError("expected a tile under the checkpoint, got another", code="no_tile")
        return self._log.store.read(tile)

    def proof(self, index: int) -> ProofOut:
        """Prove an entry under the newest checkpoint.

        Raises:
            NotFoundError: no entry of this index is under it.
        """
        note = self.checkpoint()
        published = SignedCheckpoint.parse(note).checkpoint
        if index >= published.size:
            raise NotFoundError(f"expected an index below {published.size}, got {index}", code="log_entry_not_found")
        tree = TreeReader(self._log.store, published.size) if self._fixed is None else self._fixed[1]
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
        newest = self._log.published.size
        size = newest if new_size is None else new_size
        if not 0 <= old_size <= size <= newest:
            raise MalformedError(
                f"expected sizes in order up to {newest}, got {old_size} and {size}", code="sizes_out_of_order"
            )
        path = TreeReader(self._log.store, size).consistency(old_size)
        return ConsistencyOut(
            origin=self._log.origin, old_size=old_size, new_size=size, path=[item.hex() for item in path]
        )


def heads(session: Session, origin: str, *, newest: int | None = None) -> list[tuple[HeadRow, Job]]:
    """Heads that were sent, with their jobs, oldest first.

    Args:
        session: any.
        origin: of the stream.
        newest: how many of the newest at most; None: all.
    """
    query = select(HeadRow, Job).where(HeadRow.job_id == Job.id, HeadRow.origin == origin)
    found = session.exec(query.order_by(col(HeadRow.size).desc()).limit(newest)).all()
    return [(row, job) for row, job in reversed(found)]
