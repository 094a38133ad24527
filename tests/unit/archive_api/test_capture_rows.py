"""A capture's rows for PostgreSQL's COPY say the same as those for statements."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from archive_api.supply.judging import NewEvent, Refusal, read_events
from archive_api.supply.rows import RowLines, RowTuples, encode_rows
from ledger.canonical import canonical_record
from ledger.supply.document import event_document
from ledger.supply.sample import clean_project

ESCAPES = {"\\": "\\", "n": "\n", "r": "\r", "t": "\t"}
NASTY = st.text(st.sampled_from(["\\", "\n", "\r", "\t", "N", ".", '"', "\u2028", "é", "\x0b", "\x7f"]), max_size=8)


def table(lines: bytes) -> list[list[str | None]]:
    """What PostgreSQL reads of lines: its manual, COPY, "Text Format"."""
    if not lines:
        return []
    return [[field(text) for text in line.split("\t")] for line in lines.decode().split("\n")]


def field(text: str) -> str | None:
    return None if text == "\\N" else re.sub(r"\\(.)", lambda found: ESCAPES[found[1]], text, flags=re.DOTALL)


def assert_same_rows(events: Sequence[NewEvent]) -> None:
    copied, inserted = encode_rows(events, copied=True), encode_rows(events, copied=False)
    assert isinstance(copied, RowLines)
    assert isinstance(inserted, RowTuples)
    shown = [[None if value is None else str(value) for value in row] for row in inserted.events]
    found = table(copied.events)
    assert [row[1:] for row in found] == shown
    assert [int(row[0] or "") for row in found] == [row[0] for row in inserted.events]
    mentioned = [(int(row[0] or ""), *row[1:]) for row in table(copied.mentions)]
    assert mentioned == [tuple(row) for row in inserted.mentions]


@cache
def project() -> tuple[NewEvent, ...]:
    records = [dict(event.record) for event in clean_project(1).events if event.stream == "supply"]
    document = event_document(records, creation_date="2026-11-28T08:00:00Z")
    data = json.dumps(document, ensure_ascii=False).encode()
    found = read_events(data, "application/json", "supply", bare_event=False)
    assert not isinstance(found, Refusal)
    return tuple(found)


def test_rows_of_a_project_are_the_same() -> None:
    assert_same_rows(project())


@given(st.lists(st.lists(NASTY, min_size=4, max_size=6, unique=True), min_size=1, max_size=3))
def test_rows_with_what_copy_escapes_are_the_same(names: list[list[str]]) -> None:
    events = [
        event._replace(
            canonical=canonical_record(own),
            event_key=own[0],
            declares=own[1],
            read_point=own[2],
            biz_location=None,
            mentioned=tuple(("epc", name) for name in own[3:]),
        )
        for event, own in zip(project(), names, strict=False)
    ]
    assert_same_rows(events)
