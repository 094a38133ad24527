"""What is refused before any route is asked: other names of this server, and what pages of other sites send."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from fastapi import Depends, HTTPException, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from archive_api.problems import problem_response

__all__ = ["JSON_ONLY", "RequestGuard", "require_json"]

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class RequestGuard:
    """Refuses hosts that are not this server's (400), and what other sites have a browser send (403).

    A page elsewhere may rebind its name to the loopback address, or post a form to it; there is no sign-in yet that
    would tell its requests from the user's. Programs send no `Sec-Fetch-Site` and are not concerned.

    Args:
        app: what answers.
        allowed_hosts: names without port, in lower case; IPv6 addresses in brackets.
    """

    def __init__(self, app: ASGIApp, *, allowed_hosts: Collection[str]) -> None:
        self._app = app
        self._allowed = frozenset(allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, or answer with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        if _name(request.headers.getlist("host")) not in self._allowed:
            detail = f"expected a request to one of {', '.join(sorted(self._allowed))}, got another host"
            await problem_response(request, 400, "host_unknown", detail)(scope, receive, send)
        elif request.method not in _SAFE_METHODS and request.headers.get("sec-fetch-site", "").lower() == "cross-site":
            detail = "expected a request of this site, got one that a page of another site made"
            await problem_response(request, 403, "cross_site", detail)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def require_json(request: Request) -> None:
    """Refuse (415) a body that is not said to be JSON: a form of another site can't say so.

    Raises:
        HTTPException: another media type, or none.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, f"expected application/json, got {kind[:80] or 'no media type'}")


async def _json_only(request: Request) -> None:  # a coroutine, since it needs no thread
    require_json(request)


JSON_ONLY: Final[Any] = Depends(_json_only)
"""A dependency of routes whose body has to be JSON, see `require_json`."""


def _name(hosts: list[str]) -> str | None:
    """The host's name without its port; None unless there is exactly one."""
    if len(hosts) != 1:
        return None
    name, _, port = hosts[0].lower().rpartition(":")
    return name if name and port.isascii() and (port.isdecimal() or not port) else hosts[0].lower()
