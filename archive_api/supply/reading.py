"""Captured events for reading: pages of a query, single events, and the words that events use."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, and_, func, literal, or_, select
from sqlmodel import Session, col

from archive_api.errors import NotFoundError, TooLargeError
from archive_api.services import Services
from archive_api.streams.keys import StreamKey
from archive_api.streams.models import CaptureRow, StreamRow
from archive_api.supply.models import SupplyEvent, SupplyMention
from archive_api.supply.query import EventQuery, known_as

__all__ = ["EventPage", "EventReader", "stream_row_id"]

_BATCH: Final = 500
_MAX_SCANNED: Final = 20_000
_MAX_COUNTED: Final = 200_000
_MAX_PAGE_BYTES: Final = 8 << 20
_SECONDS: Final = 5.0
"""What looking for one page may take: then it is as far as it came."""
_EPC_KINDS: Final = ("epc", "input", "output", "parent")
_COLUMNS: Final = (
    col(SupplyEvent.id),
    col(SupplyEvent.body),
    col(SupplyEvent.record_time),
    col(SupplyEvent.event_time),
    col(SupplyEvent.event_hash),
)


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events of a query.

    Attributes:
        events: JSON of each, as it is answered.
        last: row number after which the rest begins; None: this is the end.
    """

    events: tuple[str, ...]
    last: int | None


def stream_row_id(session: Session, services: Services, key: StreamKey) -> int:
    """The row number of a stream; 0: nothing was captured into it yet."""
    query = select(col(StreamRow.id)).where(col(StreamRow.origin) == services.streams.origin(key))
    return session.scalar(query) or 0


class EventReader:
    """The events of one stream, in one session.

    Args:
        session: any.
        stream_id: row number of the stream.
    """

    def __init__(self, session: Session, stream_id: int) -> None:
        self._session = session
        self._stream_id = stream_id

    def page(self, query: EventQuery, *, limit: int, after: int | None = None) -> EventPage:
        """Events of a query, in its order. A page may hold fewer than asked for, or none, before the end.

        Args:
            query: what is asked for.
            limit: events at most.
            after: row number of the last event of the page before.

        Raises:
            TooLargeError: there are more than the query wants to be told of (code `query_too_large`), or too many to
                be counted (`query_too_complex`).
        """
        if query.max_count is not None and after is None:
            self._refuse_more_than(query.max_count, query)
        events: list[str] = []
        size = 0
        last: int | None = after
        batch = _BATCH if query.checks else limit + 1
        end = monotonic() + _SECONDS
        for scanned, (row, is_meant) in enumerate(self._scan(query, after, batch=batch)):
            is_long = scanned >= _MAX_SCANNED or (scanned > 0 and monotonic() > end)
            if len(events) >= limit or size > _MAX_PAGE_BYTES or is_long:
                return EventPage(tuple(events), last)
            if is_meant:
                events.append(_shown(row))
                size += len(row.body)
            last = row.id
        return EventPage(tuple(events), None)

    def named(self, event_id: str) -> tuple[str, ...]:
        """An event by its eventID or hash id, with the declarations about it, oldest first.

        Raises:
            NotFoundError: there is none.
        """
        query = select(*_COLUMNS).where(known_as(self._stream_id, [event_id]))
        rows = self._session.execute(query.order_by(col(SupplyEvent.id)).limit(_BATCH)).all()
        if not rows:
            raise NotFoundError(f"expected an event, got none known as {event_id[:200]!r}", code="event_not_found")
        return tuple(_shown(row) for row in rows)

    def words(self, column: Any, *, after: str | None = None, limit: int = _BATCH) -> list[str]:
        """Values of a column of `SupplyEvent` that occur, in order; where text is compared by its database's order."""
        query = select(column).where(col(SupplyEvent.stream_id) == self._stream_id, column.is_not(None)).distinct()
        return self._ordered(query, column, after=after, limit=limit)

    def epcs(self, *, after: str | None = None, limit: int = _BATCH) -> list[str]:
        """EPCs that occur, in order."""
        thing = col(SupplyMention.thing)
        query = select(thing).where(col(SupplyMention.stream_id) == self._stream_id, _is_epc())
        return self._ordered(query.distinct(), thing, after=after, limit=limit)

    def has_epc(self, epc: str) -> bool:
        """Whether an EPC occurs."""
        query = select(col(SupplyMention.event_id)).where(
            col(SupplyMention.stream_id) == self._stream_id,
            col(SupplyMention.thing) == epc,
            _is_epc(),
        )
        return self._session.scalar(query.limit(1)) is not None

    def has_word(self, column: Any, value: str) -> bool:
        """Whether a value of a column occurs."""
        query = select(col(SupplyEvent.id)).where(col(SupplyEvent.stream_id) == self._stream_id, column == value)
        return self._session.scalar(query.limit(1)) is not None

    def captures(self, *, before: int | None, limit: int) -> Sequence[CaptureRow]:
        """Captures, newest first."""
        query = select(CaptureRow).where(col(CaptureRow.stream_id) == self._stream_id)
        if before is not None:
            query = query.where(col(CaptureRow.id) < before)
        return self._session.scalars(query.order_by(col(CaptureRow.id).desc()).limit(limit)).all()

    def capture(self, capture_id: str) -> CaptureRow:
        """A capture by its id, 0x-hex.

        Raises:
            NotFoundError: there is none in this stream.
        """
        query = select(CaptureRow).where(
            col(CaptureRow.stream_id) == self._stream_id, col(CaptureRow.capture_id) == capture_id
        )
        row = self._session.scalar(query)
        if row is None:
            raise NotFoundError(f"expected a capture, got none with the id {capture_id[:80]!r}")
        return row

    def _ordered(self, query: Select[Any], column: Any, *, after: str | None, limit: int) -> list[str]:
        if after is not None:
            query = query.where(column > after)
        return list(self._session.scalars(query.order_by(column).limit(limit)))

    def _refuse_more_than(self, most: int, query: EventQuery) -> None:
        found = 0
        end = monotonic() + _SECONDS
        for number, (_, is_meant) in enumerate(self._scan(query, None, batch=_BATCH)):
            found += is_meant
            if found > most:
                raise TooLargeError(f"expected at most {most} events, got more", code="query_too_large")
            if number >= _MAX_COUNTED or monotonic() > end:
                raise TooLargeError(
                    f"expected at most {_MAX_COUNTED} events read in {_SECONDS:g} s to count those meant, got more",
                    code="query_too_complex",
                )

    def _scan(self, query: EventQuery, after: int | None, *, batch: int) -> Iterator[tuple[Row[Any], bool]]:
        """The events that the columns leave over, each with whether it is meant."""
        columns: Any = select(*_COLUMNS).where(*query.where(self._stream_id))
        key: Any = col(SupplyEvent.event_time) if query.order_by == "event_time" else col(SupplyEvent.record_time)
        number = col(SupplyEvent.id)
        order = (key.desc(), number.desc()) if query.is_descending else (key, number)
        place = None if after is None else self._place(after, key)
        while True:
            wanted = columns
            if place is not None:
                time, last = place
                further = key < time if query.is_descending else key > time
                beside = number < last if query.is_descending else number > last
                wanted = wanted.where(or_(further, and_(key == time, beside)))
            rows = self._session.execute(wanted.order_by(*order).limit(batch)).all()
            for row in rows:
                yield row, not query.checks or _is_meant(query, row.body)
            if len(rows) < batch:
                return
            place = (getattr(rows[-1], key.key), rows[-1].id)

    def _place(self, after: int, key: Any) -> tuple[int, int]:
        time = self._session.scalar(select(key).where(col(SupplyEvent.id) == after))
        if time is None:
            raise NotFoundError("expected a page of these events, got one after an event that is not there")
        return time, after


def _is_epc() -> ColumnElement[bool]:
    """Whether a mention is of an EPC, as MATCH_anyEPC means it: of a child, only the event tells whether it is a class.

    In canonical JSON an item of `childEPCs` follows a bracket or a comma, and a class its member's colon.
    """
    body, quoted = col(SupplyEvent.body), literal('"').concat(col(SupplyMention.thing)).concat('"')
    listed = or_(*(func.replace(body, literal(sign).concat(quoted), "") != body for sign in "[,"))
    event = select(col(SupplyEvent.id)).where(col(SupplyEvent.id) == col(SupplyMention.event_id), listed)
    kind = col(SupplyMention.kind)
    return or_(kind.in_(_EPC_KINDS), and_(kind == "child", event.exists()))


def _is_meant(query: EventQuery, body: str) -> bool:
    record = json.loads(body)
    return all(check(record) for check in query.checks)


def _shown(row: Row[Any]) -> str:
    """An event as it is answered: its record with recordTime, and its hash id as eventID where it was given none."""
    time = datetime.fromtimestamp(row.record_time // 1_000_000, UTC).replace(microsecond=row.record_time % 1_000_000)
    text = f'{row.body[:-1]},"recordTime":"{time.isoformat(timespec="microseconds").replace("+00:00", "Z")}"'
    if "eventID" not in json.loads(row.body):
        text += f',"eventID":"ni:///sha-256;{row.event_hash}?ver=CBV2.0"'
    return text + "}"
