"""Routes of the words that events use: types, EPCs, steps, places, dispositions, and the events that use each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from sqlmodel import col

from archive_api.errors import NotFoundError
from archive_api.services import ServicesDep
from archive_api.supply.answers import MAX_PER_PAGE, PageTokens, answer, collection, next_page
from archive_api.supply.dependencies import PerPageQuery, StreamDep, TokenQuery, query_parameters
from archive_api.supply.matching import bare
from archive_api.supply.models import SupplyEvent
from archive_api.supply.reading import EventReader, stream_row_id
from archive_api.supply.router_events import QUERY_PARAMETERS, answer_query
from ledger.supply.document import EVENT_TYPES
from ledger.supply.schema import epcis_schema

__all__ = ["add_word_routes"]

_NamePath = Annotated[str, Path(min_length=1, max_length=4_000, description="The value, URL-encoded.")]


@dataclass(frozen=True, slots=True)
class _Words:
    """A resource of words.

    Attributes:
        path: its name in the binding.
        parameter: the query parameter that asks for events with one of them.
        column: of `SupplyEvent`; None for EPCs.
        standard: gives those that are there before any event has them.
        what: English plural, for the OpenAPI document.
    """

    path: str
    parameter: str
    column: Any
    standard: Callable[[], Sequence[str]]
    what: str


def _none() -> Sequence[str]:
    return ()


def _types() -> Sequence[str]:
    return EVENT_TYPES


@cache
def _vocabulary(name: str) -> Sequence[str]:
    """The bare words of the CBV that the official schema has for a field."""
    choices = epcis_schema()["definitions"][name]["anyOf"]
    return tuple(word for choice in choices for word in choice.get("enum", ()))


_RESOURCES: Final = (
    _Words("eventTypes", "eventType", col(SupplyEvent.type), _types, "event types"),
    _Words("epcs", "MATCH_anyEPC", None, _none, "EPCs"),
    _Words("bizSteps", "EQ_bizStep", col(SupplyEvent.biz_step), partial(_vocabulary, "bizStep"), "business steps"),
    _Words("bizLocations", "EQ_bizLocation", col(SupplyEvent.biz_location), _none, "business locations"),
    _Words("readPoints", "EQ_readPoint", col(SupplyEvent.read_point), _none, "read points"),
    _Words(
        "dispositions",
        "EQ_disposition",
        col(SupplyEvent.disposition),
        partial(_vocabulary, "disposition"),
        "dispositions",
    ),
)


def add_word_routes(routes: APIRouter) -> None:
    """Add the routes."""
    for words in _RESOURCES:
        _add_list(routes, words)
        _add_events(routes, words)
        _add_one(routes, words)


def _add_list(routes: APIRouter, words: _Words) -> None:
    def list_words(
        key: StreamDep,
        request: Request,
        services: ServicesDep,
        per_page: PerPageQuery = 30,
        token: TokenQuery = None,
    ) -> Response:
        limit = min(per_page, MAX_PER_PAGE)
        tokens = PageTokens(services.cursors, f"epcis {words.path} {key.owner} {key.name}", services.now())
        after = None if token is None else tokens.read_text(token)
        with services.database.reading() as session:
            reader = EventReader(session, stream_row_id(session, services, key))
            found = _page(reader, words, after, limit + 1)
        following = tokens.write(found[limit - 1]) if len(found) > limit else None
        return answer(collection(found[:limit]), headers=next_page(request, following, tokens.expires))

    _add(routes, f"/{words.path}", list_words, f"List {words.what}", f"The {words.what} that are known, in order.")


def _add_events(routes: APIRouter, words: _Words) -> None:
    def query_word(
        *,
        key: StreamDep,
        name: _NamePath,
        request: Request,
        services: ServicesDep,
        per_page: PerPageQuery = 30,
        token: TokenQuery = None,
    ) -> Response:
        parameters = query_parameters(request, **{words.parameter: [name]})
        return answer_query(key, request, services, parameters, per_page=per_page, token=token)

    _add(
        routes,
        f"/{words.path}/{{name:path}}/events",
        query_word,
        f"Events of one of the {words.what}",
        "Events that have it, by further parameters of SimpleEventQuery.",
        openapi_extra=QUERY_PARAMETERS,
    )


def _add_one(routes: APIRouter, words: _Words) -> None:
    def show_word(key: StreamDep, name: _NamePath, services: ServicesDep) -> Response:
        with services.database.reading() as session:
            reader = EventReader(session, stream_row_id(session, services, key))
            if words.column is None:
                is_known = reader.has_epc(name)
            else:
                is_known = bare(name) in words.standard() or reader.has_word(words.column, bare(name))
        if not is_known:
            raise NotFoundError(f"expected one of the {words.what}, got {name[:200]!r}", code="word_not_found")
        return answer(collection(["events"]))

    _add(
        routes,
        f"/{words.path}/{{name:path}}",
        show_word,
        f"One of the {words.what}",
        "What there is about it: `events`. 404 where no event has it.",
    )


def _add(
    routes: APIRouter, path: str, endpoint: Callable[..., Response], summary: str, description: str, **more: Any
) -> None:
    name = f"{endpoint.__name__}_{path.split('/')[1]}"
    routes.add_api_route(path, endpoint, methods=["GET"], name=name, summary=summary, description=description, **more)


def _page(reader: EventReader, words: _Words, after: str | None, limit: int) -> list[str]:
    if words.column is None:
        return reader.epcs(after=after, limit=limit)
    if words.standard is _none:
        return reader.words(words.column, after=after, limit=limit)
    # Few in all: merged here, so that the order is one and the same.
    known = sorted({*words.standard(), *reader.words(words.column, limit=MAX_PER_PAGE)})
    return [word for word in known if after is None or word > after][:limit]
