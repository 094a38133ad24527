"""From events to their rows, but for what only the catalogue says: the capture's number, its stream and its time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from archive_api.supply.judging import NewEvent

__all__ = ["EVENT_COLUMNS", "INDEX_DIGITS", "MENTION_COLUMNS", "EncodedRows", "RowLines", "RowTuples", "encode_rows"]

EVENT_COLUMNS: Final = (
    "record_index",
    "identity",
    "event_key",
    "declares",
    "event_hash",
    "record_sha256",
    "type",
    "action",
    "event_time",
    "biz_step",
    "disposition",
    "read_point",
    "biz_location",
    "kind",
    "body",
)
MENTION_COLUMNS: Final = ("kind", "thing")
INDEX_DIGITS: Final = 4
"""Of an event's place in its capture, as its row number ends: `models.EVENTS_OF_A_CAPTURE`."""
# The text format of COPY. Source: PostgreSQL 15, "COPY", File Formats.
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


class RowTuples(NamedTuple):
    """Rows of a capture's events, and of what they mention, for statements.

    Attributes:
        events: columns as `EVENT_COLUMNS`.
        mentions: the event's place in the capture, then `MENTION_COLUMNS`.
    """

    events: Sequence[tuple[Any, ...]]
    mentions: Sequence[tuple[Any, ...]]


class RowLines(NamedTuple):
    """The same for PostgreSQL's COPY: each line begins with the event's place in `INDEX_DIGITS` digits."""

    events: bytes
    mentions: bytes


EncodedRows: TypeAlias = RowTuples | RowLines


def encode_rows(events: Sequence[NewEvent], *, copied: bool) -> EncodedRows:
    """The rows of a capture.

    Args:
        events: in their order.
        copied: as lines for PostgreSQL's COPY, else as tuples for statements.
    """
    if copied:
        return _lines(events)
    rows = [
        (
            index,
            item.identity,
            item.event_key,
            item.declares,
            item.event_hash,
            item.record_sha256,
            item.type,
            item.action,
            item.event_time,
            item.biz_step,
            item.disposition,
            item.read_point,
            item.biz_location,
            item.kind,
            item.canonical.decode(),
        )
        for index, item in enumerate(events)
    ]
    mentions = [(index, kind, thing) for index, item in enumerate(events) for kind, thing in item.mentioned]
    return RowTuples(rows, mentions)


def _lines(events: Sequence[NewEvent]) -> RowLines:
    rows: list[str] = []
    mentions: list[str] = []
    for index, item in enumerate(events):
        body = item.canonical.decode()
        # What the format escapes is escaped in JSON too: where the record has no backslash, no part of it needs one.
        field = _field if "\\" in body else _plain
        rows.append(
            f"{index:0{INDEX_DIGITS}d}\t{index}\t{item.identity}\t{field(item.event_key)}\t{field(item.declares)}\t"
            f"{item.event_hash}\t{item.record_sha256}\t{field(item.type)}\t{field(item.action)}\t{item.event_time}\t"
            f"{field(item.biz_step)}\t{field(item.disposition)}\t{field(item.read_point)}\t"
            f"{field(item.biz_location)}\t{field(item.kind)}\t{field(body)}"
        )
        mentions += [f"{index:0{INDEX_DIGITS}d}\t{kind}\t{field(thing)}" for kind, thing in item.mentioned]
    return RowLines("\n".join(rows).encode(), "\n".join(mentions).encode())


def _plain(value: str | None) -> str:
    return "\\N" if value is None else value


def _field(value: str | None) -> str:
    return "\\N" if value is None else value.translate(_ESCAPES)
