"""The catalogue: its schema, its transactions, and what a full disk does."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DataError
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlmodel import select

from archive_api.db.engine import Database, alembic_config
from archive_api.db.metadata import metadata
from archive_api.errors import MalformedError, StorageFullError, TransportError
from archive_api.idempotency import IdempotencyRow
from archive_api.outbox.models import Job
from archive_api.outbox.repository import JobRepository
from ledger.adapters.clock import SystemClock

NOW = SystemClock().now()
PARTIAL = {
    "one_open_submission",
    "ix_captures_waiting",
    "supply_events_declares",
    "supply_events_declared",
    "supply_mentions_material",
}


@pytest.fixture
def database(tmp_path: Path) -> Any:
    database = Database(f"sqlite:///{tmp_path}/archive.db", busy_timeout_seconds=0.2)
    database.migrate()
    yield database
    database.close()


def test_migrates_an_empty_database_to_the_models(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata()) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    with database.transaction() as session:
        JobRepository(session).add("submit", "0x00", now=NOW)
    database.migrate()
    with database.reading() as session:
        assert len(session.exec(select(Job)).all()) == 1


def test_every_revision_goes_forth_and_back(tmp_path: Path) -> None:
    config = alembic_config(f"sqlite:///{tmp_path}/x.db")
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]
    for revision in revisions:
        command.upgrade(config, revision)
    command.downgrade(config, "base")
    database = Database(f"sqlite:///{tmp_path}/x.db")
    assert set(inspect(database.engine).get_table_names()) == {"alembic_version"}
    command.upgrade(config, "head")
    assert set(metadata().tables) <= set(inspect(database.engine).get_table_names())
    database.close()


def test_the_revision_before_the_newest_keeps_its_rows(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    config = alembic_config(url)
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    command.upgrade(config, revisions[1])
    database = Database(url)
    with database.transaction() as session:
        JobRepository(session).add("submit", "0x00", now=NOW)
    database.migrate()
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert context.get_current_revision() == revisions[0]
        assert compare_metadata(context, metadata()) == []
    with database.reading() as session:
        assert len(session.exec(select(Job)).all()) == 1
    database.close()


def test_is_durable_and_strict_on_sqlite(database: Database) -> None:
    with database.reading() as session:
        pragmas = {
            name: session.connection().execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 200}


def test_all_tables_can_be_made_on_postgresql() -> None:
    dialect = postgresql.dialect()
    for table in metadata().sorted_tables:
        assert str(CreateTable(table).compile(dialect=dialect))
        for index in table.indexes:
            made = str(CreateIndex(index).compile(dialect=dialect))
            assert ("WHERE" in made) == (index.name in PARTIAL)


def test_reads_one_snapshot_on_postgresql() -> None:
    database = Database("postgresql+psycopg://nobody@/nowhere")
    assert database._reader.get_execution_options()["isolation_level"] == "REPEATABLE READ"
    assert "isolation_level" not in database._writer.get_execution_options()


def test_text_that_postgresql_does_not_have_is_malformed(database: Database) -> None:
    with pytest.raises(MalformedError), database.reading():
        raise DataError("SELECT 1", {}, ValueError("PostgreSQL text fields cannot contain NUL (0x00) bytes"))
    with pytest.raises(DataError), database.reading():
        raise DataError("SELECT 1", {}, ValueError("value out of range"))


def test_rolls_back_what_raises(database: Database) -> None:
    with pytest.raises(KeyError), database.transaction() as session:
        JobRepository(session).add("submit", "0x00", now=NOW)
        raise KeyError
    with database.reading() as session:
        assert session.exec(select(Job)).all() == []


def test_who_looks_sees_one_moment(database: Database) -> None:
    query = text("SELECT count(*) FROM jobs")
    with database.looking() as connection:
        assert connection.execute(query).scalar() == 0  # the snapshot is taken by the first read
        with database.transaction() as writer:
            JobRepository(writer).add("submit", "0x00", now=NOW)
        assert connection.execute(query).scalar() == 0
    with pytest.raises(TransportError), database.looking() as connection:
        connection.execute(text("SELECT 1 FROM nowhere"))


def test_who_asks_sees_each_commit(database: Database) -> None:
    with database.asking() as asker:
        assert asker.exec(select(Job)).all() == []
        with database.transaction() as writer:
            JobRepository(writer).add("submit", "0x00", now=NOW)
        assert len(asker.exec(select(Job)).all()) == 1


def test_asks_for_one_row(database: Database) -> None:
    query = text("SELECT kind FROM jobs WHERE subject = :subject")
    assert database.ask(query, {"subject": "0x00"}) is None
    with database.transaction() as session:
        JobRepository(session).add("submit", "0x00", now=NOW)
    found = database.ask(query, {"subject": "0x00"})
    assert found is not None
    assert found.kind == "submit"
    with pytest.raises(TransportError):
        database.ask(text("SELECT 1 FROM nowhere"), {})


def test_a_reader_sees_one_moment_and_writes_nothing(database: Database) -> None:
    with database.reading() as reader:
        assert reader.exec(select(Job)).all() == []  # the snapshot is taken by the first read
        with database.transaction() as writer:
            JobRepository(writer).add("submit", "0x00", now=NOW)
        assert reader.exec(select(Job)).all() == []
    with database.reading() as session:
        session.add(IdempotencyRow(key="k", target="t", request_sha256="", status=201, answer="", created_at=NOW))
    with database.reading() as session:
        assert session.exec(select(IdempotencyRow)).all() == []


def test_writers_follow_each_other(database: Database) -> None:
    started = threading.Event()

    def write() -> None:
        with database.transaction() as session:
            started.set()
            JobRepository(session).add("submit", "0x01", now=NOW)

    with database.transaction() as session:
        thread = threading.Thread(target=write)
        thread.start()
        assert not started.wait(0.05)
        JobRepository(session).add("submit", "0x00", now=NOW)
    thread.join()
    with database.reading() as session:
        assert [job.subject for job in session.exec(select(Job)).all()] == ["0x00", "0x01"]


def test_says_that_the_catalogue_is_locked(database: Database) -> None:
    with database.transaction(), pytest.raises(TransportError) as caught, database.transaction():
        pass
    assert caught.value.code == "database_unreachable"


def test_says_that_the_disk_is_full(database: Database) -> None:
    with pytest.raises(StorageFullError), database.transaction() as session:
        pages = session.connection().execute(text("PRAGMA page_count")).scalar()
        session.connection().execute(text(f"PRAGMA max_page_count={pages}"))
        for number in range(1000):
            JobRepository(session).add("submit", f"0x{number}", now=NOW)
    with database.reading() as session:
        assert session.exec(select(Job)).all() == []


def test_the_open_submission_of_a_unit_project_is_unique(database: Database) -> None:
    insert = text(
        "INSERT INTO submissions (ref, unit_project_id, state, document_count, missing_count, total_bytes, "
        "created_at, updated_at) VALUES (:ref, 1, :state, 0, 0, 0, :now, :now)"
    )
    with sqlite3.connect(database.engine.url.database or "") as raw:
        raw.execute("PRAGMA foreign_keys=OFF")
        for ref, state in (("a", "draft"), ("b", "draft"), ("c", "sealed"), ("d", "accepted")):
            raw.execute(str(insert), {"ref": ref, "state": state, "now": "2026-01-01"})
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(str(insert), {"ref": "e", "state": "sealing", "now": "2026-01-01"})
    raw.close()
