"""What a process of this software says of itself, and where: settings that every command line has."""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from archive_api.protection.secrets import ServerSettings

__all__ = ["ProcessSettings", "Role", "split_address"]

_MAX_PORT: Final = 65_535


class Role(StrEnum):
    """What one of several processes of a home is for; see `archive_api.roles`."""

    API = "api"
    WORKER = "worker"
    LOGS = "logs"


class ProcessSettings(ServerSettings):
    """Logs, metrics, traces and the end of a process; environment variables with the prefix `YUNSHANG_`.

    Attributes:
        log_format: `text` for people, `json` for one JSON document a line.
        log_level: the least of what is logged; requests are logged from `info` on.
        metrics_address: `host:port` where metrics, health and readiness are answered, beside the API; loopback or a
            private network, never a public address. None: nowhere.
        otlp_endpoint: where traces are sent by OTLP over HTTP, such as `http://127.0.0.1:4318`. None: none are.
        trace_ratio: which part of the requests is traced, 0 to 1.
        shutdown_seconds: how long requests under way may take to end once the process was told to stop.
    """

    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "warning"
    metrics_address: str | None = None
    otlp_endpoint: str | None = None
    trace_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    shutdown_seconds: Annotated[float, Field(gt=0, le=3_600)] = 30.0

    @field_validator("metrics_address")
    @classmethod
    def _not_public(cls, value: str | None) -> str | None:
        if value is not None:
            split_address(value)
        return value

    @field_validator("otlp_endpoint")
    @classmethod
    def _an_endpoint(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query:
            raise ValueError("expected an address such as http://127.0.0.1:4318, without user name and query")
        return value.rstrip("/")


def split_address(address: str) -> tuple[str, int]:
    """Host and port of an address that is not public.

    Args:
        address: `127.0.0.1:9464`, `[::1]:9464`, `10.1.2.3:0`.

    Raises:
        ValueError: not that, every address of the machine, or one that the internet reaches.
    """
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        parsed = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise ValueError(f"expected host:port with an IP address, got {address[:80]!r}") from None
    if not (port.isascii() and port.isdecimal() and int(port) <= _MAX_PORT):
        raise ValueError(f"expected host:port with a port up to {_MAX_PORT}, got {address[:80]!r}")
    if parsed.is_unspecified or not parsed.is_private or parsed.is_multicast:
        raise ValueError(f"expected an address of loopback or of a private network, got {parsed}, which is public")
    return str(parsed), int(port)
