"""Seals at the edge: read from a request, judged, stored, and given back as the core's value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from sqlalchemy import bindparam, exists, select
from sqlmodel import Session, col

from archive_api.certificates.models import CertificateRow
from archive_api.errors import PolicyError
from archive_api.outbox.models import Job
from archive_api.seal_status.models import IssuerRevocationRow
from archive_api.seal_status.revocations import IssuerRevocations
from archive_api.services import Services
from archive_api.submissions.schemas import SealValue
from ledger import fields
from ledger.anchoring import Phase
from ledger.cli.seals import load_roots
from ledger.types import Role, Seal
from signing.verification import Reason, check_seal

__all__ = ["CheckedSeal", "SealColumns", "SealJudge", "core_seal", "signing_text"]

_CODES = {
    Reason.SIGNER_ORGANISATION_MISMATCH: "role_mismatch",
    Reason.EXPIRED: "certificate_expired",
    Reason.NOT_YET_VALID: "certificate_expired",
    Reason.OUT_OF_BOUNDS_NO_POE: "certificate_expired",
    Reason.TIMESTAMP_ORDER_FAILURE: "signing_time_ahead",
    Reason.NO_CERTIFICATE_CHAIN_FOUND: "certificate_untrusted",
    Reason.CHAIN_CONSTRAINTS_FAILURE: "certificate_untrusted",
}


class SealColumns(Protocol):
    """The columns that every stored seal has."""

    @property
    def signing_time(self) -> int:
        """Unix seconds."""
        ...

    @property
    def signature(self) -> str:
        """base64 of r‖s."""
        ...

    @property
    def certificate_id(self) -> str:
        """Hex, 32 bytes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSeal:
    """A seal that counts, as it is stored.

    Attributes:
        signing_time: unix seconds.
        signature: base64 of r‖s, 64 bytes.
        certificate_id: hex, 32 bytes.
    """

    signing_time: int
    signature: str
    certificate_id: str

    def same_as(self, row: SealColumns) -> bool:
        """Whether a stored seal has the same three values."""
        return (self.signing_time, self.signature, self.certificate_id) == (
            row.signing_time,
            row.signature,
            row.certificate_id,
        )


class SealJudge:
    """Judges seals as the contract will, so that only what it takes is kept.

    Args:
        session: of the caller's transaction.
        services: the server's.
    """

    def __init__(self, session: Session, services: Services) -> None:
        self._session = session
        self._services = services

    def check(self, value: SealValue, payload: bytes, *, code: str, name: str | None) -> CheckedSeal:
        """Judge a seal.

        Args:
            value: as it came.
            payload: the 66 bytes that had to be sealed.
            code: of the organisation that had to seal.
            name: that the certificate has to carry, or None.

        Raises:
            MalformedError: time, base64 or certificate of another form (`ledger.errors`).
            PolicyError: the seal does not count; the code says why.
        """
        signing_time = fields.utc_time(value.signing_time, "seal.signing_time")
        signature = fields.base64_bytes(value.signature, "seal.signature", length=64)
        der = fields.base64_bytes(value.certificate, "seal.certificate")
        verdict = check_seal(
            payload,
            signing_time,
            signature,
            der,
            roots=load_roots(tuple(self._services.trust.ca_roots)),
            organisation=code,
            organisation_name=name,
            at=self._services.now(),
        )
        if not verdict.passed or verdict.certificate is None:
            raise PolicyError(
                f"expected a seal that counts, got {verdict.reason}: {verdict.detail}",
                code=_CODES.get(verdict.reason, "invalid_seal"),
                reason=verdict.reason.value,
                organisation=code,
            )
        certificate_id = verdict.certificate.certificate_id.hex()
        self._require_registered(certificate_id)
        return CheckedSeal(
            signing_time=int(signing_time.timestamp()), signature=value.signature, certificate_id=certificate_id
        )

    def _require_registered(self, certificate_id: str) -> None:
        known = self._session.connection().execute(_REGISTERED, {"certificate_id": certificate_id}).one_or_none()
        if known is None or known.phase not in (Phase.MINED, Phase.FINAL):
            raise PolicyError(
                f"expected a certificate registered on chain, got {certificate_id}",
                code="certificate_not_registered",
                certificate_id=certificate_id,
            )
        revoked = known.is_doubted and IssuerRevocations(self._session).effective(
            certificate_id, not_before=known.not_before, at=self._services.now()
        )
        if revoked or known.revocation_job_id is not None:
            raise PolicyError(
                f"expected a certificate that is not revoked, got {certificate_id}",
                code="certificate_revoked",
                certificate_id=certificate_id,
            )


# Built once: every capture asks it.
_DOUBT: Final = exists().where(col(IssuerRevocationRow.certificate_id) == col(CertificateRow.certificate_id))
_REGISTERED: Final = (
    select(
        col(CertificateRow.not_before),
        col(CertificateRow.revocation_job_id),
        col(Job.phase),
        exists()
        .where(col(IssuerRevocationRow.certificate_id) == col(CertificateRow.certificate_id))
        .label("is_doubted"),
    )
    .join(Job, col(Job.id) == col(CertificateRow.job_id))
    .where(col(CertificateRow.certificate_id) == bindparam("certificate_id"))
)


def core_seal(row: SealColumns, role: Role | None) -> Seal:
    """A stored seal as the core's value."""
    return Seal(
        role,
        datetime.fromtimestamp(row.signing_time, UTC),
        fields.base64_bytes(row.signature, "signature", length=64),
        bytes.fromhex(row.certificate_id),
    )


def signing_text(row: SealColumns) -> str:
    """The signing time as RFC 3339."""
    return fields.utc_text(datetime.fromtimestamp(row.signing_time, UTC))
