"""A client waits where the archive asks it to, and not for ever."""

from __future__ import annotations

import httpx2
import pytest

from archive_api.client import connection as module
from archive_api.client.connection import Connection
from archive_api.client.errors import ProblemError


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(module.time, "sleep", sleep)
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return waits


def connect(*answers: httpx2.Response) -> Connection:
    rest = list(answers)
    last = answers[-1]

    def answer(_request: httpx2.Request) -> httpx2.Response:
        return rest.pop(0) if len(rest) > 1 else last

    return Connection("http://archive.test", transport=httpx2.MockTransport(answer))


def busy(retry_after: str | None) -> httpx2.Response:
    headers = {"Retry-After": retry_after} if retry_after is not None else {}
    return httpx2.Response(429, headers=headers, json={"code": "too_many_requests"})


def test_waits_as_long_as_it_is_asked_to(slept: list[float]) -> None:
    connection = connect(busy("3"), busy("2"), httpx2.Response(200, json={"ok": 1}))
    assert connection.post("/buildings", {}) == {"ok": 1}
    assert slept == [3, 2]


@pytest.mark.parametrize("said", [None, "", "soon", "-1", "9" * 9, "²"])
def test_waits_a_second_where_it_is_not_told(slept: list[float], said: str | None) -> None:
    if said == "²":
        answer = httpx2.Response(429, headers=[(b"Retry-After", "²".encode("latin-1"))], json={})
    else:
        answer = busy(said)
    assert connect(answer, httpx2.Response(200, json={})).get("/x") == {}
    assert slept == [1]


def test_gives_up(slept: list[float]) -> None:
    with pytest.raises(ProblemError) as refused:
        connect(busy("50")).get("/x")
    assert refused.value.status == 429
    assert sum(slept) <= 120


def test_a_body_that_is_read_once_is_not_sent_twice(slept: list[float]) -> None:
    with pytest.raises(ProblemError):
        connect(busy("1"), httpx2.Response(200)).request("PATCH", "/x", content=iter([b"one"]))
    assert slept == []
