"""Personal certificates and the one message their keys sign: the sign-in of docs/formats.md section 13."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

__all__ = ["PersonalCertificate", "PersonalKey", "sign_in_message"]


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


def sign_in_message(origin: str, server_nonce: bytes, client_nonce: bytes) -> bytes:
    """The bytes a personal key signs: `yunshang-signin/v1` ‖ 0x00 ‖ origin ‖ server nonce ‖ client nonce."""
    raise NotImplementedError
