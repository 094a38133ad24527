#!/usr/bin/env python3
"""Measure what it costs to note a request: counting it, its id and its time, with its JSON line in the log.

Usage: bench_observation.py. An application that answers at once, with and without; processor time, the best of five
rounds each. The last line is JSON. Exit 1: the figure was missed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from archive_api.operation.logs import JsonLines
from archive_api.operation.observation import Observation
from archive_api.operation.observer import Observer

MAX_MICROSECONDS = 100.0
ROUNDS, REQUESTS = 5, 2_000
_RULE = SimpleNamespace(rule=SimpleNamespace(path="/api/v1/buildings/{building_key}"))
_SECRET = "5f1d7a90c4b2e8d3" * 4  # one that lines are searched for


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that knows its route, as the enforcement notes it."""
    scope["state"]["access"] = _RULE
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def receive() -> Message:
    """A request without a body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: Message) -> None:
    """Nobody listens."""
    del message


def microseconds(app: ASGIApp) -> float:
    """Processor time of one request."""

    async def ask() -> float:
        best = float("inf")
        for _ in range(ROUNDS):
            begun = time.thread_time()
            for _ in range(REQUESTS):
                scope = {"type": "http", "method": "GET", "path": "/api/v1/buildings/0x5d", "headers": []}
                await app({**scope, "client": ("192.0.2.7", 1), "state": {}}, receive, send)
            best = min(best, (time.thread_time() - begun) / REQUESTS * 1e6)
        return best

    return asyncio.run(ask())


@contextmanager
def lines_written() -> Iterator[None]:
    """Have the line of each request written, to where nobody reads."""
    with Path(os.devnull).open("w", encoding="utf-8") as stream:
        handler = logging.StreamHandler(stream)
        handler.setFormatter(JsonLines((_SECRET,)))
        logger = logging.getLogger("archive_api.request")
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        yield


def main() -> int:
    """Measure."""
    alone = microseconds(answering)
    counted = microseconds(Observation(answering, observer=Observer())) - alone
    with lines_written():
        written = microseconds(Observation(answering, observer=Observer())) - alone
    figures = {
        "counted_microseconds": round(counted, 1),
        "with_line_microseconds": round(written, 1),
        "limit_microseconds": MAX_MICROSECONDS,
    }
    print(f"noting a request: {counted:.0f} µs, with its line {written:.0f} µs")
    print(json.dumps(figures))
    return int(written >= MAX_MICROSECONDS)


if __name__ == "__main__":
    raise SystemExit(main())
