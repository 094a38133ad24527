"""What keys in tokens and HSMs sign: seals, sign-ins and requests for their own certificates, nothing else.

Each message is built here from its parts and digested here; the token gets the digest with CKM_ECDSA. No class offers
to sign bytes that somebody else put together, and a key does what its one certificate is for: the purpose of a sealing
key is never signing in. What the token gives back is verified before it is used.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from signing import der
from signing.cades import check_signature_form, normalise_signature, signed_attributes
from signing.certificates import OrganisationCertificate, parse_certificate
from signing.errors import MismatchError, NotFoundError, PolicyError, SigningError, TransportError
from signing.personal import PersonalCertificate, parse_personal_certificate, sign_in_message
from signing.requests import build_request
from signing.token_session import TokenKey, TokenSession

__all__ = ["Pkcs11KeyStore", "Pkcs11PersonalKey", "request_certificate"]

_Certificate = TypeVar("_Certificate", OrganisationCertificate, PersonalCertificate)


class Pkcs11KeyStore:
    """A sealing key in a token; see `signing.keystore.KeyStore`.

    Args:
        session: the token, logged in; whoever opened it closes it.
        certificate_id: which one to seal with, 32 bytes; None: the only one.

    Raises:
        NotFoundError: no sealing certificate in the token; code `token_certificate_missing`.
        PolicyError: several, and none named; code `token_certificate_ambiguous`.
        TransportError: the token can't be used.
    """

    __slots__ = ("_certificate", "_key", "_session")

    def __init__(self, session: TokenSession, certificate_id: bytes | None = None) -> None:
        self._session = session
        self._key, self._certificate = _choose(session, parse_certificate, certificate_id, what="sealing")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._session.info.label!r}, {self._certificate.organisation_code})"

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
        return _sign(self._session, self._key, signed_attributes(payload, signing_time, certificate_id))


class Pkcs11PersonalKey:
    """A personal key in a token; see `signing.personal.PersonalKey`.

    Args:
        session: the token, logged in; whoever opened it closes it.
        certificate_id: which one to sign in with, 32 bytes; None: the only one.

    Raises:
        NotFoundError: no personal certificate in the token; code `token_certificate_missing`.
        PolicyError: several, and none named; code `token_certificate_ambiguous`.
        TransportError: the token can't be used.
    """

    __slots__ = ("_certificate", "_key", "_session")

    def __init__(self, session: TokenSession, certificate_id: bytes | None = None) -> None:
        self._session = session
        self._key, self._certificate = _choose(session, parse_personal_certificate, certificate_id, what="personal")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._session.info.label!r}, {self._certificate.certificate_id.hex()})"

    @property
    def certificate(self) -> PersonalCertificate:
        """The certificate of the key."""
        return self._certificate

    def sign_challenge(self, origin: str, server_nonce: bytes, client_nonce: bytes) -> bytes:
        """Sign a sign-in; see `PersonalKey.sign_challenge`."""
        return _sign(self._session, self._key, sign_in_message(origin, server_nonce, client_nonce))


def request_certificate(session: TokenSession, key: TokenKey, subject: x509.Name) -> bytes:
    """Make the request for a key's certificate, DER.

    Args:
        session: the token, logged in.
        key: in the token, without a certificate.
        subject: see `signing.requests`.

    Raises:
        PolicyError: the key has a certificate: it signs what that is for, and no requests any more.
        TransportError: the token can't be used.
    """
    if key.certificate is not None:
        raise PolicyError(
            "expected a key without a certificate, got one that has one: draw a new key",
            code="key_certified",
            where="token",
        )
    return build_request(subject, key.public_key, lambda information: _sign(session, key, information))


def _choose(
    session: TokenSession, parse: Callable[[bytes], _Certificate], certificate_id: bytes | None, *, what: str
) -> tuple[TokenKey, _Certificate]:
    found = []
    for key in session.list_keys():
        if key.certificate is None:
            continue
        try:
            parsed = parse(key.certificate)
        except SigningError:  # for another purpose
            continue
        if certificate_id in (None, parsed.certificate_id):
            found.append((key, parsed))
    label = session.info.label
    if not found:
        raise NotFoundError(
            f"expected a {what} certificate with its key in the token, got none: request and import one",
            code="token_certificate_missing",
            where=label,
        )
    if len(found) > 1:
        ids = ", ".join(parsed.certificate_id.hex() for _, parsed in found)
        raise PolicyError(
            f"expected one {what} certificate in the token, got {len(found)} ({ids}): name one",
            code="token_certificate_ambiguous",
            where=label,
            actual=ids,
        )
    return found[0]


def _sign(session: TokenSession, key: TokenKey, message: bytes) -> bytes:
    """Sign a message with the token; r‖s, 64 bytes, low s, verified.

    Raises:
        TransportError: the token failed, or gave what isn't a signature of the key.
    """
    signature = session.sign(key, hashlib.sha256(message).digest())
    try:
        low = normalise_signature(signature)
        check_signature_form(low)
        key.public_key.verify(der.encode_ecdsa_signature(low), message, ec.ECDSA(hashes.SHA256()))
    except (SigningError, OverflowError, InvalidSignature) as error:
        raise TransportError(
            "expected the signature of the certificate's key, got something else from the token",
            code="token_signature",
            where=session.info.label,
        ) from error
    return low
