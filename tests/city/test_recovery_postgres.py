"""Recovery on PostgreSQL: a catalogue rebuilt into it, and one that its own tools dumped and brought back."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from city_engines import require_engine
from sqlalchemy.engine import make_url

from archive_api.db.engine import Database
from archive_api.recovery.compare import compare
from archive_api.recovery.rebuild import Rebuild
from scripts.network.postgres import Postgres, make_postgres
from scripts.network.processes import daemon, wait_for
from tests.recovery.lived import Lived, connected, live

from .test_catalogue_schema import answers


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with TemporaryDirectory() as folder:
        server = make_postgres(Path(folder) / "server", require_engine("postgres"))
        with daemon(server.command(), log=server.log) as process:
            wait_for(lambda: answers(server), process, log=server.log, name="PostgreSQL")
            yield server


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    found = live(tmp_path_factory.mktemp("lived"))
    found.keep()
    yield found
    found.world.client.close()
    found.world.services.close()
    found.world.node.stop()


def run(tool: str, url: str, *arguments: str) -> None:
    """A tool of PostgreSQL on a database."""
    parts = make_url(url)
    own = {"PGHOST": parts.host, "PGPORT": str(parts.port), "PGUSER": parts.username, "PGPASSWORD": parts.password}
    given = {name: value for name, value in own.items() if value is not None}
    command = [str(require_engine("postgres") / tool), f"--dbname={parts.database}", *arguments]
    subprocess.run(command, env={**os.environ, **given}, check=True, capture_output=True, timeout=300)


def test_a_catalogue_is_rebuilt_into_postgresql_and_survives_a_dump(
    postgres: Postgres, lived: Lived, tmp_path: Path
) -> None:
    services = lived.world.services
    url, second = postgres.create_database("rebuilt"), postgres.create_database("restored")
    with closing(Database(url)) as database:
        database.migrate()
        Rebuild(
            database=database,
            reader=services.chain,
            store=services.store,
            trust=services.trust,
            logs=tmp_path / "logs",
            keys=[lived.encryption.stores[lived.world.archive.certificate.organisation_code]],
        ).run()
        found = lived.compare(database)
        assert [(item.where, dict(item.columns)) for item in found.differences] == []
        assert found.rows > 100
        with database.engine.connect() as connection, connection.begin():  # the next row gets the next number
            made = connection.exec_driver_sql(
                "INSERT INTO jobs (kind, subject, phase, refusal_values, attempts, created_at, updated_at)"
                " VALUES ('x', 'x', 'queued', '{}', 0, now(), now()) RETURNING id"
            ).scalar_one()
            assert made == connection.exec_driver_sql("SELECT max(id) FROM jobs").scalar_one()
            connection.exec_driver_sql("DELETE FROM jobs WHERE kind = 'x'")
        run("pg_dump", url, "--format=custom", f"--file={tmp_path}/catalogue.dump")
        run("pg_restore", second, "--clean", "--if-exists", "--exit-on-error", str(tmp_path / "catalogue.dump"))
        with closing(Database(second)) as restored, connected(restored) as expected, connected(database) as actual:
            again = compare(expected, actual)
    assert again.differences == ()
    assert again.rows == found.rows
