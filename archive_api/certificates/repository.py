"""Queries over certificates."""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import bindparam, func
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from archive_api.certificates.models import CertificateRow
from archive_api.errors import NotFoundError
from archive_api.outbox.models import Job

__all__ = ["CertificateRepository"]


# Built once, since building a query takes longer than asking it.
_ALL_OF: Final = select(CertificateRow).where(
    col(CertificateRow.certificate_id).in_(bindparam("certificate_ids", expanding=True))
)


class CertificateRepository:
    """Certificates, in one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, row: CertificateRow) -> None:
        """Add a certificate."""
        self._session.add(row)
        self._session.flush()

    def find(self, certificate_id: str) -> tuple[CertificateRow, Job] | None:
        """A certificate (hex id) with the job that registers it, or None."""
        query = (
            select(CertificateRow, Job)
            .join(Job, col(Job.id) == CertificateRow.job_id)
            .where(CertificateRow.certificate_id == certificate_id.removeprefix("0x"))
        )
        found = self._session.exec(query).one_or_none()
        return (found[0], found[1]) if found else None

    def get(self, certificate_id: str) -> CertificateRow:
        """A certificate by its hex id.

        Raises:
            NotFoundError: there is none.
        """
        found = self.find(certificate_id)
        if found is None:
            raise NotFoundError(f"expected a certificate, got none with id {certificate_id[:80]}")
        return found[0]

    def der(self, certificate_id: str) -> bytes:
        """A certificate's DER."""
        return base64.b64decode(self.get(certificate_id).der)

    def all_of(self, certificate_ids: Collection[str]) -> dict[str, CertificateRow]:
        """Certificates by their hex ids, in one query.

        Raises:
            NotFoundError: one is not there.
        """
        wanted = {"certificate_ids": sorted(set(certificate_ids))}
        found = {row.certificate_id: row for row in self._session.exec(_ALL_OF, params=wanted)}
        for certificate_id in certificate_ids:
            if certificate_id not in found:
                raise NotFoundError(f"expected a certificate, got none with id {certificate_id[:80]}")
        return found

    def by_issuer_and_serial(self, issuer: str, serial: str) -> CertificateRow | None:
        """The certificate with this issuer (hex of the Name's DER) and serial number (hex)."""
        query = select(CertificateRow).where(CertificateRow.issuer == issuer, CertificateRow.serial == serial)
        return self._session.exec(query).one_or_none()

    def by_key(self, public_key: str) -> CertificateRow | None:
        """The certificate with this public key (hex of x‖y)."""
        return self._session.exec(select(CertificateRow).where(CertificateRow.public_key == public_key)).one_or_none()

    def issued_by(self, issuer: str) -> Sequence[CertificateRow]:
        """Certificates that bear an issuer's name (hex of its DER), oldest first."""
        query = select(CertificateRow).where(CertificateRow.issuer == issuer).order_by(col(CertificateRow.id))
        return self._session.exec(query).all()

    def search(self, organisation: str | None) -> SelectOfScalar[CertificateRow]:
        """All certificates, or an organisation's."""
        query = select(CertificateRow)
        return query if organisation is None else query.where(CertificateRow.organisation_code == organisation)

    def organisations(self) -> SelectOfScalar[CertificateRow]:
        """The newest certificate of each organisation."""
        newest = select(func.max(CertificateRow.id)).group_by(CertificateRow.organisation_code)
        return select(CertificateRow).where(col(CertificateRow.id).in_(newest))
