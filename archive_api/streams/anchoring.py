"""Sends heads of logs to CheckpointLog, on schedule, through the outbox."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import bindparam
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from archive_api.outbox.models import Job
from archive_api.outbox.repository import JobRepository
from archive_api.services import Services
from archive_api.streams.models import HeadRow
from archive_api.streams.reading import LogView, published_in
from ledger.anchoring import Phase
from ledger.cid import Cid, parse_cid
from ledger.errors import MismatchError, NotFoundError
from ledger.log.checkpoint import Checkpoint
from ledger.log.proofs import TreeReader
from ledger.log.tile_tree import build_tile_tree
from ledger.merkle import verify_consistency
from ledger.ports.calls import AppendCheckpoint
from ledger.ports.chain import AnchoredCheckpoint

__all__ = ["ANCHOR_JOB", "HeadAnchoring", "append_checkpoint", "job_subject"]

ANCHOR_JOB = "append_checkpoint"
_SETTLED = (Phase.FINAL, Phase.REFUSED)
_OWNER_SIGNS = 50  # of a building key, 192 bits


class _Sent(NamedTuple):
    """The head of a stream that was sent last, and the phase of the job that sends it."""

    size: int
    created_at: datetime
    phase: str


# Built once: the keepers ask it twice a second.
_LAST: Final = (
    select_columns(col(HeadRow.size), col(HeadRow.created_at), col(Job.phase))
    .join(Job, col(Job.id) == col(HeadRow.job_id))
    .where(col(HeadRow.origin) == bindparam("origin"))
    .order_by(col(HeadRow.size).desc())
    .limit(1)
)


class HeadAnchoring:
    """Writes a job for the newest checkpoint when one is due, one at a time for each stream.

    Args:
        services: the server's.
        keep_tiles: put tiles and bundles of each head into the store, under a directory that its row names.
    """

    def __init__(self, services: Services, *, keep_tiles: bool = False) -> None:
        self._services = services
        self._keeps_tiles = keep_tiles

    def tick(self, log: LogView, *, now: bool = False) -> bool:
        """Look whether a head is due, and send it.

        Args:
            log: the stream's.
            now: do not wait for the schedule.

        Returns:
            Whether a job was written.

        Raises:
            MismatchError: the chain knows a head that this log does not extend (code `log_rolled_back`): entries were
                removed or changed after they had been anchored.
            TransportError: chain or catalogue could not be asked, or the store not be written.
        """
        note = log.store.checkpoint()
        newest = published_in(note, log)
        with self._services.database.reading() as session:
            last = _last(session, log.origin)
        if note is None or (last is not None and last.phase not in _SETTLED):
            return False
        if last is not None and not now and not self._is_due(last, newest):
            return False
        head = self._services.chain.checkpoint_head(newest.origin_hash)
        proof = _proof(log, newest, head)
        if head is not None and head.size == newest.size:
            return False
        self._send(newest, note, proof, tiles_cid=self._keep_tiles(log, newest, note))
        return True

    def is_anchored(self, log: LogView) -> bool:
        """Whether the newest checkpoint's head is on chain for good, or was never to be."""
        newest = log.published
        with self._services.database.reading() as session:
            last = _last(session, log.origin)
        return newest.size == 0 or (last is not None and last.size >= newest.size and last.phase == Phase.FINAL)

    def is_idle(self, log: LogView, *, seconds: int) -> bool:
        """Whether the newest head was sent so long ago that the log has to show that it was not cut back since."""
        with self._services.database.reading() as session:
            last = _last(session, log.origin)
        if last is None or log.published.size > last.size:
            return False
        return self._services.now() - last.created_at >= timedelta(seconds=seconds)

    def _keep_tiles(self, log: LogView, newest: Checkpoint, note: bytes) -> str | None:
        if not self._keeps_tiles:
            return None
        with self._services.database.reading() as session:
            query = select(HeadRow).where(
                HeadRow.origin == log.origin, col(HeadRow.tiles_cid).is_not(None), HeadRow.size <= newest.size
            )
            row = session.exec(query.order_by(col(HeadRow.size).desc()).limit(1)).first()
        old = None if row is None or row.tiles_cid is None else (parse_cid(row.tiles_cid), row.size)
        store = self._services.store

        def build(base: tuple[Cid, int] | None) -> Cid:
            return build_tile_tree(
                log.store,
                newest.size,
                checkpoint=note,
                old=base,
                get_block=store.get_block,
                on_block=store.put_block,
            ).cid

        try:
            root = build(old)
        except (NotFoundError, MismatchError):
            root = build(None)  # the store lost something of the older one: put everything again
        store.flush()
        return str(root)

    def _is_due(self, last: _Sent, newest: Checkpoint) -> bool:
        if newest.size <= last.size:
            return False
        settings = self._services.settings
        waited = self._services.now() - last.created_at >= timedelta(seconds=settings.log_anchor_seconds)
        return waited or newest.size - last.size >= settings.log_anchor_entries

    def _send(self, newest: Checkpoint, note: bytes, proof: Sequence[bytes], *, tiles_cid: str | None) -> None:
        now = self._services.now()
        with self._services.database.transaction() as session:
            row = session.exec(
                select(HeadRow).where(HeadRow.origin == newest.origin, HeadRow.size == newest.size)
            ).one_or_none()
            job_id = JobRepository(session).add(ANCHOR_JOB, job_subject(newest), now=now)
            row = row or HeadRow(
                origin=newest.origin, size=newest.size, root="", proof="", checkpoint="", job_id=job_id, created_at=now
            )
            row.root, row.proof = newest.root.hex(), json.dumps([item.hex() for item in proof])
            row.checkpoint, row.tiles_cid = note.decode(), tiles_cid
            row.job_id, row.created_at = job_id, now
            session.add(row)


def job_subject(newest: Checkpoint) -> str:
    """What a job is about, in at most 80 signs: owner and stream by the end of the origin, shortened, and the size."""
    *_, owner, stream = newest.origin.split("/")
    return f"{owner[:_OWNER_SIGNS]}/{stream}:{newest.size}"


def _proof(log: LogView, newest: Checkpoint, head: AnchoredCheckpoint | None) -> tuple[bytes, ...]:
    if head is None:
        return ()
    rolled_back = MismatchError(
        f"expected a log that extends the anchored head of {head.size} entries, got another",
        code="log_rolled_back",
        where=newest.origin,
        expected=head.size,
        actual=newest.size,
    )
    if head.size > newest.size:
        raise rolled_back
    proof = TreeReader(log.store, newest.size).consistency(head.size)
    try:
        verify_consistency(head.size, head.root, newest.size, new_root=newest.root, path=proof)
    except MismatchError as error:
        raise rolled_back from error
    return proof


def append_checkpoint(session: Session, job: Job) -> AppendCheckpoint:
    """The call of a job of kind `ANCHOR_JOB`."""
    row = session.exec(select(HeadRow).where(HeadRow.job_id == job.id)).one()
    root = bytes.fromhex(row.root)
    proof = tuple(bytes.fromhex(item) for item in json.loads(row.proof))
    return AppendCheckpoint(Checkpoint(row.origin, row.size, root).origin_hash, row.size, root=root, proof=proof)


def _last(session: Session, origin: str) -> _Sent | None:
    row = session.execute(_LAST, {"origin": origin}).one_or_none()
    return None if row is None else _Sent._make(row)
