"""Records of the captures that a trace is proved by: read by their numbers alone, however many events there are."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.dialects import sqlite

from archive_api.db.engine import Database
from archive_api.tracing.proofs import records_of


def test_records_of_captures_are_read_by_their_numbers(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/archive.db")
    database.migrate()
    query = records_of(range(1, 17)).compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    with database.engine.connect() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")]
    database.close()
    read = [step for step in plan if "supply_events" in step]
    assert len(read) == 16
    assert all(step.startswith("SEARCH supply_events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)") for step in read)
