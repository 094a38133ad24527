"""Who may sign in: persons with their certificates and their names at the city's unified identity."""

from __future__ import annotations

import base64
import uuid
from datetime import datetime

from sqlmodel import Session

from archive_api.errors import ConflictError, MalformedError, NotFoundError
from archive_api.identity.models import PersonCertificateRow, PersonRow
from archive_api.identity.repository import PersonRepository
from archive_api.identity.schemas import (
    OidcIdentity,
    PersonCertificateOut,
    PersonChange,
    PersonIn,
    PersonOut,
    PersonSessionOut,
)
from archive_api.services import Services
from ledger import fields
from ledger.identifiers import validate_uscc
from signing.certificates import check_name
from signing.paths import validate_path
from signing.personal import PersonalCertificate, parse_personal_certificate

__all__ = ["PersonService", "ensure_desk"]


class PersonService:
    """Persons in one session; it never commits.

    Args:
        session: of the caller's transaction.
        services: the server's.
    """

    def __init__(self, session: Session, services: Services) -> None:
        self._session = session
        self._services = services
        self._persons = PersonRepository(session)

    def add(self, wanted: PersonIn) -> PersonOut:
        """Add a person.

        Raises:
            MalformedError: neither certificate nor unified identity, or a certificate together with what it says.
            NotFoundError, PolicyError: no trusted root issued the certificate, expired, or not a personal one.
            ConflictError: the certificate, its key, or the name at the unified identity is known.
        """
        certificate = None if wanted.certificate is None else self._read(wanted.certificate)
        if certificate is None and (wanted.oidc is None or wanted.name is None):
            raise MalformedError("expected a certificate, or a name and an identity by OIDC; got neither")
        if certificate is not None and (wanted.name is not None or wanted.organisation_code is not None):
            raise MalformedError("expected name and organisation from the certificate alone, got them beside it")
        name, code = (certificate.name, certificate.organisation_code) if certificate else (wanted.name, None)
        if certificate is None and wanted.organisation_code is not None:
            code = validate_uscc(wanted.organisation_code)
        check_name(name or "", kind="person", where="name")
        row = PersonRow(
            person_id=str(uuid.uuid4()),
            name=name or "",
            organisation_code=code,
            created_at=self._services.now(),
        )
        if wanted.oidc is not None:
            self._set_oidc(row, wanted.oidc)
        self._persons.add(row)
        if certificate is not None:
            self._attach(row, certificate)
        return self.show(row)

    def add_certificate(self, person_id: str, text: str) -> PersonOut:
        """Add a further certificate (base64 DER) of a person; it must name the same person and organisation.

        Raises:
            NotFoundError, PolicyError, ConflictError: as `add`.
        """
        row = self._persons.get(person_id)
        certificate = self._read(text)
        if (certificate.name, certificate.organisation_code) != (row.name, row.organisation_code):
            raise ConflictError(
                f"expected a certificate of {row.name} ({row.organisation_code}), got one of {certificate.name} "
                f"({certificate.organisation_code})",
                code="person_mismatch",
            )
        self._attach(row, certificate)
        return self.show(row)

    def revoke_certificate(self, person_id: str, certificate_id: str) -> PersonOut:
        """Take a certificate from a person, for ever; its sessions are over.

        Raises:
            NotFoundError: no such person, or not their certificate.
        """
        row = self._persons.get(person_id)
        for certificate in self._persons.certificates(_pk(row)):
            if certificate.certificate_id == certificate_id:
                certificate.revoked_at = certificate.revoked_at or self._services.now()
                self._persons.add(certificate)
                return self.show(row)
        raise NotFoundError("expected a certificate of this person, got none with this id")

    def change(self, person_id: str, wanted: PersonChange, *, by: str | None) -> PersonOut:
        """Disable or enable a person, or set their identity by OIDC.

        Args:
            person_id: whom.
            wanted: what changes.
            by: who changes it (person id), or None.

        Raises:
            NotFoundError: no such person.
            ConflictError: somebody disables themselves, or the identity is another person's.
        """
        row = self._persons.get(person_id)
        if wanted.disabled is not None:
            if wanted.disabled and by == person_id:
                raise ConflictError("expected another person to be disabled, got oneself", code="own_person")
            row.disabled_at = (row.disabled_at or self._services.now()) if wanted.disabled else None
            if wanted.disabled:
                self._services.sessions.end(self._session, person_pk=_pk(row))
        if wanted.oidc is not None:
            self._set_oidc(row, wanted.oidc)
            # Whoever signed in as this person before may be somebody else now.
            self._services.sessions.end(self._session, person_pk=_pk(row))
        self._persons.add(row)
        return self.show(row)

    def end_sessions(self, person_id: str) -> int:
        """End all sessions of a person; returns how many were open.

        Raises:
            NotFoundError: no such person.
        """
        return self._services.sessions.end(self._session, person_pk=_pk(self._persons.get(person_id)))

    def sessions(self, person_id: str) -> list[PersonSessionOut]:
        """The open sessions of a person.

        Raises:
            NotFoundError: no such person.
        """
        return [
            PersonSessionOut(
                session_id=row.session_id,
                method="oidc" if row.person_certificate_pk is None else "certificate",
                cookie=row.cookie,
                created_at=row.created_at,
                expires_at=row.expires_at,
            )
            for row in self._persons.sessions(_pk(self._persons.get(person_id)), now=self._services.now())
        ]

    def show(self, row: PersonRow) -> PersonOut:
        """A person as answered."""
        certificates = self._persons.certificates(_pk(row))
        desk = self._services.settings.desk_certificate_id
        return PersonOut(
            person_id=row.person_id,
            name=row.name,
            organisation_code=row.organisation_code,
            disabled=row.disabled_at is not None,
            desk=any(certificate.certificate_id == desk for certificate in certificates),
            oidc=OidcIdentity(issuer=row.oidc_issuer, subject=row.oidc_subject)
            if row.oidc_issuer is not None and row.oidc_subject is not None
            else None,
            certificates=[
                PersonCertificateOut(
                    id=certificate.certificate_id,
                    serial=certificate.serial,
                    not_before=certificate.not_before,
                    not_after=certificate.not_after,
                    revoked_at=certificate.revoked_at or self._revoked_by_issuer(certificate),
                )
                for certificate in certificates
            ],
            created_at=row.created_at,
        )

    def _revoked_by_issuer(self, certificate: PersonCertificateRow) -> datetime | None:
        status = self._persons.status(certificate)
        return None if status is None else status.revoked_at

    def _read(self, text: str) -> PersonalCertificate:
        parsed = parse_personal_certificate(fields.base64_bytes(text, "certificate"), validate_code=validate_uscc)
        validate_path(parsed, self._services.personal_roots(), at=self._services.now())
        return parsed

    def _attach(self, person: PersonRow, certificate: PersonalCertificate) -> None:
        row = _certificate_row(person, certificate, now=self._services.now())
        # A flipped s in the CA's signature makes a second DER of one certificate: issuer and serial tell.
        if self._persons.same_certificate(row.issuer, row.serial, row.public_key) is not None:
            raise ConflictError(
                "expected a certificate with a new issuer, serial and key, got one that is known",
                code="certificate_registered",
            )
        if self._persons.is_for_sealing(row.public_key):
            raise ConflictError("expected a key that seals nothing, got one registered for sealing", code="sealing_key")
        self._persons.add(row)

    def _set_oidc(self, row: PersonRow, identity: OidcIdentity) -> None:
        known = self._persons.by_oidc(identity.issuer, identity.subject)
        if known is not None and known.person_id != row.person_id:
            raise ConflictError("expected an identity nobody has, got another person's", code="identity_taken")
        row.oidc_issuer, row.oidc_subject = identity.issuer, identity.subject


def ensure_desk(services: Services) -> None:
    """Have the development desk of the settings be a person, if there is one."""
    text = services.settings.desk_certificate
    if text is None:
        return
    certificate = parse_personal_certificate(base64.b64decode(text))
    with services.database.transaction() as session:
        persons = PersonRepository(session)
        if persons.by_certificate(certificate.certificate_id.hex()) is not None:
            return
        now = services.now()
        row = PersonRow(
            person_id=str(uuid.uuid4()),
            name=certificate.name,
            organisation_code=certificate.organisation_code,
            created_at=now,
        )
        persons.add(row)
        persons.add(_certificate_row(row, certificate, now=now))


def _certificate_row(person: PersonRow, certificate: PersonalCertificate, *, now: datetime) -> PersonCertificateRow:
    return PersonCertificateRow(
        person_pk=_pk(person),
        certificate_id=certificate.certificate_id.hex(),
        issuer=certificate.issuer.hex(),
        serial=f"{certificate.serial_number:x}",
        public_key=certificate.public_key.hex(),
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        der=base64.b64encode(certificate.der).decode("ascii"),
        created_at=now,
    )


def _pk(row: PersonRow) -> int:
    if row.id is None:
        raise TypeError("expected a stored person, got a new row")
    return row.id
