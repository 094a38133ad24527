"""Rows on their way into an empty catalogue: numbered here, written in bulk, parents first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select, text, update
from sqlmodel import SQLModel

from archive_api.db.metadata import metadata
from archive_api.errors import ConflictError
from archive_api.outbox.models import Job
from ledger.anchoring import Phase
from ledger.ports.chain import LedgerEvent

__all__ = ["Rows", "event_time", "hex_text", "require_empty"]

_BATCH: Final = 2_000


def hex_text(value: object) -> str:
    """Bytes as the catalogue has them: 0x and lowercase hex."""
    if not isinstance(value, bytes):
        raise TypeError(f"expected bytes, got {type(value).__name__}")
    return "0x" + value.hex()


def event_time(event: LedgerEvent) -> datetime:
    """When an event's block was made."""
    return datetime.fromtimestamp(event.block.timestamp, UTC)


def require_empty(connection: Connection) -> None:
    """Refuse a catalogue that holds anything.

    Raises:
        ConflictError: `catalogue_not_empty`, naming the first table with a row.
    """
    for table in metadata().sorted_tables:
        if connection.execute(select(func.count()).select_from(table)).scalar_one():
            raise ConflictError(
                f"expected an empty catalogue to rebuild into, got rows in {table.name}", code="catalogue_not_empty"
            )


class Rows:
    """Collects rows by table.

    Args:
        connection: of one transaction; it is the caller's to commit.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting: dict[str, list[dict[str, Any]]] = {}
        self._numbers: dict[str, int] = {}
        self._by_number: dict[tuple[str, int], dict[str, Any]] = {}
        self.counts: dict[str, int] = {}

    def number(self, model: type[SQLModel]) -> int:
        """The next row number of a table."""
        name = _name(model)
        self._numbers[name] = self._numbers.get(name, 0) + 1
        return self._numbers[name]

    def add(self, model: type[SQLModel], /, **values: Any) -> int:
        """Add a row; returns its number, drawn here where the table has one and none is given."""
        table = model.__table__  # type: ignore[attr-defined]
        if "id" in table.c and "id" not in values:
            values["id"] = self.number(model)
        self._waiting.setdefault(table.name, []).append(values)
        if "id" in values:
            self._by_number[table.name, values["id"]] = values
        self.counts[table.name] = self.counts.get(table.name, 0) + 1
        return int(values.get("id", 0))

    def job(self, kind: str, subject: str, event: LedgerEvent) -> int:
        """Add the job that an event is the outcome of."""
        moment = event_time(event)
        return self.add(
            Job,
            kind=kind,
            subject=subject,
            phase=Phase.FINAL.value,
            transaction_hash=hex_text(event.transaction_hash),
            nonce=None,
            block_number=event.block.number,
            block_hash=hex_text(event.block.block_hash),
            block_time=event.block.timestamp,
            gas_used=None,
            refusal=None,
            refusal_values="{}",
            attempts=0,
            created_at=moment,
            updated_at=moment,
        )

    def change(self, model: type[SQLModel], number: int, /, **values: Any) -> None:
        """Change a row that was added, by its number."""
        table = model.__table__  # type: ignore[attr-defined]
        waiting = self._by_number.get((table.name, number))
        if waiting is not None:
            waiting.update(values)
            return
        self._connection.execute(update(table).where(table.c.id == number).values(**values))

    def write(self) -> None:
        """Write what waits, parents before children."""
        self._by_number.clear()
        for table in metadata().sorted_tables:
            rows = self._waiting.pop(table.name, [])
            for start in range(0, len(rows), _BATCH):
                self._connection.execute(insert(table), rows[start : start + _BATCH])

    def finish(self) -> Mapping[str, int]:
        """Write the rest, and have the database draw its next numbers after these.

        Returns:
            How many rows each table was given.
        """
        self.write()
        if self._connection.dialect.name == "postgresql":
            for name in self._numbers:
                self._connection.execute(
                    text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), max(id)) FROM {name}")  # noqa: S608 - names of ours
                )
        return self.counts


def _name(model: type[SQLModel]) -> str:
    return str(model.__table__.name)  # type: ignore[attr-defined]
