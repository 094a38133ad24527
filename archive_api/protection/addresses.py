"""Where a request comes from: the peer, or what a proxy of the archive's own says of its peer."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import Final

from starlette.types import Scope

__all__ = ["FORWARDING_HEADERS", "source_address", "without_forwarding"]

#: Believed from the archive's own proxy alone; nothing behind the guard reads them.
FORWARDING_HEADERS: Final = frozenset(
    {
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-real-ip",
        b"x-original-url",
        b"x-rewrite-url",
    }
)


def source_address(scope: Scope, trusted_proxies: Collection[str]) -> str:
    """The address that a request comes from.

    Args:
        scope: of the request, with all its headers.
        trusted_proxies: addresses whose `X-Forwarded-For` is believed: the last address in it that is none of them.

    Returns:
        An IPv4 or IPv6 address; "unknown" where there is no peer.
    """
    client = scope.get("client")
    peer = str(client[0]) if client else "unknown"
    if peer not in trusted_proxies:
        return peer
    said = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    for part in reversed(b",".join(said).split(b",")):
        try:
            address = str(ipaddress.ip_address(part.strip().decode("ascii")))
        except ValueError:
            return peer
        if address not in trusted_proxies:
            return address
    return peer


def without_forwarding(scope: Scope) -> Scope:
    """The same request without what only a proxy should say; libraries would put it into the addresses they answer."""
    kept = [(name, value) for name, value in scope["headers"] if name not in FORWARDING_HEADERS]
    return scope if len(kept) == len(scope["headers"]) else {**scope, "headers": kept}
