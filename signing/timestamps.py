"""RFC 3161 timestamps over the five seals: requested, and checked against pinned authorities.

What a timestamp is over: SHA-256 of the five signatures (64 bytes each, r‖s) in role order. What is checked of a token:
 1. a CMS SignedData in DER of exactly one form: version 3, one digest algorithm without parameters, a TSTInfo, the
    signer's certificate and no other, one signer (issuer and serial number), no unsigned attributes; an ECDSA signature
    has the lower s. So nobody can change an octet of it unseen. `normalise_token` brings what an authority answers into
    this form; what is signed stays.
 2. signed attributes: content type, digest of the TSTInfo, signing-certificate-v2 with the digest of the certificate
 3. the signature: ECDSA on P-256 or P-384, or RSA (PKCS #1 v1.5) from 2048 bits, with SHA-256, -384 or -512
 4. the certificate: issued directly by a pinned authority, valid at the token's time, extended key usage timeStamping
    alone and critical
 5. the imprint: SHA-256, of the five signatures
The time proved is genTime plus the accuracy stated, at the next whole second: the signatures existed by then.
Source: RFC 3161 section 2.4, RFC 5652, RFC 5816.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import rfc3161_client
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from signing import der
from signing.certificates import UNREADABLE
from signing.errors import MalformedError, MismatchError, NotFoundError, PolicyError
from signing.timestamp_form import (
    DIGESTS,
    TST_INFO,
    Token,
    load_certificate,
    normalise_token,
    normalised,
    parse_token,
    public_key,
)

__all__ = [
    "MAX_TOKEN_BYTES",
    "Timestamp",
    "check_timestamp",
    "normalise_token",
    "sealed_bytes",
    "timestamp_request",
    "timestamp_token",
]

#: The largest token that evidence may hold.
MAX_TOKEN_BYTES = 1 << 14
_MAX_ACCURACY = datetime.timedelta(minutes=1)
_MIN_RSA_BITS = 2048

_CONTENT_TYPE = bytes.fromhex("06092a864886f70d010903")
_MESSAGE_DIGEST = bytes.fromhex("06092a864886f70d010904")
_SIGNING_CERTIFICATE_2 = bytes.fromhex("060b2a864886f70d010910022f")
_GRANTED = bytes.fromhex("3003020100")
_SHA256_OID = "2.16.840.1.101.3.4.2.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timestamp:
    """A timestamp that holds.

    Attributes:
        time: by when the signatures existed, aware UTC, whole seconds.
        serial_number: the authority's own number of it.
        authority: the authority's name, RFC 4514.
    """

    time: datetime.datetime
    serial_number: int
    authority: str


def sealed_bytes(signatures: Iterable[bytes]) -> bytes:
    """Return what is timestamped: the five signatures one after the other, 320 bytes.

    Raises:
        MalformedError: not five of 64 bytes.
    """
    parts = list(signatures)
    if [len(part) for part in parts] != [64] * 5:
        raise MalformedError("expected five signatures of 64 bytes, got others", where="timestamp")
    return b"".join(parts)


def timestamp_request(signatures: Iterable[bytes]) -> rfc3161_client.TimeStampRequest:
    """Make a request over the five signatures, with a nonce, that asks for the signer's certificate."""
    builder = rfc3161_client.TimestampRequestBuilder(
        data=sealed_bytes(signatures), hash_algorithm=rfc3161_client.HashAlgorithm.SHA256
    )
    return builder.build()


def timestamp_token(response: bytes, request: rfc3161_client.TimeStampRequest) -> bytes:
    """Take the token out of an authority's answer, in the one spelling; its signature is not checked here.

    Args:
        response: TimeStampResp, DER.
        request: that it answers.

    Raises:
        MalformedError: not an answer.
        PolicyError: `timestamp_refused`: the authority did not grant one.
        MismatchError: `timestamp_nonce`: it answers another request.
    """
    outer = der.Reader(response, where="timestamp").enter(der.SEQUENCE, "response")
    status = outer.enter(der.SEQUENCE, "status").integer("status")
    if status not in (rfc3161_client.PKIStatus.GRANTED, rfc3161_client.PKIStatus.GRANTED_WITH_MODS):
        raise PolicyError(f"expected a timestamp, got status {status}", code="timestamp_refused", where="timestamp")
    # Before anything else reads it: authorities put their certificates into it in any order.
    token = normalise_token(outer.element(der.SEQUENCE, "token"))
    if _info(token).nonce != request.nonce:
        raise MismatchError("expected the nonce of the request, got another", code="timestamp_nonce")
    return token


def check_timestamp(token: bytes, signatures: Iterable[bytes], *, authorities: Sequence[bytes]) -> Timestamp:
    """Check a token; the steps are those of the module's docstring.

    Args:
        token: ContentInfo, DER, in the one spelling; at most `MAX_TOKEN_BYTES`.
        signatures: the five, r‖s of 64 bytes each, in role order.
        authorities: certificates that issue to timestamp authorities, DER, of the verifier's own trust file.

    Raises:
        MalformedError: another form.
        MismatchError: `timestamp_imprint`: over something else; `timestamp_signature`: it does not verify.
        NotFoundError: `timestamp_authority`: no pinned authority issued the signer's certificate.
        PolicyError: `timestamp_certificate`: it may not sign timestamps, or not then; `timestamp_algorithm`.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise MalformedError(f"expected at most {MAX_TOKEN_BYTES} bytes, got {len(token)}", where="timestamp")
    der.check_canonical(token, where="timestamp")
    parsed = parse_token(token)
    if parsed.digest_oid not in DIGESTS:
        raise PolicyError("expected SHA-256, SHA-384 or SHA-512, got another digest", code="timestamp_algorithm")
    if len(parsed.certificates) != 1 or normalised(parsed) != token:  # (1)
        raise MalformedError("expected the one spelling of a timestamp, got another", where="timestamp")
    certificate = load_certificate(parsed.certificates[0])
    issuer = _issuer(certificate, authorities)  # (4) first: what a stranger signed is not read further
    _check_attributes(parsed)  # (2)
    _check_signature(parsed, certificate)  # (3)
    info = _info(token)
    try:
        imprint, generated = info.message_imprint, info.gen_time
        accuracy = _accuracy(info)
        serial_number = info.serial_number
        digest, algorithm = imprint.message, imprint.hash_algorithm.dotted_string
    except (ValueError, OverflowError) as error:
        raise MalformedError(f"expected a TSTInfo, got other bytes: {error}", where="timestamp") from error
    generated = generated if generated.tzinfo else generated.replace(tzinfo=datetime.UTC)
    _check_certificate(certificate, issuer, at=generated)
    expected = hashlib.sha256(sealed_bytes(signatures)).digest()
    if (algorithm, bytes(digest)) != (_SHA256_OID, expected):  # (5)
        raise MismatchError(
            f"expected a timestamp over {expected.hex()}, got one over {bytes(digest).hex()}", code="timestamp_imprint"
        )
    late = generated + accuracy
    whole = late.replace(microsecond=0)
    return Timestamp(
        time=whole if whole == late else whole + datetime.timedelta(seconds=1),
        serial_number=serial_number,
        authority=certificate.subject.rfc4514_string(),
    )


def _info(token: bytes) -> rfc3161_client.TimeStampTokenInfo:
    try:
        return rfc3161_client.decode_timestamp_response(der.encode(der.SEQUENCE, _GRANTED, token)).tst_info
    except (ValueError, OverflowError) as error:
        raise MalformedError(f"expected a TSTInfo, got other bytes: {error}", where="timestamp") from error


def _accuracy(info: rfc3161_client.TimeStampTokenInfo) -> datetime.timedelta:
    stated = info.accuracy
    if stated is None:
        return datetime.timedelta()
    total = datetime.timedelta(
        seconds=stated.seconds or 0, milliseconds=stated.millis or 0, microseconds=stated.micros or 0
    )
    if total > _MAX_ACCURACY:
        raise PolicyError(f"expected an accuracy up to {_MAX_ACCURACY}, got {total}", code="timestamp_accuracy")
    return total


def _check_attributes(parsed: Token) -> None:
    der.check_canonical(parsed.attributes, where="timestamp.attributes")
    found: dict[bytes, bytes] = {}
    attributes = der.Reader(parsed.attributes, where="timestamp").enter(der.SET, "attributes")
    while not attributes.at_end:
        attribute = attributes.enter(der.SEQUENCE, "attribute")
        kind = attribute.element(der.OBJECT_IDENTIFIER, "type")
        if kind in found:
            raise attributes.refuse("expected each attribute once, got one twice")
        found[kind] = attribute.content(der.SET, "values")
        attribute.finish()
    digest = hashes.Hash(DIGESTS[parsed.digest_oid][0])
    digest.update(parsed.info)
    if found.get(_CONTENT_TYPE) != TST_INFO:
        raise MalformedError("expected the content type of a TSTInfo, got another", where="timestamp")
    if found.get(_MESSAGE_DIGEST) != der.encode(der.OCTET_STRING, digest.finalize()):
        raise MismatchError("expected the digest of the TSTInfo, got another", code="timestamp_signature")
    if _SIGNING_CERTIFICATE_2 not in found:
        raise MalformedError("expected signing-certificate-v2, got none", where="timestamp")
    _check_bound_certificate(found[_SIGNING_CERTIFICATE_2], parsed.certificates[0])


def _check_bound_certificate(attribute: bytes, certificate: bytes) -> None:
    reader = der.Reader(attribute, where="timestamp").enter(der.SEQUENCE, "signing_certificate")
    first = reader.enter(der.SEQUENCE, "certificates").enter(der.SEQUENCE, "certificate")
    algorithm: hashes.HashAlgorithm = hashes.SHA256()
    if first.peek() == der.SEQUENCE:
        oid = first.enter(der.SEQUENCE, "algorithm").element(der.OBJECT_IDENTIFIER, "algorithm")
        if oid not in DIGESTS:
            raise PolicyError("expected SHA-256, SHA-384 or SHA-512, got another digest", code="timestamp_algorithm")
        algorithm = DIGESTS[oid][0]
    digest = hashes.Hash(algorithm)
    digest.update(certificate)
    if first.content(der.OCTET_STRING, "digest") != digest.finalize():
        raise MismatchError("expected the certificate that the token names, got another", code="timestamp_signature")


def _check_signature(parsed: Token, certificate: x509.Certificate) -> None:
    key, algorithm = public_key(certificate), DIGESTS[parsed.digest_oid][0]
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(parsed.signature, parsed.attributes, ec.ECDSA(algorithm))
        elif key.key_size >= _MIN_RSA_BITS:
            key.verify(parsed.signature, parsed.attributes, padding.PKCS1v15(), algorithm)
        else:
            raise PolicyError(f"expected RSA from {_MIN_RSA_BITS} bits, got another", code="timestamp_algorithm")
    except InvalidSignature as error:
        raise MismatchError("expected the authority's signature, got another", code="timestamp_signature") from error


def _issuer(certificate: x509.Certificate, authorities: Sequence[bytes]) -> x509.Certificate:
    given = certificate.public_bytes(Encoding.DER)
    issuer = next((load_certificate(one) for one in map(bytes, authorities) if _issued(given, one)), None)
    if issuer is None:
        raise NotFoundError(
            f"expected an authority of the trust file, got {certificate.issuer.rfc4514_string()}",
            code="timestamp_authority",
            where="timestamp",
        )
    return issuer


def _check_certificate(certificate: x509.Certificate, issuer: x509.Certificate, *, at: datetime.datetime) -> None:
    for member in (certificate, issuer):
        if not member.not_valid_before_utc <= at <= member.not_valid_after_utc:
            raise PolicyError(
                f"expected a certificate valid at {at.isoformat()}, got another", code="timestamp_certificate"
            )
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except (*UNREADABLE, x509.ExtensionNotFound) as error:
        raise PolicyError("expected a purpose timeStamping, got none", code="timestamp_certificate") from error
    if not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise PolicyError("expected the critical purpose timeStamping alone, got others", code="timestamp_certificate")


# An authority has one certificate for very many tokens; whether another issued it is the same each time.
@lru_cache(maxsize=64)
def _issued(certificate: bytes, authority: bytes) -> bool:
    issuer = load_certificate(authority)
    try:
        load_certificate(certificate).verify_directly_issued_by(issuer)
        return bool(issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except (*UNREADABLE, InvalidSignature, x509.ExtensionNotFound):
        return False
