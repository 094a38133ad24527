"""Organisations' encryption certificates and keys: they receive wrapped data keys, and do nothing else.

What is checked when an encryption certificate is parsed:
 1. what all certificates here have in common: DER, X.509 v3, P-256, ecdsa-with-SHA256 (`load_p256_certificate`);
 2. the subject is that of a sealing certificate: C=CN, O, organizationIdentifier, CN;
 3. the extensions: CA=false, critical key usage keyAgreement alone, no extended key usage, no further critical one.

A wrap is HPKE, base mode: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. Source: docs/encryption.md section 4;
RFC 9180.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signing.certificates import (
    UNREADABLE,
    certificate_id,
    certificate_pem,
    check_extensions,
    issuer_name,
    load_p256_certificate,
    organisation_subject,
)
from signing.errors import MalformedError, MismatchError
from signing.keystore import load_pkcs12, require_own_key

__all__ = [
    "KEY_AGREEMENT",
    "WRAP_BYTES",
    "EncryptionCertificate",
    "EncryptionKey",
    "InMemoryEncryptionKey",
    "Pkcs12EncryptionKey",
    "parse_encryption_certificate",
    "wrap",
]

WRAP_BYTES: Final = 113
"""65 bytes of the encapsulated key, 32 of the data key, 16 of the tag."""
_SUITE: Final = hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_SECRET_BYTES: Final = 32
KEY_AGREEMENT: Final = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=True,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptionCertificate:
    """An organisation's encryption certificate; the fields were read from `der` and can't disagree with it.

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
        agreement_key: the public key as `cryptography` holds it.
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
    agreement_key: ec.EllipticCurvePublicKey = field(repr=False, compare=False)

    @property
    def pem(self) -> str:
        """The certificate as PEM text."""
        return certificate_pem(self.der)


def parse_encryption_certificate(
    der_bytes: bytes, *, validate_code: Callable[[str], object] | None = None
) -> EncryptionCertificate:
    """Parse an encryption certificate; the steps are those of the module's docstring.

    Args:
        der_bytes: the certificate, DER.
        validate_code: called with the organisation code, raises if its check digit is wrong; None: not checked.

    Raises:
        MalformedError: bytes, subject or key of another form.
        PolicyError: another algorithm, usage, or a further critical extension.
    """
    parsed = _parse(bytes(der_bytes))
    if validate_code is not None:
        validate_code(parsed.organisation_code)
    return parsed


@lru_cache(maxsize=1024)
def _parse(der_bytes: bytes) -> EncryptionCertificate:
    try:
        certificate, key = load_p256_certificate(der_bytes)  # (1)
        name, code = organisation_subject(certificate)  # (2)
        check_extensions(certificate, usage=KEY_AGREEMENT, purpose=None)  # (3)
        return EncryptionCertificate(
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
            agreement_key=key,
        )
    except UNREADABLE as error:
        raise MalformedError(f"expected a readable certificate, got {error}", where="certificate") from error


def wrap(secret: bytes, commitment: bytes, certificate: EncryptionCertificate) -> bytes:
    """Wrap a data key for an organisation.

    Args:
        secret: the data key, 32 bytes.
        commitment: its key commitment, 32 bytes.
        certificate: of the recipient; that it is theirs, and valid, is the caller's to check.

    Returns:
        113 bytes.
    """
    if len(secret) != _SECRET_BYTES:
        raise MalformedError(f"expected a data key of {_SECRET_BYTES} bytes, got {len(secret)}", where="data_key")
    return _SUITE.encrypt(secret, certificate.agreement_key, _info(certificate.certificate_id, commitment))


def _info(certificate: bytes, commitment: bytes) -> bytes:
    for name, value in (("certificate_id", certificate), ("key_commitment", commitment)):
        if len(value) != _SECRET_BYTES:
            raise MalformedError(f"expected {_SECRET_BYTES} bytes, got {len(value)}", where=name)
    return b"yunshang-wrap/v1\x00" + certificate + commitment


class EncryptionKey(Protocol):
    """An organisation's encryption key and its certificate.

    Implementations MUST build HPKE's info themselves from the arguments and their own certificate, and MUST NOT offer
    any other use of the key.
    """

    @property
    def certificate(self) -> EncryptionCertificate:
        """The certificate of the key."""

    def unwrap(self, sealed: bytes, commitment: bytes) -> bytes:
        """Open a wrap; that the data key has the commitment is the caller's to check.

        Args:
            sealed: 113 bytes.
            commitment: of the data key that is expected, 32 bytes.

        Returns:
            The data key, 32 bytes.

        Raises:
            MalformedError: of another length.
            MismatchError: `wrap`: for another key, another document, or altered.
        """


class InMemoryEncryptionKey:
    """An encryption key held in this process.

    Args:
        key: the private key, P-256.
        certificate: the certificate of its public key.

    Raises:
        PolicyError: another curve.
        MismatchError: the certificate of another key.
    """

    __slots__ = ("_certificate", "_key")

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: EncryptionCertificate) -> None:
        require_own_key(key, certificate.public_key)
        self._key = key
        self._certificate = certificate

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._certificate.organisation_code})"

    @property
    def certificate(self) -> EncryptionCertificate:
        """The certificate of the key."""
        return self._certificate

    def unwrap(self, sealed: bytes, commitment: bytes) -> bytes:
        """Open a wrap; see `EncryptionKey.unwrap`."""
        if len(sealed) != WRAP_BYTES:
            raise MalformedError(f"expected a wrap of {WRAP_BYTES} bytes, got {len(sealed)}", where="wrap")
        try:
            return _SUITE.decrypt(sealed, self._key, _info(self._certificate.certificate_id, commitment))
        except (InvalidTag, ValueError) as error:
            raise MismatchError(
                "expected a wrap for this key and document, got another one or an altered one",
                code="wrap",
                where="wrap",
            ) from error


class Pkcs12EncryptionKey(InMemoryEncryptionKey):
    """An encryption key read from a PKCS#12 file.

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
        super().__init__(key, parse_encryption_certificate(certificate))
