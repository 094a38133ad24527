"""Compares two catalogues row by row, by what names a row in both: `recovery.tables`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeAlias

from sqlalchemy import Connection, Table, select, text

from archive_api.db.metadata import metadata
from archive_api.recovery.tables import REBUILT, RebuiltTable

__all__ = ["UNDECLARED", "Comparison", "Difference", "compare", "natural_rows"]

_SHOWN: Final = 200
Pending: TypeAlias = Callable[[str, tuple[Any, ...], Collection[str]], bool]


class Difference(NamedTuple):
    """A row that is not the same in both.

    Attributes:
        table: its table.
        key: what names it.
        code: `row_missing`, `row_surplus` or `row_differs`.
        columns: expected and actual value by column, of one that differs; shortened.
    """

    table: str
    key: tuple[Any, ...]
    code: str
    columns: Mapping[str, tuple[str, str]]

    @property
    def where(self) -> str:
        """Table, key and columns on one line."""
        columns = f" {','.join(self.columns)}" if self.columns else ""
        return f"{self.table}[{', '.join(map(str, self.key))}]{columns}"[:_SHOWN]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of it: rows compared, and what differs."""

    rows: int
    differences: tuple[Difference, ...]


def compare(
    expected: Connection,
    actual: Connection,
    *,
    pending: Pending = lambda table, key, columns: False,
    progress: Callable[[int], None] = lambda count: None,
) -> Comparison:
    """Compare every table that a rebuild makes.

    Args:
        expected: the rebuilt catalogue.
        actual: the one that is looked at.
        pending: says of a row that is in one of them only (no columns), or of columns that differ, that this is on its
            way.
        progress: called with numbers of rows.
    """
    rows = 0
    differences: list[Difference] = []
    ours, theirs = _Naming(expected), _Naming(actual)
    for table in metadata().sorted_tables:
        spec = REBUILT.get(table.name)
        if spec is None:
            continue
        wanted = dict(natural_rows(expected, table, spec, ours))
        for key, values in natural_rows(actual, table, spec, theirs):
            rows += 1
            if rows % 1000 == 0:
                progress(1000)
            other = wanted.pop(key, None)
            if other is None:
                if not pending(table.name, key, ()):
                    differences.append(Difference(table.name, key, "row_surplus", {}))
            elif other != values and not pending(table.name, key, (columns := _columns(other, values)).keys()):
                differences.append(Difference(table.name, key, "row_differs", columns))
        differences += [
            Difference(table.name, key, "row_missing", {}) for key in wanted if not pending(table.name, key, ())
        ]
    return Comparison(rows, tuple(differences))


class _Naming:
    """What rows of a database are called by other rows: natural keys by row number."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[str, str], dict[Any, Any]] = {}

    def of(self, table: Table, column: str, value: Any) -> Any:
        """The natural key of the row whose `column` is `value`."""
        if value is None:
            return None
        place = (table.name, column)
        if place not in self._known:
            spec = REBUILT[table.name]
            names = {column, *spec.key}
            query = select(*[table.c[name] for name in sorted(names)])
            self._known[place] = {
                row[column]: tuple(_named(self, table, name, row[name]) for name in spec.key)
                for row in self._connection.execute(query).mappings()
            }
        return self._known[place].get(value, ("missing row", value))


def natural_rows(
    connection: Connection, table: Table, spec: RebuiltTable, naming: _Naming | None = None
) -> Iterator[tuple[tuple[Any, ...], Mapping[str, Any]]]:
    """Yield key and compared columns of the rows that chain and content know of.

    Args:
        connection: to the catalogue.
        table: one that a rebuild makes.
        spec: says how.
        naming: of the same connection.
    """
    naming = naming or _Naming(connection)
    names = [column.name for column in table.columns if column.name != "id" and column.name not in spec.loose]
    query = select(*[table.c[name] for name in dict.fromkeys([*names, *spec.key])])
    if spec.only is not None:
        query = query.where(text(spec.only))
    for row in connection.execute(query.execution_options(yield_per=1000)).mappings():
        key = tuple(_named(naming, table, name, row[name]) for name in spec.key)
        yield key, {name: _named(naming, table, name, row[name]) for name in names}


def _named(naming: _Naming, table: Table, name: str, value: Any) -> Any:
    column = table.c[name]
    for foreign in column.foreign_keys:
        target = foreign.column
        if target.name == "id":
            return naming.of(target.table, target.name, value)
    if (table.name, name) in UNDECLARED:
        return naming.of(metadata().tables[UNDECLARED[table.name, name]], "id", value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
    return value


UNDECLARED: Final = {
    ("supply_events", "capture_pk"): "captures",
    ("supply_events", "stream_id"): "streams",
    ("supply_mentions", "stream_id"): "streams",
    ("supply_mentions", "event_id"): "supply_events",
}
"""Row numbers of other tables that are no foreign keys."""


def _columns(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {
        name: (str(value)[:_SHOWN], str(actual[name])[:_SHOWN])
        for name, value in expected.items()
        if value != actual[name]
    }
