"""One suite for every database that the catalogue can be in; two `Database` objects stand for two processes."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from city_engines import ALL_ENGINES, require_engine
from sqlalchemy import text
from sqlmodel import Session

from archive_api.db.engine import Database
from archive_api.db.metadata import metadata
from archive_api.db.schema import prepare_schema, schema_state
from archive_api.errors import TransportError
from archive_api.outbox.models import Job
from archive_api.outbox.repository import JobRepository
from ledger.adapters.clock import SystemClock
from scripts.network.postgres import Postgres, running_postgres


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_postgres(tmp_path_factory.mktemp("postgres") / "server", require_engine("postgres")) as server:
        yield server


@pytest.fixture(params=["sqlite", *(["postgresql"] if ALL_ENGINES else [])])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'archive.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.create_database(f"catalogue_{secrets.token_hex(6)}")


@pytest.fixture
def connect(url: str) -> Iterator[Callable[[], Database]]:
    """Opens the catalogue as another process would."""
    opened: list[Database] = []

    def another(*, busy_timeout_seconds: float = 30.0) -> Database:
        opened.append(Database(url, busy_timeout_seconds=busy_timeout_seconds))
        return opened[-1]

    yield another
    for database in opened:
        database.close()


@pytest.fixture
def catalogue(connect: Callable[[], Database]) -> Database:
    database = connect()
    prepare_schema(database, migrate=True)
    return database


def add_job(session: Session, subject: str) -> int:
    return JobRepository(session).add("fill_nonce", subject, now=SystemClock().now())


def subjects(database: Database) -> list[str]:
    with database.reading() as session:
        return [job.subject for job in JobRepository(session).unfinished()]


def test_two_processes_may_make_the_schema_at_once(connect: Callable[[], Database]) -> None:
    databases = [connect() for _ in range(4)]
    started = threading.Barrier(4)

    def prepare(database: Database) -> None:
        started.wait()
        prepare_schema(database, migrate=True)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(prepare, databases))
    assert all(schema_state(database).is_current for database in databases)
    with databases[0].transaction() as session:
        add_job(session, "一")
    assert subjects(databases[3]) == ["一"]


def test_a_transaction_is_there_whole_or_not_at_all(catalogue: Database, connect: Callable[[], Database]) -> None:
    with pytest.raises(RuntimeError, match="midway"), catalogue.transaction() as session:
        add_job(session, "1")
        raise RuntimeError("midway")
    assert subjects(connect()) == []
    with catalogue.transaction() as session:
        add_job(session, "1")
        add_job(session, "2")
        assert subjects(connect()) == []
    assert subjects(connect()) == ["1", "2"]


def test_what_a_writer_has_read_does_not_change_before_it_writes(
    catalogue: Database, connect: Callable[[], Database]
) -> None:
    with catalogue.transaction() as session:
        number = add_job(session, "counter")
    databases = [connect() for _ in range(4)]

    def count(database: Database) -> None:
        for _ in range(25):
            with database.transaction() as session:
                job = session.get_one(Job, number)
                seen = job.attempts
                session.connection().execute(text("SELECT count(*) FROM jobs"))
                job.attempts = seen + 1
                session.add(job)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, databases * 2))
    with catalogue.reading() as session:
        assert session.get_one(Job, number).attempts == 200


def test_only_one_of_many_finds_that_it_is_the_first(catalogue: Database, connect: Callable[[], Database]) -> None:
    databases, started = [connect() for _ in range(6)], threading.Barrier(6)

    def first(database: Database) -> bool:
        started.wait()
        with database.transaction() as session:
            if JobRepository(session).unfinished():
                return False
            add_job(session, "only")
            return True

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(first, databases)) == [False] * 5 + [True]
    assert subjects(catalogue) == ["only"]


def test_a_writer_waits_for_its_turn_only_so_long(catalogue: Database, connect: Callable[..., Database]) -> None:
    hasty = connect(busy_timeout_seconds=0.2)
    with catalogue.transaction() as session:
        add_job(session, "slow")
        with pytest.raises(TransportError) as caught, hasty.transaction() as other:
            add_job(other, "hasty")
        assert caught.value.code == "database_unreachable"
    with hasty.transaction() as session:
        add_job(session, "later")
    assert subjects(catalogue) == ["slow", "later"]


def test_a_reader_sees_one_moment(catalogue: Database, connect: Callable[[], Database]) -> None:
    with catalogue.reading() as session:
        assert JobRepository(session).count_unfinished() == {}
        with connect().transaction() as other:
            add_job(other, "meanwhile")
        assert JobRepository(session).count_unfinished() == {}
        assert list(JobRepository(session).unfinished()) == []
    assert subjects(catalogue) == ["meanwhile"]


def test_a_reader_keeps_nothing(catalogue: Database) -> None:
    with catalogue.reading() as session:
        add_job(session, "nothing")
    assert subjects(catalogue) == []


def test_chinese_of_every_plane_comes_back(catalogue: Database) -> None:
    subject = "广州市𠮷祥路2号·竣工图（一）🏗"
    with catalogue.transaction() as session:
        number = add_job(session, subject)
    with catalogue.reading() as session:
        job = session.get_one(Job, number)
        assert job.subject == subject
        assert job.created_at.tzinfo is not None


def test_the_schema_is_the_models(catalogue: Database) -> None:
    with catalogue.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata()) == []
