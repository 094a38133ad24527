"""Routes of the EPCIS 2.0 REST binding: capture, its jobs, and what is offered at all."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Request, Response
from starlette.concurrency import run_in_threadpool

from archive_api.access.dependencies import PrincipalDep, note
from archive_api.http import KeyPath, hex32
from archive_api.outbox.repository import number
from archive_api.problems import Problem
from archive_api.services import ServicesDep
from archive_api.streams.models import CaptureRow
from archive_api.supply.answers import MAX_PER_PAGE, PageTokens, answer, collection, next_page
from archive_api.supply.capturing import CaptureService, read_seal
from archive_api.supply.dependencies import (
    CAPTURE_REQUEST,
    PerPageQuery,
    StreamDep,
    TokenQuery,
    capture_body,
)
from archive_api.supply.headers import (
    capture_media_type,
    discovery_headers,
    require_answerable,
    require_rollback,
)
from archive_api.supply.reading import EventReader, stream_row_id
from archive_api.supply.router_events import add_event_routes
from archive_api.supply.router_queries import add_query_routes
from archive_api.supply.router_words import add_word_routes
from ledger.fields import utc_text

__all__ = ["ROOT", "router"]

ROOT: Final = "/buildings/{building_key}/epcis"
_RESOURCES: Final = (
    "queries",
    "capture",
    "events",
    "eventTypes",
    "epcs",
    "readPoints",
    "bizLocations",
    "dispositions",
    "bizSteps",
)
_METHODS: Final = {
    "": ("GET",),
    "/capture": ("GET", "POST"),
    "/capture/{capture_id}": ("GET",),
    "/events": ("GET", "POST"),
    "/events/{event_id:path}": ("GET",),
    "/eventTypes": ("GET",),
    "/eventTypes/{name}/events": ("GET",),
    "/eventTypes/{name}": ("GET",),
    "/epcs": ("GET",),
    "/epcs/{name:path}/events": ("GET",),
    "/epcs/{name:path}": ("GET",),
    "/bizSteps": ("GET",),
    "/bizSteps/{name:path}/events": ("GET",),
    "/bizSteps/{name:path}": ("GET",),
    "/bizLocations": ("GET",),
    "/bizLocations/{name:path}/events": ("GET",),
    "/bizLocations/{name:path}": ("GET",),
    "/readPoints": ("GET",),
    "/readPoints/{name:path}/events": ("GET",),
    "/readPoints/{name:path}": ("GET",),
    "/dispositions": ("GET",),
    "/dispositions/{name:path}/events": ("GET",),
    "/dispositions/{name:path}": ("GET",),
    "/queries": ("GET", "POST"),
    "/queries/{query_name}": ("GET", "DELETE"),
    "/queries/{query_name}/events": ("GET",),
}
_SealHeader = Annotated[
    str | None,
    Header(
        alias="Yunshang-Capture-Seal",
        description="The reporter's seal over the statement Capture of these events: base64 of canonical JSON with"
        " `certificate`, `signature` and `signing_time`. See docs/streams.md section 3.",
    ),
]
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    406: {"model": Problem, "description": "A version, format or media type is asked for that is not offered."},
    501: {"model": Problem, "description": "A part of the standard that is not offered."},
}


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix=ROOT, tags=["epcis"], responses=_REFUSALS, dependencies=[Depends(require_answerable)])
    _add_top(routes)
    _add_capture(routes)
    _add_jobs(routes)
    add_event_routes(routes)
    add_word_routes(routes)
    add_query_routes(routes)
    for path, methods in _METHODS.items():
        _add_discovery(routes, path, methods)
    return routes


def _add_top(routes: APIRouter) -> None:
    @routes.get("")
    def show_resources(building_key: KeyPath) -> Response:
        """What the binding offers for a building."""
        return answer(collection(_RESOURCES))


def _add_discovery(routes: APIRouter, path: str, methods: tuple[str, ...]) -> None:
    headers = discovery_headers(methods, captures="POST" in methods and not path.startswith("/queries"))

    def discover(building_key: KeyPath) -> Response:
        """Versions, formats, limits and methods, in headers. Captures are kept whole or not at all: `rollback`."""
        return Response(status_code=204, headers=headers)

    name = path.strip("/").replace("/", "_").replace("{", "").replace(":path}", "").replace("}", "") or "root"
    routes.add_api_route(
        path,
        discover,
        methods=["OPTIONS"],
        status_code=204,
        response_class=Response,
        name=f"discover_{name}",
        summary=f"Discover {path or '/'}",
    )


def _add_capture(routes: APIRouter) -> None:
    @routes.post("/capture", status_code=202, openapi_extra=CAPTURE_REQUEST, dependencies=[Depends(require_rollback)])
    async def capture_document(
        key: StreamDep, request: Request, services: ServicesDep, principal: PrincipalDep, seal: _SealHeader = None
    ) -> Response:
        """Capture a document of up to 10,000 events and 16 MiB under its reporter's seal: all of it, or nothing.

        The answer means that the events are durable; Location is the job that tells of their places in the log. Events
        that are known already are refused (409, `event_known`) with their ids and pointers.
        """
        media_type, value = capture_media_type(request), read_seal(seal)
        data = await capture_body(request)
        service = CaptureService(services, key)
        sent_by = principal.person_id or "desk"
        row = await run_in_threadpool(service.document, data, media_type, value, sent_by=sent_by)
        note(request, object_id=row.capture_id, detail={"stream": key.name.value, "records": row.record_count})
        return answer(_job(row), status=202, headers={"Location": _place(request, f"/capture/{row.capture_id}")})

    @routes.post("/events", status_code=201, openapi_extra=CAPTURE_REQUEST, dependencies=[Depends(require_rollback)])
    async def capture_event(
        key: StreamDep, request: Request, services: ServicesDep, principal: PrincipalDep, seal: _SealHeader = None
    ) -> Response:
        """Capture one event, not in a document, under its reporter's seal; Location is the event."""
        media_type, value = capture_media_type(request), read_seal(seal)
        data = await capture_body(request)
        service = CaptureService(services, key)
        sent_by = principal.person_id or "desk"
        row, event_id = await run_in_threadpool(service.event, data, media_type, value, sent_by=sent_by)
        note(request, object_id=row.capture_id, detail={"stream": key.name.value, "records": 1})
        where = _place(request, "/events/" + quote(event_id, safe=""))
        return answer(_job(row), status=201, headers={"Location": where})


def _add_jobs(routes: APIRouter) -> None:
    @routes.get("/capture")
    def list_captures(
        key: StreamDep,
        request: Request,
        services: ServicesDep,
        per_page: PerPageQuery = 30,
        token: TokenQuery = None,
    ) -> Response:
        """Capture jobs, newest first."""
        limit = min(per_page, MAX_PER_PAGE)
        tokens = PageTokens(services.cursors, f"epcis captures {key.owner} {key.name}", services.now())
        before = None if token is None else tokens.read_number(token)[0]
        with services.database.reading() as session:
            reader = EventReader(session, stream_row_id(session, services, key))
            rows = reader.captures(before=before, limit=limit + 1)
        following = tokens.write(number(rows[limit - 1].id)) if len(rows) > limit else None
        headers = next_page(request, following, tokens.expires)
        return answer([_job(row) for row in rows[:limit]], headers=headers)

    @routes.get("/capture/{capture_id}")
    def show_capture(key: StreamDep, capture_id: KeyPath, services: ServicesDep) -> Response:
        """One capture job; it is running until its events have their places in the log."""
        with services.database.reading() as session:
            row = EventReader(session, stream_row_id(session, services, key)).capture(hex32(capture_id))
        return answer(_job(row) | {"hashIDs": json.loads(row.record_ids)})


def _job(row: CaptureRow) -> dict[str, Any]:
    """A capture job as the standard has it, with the capture's own members: `firstIndex` is its place in the log."""
    return {
        "captureID": row.capture_id,
        "createdAt": _time(row.created_at),
        **({} if row.sequenced_at is None else {"finishedAt": _time(row.sequenced_at)}),
        "running": row.first_index is None,
        "success": True,
        "captureErrorBehaviour": "rollback",
        "errors": [],
        "firstIndex": row.first_index,
        "eventCount": row.record_count,
        "reporter": row.reporter,
        "reporterName": row.reporter_name,
        "contentCid": row.content_cid,
    }


def _time(moment: Any) -> str:
    return utc_text(moment.replace(microsecond=0))


def _place(request: Request, path: str) -> str:
    raw = str(request.scope.get("raw_path", request.url.path.encode()), "ascii")
    return raw[: raw.index("/epcis/") + len("/epcis")] + path
