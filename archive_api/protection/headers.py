"""The headers of every answer, whoever gives it: routes, pages, refusals, internal errors.

Nothing may be loaded, framed, run or submitted from an answer of the API; pages set a policy of their own, which allows
this site's own files and nothing inline. An answer that has one of these headers keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["CONTENT_POLICY", "ResponseHeaders"]

#: Also what user content is given with: opened in a browser all the same, it is a page of no site that may do nothing.
CONTENT_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"

_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_TRANSPORT: Final = ("Strict-Transport-Security", "max-age=31536000")


class ResponseHeaders:
    """Adds what an answer lacks.

    Args:
        app: what answers, the handler of unexpected errors included.
        https: people reach this server by HTTPS alone.
    """

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        headers = [*_HEADERS.items(), _TRANSPORT] if https else [*_HEADERS.items()]
        self._headers = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in headers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on; its answer gets the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message["headers"]
                names = {name for name, _ in given}
                message["headers"] = [*given, *(header for header in self._headers if header[0] not in names)]
            await send(message)

        await self._app(scope, receive, completed)
