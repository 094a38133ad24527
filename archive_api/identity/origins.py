"""Which origin a sign-in must name: where this server is reached, never what a request says of itself."""

from __future__ import annotations

import ipaddress

from starlette.requests import Request
from starlette.types import Scope

from archive_api.settings import Settings

__all__ = ["server_origins", "told_origin"]


def server_origins(settings: Settings, scope: Scope) -> tuple[str, ...]:
    """The origins this server answers to; the first is the one it tells.

    Without a `public_origin` it is the address of the socket that the request came in by. The Host header is not
    asked: a program that relays somebody's sign-in to us could send any.

    Args:
        settings: the server's.
        scope: of a request.
    """
    if settings.public_origin is not None:
        return (settings.public_origin,)
    host, port = scope.get("server") or (settings.host, settings.port)
    suffix = "" if port in (None, 80) else f":{port}"
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    names = ("127.0.0.1", "localhost", "[::1]") if is_loopback else (host,)
    return tuple(f"http://{name}{suffix}" for name in names)


def told_origin(request: Request, settings: Settings) -> str:
    """Of this server's origins the one that the client used, else the first."""
    origins = server_origins(settings, request.scope)
    used = f"{request.url.scheme}://{request.headers.get('host', '')}"
    return used if used in origins else origins[0]
