"""From an event to its rows. On the path of every capture: one pass, plain tuples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from archive_api.supply.matching import bare
from archive_api.supply.models import event_row_id
from archive_api.supply.parameters import microseconds
from ledger.errors import MalformedError
from ledger.supply.document import EpcisEvent
from ledger.supply.mentions import mentions
from ledger.supply.profile import EventKind

__all__ = ["EVENT_COLUMNS", "MENTION_COLUMNS", "NewEvent", "event_rows", "mention_rows", "new_event"]

EVENT_COLUMNS: Final = (
    "id",
    "capture_pk",
    "stream_id",
    "record_index",
    "identity",
    "event_key",
    "declares",
    "event_hash",
    "record_sha256",
    "type",
    "action",
    "event_time",
    "record_time",
    "biz_step",
    "disposition",
    "read_point",
    "biz_location",
    "kind",
    "reporter",
    "body",
)
MENTION_COLUMNS: Final = ("event_id", "kind", "thing", "stream_id")
_MAX_INDEXED_BYTES: Final = 2_000
"""What PostgreSQL can hold in an index, with room for what stands beside it."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event about to be captured, read once.

    Attributes:
        event: as the core read it.
        kind: of the construction profile, or None.
        identity: hex, 64 digits; see `SupplyEvent`.
        event_key: the eventID that nobody else may have in this stream, or None.
        declares: what a declaration is about, or None.
        event_hash: hex digits of the hash id.
        event_time: µs since 1970.
        mentioned: kind and thing of each mention.
    """

    event: EpcisEvent
    kind: EventKind | None
    identity: str
    event_key: str | None
    declares: str | None
    event_hash: str
    event_time: int
    mentioned: tuple[tuple[str, str], ...]


def new_event(event: EpcisEvent, kind: EventKind | None) -> NewEvent:
    """Read what rows need.

    Raises:
        MalformedError: a time that is none, or a name too long to be found again (code `name_too_long`); `where` is a
            JSON pointer within the event.
    """
    record = event.record
    digits = event.hash_id[14:78]
    event_id = record.get("eventID")
    is_declaration = event.is_declaration
    identity = event.record_sha256.hex() if is_declaration else digits
    event_key = declares = None
    if is_declaration:
        declares = event_id or event.hash_id
    elif event_id is not None and not _is_of_another(event_id, event.hash_id):
        event_key = event_id
    mentioned = tuple([(item.kind, item.thing) for item in mentions(record)])
    if len(event.canonical) > _MAX_INDEXED_BYTES or b"\\u0000" in event.canonical:
        _require_short([event_id, *(thing for _, thing in mentioned)])
    return NewEvent(event, kind, identity, event_key, declares, digits, _time(record["eventTime"]), mentioned)


def event_rows(
    events: Sequence[NewEvent], *, capture_pk: int, stream_id: int, record_time: int, reporter: str
) -> list[tuple[Any, ...]]:
    """The rows of a capture, columns as `EVENT_COLUMNS`."""
    return [
        (
            event_row_id(capture_pk, index),
            capture_pk,
            stream_id,
            index,
            item.identity,
            item.event_key,
            item.declares,
            item.event_hash,
            item.event.record_sha256.hex(),
            (record := item.event.record)["type"],
            record.get("action"),
            item.event_time,
            record_time,
            _word(record.get("bizStep")),
            _word(record.get("disposition")),
            _place(record.get("readPoint")),
            _place(record.get("bizLocation")),
            item.kind,
            reporter,
            item.event.canonical.decode(),
        )
        for index, item in enumerate(events)
    ]


def mention_rows(events: Sequence[NewEvent], *, capture_pk: int, stream_id: int) -> list[tuple[Any, ...]]:
    """The rows of what a capture mentions, columns as `MENTION_COLUMNS`."""
    first = event_row_id(capture_pk, 0)
    return [
        (first + index, kind, thing, stream_id) for index, item in enumerate(events) for kind, thing in item.mentioned
    ]


def _is_of_another(event_id: str, hash_id: str) -> bool:
    """Whether an eventID is a hash id, but not that of its event: it would keep the event that it belongs to out."""
    return event_id.startswith("ni:") and event_id != hash_id


def _time(text: str) -> int:
    try:
        return microseconds(datetime.fromisoformat(text))
    except (ValueError, TypeError, OverflowError) as error:
        raise MalformedError(
            f"expected a time with its zone, got {text[:40]!r}", code="time_malformed", where="/eventTime"
        ) from error


def _word(value: Any) -> str | None:
    return bare(value) if isinstance(value, str) else None


def _place(value: Any) -> str | None:
    found = value.get("id") if isinstance(value, dict) else value
    return found if isinstance(found, str) else None


def _require_short(names: Iterable[str | None]) -> None:
    for name in names:
        if name is not None and (len(name.encode()) > _MAX_INDEXED_BYTES or "\0" in name):
            raise MalformedError(
                f"expected names of at most {_MAX_INDEXED_BYTES} bytes without NUL, got {name[:80]!r}…",
                code="name_too_long",
                where="",
            )
