"""Signing in with a personal certificate.

What is checked, cheapest first:
 1. the challenge was drawn here for this certificate and can still be answered;
 2. the certificate is a personal one; one for sealing is refused, whoever holds it;
 3. the origin signed is this server's, so that nobody can pass on what was signed for another;
 4. the signature is the certificate's key's over `yunshang-signin/v1`, origin and both nonces;
 5. the certificate has a path to a root for personal certificates and is valid now;
 6. it is a person's, not revoked here nor by its issuer, which was asked lately where a source is configured for it;
    the person is not disabled, the key not registered for sealing;
 7. the challenge was not answered before.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from archive_api.errors import UnauthenticatedError
from archive_api.identity.challenges import Challenge
from archive_api.identity.models import PersonCertificateRow, PersonCertificateStatusRow, PersonRow
from archive_api.identity.repository import PersonRepository
from archive_api.identity.schemas import SessionIn
from archive_api.identity.sessions import OpenedSession
from archive_api.services import Services
from ledger import fields
from signing.certificates import certificate_id
from signing.errors import MismatchError, NotFoundError, PolicyError
from signing.paths import validate_path
from signing.personal import PersonalCertificate, parse_personal_certificate, verify_sign_in

__all__ = ["SignInService"]


class SignInService:
    """Sign-in by certificate.

    Args:
        services: the server's.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def challenge(self, certificate_id_hex: str) -> Challenge:
        """Draw a challenge; whether the certificate is anybody's is not told."""
        return self._services.challenges.issue(bytes.fromhex(certificate_id_hex), now=self._services.now())

    def open(self, wanted: SessionIn, *, origins: tuple[str, ...]) -> tuple[OpenedSession, str, str]:
        """Open a session for a signed challenge; three statements.

        Args:
            wanted: what the client sent.
            origins: this server's.

        Returns:
            The session, and the person's id and name.

        Raises:
            MalformedError: base64, lengths or the certificate are not what they must be.
            UnauthenticatedError: anything else that is wrong, each with its code.
        """
        der = fields.base64_bytes(wanted.certificate, "certificate")
        now = self._services.now()
        challenge = self._services.challenges.read(wanted.challenge, certificate_id(der), now=now)  # (1)
        try:
            certificate = parse_personal_certificate(der)  # (2)
        except PolicyError as error:
            raise UnauthenticatedError(str(error), code=error.code) from error
        self._check_signature(wanted, certificate, challenge, origins)  # (3) (4)
        issuer = self._check_path(certificate)  # (5)
        with self._services.database.transaction() as session:
            found = PersonRepository(session).by_certificate(certificate.certificate_id.hex())  # (6)
            person, row, status = _entitled(found)
            self._check_status(row, status, issuer=issuer, now=now)
            opened = self._services.sessions.open(  # (7)
                session,
                person_pk=row.person_pk,
                person_certificate_pk=row.id,
                challenge_sha256=challenge.sha256,
                cookie=wanted.cookie,
            )
        return opened, person.person_id, person.name

    def _check_signature(
        self, wanted: SessionIn, certificate: PersonalCertificate, challenge: Challenge, origins: tuple[str, ...]
    ) -> None:
        if wanted.origin not in origins:
            raise UnauthenticatedError(
                f"expected the origin {origins[0]} signed, got another; open this server by that address",
                code="origin",
                expected=origins[0],
            )
        signature = fields.base64_bytes(wanted.signature, "signature", length=64)
        client_nonce = fields.base64_bytes(wanted.client_nonce, "client_nonce", length=32)
        try:
            verify_sign_in(
                certificate,
                signature,
                origin=wanted.origin,
                server_nonce=challenge.server_nonce,
                client_nonce=client_nonce,
            )
        except MismatchError as error:
            raise UnauthenticatedError(str(error), code=error.code) from error

    def _check_path(self, certificate: PersonalCertificate) -> bytes:
        """Return the issuer's certificate, DER."""
        try:
            return validate_path(certificate, self._services.personal_roots(), at=self._services.now())[1]
        except (NotFoundError, PolicyError) as error:
            raise UnauthenticatedError(str(error), code=error.code) from error

    def _check_status(
        self,
        row: PersonCertificateRow,
        status: PersonCertificateStatusRow | None,
        *,
        issuer: bytes,
        now: datetime,
    ) -> None:
        """The issuer is asked in the background (`seal_status.watch`); nobody waits for it here."""
        settings = self._services.settings
        if hashlib.sha256(issuer).hexdigest() not in settings.status_sources:
            return
        checked_at = row.created_at if status is None else max(status.checked_at, row.created_at)
        if now - checked_at > timedelta(hours=settings.status_grace_hours):
            raise UnauthenticatedError(
                "expected a certificate whose issuer could be asked lately, got one it could not be asked about",
                code="certificate_status_unknown",
            )


_Found = tuple[PersonRow, PersonCertificateRow, PersonCertificateStatusRow | None, bool]


def _entitled(found: _Found | None) -> tuple[PersonRow, PersonCertificateRow, PersonCertificateStatusRow | None]:
    """The person, the certificate and its status, where nothing stands against a session."""
    if found is None:
        raise UnauthenticatedError(
            "expected a person's certificate, got an unknown one; an administrator can add it", code="person_unknown"
        )
    person, row, status, is_for_sealing = found
    if is_for_sealing:
        raise UnauthenticatedError(
            "expected a key that seals nothing, got one registered for sealing", code="certificate_for_sealing"
        )
    if row.revoked_at is not None or (status is not None and status.revoked_at is not None):
        raise UnauthenticatedError("expected a certificate in use, got a revoked one", code="certificate_revoked")
    if person.disabled_at is not None:
        raise UnauthenticatedError("expected a person who may sign in, got a disabled one", code="person_disabled")
    return person, row, status
