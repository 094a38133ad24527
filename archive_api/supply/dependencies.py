"""What the EPCIS routes share: the stream, the page, and the body of a capture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import Depends, Header, Query, Request

from archive_api.errors import MalformedError, NotFoundError, TooLargeError
from archive_api.http import KeyPath
from archive_api.streams.keys import StreamKey, StreamName
from archive_api.supply.answers import MAX_PER_PAGE
from archive_api.supply.exceptions import CAPTURE_BODY_BYTES
from archive_api.supply.parameters import from_address

__all__ = [
    "CAPTURE_REQUEST",
    "OWN_PARAMETERS",
    "PerPageQuery",
    "StreamDep",
    "TokenQuery",
    "capture_body",
    "query_parameters",
]

OWN_PARAMETERS: Final = frozenset({"perPage", "nextPageToken", "Yunshang-Stream"})
"""Parameters of an address that are about the answer, not about events."""
_StreamValue = Literal["supply", "funds"] | None

PerPageQuery = Annotated[
    int,
    Query(
        alias="perPage", ge=1, le=1 << 31, description=f"Items on a page; above {MAX_PER_PAGE} it is {MAX_PER_PAGE}."
    ),
]
TokenQuery = Annotated[
    str | None,
    Query(alias="nextPageToken", min_length=1, max_length=4_000, description="Out of the Link of the page before."),
]


async def _stream(
    building_key: KeyPath,
    request: Request,
    in_header: Annotated[
        _StreamValue, Header(alias="Yunshang-Stream", description="The stream: `supply` or `funds`.")
    ] = None,
    in_query: Annotated[
        _StreamValue, Query(alias="Yunshang-Stream", description="The same; the header is the same.")
    ] = None,
) -> StreamKey:
    if in_header is not None and in_query is not None and in_header != in_query:
        raise MalformedError(f"expected one stream, got {in_header} in the header and {in_query} in the query")
    target = request.state.access.target
    if target is None or target.building_key is None:
        raise NotFoundError(f"expected a building, got none with key {building_key}")
    # The building's own key, whichever was given: an alias has no stream of its own.
    return StreamKey(StreamName(in_header or in_query or "supply"), target.building_key)


StreamDep = Annotated[StreamKey, Depends(_stream)]


async def capture_body(request: Request) -> bytes:
    """The body of a capture; one that says itself that it is too large is not waited for.

    Raises:
        TooLargeError: more than `CAPTURE_BODY_BYTES` is announced; of what isn't, `BodyLimit` counts the bytes.
    """
    announced = request.headers.get("content-length", "0")
    if announced.isascii() and announced.isdecimal() and int(announced[:19]) > CAPTURE_BODY_BYTES:
        raise TooLargeError(
            f"expected a document of at most {CAPTURE_BODY_BYTES} bytes, got {announced[:19]} announced",
            code="document_too_large",
        )
    return await request.body()


def query_parameters(request: Request, **more: Any) -> Mapping[str, Any]:
    """The parameters of the query language in an address.

    Args:
        request: the one at hand.
        more: parameters that its path stands for.

    Raises:
        MalformedError: see `from_address`; one is given in the path and in the query.
    """
    pairs = [pair for pair in request.query_params.multi_items() if pair[0] not in OWN_PARAMETERS]
    read = from_address(pairs)
    if twice := sorted(set(read) & set(more)):
        raise MalformedError(f"expected {twice[0]} once, got it in path and query", code="query_parameter")
    return read | more


CAPTURE_REQUEST: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "example": {
                    "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
                    "type": "EPCISDocument",
                    "schemaVersion": "2.0",
                    "creationDate": "2026-11-28T08:00:00Z",
                    "epcisBody": {
                        "eventList": [
                            {
                                "type": "ObjectEvent",
                                "eventTime": "2026-11-28T08:00:00+08:00",
                                "eventTimeZoneOffset": "+08:00",
                                "epcList": ["https://id.example.org/01/09521321123459/10/HRB400-2611"],
                                "action": "OBSERVE",
                                "bizStep": "arriving",
                            }
                        ]
                    },
                },
            },
            "application/xml": {
                "schema": {"type": "string"},
                "example": '<epcis:EPCISDocument xmlns:epcis="urn:epcglobal:epcis:xsd:2" schemaVersion="2.0"/>',
            },
        },
    }
}
"""The body of a capture, for the OpenAPI document."""
