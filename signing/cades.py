"""The e-seal: detached CAdES-BES by the one template of docs/formats.md section 7.

A seal is the triple (signing time, r‖s, certificate). Everything else in its CMS is fixed, so that everybody rebuilds
the same DER from the triple, and a CMS that isn't exactly what its own triple rebuilds to is refused.
"""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass, field
from typing import Protocol

from signing import der
from signing.certificates import P256_ORDER, OrganisationCertificate, certificate_id, parse_certificate
from signing.errors import MalformedError, PolicyError

__all__ = [
    "ATTRIBUTES_BYTES",
    "PAYLOAD_BYTES",
    "AttributeSigner",
    "ParsedCms",
    "SealValue",
    "check_signature_form",
    "check_signing_time",
    "normalise_signature",
    "parse_cms",
    "rebuild_cms",
    "seal",
    "signed_attributes",
]

#: 0x1901 ‖ domain separator ‖ struct hash. Source: EIP-712.
PAYLOAD_BYTES = 66
#: Length of the signed attributes.
ATTRIBUTES_BYTES = 165

_ID_DATA = bytes.fromhex("06092a864886f70d010701")
_ID_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_CONTENT_TYPE = bytes.fromhex("06092a864886f70d010903")
_MESSAGE_DIGEST = bytes.fromhex("06092a864886f70d010904")
_SIGNING_TIME = bytes.fromhex("06092a864886f70d010905")
_SIGNING_CERTIFICATE_V2 = bytes.fromhex("060b2a864886f70d010910022f")
_SHA256 = bytes.fromhex("300b0609608648016503040201")  # parameters absent
_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")  # parameters absent
_VERSION_1 = bytes.fromhex("020101")
_EXPLICIT_0 = 0xA0  # [0] EXPLICIT content, and [0] IMPLICIT certificates and signed attributes
_EXPLICIT_1 = 0xA1


@dataclass(frozen=True, slots=True)
class SealValue:
    """What makes a seal.

    Attributes:
        signing_time: the claimed time, aware UTC, whole seconds, 1950 to 2049.
        signature: r‖s, 64 bytes, 0 < s ≤ n/2.
        certificate: the sealing certificate, DER.
    """

    signing_time: datetime.datetime
    signature: bytes
    certificate: bytes = field(repr=False)

    @property
    def certificate_id(self) -> bytes:
        """SHA-256 of the certificate, 32 bytes."""
        return certificate_id(self.certificate)


@dataclass(frozen=True, slots=True)
class ParsedCms:
    """What a CMS says: its seal, and the digest of the payload it claims to be over."""

    seal: SealValue
    message_digest: bytes


class AttributeSigner(Protocol):
    """The part of a key store that `seal` needs; see `signing.keystore.KeyStore`."""

    @property
    def certificate(self) -> OrganisationCertificate:
        """The certificate of the key."""

    def sign_attributes(self, payload: bytes, signing_time: datetime.datetime, certificate_id: bytes) -> bytes:
        """Sign the attributes over a payload; returns r‖s, 64 bytes, low s."""


def check_signing_time(signing_time: datetime.datetime) -> datetime.datetime:
    """Return a signing time in UTC.

    Raises:
        MalformedError: naive, with a fraction of a second, or outside 1950 to 2049 (UTCTime).
    """
    where = "signing_time"
    if signing_time.tzinfo is None:
        raise MalformedError("expected an aware time, got a naive one", where=where, actual=signing_time)
    utc = signing_time.astimezone(datetime.UTC)
    if utc.microsecond:
        raise MalformedError(f"expected whole seconds, got {utc.isoformat()}", where=where, actual=utc)
    if not 1950 <= utc.year <= 2049:
        raise MalformedError(f"expected a year from 1950 to 2049, got {utc.year}", where=where, actual=utc)
    return utc


def check_signature_form(signature: bytes) -> None:
    """Refuse anything but r‖s with 0 < r < n and 0 < s ≤ n/2.

    Args:
        signature: 64 bytes, big-endian halves.

    Raises:
        MalformedError: another length, or r or s out of range; code `high_s` for n/2 < s < n.
    """
    where = "signature"
    if len(signature) != 64:
        raise MalformedError(
            f"expected 64 bytes, got {len(signature)}", where=where, expected=64, actual=len(signature)
        )
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not 0 < r < P256_ORDER or not 0 < s < P256_ORDER:
        raise MalformedError("expected r and s between 1 and n - 1, got another range", where=where)
    if s > P256_ORDER // 2:
        raise MalformedError("expected s at most n/2, got the high one of the pair", code="high_s", where=where)


def normalise_signature(signature: bytes) -> bytes:
    """Return r‖s with the low one of s and n - s; 64 bytes in, 64 bytes out."""
    s = int.from_bytes(signature[32:], "big")
    return signature[:32] + min(s, P256_ORDER - s).to_bytes(32, "big")


def signed_attributes(payload: bytes, signing_time: datetime.datetime, certificate_id: bytes) -> bytes:
    """Build the 165 bytes that a sealing key signs (a DER SET OF).

    Args:
        payload: the sealed payload, 66 bytes beginning with 0x1901.
        signing_time: aware, whole seconds, 1950 to 2049.
        certificate_id: SHA-256 of the sealing certificate, 32 bytes.

    Raises:
        MalformedError: an argument of another form.
    """
    if len(payload) != PAYLOAD_BYTES or payload[:2] != b"\x19\x01":
        raise MalformedError(
            f"expected {PAYLOAD_BYTES} bytes beginning with 0x1901, got {len(payload)} bytes beginning with "
            f"0x{payload[:2].hex()}",
            where="payload",
        )
    return _attributes(hashlib.sha256(payload).digest(), signing_time, certificate_id)


def _attributes(message_digest: bytes, signing_time: datetime.datetime, certificate_id: bytes) -> bytes:
    if len(certificate_id) != 32 or len(message_digest) != 32:
        raise MalformedError("expected digests of 32 bytes, got another length", where="certificate_id")
    time = check_signing_time(signing_time).strftime("%y%m%d%H%M%SZ").encode("ascii")
    esscert_id_v2 = der.encode(der.SEQUENCE, der.encode(der.OCTET_STRING, certificate_id))
    signing_certificate = der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, esscert_id_v2))
    # DER orders a SET OF by its members' encodings; these four always come in this order.
    return der.encode(
        der.SET,
        der.encode(der.SEQUENCE, _CONTENT_TYPE, der.encode(der.SET, _ID_DATA)),
        der.encode(der.SEQUENCE, _SIGNING_TIME, der.encode(der.SET, der.encode(der.UTC_TIME, time))),
        der.encode(der.SEQUENCE, _MESSAGE_DIGEST, der.encode(der.SET, der.encode(der.OCTET_STRING, message_digest))),
        der.encode(der.SEQUENCE, _SIGNING_CERTIFICATE_V2, der.encode(der.SET, signing_certificate)),
    )


def seal(payload: bytes, key: AttributeSigner, signing_time: datetime.datetime) -> SealValue:
    """Seal a payload.

    Args:
        payload: the sealed payload, 66 bytes; the caller has recomputed and shown what it stands for.
        key: a key store, open.
        signing_time: aware, whole seconds, within the certificate's validity.

    Raises:
        MalformedError: a payload or time of another form.
        PolicyError: a signing time outside the certificate's validity.
    """
    certificate = key.certificate
    time = check_signing_time(signing_time)
    if not certificate.not_before <= time <= certificate.not_after:
        raise PolicyError(
            f"expected a signing time from {certificate.not_before:%FT%TZ} to {certificate.not_after:%FT%TZ}, "
            f"got {time:%FT%TZ}",
            code="certificate_validity",
            where="signing_time",
            actual=time,
        )
    return SealValue(time, key.sign_attributes(payload, time, certificate.certificate_id), certificate.der)


def rebuild_cms(payload: bytes, value: SealValue) -> bytes:
    """Build the detached CMS of a seal, DER; the signature itself is not verified.

    Args:
        payload: the sealed payload, 66 bytes.
        value: the seal.

    Raises:
        MalformedError: a payload, time, signature or certificate of another form.
        PolicyError: a certificate that isn't an organisation's sealing certificate.
    """
    attributes = signed_attributes(payload, value.signing_time, value.certificate_id)
    return _build(attributes, value)


def _build(attributes: bytes, value: SealValue) -> bytes:
    check_signature_form(value.signature)
    certificate = parse_certificate(value.certificate)
    signer_info = der.encode(
        der.SEQUENCE,
        _VERSION_1,
        der.encode(der.SEQUENCE, certificate.issuer, der.encode_integer(certificate.serial_number)),
        _SHA256,
        bytes((_EXPLICIT_0,)) + attributes[1:],
        _ECDSA_SHA256,
        der.encode(der.OCTET_STRING, der.encode_ecdsa_signature(value.signature)),
    )
    signed_data = der.encode(
        der.SEQUENCE,
        _VERSION_1,
        der.encode(der.SET, _SHA256),
        der.encode(der.SEQUENCE, _ID_DATA),
        der.encode(_EXPLICIT_0, certificate.der),
        der.encode(der.SET, signer_info),
    )
    return der.encode(der.SEQUENCE, _ID_SIGNED_DATA, der.encode(_EXPLICIT_0, signed_data))


def parse_cms(cms: bytes) -> ParsedCms:
    """Read a seal out of its CMS; every octet must be the one that the seal rebuilds to.

    The signature isn't verified, and the digest isn't compared with a payload: `signing.verification` does both.

    Args:
        cms: ContentInfo, DER, detached.

    Raises:
        MalformedError: anything but the template; the message says which part.
        PolicyError: a certificate that isn't an organisation's sealing certificate.
    """
    parsed = _parse_content_info(cms)
    attributes = _attributes(parsed.message_digest, parsed.seal.signing_time, parsed.seal.certificate_id)
    if _build(attributes, parsed.seal) != cms:
        raise MalformedError("expected the bytes that the seal rebuilds to, got others", where="cms")
    return parsed


def _parse_content_info(cms: bytes) -> ParsedCms:
    reader = der.Reader(cms, where="cms")
    content_info = reader.enter(der.SEQUENCE, "content_info")
    reader.finish()
    content_info.literal(_ID_SIGNED_DATA, "content_type")
    explicit = content_info.enter(_EXPLICIT_0, "content")
    content_info.finish()
    signed_data = explicit.enter(der.SEQUENCE, "signed_data")
    explicit.finish()
    signed_data.literal(_VERSION_1, "version")
    signed_data.literal(der.encode(der.SET, _SHA256), "digest_algorithms")
    signed_data.literal(der.encode(der.SEQUENCE, _ID_DATA), "encapsulated_content")
    certificates = signed_data.enter(_EXPLICIT_0, "certificates")
    certificate = certificates.element(der.SEQUENCE, "certificate")
    if not certificates.at_end:
        raise certificates.refuse("expected the signer's certificate alone, got a further one")
    if signed_data.peek() == _EXPLICIT_1:
        raise signed_data.refuse("expected no revocation lists, got some")
    signer_infos = signed_data.enter(der.SET, "signer_infos")
    signed_data.finish()
    signer_info = signer_infos.enter(der.SEQUENCE, "signer_info")
    if not signer_infos.at_end:
        raise signer_infos.refuse("expected one signer, got a further one")
    signing_time, digest, signature = _parse_signer_info(signer_info, certificate)
    return ParsedCms(SealValue(signing_time, signature, certificate), digest)


def _parse_signer_info(signer_info: der.Reader, certificate: bytes) -> tuple[datetime.datetime, bytes, bytes]:
    signer_info.literal(_VERSION_1, "version")
    parsed = parse_certificate(certificate)
    signer_info.literal(
        der.encode(der.SEQUENCE, parsed.issuer, der.encode_integer(parsed.serial_number)), "issuer_and_serial_number"
    )
    signer_info.literal(_SHA256, "digest_algorithm")
    attributes = signer_info.enter(_EXPLICIT_0, "signed_attributes")
    signing_time, digest = _parse_attributes(attributes, parsed.certificate_id)
    signer_info.literal(_ECDSA_SHA256, "signature_algorithm")
    signature = der.decode_ecdsa_signature(signer_info.content(der.OCTET_STRING, "signature"))
    check_signature_form(signature)
    if signer_info.peek() == _EXPLICIT_1:
        raise signer_info.refuse("expected no unsigned attributes, got some")
    signer_info.finish()
    return signing_time, digest, signature


def _parse_attributes(attributes: der.Reader, expected_id: bytes) -> tuple[datetime.datetime, bytes]:
    values: list[der.Reader] = []
    for name, oid in (
        ("content_type", _CONTENT_TYPE),
        ("signing_time", _SIGNING_TIME),
        ("message_digest", _MESSAGE_DIGEST),
        ("signing_certificate_v2", _SIGNING_CERTIFICATE_V2),
    ):
        attribute = attributes.enter(der.SEQUENCE, name)
        attribute.literal(oid, "attribute_type")
        values.append(attribute.enter(der.SET, "values"))
        attribute.finish()
    if not attributes.at_end:
        raise attributes.refuse("expected four signed attributes, got a further one")
    content_type, time, digest, signing_certificate = values
    content_type.literal(_ID_DATA, "id_data")
    signing_time = _parse_utc_time(time)
    message_digest = digest.content(der.OCTET_STRING, "digest")
    if len(message_digest) != 32:
        raise digest.refuse(f"expected a digest of 32 bytes, got {len(message_digest)}")
    esscert = signing_certificate.enter(der.SEQUENCE, "certificates").enter(der.SEQUENCE, "certs")
    actual_id = esscert.enter(der.SEQUENCE, "esscert_id_v2").content(der.OCTET_STRING, "certificate_hash")
    if actual_id != expected_id:
        raise signing_certificate.refuse(
            f"expected the certificate's SHA-256 {expected_id.hex()}, got {actual_id.hex()}",
            expected=expected_id,
            actual=actual_id,
        )
    for value in values:
        value.finish()
    return signing_time, message_digest


def _parse_utc_time(value: der.Reader) -> datetime.datetime:
    octets = value.content(der.UTC_TIME, "UTCTime")
    text = octets.decode("ascii", errors="replace")
    if len(text) != 13 or not octets[:12].isdigit() or text[12] != "Z":
        raise value.refuse(f"expected UTCTime YYMMDDHHMMSSZ, got {text!r}", actual=text)
    century = "19" if text[0] >= "5" else "20"
    try:
        return datetime.datetime.strptime(f"{century}{text[:12]}+0000", "%Y%m%d%H%M%S%z").astimezone(datetime.UTC)
    except ValueError as error:
        raise value.refuse(f"expected a date and time of the calendar, got {text!r}", actual=text) from error
