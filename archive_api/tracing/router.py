"""The routes of traces and findings."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Response

from archive_api.errors import MalformedError
from archive_api.http import KeyPath, hex32
from archive_api.services import ServicesDep
from archive_api.tracing.findings import findings
from archive_api.tracing.service import Trace, trace
from ledger.supply.graph import MAX_NAME_CHARACTERS, Limits, Seed, SeedKind

__all__ = ["router"]

Format = Literal["json", "graphml", "svg"]
_MEDIA_TYPES: Final[dict[str, str]] = {
    "json": "application/json",
    "graphml": "application/graphml+xml",
    "svg": "image/svg+xml",
}
_CONTENT: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The graph of docs/tracing.md section 4, in the format asked for.",
        "content": {
            "application/json": {"schema": {"type": "object", "title": "Trace", "required": ["events", "checkpoints"]}},
            **{_MEDIA_TYPES[name]: {"schema": {"type": "string"}} for name in ("graphml", "svg")},
        },
    }
}
_Name = Annotated[str | None, Query(min_length=1, max_length=MAX_NAME_CHARACTERS)]


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["tracing"])

    @routes.get("/buildings/{building_key}/trace", response_class=Response, responses=_CONTENT)
    def get_trace(
        *,
        building_key: KeyPath,
        services: ServicesDep,
        element: _Name = None,
        lot: _Name = None,
        document: _Name = None,
        answer_format: Annotated[Format, Query(alias="format")] = "json",
        proofs: Annotated[bool, Query(description="Prove each event; with the format json.")] = True,
        max_events: Annotated[int, Query(ge=1, le=2_000, description="The answer says `truncated`.")] = 2_000,
    ) -> Response:
        """Trace an element (GlobalId), a lot or piece (EPC URI) or a document (SHA-256), back and forth.

        Exactly one of the three is named. Each event comes with its proof under one checkpoint of its stream.
        """
        seed = _seed(element=element, lot=lot, document=document)
        with services.database.reading() as session:
            found = trace(
                session,
                services,
                hex32(building_key),
                seed,
                proofs=proofs and answer_format == "json",
                limits=Limits(max_events=max_events),
            )
        return Response(_written(found, answer_format), media_type=_MEDIA_TYPES[answer_format])

    @routes.get("/buildings/{building_key}/findings")
    def get_findings(building_key: KeyPath, services: ServicesDep) -> dict[str, Any]:
        """Where a building's records do not agree: each rule with its events, and what could not be checked."""
        with services.database.reading() as session:
            return findings(session, services, hex32(building_key))

    return routes


def _seed(**given: str | None) -> Seed:
    named = [(name, value) for name, value in given.items() if value is not None]
    if len(named) != 1:
        raise MalformedError(
            f"expected one of element, lot and document, got {len(named)} of them", code="trace_seed", given=len(named)
        )
    kind, name = named[0]
    return Seed(SeedKind(kind), name)


def _written(found: Trace, answer_format: Format) -> bytes:
    match answer_format:
        case "graphml":
            return found.to_graphml()
        case "svg":
            return found.to_svg()
        case _:
            return json.dumps(found.to_json(), ensure_ascii=False, separators=(",", ":")).encode()
