"""Addresses of IPFS nodes' RPC APIs, told apart without the library that talks to them."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from ledger.errors import MalformedError

__all__ = ["kubo_address"]

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\Z")
_PORT_LIMIT: Final = 65_535


def kubo_address(text: str) -> str:
    """Return an address as given, after a look at its form.

    Args:
        text: a multiaddr: `/ip4/ADDRESS/tcp/PORT`, `/ip6/…`, `/dns/NAME/tcp/PORT` (also dns4 and dns6), each with
            `/http` or `/https` behind it or not.

    Raises:
        MalformedError: another form (code `ipfs_address`).
    """
    parts = text.split("/")
    head, kind, host, tcp, port, *rest = (*parts, *([""] * 5))[: max(len(parts), 5)]
    is_whole = head == "" and tcp == "tcp" and rest in ([], ["http"], ["https"])
    is_port = port.isascii() and port.isdigit() and 0 < int(port[:6]) <= _PORT_LIMIT
    if not (is_whole and is_port and _is_host(kind, host)):
        raise MalformedError(
            "expected an address such as /ip4/127.0.0.1/tcp/5001 or /dns/ipfs-1.example/tcp/443/https, got"
            f" {text[:200]!r}",
            code="ipfs_address",
        )
    return text


def _is_host(kind: str, host: str) -> bool:
    if kind in ("ip4", "ip6"):
        try:
            return ipaddress.ip_address(host).version == int(kind[-1])
        except ValueError:
            return False
    return kind in ("dns", "dns4", "dns6") and _NAME.match(host) is not None
