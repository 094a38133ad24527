"""How much of a request is read, and how long it is waited for: bodies that are streamed have sizes of their own."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Final

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from archive_api.supply.exceptions import CAPTURE_BODY_BYTES, is_capture_path

__all__ = ["MAX_BODY_BYTES", "MAX_LIST_BYTES", "MAX_STATEMENT_BYTES", "BodyLimit"]

MAX_BODY_BYTES: Final = 4 << 20
#: What has something to say of every document of a handover: reasons of a return, wrapped keys.
MAX_LIST_BYTES: Final = 128 << 20
#: A manifest names every document of a handover in some 300 bytes.
MAX_STATEMENT_BYTES: Final = 512 << 20
_LISTS = re.compile(r"/api/v1/submissions/[^/]+/(return|keys|key-wraps)")
_STREAMED = re.compile(r"/verify|/api/v1/(submissions/[^/]+/(entries|files(/.*)?)|verification/(file|bundle))")


class BodyLimit:
    """Refuses bodies that would fill the memory (413), announced or not, and those that hardly come (408).

    Only the time spent waiting for the client counts: a slow disk here is not its fault.

    Args:
        app: what answers.
        idle_seconds: the longest wait for the next bytes.
        slowest_bytes_per_second: of the whole body, after as long a grace.
    """

    def __init__(self, app: ASGIApp, *, idle_seconds: float = 30.0, slowest_bytes_per_second: int = 512) -> None:
        self._app = app
        self._idle_seconds = idle_seconds
        self._slowest = slowest_bytes_per_second

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, its body counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = _limit(scope["path"])
        read, waited, ended = 0, 0.0, False

        async def counted() -> Message:
            nonlocal read, waited, ended
            if ended:  # what comes now is the end of the connection, at any time
                return await receive()
            begun = time.monotonic()
            try:
                async with asyncio.timeout(self._idle_seconds):
                    message = await receive()
            except TimeoutError:
                raise _too_slow() from None
            waited += time.monotonic() - begun
            read += len(message.get("body", b""))
            ended = not message.get("more_body", False)
            if limit is not None and read > limit:
                raise HTTPException(413, f"expected a body of at most {limit} bytes, got more")
            if not ended and read < (waited - self._idle_seconds) * self._slowest:
                raise _too_slow()
            return message

        await self._app(scope, counted, send)


def _limit(path: str) -> int | None:
    if _STREAMED.fullmatch(path):
        return None
    if path.endswith("/statement"):
        return MAX_STATEMENT_BYTES
    if is_capture_path(path):
        return CAPTURE_BODY_BYTES
    return MAX_LIST_BYTES if _LISTS.fullmatch(path) else MAX_BODY_BYTES


def _too_slow() -> HTTPException:
    # The rest of the body is still on its way: the connection can't be used again.
    return HTTPException(408, "expected the body to keep coming, got too little in time", {"Connection": "close"})
