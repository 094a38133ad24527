"""The catalogue made again from chain and content alone."""

from __future__ import annotations

from pathlib import Path

from .lived import Lived


def test_the_rebuilt_catalogue_is_the_same_row_by_row(lived: Lived, tmp_path: Path) -> None:
    database, report = lived.rebuild(tmp_path)
    found = lived.compare(database)
    database.close()
    assert [(item.where, dict(item.columns)) for item in found.differences] == []
    assert found.rows > 100
    assert report.documents >= 9
    assert {item.table for item in report.left_out} == {"withdrawals"}
