"""Recovery on PostgreSQL: a catalogue rebuilt into it, and one that its own tools dumped and brought back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from city_engines import require_engine
from sqlalchemy import text
from sqlalchemy.engine import make_url

from archive_api.access_log.events import ACCESS_STREAM
from archive_api.db.engine import Database
from archive_api.recovery.backup import Backup
from archive_api.recovery.compare import compare
from archive_api.recovery.rebuild import Rebuild
from archive_api.recovery.repository import BackupRepository
from ledger.adapters.log_files import LogFiles
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


def yunshang(*arguments: str | Path, database: str | None, status: int = 0) -> dict[str, Any]:
    """The last document that a command writes, of a home with its catalogue there."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("YUNSHANG_")}
    if database is not None:
        environment["YUNSHANG_DATABASE_URL"] = database
    command = [sys.executable, "-m", "archive_api.cli", *map(str, arguments), "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    found: dict[str, Any] = json.loads((done.stdout.strip() or done.stderr.strip()).splitlines()[-1])
    return found


def count(database: Database, query: str) -> int:
    with database.reading() as session:
        return int(session.connection().scalar(text(query)) or 0)


def test_a_home_with_its_catalogue_on_postgresql_is_backed_up_restored_and_checked(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, second = postgres.create_database("lived"), postgres.create_database("again")
    lived = live(tmp_path / "lived", database_url=url)
    world, folder, target = lived.world, tmp_path / "backups", tmp_path / "home"
    try:
        lived.keep()
        assert not world.home.database_path.exists()

        of_catalogue = Backup._catalogue

        def then_accesses(own: Backup) -> int:
            """After the dump: accesses whose clear text it does not have, one taken over and one not."""
            last = of_catalogue(own)
            for taken in (True, False):
                world.get("/buildings")
                world.services.access_log.writer.publish()
                if taken:
                    world.services.access_log.drain()
            return last

        with monkeypatch.context() as patched:
            patched.setattr(Backup, "_catalogue", then_accesses)
            Backup(home=world.home, repository=BackupRepository(folder), database_url=url).run()

        refused = yunshang("restore", "--from", folder, "--home", target, database=None, status=1)
        assert refused["error"]["code"] == "catalogue_elsewhere"
        refused = yunshang("restore", "--from", folder, "--home", target, database=url, status=1)
        assert refused["error"]["code"] == "catalogue_exists"
        assert not target.exists()

        told = yunshang("restore", "--from", folder, "--home", target, database=second)
        assert told["clear_texts"] >= 2
        assert not list(target.rglob("catalogue.dump"))
        log = LogFiles(target / "server" / "logs" / ACCESS_STREAM, read_only=True)
        with closing(Database(second)) as restored:
            found = lived.compare(restored)
            assert found.differences == ()
            assert found.rows > 100
            size = log.head().size
            assert count(restored, f"SELECT count(*) FROM access_clear WHERE entry_index < {size}") == size

        # The same by the commands alone, into what is there already: the second point, and a check of both homes.
        yunshang("backup", "create", folder, "--home", world.home.root, database=url)
        assert len(BackupRepository(folder).points()) == 2
        arguments = ("fsck", "--home", target, "--rpc", world.node.rpc_url)
        checked = yunshang(*arguments, database=second, status=2)  # the archive's encryption key is elsewhere
        assert [item["code"] for item in checked["doubts"]] == ["restricted_not_compared"]
        assert checked["wrong"] == []
        assert checked["rows"] > 100
        with closing(Database(second)) as restored, restored.transaction() as session:
            session.connection().execute(text("UPDATE buildings SET name = '另一座'"))
        checked = yunshang(*arguments, database=second, status=1)
        assert {item["part"] for item in checked["wrong"]} == {"catalogue"}
    finally:
        world.client.close()
        world.services.close()
        world.node.stop()
