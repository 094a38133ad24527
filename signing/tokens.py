"""Tokens and HSMs by PKCS#11: which there are, finding one, and their errors turned into ours.

Source: PKCS #11 Cryptographic Token Interface 2.40 and 3.1 (OASIS).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from signing.errors import NotFoundError, PolicyError, SigningError, TransportError

if TYPE_CHECKING:
    from pkcs11 import Token
    from pkcs11._pkcs11 import lib
    from pkcs11.exceptions import PKCS11Error

__all__ = ["TokenInfo", "describe_token", "find_token", "list_tokens", "pin_refused", "token_errors", "token_info"]

_PIN_ERRORS: Final = {
    "PinIncorrect": ("pin_incorrect", "expected the token's PIN, got another one"),
    "PinInvalid": ("pin_incorrect", "expected the token's PIN, got signs it can't have"),
    "PinLenRange": ("pin_incorrect", "expected the token's PIN, got one of another length"),
    "PinLocked": ("pin_locked", "expected a token that takes a PIN, got one locked after too many wrong ones"),
    "PinExpired": ("pin_expired", "expected a PIN in force, got one that has to be changed first"),
    "UserPinNotInitialized": ("pin_not_set", "expected a token with a user PIN, got one without"),
}
_REMOVED: Final = frozenset(
    {
        "DeviceError",
        "DeviceRemoved",
        "KeyHandleInvalid",
        "ObjectHandleInvalid",
        "SessionClosed",
        "SessionHandleInvalid",
        "SlotIDInvalid",
        "TokenNotPresent",
        "TokenNotRecognised",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenInfo:
    """What a token says of itself, without a PIN.

    Attributes:
        label: chosen when the token was initialised; nothing keeps two tokens from having the same.
        serial: given by its maker.
        manufacturer: as the token says.
        model: as the token says.
        pin_pad: the PIN is typed on the reader and never seen by this process.
        pin_state: `set`, `unset`, `low` after a wrong PIN, `final_try`, or `locked`.
        certificates: DER of each certificate on it that anybody may read.
    """

    label: str
    serial: str
    manufacturer: str
    model: str
    pin_pad: bool
    pin_state: Literal["set", "unset", "low", "final_try", "locked"]
    certificates: tuple[bytes, ...] = field(default=(), repr=False)


@contextmanager
def token_errors(what: str) -> Iterator[None]:
    """Turn the library's errors into ours.

    Args:
        what: what the token was asked to do, for the message.

    Raises:
        PolicyError: a wrong PIN, or one that can't be used; code `pin_*`.
        TransportError: the token was removed (`token_removed`) or failed (`token_failed`).
    """
    from pkcs11.exceptions import PKCS11Error

    try:
        yield
    except PKCS11Error as error:
        # `from None`: the library's error adds no more than its name.
        raise _failure(error, what) from None


def pin_refused(name: str) -> PolicyError:
    """The error for a reason of PKCS#11 (such as `PinLocked`) why a PIN is not taken."""
    code, text = _PIN_ERRORS[name]
    return PolicyError(text, code=code, where="token")


def _failure(error: PKCS11Error, what: str) -> SigningError:
    name = type(error).__name__
    if name in _PIN_ERRORS:
        return pin_refused(name)
    if name in _REMOVED:
        return TransportError(
            f"expected the token to {what}, got {name}: was it removed?", code="token_removed", where="token"
        )
    return TransportError(f"expected the token to {what}, got {name}", code="token_failed", where="token")


def list_tokens(module: Path) -> tuple[TokenInfo, ...]:
    """List the tokens that a PKCS#11 module sees.

    Args:
        module: the maker's shared library.

    Raises:
        NotFoundError: no such file.
        TransportError: not a PKCS#11 module, or its reader fails.
    """
    with token_errors("list its slots"):
        return tuple(describe_token(token) for token in _tokens(module))


def describe_token(token: Token) -> TokenInfo:
    """Read what a token says of itself; library errors are the caller's to turn."""
    from pkcs11 import Attribute, ObjectClass

    with token.open() as session:
        found = session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE})
        certificates = tuple(bytes(item[Attribute.VALUE]) for item in found)
    return token_info(token, certificates)


def token_info(token: Token, certificates: tuple[bytes, ...] = ()) -> TokenInfo:
    """The same without a session, with the certificates that are known."""
    from pkcs11 import TokenFlag

    state: Literal["set", "unset", "low", "final_try", "locked"] = "set"
    if token.flags & TokenFlag.USER_PIN_LOCKED:
        state = "locked"
    elif not token.flags & TokenFlag.USER_PIN_INITIALIZED:
        state = "unset"
    elif token.flags & TokenFlag.USER_PIN_FINAL_TRY:
        state = "final_try"
    elif token.flags & TokenFlag.USER_PIN_COUNT_LOW:
        state = "low"
    return TokenInfo(
        label=token.label,
        serial=token.serial.decode("ascii", errors="replace"),
        manufacturer=token.manufacturer_id,
        model=token.model,
        pin_pad=bool(token.flags & TokenFlag.PROTECTED_AUTHENTICATION_PATH),
        pin_state=state,
        certificates=certificates,
    )


def _tokens(module: Path) -> Iterator[Token]:
    from pkcs11 import TokenFlag

    return iter([token for token in _load(module).get_tokens() if token.flags & TokenFlag.TOKEN_INITIALIZED])


def _load(module: Path) -> lib:
    try:
        import pkcs11
    except ImportError as error:
        raise NotFoundError(
            "expected the package python-pkcs11 for tokens, got none installed", code="no_pkcs11", where="token"
        ) from error
    # A bare name would be looked for in the system's library path: the file that was meant, or nothing.
    path = module.resolve()
    if not path.is_file():
        raise NotFoundError(f"expected a PKCS#11 module, got no file {module}", code="module_missing", where="module")
    try:
        loaded: lib = pkcs11.lib(str(path))
    except pkcs11.PKCS11Error as error:
        raise TransportError(
            f"expected a PKCS#11 module, got {module}: {error or type(error).__name__}",
            code="module_failed",
            where="module",
        ) from error
    return loaded


def find_token(module: Path, label: str | None, serial: str | None) -> Token:
    """Find the one token of a label, a serial number or both; library errors are the caller's to turn.

    Raises:
        NotFoundError: no such module or token.
        PolicyError: several tokens of the label.
        TransportError: not a PKCS#11 module.
    """
    tokens = [
        token
        for token in _tokens(module)
        if label in (None, token.label) and serial in (None, token.serial.decode("ascii", errors="replace"))
    ]
    wanted = " ".join(filter(None, (label, serial)))
    if not tokens:
        raise NotFoundError(f"expected a token {wanted!r}, got none like it", code="token_not_found", where="token")
    if len(tokens) > 1:
        serials = ", ".join(token.serial.decode("ascii", errors="replace") for token in tokens)
        raise PolicyError(
            f"expected one token {wanted!r}, got {len(tokens)} (serial numbers {serials}): name the serial number",
            code="token_ambiguous",
            where="token",
            actual=serials,
        )
    return tokens[0]
