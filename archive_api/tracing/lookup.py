"""The events of a building by what they name: what `ledger.supply.graph.walk` asks of a store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, Select, or_, select, union
from sqlmodel import Session, col

from archive_api.streams.keys import BUILDING_STREAMS
from archive_api.streams.models import CaptureRow, StreamRow
from archive_api.supply.models import SupplyEvent, SupplyMention
from archive_api.supply.query import known_as
from ledger.supply.follow import FUNDS, INPUTS, MENTIONED_AS, TESTS, Look, Thing, TracedEvent
from ledger.supply.mentions import mentions
from ledger.supply.terms import EventKind

__all__ = ["EventLookup", "event_time", "hash_id_of"]

_CHUNK: Final = 2_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS: Final = (
    col(SupplyEvent.id),
    col(SupplyEvent.capture_pk),
    col(SupplyEvent.record_index),
    col(SupplyEvent.stream_id),
    col(SupplyEvent.event_hash),
    col(SupplyEvent.record_sha256),
    col(SupplyEvent.event_time),
    col(SupplyEvent.kind),
    col(SupplyEvent.reporter),
    col(SupplyEvent.body),
    col(CaptureRow.first_index),
)


class EventLookup:
    """Gives the events of a building's streams, each read once.

    Args:
        session: over one snapshot.
        building_key: 0x-hex, no alias.
        max_events: how many are given at a time, and one more, so that the caller sees that there are more.

    Attributes:
        places: number of the capture's row and index in it, by the event's key.
    """

    def __init__(self, session: Session, building_key: str, *, max_events: int) -> None:
        self._session = session
        self._max = max_events
        query = select(col(StreamRow.id), col(StreamRow.name)).where(
            col(StreamRow.building_key) == building_key, col(StreamRow.name).in_(sorted(BUILDING_STREAMS))
        )
        self.streams: dict[int, str] = {row.id: row.name for row in session.execute(query)}
        self.places: dict[tuple[str, str], tuple[int, int]] = {}
        self._read: dict[int, TracedEvent] = {}
        declared = select(col(SupplyEvent.id)).where(
            col(SupplyEvent.stream_id).in_(list(self.streams)), col(SupplyEvent.declares).is_not(None)
        )
        self._is_corrected = session.scalar(declared.limit(1)) is not None

    def __call__(self, things: Sequence[Thing]) -> Iterable[TracedEvent]:
        """Every event that one of some things leads to, and the declarations about it."""
        ids = self._ids(things)
        self._load(ids)
        found = [self._read[number] for number in ids]
        declarations = self._declarations(found)
        self._load(declarations)
        return found + [self._read[number] for number in declarations]

    def _ids(self, things: Sequence[Thing]) -> list[int]:
        by_look: dict[Look, list[str]] = {}
        for thing in things:
            by_look.setdefault(thing.look, []).append(thing.name)
        found: dict[int, None] = {}
        for look, names in by_look.items():
            for first in range(0, len(names), _CHUNK):
                queries = self._queries(look, names[first : first + _CHUNK])
                if queries:
                    numbers = self._session.scalars(union(*queries).limit(self._max + 1))
                    found.update(dict.fromkeys(numbers))
        return list(found)

    def _queries(self, look: Look, names: list[str]) -> list[Select[Any]]:
        everywhere, funds = self._numbers(), self._numbers(FUNDS)
        supply = [number for number in everywhere if number not in funds]
        number, mentioned = col(SupplyEvent.id), col(SupplyMention.event_id)
        kind = col(SupplyEvent.kind)
        match look:
            case Look.EVENT:
                return [select(number).where(known_as(stream, names)) for stream in everywhere]
            case Look.ORIGIN:
                made = or_(col(SupplyMention.kind).not_in(sorted(INPUTS)), kind.in_(sorted(TESTS)))
                kept = or_(kind.is_(None), kind != EventKind.INSTALLATION.value)
                joined = self._mentioned(look, names, everywhere).join(SupplyEvent, number == mentioned)
                return [joined.where(made, kept)]
            case Look.REPORT:
                reports = self._mentioned(look, names, supply).join(SupplyEvent, number == mentioned)
                wanted = [reports.where(kind == EventKind.TEST_REPORT.value)]
                return wanted + ([self._mentioned(look, names, funds)] if funds else [])
            case Look.PAYMENT | Look.COVER:
                return [self._mentioned(look, names, funds)] if funds else []
            case _:
                return [self._mentioned(look, names, everywhere)]

    def _mentioned(self, look: Look, names: list[str], streams: list[int]) -> Select[Any]:
        return select(col(SupplyMention.event_id)).where(
            col(SupplyMention.stream_id).in_(streams),
            col(SupplyMention.thing).in_(names),
            col(SupplyMention.kind).in_(sorted(MENTIONED_AS[look])),
        )

    def _numbers(self, name: str | None = None) -> list[int]:
        return [number for number, stream in self.streams.items() if name is None or stream == name]

    def _declarations(self, events: Iterable[TracedEvent]) -> list[int]:
        """Row numbers of what declares some events to be in error."""
        if not self._is_corrected:
            return []
        found: dict[int, None] = {}
        names = sorted({name for event in events if not event.is_declaration for name in event.names})
        hashes = {name[14:78] for name in names if name.startswith("ni:")}
        for first in range(0, len(names), _CHUNK):
            some = names[first : first + _CHUNK]
            digits = sorted({name[14:78] for name in some} & hashes)
            declared = select(col(SupplyEvent.id)).where(
                col(SupplyEvent.stream_id).in_(self._numbers()), col(SupplyEvent.declares).is_not(None)
            )
            # One query for each index: with OR between them SQLite uses none.
            query = union(
                declared.where(col(SupplyEvent.declares).in_(some)),
                declared.where(col(SupplyEvent.event_hash).in_(digits)),
            )
            found.update(dict.fromkeys(self._session.scalars(query.limit(self._max + 1))))
        return list(found)

    def _load(self, numbers: Iterable[int]) -> None:
        wanted = [number for number in numbers if number not in self._read]
        for first in range(0, len(wanted), _CHUNK):
            query = (
                select(*_COLUMNS)
                .join(CaptureRow, col(CaptureRow.id) == col(SupplyEvent.capture_pk))
                .where(col(SupplyEvent.id).in_(wanted[first : first + _CHUNK]))
            )
            for row in self._session.execute(query):
                event = self._read[row.id] = _event(row, self.streams)
                self.places[event.key] = (row.capture_pk, row.record_index)


def event_time(microseconds: int) -> datetime:
    """A time of a row, aware UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def hash_id_of(digits: str) -> str:
    """A hash id by its 64 hex digits."""
    return f"ni:///sha-256;{digits}?ver=CBV2.0"


def _event(row: Row[Any], streams: Mapping[int, str]) -> TracedEvent:
    record = json.loads(row.body)
    return TracedEvent(
        record,
        hash_id_of(row.event_hash),
        record_sha256=row.record_sha256,
        reporter=row.reporter,
        stream=streams[row.stream_id],
        index=None if row.first_index is None else row.first_index + row.record_index,
        event_time=event_time(row.event_time),
        kind=None if row.kind is None else EventKind(row.kind),
        mentions=mentions(record),
    )
