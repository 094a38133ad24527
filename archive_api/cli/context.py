"""What commands start from: the archive's address, a trust file, a passphrase, a building."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from archive_api.cli.failures import COULD_NOT_CHECK, USAGE, CommandError
from archive_api.cli.identity import who_asks
from archive_api.cli.running import running_server
from archive_api.client import ArchiveClient, Connection
from ledger.identifiers import DEFAULT_SCHEMES
from ledger.types import BuildingIdentifier

__all__ = [
    "Buildings",
    "connect",
    "find_archive",
    "find_building",
    "find_unit_project",
    "is_building_key",
    "parse_building",
    "read_certificate",
    "read_passphrase",
]

PASSPHRASE_VARIABLE = "YUNSHANG_PASSPHRASE"  # noqa: S105 - the variable's name, not a secret
_KEY_DIGITS = 64


def connect(home: Path, api: str | None) -> ArchiveClient:
    """A client of the archive at `api`, or of the server that runs on a home; it signs in as `--as` says.

    Raises:
        CommandError: no address given, and no server runs on the home.
    """
    server = None if api else running_server(home)
    address = server.api if server else api
    if address is None:
        raise CommandError(
            f"{home} 上没有正在运行的服务；请先运行 yunshang up --home {home}，或用 --api 给出地址",
            f"no server runs on {home}: start one with yunshang up --home {home}, or give --api",
            code="not_running",
            exit_code=COULD_NOT_CHECK,
        )
    return ArchiveClient(Connection(address, key=who_asks(home, address)))


def find_archive(home: Path, api: str | None) -> ArchiveClient | None:
    """The same, or None where no address is given and no server runs on the home."""
    return connect(home, api) if api or running_server(home) else None


class Buildings(Protocol):
    """Where buildings are looked up: the archive's API, or the catalogue of a home."""

    def building(self, building_key: str) -> dict[str, Any]:
        """One building by its key, or that of an alias."""

    def buildings(self, query: str | None = None) -> Iterator[dict[str, Any]]:
        """Buildings, all or those matching a text."""


def find_building(client: Buildings, text: str) -> dict[str, Any]:
    """Find one building by key, `scheme:value` or value.

    Raises:
        CommandError: none, or more than one.
    """
    if is_building_key(text):
        return client.building(text)
    scheme, _, value = text.rpartition(":")
    found = [
        building
        for building in client.buildings(value)
        if building["value"] == value and scheme in ("", building["scheme"])
    ]
    if len(found) != 1:
        raise CommandError(
            f"找不到唯一的建筑：{text}（找到 {len(found)} 个）",
            f"expected one building {text}, got {len(found)}",
            code="building_not_found",
        )
    return found[0]


def is_building_key(text: str) -> bool:
    """Whether a text is a building's key, with or without 0x, rather than an identifier."""
    return len(text.removeprefix("0x")) == _KEY_DIGITS


def find_unit_project(client: ArchiveClient, building: str, code: str) -> dict[str, Any]:
    """Find one unit project by its building and code.

    Raises:
        CommandError: the building has none with this code.
    """
    key = str(find_building(client, building)["building_key"])
    for unit in client.unit_projects(key):
        if unit["code"] == code:
            return unit
    raise CommandError(
        f"建筑 {building} 没有编号为 {code} 的单位工程",
        f"expected a unit project {code} of building {building}, got none",
        code="unit_project_not_found",
    )


def parse_building(text: str) -> BuildingIdentifier:
    """Read `scheme:value`, or a value of the scheme `yunshang`, and check it by its scheme.

    Raises:
        MalformedError: an unknown scheme, or a value it refuses.
    """
    scheme, _, value = text.rpartition(":")
    DEFAULT_SCHEMES.validate(scheme or "yunshang", value)
    return BuildingIdentifier(scheme or "yunshang", value)


def read_certificate(path: Path) -> bytes:
    """Read a certificate file, PEM or DER, as DER.

    Raises:
        CommandError: it holds none.
    """
    data = path.read_bytes()
    if not data.lstrip().startswith(b"-----BEGIN"):
        return data
    try:
        return x509.load_pem_x509_certificate(data).public_bytes(Encoding.DER)
    except ValueError as e:
        raise CommandError(
            f"不是证书文件：{path}", f"expected a certificate, got {path}: {e}", code="certificate_file"
        ) from e


def read_passphrase(path: Path | None) -> str:
    """The passphrase of a key file: from a file, the environment, or asked for without echo.

    Args:
        path: file whose first line it is, or None.

    Raises:
        CommandError: none given, and no terminal to ask at.
    """
    if path is not None:
        return path.read_text("utf-8").partition("\n")[0].rstrip("\r")
    given = os.environ.get(PASSPHRASE_VARIABLE)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise CommandError(
            f"缺少口令：请用 --passphrase-file 或环境变量 {PASSPHRASE_VARIABLE}",
            f"expected a passphrase by --passphrase-file or {PASSPHRASE_VARIABLE}, got none",
            code="passphrase_missing",
            exit_code=USAGE,
        )
    return getpass.getpass("印章口令 Passphrase: ", stream=sys.stderr)
