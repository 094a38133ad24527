"""Registering and revoking sealing certificates."""

from __future__ import annotations

from sqlmodel import Session

from archive_api.certificates.models import CertificateRow, certificate_columns
from archive_api.certificates.repository import CertificateRepository
from archive_api.certificates.schemas import (
    CertificateIn,
    CertificateOut,
    IssuerRevocationOut,
    OrganisationOut,
    RevocationIn,
    RevocationOut,
)
from archive_api.errors import ConflictError
from archive_api.http import ChainStatus, registration
from archive_api.outbox.repository import JobRepository, anchor_state
from archive_api.seal_status.revocations import IssuerRevocations
from archive_api.services import Services
from ledger import fields
from ledger.anchoring import Phase, Retried, step
from ledger.identifiers import validate_uscc
from signing.certificates import OrganisationCertificate, parse_certificate
from signing.paths import TrustRoots, validate_path
from signing.status import StatusMethod
from signing.verification import RevocationReason

__all__ = ["CertificateService"]


class CertificateService:
    """Certificates in one session; it never commits.

    Args:
        session: of the caller's transaction.
        services: the server's.
    """

    def __init__(self, session: Session, services: Services) -> None:
        self._services = services
        self._certificates = CertificateRepository(session)
        self._issuers = IssuerRevocations(session)
        self._jobs = JobRepository(session)

    def register(self, wanted: CertificateIn) -> CertificateOut:
        """Ask for a certificate to be registered on chain; one that was refused is tried again.

        Raises:
            MalformedError: base64, DER, profile or organisation code are not what they must be.
            PolicyError: expired, or outside the profile (`signing.errors`).
            NotFoundError: no trusted root issued it (`signing.errors`).
            ConflictError: the certificate, its issuer and serial, or its key is registered.
        """
        der = fields.base64_bytes(wanted.certificate, "certificate")
        parsed = parse_certificate(der, validate_code=validate_uscc)
        now = self._services.now()
        validate_path(parsed, TrustRoots.from_der(self._services.trust.ca_roots), at=now)
        known = self._certificates.find(parsed.certificate_id.hex())
        if known is not None and known[1].phase == Phase.REFUSED:
            self._jobs.store(known[1], step(anchor_state(known[1]), Retried()).state, now=now)
            return self.show(known[0])
        self._refuse_known(parsed)
        certificate_id = parsed.certificate_id.hex()
        row = CertificateRow(
            **certificate_columns(parsed),
            job_id=self._jobs.add("register_certificate", certificate_id, now=now),
            created_at=now,
        )
        self._certificates.add(row)
        return self.show(row)

    def revoke(self, certificate_id: str, wanted: RevocationIn) -> CertificateOut:
        """Stop a certificate, as a registrar; what its authority says of it comes by revocation lists.

        Raises:
            NotFoundError: no such certificate.
            ConflictError: it is stopped already.
        """
        row = self._certificates.get(certificate_id)
        now = self._services.now()
        if row.revocation_job_id is not None:
            raise ConflictError("expected a certificate that is not revoked, got a revoked one", code="revoked")
        row.revocation_code = RevocationReason[wanted.reason.upper()].value
        row.revocation_job_id = self._jobs.add("revoke_certificate", row.certificate_id, now=now)
        self._certificates.add(row)
        return self.show(row)

    def show(self, row: CertificateRow) -> CertificateOut:
        """A certificate as it is answered."""
        revocation = None
        if row.revocation_job_id is not None and row.revocation_code is not None:
            revocation = RevocationOut(
                reason=RevocationReason(row.revocation_code).name.lower(),
                **registration(self._jobs.get(row.revocation_job_id)),
            )
        return CertificateOut(
            id=row.certificate_id,
            organisation=OrganisationOut(code=row.organisation_code, name=row.organisation_name),
            serial=row.serial,
            not_before=row.not_before,
            not_after=row.not_after,
            certificate=row.der,
            revocation=revocation,
            issuer_revocation=self._by_issuer(row),
            created_at=row.created_at,
            **registration(self._jobs.get(row.job_id)),
        )

    def _by_issuer(self, row: CertificateRow) -> IssuerRevocationOut | None:
        revoked = self._issuers.of(row.certificate_id)
        if revoked is None:
            return None
        job = None if revoked.job_id is None else self._jobs.get(revoked.job_id)
        return IssuerRevocationOut(
            revoked_at=revoked.revoked_at,
            reason=RevocationReason(revoked.reason).name.lower(),
            invalidity_time=revoked.invalidity_time,
            method="crl" if revoked.method == StatusMethod.CRL else "ocsp",
            as_of=revoked.this_update,
            chain=None if job is None else ChainStatus(**registration(job)),
        )

    def _refuse_known(self, parsed: OrganisationCertificate) -> None:
        # A flipped s in the CA's signature makes a second DER of one certificate: issuer and serial tell.
        known = self._certificates.by_issuer_and_serial(parsed.issuer.hex(), f"{parsed.serial_number:x}")
        code = "certificate_registered"
        if known is None:
            known = self._certificates.by_key(parsed.public_key.hex())
            code = "key_registered"
        if known is not None:
            raise ConflictError(
                f"expected a certificate with a new issuer, serial and key, got those of {known.certificate_id}",
                code=code,
                certificate_id=known.certificate_id,
            )
