"""The first thing that a request meets: its address, its form, and how many there are of it.

In this order, each step cheaper than what comes after it:
(1) The source address is read, and what only a proxy may say is taken away.
(2) Headers and address that are too large are refused (431, 414).
(3) Too many requests at once or in a time are refused (429): of an address all, the costly ones, and failed sign-ins.
Persons are counted by `admit_person`, once it is known who asks.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from http import HTTPStatus
from typing import Final

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from archive_api.problems import problem_response
from archive_api.protection.addresses import source_address, without_forwarding
from archive_api.protection.rates import Allowance, RateLimiter, admit, network_of
from archive_api.settings import Settings
from archive_api.supply.exceptions import EPCIS_ROOT

__all__ = ["Guard", "admit_person"]

_MAX_HEADERS: Final = 100
_MAX_HEADER_BYTES: Final = 32_768
_MAX_ADDRESS_BYTES: Final = 8_192
_UNCOUNTED: Final = ("/static/", "/api/v1/health")
_SIGN_INS: Final = frozenset(
    {("POST", "/api/v1/sessions"), ("GET", "/api/v1/sign-in/oidc/callback"), ("POST", "/sign-in")}
)
_COSTLY: Final = re.compile(
    r"/verify|/api/v1/(verification/.*|evidence/.*|.*/evidence|.*/lineage|documents"
    r"|buildings/[^/]+/(trace|findings|funds/flow)|submissions/[^/]+/(statement|models/.*))"
)


class Guard:
    """Refuses what is too much, whoever sends it.

    Args:
        app: what answers.
        settings: the limits.
        limiter: counts.
    """

    def __init__(self, app: ASGIApp, *, settings: Settings, limiter: RateLimiter) -> None:
        self._app = app
        self._settings = settings
        self._limiter = limiter
        self._under_way: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, or answer with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        address = source_address(scope, self._settings.trusted_proxies)
        scope = without_forwarding(scope)  # (1)
        # Into the state that is there: what observes requests further out reads the route from it afterwards.
        scope.setdefault("state", {}).update(source_address=address, limiter=self._limiter)
        if self._settings.is_https:
            scope["scheme"] = "https"
        if status := _too_large(scope):  # (2)
            # The address is not quoted: it may be what is too large. The root of the EPCIS routes is, for their types.
            root = EPCIS_ROOT.match(scope["path"])
            quoted = Request({**scope, "path": root[0] if root else "", "raw_path": b""})
            answer = problem_response(quoted, status, "header_too_large", "expected a smaller head of a request")
            await answer(scope, receive, send)
            return
        network = network_of(address)
        if wait := self._wait(scope, network):  # (3)
            await self._refuse(scope, receive, send, wait)
            return
        self._under_way[network] += 1
        try:
            await self._app(scope, receive, self._counting_sign_ins(scope, network, send))
        finally:
            self._under_way[network] -= 1
            if not self._under_way[network]:
                del self._under_way[network]

    def _wait(self, scope: Scope, network: str) -> float:
        """Seconds until this request would be taken; 0: now."""
        path, settings = scope["path"], self._settings
        if path.startswith(_UNCOUNTED):
            return 0.0
        if self._under_way[network] >= settings.requests_at_once:
            return 1.0
        wanted: list[tuple[str, Allowance]] = [(f"all {network}", settings.request_allowance)]
        if _COSTLY.fullmatch(path):
            wanted.append((f"costly {network}", settings.costly_allowance))
        if (scope["method"], path) in _SIGN_INS:
            wanted.append((f"sign-in {network}", settings.sign_in_allowance))
        for key, allowance in wanted:
            if wait := self._limiter.take(key, allowance):
                return wait
        return 0.0

    def _counting_sign_ins(self, scope: Scope, network: str, send: Send) -> Send:
        """What has a sign-in that succeeds not count."""
        if (scope["method"], scope["path"]) not in _SIGN_INS:
            return send

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < HTTPStatus.BAD_REQUEST:
                self._limiter.give_back(f"sign-in {network}")
            await send(message)

        return watched

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, wait: float) -> None:
        seconds = max(1, math.ceil(wait))
        answer = problem_response(
            Request(scope),
            HTTPStatus.TOO_MANY_REQUESTS,
            "too_many_requests",
            "expected fewer requests at a time; wait and ask again",
            values={"retry_after_seconds": seconds},
            headers={"Retry-After": str(seconds)},
        )
        await answer(scope, receive, send)


def admit_person(request: Request, person_id: str) -> None:
    """Count a request for whom it is of; called once it is known who asks, from any thread.

    Args:
        request: that came through the guard.
        person_id: stable id of the person.

    Raises:
        TooManyError: the person has asked too much.
    """
    limiter: RateLimiter = request.state.limiter
    settings: Settings = request.app.state.services.settings
    admit(limiter, f"person {person_id}", settings.request_allowance)


def _too_large(scope: Scope) -> HTTPStatus | None:
    headers = scope["headers"]
    if len(headers) > _MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > _MAX_HEADER_BYTES:
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    address_bytes = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
    return HTTPStatus.REQUEST_URI_TOO_LONG if address_bytes > _MAX_ADDRESS_BYTES else None
