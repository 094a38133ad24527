"""Whose captures a head on chain is the first to cover: of their certificates a status of that time is wanted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlmodel import Session, col, func, select

from archive_api.certificates.models import CertificateRow
from archive_api.outbox.models import Job
from archive_api.streams.models import CaptureRow, HeadRow, StreamRow
from ledger.anchoring import Phase
from ledger.capture import MAX_RECORDS

__all__ = ["ProvedCaptures", "proved_captures"]

_MINED = (Phase.MINED, Phase.FINAL)


@dataclass(frozen=True, slots=True)
class ProvedCaptures:
    """What one head proves.

    Attributes:
        head_id: number of its row.
        time: of its block, aware UTC.
        certificates: of the seals, each once.
    """

    head_id: int
    time: datetime
    certificates: tuple[CertificateRow, ...]


def proved_captures(session: Session, *, since: datetime, settled: Collection[int]) -> list[ProvedCaptures]:
    """Heads of streams of records that are in a block, with whose captures they are the first to cover.

    Args:
        session: any.
        since: heads sent earlier are left out.
        settled: numbers of heads that are left out too.
    """
    query = (
        select(HeadRow, Job.block_time, StreamRow.id)
        .join(Job, col(Job.id) == col(HeadRow.job_id))
        .join(StreamRow, col(StreamRow.origin) == col(HeadRow.origin))
        .where(col(HeadRow.created_at) >= since, col(Job.phase).in_(_MINED))
        .order_by(col(HeadRow.id))
    )
    return [
        ProvedCaptures(head.id or 0, datetime.fromtimestamp(block_time, UTC), _certificates(session, head, stream_id))
        for head, block_time, stream_id in session.exec(query)
        if head.id not in settled and block_time is not None
    ]


def _certificates(session: Session, head: HeadRow, stream_id: int | None) -> tuple[CertificateRow, ...]:
    before = session.exec(
        select(func.max(HeadRow.size))
        .join(Job, col(Job.id) == col(HeadRow.job_id))
        .where(HeadRow.origin == head.origin, HeadRow.size < head.size, col(Job.phase).in_(_MINED))
    ).one()
    first = col(CaptureRow.first_index)
    sealed = select(CaptureRow.certificate_id).where(
        CaptureRow.stream_id == stream_id,
        first < head.size,
        first > (before or 0) - MAX_RECORDS,  # so that the index is used
        first + col(CaptureRow.record_count) > (before or 0),
    )
    found = select(CertificateRow).where(col(CertificateRow.certificate_id).in_(sealed))
    return tuple(session.exec(found.order_by(col(CertificateRow.id))).all())
