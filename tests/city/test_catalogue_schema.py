"""Schemas on PostgreSQL: processes that start together upgrade once, and a newer schema is judged as on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from city_engines import require_engine

from archive_api.db.engine import Database
from archive_api.db.schema import prepare_schema, schema_state
from archive_api.errors import MismatchError
from scripts.network.postgres import Postgres, make_postgres
from scripts.network.processes import daemon, wait_for


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    # Not below pytest's own folder: each session of pytest closes that to other users, such as PostgreSQL's.
    with TemporaryDirectory() as folder:
        server = make_postgres(Path(folder) / "server", require_engine("postgres"))
        with daemon(server.command(), log=server.log) as process:
            wait_for(lambda: answers(server), process, log=server.log, name="PostgreSQL")
            yield server


def answers(server: Postgres) -> bool:
    """Whether it is done with starting, which it listens before."""
    try:
        psycopg.connect(server.url().replace("+psycopg", ""), connect_timeout=30).close()
    except psycopg.OperationalError:
        return False
    return True


def test_processes_that_start_together_upgrade_one_after_another(postgres: Postgres) -> None:
    url = postgres.create_database("together")

    def start(_number: int) -> bool:
        database = Database(url)
        try:
            prepare_schema(database, migrate=True)
            return schema_state(database).is_current
        finally:
            database.close()

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(start, range(4))) == [True] * 4


def test_a_newer_schema_is_worked_on_where_it_only_adds(postgres: Postgres) -> None:
    database = Database(postgres.create_database("newer"))
    prepare_schema(database, migrate=True)
    with database.engine.connect() as connection, connection.begin():
        for statement in (
            "CREATE TABLE novelties (id integer PRIMARY KEY, name text NOT NULL)",
            "ALTER TABLE jobs ADD COLUMN novelty text",
            "ALTER TABLE jobs ADD COLUMN counted integer NOT NULL DEFAULT 0",
            "UPDATE alembic_version SET version_num = '9999'",
        ):
            connection.exec_driver_sql(statement)
    prepare_schema(database, migrate=False)
    prepare_schema(database, migrate=True)
    with database.engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("ALTER TABLE jobs ADD COLUMN needed text")
        connection.exec_driver_sql("ALTER TABLE jobs ALTER COLUMN needed SET NOT NULL")
    with pytest.raises(MismatchError, match=r"column jobs\.needed needs a value") as caught:
        prepare_schema(database, migrate=True)
    assert caught.value.code == "schema_newer"
    database.close()
