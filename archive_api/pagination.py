"""Pages of a list: a limit and an opaque cursor that holds its place while rows are added."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Select
from sqlmodel import Session

from archive_api.errors import MalformedError

__all__ = ["CursorQuery", "Cursors", "LimitQuery", "Page"]

T = TypeVar("T")
U = TypeVar("U")

LimitQuery = Annotated[int, Query(ge=1, le=1000, description="Items on a page.", examples=[50])]
CursorQuery = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")]


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    model_config = ConfigDict(frozen=True)

    items: list[T]
    next_cursor: str | None = Field(description="Cursor of the next page; null at the end.")

    def map(self, function: Callable[[T], U]) -> Page[U]:
        """The same page with each item turned into another value."""
        return Page(items=[function(item) for item in self.items], next_cursor=self.next_cursor)


class Cursors:
    """Makes and reads cursors: a row number, bound to its list by a MAC so that none can be made up, and masked.

    Row numbers in clear would tell how many rows lie between those that somebody may know of.

    Args:
        secret: at least 32 bytes.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def page(
        self, session: Session, query: Select[Any], *, key: Any, scope: str, limit: int, cursor: str | None
    ) -> Page[Any]:
        """Run a query for one page, newest row first where `key` is descending.

        Args:
            session: any.
            query: without order or limit, of whole rows.
            key: unique integer column, or `column.desc()`.
            scope: name of the list.
            limit: rows on a page.
            cursor: of the page before, or None.

        Raises:
            MalformedError: the cursor is not one of this list.
        """
        column, descending = (key.element, True) if hasattr(key, "element") else (key, False)
        if cursor is not None:
            last = self.read(scope, cursor)
            query = query.where(column < last if descending else column > last)
        rows: Sequence[Any] = session.scalars(query.order_by(key).limit(limit + 1)).all()
        if len(rows) <= limit:
            return Page(items=list(rows), next_cursor=None)
        return Page(items=list(rows[:limit]), next_cursor=self.write(scope, getattr(rows[limit - 1], column.key)))

    def write(self, scope: str, number: int) -> str:
        """The cursor of a place in a list: a number from 0 that tells it."""
        body = number.to_bytes(8, "big")
        mac = self._mac(scope, body)
        return base64.urlsafe_b64encode(self._masked(body, mac) + mac).decode().rstrip("=")

    def read(self, scope: str, cursor: str) -> int:
        """The number of a cursor.

        Raises:
            MalformedError: it is not one of this list.
        """
        try:
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except (binascii.Error, ValueError) as error:
            raise MalformedError("expected a cursor, got something else", code="cursor_malformed") from error
        mac = raw[8:]
        body = self._masked(raw[:8], mac)
        if not hmac.compare_digest(mac, self._mac(scope, body)):
            raise MalformedError("expected a cursor of this list, got another", code="cursor_malformed")
        return int.from_bytes(body, "big")

    def write_text(self, scope: str, last: str) -> str:
        """The cursor of a place in a list of texts: what the list showed last, in clear."""
        body = last.encode()
        return base64.urlsafe_b64encode(self._mac(scope, body) + body).decode().rstrip("=")

    def read_text(self, scope: str, cursor: str) -> str:
        """The text of a cursor that `write_text` made.

        Raises:
            MalformedError: it is not one of this list.
        """
        try:
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except (binascii.Error, ValueError) as error:
            raise MalformedError("expected a cursor, got something else", code="cursor_malformed") from error
        if not hmac.compare_digest(raw[:12], self._mac(scope, raw[12:])):
            raise MalformedError("expected a cursor of this list, got another", code="cursor_malformed")
        return raw[12:].decode()

    def _masked(self, body: bytes, mac: bytes) -> bytes:
        """Mask or unmask 8 bytes: the MAC is another one for each number, and with it the mask."""
        mask = hmac.new(self._secret, b"cursor mask\0" + mac, hashlib.sha256).digest()
        return bytes(a ^ b for a, b in zip(body, mask, strict=False))

    def _mac(self, scope: str, body: bytes) -> bytes:
        return hmac.new(self._secret, b"cursor\0" + scope.encode() + b"\0" + body, hashlib.sha256).digest()[:12]
