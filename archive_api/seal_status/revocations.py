"""What issuers revoked of sealing certificates: kept with the signed list or answer that says so."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from archive_api.outbox.models import Job
from archive_api.seal_status.models import IssuerRevocationRow
from ledger.ports.calls import RevokeByCrl
from signing.revocation import Revocation, RevocationReason
from signing.status import CertificateStatus

__all__ = ["RELAY_JOB", "IssuerRevocations", "relay_call", "revocation_of"]

RELAY_JOB = "revoke_by_crl"
_HOLD = RevocationReason.CERTIFICATE_HOLD


class IssuerRevocations:
    """Revocations by issuers, in one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of(self, certificate_id: str) -> IssuerRevocationRow | None:
        """What counts of a certificate (hex id): the newest final revocation, else a hold that was not lifted.

        Where several say the same, the one that was sent to the chain.
        """
        rows = self._all(certificate_id)
        newest = next((row for row in rows if row.reason != _HOLD), rows[0] if rows else None)
        if newest is None:
            return None
        same = (row for row in rows if row.job_id is not None and revocation_of(row) == revocation_of(newest))
        return next(same, newest)

    def effective(self, certificate_id: str, *, not_before: datetime, at: datetime) -> bool:
        """Whether a certificate (hex id, valid since `not_before`) is revoked so that it reaches a seal made then."""
        row = self.of(certificate_id)
        return row is not None and revocation_of(row).effective_from(not_before) <= at

    def keep(
        self, certificate_id: str, status: CertificateStatus, data: bytes, *, now: datetime, again: bool = False
    ) -> IssuerRevocationRow | None:
        """Keep a status if it revokes the certificate; a later one that does not lifts a hold, and nothing else.

        Args:
            certificate_id: hex.
            status, data: what the issuer says, and the CRL or answer it was read from.
            now: present time.
            again: keep it beside an earlier one that says the same.

        Returns:
            The row that says so; None if it revokes nothing.
        """
        if status.revocation is None:
            for row in self._all(certificate_id):
                if row.reason == _HOLD and row.this_update < status.this_update:
                    self._session.delete(row)
            return None
        for row in self._all(certificate_id):
            if row.method == status.method and (
                row.this_update == status.this_update or (not again and revocation_of(row) == status.revocation)
            ):
                return row
        row = IssuerRevocationRow(
            certificate_id=certificate_id,
            method=status.method.value,
            this_update=status.this_update,
            revoked_at=status.revocation.revoked_at,
            reason=int(status.revocation.reason),
            invalidity_time=status.revocation.invalidity_time,
            data=base64.b64encode(data).decode("ascii"),
            created_at=now,
        )
        self._session.add(row)
        self._session.flush()
        return row

    def known(self, certificate_id: str, status: CertificateStatus) -> tuple[IssuerRevocationRow, Job | None] | None:
        """The newest row that says the same by the same method, with its job; None if there is none."""
        for row in self._all(certificate_id):
            if row.method == status.method and revocation_of(row) == status.revocation:
                return row, None if row.job_id is None else self._session.get(Job, row.job_id)
        return None

    def on_hold(self) -> Sequence[str]:
        """Certificates (hex id) with a hold."""
        query = select(IssuerRevocationRow.certificate_id).where(IssuerRevocationRow.reason == int(_HOLD))
        return self._session.exec(query.distinct()).all()

    def _all(self, certificate_id: str) -> Sequence[IssuerRevocationRow]:
        query = select(IssuerRevocationRow).where(IssuerRevocationRow.certificate_id == certificate_id)
        return self._session.exec(query.order_by(col(IssuerRevocationRow.this_update).desc())).all()


def revocation_of(row: IssuerRevocationRow) -> Revocation:
    """A stored revocation as `signing` knows it."""
    return Revocation(row.revoked_at, RevocationReason(row.reason), row.invalidity_time)


def relay_call(session: Session, job: Job) -> RevokeByCrl:
    """The call of a job of kind `RELAY_JOB`."""
    row = session.exec(select(IssuerRevocationRow).where(IssuerRevocationRow.job_id == job.id)).one()
    return RevokeByCrl(base64.b64decode(row.data), bytes.fromhex(row.certificate_id))
