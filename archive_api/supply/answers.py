"""How the EPCIS routes answer: query documents, collections, page tokens and the headers that go with them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import Request, Response

from archive_api.errors import MalformedError
from archive_api.pagination import Cursors
from archive_api.supply.headers import ANSWER_HEADERS
from ledger.fields import utc_text
from ledger.supply.terms import NAMESPACE

__all__ = ["MAX_PER_PAGE", "PageTokens", "answer", "collection", "next_page", "query_document"]

MAX_PER_PAGE: Final = 1_000
"""The largest page; `perPage` above it is read as this."""
_CONTEXT: Final = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
_TOKEN_LIFE: Final = timedelta(hours=24)
_TOKEN_PARTS: Final = 3


def answer(
    content: object = None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
) -> Response:
    """An answer with the GS1 headers.

    Args:
        content: bytes or str as they are, anything else as JSON; None: no body.
        status: of HTTP.
        headers: further headers.
        media_type: of the content.
    """
    if content is not None and not isinstance(content, bytes | str):
        content = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(
        content,
        status_code=status,
        headers={**ANSWER_HEADERS, **(headers or {})},
        media_type=None if content is None else media_type,
    )


def query_document(events: Sequence[str], *, now: datetime, name: str = "SimpleEventQuery") -> str:
    """An EPCISQueryDocument around events.

    Args:
        events: JSON of each, with a context of its own.
        now: when it is made.
        name: of the query.
    """
    head = {
        "@context": [_CONTEXT, {"yunshang": NAMESPACE}],
        "type": "EPCISQueryDocument",
        "schemaVersion": "2.0",
        "creationDate": utc_text(now.replace(microsecond=0)),
        "epcisBody": {"queryResults": {"queryName": name, "resultsBody": {"eventList": []}}},
    }
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":"))
    # The list stands last: what follows it is only brackets.
    begin, end = text.rsplit("[]", 1)
    return f"{begin}[{','.join(events)}]{end}"


def collection(members: Sequence[str]) -> dict[str, Any]:
    """A collection of names."""
    return {"@context": [_CONTEXT, {"yunshang": NAMESPACE}], "type": "Collection", "member": list(members)}


def next_page(request: Request, token: str | None, expires: datetime) -> dict[str, str]:
    """The headers that lead to the next page; none at the end."""
    if token is None:
        return {}
    pairs = [(name, value) for name, value in request.query_params.multi_items() if name != "nextPageToken"]
    path = request.scope.get("raw_path", request.url.path.encode()).decode("ascii")
    link = f"<{path}?{urlencode([*pairs, ('nextPageToken', token)])}>"
    return {
        "Link": f'{link}; rel="next"',
        "GS1-Next-Page-Token-Expires": utc_text(expires),
    }


@dataclass(frozen=True, slots=True)
class PageTokens:
    """Tokens of one list, bound to it and to a time by a MAC.

    Attributes:
        cursors: make and read what is in them.
        scope: names the list: stream, query and order.
        now: present time, aware UTC.
    """

    cursors: Cursors
    scope: str
    now: datetime

    @property
    def expires(self) -> datetime:
        """When a token that is made now ends; whole seconds."""
        return (self.now + _TOKEN_LIFE).replace(microsecond=0)

    def write(self, place: int | str, *, seen: int = 0) -> str:
        """A token.

        Args:
            place: number or text that the next page begins after.
            seen: how many were answered before it.
        """
        end = int(self.expires.timestamp())
        scope = f"{self.scope} {seen} {end}"
        cursor = self.cursors.write(scope, place) if isinstance(place, int) else self.cursors.write_text(scope, place)
        return f"{cursor}.{seen}.{end}"

    def read_number(self, token: str) -> tuple[int, int]:
        """The number and the count of a token.

        Raises:
            MalformedError: it is not of this list, or too old (code `query_parameter`).
        """
        cursor, scope, seen = self._parts(token)
        try:
            return self.cursors.read(scope, cursor), seen
        except MalformedError as error:
            raise _refused(str(error)) from error

    def read_text(self, token: str) -> str:
        """The text of a token; raises as `read_number`."""
        cursor, scope, _ = self._parts(token)
        try:
            return self.cursors.read_text(scope, cursor)
        except MalformedError as error:
            raise _refused(str(error)) from error

    def _parts(self, token: str) -> tuple[str, str, int]:
        parts = token.split(".")
        if len(parts) != _TOKEN_PARTS or not all(part.isascii() and part.isdecimal() for part in parts[1:]):
            raise _refused("expected a token of this list, got another text")
        cursor, seen, end = parts[0], int(parts[1][:12]), int(parts[2][:12])
        if datetime.fromtimestamp(min(end, 1 << 33), UTC) < self.now:
            raise _refused("expected a token that is still valid, got one that has expired")
        return cursor, f"{self.scope} {seen} {end}", seen


def _refused(text: str) -> MalformedError:
    return MalformedError(text, code="query_parameter", parameter="nextPageToken")
