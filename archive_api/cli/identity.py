"""Who a command is run by: a personal key of one's own (`--as`), or the development desk of a home."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from archive_api.cli.development import desk_path, open_desk
from archive_api.cli.running import running_server
from signing.personal import PersonalKey

__all__ = ["moved_to_front", "options", "who_asks"]

_AS: Final = "--as"
_PASSPHRASE_FILE: Final = "--as-passphrase-file"  # noqa: S105 - an option, not a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    key: str
    passphrase_file: Path | None


_CHOSEN: ContextVar[_Chosen | None] = ContextVar("chosen", default=None)


def options(
    key: Annotated[
        str | None,
        typer.Option(
            _AS,
            envvar="YUNSHANG_AS",
            metavar="KEY",
            help="以本人证书登录：密钥文件或 pkcs11: 地址（可写在任何位置），默认为本目录的开发工作台"
            " Sign in with your own key: a PKCS#12 file or a pkcs11: URI (may stand anywhere); default: the home's"
            " development desk.",
        ),
    ] = None,
    passphrase_file: Annotated[
        Path | None,
        typer.Option(
            _PASSPHRASE_FILE,
            envvar="YUNSHANG_AS_PASSPHRASE_FILE",
            help="其口令文件，否则询问 File with its passphrase; otherwise it is asked for.",
        ),
    ] = None,
) -> None:
    _CHOSEN.set(None if key is None else _Chosen(key=key, passphrase_file=passphrase_file))


def moved_to_front(arguments: Sequence[str]) -> list[str]:
    """Arguments with those of `options` before the command, so that they may stand anywhere."""
    front: list[str] = []
    rest: list[str] = []
    given = iter(arguments)
    for argument in given:
        if argument in (_AS, _PASSPHRASE_FILE):
            value = next(given, None)
            if value is None:
                rest.append(argument)  # the parser says what is missing
            else:
                front += [argument, value]
        elif argument.startswith((f"{_AS}=", f"{_PASSPHRASE_FILE}=")):
            front.append(argument)
        elif argument == "--":
            rest += [argument, *given]
        else:
            rest.append(argument)
    return [*front, *rest]


def who_asks(home: Path, address: str) -> PersonalKey | None:
    """The personal key that a command signs in with.

    Args:
        home: whose development desk it is, where no other key is named and its own server is asked.
        address: of the server.

    Returns:
        The key, or None: nobody in particular asks.

    Raises:
        CommandError: no passphrase, and no terminal to ask at.
        NotFoundError, MismatchError, PolicyError: the key file is missing, damaged, or one of a seal.
    """
    chosen = _CHOSEN.get()
    if chosen is not None:
        from archive_api.cli.keys import open_personal_key

        # Development keys lie beside the file with their passphrase.
        beside = Path(chosen.key).with_name("passphrase") if chosen.key.endswith(".p12") else None
        return open_personal_key(
            chosen.key, chosen.passphrase_file or (beside if beside is not None and beside.is_file() else None)
        )
    server = running_server(home) if desk_path(home).exists() else None
    return open_desk(home) if server is not None and server.api == address.rstrip("/") else None
