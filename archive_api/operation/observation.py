"""Around everything else that answers a request: its id, its count, its time, its log line, its trace.

What is written down is the template of the route, the status and the time: no address, no path, no query, no person.
Who asked for what is in the access log, which is kept and read under rules of its own.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Collection, Mapping
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from archive_api.operation.logs import REQUEST_ID
from archive_api.operation.metrics import NO_ROUTE
from archive_api.operation.observer import Observer

__all__ = ["REQUEST_ID_HEADER", "Observation"]

REQUEST_ID_HEADER: Final = "X-Request-Id"
_HEADER: Final = REQUEST_ID_HEADER.lower().encode("ascii")
_GIVEN: Final = re.compile(rb"[A-Za-z0-9._-]{8,64}\Z")
_PARENT: Final = (b"traceparent", b"tracestate")
_LOG = logging.getLogger("archive_api.request")


class Observation:
    """Hands requests on and notes how they were answered.

    A proxy of the archive's own may say the id of a request and of the trace that it belongs to; of everybody else
    both are drawn here.

    Args:
        app: what answers.
        observer: counts and traces.
        trusted_proxies: addresses whose `X-Request-Id` and `traceparent` are believed.
    """

    def __init__(self, app: ASGIApp, *, observer: Observer, trusted_proxies: Collection[str] = ()) -> None:
        self._app = app
        self._requests = observer.requests
        self._traces = observer.traces
        self._trusted = frozenset(trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have a request answered; the answer says its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        state: dict[str, Any] = scope.setdefault("state", {})
        said = self._said(scope)
        request_id = said.get(_HEADER) or secrets.token_hex(8).encode("ascii")
        text = request_id.decode("ascii")
        token = REQUEST_ID.set(text)
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (_HEADER, request_id)]
            await send(message)

        self._requests.under_way.inc()
        try:
            if self._traces.is_on:
                await self._traced(scope, receive, noted, state=state, request_id=text, said=said)
            else:
                await self._app(scope, receive, noted)
        finally:
            seconds = time.perf_counter() - begun
            self._requests.under_way.dec()
            route = _route(state)
            self._requests.answered(scope["method"], route, status=status, seconds=seconds)
            if _LOG.isEnabledFor(logging.INFO):
                facts = {
                    "method": scope["method"][:16],
                    "route": route,
                    "status": status,
                    "milliseconds": round(seconds * 1000, 2),
                }
                _LOG.info("answered", extra=facts)
            REQUEST_ID.reset(token)

    async def _traced(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        state: Mapping[str, Any],
        request_id: str,
        said: Mapping[bytes, bytes],
    ) -> None:
        parent = {name.decode("ascii"): said[name].decode("latin-1") for name in _PARENT if name in said}
        method = scope["method"][:16]
        facts: dict[str, str | int] = {"http.request.method": method, "yunshang.request_id": request_id}
        with self._traces.span(method, facts, parent=parent) as span:

            async def noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.note("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.failed(str(message["status"]))
                await send(message)

            try:
                await self._app(scope, receive, noted)
            finally:
                route = _route(state)
                span.name(f"{method} {route}")
                span.note("http.route", route)

    def _said(self, scope: Scope) -> Mapping[bytes, bytes]:
        """What a proxy of the archive's own says of the request."""
        if not self._trusted or not scope.get("client") or scope["client"][0] not in self._trusted:
            return {}
        wanted = (_HEADER, *_PARENT)
        said = {name: value for name, value in scope["headers"] if name in wanted}
        if not _GIVEN.match(said.get(_HEADER, b"")):
            said.pop(_HEADER, None)
        return said


def _route(state: Mapping[str, Any]) -> str:
    access = state.get("access")
    return NO_ROUTE if access is None else str(access.rule.path)
