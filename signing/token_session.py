"""A token at work: logged in, drawing keys inside it and storing their certificates.

The PIN comes from a callable, is handed to the token and kept nowhere: no attribute, local variable, log line or error
of this package ever holds it. A private key is drawn in the token and can't be read out of it; what a key may sign is
up to `signing.pkcs11`.

Source: PKCS #11 Cryptographic Token Interface 2.40 and 3.1 (OASIS).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signing import der
from signing.certificates import certificate_id, load_p256_certificate
from signing.errors import MismatchError, NotFoundError, PolicyError, SigningError, TransportError
from signing.tokens import TokenInfo, find_token, pin_refused, token_errors, token_info

if TYPE_CHECKING:
    from pkcs11 import Attribute, Mechanism, Object, Session, Token

__all__ = ["AskPin", "TokenKey", "TokenSession"]

AskPin = Callable[[TokenInfo], str]
"""Asks for the PIN of a token, each time it is needed; what it gives is never kept."""

_P256_PARAMETERS: Final = bytes.fromhex("06082a8648ce3d030107")
_POINT_BYTES: Final = 65


class _SigningKey(Protocol):
    """What the library makes of a private key that signs; its own classes come together at run time only."""

    def __getitem__(self, key: Attribute) -> object: ...

    def sign(self, data: bytes, *, mechanism: Mechanism, pin: object = None) -> bytes: ...


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key in the token: its CKA_ID, its public half, and the certificate (DER) stored for it, if any."""

    key_id: bytes
    public_key: ec.EllipticCurvePublicKey
    certificate: bytes | None = None


class TokenSession:
    """A token, logged in; a context manager that logs out.

    Args:
        module: the maker's PKCS#11 library.
        label: the token's; None: it is found by its serial number.
        pin: asks for the user PIN; not called where the reader has a PIN pad, nor for a token that is locked.
        serial: its serial number, where two have one label.
        writable: to draw keys and store certificates.

    Raises:
        NotFoundError: no such module or token.
        PolicyError: several tokens of the label, a wrong PIN, a locked token; code `token_ambiguous`, `pin_*`.
        TransportError: the token can't be used.
    """

    __slots__ = ("_ask_pin", "_session", "info")

    def __init__(
        self, module: Path, label: str | None, *, pin: AskPin, serial: str | None = None, writable: bool = False
    ) -> None:
        with token_errors("be found"):
            token = find_token(module, label, serial)
            self.info = token_info(token)
        if self.info.pin_state in ("locked", "unset"):
            raise pin_refused("PinLocked" if self.info.pin_state == "locked" else "UserPinNotInitialized")
        self._ask_pin = pin
        with token_errors("take the PIN"):
            self._session: Session = self._open(token, writable)

    def _open(self, token: Token, writable: bool) -> Session:
        from pkcs11.exceptions import UserAlreadyLoggedIn

        try:
            return token.open(rw=writable, user_pin=self._pin())
        except UserAlreadyLoggedIn:
            # This process has the token open already, to sign in for example: PKCS#11 logs in processes, not sessions.
            return token.open(rw=writable)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.info.label!r}, serial={self.info.serial!r})"

    def __enter__(self) -> TokenSession:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Log out; a token that is gone has done so by itself."""
        from pkcs11.exceptions import PKCS11Error

        try:
            self._session.close()
        except PKCS11Error:
            return

    def _pin(self) -> str | object:
        from pkcs11.types import PROTECTED_AUTH

        if self.info.pin_pad:
            return PROTECTED_AUTH
        # An empty PIN can't be right, and would cost a try.
        return self._ask_pin(self.info) or _no_pin()

    def list_keys(self) -> tuple[TokenKey, ...]:
        """The P-256 keys in the token, each with its certificate where one is stored.

        Raises:
            MismatchError: a certificate stored under the CKA_ID of another key.
            TransportError: the token can't be used.
        """
        from pkcs11 import Attribute, KeyType, ObjectClass

        with token_errors("list its keys"):
            certificates = self._certificates()
            found = self._session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.KEY_TYPE: KeyType.EC})
            points = {bytes(item[Attribute.ID]): bytes(item[Attribute.EC_POINT]) for item in found if _is_p256(item)}
        keys: dict[bytes, TokenKey] = {}
        for key_id, point in points.items():
            public = _public_key(point)
            stored = certificates.get(key_id)
            if stored is not None and _raw(load_p256_certificate(stored)[1]) != _raw(public):
                raise MismatchError(
                    f"expected the certificate of key {key_id.hex()}, got another key's stored by its id",
                    code="token_certificate",
                    where="token",
                )
            keys[key_id] = TokenKey(key_id, public, stored)
        # Some makers store no public key beside a certificate.
        for key_id, stored in certificates.items():
            if key_id not in keys and self._private_keys(key_id):
                keys[key_id] = TokenKey(key_id, load_p256_certificate(stored)[1], stored)
        return tuple(keys[key_id] for key_id in sorted(keys))

    def generate(self, label: str) -> TokenKey:
        """Draw a P-256 key in the token, which signs, can't be read out and does nothing else.

        Args:
            label: shown by other programs.

        Raises:
            PolicyError: the token made a key that could be read out.
            TransportError: the token can't draw P-256 keys, or can't be used.
        """
        from pkcs11 import Attribute, KeyType, MechanismFlag

        private_template = {
            Attribute.PRIVATE: True,
            Attribute.SENSITIVE: True,
            Attribute.EXTRACTABLE: False,
            Attribute.DERIVE: False,
        }
        with token_errors("draw a P-256 key"):
            parameters = self._session.create_domain_parameters(
                KeyType.EC, {Attribute.EC_PARAMS: _P256_PARAMETERS}, local=True
            )
            public, private = parameters.generate_keypair(
                store=True,
                label=label,
                capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
                public_template={Attribute.PRIVATE: False, Attribute.DERIVE: False},
                private_template=private_template,
            )
            key = _public_key(bytes(public[Attribute.EC_POINT]))
            key_id = hashlib.sha256(_raw(key)).digest()[:20]
            public[Attribute.ID] = key_id
            private[Attribute.ID] = key_id
            kept_inside = private[Attribute.SENSITIVE] and not private[Attribute.EXTRACTABLE]
        if not kept_inside:
            with token_errors("forget a key"):
                private.destroy()
                public.destroy()
            raise PolicyError("expected a key that can't be read out, got another", code="key_readable", where="token")
        return TokenKey(key_id, key)

    def store_certificate(self, certificate: bytes, *, label: str) -> TokenKey:
        """Store the certificate of a key that is in the token; storing it again changes nothing.

        Args:
            certificate: DER; what it is for is the caller's to check.
            label: shown by other programs.

        Raises:
            MalformedError: not a P-256 certificate.
            NotFoundError: the token doesn't have its key.
            PolicyError: the key has another certificate: a key has one purpose.
            TransportError: the token can't be used.
        """
        from pkcs11 import Attribute
        from pkcs11.util.x509 import decode_x509_certificate

        point = _raw(load_p256_certificate(certificate)[1])
        key = next((key for key in self.list_keys() if _raw(key.public_key) == point), None)
        if key is None or not self._private_keys(key.key_id):
            raise NotFoundError(
                "expected the certificate of a key in this token, got another's",
                code="token_key_missing",
                where="certificate",
            )
        if key.certificate == certificate:
            return key
        if key.certificate is not None:
            raise PolicyError(
                f"expected a key without a certificate, got one with {certificate_id(key.certificate).hex()}",
                code="key_certified",
                where="certificate",
            )
        attributes = decode_x509_certificate(certificate)
        attributes |= {Attribute.TOKEN: True, Attribute.PRIVATE: False, Attribute.LABEL: label}
        with token_errors("store a certificate"):
            self._session.create_object(attributes | {Attribute.ID: key.key_id})
        return TokenKey(key.key_id, key.public_key, certificate)

    def _private_keys(self, key_id: bytes) -> list[_SigningKey]:
        from pkcs11 import Attribute, KeyType, ObjectClass

        template = {
            Attribute.CLASS: ObjectClass.PRIVATE_KEY,
            Attribute.KEY_TYPE: KeyType.EC,
            Attribute.ID: key_id,
        }
        with token_errors("find a key"):
            return cast("list[_SigningKey]", list(self._session.get_objects(template)))

    def sign(self, key: TokenKey, digest: bytes) -> bytes:
        """Sign a digest with CKM_ECDSA, for `signing.pkcs11` alone, which builds what is signed.

        Args:
            key: in this token.
            digest: SHA-256 of the message, 32 bytes.

        Returns:
            r‖s, 64 bytes, s high or low.

        Raises:
            NotFoundError: the token has the certificate but not its key.
            PolicyError: a key that asks for the PIN each time, and a wrong PIN.
            TransportError: the token was removed or failed.
        """
        from pkcs11 import Attribute, Mechanism

        found = self._private_keys(key.key_id)
        if len(found) != 1:
            raise self._missing(key, len(found))
        with token_errors("sign"):
            if found[0][Attribute.ALWAYS_AUTHENTICATE]:
                return found[0].sign(digest, mechanism=Mechanism.ECDSA, pin=self._pin())
            return found[0].sign(digest, mechanism=Mechanism.ECDSA)

    def _missing(self, key: TokenKey, count: int) -> SigningError:
        with token_errors("list its objects"):
            is_empty = not list(self._session.get_objects({}))
        if is_empty:  # as a token in software looks after it was removed
            return TransportError("expected the token, got an empty one: was it removed?", code="token_removed")
        return NotFoundError(
            f"expected one private key {key.key_id.hex()}, got {count}", code="token_key_missing", where="token"
        )

    def _certificates(self) -> dict[bytes, bytes]:
        from pkcs11 import Attribute, CertificateType, ObjectClass

        template = {Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.CERTIFICATE_TYPE: CertificateType.X_509}
        found = [
            (bytes(item[Attribute.ID]), bytes(item[Attribute.VALUE])) for item in self._session.get_objects(template)
        ]
        return {key_id: stored for key_id, stored in found if _is_readable(stored)}


def _no_pin() -> str:
    raise PolicyError("expected the token's PIN, got an empty one", code="pin_incorrect", where="token")


def _is_readable(certificate: bytes) -> bool:
    try:
        load_p256_certificate(certificate)
    except SigningError:  # a certificate of another algorithm, for something else
        return False
    return True


def _is_p256(item: Object) -> bool:
    from pkcs11 import Attribute

    return bytes(item[Attribute.EC_PARAMS]) == _P256_PARAMETERS


def _public_key(point: bytes) -> ec.EllipticCurvePublicKey:
    # By the standard an OCTET STRING around the point; some makers leave it out.
    raw = point if len(point) == _POINT_BYTES else der.Reader(point, where="token").content(der.OCTET_STRING, "point")
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)


def _raw(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
