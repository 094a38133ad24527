"""Bodies that are too large, and bodies that hardly come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import HTTPException

from archive_api.limits import MAX_BODY_BYTES, MAX_LIST_BYTES, MAX_STATEMENT_BYTES, BodyLimit

Message = dict[str, Any]


def piece(size: int, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": bytes(size), "more_body": more}


def read(path: str, receive: Callable[[], Awaitable[Message]], **limits: Any) -> int:
    """Read a whole body through the limits; its bytes."""

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        nonlocal total
        while True:
            message = await receive()
            total += len(message.get("body", b""))
            if not message.get("more_body", False):
                return

    async def send(_message: Any) -> None:
        raise AssertionError

    total = 0
    asyncio.run(BodyLimit(app, **limits)({"type": "http", "path": path}, receive, send))
    return total


def sending(*messages: Message, pause: float = 0) -> Callable[[], Awaitable[Message]]:
    rest = list(messages)

    async def receive() -> Message:
        await asyncio.sleep(pause)
        return rest.pop(0)

    return receive


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/api/v1/buildings", MAX_BODY_BYTES),
        ("/sign-in", MAX_BODY_BYTES),
        ("/api/v1/submissions/x/return", MAX_LIST_BYTES),
        ("/api/v1/submissions/x/keys", MAX_LIST_BYTES),
        ("/api/v1/submissions/x/statement", MAX_STATEMENT_BYTES),
    ],
)
def test_a_body_has_its_limit(path: str, limit: int) -> None:
    half = limit // 2
    assert read(path, sending(piece(half), piece(half, more=False))) == limit
    with pytest.raises(HTTPException) as refused:
        read(path, sending(piece(half), piece(half), piece(1, more=False)))
    assert refused.value.status_code == 413


@pytest.mark.parametrize("path", ["/api/v1/submissions/x/files/y", "/api/v1/submissions/x/entries", "/verify"])
def test_what_is_streamed_has_a_limit_of_its_own(path: str) -> None:
    assert read(path, sending(piece(MAX_BODY_BYTES), piece(1, more=False))) == MAX_BODY_BYTES + 1


@pytest.mark.parametrize("path", ["/api/v1/buildings", "/api/v1/submissions/x/files/y"])
def test_a_body_that_stops_coming_is_refused(path: str) -> None:
    async def never() -> Message:
        return await asyncio.Future()

    with pytest.raises(HTTPException) as refused:
        read(path, never, idle_seconds=0.05)
    assert (refused.value.status_code, refused.value.headers) == (408, {"Connection": "close"})


def test_a_body_that_drips_is_refused() -> None:
    with pytest.raises(HTTPException) as refused:
        read("/x", sending(*[piece(1)] * 100, pause=0.02), idle_seconds=0.1, slowest_bytes_per_second=1000)
    assert refused.value.status_code == 408


def test_a_slow_body_may_take_its_grace() -> None:
    messages = [*[piece(1)] * 4, piece(1, more=False)]
    assert read("/x", sending(*messages, pause=0.01), idle_seconds=1, slowest_bytes_per_second=1 << 30) == 5


def test_the_end_of_the_connection_may_be_waited_for() -> None:
    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        await receive()
        assert (await receive())["type"] == "http.disconnect"

    async def main() -> None:
        rest = [piece(1, more=False), {"type": "http.disconnect"}]

        async def receive() -> Message:
            await asyncio.sleep(0.2 if len(rest) == 1 else 0)
            return rest.pop(0)

        await BodyLimit(app, idle_seconds=0.1)({"type": "http", "path": "/x"}, receive, lambda _: None)  # type: ignore[arg-type, return-value]

    asyncio.run(main())
