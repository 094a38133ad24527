"""Routes of named queries; subscriptions are not offered, and say so."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, NoReturn

from fastapi import APIRouter, Path, Request, Response
from starlette.concurrency import run_in_threadpool

from archive_api.access.dependencies import PrincipalDep, note
from archive_api.errors import MalformedError, NotOfferedError, UnsupportedMediaError
from archive_api.http import KeyPath, hex32
from archive_api.outbox.repository import number
from archive_api.services import ServicesDep
from archive_api.supply.answers import MAX_PER_PAGE, PageTokens, answer, next_page
from archive_api.supply.dependencies import OWN_PARAMETERS, PerPageQuery, StreamDep, TokenQuery
from archive_api.supply.headers import capture_media_type
from archive_api.supply.named import NamedQueries, shown
from archive_api.supply.parameters import from_json
from archive_api.supply.router_events import answer_query

__all__ = ["add_query_routes"]

_QueryName = Annotated[str, Path(min_length=1, max_length=200, description="The query's name.")]
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object", "required": ["name", "query"]},
                "example": {"name": "arrivals", "query": {"eventType": ["ObjectEvent"], "EQ_bizStep": ["arriving"]}},
            }
        },
    }
}


def add_query_routes(routes: APIRouter) -> None:
    """Add the routes."""
    _add_named(routes)
    _add_results(routes)
    _add_subscriptions(routes)


def _add_named(routes: APIRouter) -> None:
    @routes.post("/queries", status_code=201, openapi_extra=_BODY)
    async def create_query(
        building_key: KeyPath, request: Request, services: ServicesDep, principal: PrincipalDep
    ) -> Response:
        """Keep a query under a name; Location is the query. Its parameters are checked now."""
        if capture_media_type(request) != "application/json":
            raise UnsupportedMediaError("expected a query as JSON, got XML")
        body = await request.body()
        key = hex32(building_key)

        def create() -> str:
            with services.database.transaction() as session:
                queries = NamedQueries(session, services, key)
                return queries.add(body, by=principal).name

        name = await run_in_threadpool(create)
        note(request, object_id=name)
        return answer(status=201, headers={"Location": f"/api/v1/buildings/{building_key}/epcis/queries/{name}"})

    @routes.get("/queries")
    def list_queries(
        building_key: KeyPath,
        request: Request,
        services: ServicesDep,
        per_page: PerPageQuery = 30,
        token: TokenQuery = None,
    ) -> Response:
        """Named queries in the order they were made."""
        limit = min(per_page, MAX_PER_PAGE)
        key = hex32(building_key)
        tokens = PageTokens(services.cursors, f"epcis queries {key}", services.now())
        after = 0 if token is None else tokens.read_number(token)[0]
        with services.database.reading() as session:
            rows = NamedQueries(session, services, key).after(after, limit=limit + 1)
        following = tokens.write(number(rows[limit - 1].id)) if len(rows) > limit else None
        return answer([shown(row) for row in rows[:limit]], headers=next_page(request, following, tokens.expires))

    @routes.get("/queries/{query_name}")
    def show_query(building_key: KeyPath, query_name: _QueryName, services: ServicesDep) -> Response:
        """One named query."""
        with services.database.reading() as session:
            return answer(shown(NamedQueries(session, services, hex32(building_key)).get(query_name)))

    @routes.delete("/queries/{query_name}", status_code=204, response_class=Response)
    def remove_query(
        building_key: KeyPath, query_name: _QueryName, services: ServicesDep, principal: PrincipalDep
    ) -> Response:
        """Forget a named query: by who made it, or by an administrator of the archive."""
        with services.database.transaction() as session:
            NamedQueries(session, services, hex32(building_key)).remove(query_name, by=principal)
        return answer(status=204)


def _add_results(routes: APIRouter) -> None:
    @routes.get("/queries/{query_name}/events")
    def run_query(
        *,
        key: StreamDep,
        query_name: _QueryName,
        request: Request,
        services: ServicesDep,
        per_page: PerPageQuery = 30,
        token: TokenQuery = None,
    ) -> Response:
        """The events that a named query means now, as an EPCISQueryDocument."""
        if others := sorted(set(request.query_params) - OWN_PARAMETERS):
            if others[0].startswith(("schedule", "stream", "reportIfEmpty", "initialRecordTime", "second", "minute")):
                _refuse_subscriptions()
            raise MalformedError(
                f"expected the parameters of the named query, got {others[0][:80]!r} beside them",
                code="query_parameter",
                parameter=others[0][:200],
            )
        with services.database.reading() as session:
            row = NamedQueries(session, services, key.owner).get(query_name)
        parameters = from_json(json.loads(row.query))
        return answer_query(key, request, services, parameters, per_page=per_page, token=token, name=row.name)


def _add_subscriptions(routes: APIRouter) -> None:
    @routes.get("/queries/{query_name}/subscriptions")
    def list_subscriptions(building_key: KeyPath, query_name: _QueryName) -> Response:
        """Not offered: ask for events since a record time instead, with GE_recordTime."""
        _refuse_subscriptions()

    @routes.post("/queries/{query_name}/subscriptions")
    def subscribe(building_key: KeyPath, query_name: _QueryName) -> Response:
        """Not offered: this server calls nobody, and keeps no socket open for a reader."""
        _refuse_subscriptions()


def _refuse_subscriptions() -> NoReturn:
    raise NotOfferedError(
        "expected a query that is asked for, got a subscription: ask again with GE_recordTime instead",
        code="subscriptions_not_offered",
    )
