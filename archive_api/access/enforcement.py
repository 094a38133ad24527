"""The one place where the policy table is enforced: around every route, before it reads anything of its own.

For each request: who asks, what is named, the decision; and before the answer leaves, the entry in the access log.
What the principal may not know of is answered as what does not exist, and by the same code.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from archive_api.access.decision import Target, Verdict, decide
from archive_api.access.gate import Found
from archive_api.access.policy import Log, Rule
from archive_api.access.policy import Scope as AccessScope
from archive_api.access.principal import ANONYMOUS, EVERYTHING, Principal
from archive_api.access.repository import TargetFinder, grants_of
from archive_api.access.visibility import Visibility
from archive_api.access_log.events import PROMISE_HEADER, AccessEvent, Outcome, Promise
from archive_api.errors import (
    ApiError,
    ForbiddenError,
    HouseError,
    MalformedError,
    NotFoundError,
    TooLargeError,
    UnauthenticatedError,
)
from archive_api.protection.guard import admit_person
from archive_api.services import Services
from ledger.errors import LedgerError
from signing.errors import SigningError

__all__ = ["Access", "Chosen", "Enforcement"]

SIGN_IN_PAGE: Final = "/sign-in"
_MAX_NAMING_BODY: Final = 1 << 20
_MAX_SEARCH_CHARACTERS: Final = 2_000
_REFUSALS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_NAMELESS: Final = frozenset({AccessScope.NONE, AccessScope.ANYWHERE})
# What is done before its entry is written.
_ACTS: Final = frozenset({Log.CHANGE, Log.ADMINISTER})


@dataclass(slots=True)
class Access:
    """One request, as far as it is known who asks for what.

    Attributes:
        rule: of its route.
        names: the parameters of its path.
        router: that has its route, see `Found`.
        principal: who asks.
        seen: what they may know of.
        target: what they ask for.
        verdict: the decision.
        notes: what the route adds to the access log: `subject`, `search`, `object_id`, `detail`.
    """

    rule: Rule
    names: Mapping[str, str]
    router: BaseRoute | None = None
    principal: Principal = ANONYMOUS
    seen: Visibility = field(default_factory=lambda: Visibility(()))
    target: Target | None = None
    verdict: Verdict | None = None
    notes: dict[str, Any] = field(default_factory=dict)


class Enforcement:
    """Lets through what the policy allows, and records it.

    Args:
        app: the routes, with what handles their errors.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have its route answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        found = request.app.state.gate.find(scope["method"], scope["path"])
        if not isinstance(found, Found):
            await (await _no_route(request, found))(scope, receive, send)
            return
        access = Access(found.rule, found.names, found.router)
        request.state.access = access
        recorder = _Recorder(request, access, send)
        try:
            refusal = None
            try:
                receive = await self._authorise(request, access, receive)
            except (ApiError, LedgerError, SigningError, HTTPException) as error:
                refusal = await _answer(request, error, is_page=found.rule.is_page)
            if refusal is None and access.verdict is Verdict.UNAUTHENTICATED and found.rule.is_page:
                refusal = _to_sign_in(request)
            await (refusal or self._app)(scope, receive, recorder.send)
        finally:
            await recorder.finish()

    async def _authorise(self, request: Request, access: Access, receive: Receive) -> Receive:
        names = dict(access.names)
        if access.rule.scope is AccessScope.PROJECT_IN_BODY:
            body = await _small_body(receive)
            names |= _project_in(body)
            receive = _again(body, receive)
        if access.rule.log is not Log.NONE or access.rule.scope is not AccessScope.ANYWHERE or _is_signed(request):
            await run_in_threadpool(_decide, request, access, names)
        else:
            access.verdict = decide(access.rule, ANONYMOUS, None)
        _raise_refusal(access)
        if access.rule.log in _ACTS:
            # Better not begun than done without an entry.
            request.app.state.services.access_log.require_writable()
        return receive


class Chosen:
    """Hands a request to the router that the gate found its route in; those before it are not asked again.

    Args:
        app: what asks one router after the other, for what the gate found in none.
        router: the application's own, by which routes make addresses of others.
    """

    def __init__(self, app: ASGIApp, router: Router) -> None:
        self._app = app
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on."""
        access: Access | None = scope.get("state", {}).get("access")
        if access is None or access.router is None:
            await self._app(scope, receive, send)
            return
        scope.setdefault("router", self._router)
        await access.router.handle(scope, receive, send)


def _is_signed(request: Request) -> bool:
    return "authorization" in request.headers or "cookie" in request.headers


def _decide(request: Request, access: Access, names: Mapping[str, str]) -> None:
    services: Services = request.app.state.services
    access.principal = _principal(services, request)
    access.seen = Visibility.of(access.principal)
    rule = access.rule
    try:
        if rule.scope not in _NAMELESS:
            with services.database.looking() as connection:
                access.target = TargetFinder(connection, access.seen).find(rule, names)
    except (MalformedError, KeyError) as error:
        # A name that cannot be one, or none in a body: those who may use the route at all are told what is wrong. A
        # name is refused here, since a route could read it as another one.
        may = access.principal.has_somewhere(rule.roles)
        access.verdict = Verdict.ALLOWED if may else decide(rule, access.principal, None)
        if may and isinstance(error, MalformedError):
            if rule.is_page:  # a person follows a link: there is no such page
                raise NotFoundError("expected a page, got none under this name") from error
            raise
        return
    access.verdict = decide(rule, access.principal, access.target)


def _principal(services: Services, request: Request) -> Principal:
    signed = request.state.signed_in = services.sessions.authenticate(request)
    if signed is None:
        return ANONYMOUS
    admit_person(request, signed.person_id)
    grants = EVERYTHING
    if not signed.desk:
        with services.database.looking() as connection:
            grants = grants_of(connection, signed.person_id)
    return Principal(
        person_id=signed.person_id,
        name=signed.name,
        organisation_code=signed.organisation_code,
        certificate_id=signed.certificate_id,
        session_id=signed.session_id,
        method=signed.method,
        grants=grants,
    )


def _raise_refusal(access: Access) -> None:
    kind = access.rule.kind.replace("_", " ")
    match access.verdict:
        case Verdict.ALLOWED:
            return
        case Verdict.UNAUTHENTICATED:
            if not access.rule.is_page:
                raise UnauthenticatedError("expected somebody signed in, got nobody")
        case Verdict.HIDDEN:
            raise NotFoundError(f"expected a {kind}, got none under this name")
        case Verdict.NOT_CLEARED:
            raise ForbiddenError(
                "expected somebody cleared for every document of it, got somebody who is not", code="not_cleared"
            )
        case _:
            allowed = sorted(role.value for role in access.rule.roles)
            raise ForbiddenError(
                f"expected one of the roles {', '.join(allowed)}, got none of them here", roles=allowed
            )


class _Recorder:
    """Holds an answer's head until the access is in the log, and gives nothing where it can't be."""

    def __init__(self, request: Request, access: Access, send: Send) -> None:
        self._request = request
        self._access = access
        self._send = send
        self._is_done = False
        self._is_dropped = False

    async def send(self, message: Message) -> None:
        """Send on; the head of the answer with the log's promise."""
        if message["type"] == "http.response.start" and not self._is_done:
            self._is_done = True
            try:
                promise = await self._record(message["status"])
            except (ApiError, LedgerError) as error:
                self._is_dropped = True
                refusal = await _answer(self._request, error, is_page=self._access.rule.is_page)
                await refusal(self._request.scope, self._request.receive, self._send)
                return
            if promise is not None:
                MutableHeaders(scope=message)[PROMISE_HEADER] = promise
        if not self._is_dropped:
            await self._send(message)

    async def finish(self) -> None:
        """Record a request that was not answered: its route failed."""
        if not self._is_done:
            self._is_done = True
            await self._record(HTTPStatus.INTERNAL_SERVER_ERROR)

    async def _record(self, status: int) -> str | None:
        event = _event(self._request, self._access, status)
        if event is None:
            return None
        log = self._request.app.state.services.access_log
        promise: Promise = await asyncio.wrap_future(log.submit(event))
        return promise.to_text()


def _event(request: Request, access: Access, status: int) -> AccessEvent | None:
    rule, principal, notes = access.rule, access.principal, access.notes
    is_refused = access.verdict is not Verdict.ALLOWED or status in _REFUSALS
    if rule.log is Log.NONE and not is_refused:
        return None
    outcome = Outcome.GRANTED if status < HTTPStatus.BAD_REQUEST else Outcome.FAILED
    if is_refused and not (access.verdict is Verdict.HIDDEN and access.target is None):
        outcome = Outcome.DENIED
    subject = notes.get("subject")
    if subject is None and not principal.is_anonymous:
        subject = {
            "person_id": principal.person_id,
            "name": principal.name,
            "certificate_id": principal.certificate_id,
            "organisation": principal.organisation_code,
            "session_id": principal.session_id,
            "method": principal.method,
        }
    search = notes.get("search")
    if search is None and rule.log is Log.SEARCH and request.method == "GET" and request.url.query:
        search = request.url.query[:_MAX_SEARCH_CHARACTERS]
    return AccessEvent(
        rule.action,
        outcome,
        subject=subject,
        source=getattr(request.state, "source_address", None),
        search=search,
        object_kind=rule.kind if access.names else None,
        object_id=notes.get("object_id") or "/".join(access.names.values()) or None,
        unit_project_key=access.target.unit_project_key if access.target else None,
        method=request.method,
        route=rule.path,
        status=int(status),
        detail=notes.get("detail", {}),
    )


async def _answer(request: Request, error: HouseError | HTTPException, *, is_page: bool) -> Response:
    """What the application answers an error with: a page, or a problem document."""
    from archive_api.errors import status_of
    from archive_api.web.router import error_page

    if is_page:
        return error_page(request, error.status_code if isinstance(error, HTTPException) else status_of(error))
    app: FastAPI = request.app
    handle = next(app.exception_handlers[kind] for kind in type(error).__mro__ if kind in app.exception_handlers)
    answer: Any = handle(request, error)
    return answer if isinstance(answer, Response) else await answer


async def _no_route(request: Request, methods: frozenset[str]) -> Response:
    if methods:
        error = HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(sorted(methods))})
    else:
        error = HTTPException(HTTPStatus.NOT_FOUND)
    return await _answer(request, error, is_page=False)


def _to_sign_in(request: Request) -> Response:
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"{SIGN_IN_PAGE}?next={quote(wanted, safe='')}", HTTPStatus.SEE_OTHER)


async def _small_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > _MAX_NAMING_BODY:
            raise TooLargeError(f"expected a body of at most {_MAX_NAMING_BODY} bytes, got more")
        if not message.get("more_body", False):
            return bytes(body)


def _project_in(body: bytes) -> dict[str, str]:
    """The key of the unit project that a body names, if it names one."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    key = document.get("unit_project_key") if isinstance(document, dict) else None
    return {"unit_project_key": key} if isinstance(key, str) else {}


def _again(body: bytes, receive: Receive) -> Receive:
    """A body that was read, to be read once more."""
    is_given = False

    async def replayed() -> MutableMapping[str, Any]:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
