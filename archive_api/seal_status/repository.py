"""Queries over statuses and timestamps."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import exists, func
from sqlmodel import Session, col, select

from archive_api.certificates.models import CertificateRow
from archive_api.seal_status.models import CertificateStatusRow, Occasion, SettledStatementRow, TimestampRow
from archive_api.submissions.models import SealRow, StatementRow
from ledger.seal_status import RevocationStatus

__all__ = ["SealStatusRepository"]


class SealStatusRepository:
    """Statuses and timestamps, in one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def unsettled(self, *, limit: int, offset: int = 0) -> Sequence[StatementRow]:
        """Statements with at least one seal for which something may remain to be collected, oldest first."""
        settled = exists().where(col(SettledStatementRow.submission_id) == col(StatementRow.submission_id))
        sealed = exists().where(col(SealRow.submission_id) == col(StatementRow.submission_id))
        query = (
            select(StatementRow)
            .where(~settled, sealed)
            .order_by(col(StatementRow.created_at))
            .limit(limit)
            .offset(offset)
        )
        return self._session.exec(query).all()

    def latest(self, certificate_id: str) -> CertificateStatusRow | None:
        """The newest status of a certificate (hex id), or None."""
        query = (
            select(CertificateStatusRow)
            .where(CertificateStatusRow.certificate_id == certificate_id)
            .order_by(col(CertificateStatusRow.this_update).desc())
            .limit(1)
        )
        return self._session.exec(query).first()

    def timestamp(self, submission_id: str) -> TimestampRow | None:
        """The timestamp over a statement's seals, or None."""
        return self._session.get(TimestampRow, submission_id)

    def evidence(
        self, submission_id: str, certificates: Iterable[CertificateRow]
    ) -> tuple[list[RevocationStatus], bytes | None]:
        """What evidence of a submission holds: the newest status of each certificate before its expiry; the token.

        Args:
            submission_id: 0x-hex.
            certificates: of the parties' seals.
        """
        by_data: dict[tuple[str, str], list[bytes]] = {}
        for certificate in {row.certificate_id: row for row in certificates}.values():
            row = self._before_expiry(certificate)
            if row is not None:
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

    def add_timestamp(self, row: TimestampRow) -> None:
        """Keep a timestamp, unless there is one."""
        if self.timestamp(row.submission_id) is None:
            self._session.add(row)

    def settle(self, submission_id: str, *, now: datetime) -> None:
        """Say that nothing remains to be collected for a statement."""
        if self._session.get(SettledStatementRow, submission_id) is None:
            self._session.add(SettledStatementRow(submission_id=submission_id, created_at=now))

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
