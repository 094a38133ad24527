"""Whoever adds a table says whether it can be made again."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import BigInteger, Integer

from archive_api.db.metadata import metadata
from archive_api.recovery.compare import UNDECLARED
from archive_api.recovery.kept_tables import BY_KIND
from archive_api.recovery.tables import NOT_REBUILT, REBUILT


def test_every_table_is_rebuilt_or_listed_as_not_rebuilt() -> None:
    tables = set(metadata().tables)
    assert REBUILT.keys() | NOT_REBUILT.keys() == tables
    assert not REBUILT.keys() & NOT_REBUILT.keys()
    assert all(NOT_REBUILT.values())


def test_keys_and_loose_columns_are_columns() -> None:
    for name, spec in REBUILT.items():
        columns = set(metadata().tables[name].columns.keys())
        assert set(spec.key) <= columns, name
        assert spec.loose.keys() <= columns, name
        assert not set(spec.key) & spec.loose.keys(), name


def test_no_row_number_stands_for_itself_in_a_key() -> None:
    """Numbers are drawn anew: a row of another table goes by that one's key."""
    for name, spec in REBUILT.items():
        for column in (metadata().tables[name].c[key] for key in spec.key):
            if column.name.endswith(("_pk", "_id")) and isinstance(column.type, (Integer, BigInteger)):
                assert column.foreign_keys or (name, column.name) in UNDECLARED, f"{name}.{column.name}"


def test_facts_are_kept_of_rebuilt_tables_only() -> None:
    assert BY_KIND.keys() <= REBUILT.keys()
    for kind, table in BY_KIND.items():
        assert set(table.columns) <= set(metadata().tables[kind].columns.keys()), kind


def test_the_page_lists_every_table() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "recovery.md").read_text("utf-8")
    again, _, never = page.partition("### Tables that are not made again")
    assert [name for name in REBUILT if f"`{name}`" not in again] == []
    assert [name for name in NOT_REBUILT if f"`{name}`" not in never.partition("\n## ")[0]] == []
