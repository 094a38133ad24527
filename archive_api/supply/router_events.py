"""Routes of events: queries by address, and single events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response

from archive_api.services import Services, ServicesDep
from archive_api.streams.keys import StreamKey
from archive_api.supply.answers import MAX_PER_PAGE, PageTokens, answer, next_page, query_document
from archive_api.supply.dependencies import PerPageQuery, StreamDep, TokenQuery, query_parameters
from archive_api.supply.parameters import FIXED, Form
from archive_api.supply.query import EventQuery
from archive_api.supply.reading import EventReader, stream_row_id

__all__ = ["QUERY_PARAMETERS", "add_event_routes", "answer_query"]

_SCHEMAS: Final[Mapping[Form, dict[str, Any]]] = {
    Form.TIME: {"type": "string", "format": "date-time"},
    Form.NUMBER: {"type": "number"},
    Form.COUNT: {"type": "integer", "minimum": 1},
    Form.FLAG: {"type": "boolean"},
}
QUERY_PARAMETERS: Final[dict[str, Any]] = {
    "parameters": [
        {"name": name, "in": "query", "required": False, "schema": _SCHEMAS.get(form, {"type": "string"})}
        for name, form in FIXED.items()
    ]
}
"""Parameters of the query language with fixed names, for the OpenAPI document; lists are divided by `|`."""


def add_event_routes(routes: APIRouter) -> None:
    """Add the routes."""

    @routes.get("/events", openapi_extra=QUERY_PARAMETERS)
    def query_events(
        key: StreamDep,
        request: Request,
        services: ServicesDep,
        per_page: PerPageQuery = 30,
        token: TokenQuery = None,
    ) -> Response:
        """Events by the parameters of SimpleEventQuery, as an EPCISQueryDocument; the next page is in the Link header.

        A page may hold fewer events than asked for. Parameters that are not supported are refused by their names.
        """
        return answer_query(key, request, services, query_parameters(request), per_page=per_page, token=token)

    @routes.get("/events/{event_id:path}")
    def show_event(
        key: StreamDep,
        event_id: Annotated[str, Path(min_length=1, max_length=4_000, description="eventID or hash id, URL-encoded.")],
        services: ServicesDep,
    ) -> Response:
        """One event with the error declarations about it, as an EPCISQueryDocument."""
        with services.database.reading() as session:
            events = EventReader(session, stream_row_id(session, services, key)).named(event_id)
        return answer(query_document(events, now=services.now()))


def answer_query(
    key: StreamKey,
    request: Request,
    services: Services,
    parameters: Mapping[str, Any],
    *,
    per_page: int,
    token: str | None,
    name: str = "SimpleEventQuery",
) -> Response:
    """Answer a query with one page.

    Args:
        key: the stream.
        request: what is answered; its address is that of the next page too.
        services: the server's.
        parameters: as `parameters.from_address` gives them.
        per_page: events at most.
        token: of the page, or None for the first.
        name: of the query.
    """
    query = EventQuery.of(parameters)
    tokens = PageTokens(services.cursors, f"epcis {key.owner} {key.name} {query.fingerprint}", services.now())
    after, seen = (None, 0) if token is None else tokens.read_number(token)
    limit = min(per_page, MAX_PER_PAGE)
    if query.count_limit is not None:
        limit = min(limit, query.count_limit - seen)
    with services.database.reading() as session:
        page = EventReader(session, stream_row_id(session, services, key)).page(query, limit=limit, after=after)
    seen += len(page.events)
    is_end = page.last is None or (query.count_limit is not None and seen >= query.count_limit)
    following = None if is_end or page.last is None else tokens.write(page.last, seen=seen)
    headers = next_page(request, following, tokens.expires)
    return answer(query_document(page.events, now=services.now(), name=name), headers=headers)
