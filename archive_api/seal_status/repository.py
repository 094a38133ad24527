"""Queries over statuses and timestamps."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import bindparam, exists, func, insert
from sqlalchemy import select as select_columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from archive_api.certificates.models import CertificateRow
from archive_api.seal_status.models import CertificateStatusRow, Occasion, SettledStatementRow, TimestampRow
from archive_api.submissions.models import SealRow, StatementRow
from ledger.seal_status import RevocationStatus

__all__ = ["SealStatusRepository", "StoredTimestamp", "Unsettled"]

_IS_SETTLED = exists().where(col(SettledStatementRow.submission_id) == col(StatementRow.submission_id))
_IS_SEALED = exists().where(col(SealRow.submission_id) == col(StatementRow.submission_id))


def _all_before_expiry() -> SelectOfScalar[CertificateStatusRow]:
    other = aliased(CertificateStatusRow)
    newest = (
        select(func.max(other.this_update))
        .where(
            other.certificate_id == CertificateStatusRow.certificate_id,
            col(other.this_update) <= CertificateRow.not_after,
        )
        .correlate(CertificateStatusRow, CertificateRow)
        .scalar_subquery()
    )
    return (
        select(CertificateStatusRow)
        .join(CertificateRow, col(CertificateRow.certificate_id) == CertificateStatusRow.certificate_id)
        .where(
            col(CertificateStatusRow.certificate_id).in_(bindparam("certificate_ids", expanding=True)),
            col(CertificateStatusRow.this_update) == newest,
        )
        .order_by(col(CertificateStatusRow.id).desc())
    )


# Built once, since building them takes longer than asking them.
_ALL_BEFORE_EXPIRY: Final = _all_before_expiry()
_TIMESTAMP: Final = select(TimestampRow).where(col(TimestampRow.submission_id) == bindparam("submission_id"))
_PROVEN_TIMES: Final = select(TimestampRow.submission_id, TimestampRow.proven_time).where(
    col(TimestampRow.submission_id).in_(bindparam("submission_ids", expanding=True))
)
_SETTLED_AMONG: Final = select_columns(col(SettledStatementRow.submission_id)).where(
    col(SettledStatementRow.submission_id).in_(bindparam("submission_ids", expanding=True))
)
_LATEST: Final = (
    select(CertificateStatusRow)
    .where(CertificateStatusRow.certificate_id == bindparam("certificate_id"))
    .order_by(col(CertificateStatusRow.this_update).desc())
    .limit(1)
)
_ADD_TIMESTAMPS: Final = insert(TimestampRow)
_SETTLE: Final = insert(SettledStatementRow)


class StoredTimestamp(NamedTuple):
    """The values of a `TimestampRow`: a row itself takes several times as long."""

    submission_id: str
    token: str
    proven_time: datetime
    created_at: datetime


class Unsettled(NamedTuple):
    """What of a statement says whether something remains to be collected for it.

    Attributes:
        submission_id: 0x-hex, 32 bytes.
        job_id: of the job that anchors it, once there are five seals.
        void_reason: why it counts no more, or None.
        seal_by: unix seconds; nothing is recorded after it.
    """

    submission_id: str
    job_id: int | None
    void_reason: str | None
    seal_by: int


_UNSETTLED: Final = (
    select_columns(*(getattr(StatementRow, name) for name in Unsettled._fields))
    .where(col(StatementRow.created_at) >= bindparam("since"), ~_IS_SETTLED, _IS_SEALED)
    .order_by(col(StatementRow.created_at))
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)


class SealStatusRepository:
    """Statuses and timestamps, in one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def unsettled(self, since: datetime, *, limit: int, offset: int = 0) -> Sequence[Unsettled]:
        """Statements with at least one seal for which something may remain to be collected, oldest first.

        Args:
            since: of statements frozen earlier nothing remains: `oldest_unsettled`. So it costs what the newest cost,
                however many there are.
            limit: how many at most.
            offset: how many of them to pass over.
        """
        rows = self._session.execute(_UNSETTLED, {"since": since, "limit": limit, "offset": offset})
        return [Unsettled._make(row) for row in rows]

    def oldest_unsettled(self) -> datetime | None:
        """When the oldest statement was frozen for which something remains, or still may come to; looks at all."""
        may_be_sealed = col(StatementRow.void_reason).is_(None)
        query = select(func.min(StatementRow.created_at)).where(~_IS_SETTLED, _IS_SEALED | may_be_sealed)
        return self._session.exec(query).one()

    def latest(self, certificate_id: str) -> CertificateStatusRow | None:
        """The newest status of a certificate (hex id), or None."""
        return self._session.exec(_LATEST, params={"certificate_id": certificate_id}).first()

    def timestamp(self, submission_id: str) -> TimestampRow | None:
        """The timestamp over a statement's seals, or None."""
        return self._session.exec(_TIMESTAMP, params={"submission_id": submission_id}).one_or_none()

    def timestamps(self, submission_ids: Collection[str]) -> Mapping[str, datetime]:
        """The times that the timestamps of some statements prove, by the statements' 0x ids."""
        if not submission_ids:
            return {}
        return dict(self._session.exec(_PROVEN_TIMES, params={"submission_ids": list(submission_ids)}).all())

    def evidence(
        self, submission_id: str, certificates: Iterable[CertificateRow]
    ) -> tuple[list[RevocationStatus], bytes | None]:
        """What evidence of a submission holds: the newest status of each certificate before its expiry; the token.

        Args:
            submission_id: 0x-hex.
            certificates: of the parties' seals.
        """
        by_data: dict[tuple[str, str], list[bytes]] = {}
        for row in self._all_before_expiry({row.certificate_id for row in certificates}):
            by_data.setdefault((row.method, row.data), []).append(bytes.fromhex(row.certificate_id))
        statuses = [
            RevocationStatus(tuple(sorted(ids)), method, base64.b64decode(data))
            for (method, data), ids in by_data.items()
        ]
        stamp = self.timestamp(submission_id)
        return statuses, None if stamp is None else base64.b64decode(stamp.token)

    def status_of(self, certificate: CertificateRow) -> RevocationStatus | None:
        """What evidence with one seal holds: the newest status of its certificate before its expiry, or None."""
        row = self._before_expiry(certificate)
        if row is None:
            return None
        return RevocationStatus((bytes.fromhex(row.certificate_id),), row.method, base64.b64decode(row.data))

    def _all_before_expiry(self, certificate_ids: Collection[str]) -> Iterable[CertificateStatusRow]:
        """The newest status of each certificate before its expiry, in one query."""
        found = self._session.exec(_ALL_BEFORE_EXPIRY, params={"certificate_ids": sorted(certificate_ids)})
        return {row.certificate_id: row for row in found}.values()  # of two at once, the first

    def _before_expiry(self, certificate: CertificateRow) -> CertificateStatusRow | None:
        query = (
            select(CertificateStatusRow)
            .where(
                CertificateStatusRow.certificate_id == certificate.certificate_id,
                col(CertificateStatusRow.this_update) <= certificate.not_after,
            )
            .order_by(col(CertificateStatusRow.this_update).desc())
            .limit(1)
        )
        return self._session.exec(query).first()

    def add_status(self, row: CertificateStatusRow) -> bool:
        """Keep a status unless one of the same time is there; one taken as a refresh replaces the refresh before it.

        Returns:
            Whether it is new.
        """
        known = select(CertificateStatusRow).where(
            CertificateStatusRow.certificate_id == row.certificate_id,
            CertificateStatusRow.this_update == row.this_update,
            CertificateStatusRow.method == row.method,
        )
        if self._session.exec(known).first() is not None:
            return False
        if row.occasion == Occasion.REFRESH:
            former = select(CertificateStatusRow).where(
                CertificateStatusRow.certificate_id == row.certificate_id,
                CertificateStatusRow.occasion == Occasion.REFRESH,
                col(CertificateStatusRow.revoked).is_(False),
            )
            for one in self._session.exec(former).all():
                self._session.delete(one)
        self._session.add(row)
        self._session.flush()
        return True

    def add_timestamps(self, stamps: Collection[StoredTimestamp]) -> None:
        """Keep timestamps, except over statements that have one."""
        known = self.timestamps([stamp.submission_id for stamp in stamps])
        rows = [stamp._asdict() for stamp in stamps if stamp.submission_id not in known]
        if rows:
            self._session.connection().execute(_ADD_TIMESTAMPS, rows)

    def settle(self, submission_ids: Collection[str], *, now: datetime) -> None:
        """Say that nothing remains to be collected for these statements."""
        if not submission_ids:
            return
        connection = self._session.connection()
        known = set(connection.execute(_SETTLED_AMONG, {"submission_ids": list(submission_ids)}).scalars())
        rows = [{"submission_id": one, "created_at": now} for one in submission_ids if one not in known]
        if rows:
            connection.execute(_SETTLE, rows)

    def grown_old(self, before: datetime, *, now: datetime, limit: int) -> Sequence[CertificateRow]:
        """Certificates with seals, not expired nor known as revoked, whose newest status is older than a time."""
        newest = (
            select(CertificateStatusRow.certificate_id)
            .group_by(CertificateStatusRow.certificate_id)
            .having(func.max(CertificateStatusRow.this_update) < before)
        )
        revoked = select(CertificateStatusRow.certificate_id).where(col(CertificateStatusRow.revoked))
        query = (
            select(CertificateRow)
            .where(
                col(CertificateRow.certificate_id).in_(newest),
                col(CertificateRow.certificate_id).not_in(revoked),
                col(CertificateRow.not_after) > now,
            )
            .order_by(col(CertificateRow.id))
            .limit(limit)
        )
        return self._session.exec(query).all()
