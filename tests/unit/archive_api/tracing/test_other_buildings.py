"""Lots that other buildings name too: found by an index, at the cost of the building's own lots."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.dialects import sqlite

from archive_api.access.visibility import Visibility
from archive_api.db.engine import Database
from archive_api.streams.models import StreamRow
from archive_api.supply.models import IS_MATERIAL
from archive_api.tracing.context import OtherBuildings, other_mentions
from ledger.adapters.clock import SystemClock
from ledger.supply.follow import MATERIAL

LOTS = [f"urn:epc:class:lgtin:9521321.012345.L{number}" for number in range(3)]
PRODUCT = "urn:epc:idpat:sgtin:9521321.012345.*"


def key_of(building: int) -> str:
    return f"0x{building:064x}"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/archive.db")
    database.migrate()
    yield database
    database.close()


def fill(database: Database, buildings: int) -> None:
    """Buildings whose streams mention the product and a lot of their own; the last one the first building's lot too."""
    now = SystemClock().now()
    named = [
        (number, "class", f"urn:epc:class:lgtin:9521321.999999.{number}", number) for number in range(2, buildings)
    ]
    named += [(100_000 + number, "class", PRODUCT, number) for number in range(1, buildings + 1)]
    named += [(200_000 + number, "class", lot, 1) for number, lot in enumerate(LOTS)]
    named += [(300_000, "input_class", LOTS[1], buildings), (300_001, "document", LOTS[2], buildings)]
    with database.transaction() as session:
        for number in range(1, buildings + 1):
            origin = f"log/{number}/supply"
            session.add(StreamRow(name="supply", building_key=key_of(number), origin=origin, created_at=now))
    with closing(sqlite3.connect(database.engine.url.database or "")) as connection:  # without the mentions' events
        connection.executemany(
            "INSERT INTO supply_mentions (event_id, kind, thing, stream_id) VALUES (?, ?, ?, ?)", named
        )
        connection.commit()


def asked(database: Database) -> tuple[dict[str, tuple[str, ...]], int]:
    """What is found for the first building, and how many statements that took."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    with database.reading() as session:
        engine = session.get_bind()
        event.listen(engine, "before_cursor_execute", note)
        try:
            found = OtherBuildings(session, Visibility.everything(), key_of(1)).lots()
        finally:
            event.remove(engine, "before_cursor_execute", note)
    return found, len(statements)


@pytest.mark.parametrize("buildings", [2, 300])
def test_costs_as_much_in_a_large_city_as_in_a_small_one(database: Database, buildings: int) -> None:
    fill(database, buildings)
    assert asked(database) == ({LOTS[1]: (key_of(buildings),)}, 4)


def test_a_building_without_events_shares_none(database: Database) -> None:
    assert asked(database) == ({}, 2)


def test_other_buildings_are_found_by_the_index_of_material(database: Database) -> None:
    query = other_mentions(LOTS).compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    with database.engine.connect() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")]
    assert any("USING INDEX supply_mentions_material (thing=?)" in step.replace("COVERING ", "") for step in plan), plan
    assert not any(step.startswith("SCAN") for step in plan), plan


def test_the_index_is_of_every_kind_of_material(database: Database) -> None:
    with database.engine.connect() as connection:
        query = "SELECT sql FROM sqlite_master WHERE name = 'supply_mentions_material'"
        made = str(connection.exec_driver_sql(query).scalar())
    assert made.endswith(f"WHERE {IS_MATERIAL}")
    assert set(re.findall("'([a-z_]+)'", made)) == MATERIAL
