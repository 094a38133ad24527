"""How much of a request is read into memory: bodies that are streamed have limits of their own."""

from __future__ import annotations

import re
from typing import Final

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["MAX_BODY_BYTES", "MAX_STATEMENT_BYTES", "BodyLimit"]

MAX_BODY_BYTES: Final = 64 << 20
#: A manifest names every document of a handover in some 300 bytes.
MAX_STATEMENT_BYTES: Final = 512 << 20
_STREAMED = re.compile(r"/verify|/api/v1/(submissions/[^/]+/(entries|files(/.*)?)|verification/(file|bundle))")


class BodyLimit:
    """Refuses (413) bodies that would fill the memory, whether their length is announced or not.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, its body counted."""
        if scope["type"] != "http" or _STREAMED.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        limit = MAX_STATEMENT_BYTES if scope["path"].endswith("/statement") else MAX_BODY_BYTES
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                raise HTTPException(413, f"expected a body of at most {limit} bytes, got more")
            return message

        await self._app(scope, counted, send)
