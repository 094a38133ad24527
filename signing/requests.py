"""Requests for a certificate (PKCS#10): how a key in a token gets its certificate without leaving it.

A request names an organisation (C=CN, O, organizationIdentifier, CN equal to O) for a sealing certificate, or a person
(C=CN, O, organizationIdentifier, CN; or C=CN, CN) for a personal one. What else a request asks for is not read: the
authority issues by its own profile. Its signature shows that whoever asks has the key.

The bytes signed begin with 0x30, those of a seal with 0x31 and those of a sign-in with `y`: none can pass for another.
Source: RFC 2986.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from signing import der
from signing.certificates import UNREADABLE, check_name, check_organisation
from signing.errors import MalformedError, MismatchError, PolicyError

__all__ = [
    "CertificateRequest",
    "build_request",
    "organisation_subject",
    "parse_request",
    "person_subject",
    "request_pem",
]

_VERSION_1: Final = bytes.fromhex("020100")
_NO_ATTRIBUTES: Final = bytes.fromhex("a000")
_ECDSA_SHA256: Final = bytes.fromhex("300a06082a8648ce3d040302")
_MAX_BYTES: Final = 16_384
_ORGANISATION: Final = (
    NameOID.COUNTRY_NAME,
    NameOID.ORGANIZATION_NAME,
    NameOID.ORGANIZATION_IDENTIFIER,
    NameOID.COMMON_NAME,
)
_PRIVATE: Final = (NameOID.COUNTRY_NAME, NameOID.COMMON_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRequest:
    """What a request asks for; its signature was verified.

    Attributes:
        name: of the organisation or person (CN).
        organisation_code: of the organisation, or the one the person belongs to; None: a private person.
        organisation_name: its name; None: a private person.
        public_key: P-256.
        der: the request.
    """

    name: str
    organisation_code: str | None
    organisation_name: str | None
    public_key: ec.EllipticCurvePublicKey = field(repr=False)
    der: bytes = field(repr=False)

    @property
    def for_sealing(self) -> bool:
        """Whether it names an organisation rather than a person."""
        return self.organisation_name == self.name


def organisation_subject(code: str, name: str) -> x509.Name:
    """The subject of an organisation's sealing certificate; the code's check digit is not checked.

    Raises:
        MalformedError: a name or code of another form.
    """
    check_organisation(name, code, where="organisation")
    return _name(_ORGANISATION, "CN", name, code, name)


def person_subject(name: str, organisation: tuple[str, str] | None = None) -> x509.Name:
    """The subject of a personal certificate.

    Args:
        name: the person's.
        organisation: code and name of the one they belong to; None: a private person.

    Raises:
        MalformedError: a name or code of another form, or a person called like their organisation.
    """
    check_name(name, kind="person", where="person")
    if organisation is None:
        return _name(_PRIVATE, "CN", name)
    code, organisation_name = organisation
    check_organisation(organisation_name, code, where="organisation")
    if name == organisation_name:
        raise MalformedError(f"expected a person's name, got the organisation's {name!r}", where="person")
    return _name(_ORGANISATION, "CN", organisation_name, code, name)


def build_request(subject: x509.Name, public_key: ec.EllipticCurvePublicKey, sign: Callable[[bytes], bytes]) -> bytes:
    """Build a request, DER.

    Args:
        subject: see `organisation_subject` and `person_subject`.
        public_key: P-256.
        sign: gives r‖s (64 bytes) of ECDSA with SHA-256 over the bytes it is handed.
    """
    information = der.encode(
        der.SEQUENCE,
        _VERSION_1,
        subject.public_bytes(),
        public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        _NO_ATTRIBUTES,
    )
    return _encode(information, sign(information))


def request_pem(request: bytes) -> str:
    """Return a DER request as PEM text."""
    return x509.load_der_x509_csr(request).public_bytes(Encoding.PEM).decode("ascii")


def parse_request(data: bytes) -> CertificateRequest:
    """Read a request, DER or PEM, and verify its signature; the code's check digit is not checked.

    Raises:
        MalformedError: not a request, or a subject of another form.
        MismatchError: a signature that isn't of the key it asks a certificate for.
        PolicyError: another curve or algorithm.
    """
    where = "request"
    if len(data) > _MAX_BYTES:
        raise MalformedError(f"expected at most {_MAX_BYTES} bytes, got {len(data)}", where=where)
    try:
        is_pem = data.lstrip().startswith(b"-----BEGIN")
        request = x509.load_pem_x509_csr(data) if is_pem else x509.load_der_x509_csr(data)
        key = request.public_key()
        signed_by_it = request.is_signature_valid
        algorithm = request.signature_algorithm_oid
    except UNREADABLE as error:
        raise MalformedError(f"expected a certificate request, got other bytes: {error}", where=where) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise PolicyError("expected a P-256 key, got another kind", code="key_curve", where=where)
    if algorithm != x509.SignatureAlgorithmOID.ECDSA_WITH_SHA256:
        raise PolicyError(
            f"expected ecdsa-with-SHA256, got {algorithm.dotted_string}", code="certificate_algorithm", where=where
        )
    encoded = request.public_bytes(Encoding.DER)
    if encoded != _encode(request.tbs_certrequest_bytes, der.decode_ecdsa_signature(request.signature)):
        raise MalformedError("expected a request in DER, got another form of it", where=where)
    if not signed_by_it:
        raise MismatchError(
            "expected the request signed by the key it names, got another signature",
            code="request_signature",
            where=where,
        )
    name, code, organisation = _read_subject(request.subject)
    return CertificateRequest(
        name=name,
        organisation_code=code,
        organisation_name=organisation,
        public_key=key,
        der=encoded,
    )


def _encode(information: bytes, signature: bytes) -> bytes:
    value = der.encode_ecdsa_signature(signature)
    return der.encode(der.SEQUENCE, information, _ECDSA_SHA256, der.encode(der.BIT_STRING, b"\x00", value))


def _read_subject(subject: x509.Name) -> tuple[str, str | None, str | None]:
    where = "request.subject"
    rdns = [list(rdn) for rdn in subject.rdns]
    kinds = tuple(rdn[0].oid if len(rdn) == 1 else None for rdn in rdns)
    values = [rdn[0].value for rdn in rdns]
    if kinds not in (_ORGANISATION, _PRIVATE) or values[0] != "CN":
        raise MalformedError(
            "expected C=CN, O, organizationIdentifier, CN or C=CN, CN with one value each, got another subject",
            code="certificate_subject",
            where=where,
        )
    texts = [str(value) for value in values]
    if kinds == _PRIVATE:
        check_name(texts[1], kind="person", where=where)
        return texts[1], None, None
    _, organisation, code, name = texts
    check_organisation(organisation, code, where=where)
    check_name(name, kind="person", where=where)
    return name, code, organisation


def _name(kinds: tuple[x509.ObjectIdentifier, ...], *values: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in zip(kinds, values, strict=True)])
