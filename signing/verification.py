"""The verdict on a seal: PASSED, FAILED or INDETERMINATE, with a stable reason code.

The steps of `check_seal`; the first that isn't satisfied decides:
 1. signing time and signature have the required form, and the payload its length   FORMAT_FAILURE, failed
 2. the certificate is DER of the sealing profile          FORMAT_FAILURE or CHAIN_CONSTRAINTS_FAILURE, failed
 3. the signature verifies over the attributes rebuilt from payload, time and certificate
                                                                                SIG_CRYPTO_FAILURE, failed
 4. the certificate is the expected organisation's                       SIGNER_ORGANISATION_MISMATCH, failed
 5. not_before ≤ signing time                                                      NOT_YET_VALID, failed
 6. signing time ≤ proven time + 300 s                                    TIMESTAMP_ORDER_FAILURE, failed
 7. the certificate has not expired at the proven time: claimed to be sealed after expiry: EXPIRED, failed;
    claimed before, but proven only after                               OUT_OF_BOUNDS_NO_POE, indeterminate
 8. a path leads to a root of the trust file: none           NO_CERTIFICATE_CHAIN_FOUND, indeterminate (another
    trust file may know the issuer); one that breaks a rule          CHAIN_CONSTRAINTS_FAILURE, failed
 9. the certificate is not revoked at the proven time: claimed to be sealed after an ordinary revocation: REVOKED,
    failed; any other revocation that reaches the proven time                REVOKED_NO_POE, indeterminate
10. where a status of its authority is asked for, and the certificate names CRL or OCSP: there is one, else
    NO_REVOCATION_STATUS; it can be believed, else STATUS_UNUSABLE; it says (9); and it speaks up to the proven time,
    else TRY_LATER; all indeterminate. A status that is given is judged also where the certificate names none.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from signing import der
from signing.cades import check_signature_form, check_signing_time, parse_cms, signed_attributes
from signing.certificates import OrganisationCertificate, parse_certificate
from signing.errors import MalformedError, NotFoundError, PolicyError, SigningError
from signing.paths import TrustRoots, validate_path
from signing.revocation import Revocation, RevocationReason
from signing.status import StatusMethod, names_status, read_status
from signing.verdicts import Outcome, Reason, SealVerdict

__all__ = [
    "SIGNING_TIME_TOLERANCE_SECONDS",
    "Outcome",
    "Reason",
    "Revocation",
    "RevocationReason",
    "SealVerdict",
    "StatusEvidence",
    "check_cms",
    "check_seal",
    "is_signed_by",
]

#: How far a claimed signing time may lie after the proven time.
SIGNING_TIME_TOLERANCE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class StatusEvidence:
    """What there is of the authority's word on a certificate, to be judged with the seal.

    Attributes:
        data: CRL or OCSP answer, DER; None: nothing.
        method: which of the two.
    """

    data: bytes | None = None
    method: StatusMethod = StatusMethod.OCSP


def check_seal(
    payload: bytes,
    signing_time: datetime.datetime,
    signature: bytes,
    certificate_der: bytes,
    *,
    roots: TrustRoots,
    organisation: str,
    at: datetime.datetime,
    organisation_name: str | None = None,
    revocation: Revocation | None = None,
    status: StatusEvidence | None = None,
    intermediates: Sequence[bytes] = (),
) -> SealVerdict:
    """Judge a seal; the steps are those of the module's docstring.

    Args:
        payload: the sealed payload, 66 bytes, rebuilt by the caller.
        signing_time: the claimed time, aware UTC, whole seconds.
        signature: r‖s, 64 bytes.
        certificate_der: the sealing certificate.
        roots: of the verifier's own trust file.
        organisation: code of the organisation that had to seal, 18 characters.
        at: the proven time, or now where nothing later is proven; aware.
        organisation_name: the name the certificate has to carry; None: not compared.
        revocation: what is known of the certificate's revocation; None: none is known.
        status: what evidence holds of the authority's word; None: it is not asked for, as when a seal is just made.
        intermediates: CA certificates to build the path with, DER.

    Returns:
        The verdict. No form of `payload`, `signature` or `certificate_der` makes this raise.

    Raises:
        MalformedError: a naive `at`, or an intermediate that can't be read.
    """
    as_of = _proven_time(at)
    try:
        time = check_signing_time(signing_time)  # (1)
    except MalformedError as error:
        return SealVerdict(reason=Reason.FORMAT_FAILURE, detail=str(error), as_of=as_of)
    try:
        check_signature_form(signature)
        certificate = parse_certificate(certificate_der)  # (2)
        attributes = signed_attributes(payload, time, certificate.certificate_id)
    except SigningError as error:
        broken_rule = isinstance(error, PolicyError)
        reason = Reason.CHAIN_CONSTRAINTS_FAILURE if broken_rule else Reason.FORMAT_FAILURE
        return SealVerdict(reason=reason, detail=str(error), as_of=as_of, signing_time=time)
    judged = _Judged()
    reason, detail = (
        _check_signature(certificate, attributes, signature)
        or _check_organisation(certificate, organisation, organisation_name)
        or _check_times(certificate, time, as_of)
        or _check_path(certificate, roots, judged, at=as_of, intermediates=intermediates)
        or _check_revocation(certificate, revocation, signing_time=time, at=as_of)
        or _check_status(certificate, status, judged, signing_time=time, at=as_of)
        or (Reason.PASSED, "")
    )
    return SealVerdict(
        reason=reason,
        detail=detail,
        as_of=as_of,
        signing_time=time,
        certificate=certificate,
        status_time=judged.status_time,
    )


def check_cms(
    payload: bytes,
    cms: bytes,
    *,
    roots: TrustRoots,
    organisation: str,
    at: datetime.datetime,
    organisation_name: str | None = None,
    revocation: Revocation | None = None,
    intermediates: Sequence[bytes] = (),
) -> SealVerdict:
    """Judge a seal in its CMS form: parsed strictly, its digest compared, then as `check_seal`.

    Args:
        payload: the sealed payload, 66 bytes, rebuilt by the caller.
        cms: ContentInfo, DER, detached.
        roots: and the further arguments, as in `check_seal`.
        organisation: as in `check_seal`.
        at: as in `check_seal`.
        organisation_name: as in `check_seal`.
        revocation: as in `check_seal`.
        intermediates: as in `check_seal`.
    """
    as_of = _proven_time(at)
    try:
        parsed = parse_cms(cms)
    except SigningError as error:
        broken_rule = isinstance(error, PolicyError)
        reason = Reason.CHAIN_CONSTRAINTS_FAILURE if broken_rule else Reason.FORMAT_FAILURE
        return SealVerdict(reason=reason, detail=str(error), as_of=as_of)
    value, digest = parsed.seal, hashlib.sha256(payload).digest()
    if parsed.message_digest != digest:
        return SealVerdict(
            reason=Reason.HASH_FAILURE,
            detail=f"expected message digest {digest.hex()}, got {parsed.message_digest.hex()}",
            as_of=as_of,
            signing_time=value.signing_time,
        )
    return check_seal(
        payload,
        value.signing_time,
        value.signature,
        value.certificate,
        roots=roots,
        organisation=organisation,
        at=as_of,
        organisation_name=organisation_name,
        revocation=revocation,
        intermediates=intermediates,
    )


def _proven_time(at: datetime.datetime) -> datetime.datetime:
    if at.tzinfo is None:
        raise MalformedError("expected an aware time, got a naive one", where="at", actual=at)
    return at.astimezone(datetime.UTC)


_Finding: TypeAlias = tuple[Reason, str] | None


@dataclass(slots=True)
class _Judged:
    """What one check finds out for the next: the issuer's certificate, and up to when the status speaks."""

    issuer: bytes = b""
    status_time: datetime.datetime | None = None


def is_signed_by(
    certificate: OrganisationCertificate, payload: bytes, signing_time: datetime.datetime, signature: bytes
) -> bool:
    """Whether a signature is that of a seal of this payload by this certificate's key; nothing else of it is judged.

    Args:
        certificate: of who is to have sealed.
        payload: 66 bytes.
        signing_time: aware UTC, whole seconds.
        signature: r‖s, 64 bytes.

    Raises:
        MalformedError: a payload, time or signature of another form.
    """
    check_signature_form(signature)
    attributes = signed_attributes(payload, signing_time, certificate.certificate_id)
    return _check_signature(certificate, attributes, signature) is None


def _check_signature(certificate: OrganisationCertificate, attributes: bytes, signature: bytes) -> _Finding:
    try:
        certificate.verifying_key.verify(
            der.encode_ecdsa_signature(signature), attributes, ec.ECDSA(hashes.SHA256())
        )  # (3)
    except InvalidSignature:
        return Reason.SIG_CRYPTO_FAILURE, "expected a signature over the rebuilt attributes, got another one"
    return None


def _check_organisation(certificate: OrganisationCertificate, code: str, name: str | None) -> _Finding:
    expected = f"{code} {name}" if name is not None else code
    actual = certificate.organisation_code
    if name is not None:
        actual = f"{actual} {certificate.organisation_name}"
    if actual != expected:  # (4)
        return Reason.SIGNER_ORGANISATION_MISMATCH, f"expected the certificate of {expected}, got that of {actual}"
    return None


def _check_times(
    certificate: OrganisationCertificate, signing_time: datetime.datetime, at: datetime.datetime
) -> _Finding:
    if signing_time < certificate.not_before:  # (5)
        return (
            Reason.NOT_YET_VALID,
            f"expected a signing time from {certificate.not_before.isoformat()}, got {signing_time.isoformat()}",
        )
    if signing_time - at > datetime.timedelta(seconds=SIGNING_TIME_TOLERANCE_SECONDS):  # (6)
        return (
            Reason.TIMESTAMP_ORDER_FAILURE,
            f"expected a signing time up to {SIGNING_TIME_TOLERANCE_SECONDS} s after {at.isoformat()}, "
            f"got {signing_time.isoformat()}",
        )
    if at > certificate.not_after:  # (7)
        reason = Reason.EXPIRED if signing_time > certificate.not_after else Reason.OUT_OF_BOUNDS_NO_POE
        return reason, f"expected a proven time up to {certificate.not_after.isoformat()}, got {at.isoformat()}"
    return None


def _check_path(
    certificate: OrganisationCertificate,
    roots: TrustRoots,
    judged: _Judged,
    *,
    at: datetime.datetime,
    intermediates: Sequence[bytes],
) -> _Finding:
    # A clock within the tolerance may put the proven time just before not_before.
    path_time = max(at, certificate.not_before)
    try:
        path = validate_path(certificate, roots, at=path_time, intermediates=intermediates)  # (8)
    except NotFoundError as error:
        return Reason.NO_CERTIFICATE_CHAIN_FOUND, str(error)
    except PolicyError as error:
        return Reason.CHAIN_CONSTRAINTS_FAILURE, str(error)
    judged.issuer = path[1]
    return None


def _check_status(
    certificate: OrganisationCertificate,
    status: StatusEvidence | None,
    judged: _Judged,
    *,
    signing_time: datetime.datetime,
    at: datetime.datetime,
) -> _Finding:
    if status is None or (status.data is None and not names_status(certificate)):
        return None
    if status.data is None:  # (10)
        return Reason.NO_REVOCATION_STATUS, "expected a CRL or OCSP answer, as the certificate names one, got none"
    try:
        read = read_status(status.data, status.method, certificate=certificate, issuer=judged.issuer)
    except SigningError as error:
        return Reason.STATUS_UNUSABLE, f"{error.code}: {error}"
    judged.status_time = read.this_update
    if read.this_update > certificate.not_after:  # an authority may forget what it revoked once that has expired
        return Reason.STATUS_UNUSABLE, f"expected a status up to expiry, got one of {read.this_update.isoformat()}"
    found = _check_revocation(certificate, read.revocation, signing_time=signing_time, at=at)
    if found is None and read.this_update < at:
        # A later revocation may have taken effect before the proven time: a status says nothing of what comes after it.
        return (
            Reason.TRY_LATER,
            f"expected a status of {at.isoformat()} or later, got one of {read.this_update.isoformat()}",
        )
    return found


def _check_revocation(
    certificate: OrganisationCertificate,
    revocation: Revocation | None,
    *,
    signing_time: datetime.datetime,
    at: datetime.datetime,
) -> _Finding:
    if revocation is None:
        return None
    effective = revocation.effective_from(certificate.not_before)
    if effective > at:  # (9)
        return None
    detail = f"expected a proven time before the revocation of {effective.isoformat()}, got {at.isoformat()}"
    # Who holds a stolen key writes any signing time: it says nothing then, neither for nor against the seal.
    if not revocation.reason.is_compromise and signing_time >= revocation.revoked_at:
        return Reason.REVOKED, detail
    return Reason.REVOKED_NO_POE, detail
