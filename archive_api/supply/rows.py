"""From events to their rows, but for what only the catalogue says: the capture's number, its stream and its time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    if not copied:
        return RowTuples(rows, mentions)
    return RowLines(_lines((row[0], *row) for row in rows), _lines(mentions))


def _lines(rows: Iterable[tuple[Any, ...]]) -> bytes:
    lines = [f"{row[0]:0{INDEX_DIGITS}d}\t" + "\t".join(map(_field, row[1:])) for row in rows]
    return "\n".join(lines).encode()


def _field(value: Any) -> str:
    if value is None:
        return "\\N"
    text = str(value)
    # Looked for first, since nearly nothing has one.
    if "\\" in text or "\n" in text or "\t" in text or "\r" in text:
        return text.translate(_ESCAPES)
    return text
