"""The first thing that a request meets."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from archive_api.errors import TooManyError
from archive_api.protection.guard import Guard, admit_person
from archive_api.protection.headers import CONTENT_POLICY, ResponseHeaders
from archive_api.protection.rates import TokenBuckets
from archive_api.settings import Settings

from ..test_settings import values

LIMITS: dict[str, Any] = {
    "requests_per_second": 0.01,
    "requests_burst": 5,
    "costly_per_second": 0.01,
    "costly_burst": 2,
    "sign_ins_per_minute": 0.1,
    "sign_ins_burst": 2,
    "max_requests_at_once": 3,
    "trusted_proxies": ("10.0.0.1",),
}


class Site:
    """A server behind the guard that answers every request with one status."""

    def __init__(self, tmp_path: Path, **changes: Any) -> None:
        self.status = 200
        self.seen: list[dict[str, Any]] = []
        self.gate: asyncio.Event | None = None
        self.settings = Settings(**values(tmp_path), **LIMITS | changes)
        self.guard = Guard(self._answer, settings=self.settings, limiter=TokenBuckets())

    async def _answer(self, scope: Any, _receive: Any, send: Any) -> None:
        self.seen.append(scope)
        if self.gate is not None:
            await self.gate.wait()
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask(self, path: str = "/x", method: str = "GET", **changes: Any) -> tuple[int, dict[str, str], bytes]:
        sent: list[Any] = []
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
            "client": ("192.0.2.1", 1),
            "scheme": "http",
            "server": ("localhost", 80),
        }

        async def send(message: Any) -> None:
            sent.append(message)

        await self.guard(scope | changes, None, send)  # type: ignore[arg-type]
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], headers, sent[1]["body"]

    def statuses(self, count: int, *arguments: Any, **changes: Any) -> list[int]:
        async def main() -> list[int]:
            return [(await self.ask(*arguments, **changes))[0] for _ in range(count)]

        return asyncio.run(main())


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_one_address_asks_so_often_and_another_one_is_not_concerned(site: Site) -> None:
    assert site.statuses(6) == [200] * 5 + [429]
    assert site.statuses(1, client=("192.0.2.2", 1)) == [200]


def test_says_when_to_ask_again(site: Site) -> None:
    site.statuses(5)
    status, headers, body = asyncio.run(site.ask())
    problem = json.loads(body)
    assert (status, problem["code"]) == (429, "too_many_requests")
    assert 95 <= int(headers["retry-after"]) <= 100
    assert problem["values"] == {"retry_after_seconds": int(headers["retry-after"])}


def test_health_is_always_answered(site: Site) -> None:
    assert set(site.statuses(20, "/api/v1/health")) == {200}


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/verification/file",
        "/api/v1/evidence/0x00/1",
        "/api/v1/documents",
        "/api/v1/buildings/0x01/trace",
        "/api/v1/buildings/0x01/findings",
        "/api/v1/buildings/0x01/funds/flow",
        "/api/v1/datasets/ab/lineage",
        "/api/v1/submissions/x/models/0/changes",
        "/verify",
    ],
)
def test_what_costs_much_is_counted_on_its_own(site: Site, path: str) -> None:
    assert site.statuses(3, path) == [200, 200, 429]
    assert site.statuses(1) == [200]


def test_sign_ins_that_fail_are_counted(site: Site) -> None:
    site.status = 401
    assert site.statuses(3, "/api/v1/sessions", "POST") == [401, 401, 429]
    assert site.statuses(1, "/api/v1/sessions", "GET") == [401]


def test_sign_ins_that_succeed_are_not(tmp_path: Path) -> None:
    site = Site(tmp_path, requests_burst=100)
    site.status = 201
    assert set(site.statuses(20, "/api/v1/sessions", "POST")) == {201}


def test_so_many_at_once(site: Site) -> None:
    async def main() -> list[int]:
        site.gate = asyncio.Event()
        under_way = [asyncio.ensure_future(site.ask()) for _ in range(3)]
        await asyncio.sleep(0)
        refused = await site.ask()
        other = asyncio.ensure_future(site.ask(client=("192.0.2.9", 1)))
        await asyncio.sleep(0)
        site.gate.set()
        answers = [await one for one in (*under_way, other)]
        return [refused[0], *(status for status, *_ in answers), (await site.ask())[0]]

    assert asyncio.run(main()) == [429, 200, 200, 200, 200, 200]


def test_behind_its_proxy_each_address_counts_for_itself(site: Site) -> None:
    def through(address: str) -> dict[str, Any]:
        return {"client": ("10.0.0.1", 1), "headers": [(b"host", b"x"), (b"x-forwarded-for", address.encode())]}

    assert site.statuses(6, **through("192.0.2.7"))[-1] == 429
    assert site.statuses(1, **through("192.0.2.8")) == [200]
    assert site.seen[-1]["state"]["source_address"] == "192.0.2.8"
    # Elsewhere the header is what anybody may write: it gives nobody a bucket of their own.
    forged = {"headers": [(b"x-forwarded-for", b"192.0.2.66")]}
    assert site.statuses(6, client=("192.0.2.50", 1), **forged)[-1] == 429


def test_nothing_behind_it_sees_forwarding_headers(site: Site) -> None:
    headers = [(b"host", b"x"), (b"x-forwarded-host", b"evil.example"), (b"forwarded", b"host=evil.example")]
    site.statuses(1, headers=headers)
    assert site.seen[0]["headers"] == [(b"host", b"x")]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"headers": [(b"x", b"y")] * 101}, 431),
        ({"headers": [(b"x", b"y" * 40_000)]}, 431),
        ({"query_string": b"q" * 9_000}, 414),
        ({"raw_path": b"/" + b"p" * 9_000}, 414),
    ],
)
def test_a_head_that_is_too_large_is_not_quoted(site: Site, changes: dict[str, Any], status: int) -> None:
    answer = asyncio.run(site.ask(**changes))
    assert (answer[0], json.loads(answer[2])["code"]) == (status, "header_too_large")
    assert len(answer[2]) < 600
    assert site.seen == []


def test_a_public_origin_makes_every_request_https(tmp_path: Path) -> None:
    site = Site(tmp_path, public_origin="https://archive.example")
    site.statuses(1)
    assert site.seen[0]["scheme"] == "https"


def test_a_person_is_counted_wherever_they_come_from(site: Site) -> None:
    class _Request:
        class state:  # noqa: N801
            limiter = TokenBuckets()

        class app:  # noqa: N801
            class state:  # noqa: N801
                class services:  # noqa: N801
                    settings = site.settings

    for _ in range(5):
        admit_person(_Request, "li")  # type: ignore[arg-type]
    with pytest.raises(TooManyError):
        admit_person(_Request, "li")  # type: ignore[arg-type]
    admit_person(_Request, "wang")  # type: ignore[arg-type]


@pytest.mark.parametrize("https", [False, True])
def test_every_answer_has_the_headers_and_keeps_its_own(https: bool) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"no-cache")]})

    async def main() -> dict[str, str]:
        async def send(message: Any) -> None:
            sent.update({name.decode(): value.decode() for name, value in message["headers"]})

        sent: dict[str, str] = {}
        await ResponseHeaders(app, https=https)({"type": "http"}, None, send)  # type: ignore[arg-type]
        return sent

    headers = asyncio.run(main())
    assert headers["content-security-policy"] == CONTENT_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-cache"
    assert ("strict-transport-security" in headers) is https
