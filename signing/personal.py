"""Personal certificates and the one message their keys sign: the sign-in of docs/formats.md section 13.

What is checked when a personal certificate is parsed:
 1. what all certificates here have in common: DER, X.509 v3, P-256, ecdsa-with-SHA256 (`load_p256_certificate`);
 2. the subject is C=CN, O, organizationIdentifier, CN for somebody of an organisation, or C=CN, CN for a private
    person, in this order, one value each; CN is the person's name;
 3. the extensions: CA=false, critical key usage digitalSignature alone, extended key usage clientAuth alone, no
    further critical one. A certificate for sealing is told apart by its code, `certificate_for_sealing`.
The issuer's signature, validity and revocation are judged by `signing.paths` and by the server.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from signing import der
from signing.cades import normalise_signature
from signing.certificates import (
    DOCUMENT_SIGNING,
    P256_ORDER,
    UNREADABLE,
    certificate_id,
    certificate_pem,
    check_extensions,
    check_name,
    check_organisation,
    issuer_name,
    load_p256_certificate,
)
from signing.errors import MalformedError, MismatchError, PolicyError
from signing.keystore import load_pkcs12, require_own_key

__all__ = [
    "CLIENT_AUTH",
    "NONCE_BYTES",
    "SIGN_IN_PREFIX",
    "InMemoryPersonalKey",
    "PersonalCertificate",
    "PersonalKey",
    "Pkcs12PersonalKey",
    "check_origin",
    "origin_of_url",
    "parse_personal_certificate",
    "sign_in_message",
    "verify_sign_in",
]

#: id-kp-clientAuth. Source: RFC 5280 section 4.2.1.12.
CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
#: Begins every signed sign-in; neither DER (0x30, 0x31) nor a sealed payload (0x19) can begin like it.
SIGN_IN_PREFIX = b"yunshang-signin/v1\x00"
#: Length of both nonces.
NONCE_BYTES = 32

_MAX_ORIGIN = 255
_ORIGIN = re.compile(r"(https?)://([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_OF_ORGANISATION = (
    NameOID.COUNTRY_NAME,
    NameOID.ORGANIZATION_NAME,
    NameOID.ORGANIZATION_IDENTIFIER,
    NameOID.COMMON_NAME,
)
_PRIVATE = (NameOID.COUNTRY_NAME, NameOID.COMMON_NAME)
_KEY_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalCertificate:
    """A personal certificate of the profile; the fields were read from `der` and can't disagree with it.

    Attributes:
        der: the certificate, DER.
        certificate_id: SHA-256 of `der`, 32 bytes.
        name: the person's name (CN), NFC.
        organisation_code: of the organisation they belong to, 18 characters; None: a private person.
        organisation_name: its name, NFC; None: a private person.
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
    name: str
    organisation_code: str | None
    organisation_name: str | None
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


class PersonalKey(Protocol):
    """A personal key and its certificate, for signing in.

    Implementations MUST build the message themselves by `sign_in_message` from the arguments, and MUST NOT offer any
    other use of the key: bytes that a server chose freely could be the attributes of a seal.
    """

    @property
    def certificate(self) -> PersonalCertificate:
        """The certificate of the key."""

    def sign_challenge(self, origin: str, server_nonce: bytes, client_nonce: bytes) -> bytes:
        """Sign a sign-in.

        Args:
            origin: of the server as the client knows it, such as `https://archive.example`.
            server_nonce: drawn by the server, 32 bytes.
            client_nonce: drawn by the client for this sign-in, 32 bytes.

        Returns:
            r‖s of ECDSA P-256 with SHA-256, 64 bytes, 0 < s ≤ n/2.

        Raises:
            MalformedError: an origin or nonce of another form.
            TransportError: the token could not be reached.
        """


class InMemoryPersonalKey:
    """A personal key held in this process.

    Args:
        key: the private key, P-256.
        certificate: the certificate of its public key.

    Raises:
        PolicyError: another curve.
        MismatchError: the certificate of another key.
    """

    __slots__ = ("_certificate", "_key")

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: PersonalCertificate) -> None:
        require_own_key(key, certificate.public_key)
        self._key = key
        self._certificate = certificate

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._certificate.certificate_id.hex()})"

    @property
    def certificate(self) -> PersonalCertificate:
        """The certificate of the key."""
        return self._certificate

    def sign_challenge(self, origin: str, server_nonce: bytes, client_nonce: bytes) -> bytes:
        """Sign a sign-in; see `PersonalKey.sign_challenge`."""
        message = sign_in_message(origin, server_nonce, client_nonce)
        signature = self._key.sign(message, ec.ECDSA(hashes.SHA256()))
        return normalise_signature(der.decode_ecdsa_signature(signature))


class Pkcs12PersonalKey(InMemoryPersonalKey):
    """A personal key read from a PKCS#12 file.

    Args:
        path: the .p12 file, with one key and its certificate.
        passphrase: of the file; kept nowhere, named in no message.

    Raises:
        NotFoundError: no such file.
        TransportError: the file can't be read.
        MismatchError: a wrong passphrase, or a damaged file.
        MalformedError: no key or no certificate in it, or a certificate outside the profile.
        PolicyError: another curve, or a certificate for something else, such as sealing.
    """

    __slots__ = ()

    def __init__(self, path: Path, passphrase: str) -> None:
        key, certificate = load_pkcs12(path, passphrase)
        super().__init__(key, parse_personal_certificate(certificate))


def check_origin(origin: str) -> str:
    """Check an origin's form: scheme, host in lower case, port unless it is the scheme's own.

    Returns:
        The same text.

    Raises:
        MalformedError: anything else. Source: RFC 6454 section 6.2.
    """
    match = _ORIGIN.fullmatch(origin) if len(origin) <= _MAX_ORIGIN else None
    if match is None or match[3] == _DEFAULT_PORTS[match[1]] or int(match[3] or 1) > 65_535 or ".." in origin:
        raise MalformedError(
            f"expected an origin such as https://archive.example or http://127.0.0.1:8460, got {origin[:300]!r}",
            code="origin",
            where="origin",
        )
    return origin


def origin_of_url(url: str) -> str:
    """The origin of a URL.

    Raises:
        MalformedError: it has none.
    """
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None or str(parts.port) == _DEFAULT_PORTS.get(parts.scheme) else f":{parts.port}"
    except ValueError:
        return check_origin(url)
    host = (parts.hostname or "").lower()
    return check_origin(f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}")


def sign_in_message(origin: str, server_nonce: bytes, client_nonce: bytes) -> bytes:
    """The bytes a personal key signs: `yunshang-signin/v1` ‖ 0x00 ‖ origin ‖ server nonce ‖ client nonce.

    The nonces have fixed lengths, so the origin is what lies between the prefix and the last 64 bytes.

    Args:
        origin: of the server, ASCII, see `check_origin`.
        server_nonce: 32 bytes.
        client_nonce: 32 bytes.

    Raises:
        MalformedError: an origin or nonce of another form.
    """
    for name, nonce in (("server_nonce", server_nonce), ("client_nonce", client_nonce)):
        if len(nonce) != NONCE_BYTES:
            raise MalformedError(f"expected {NONCE_BYTES} bytes, got {len(nonce)}", where=name)
    return SIGN_IN_PREFIX + check_origin(origin).encode("ascii") + server_nonce + client_nonce


def verify_sign_in(
    certificate: PersonalCertificate, signature: bytes, *, origin: str, server_nonce: bytes, client_nonce: bytes
) -> None:
    """Check a signature over the sign-in message; either s is taken, since a nonce is used once whichever it is.

    Raises:
        MalformedError: an origin or nonce of another form, or not 64 bytes r‖s in range.
        MismatchError: another key's signature, or one over another message; code `sign_in_signature`.
    """
    message = sign_in_message(origin, server_nonce, client_nonce)
    halves = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    if len(signature) != 64 or not all(0 < half < P256_ORDER for half in halves):
        raise MalformedError("expected r and s, 32 bytes each, between 1 and n - 1", where="signature")
    try:
        certificate.verifying_key.verify(der.encode_ecdsa_signature(signature), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise MismatchError(
            "expected the signature of this certificate's key over the sign-in, got another",
            code="sign_in_signature",
            where="signature",
        ) from error


def parse_personal_certificate(
    der_bytes: bytes, *, validate_code: Callable[[str], object] | None = None
) -> PersonalCertificate:
    """Parse a personal certificate; the steps are those of the module's docstring.

    Args:
        der_bytes: the certificate, DER.
        validate_code: called with the organisation code, if there is one; raises if its check digit is wrong.

    Raises:
        MalformedError: not DER, or not the structure of the profile.
        PolicyError: another curve, algorithm, key usage or kind of certificate; code `certificate_*`.
        Exception: whatever `validate_code` raises.
    """
    parsed = _parse(bytes(der_bytes))
    if validate_code is not None and parsed.organisation_code is not None:
        validate_code(parsed.organisation_code)
    return parsed


@lru_cache(maxsize=4096)
def _parse(der_bytes: bytes) -> PersonalCertificate:
    try:
        return _read(der_bytes)
    except UNREADABLE as error:  # the library reads names and extensions only when asked for them
        raise MalformedError(f"expected a readable certificate, got {error}", where="certificate") from error


def _read(der_bytes: bytes) -> PersonalCertificate:
    certificate, key = load_p256_certificate(der_bytes)  # (1)
    _refuse_sealing(certificate)
    name, organisation_name, organisation_code = _subject(certificate)  # (2)
    check_extensions(certificate, usage=_KEY_USAGE, purpose=CLIENT_AUTH)  # (3)
    return PersonalCertificate(
        der=der_bytes,
        certificate_id=certificate_id(der_bytes),
        name=name,
        organisation_code=organisation_code,
        organisation_name=organisation_name,
        serial_number=certificate.serial_number,
        issuer=issuer_name(der_bytes),
        public_key=key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:],
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        x509=certificate,
        verifying_key=key,
    )


def _refuse_sealing(certificate: x509.Certificate) -> None:
    """Say clearly what the likeliest mistake is: a seal's certificate in place of the person's own."""
    try:
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if DOCUMENT_SIGNING in purposes:
        raise PolicyError(
            "expected a personal certificate, got one for sealing: seals never sign in",
            code="certificate_for_sealing",
            where="certificate.extensions",
        )


def _subject(certificate: x509.Certificate) -> tuple[str, str | None, str | None]:
    where = "certificate.subject"
    rdns = [list(rdn) for rdn in certificate.subject.rdns]
    kinds = tuple(rdn[0].oid if len(rdn) == 1 else None for rdn in rdns)
    values = [rdn[0].value for rdn in rdns]
    if kinds not in (_OF_ORGANISATION, _PRIVATE) or not all(isinstance(value, str) for value in values):
        raise MalformedError(
            "expected C, O, organizationIdentifier, CN or C, CN with one text each, got another subject",
            code="certificate_subject",
            where=where,
        )
    country, *organisation, name = (str(value) for value in values)
    if country != "CN":
        raise MalformedError(f"expected C=CN, got {country!r}", code="certificate_subject", where=where)
    check_name(name, kind="person", where=where)
    if not organisation:
        return name, None, None
    check_organisation(organisation[0], organisation[1], where=where)
    return name, organisation[0], organisation[1]
