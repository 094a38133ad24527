"""Sends heads of logs to CheckpointLog, on schedule, through the outbox."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

from sqlmodel import Session, col, select

from archive_api.access_log.audit import HEARTBEAT_SECONDS
from archive_api.outbox.models import Job
from archive_api.outbox.repository import JobRepository
from archive_api.services import Services
from archive_api.streams.models import HeadRow
from ledger.adapters.log_writer import LogWriter
from ledger.anchoring import Phase
from ledger.errors import MismatchError
from ledger.log.checkpoint import Checkpoint
from ledger.log.proofs import TreeReader
from ledger.merkle import verify_consistency
from ledger.ports.calls import AppendCheckpoint
from ledger.ports.chain import AnchoredCheckpoint

__all__ = ["ANCHOR_JOB", "HeadAnchoring", "append_checkpoint", "heads"]

ANCHOR_JOB = "append_checkpoint"
_SETTLED = (Phase.FINAL, Phase.REFUSED)


class HeadAnchoring:
    """Writes a job for the newest checkpoint when one is due, one at a time for each stream.

    Args:
        services: the server's.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def tick(self, writer: LogWriter, *, now: bool = False) -> bool:
        """Look whether a head is due, and send it.

        Args:
            writer: of the stream.
            now: do not wait for the schedule.

        Returns:
            Whether a job was written.

        Raises:
            MismatchError: the chain knows a head that this log does not extend (code `log_rolled_back`): entries were
                removed or changed after they had been anchored.
            TransportError: chain or catalogue could not be asked.
        """
        newest = writer.published
        with self._services.database.reading() as session:
            last = _last(session, writer.origin)
            job = session.get(Job, last.job_id) if last is not None else None
        if newest.size == 0 or (job is not None and job.phase not in _SETTLED):
            return False
        if last is not None and not now and not self._is_due(last, newest):
            return False
        head = self._services.chain.checkpoint_head(newest.origin_hash)
        proof = _proof(writer, newest, head)
        if head is not None and head.size == newest.size:
            return False
        self._send(writer, newest, proof)
        return True

    def is_idle(self, writer: LogWriter) -> bool:
        """Whether the newest head was sent so long ago that the log has to show that it was not cut back since."""
        with self._services.database.reading() as session:
            last = _last(session, writer.origin)
        if last is None or writer.published.size > last.size:
            return False
        return self._services.now() - last.created_at >= timedelta(seconds=HEARTBEAT_SECONDS)

    def _is_due(self, last: HeadRow, newest: Checkpoint) -> bool:
        if newest.size <= last.size:
            return False
        settings = self._services.settings
        waited = self._services.now() - last.created_at >= timedelta(seconds=settings.log_anchor_seconds)
        return waited or newest.size - last.size >= settings.log_anchor_entries

    def _send(self, writer: LogWriter, newest: Checkpoint, proof: Sequence[bytes]) -> None:
        now = self._services.now()
        with self._services.database.transaction() as session:
            row = session.exec(
                select(HeadRow).where(HeadRow.origin == newest.origin, HeadRow.size == newest.size)
            ).one_or_none()
            subject = f"{newest.origin.rpartition('/')[2]}:{newest.size}"
            job_id = JobRepository(session).add(ANCHOR_JOB, subject, now=now)
            row = row or HeadRow(
                origin=newest.origin, size=newest.size, root="", proof="", checkpoint="", job_id=job_id, created_at=now
            )
            row.root, row.proof = newest.root.hex(), json.dumps([item.hex() for item in proof])
            row.checkpoint = (writer.store.checkpoint() or b"").decode()
            row.job_id, row.created_at = job_id, now
            session.add(row)


def _proof(writer: LogWriter, newest: Checkpoint, head: AnchoredCheckpoint | None) -> tuple[bytes, ...]:
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
    proof = TreeReader(writer.store, newest.size).consistency(head.size)
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


def heads(session: Session, origin: str) -> Sequence[tuple[HeadRow, Job]]:
    """Heads that were sent, with their jobs, oldest first."""
    query = select(HeadRow, Job).where(HeadRow.job_id == Job.id, HeadRow.origin == origin).order_by(col(HeadRow.size))
    return session.exec(query).all()


def _last(session: Session, origin: str) -> HeadRow | None:
    query = select(HeadRow).where(HeadRow.origin == origin).order_by(col(HeadRow.size).desc()).limit(1)
    return session.exec(query).first()
