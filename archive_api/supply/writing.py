"""A capture's rows into the catalogue: COPY on PostgreSQL, statements of many rows elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from archive_api.supply.models import event_row_id
from archive_api.supply.rows import EVENT_COLUMNS, MENTION_COLUMNS, EncodedRows, RowLines

__all__ = ["AlreadyThereError", "RowPlace", "write_rows"]

_EVENT_COLUMNS: Final = ("capture_pk", "stream_id", "record_time", "reporter", "id", *EVENT_COLUMNS)
_MENTION_COLUMNS: Final = ("stream_id", "event_id", *MENTION_COLUMNS)
_ROWS_AT_ONCE: Final = 50
"""Rows of a statement: each execution lets go of the interpreter once, and with a row in each that costs more than
the rows."""


class AlreadyThereError(Exception):
    """A row that a unique constraint forbids; the transaction can only be rolled back."""


@dataclass(frozen=True, slots=True)
class RowPlace:
    """What the rows of one capture have in common.

    Attributes:
        capture_pk, stream_id: row numbers.
        record_time: µs since 1970.
        reporter: organisation code.
    """

    capture_pk: int
    stream_id: int
    record_time: int
    reporter: str


def write_rows(session: Session, rows: EncodedRows, place: RowPlace) -> None:
    """Write the rows of a capture in the session's transaction.

    Args:
        session: of the caller.
        rows: encoded for this database.
        place: of the capture.

    Raises:
        AlreadyThereError: one is there already.
    """
    common = (place.capture_pk, place.stream_id, place.record_time, place.reporter)
    if isinstance(rows, RowLines):
        event = "\t".join(map(str, (*common, place.capture_pk)))
        _copy(session, "supply_events", _EVENT_COLUMNS, rows.events, event.encode())
        mention = f"{place.stream_id}\t{place.capture_pk}"
        _copy(session, "supply_mentions", _MENTION_COLUMNS, rows.mentions, mention.encode())
        return
    first = event_row_id(place.capture_pk, 0)
    events = [(*common, first + row[0], *row) for row in rows.events]
    _insert_rows(session, "supply_events", _EVENT_COLUMNS, events)
    mentions = [(place.stream_id, first + row[0], *row[1:]) for row in rows.mentions]
    _insert_rows(session, "supply_mentions", _MENTION_COLUMNS, mentions)


def _insert_rows(session: Session, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows by statements, where there is no COPY.

    Args:
        session: of the caller.
        table, columns: their names, never from outside.
        rows: in the order of the columns; values that the driver knows: str, int, None.

    Raises:
        AlreadyThereError: one is there already.
    """
    connection = session.connection()
    whole = len(rows) - len(rows) % _ROWS_AT_ONCE
    try:
        for start in range(0, whole, _ROWS_AT_ONCE):
            values = tuple([value for row in rows[start : start + _ROWS_AT_ONCE] for value in row])
            connection.exec_driver_sql(_insert(table, tuple(columns), _ROWS_AT_ONCE), values)
        if rest := list(rows[whole:]):
            connection.exec_driver_sql(_insert(table, tuple(columns), 1), rest)
    except IntegrityError as error:
        raise AlreadyThereError(table) from error


@cache
def _insert(table: str, columns: tuple[str, ...], count: int) -> str:
    row = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * count)}"  # noqa: S608 - names of ours


def _copy(session: Session, table: str, columns: Sequence[str], lines: bytes, start: bytes) -> None:
    """COPY lines that all begin with `start`."""
    if not lines:
        return
    from psycopg.errors import UniqueViolation

    cursor: Any = session.connection().connection.cursor()
    try:
        with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
            copy.write(start + lines.replace(b"\n", b"\n" + start) + b"\n")
    except UniqueViolation as error:
        raise AlreadyThereError(table) from error
    finally:
        cursor.close()
