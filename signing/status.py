"""What a certificate authority says of a certificate: CRL and OCSP, read strictly and in one spelling only.

Both are believed because the certificate's own issuer signed them, or a responder that the issuer appointed. What is
checked of either:
 1. DER, and outside the signed part nothing but what this module would write itself: the algorithm ecdsa-with-SHA256, a
    signature with the lower s, and in OCSP a responder's certificate only where one is needed. So nobody can change an
    octet of it unseen. `normalise_status` brings what an authority answers into this form; the signed part stays.
 2. the signature, by the issuer (key usage cRLSign for a CRL), or for OCSP by a responder whose certificate the issuer
    signed for that purpose (extended key usage OCSPSigning, id-pkix-ocsp-nocheck, valid when it answered)
 3. that it speaks of this certificate: a CRL of its issuer that is complete (no critical extension), or one OCSP answer
    whose CertID is the certificate's
 4. that times are in order and the issuer's certificate was valid then
A status speaks of the time up to its thisUpdate; whether that is late enough is `signing.verification`'s to say.
Source: RFC 5280 section 5, RFC 6960.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, ExtensionOID

from signing import der
from signing.certificates import P256_ORDER, UNREADABLE, OrganisationCertificate, load_p256_certificate
from signing.errors import MalformedError, MismatchError, NotFoundError, PolicyError
from signing.personal import PersonalCertificate
from signing.revocation import Revocation, RevocationReason

__all__ = [
    "MAX_STATUS_BYTES",
    "CertificateStatus",
    "RevocationList",
    "StatusMethod",
    "find_issuer",
    "names_status",
    "normalise_status",
    "ocsp_request",
    "read_list",
    "read_status",
]

#: The largest CRL or OCSP answer that evidence may hold.
MAX_STATUS_BYTES = 1 << 16

_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
_BASIC_RESPONSE = bytes.fromhex("06092b0601050507300101")
_SUCCESSFUL = bytes.fromhex("0a0100")
_Issued = OrganisationCertificate | PersonalCertificate
_DIGESTS = {"sha1": hashlib.sha1, "sha256": hashlib.sha256}


class StatusMethod(StrEnum):
    """How an authority publishes what became of its certificates."""

    OCSP = "ocsp"
    CRL = "crl"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateStatus:
    """What an authority says of one certificate, its signature checked.

    Attributes:
        method: CRL or OCSP.
        this_update: up to when it speaks, aware UTC.
        next_update: when a newer one is to be expected, aware UTC, or None.
        revocation: None: not revoked up to `this_update`.
    """

    method: StatusMethod
    this_update: datetime.datetime
    next_update: datetime.datetime | None
    revocation: Revocation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    """A CRL, its signature checked: whom it names, before anybody in particular is looked for.

    Attributes:
        this_update: up to when it speaks, aware UTC.
        next_update: when a newer one is to be expected, aware UTC, or None.
        serial_numbers: of the certificates it names.
    """

    this_update: datetime.datetime
    next_update: datetime.datetime | None
    serial_numbers: frozenset[int]


def names_status(certificate: OrganisationCertificate) -> bool:
    """Whether a certificate says that its authority publishes revocations, by CRL or OCSP."""
    extensions = certificate.x509.extensions
    for extension in extensions:
        if extension.oid == ExtensionOID.CRL_DISTRIBUTION_POINTS:
            return True
        if extension.oid == ExtensionOID.AUTHORITY_INFORMATION_ACCESS and any(
            access.access_method == AuthorityInformationAccessOID.OCSP for access in extension.value
        ):
            return True
    return False


def find_issuer(certificate: _Issued, authorities: Iterable[bytes]) -> bytes | None:
    """Return the first of some authorities' certificates (DER) that issued a certificate, or None."""
    for authority in authorities:
        try:
            certificate.x509.verify_directly_issued_by(x509.load_der_x509_certificate(authority))
        except (*UNREADABLE, InvalidSignature):
            continue
        return authority
    return None


def read_status(data: bytes, method: StatusMethod, *, certificate: _Issued, issuer: bytes) -> CertificateStatus:
    """Read what an authority says of a certificate; the steps are those of the module's docstring.

    Args:
        data: CertificateList or OCSPResponse, DER, in the one spelling; at most `MAX_STATUS_BYTES`.
        method: which of the two.
        certificate: the certificate asked about.
        issuer: DER of the authority that issued it, believed by the caller.

    Raises:
        MalformedError: another form, or times out of order.
        MismatchError: `status_signature`, `status_issuer`, `status_certificate`.
        NotFoundError: `status_unknown`: the responder does not know the certificate.
        PolicyError: a responder that was not appointed, a CRL that is not complete, an issuer that may not sign CRLs.
    """
    if method is StatusMethod.CRL:
        return _crl_status(_read_crl(bytes(data), bytes(issuer)), certificate)
    return _read_ocsp(bytes(data), certificate, bytes(issuer))


def read_list(data: bytes, *, issuer: bytes) -> RevocationList:
    """Read whom a CRL names; what it says of each is `read_status`'s to read.

    Args:
        data: as `read_status` takes it.
        issuer: DER of the authority, believed by the caller.

    Raises:
        MalformedError, MismatchError, PolicyError: as `read_status`.
    """
    crl, _ = _read_crl(bytes(data), bytes(issuer))
    return RevocationList(
        this_update=crl.last_update_utc,
        next_update=crl.next_update_utc,
        serial_numbers=frozenset(entry.serial_number for entry in crl),
    )


def normalise_status(data: bytes, method: StatusMethod) -> bytes:
    """Bring what an authority answered into the one spelling that `read_status` takes; nothing is verified.

    Changed is only what the authority did not sign: an s above n/2 becomes n - s, in a responder's certificate too, and
    of several certificates the responder's alone is kept.

    Raises:
        MalformedError: no CRL, or no successful OCSP answer.
    """
    if method is StatusMethod.CRL:
        outer = der.Reader(data, where="crl").enter(der.SEQUENCE, "crl")
        tbs = outer.element(der.SEQUENCE, "tbs")
        outer.literal(_ECDSA_SHA256, "algorithm")
        return der.encode(der.SEQUENCE, tbs, _ECDSA_SHA256, _low_signature(outer))
    basic = _basic_response(data)
    tbs = basic.element(der.SEQUENCE, "tbs")
    basic.literal(_ECDSA_SHA256, "algorithm")
    parts = [tbs, _ECDSA_SHA256, _low_signature(basic)]
    if not basic.at_end:
        given = basic.enter(0xA0, "certificates").enter(der.SEQUENCE, "certificates")
        certificates = [given.data[start:after] for _, start, _, after in given]
        responders = [one for one in certificates if _is_responder(one)]
        if responders:
            parts.append(der.encode(0xA0, der.encode(der.SEQUENCE, _low_certificate(responders[0]))))
    return _wrap_basic(der.encode(der.SEQUENCE, *parts))


def ocsp_request(certificate: _Issued, issuer: bytes) -> bytes:
    """Return a request for a certificate's status, DER, its CertID made with SHA-1 as responders expect it."""
    authority = x509.load_der_x509_certificate(issuer)
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate.x509, authority, hashes.SHA1())  # noqa: S303
    return builder.build().public_bytes(Encoding.DER)


# CRL


@lru_cache(maxsize=64)
def _read_crl(data: bytes, issuer_der: bytes) -> tuple[x509.CertificateRevocationList, x509.Certificate]:
    _check_size(data, "crl")
    der.check_canonical(data, where="crl")  # (1)
    outer = der.Reader(data, where="crl").enter(der.SEQUENCE, "crl")
    tbs = outer.element(der.SEQUENCE, "tbs")
    outer.literal(_ECDSA_SHA256, "algorithm")
    signature = _signature(outer)
    outer.finish()
    issuer, key = _issuer(issuer_der)
    try:
        crl = x509.load_der_x509_crl(data)
        critical = [extension.oid.dotted_string for extension in crl.extensions if extension.critical]
        entries = [extension for entry in crl for extension in entry.extensions if extension.critical]
        same_issuer = crl.issuer == issuer.subject
    except UNREADABLE as error:
        raise MalformedError(f"expected a readable CRL, got {error}", where="crl") from error
    if not same_issuer:
        raise MismatchError("expected a CRL of the certificate's issuer, got another's", code="status_issuer")
    usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
    if not usage.crl_sign:
        raise PolicyError("expected an issuer with key usage cRLSign, got one without", code="status_issuer")
    _verify(key, signature, tbs, "crl")  # (2)
    if critical or entries:  # a delta, a part, or one for others' certificates says nothing by silence
        raise PolicyError("expected a complete CRL, got one with critical extensions", code="status_incomplete")
    _check_times(crl.last_update_utc, crl.next_update_utc, issuer)  # (4)
    return crl, issuer


def _crl_status(
    read: tuple[x509.CertificateRevocationList, x509.Certificate], certificate: _Issued
) -> CertificateStatus:
    crl, issuer = read
    if certificate.x509.issuer != issuer.subject:  # (3)
        raise MismatchError("expected a CRL of the certificate's issuer, got another's", code="status_issuer")
    entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
    revocation = None
    if entry is not None:
        revocation = _revocation(entry.revocation_date_utc, entry.extensions)
    return CertificateStatus(
        method=StatusMethod.CRL,
        this_update=crl.last_update_utc,
        next_update=crl.next_update_utc,
        revocation=revocation,
    )


def _revocation(revoked_at: datetime.datetime, extensions: x509.Extensions) -> Revocation:
    reason, invalidity = RevocationReason.UNSPECIFIED, None
    for extension in extensions:
        if isinstance(extension.value, x509.CRLReason):
            reason = _reason(extension.value.reason)
        elif isinstance(extension.value, x509.InvalidityDate):
            invalidity = extension.value.invalidity_date_utc
    return Revocation(revoked_at, reason, invalidity)


_REASONS = {
    x509.ReasonFlags.unspecified: RevocationReason.UNSPECIFIED,
    x509.ReasonFlags.key_compromise: RevocationReason.KEY_COMPROMISE,
    x509.ReasonFlags.ca_compromise: RevocationReason.CA_COMPROMISE,
    x509.ReasonFlags.affiliation_changed: RevocationReason.AFFILIATION_CHANGED,
    x509.ReasonFlags.superseded: RevocationReason.SUPERSEDED,
    x509.ReasonFlags.cessation_of_operation: RevocationReason.CESSATION_OF_OPERATION,
    x509.ReasonFlags.certificate_hold: RevocationReason.CERTIFICATE_HOLD,
    x509.ReasonFlags.privilege_withdrawn: RevocationReason.PRIVILEGE_WITHDRAWN,
    x509.ReasonFlags.aa_compromise: RevocationReason.AA_COMPROMISE,
}


def _reason(flag: x509.ReasonFlags) -> RevocationReason:
    if flag not in _REASONS:
        raise MalformedError(f"expected a reason of a revocation, got {flag.value}", where="status.reason")
    return _REASONS[flag]


# OCSP


def _read_ocsp(data: bytes, certificate: _Issued, issuer_der: bytes) -> CertificateStatus:
    _check_size(data, "ocsp")
    der.check_canonical(data, where="ocsp")  # (1)
    basic = _basic_response(data)
    tbs = basic.element(der.SEQUENCE, "tbs")
    basic.literal(_ECDSA_SHA256, "algorithm")
    signature = _signature(basic)
    given = None
    if not basic.at_end:
        certificates = basic.enter(0xA0, "certificates").enter(der.SEQUENCE, "certificates")
        given = certificates.element(der.SEQUENCE, "responder")
        certificates.finish()
    basic.finish()
    issuer, issuer_key = _issuer(issuer_der)
    try:
        response = ocsp.load_der_ocsp_response(data)
        answers = list(response.responses)
        produced_at = response.produced_at_utc
        critical = any(extension.critical for extension in response.extensions)
    except UNREADABLE as error:
        raise MalformedError(f"expected a readable OCSP answer, got {error}", where="ocsp") from error
    signer, key = (issuer, issuer_key) if given is None else _responder(given, issuer, at=produced_at)  # (2)
    _check_responder_id(response, signer, key)
    _verify(key, signature, tbs, "ocsp")
    if len(answers) != 1 or critical:
        raise PolicyError("expected one answer without critical extensions, got others", code="status_incomplete")
    answer = answers[0]
    if not _same_certificate(answer, certificate, issuer, issuer_key):  # (3)
        raise MismatchError("expected the status of this certificate, got another's", code="status_certificate")
    if answer.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        raise NotFoundError("expected a status, got that the responder does not know it", code="status_unknown")
    if answer.this_update_utc > produced_at:
        raise MalformedError("expected thisUpdate up to producedAt, got the reverse", where="ocsp")
    _check_times(answer.this_update_utc, answer.next_update_utc, issuer)  # (4)
    return CertificateStatus(
        method=StatusMethod.OCSP,
        this_update=answer.this_update_utc,
        next_update=answer.next_update_utc,
        revocation=_ocsp_revocation(response, answer),
    )


def _basic_response(data: bytes) -> der.Reader:
    whole = der.Reader(data, where="ocsp")
    outer = whole.enter(der.SEQUENCE, "response")
    whole.finish()
    outer.literal(_SUCCESSFUL, "status")
    wrapped = outer.enter(0xA0, "bytes")
    outer.finish()
    typed = wrapped.enter(der.SEQUENCE, "bytes")
    wrapped.finish()
    typed.literal(_BASIC_RESPONSE, "type")
    content = typed.content(der.OCTET_STRING, "basic")
    typed.finish()
    der.check_canonical(content, where="ocsp")
    basic = der.Reader(content, where="ocsp")
    return basic.enter(der.SEQUENCE, "basic")


def _wrap_basic(basic: bytes) -> bytes:
    typed = der.encode(der.SEQUENCE, _BASIC_RESPONSE, der.encode(der.OCTET_STRING, basic))
    return der.encode(der.SEQUENCE, _SUCCESSFUL, der.encode(0xA0, typed))


def _responder(
    der_bytes: bytes, issuer: x509.Certificate, *, at: datetime.datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePublicKey]:
    certificate, key = load_p256_certificate(der_bytes)
    signature = der.decode_ecdsa_signature(certificate.signature)
    if int.from_bytes(signature[32:], "big") > P256_ORDER // 2:
        raise MalformedError("expected the lower s in the responder's certificate, got the other", where="ocsp")
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise PolicyError("expected a responder that the issuer appointed, got another", code="responder") from error
    if not _is_responder(der_bytes) or not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise PolicyError(
            "expected a responder's certificate (OCSPSigning, ocsp-nocheck) valid when it answered, got another",
            code="responder",
        )
    return certificate, key


def _is_responder(der_bytes: bytes) -> bool:
    try:
        extensions = x509.load_der_x509_certificate(der_bytes).extensions
        extensions.get_extension_for_class(x509.OCSPNoCheck)
        purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (*UNREADABLE, x509.ExtensionNotFound):
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in purposes


def _check_responder_id(response: ocsp.OCSPResponse, signer: x509.Certificate, key: ec.EllipticCurvePublicKey) -> None:
    by_key = response.responder_key_hash
    same = by_key == _key_hash(key, "sha1") if by_key is not None else response.responder_name == signer.subject
    if not same:
        raise MismatchError("expected the responder that signed, got another's name", code="status_signature")


def _key_hash(key: ec.EllipticCurvePublicKey, algorithm: str) -> bytes:
    return _DIGESTS[algorithm](key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)).digest()


def _same_certificate(
    answer: ocsp.OCSPSingleResponse,
    certificate: _Issued,
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePublicKey,
) -> bool:
    algorithm = answer.hash_algorithm.name
    return (
        algorithm in _DIGESTS
        and answer.serial_number == certificate.serial_number
        and certificate.x509.issuer == issuer.subject
        and answer.issuer_name_hash == _DIGESTS[algorithm](certificate.issuer).digest()
        and answer.issuer_key_hash == _key_hash(issuer_key, algorithm)
    )


def _ocsp_revocation(response: ocsp.OCSPResponse, answer: ocsp.OCSPSingleResponse) -> Revocation | None:
    if answer.certificate_status is not ocsp.OCSPCertStatus.REVOKED:
        return None
    revoked_at = answer.revocation_time_utc
    if revoked_at is None:
        raise MalformedError("expected the time of a revocation, got none", where="ocsp")
    try:
        stated = _revocation(revoked_at, response.single_extensions)
    except UNREADABLE as error:
        raise MalformedError(f"expected readable extensions, got {error}", where="ocsp") from error
    reason = stated.reason if answer.revocation_reason is None else _reason(answer.revocation_reason)
    return Revocation(revoked_at, reason, stated.invalidity_time)


# Both


def _check_size(data: bytes, where: str) -> None:
    if len(data) > MAX_STATUS_BYTES:
        raise MalformedError(f"expected at most {MAX_STATUS_BYTES} bytes, got {len(data)}", where=where)


def _signature(reader: der.Reader) -> bytes:
    """Read a BIT STRING with an ECDSA signature whose s is the lower one."""
    bits = reader.content(der.BIT_STRING, "signature")
    signature = der.decode_ecdsa_signature(bits[1:])
    if bits[0] or not 0 < int.from_bytes(signature[32:], "big") <= P256_ORDER // 2:
        raise reader.refuse("expected a signature with the lower s, got another one")
    return bits[1:]


def _low_signature(reader: der.Reader) -> bytes:
    bits = reader.content(der.BIT_STRING, "signature")
    signature = der.decode_ecdsa_signature(bits[1:])
    low = min(s := int.from_bytes(signature[32:], "big"), P256_ORDER - s)
    if low <= 0:
        raise reader.refuse("expected s between 1 and n - 1, got another one")
    encoded = der.encode_ecdsa_signature(signature[:32] + low.to_bytes(32, "big"))
    return der.encode(der.BIT_STRING, b"\0", encoded)


def _low_certificate(der_bytes: bytes) -> bytes:
    outer = der.Reader(der_bytes, where="ocsp").enter(der.SEQUENCE, "responder")
    tbs, algorithm = outer.element(der.SEQUENCE, "tbs"), outer.element(der.SEQUENCE, "algorithm")
    return der.encode(der.SEQUENCE, tbs, algorithm, _low_signature(outer))


@lru_cache(maxsize=64)
def _issuer(der_bytes: bytes) -> tuple[x509.Certificate, ec.EllipticCurvePublicKey]:
    return load_p256_certificate(der_bytes)


def _verify(key: ec.EllipticCurvePublicKey, signature: bytes, tbs: bytes, where: str) -> None:
    try:
        key.verify(signature, tbs, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise MismatchError(
            "expected the signature of the issuer or its responder, got another", code="status_signature", where=where
        ) from error


def _check_times(
    this_update: datetime.datetime, next_update: datetime.datetime | None, issuer: x509.Certificate
) -> None:
    if next_update is not None and next_update < this_update:
        raise MalformedError("expected nextUpdate after thisUpdate, got the reverse", where="status")
    if not issuer.not_valid_before_utc <= this_update <= issuer.not_valid_after_utc:
        raise PolicyError("expected an issuer valid at thisUpdate, got one that was not", code="status_issuer")
