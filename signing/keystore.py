"""Where sealing keys live: in a PKCS#12 file, or in memory for tests.

A sealing key signs nothing but the 165 bytes of signed attributes, built here from a payload, a time and the
certificate's own id. No store offers to sign bytes that somebody else put together.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, PublicFormat, pkcs12

from signing import der
from signing.cades import normalise_signature, signed_attributes
from signing.certificates import OrganisationCertificate, parse_certificate
from signing.errors import MalformedError, MismatchError, NotFoundError, PolicyError, TransportError

__all__ = ["InMemoryKeyStore", "KeyStore", "Pkcs12KeyStore", "encode_pkcs12", "load_pkcs12", "require_own_key"]


class KeyStore(Protocol):
    """A sealing key and its certificate.

    Implementations MUST build the signed attributes themselves from the arguments, MUST refuse a certificate id that
    isn't their certificate's, MUST return a low s, and MUST NOT offer any other use of the key.
    """

    @property
    def certificate(self) -> OrganisationCertificate:
        """The certificate of the key."""

    def sign_attributes(self, payload: bytes, signing_time: datetime.datetime, certificate_id: bytes) -> bytes:
        """Sign the attributes over a payload.

        Args:
            payload: the sealed payload, 66 bytes beginning with 0x1901.
            signing_time: aware, whole seconds, 1950 to 2049.
            certificate_id: SHA-256 of the certificate the caller means to seal with, 32 bytes.

        Returns:
            r‖s, 64 bytes, 0 < s ≤ n/2.

        Raises:
            MalformedError: a payload or time of another form.
            MismatchError: another certificate's id.
            TransportError: the token or service could not be reached.
        """


class InMemoryKeyStore:
    """A sealing key held in this process.

    Args:
        key: the private key, P-256.
        certificate: the certificate of its public key.

    Raises:
        PolicyError: another curve.
        MismatchError: the certificate of another key.
    """

    __slots__ = ("_certificate", "_key")

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: OrganisationCertificate) -> None:
        require_own_key(key, certificate.public_key)
        self._key = key
        self._certificate = certificate

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._certificate.organisation_code})"

    @property
    def certificate(self) -> OrganisationCertificate:
        """The certificate of the key."""
        return self._certificate

    def sign_attributes(self, payload: bytes, signing_time: datetime.datetime, certificate_id: bytes) -> bytes:
        """Sign the attributes over a payload; see `KeyStore.sign_attributes`."""
        if certificate_id != self._certificate.certificate_id:
            raise MismatchError(
                f"expected certificate id {self._certificate.certificate_id.hex()}, got {certificate_id.hex()}",
                where="certificate_id",
                expected=self._certificate.certificate_id,
                actual=certificate_id,
            )
        attributes = signed_attributes(payload, signing_time, certificate_id)
        # RFC 6979: no signature depends on the quality of this machine's randomness.
        signature = self._key.sign(attributes, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        return normalise_signature(der.decode_ecdsa_signature(signature))


class Pkcs12KeyStore(InMemoryKeyStore):
    """A sealing key read from a PKCS#12 file.

    Args:
        path: the .p12 file, with one key and its certificate.
        passphrase: of the file; kept nowhere, named in no message.

    Raises:
        NotFoundError: no such file.
        TransportError: the file can't be read.
        MismatchError: a wrong passphrase, or a damaged file.
        MalformedError: no key or no certificate in it, or a certificate outside the profile.
        PolicyError: another curve or kind of certificate.
    """

    __slots__ = ()

    def __init__(self, path: Path, passphrase: str) -> None:
        key, certificate = load_pkcs12(path, passphrase)
        super().__init__(key, parse_certificate(certificate))


def require_own_key(key: ec.EllipticCurvePrivateKey, public_key: bytes) -> None:
    """Refuse a key that is not P-256, or not the one of a certificate.

    Args:
        key: the private key.
        public_key: of the certificate: x‖y, 64 bytes.

    Raises:
        PolicyError: another curve.
        MismatchError: the certificate of another key.
    """
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise PolicyError("expected a P-256 key, got another kind", code="key_curve", where="key")
    if key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:] != public_key:
        raise MismatchError("expected the certificate of this key, got another one's", where="certificate")


def load_pkcs12(path: Path, passphrase: str) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    """Read key and certificate (DER) from a PKCS#12 file; what the certificate is for isn't checked.

    Raises:
        NotFoundError: no such file.
        TransportError: the file can't be read.
        MismatchError: a wrong passphrase, or a damaged file.
        MalformedError: no key or no certificate in it.
        PolicyError: not a P-256 key.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"expected a key file, got none at {path}", where=str(path)) from error
    except OSError as error:
        raise TransportError(f"expected a readable key file, got {error.strerror}", where=str(path)) from error
    try:
        key, certificate, _ = pkcs12.load_key_and_certificates(content, passphrase.encode("utf-8"))
    except (ValueError, TypeError):
        # `from None`: the library's error and its frame add nothing, and the frame holds the passphrase.
        raise MismatchError(
            "expected the passphrase of this PKCS#12 file, got another one (or the file is damaged)",
            code="passphrase",
            where=str(path),
        ) from None
    if key is None or certificate is None:
        raise MalformedError("expected one key with its certificate, got a file without", where=str(path))
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise PolicyError("expected a P-256 key, got another kind", code="key_curve", where=str(path))
    return key, certificate.public_bytes(Encoding.DER)


def encode_pkcs12(
    key: ec.EllipticCurvePrivateKey, certificate: bytes, *, passphrase: str, name: str, kdf_rounds: int = 100_000
) -> bytes:
    """Make a PKCS#12 file's bytes: PBES2 with AES-256-CBC, HMAC-SHA-256.

    Args:
        key: the private key.
        certificate: of the key, DER.
        passphrase: not empty.
        name: the friendly name shown by other programs.
        kdf_rounds: PBKDF2 iterations.

    Raises:
        PolicyError: an empty passphrase.
    """
    if not passphrase:
        raise PolicyError("expected a passphrase, got an empty one", code="passphrase", where="passphrase")
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(kdf_rounds)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(passphrase.encode("utf-8"))
    )
    loaded = x509.load_der_x509_certificate(certificate)
    return pkcs12.serialize_key_and_certificates(name.encode("utf-8"), key, loaded, None, encryption)
