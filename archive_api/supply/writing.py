"""Many rows at once: COPY on PostgreSQL, one prepared statement elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

__all__ = ["AlreadyThereError", "insert_rows"]


class AlreadyThereError(Exception):
    """A row that a unique constraint forbids; the transaction can only be rolled back."""


def insert_rows(session: Session, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows in the session's transaction.

    Args:
        session: of the caller.
        table, columns: their names, never from outside.
        rows: in the order of the columns; values that both drivers know: str, int, None.

    Raises:
        AlreadyThereError: one is there already.
    """
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        _copy(connection.connection.cursor(), table, columns, rows)
        return
    marks = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - names of ours
    try:
        connection.exec_driver_sql(statement, list(rows))
    except IntegrityError as error:
        raise AlreadyThereError(table) from error


def _copy(cursor: Any, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    from psycopg.errors import UniqueViolation

    try:
        with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    except UniqueViolation as error:
        raise AlreadyThereError(table) from error
    finally:
        cursor.close()
