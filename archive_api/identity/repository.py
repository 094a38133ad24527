"""Queries over persons and their certificates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import exists
from sqlmodel import Session, col, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from archive_api.certificates.models import CertificateRow
from archive_api.errors import NotFoundError
from archive_api.identity.models import (
    PersonCertificateRow,
    PersonCertificateStatusRow,
    PersonRow,
    SessionRow,
)

__all__ = ["PersonRepository"]


class PersonRepository:
    """Persons, in one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, row: PersonRow | PersonCertificateRow) -> None:
        """Add a row."""
        self._session.add(row)
        self._session.flush()

    def get(self, person_id: str) -> PersonRow:
        """A person by UUID.

        Raises:
            NotFoundError: there is none.
        """
        row = self._session.exec(select(PersonRow).where(PersonRow.person_id == person_id)).one_or_none()
        if row is None:
            raise NotFoundError("expected a person, got none with this id")
        return row

    def by_certificate(
        self, certificate_id: str
    ) -> tuple[PersonRow, PersonCertificateRow, PersonCertificateStatusRow | None, bool] | None:
        """Who has a certificate (hex id), the certificate, what its issuer says, whether its key seals; one query."""
        for_sealing = exists().where(col(CertificateRow.public_key) == col(PersonCertificateRow.public_key))
        query = (
            select(PersonRow, PersonCertificateRow, PersonCertificateStatusRow, for_sealing)
            .join(PersonCertificateRow, col(PersonCertificateRow.person_pk) == PersonRow.id)
            .outerjoin(
                PersonCertificateStatusRow,
                col(PersonCertificateStatusRow.person_certificate_pk) == PersonCertificateRow.id,
            )
            .where(PersonCertificateRow.certificate_id == certificate_id)
        )
        found = self._session.exec(query).one_or_none()
        return (found[0], found[1], found[2], bool(found[3])) if found else None

    def by_oidc(self, issuer: str, subject: str) -> PersonRow | None:
        """Who is known by this name at a unified identity."""
        query = select(PersonRow).where(PersonRow.oidc_issuer == issuer, PersonRow.oidc_subject == subject)
        return self._session.exec(query).one_or_none()

    def certificates(self, person_pk: int) -> list[PersonCertificateRow]:
        """A person's certificates, oldest first."""
        query = select(PersonCertificateRow).where(PersonCertificateRow.person_pk == person_pk)
        return list(self._session.exec(query.order_by(col(PersonCertificateRow.id))).all())

    def status(self, certificate: PersonCertificateRow) -> PersonCertificateStatusRow | None:
        """What the issuer says of a certificate, where it is asked."""
        return self._session.get(PersonCertificateStatusRow, certificate.id)

    def issued_by(self, issuer: str, *, now: datetime) -> Sequence[PersonCertificateRow]:
        """Certificates that bear an issuer's name (hex of its DER), not expired nor revoked here."""
        query = select(PersonCertificateRow).where(
            PersonCertificateRow.issuer == issuer,
            col(PersonCertificateRow.revoked_at).is_(None),
            col(PersonCertificateRow.not_after) >= now,
        )
        return self._session.exec(query.order_by(col(PersonCertificateRow.id))).all()

    def same_certificate(self, issuer: str, serial: str, public_key: str) -> PersonCertificateRow | None:
        """A certificate with this issuer and serial number (hex), or with this key (hex of x‖y)."""
        same = (col(PersonCertificateRow.issuer) == issuer) & (col(PersonCertificateRow.serial) == serial)
        query = select(PersonCertificateRow).where(or_(same, col(PersonCertificateRow.public_key) == public_key))
        return self._session.exec(query).first()

    def is_for_sealing(self, public_key: str) -> bool:
        """Whether a key (hex of x‖y) is registered for sealing."""
        query = select(CertificateRow.id).where(CertificateRow.public_key == public_key)
        return self._session.exec(query).first() is not None

    def search(self, query: str | None, organisation: str | None) -> SelectOfScalar[PersonRow]:
        """Persons, all or those whose name has a text, of one organisation or of any."""
        found = select(PersonRow)
        if query:
            found = found.where(col(PersonRow.name).contains(query, autoescape=True))
        return found if organisation is None else found.where(PersonRow.organisation_code == organisation)

    def sessions(self, person_pk: int, *, now: datetime) -> list[SessionRow]:
        """A person's open sessions, newest first."""
        query = select(SessionRow).where(
            SessionRow.person_pk == person_pk, col(SessionRow.ended_at).is_(None), col(SessionRow.expires_at) > now
        )
        return list(self._session.exec(query.order_by(col(SessionRow.id).desc())).all())
