"""What is noted about requests."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from archive_api.operation.logs import REQUEST_ID
from archive_api.operation.observation import Observation
from archive_api.operation.observer import Observer

TEMPLATE = "/api/v1/buildings/{building_key}"


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that knows its route, as the enforcement notes it."""
    scope["state"]["access"] = SimpleNamespace(rule=SimpleNamespace(path=TEMPLATE))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def scope_of(path: str = "/api/v1/buildings/0x5d", *headers: tuple[bytes, bytes], **members: Any) -> Scope:
    base = {"type": "http", "method": "GET", "path": path, "headers": [*headers], "client": ("192.0.2.7", 1)}
    return {**base, **members}


def run(app: ASGIApp, scope: Scope) -> list[Message]:
    """The messages of one request."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


def value(observer: Observer, name: str, **labels: str) -> float:
    return observer.registry.get_sample_value(name, labels) or 0.0


def request_id(sent: list[Message]) -> str:
    return str(dict(sent[0]["headers"])[b"x-request-id"].decode())


def test_counts_by_the_template_of_the_route_and_never_by_the_path() -> None:
    observer = Observer()
    app = Observation(answering, observer=observer)
    for key in ("0x5d", "0x6e"):
        run(app, scope_of(f"/api/v1/buildings/{key}"))
    labels = {"method": "GET", "route": TEMPLATE}
    assert value(observer, "yunshang_requests_total", **labels, status="200") == 2
    assert value(observer, "yunshang_request_seconds_count", **labels) == 2
    assert value(observer, "yunshang_requests_under_way") == 0
    shown = generate_latest(observer.registry).decode()
    assert "0x5d" not in shown
    assert "192.0.2.7" not in shown


def test_requests_without_a_route_and_with_other_methods_make_no_new_labels() -> None:
    async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})

    observer = Observer()
    app = Observation(refusing, observer=observer)
    for number in range(20):
        run(app, scope_of(f"/x{number}", method=f"BREW{number}"))
    assert value(observer, "yunshang_requests_total", method="OTHER", route="(none)", status="404") == 20


def test_an_error_and_a_client_that_left_are_counted() -> None:
    async def leaving(scope: Scope, receive: Receive, send: Send) -> None:
        raise ConnectionResetError

    observer = Observer()
    with pytest.raises(ConnectionResetError):
        run(Observation(leaving, observer=observer), scope_of())
    assert value(observer, "yunshang_requests_total", method="GET", route="(none)", status="0") == 1
    assert value(observer, "yunshang_requests_under_way") == 0


def test_every_answer_says_an_id_of_its_own_which_log_lines_have() -> None:
    seen: list[str | None] = []

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(await asyncio.to_thread(REQUEST_ID.get))
        await answering(scope, receive, send)

    app = Observation(noting, observer=Observer())
    ids = [request_id(run(app, scope_of())) for _ in range(3)]
    assert seen == ids
    assert len(set(ids)) == 3
    assert REQUEST_ID.get() is None


@pytest.mark.parametrize(
    ("peer", "given", "is_kept"),
    [
        ("10.0.0.1", b"proxy-0123456789", True),
        ("10.0.0.2", b"proxy-0123456789", False),
        ("10.0.0.1", b"a b\nc", False),
        ("10.0.0.1", b"short", False),
        ("10.0.0.1", b"x" * 65, False),
    ],
)
def test_an_id_is_taken_from_the_archives_own_proxy_alone(peer: str, given: bytes, is_kept: bool) -> None:
    app = Observation(answering, observer=Observer(), trusted_proxies=("10.0.0.1",))
    sent = run(app, scope_of("/", (b"x-request-id", given), client=(peer, 1)))
    assert (request_id(sent).encode() == given) is is_kept


def test_a_request_is_one_line_without_path_query_and_address(caplog: pytest.LogCaptureFixture) -> None:
    app = Observation(answering, observer=Observer())
    with caplog.at_level(logging.INFO, "archive_api.request"):
        run(app, scope_of("/api/v1/buildings/0x5d", query_string="张三".encode()))
    (record,) = caplog.records
    assert (record.__dict__["route"], record.__dict__["status"]) == (TEMPLATE, 200)
    assert record.__dict__["milliseconds"] >= 0
    text = repr(record.__dict__)
    assert "0x5d" not in text
    assert "192.0.2.7" not in text


def test_other_things_than_requests_are_handed_on() -> None:
    seen: list[str] = []

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    run(Observation(noting, observer=Observer()), {"type": "lifespan"})
    assert seen == ["lifespan"]
