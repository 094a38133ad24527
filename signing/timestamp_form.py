"""The one spelling of an RFC 3161 token in evidence: its structure, and how another is brought into it.

Source: RFC 3161 section 2.4.2, RFC 5652 section 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from signing import der
from signing.certificates import P256_ORDER, UNREADABLE
from signing.errors import MalformedError, PolicyError

__all__ = [
    "DIGESTS",
    "TST_INFO",
    "Token",
    "load_certificate",
    "normalise_token",
    "normalised",
    "parse_token",
    "public_key",
]

#: id-ct-TSTInfo, OBJECT IDENTIFIER in DER.
TST_INFO = bytes.fromhex("060b2a864886f70d0109100104")
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_VERSION_3, _VERSION_1 = bytes.fromhex("020103"), bytes.fromhex("020101")
_RSA = bytes.fromhex("300d06092a864886f70d0101010500")

#: By the digest's OBJECT IDENTIFIER: the algorithm, and the AlgorithmIdentifier of ECDSA with it.
DIGESTS: Mapping[bytes, tuple[hashes.HashAlgorithm, bytes]] = MappingProxyType(
    {
        bytes.fromhex("0609608648016503040201"): (hashes.SHA256(), bytes.fromhex("300a06082a8648ce3d040302")),
        bytes.fromhex("0609608648016503040202"): (hashes.SHA384(), bytes.fromhex("300a06082a8648ce3d040303")),
        bytes.fromhex("0609608648016503040203"): (hashes.SHA512(), bytes.fromhex("300a06082a8648ce3d040304")),
    }
)
# Source of P-384's: SP 800-186 section 3.2.1.4.
_ORDERS = {
    "secp256r1": P256_ORDER,
    "secp384r1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """The parts of a token, in the order in which they stand.

    Attributes:
        info: the TSTInfo, DER.
        certificates: those in it, DER.
        signer: issuer and serial number of the signer's, DER.
        digest_oid: the digest algorithm's OBJECT IDENTIFIER, DER.
        attributes: the signed attributes as a SET, DER.
        algorithm: the signature's AlgorithmIdentifier, DER.
        signature: its octets.
    """

    info: bytes
    certificates: tuple[bytes, ...]
    signer: bytes
    digest_oid: bytes
    attributes: bytes
    algorithm: bytes
    signature: bytes


def normalise_token(token: bytes) -> bytes:
    """Bring a token into the one spelling that `check_timestamp` takes; nothing is verified.

    Changed is only what the authority did not sign: certificates other than the signer's, CRLs and unsigned attributes
    are left out, algorithms written without parameters (RSA as rsaEncryption), and an ECDSA s becomes the lower one.

    Raises:
        MalformedError: another structure, or the signer's certificate is not in it.
    """
    return normalised(parse_token(token))


def normalised(parsed: Token) -> bytes:
    """The same of a token that was taken apart already."""
    if parsed.digest_oid not in DIGESTS:
        raise MalformedError("expected SHA-256, SHA-384 or SHA-512, got another digest", where="timestamp")
    certificate = next((one for one in parsed.certificates if _names(one) == parsed.signer), None)
    if certificate is None:
        raise MalformedError("expected the signer's certificate in the timestamp, got none", where="timestamp")
    key = public_key(load_certificate(certificate))
    signature, algorithm = parsed.signature, _RSA
    if isinstance(key, ec.EllipticCurvePublicKey):
        signature, algorithm = _low(signature, key.curve.name), DIGESTS[parsed.digest_oid][1]
    return _serialise(parsed, certificate, algorithm=algorithm, signature=signature)


def parse_token(token: bytes) -> Token:
    """Take a token apart.

    Raises:
        MalformedError: another structure.
    """
    whole = der.Reader(token, where="timestamp")
    outer = whole.enter(der.SEQUENCE, "content_info")
    whole.finish()
    outer.literal(_SIGNED_DATA, "content_type")
    wrapped = outer.enter(0xA0, "content")
    outer.finish()
    signed = wrapped.enter(der.SEQUENCE, "signed_data")
    wrapped.finish()
    signed.literal(_VERSION_3, "version")
    signed.element(der.SET, "digest_algorithms")
    content = signed.enter(der.SEQUENCE, "content")
    content.literal(TST_INFO, "content_type")
    info = content.enter(0xA0, "content").content(der.OCTET_STRING, "tst_info")
    content.finish()
    given: tuple[bytes, ...] = ()
    if signed.peek() == 0xA0:
        certificates = signed.enter(0xA0, "certificates")
        given = tuple(certificates.data[start:after] for _, start, _, after in certificates)
    if signed.peek() == 0xA1:
        signed.next()
    signers = signed.enter(der.SET, "signer_infos")
    signed.finish()
    signer = signers.enter(der.SEQUENCE, "signer_info")
    signers.finish()
    signer.literal(_VERSION_1, "version")
    identifier = signer.element(der.SEQUENCE, "sid")
    digest_oid = signer.enter(der.SEQUENCE, "digest_algorithm").element(der.OBJECT_IDENTIFIER, "digest")
    attributes = signer.element(0xA0, "signed_attributes")
    algorithm = signer.element(der.SEQUENCE, "algorithm")
    signature = signer.content(der.OCTET_STRING, "signature")
    if signer.peek() == 0xA1:
        signer.next()
    signer.finish()
    return Token(
        info=info,
        certificates=given,
        signer=identifier,
        digest_oid=digest_oid,
        attributes=bytes((der.SET,)) + attributes[1:],
        algorithm=algorithm,
        signature=signature,
    )


def _serialise(parsed: Token, certificate: bytes, *, algorithm: bytes, signature: bytes) -> bytes:
    digest = der.encode(der.SEQUENCE, parsed.digest_oid)
    signer = der.encode(
        der.SEQUENCE,
        _VERSION_1,
        parsed.signer,
        digest,
        b"\xa0" + parsed.attributes[1:],
        algorithm,
        der.encode(der.OCTET_STRING, signature),
    )
    signed = der.encode(
        der.SEQUENCE,
        _VERSION_3,
        der.encode(der.SET, digest),
        der.encode(der.SEQUENCE, TST_INFO, der.encode(0xA0, der.encode(der.OCTET_STRING, parsed.info))),
        der.encode(0xA0, certificate),
        der.encode(der.SET, signer),
    )
    return der.encode(der.SEQUENCE, _SIGNED_DATA, der.encode(0xA0, signed))


def _names(certificate: bytes) -> bytes:
    """The issuer and serial number of a certificate, as a signer is named by them."""
    tbs = der.Reader(certificate, where="timestamp").enter(der.SEQUENCE, "certificate").enter(der.SEQUENCE, "tbs")
    if tbs.peek() == 0xA0:
        tbs.next()
    serial_number = tbs.element(der.INTEGER, "serial_number")
    tbs.next()
    return der.encode(der.SEQUENCE, tbs.element(der.SEQUENCE, "issuer"), serial_number)


@lru_cache(maxsize=64)
def load_certificate(certificate: bytes) -> x509.Certificate:
    """Load a certificate of any profile, DER, or raise MalformedError."""
    try:
        return x509.load_der_x509_certificate(certificate)
    except UNREADABLE as error:
        raise MalformedError(f"expected a certificate, got other bytes: {error}", where="timestamp") from error


def _low(signature: bytes, curve: str) -> bytes:
    order = _ORDERS.get(curve)
    if order is None:
        raise PolicyError(f"expected P-256 or P-384, got {curve}", code="timestamp_algorithm")
    outer = der.Reader(signature, where="timestamp.signature")
    pair = outer.enter(der.SEQUENCE, "pair")
    outer.finish()
    r, s = pair.integer("r"), pair.integer("s")
    pair.finish()
    if not (0 < r < order and 0 < s < order):
        raise MalformedError("expected r and s between 1 and n - 1, got another range", where="timestamp.signature")
    return der.encode(der.SEQUENCE, der.encode_integer(r), der.encode_integer(min(s, order - s)))


def public_key(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    """Return a certificate's key.

    Raises:
        PolicyError: `timestamp_algorithm`: neither ECDSA nor RSA.
    """
    try:
        key = certificate.public_key()
    except UNREADABLE as error:
        raise MalformedError(f"expected a readable key, got {error}", where="timestamp") from error
    if not isinstance(key, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey)):
        raise PolicyError("expected an ECDSA or RSA key, got another", code="timestamp_algorithm", where="timestamp")
    return key
