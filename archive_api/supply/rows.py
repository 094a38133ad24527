"""From events to their rows: plain tuples, for `writing`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from archive_api.supply.judging import NewEvent
from archive_api.supply.models import event_row_id

__all__ = ["EVENT_COLUMNS", "MENTION_COLUMNS", "event_rows", "mention_rows"]

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
            item.record_sha256,
            item.type,
            item.action,
            item.event_time,
            record_time,
            item.biz_step,
            item.disposition,
            item.read_point,
            item.biz_location,
            item.kind,
            reporter,
            item.canonical.decode(),
        )
        for index, item in enumerate(events)
    ]


def mention_rows(events: Sequence[NewEvent], *, capture_pk: int, stream_id: int) -> list[tuple[Any, ...]]:
    """The rows of what a capture mentions, columns as `MENTION_COLUMNS`."""
    first = event_row_id(capture_pk, 0)
    return [
        (first + index, kind, thing, stream_id) for index, item in enumerate(events) for kind, thing in item.mentioned
    ]
