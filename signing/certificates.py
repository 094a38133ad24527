"""Organisations' sealing certificates: the one profile of docs/formats.md section 10, parsed strictly.

What is checked when a certificate is parsed:
 1. the bytes are DER, extension values included;
 2. X.509 v3, positive serial of at most 20 octets, ecdsa-with-SHA256 inside and outside, a canonical signature;
 3. the subject is C=CN, O, organizationIdentifier, CN in this order, one value each, CN equal to O;
 4. the key is on P-256, uncompressed, without other parameters;
 5. the extensions: basic constraints CA=false, key usage critical digitalSignature and nonRepudiation,
    extended key usage id-kp-documentSigning; no critical one beside them, none twice.
The issuer's signature, validity and revocation are judged by `signing.paths` and `signing.verification`.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import ssl
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtensionOID, NameOID, ObjectIdentifier

from signing import der
from signing.errors import MalformedError, PolicyError

__all__ = [
    "DOCUMENT_SIGNING",
    "P256_ORDER",
    "UNREADABLE",
    "OrganisationCertificate",
    "certificate_id",
    "certificate_pem",
    "check_extensions",
    "check_name",
    "check_organisation",
    "issuer_name",
    "load_p256_certificate",
    "organisation_subject",
    "parse_certificate",
]

#: id-kp-documentSigning. Source: RFC 9336 section 3.1.
DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")
#: The order n of P-256. Source: FIPS 186-5 and SP 800-186 section 3.2.1.3.
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

_SUBJECT = (
    NameOID.COUNTRY_NAME,
    NameOID.ORGANIZATION_NAME,
    NameOID.ORGANIZATION_IDENTIFIER,
    NameOID.COMMON_NAME,
)
_CODE = re.compile(r"[0-9A-HJ-NP-RTUWXY]{18}")
_KEY_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=True,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
#: What `cryptography` raises on certificates it can't read.
UNREADABLE = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
_PROFILE_EXTENSIONS = frozenset(
    {ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationCertificate:
    """A sealing certificate of the profile; the fields were read from `der` and can't disagree with it.

    Attributes:
        der: the certificate, DER.
        certificate_id: SHA-256 of `der`, 32 bytes.
        organisation_code: the 18-character unified social credit code.
        organisation_name: the organisation's name, NFC.
        serial_number: positive, at most 20 octets.
        issuer: the issuer's Name, DER.
        public_key: x‖y, 64 bytes, big-endian halves.
        not_before: first moment of validity, aware UTC, whole seconds.
        not_after: last moment of validity, aware UTC, whole seconds.
        x509: the certificate as `cryptography` holds it.
        verifying_key: the public key as `cryptography` holds it.
    """

    der: bytes = field(repr=False)
    certificate_id: bytes
    organisation_code: str
    organisation_name: str
    serial_number: int
    issuer: bytes = field(repr=False)
    public_key: bytes = field(repr=False)
    not_before: datetime.datetime
    not_after: datetime.datetime
    x509: x509.Certificate = field(repr=False, compare=False)
    verifying_key: ec.EllipticCurvePublicKey = field(repr=False, compare=False)

    @property
    def pem(self) -> str:
        """The certificate as PEM text."""
        return certificate_pem(self.der)


def certificate_id(der_bytes: bytes) -> bytes:
    """Return SHA-256 of a certificate's DER, 32 bytes."""
    return hashlib.sha256(der_bytes).digest()


def certificate_pem(der_bytes: bytes) -> str:
    """Return a DER certificate as PEM text."""
    return ssl.DER_cert_to_PEM_cert(der_bytes)


def parse_certificate(
    der_bytes: bytes, *, validate_code: Callable[[str], object] | None = None
) -> OrganisationCertificate:
    """Parse an organisation's sealing certificate; the steps are those of the module's docstring.

    Args:
        der_bytes: the certificate, DER.
        validate_code: called with the organisation code, raises if its check digit is wrong; None: only the code's
            length and alphabet are checked.

    Raises:
        MalformedError: not DER, or not the structure of the profile.
        PolicyError: another curve, algorithm, key usage or kind of certificate; code `certificate_*`.
        Exception: whatever `validate_code` raises.
    """
    parsed = _parse(bytes(der_bytes))
    if validate_code is not None:
        validate_code(parsed.organisation_code)
    return parsed


@lru_cache(maxsize=4096)
def _parse(der_bytes: bytes) -> OrganisationCertificate:
    try:
        return _read(der_bytes)
    except UNREADABLE as error:  # the library reads names and extensions only when asked for them
        raise MalformedError(f"expected a readable certificate, got {error}", where="certificate") from error


def _read(der_bytes: bytes) -> OrganisationCertificate:
    certificate, key = load_p256_certificate(der_bytes)  # (1) (2) (4)
    name, code = organisation_subject(certificate)  # (3)
    check_extensions(certificate, usage=_KEY_USAGE, purpose=DOCUMENT_SIGNING)  # (5)
    return OrganisationCertificate(
        der=der_bytes,
        certificate_id=certificate_id(der_bytes),
        organisation_code=code,
        organisation_name=name,
        serial_number=certificate.serial_number,
        issuer=issuer_name(der_bytes),
        public_key=key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:],
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        x509=certificate,
        verifying_key=key,
    )


def issuer_name(der_bytes: bytes) -> bytes:
    """Return the issuer's Name (DER) of a certificate that was loaded before."""
    reader = der.Reader(der_bytes, where="certificate").enter(der.SEQUENCE, "certificate").enter(der.SEQUENCE, "tbs")
    for _ in range(3):  # version, serial number, signature algorithm
        reader.next()
    return reader.element(der.SEQUENCE, "issuer")


# Algorithm identifiers are compared as bytes, so that parameters (NULL) are noticed.
_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
_P256_KEY_ALGORITHM = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")
_VERSION_3 = bytes.fromhex("a003020102")


def load_p256_certificate(der_bytes: bytes) -> tuple[x509.Certificate, ec.EllipticCurvePublicKey]:
    """Load a certificate and check what sealing, intermediate and root certificates have in common.

    Raises:
        MalformedError: not DER, not version 3, serial number, dates or signature out of range.
        PolicyError: another curve or algorithm; code `certificate_key` or `certificate_algorithm`.
    """
    der.check_canonical(der_bytes, where="certificate")
    _check_head(der_bytes)
    try:
        certificate = x509.load_der_x509_certificate(der_bytes)
        not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except UNREADABLE as error:
        raise MalformedError(
            f"expected an X.509 certificate in DER, got other bytes: {error}", where="certificate"
        ) from error
    key = _p256_key(certificate)
    signature = der.decode_ecdsa_signature(certificate.signature)
    if not all(0 < int.from_bytes(half, "big") < P256_ORDER for half in (signature[:32], signature[32:])):
        raise MalformedError("expected r and s between 1 and n - 1, got another range", where="certificate.signature")
    if not_before > not_after:
        raise MalformedError(
            "expected not_before at or before not_after, got the reverse", where="certificate.validity"
        )
    return certificate, key


def _check_head(der_bytes: bytes) -> None:
    outer = der.Reader(der_bytes, where="certificate").enter(der.SEQUENCE, "certificate")
    tbs = outer.enter(der.SEQUENCE, "tbs")
    tbs.literal(_VERSION_3, "version")
    if not 0 < tbs.integer("serial_number") < 1 << 159:
        raise MalformedError(
            "expected a positive serial number of at most 20 octets, got another one",
            where="certificate.serial_number",
        )
    for algorithm in (tbs.element(der.SEQUENCE, "algorithm"), outer.element(der.SEQUENCE, "algorithm")):
        if algorithm != _ECDSA_SHA256:
            raise PolicyError(
                f"expected ecdsa-with-SHA256 ({_ECDSA_SHA256.hex()}), got {algorithm.hex()}",
                code="certificate_algorithm",
                where="certificate.signature_algorithm",
                actual=algorithm,
            )
    if outer.content(der.BIT_STRING, "signature")[:1] != b"\0":  # X.690 would allow one unused bit: a second spelling
        raise MalformedError("expected a signature of whole octets, got unused bits", where="certificate.signature")


def _p256_key(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise PolicyError(
            f"expected a P-256 key, got an unreadable one: {error}",
            code="certificate_key",
            where="certificate.public_key",
        ) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        actual = key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else type(key).__name__
        raise PolicyError(
            f"expected a P-256 key, got {actual}", code="certificate_key", where="certificate.public_key", actual=actual
        )
    # Compressed points and explicit curve parameters would be a second spelling of one key.
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if _P256_KEY_ALGORITHM not in spki or spki not in certificate.tbs_certificate_bytes:
        raise MalformedError(
            "expected an uncompressed point on the named curve, got another form", where="certificate.public_key"
        )
    return key


def organisation_subject(certificate: x509.Certificate) -> tuple[str, str]:
    """Return name and code of the organisation that a certificate is for.

    Raises:
        MalformedError: another subject than C=CN, O, organizationIdentifier, CN with CN equal to O.
    """
    where = "certificate.subject"
    attributes = [list(rdn) for rdn in certificate.subject.rdns]
    kinds = [rdn[0].oid if len(rdn) == 1 else None for rdn in attributes]
    if tuple(kinds) != _SUBJECT:
        raise MalformedError(
            "expected C, O, organizationIdentifier, CN with one value each, got "
            + ", ".join("a multi-valued name" if kind is None else kind._name for kind in kinds),
            code="certificate_subject",
            where=where,
        )
    country, name, code, common_name = (rdn[0].value for rdn in attributes)
    if not all(isinstance(value, str) for value in (country, name, code, common_name)):
        raise MalformedError("expected text in the subject, got bytes", code="certificate_subject", where=where)
    name, code = str(name), str(code)
    if country != "CN":
        raise MalformedError(f"expected C=CN, got {country!r}", code="certificate_subject", where=where)
    if common_name != name:
        raise MalformedError(
            f"expected CN equal to O {name!r}, got {common_name!r}",
            code="certificate_subject",
            where=where,
            expected=name,
            actual=common_name,
        )
    check_organisation(name, code, where=where)
    return name, code


def check_organisation(name: str, code: str, *, where: str) -> None:
    """Refuse a name or code that no certificate may carry; the check digit is not checked here.

    Raises:
        MalformedError: a name that is empty, padded, longer than 64 characters, not NFC or with control characters; a
            code of another length or alphabet.
    """
    check_name(name, kind="organisation", where=where)
    if not _CODE.fullmatch(code):
        raise MalformedError(
            f"expected an 18-character unified social credit code, got {code!r}",
            code="organisation_code",
            where=where,
            actual=code,
        )


def check_name(name: str, *, kind: str, where: str) -> None:
    """Refuse a name that no certificate may carry.

    Args:
        name: of an organisation or a person.
        kind: `organisation` or `person`; the code is `<kind>_name`.
        where: the place in the input.

    Raises:
        MalformedError: empty, padded, longer than 64 characters, not NFC, or with control characters.
    """
    printable = all(unicodedata.category(character)[0] != "C" for character in name)
    if not 1 <= len(name) <= 64 or name != name.strip() or not printable or not unicodedata.is_normalized("NFC", name):
        raise MalformedError(
            f"expected the name of {kind} with 1 to 64 printable NFC characters, got {name!r}",
            code=f"{kind}_name",
            where=where,
            actual=name,
        )


def check_extensions(certificate: x509.Certificate, *, usage: x509.KeyUsage, purpose: ObjectIdentifier | None) -> None:
    """Check the extensions of a certificate that is no authority.

    Args:
        certificate: loaded by `load_p256_certificate`.
        usage: the one key usage allowed, critical.
        purpose: the one extended key usage allowed; None: there must be none.

    Raises:
        MalformedError: an extension of the profile that isn't DER.
        PolicyError: another usage, a further critical extension, a CA; code `certificate_*`.
    """
    extensions = certificate.extensions
    for extension in extensions:
        if extension.critical and extension.oid not in _PROFILE_EXTENSIONS:
            raise PolicyError(
                f"expected no further critical extension, got {extension.oid.dotted_string}",
                code="certificate_extension",
                where="certificate.extensions",
                actual=extension.oid.dotted_string,
            )
    _check_usages(extensions, usage, purpose)
    # A default value spelled out, or a longer bit list, is seen when the value is encoded again.
    raw = _raw_extensions(certificate)
    for extension in extensions:
        if extension.oid in _PROFILE_EXTENSIONS and extension.value.public_bytes() != raw[extension.oid.dotted_string]:
            raise MalformedError(
                f"expected {extension.oid._name} in DER, got another form", where="certificate.extensions"
            )


def _check_usages(extensions: x509.Extensions, wanted: x509.KeyUsage, purpose: ObjectIdentifier | None) -> None:
    where = "certificate.extensions"
    try:
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = extensions.get_extension_for_class(x509.KeyUsage)
        purposes = _purposes(extensions, required=purpose is not None)
    except x509.ExtensionNotFound as error:
        raise PolicyError(
            f"expected basic constraints, key usage and extended key usage, got none with {error.oid.dotted_string}",
            code="certificate_extension",
            where=where,
            actual=error.oid.dotted_string,
        ) from error
    if constraints.ca:
        raise PolicyError("expected CA=false, got a CA certificate", code="certificate_is_ca", where=where)
    if not usage.critical or usage.value != wanted:
        raise PolicyError(
            f"expected critical key usage {_bits(wanted)} alone, got another one",
            code="certificate_key_usage",
            where=where,
        )
    if purposes != ([] if purpose is None else [purpose]):
        raise PolicyError(
            f"expected extended key usage {purpose.dotted_string if purpose else 'to be absent'}, got "
            + ", ".join(actual.dotted_string for actual in purposes),
            code="certificate_extended_key_usage",
            where=where,
        )


def _purposes(extensions: x509.Extensions, *, required: bool) -> list[ObjectIdentifier]:
    try:
        return list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        if required:
            raise
        return []


def _bits(usage: x509.KeyUsage) -> str:
    named = {
        "digitalSignature": usage.digital_signature,
        "nonRepudiation": usage.content_commitment,
        "keyAgreement": usage.key_agreement,
    }
    return " and ".join(name for name, wanted in named.items() if wanted)


def _raw_extensions(certificate: x509.Certificate) -> dict[str, bytes]:
    tbs = der.Reader(certificate.tbs_certificate_bytes, where="certificate").enter(der.SEQUENCE, "tbs")
    while tbs.peek() != 0xA3:
        tbs.next()
    values: dict[str, bytes] = {}
    extensions = tbs.enter(0xA3, "extensions").enter(der.SEQUENCE, "extensions")
    while not extensions.at_end:
        extension = extensions.enter(der.SEQUENCE, "extension")
        oid = _dotted(extension.content(der.OBJECT_IDENTIFIER, "oid"))
        if extension.peek() == der.BOOLEAN and extension.content(der.BOOLEAN, "critical") != b"\xff":
            raise extension.refuse("expected critical left out when false, got it spelled out")
        values[oid] = extension.content(der.OCTET_STRING, "value")
        der.check_canonical(values[oid], where=f"certificate.extensions.{oid}")
    return values


def _dotted(octets: bytes) -> str:
    arcs, value = [], 0
    for octet in octets:
        value = (value << 7) | (octet & 0x7F)
        if octet < 0x80:
            arcs.append(value)
            value = 0
    top = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (top, arcs[0] - 40 * top, *arcs[1:]))
