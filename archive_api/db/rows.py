"""One row written at once, by one statement: what a flush does for it in several times the time."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Delete, Insert, Update, bindparam, delete, insert, inspect, update
from sqlmodel import Session, SQLModel

__all__ = ["change_row", "delete_row", "insert_row"]

_KEY: Final = "key_"


def insert_row(session: Session, model: type[SQLModel], **values: Any) -> tuple[Any, ...]:
    """Insert a row that the session doesn't hold as an object.

    Args:
        session: of the caller's transaction; what it still has to write is written first.
        model: of the table.
        values: by column; those left out get their defaults.

    Returns:
        The row's primary key.

    Raises:
        IntegrityError: the database refused it (`sqlalchemy.exc`).
    """
    session.flush()
    return tuple(session.connection().execute(_insert(model), values).inserted_primary_key or ())


def change_row(session: Session, model: type[SQLModel], *identity: Any, **values: Any) -> None:
    """Change columns of a row that the session doesn't hold as an object.

    Args:
        session: of the caller's transaction; what it still has to write is written first.
        model: of the table.
        identity: the row's primary key.
        values: by column.
    """
    session.flush()
    session.connection().execute(_update(model, tuple(values)), {**values, **_keys(identity)})


def delete_row(session: Session, model: type[SQLModel], *identity: Any) -> None:
    """Delete a row that the session doesn't hold as an object.

    Args:
        session: of the caller's transaction; what it still has to write is written first.
        model: of the table.
        identity: the row's primary key.
    """
    session.flush()
    session.connection().execute(_delete(model), _keys(identity))


def _keys(identity: tuple[Any, ...]) -> dict[str, Any]:
    return {f"{_KEY}{place}": value for place, value in enumerate(identity)}


# Built once for each table and set of columns, since building a statement takes longer than executing it.


@lru_cache(maxsize=64)
def _insert(model: type[SQLModel]) -> Insert:
    return insert(inspect(model).local_table)


@lru_cache(maxsize=64)
def _update(model: type[SQLModel], names: tuple[str, ...]) -> Update:
    table = inspect(model).local_table
    conditions = (column == bindparam(f"{_KEY}{place}") for place, column in enumerate(table.primary_key))
    return update(table).where(*conditions).values({name: bindparam(name) for name in names})


@lru_cache(maxsize=64)
def _delete(model: type[SQLModel]) -> Delete:
    table = inspect(model).local_table
    return delete(table).where(
        *(column == bindparam(f"{_KEY}{place}") for place, column in enumerate(table.primary_key))
    )
