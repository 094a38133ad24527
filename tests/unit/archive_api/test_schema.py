"""Two versions on one catalogue: what is accepted, what is refused, and that migrations keep to the rule."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData

from archive_api.db import schema
from archive_api.db.engine import Database, alembic_config
from archive_api.db.metadata import metadata
from archive_api.db.schema import head_revision, misfits, prepare_schema, schema_state, upgrade
from archive_api.errors import MismatchError, TransportError
from archive_api.outbox.repository import JobRepository
from ledger.adapters.clock import SystemClock

NOW = SystemClock().now()
VERSIONS = Path(schema.__file__).parent / "migrations" / "versions"
# Before this one no version was run beside another.
FIRST_UNDER_THE_RULE = "0013"


def scripts() -> list[Any]:
    return list(ScriptDirectory.from_config(alembic_config("sqlite://")).walk_revisions())[::-1]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/archive.db")
    yield database
    database.close()


def at(database: Database, revision: str) -> None:
    command.upgrade(alembic_config(database.url), revision)


def newer(database: Database, *statements: str) -> None:
    """What a newer version does to a catalogue."""
    database.migrate()
    with database.engine.connect() as connection, connection.begin():
        for statement in (*statements, "UPDATE alembic_version SET version_num = '9999'"):
            connection.exec_driver_sql(statement)


def test_an_empty_catalogue_is_made(database: Database) -> None:
    assert schema_state(database).current is None
    assert not schema_state(database).is_usable
    prepare_schema(database, migrate=True)
    state = schema_state(database)
    assert state.is_current
    assert state.is_usable
    assert state.current == head_revision()


@pytest.mark.parametrize("is_empty", [True, False])
def test_an_older_schema_is_refused_with_what_to_do(database: Database, is_empty: bool) -> None:
    before = scripts()[-2].revision
    if not is_empty:
        at(database, before)
    with pytest.raises(MismatchError) as caught:
        prepare_schema(database, migrate=False)
    assert caught.value.code == "schema_older"
    assert f"expected the catalogue at schema {head_revision()}, got " in str(caught.value)
    assert "run `yunshang db upgrade`" in str(caught.value)
    assert caught.value.values["actual"] == (None if is_empty else before)


def test_upgrading_keeps_rows_and_may_be_repeated(database: Database) -> None:
    before = scripts()[-2].revision
    at(database, before)
    with database.transaction() as session:
        JobRepository(session).add("submit", "0x00", now=NOW)
    assert upgrade(database).current == before
    assert upgrade(database).is_current
    prepare_schema(database, migrate=False)
    with database.reading() as session:
        assert JobRepository(session).count_unfinished() == {"queued": 1}


@pytest.mark.parametrize("migrate", [True, False])
def test_a_newer_schema_that_only_adds_is_worked_on_and_left_as_it_is(database: Database, migrate: bool) -> None:
    newer(
        database,
        "CREATE TABLE novelties (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
        "ALTER TABLE jobs ADD COLUMN novelty TEXT",
        "ALTER TABLE jobs ADD COLUMN counted INTEGER NOT NULL DEFAULT 0",
    )
    prepare_schema(database, migrate=migrate)
    with database.transaction() as session:
        JobRepository(session).add("submit", "0x00", now=NOW)
    state = schema_state(database)
    assert (state.current, state.is_known, state.is_usable, state.misfits) == ("9999", False, True, ())


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("ALTER TABLE jobs DROP COLUMN attempts", "no column jobs.attempts"),
        ("ALTER TABLE jobs RENAME COLUMN attempts TO tries", "no column jobs.attempts"),
        ("DROP TABLE idempotency_keys", "no table idempotency_keys"),
        (
            "CREATE TABLE j2 AS SELECT * FROM journal; DROP TABLE journal;"
            " CREATE TABLE journal (id INTEGER PRIMARY KEY, job_id INTEGER, nonce INTEGER, transaction_hash TEXT,"
            " raw TEXT, given_up BOOLEAN, created_at DATETIME, needed TEXT NOT NULL)",
            "column journal.needed needs a value that this version does not know",
        ),
    ],
)
@pytest.mark.parametrize("migrate", [True, False])
def test_a_newer_schema_that_takes_away_is_refused(
    database: Database, statement: str, said: str, migrate: bool
) -> None:
    newer(database, *statement.split(";"))
    with pytest.raises(MismatchError) as caught:
        prepare_schema(database, migrate=migrate)
    assert caught.value.code == "schema_newer"
    assert said in str(caught.value)
    assert "run the newer version" in str(caught.value)


def test_a_catalogue_that_cannot_be_asked_is_no_older_one(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/missing/archive.db")
    with pytest.raises(TransportError) as caught:
        prepare_schema(database, migrate=False)
    assert caught.value.code == "database_unreachable"
    database.close()


@pytest.mark.parametrize("number", [n for n, s in enumerate(scripts()) if s.revision >= FIRST_UNDER_THE_RULE])
def test_each_migration_leaves_what_the_version_before_needs(tmp_path: Path, number: int) -> None:
    """The schema before a migration is what the version before uses; it must fit what the migration makes."""
    former, script = scripts()[number - 1], scripts()[number]
    database = Database(f"sqlite:///{tmp_path}/archive.db")
    at(database, former.revision)
    wanted = MetaData()
    with database.engine.connect() as connection:
        wanted.reflect(connection)
    at(database, script.revision)
    with database.engine.connect() as connection:
        found = misfits(connection, wanted)
    database.close()
    taken = contracted(VERSIONS / Path(script.path).name)
    assert set(found) <= {f"no column {name}" if "." in name else f"no table {name}" for name in taken}
    used = {f"{table.name}.{column.name}" for table in metadata().sorted_tables for column in table.columns}
    assert not set(taken) & (used | set(metadata().tables)), "what a migration takes away, nothing uses any more"


def contracted(path: Path) -> tuple[str, ...]:
    """What a migration says that it takes away: its constant `contracts`."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "contracts":
            return tuple(ast.literal_eval(node.value))
    return ()


def test_the_check_of_migrations_can_fail(database: Database) -> None:
    database.migrate()
    with database.engine.connect() as connection:
        wanted = MetaData()
        wanted.reflect(connection)
        connection.exec_driver_sql("ALTER TABLE jobs DROP COLUMN attempts")
        assert misfits(connection, wanted) == ("no column jobs.attempts",)
