"""Where commands take keys from: a PKCS#12 file, or a token by PKCS#11 whose PIN is asked for each time."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from archive_api.cli.context import read_passphrase
from archive_api.cli.failures import USAGE, CommandError
from archive_api.cli.output import Output
from ledger.texts import visible
from signing.keystore import KeyStore, Pkcs12KeyStore
from signing.personal import PersonalKey, Pkcs12PersonalKey

if TYPE_CHECKING:
    from signing.token_session import TokenSession
    from signing.tokens import TokenInfo

__all__ = [
    "KeyPlace",
    "TokenPlace",
    "open_personal_key",
    "open_token",
    "parse_token_uri",
    "sealing_key",
    "token_place",
]

_URI = "pkcs11:"
_SERIAL = "serial:"
_URI_MEMBERS = ("token", "serial", "module-path", "pin-source")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPlace:
    """A token: its maker's module, its label or serial number, the certificate meant where it has several."""

    module: Path
    label: str | None
    serial: str | None = None
    certificate_id: bytes | None = None
    pin_file: Path | None = None


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """A PKCS#12 file with its passphrase's file, or a token."""

    place: Path | TokenPlace
    passphrase_file: Path | None = None

    @contextmanager
    def open(self) -> Iterator[KeyStore]:
        """Open the sealing key; the passphrase or PIN is asked for now, and a token is left at the end.

        Raises:
            SigningError: no such key, a wrong passphrase or PIN, a certificate that isn't for sealing.
        """
        if isinstance(self.place, Path):
            yield Pkcs12KeyStore(self.place, read_passphrase(self.passphrase_file))
            return
        from signing.pkcs11 import Pkcs11KeyStore

        with open_token(self.place) as session:
            yield Pkcs11KeyStore(session, self.place.certificate_id)


def sealing_key(
    key: Path | None,
    passphrase_file: Path | None,
    *,
    pkcs11: Path | None,
    token: str | None,
    pin_file: Path | None,
    certificate: str | None = None,
) -> KeyPlace:
    """Say where the sealing key is, from a command's options; nothing is opened yet.

    Args:
        key: a PKCS#12 file.
        passphrase_file: of it.
        pkcs11: a maker's module.
        token: the token's label, or `serial:NUMBER`.
        pin_file: whose first line is the PIN; None: it is asked for.
        certificate: the certificate's id in hex, where the token has several.

    Raises:
        CommandError: both, neither, or half of a token.
    """
    if (key is None) == (pkcs11 is None) or (pkcs11 is None) != (token is None):
        raise _usage(
            "请用 --key 指定密钥文件，或同时用 --pkcs11 与 --token 指定令牌",
            "expected --key FILE, or --pkcs11 MODULE with --token LABEL",
        )
    if key is not None:
        return KeyPlace(key, passphrase_file)
    return KeyPlace(token_place(pkcs11 or Path(), token or "", pin_file=pin_file, certificate=certificate))


def token_place(
    module: Path, token: str, *, pin_file: Path | None = None, certificate: str | None = None
) -> TokenPlace:
    """Say which token is meant; arguments as `sealing_key`."""
    serial = token.removeprefix(_SERIAL) if token.startswith(_SERIAL) else None
    try:
        identifier = None if certificate is None else bytes.fromhex(certificate.removeprefix("0x"))
    except ValueError as e:
        raise _usage(
            f"证书编号须为十六进制，得到 {certificate}", f"expected a certificate id, got {certificate}"
        ) from e
    return TokenPlace(
        module=module,
        label=token if serial is None else None,
        serial=serial,
        certificate_id=identifier,
        pin_file=pin_file,
    )


def open_personal_key(text: str, passphrase_file: Path | None = None) -> PersonalKey:
    """Open the key to sign in with; a token stays open until the process ends.

    Args:
        text: a PKCS#12 file, or a token as `pkcs11:token=LABEL?module-path=FILE` (RFC 7512).
        passphrase_file: of the PKCS#12 file; None: environment, or asked for.

    Raises:
        CommandError: a URI of another form.
        SigningError: no such key, a wrong passphrase or PIN, a certificate that isn't personal.
    """
    if not text.startswith(_URI):
        return Pkcs12PersonalKey(Path(text), read_passphrase(passphrase_file))
    from signing.pkcs11 import Pkcs11PersonalKey

    place = parse_token_uri(text)
    return Pkcs11PersonalKey(open_token(place), place.certificate_id)


def parse_token_uri(text: str) -> TokenPlace:
    """Read `pkcs11:token=LABEL;serial=NUMBER?module-path=FILE&pin-source=FILE`, all values percent-encoded.

    Of RFC 7512 these members are known; `pin-value` is refused, because others see a command's arguments.

    Raises:
        CommandError: anything else.
    """
    path, _, query = text.removeprefix(_URI).partition("?")
    given: dict[str, str] = {}
    for part in [*filter(None, path.split(";")), *filter(None, query.split("&"))]:
        name, equals, value = part.partition("=")
        if name not in _URI_MEMBERS or not equals or name in given:
            raise _usage(
                f"令牌写作 pkcs11:token=LABEL?module-path=FILE，可加 serial、pin-source；不接受 {name}",
                f"expected pkcs11:token=LABEL?module-path=FILE with serial and pin-source, got {name}",
            )
        given[name] = unquote(value)
    if "module-path" not in given or not ("token" in given or "serial" in given):
        raise _usage(
            "令牌写作 pkcs11:token=LABEL?module-path=FILE",
            "expected pkcs11:token=LABEL?module-path=FILE, got one of them missing",
        )
    pin_source = given.get("pin-source")
    return TokenPlace(
        module=Path(given["module-path"]),
        label=given.get("token"),
        serial=given.get("serial"),
        pin_file=None if pin_source is None else Path(pin_source.removeprefix("file:")),
    )


def open_token(place: TokenPlace, *, writable: bool = False) -> TokenSession:
    """Log in to a token; the PIN comes from its file, or is asked for without echo.

    Args:
        place: the token.
        writable: to draw keys and store certificates.

    Raises:
        SigningError: no such token, a wrong PIN, a locked token.
    """
    from signing.token_session import TokenSession

    def ask(info: TokenInfo) -> str:
        if place.pin_file is not None:
            return place.pin_file.read_text("utf-8").partition("\n")[0].rstrip("\r")
        if not sys.stdin.isatty():
            raise _usage(
                "缺少令牌 PIN：请在终端输入，或用 --pin-file", "expected a terminal or --pin-file", "pin_missing"
            )
        if info.pin_state == "final_try":
            Output(False).warn("再输错一次 PIN，令牌将锁定", "one more wrong PIN locks the token")
        return getpass.getpass(f"令牌 {visible(info.label)} 的 PIN: ", stream=sys.stderr)

    return TokenSession(place.module, place.label, serial=place.serial, pin=ask, writable=writable)


def _usage(zh: str, en: str, code: str = "usage") -> CommandError:
    return CommandError(zh, en, code=code, exit_code=USAGE)
