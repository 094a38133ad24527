"""PostgreSQL brought back to a chosen moment by the commands of docs/operations.md, executed as they stand there.

A base backup and archived segments are kept while the archive works. Then somebody spoils the catalogue and the server
is killed. What comes back is the catalogue as of the moment, row for row; a rebuild beside it has what the chain knows
beyond that, with the persons and roles of the moment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest
from city_engines import require_engine

from archive_api.db.engine import Database
from archive_api.db.metadata import metadata
from archive_api.recovery.compare import compare
from scripts.network.postgres import Postgres, as_somebody, make_postgres
from tests.api.world import JSON, World, build_world
from tests.cli.process import environment
from tests.cli.test_operations import blocks
from tests.recovery.lived import connected, keep

_AS_POSTGRES, _WITH_POSTGRES = "sh run as postgres", "sh run with PostgreSQL"
_OF_PERSONS = ("persons", "person_certificates", "person_certificate_statuses", "grants")
_SECONDS = 300

Rows = Mapping[str, Sequence[tuple[Any, ...]]]


@dataclass(frozen=True)
class Operator:
    """Somebody who runs an archive's PostgreSQL by the page.

    Attributes:
        server: the server, with the catalogue in a database `archive`.
        kept: where base backup and segments go.
        work: where commands run.
    """

    server: Postgres
    kept: Path
    work: Path

    @property
    def folder(self) -> Path:
        """The server's data."""
        return self.server.folder / "data"

    @property
    def restored(self) -> Path:
        """The data of the moment."""
        return self.folder.with_name("data.then")

    def run(self, kind: str, text: str, **variables: str) -> float:
        """Run a block of the page as whom it is for; returns the seconds it took."""
        own = {
            "PATH": os.pathsep.join([str(self.server.programs), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PGDATA": str(self.folder),
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.server.port),
            "PGUSER": "yunshang",
            "PGPASSWORD": self.server.password,
            "PGDATABASE": "archive",
            "PGLOG": str(self.server.log),
            "KEPT": str(self.kept),
        }
        prefix = as_somebody() if kind == _AS_POSTGRES else []
        started = time.monotonic()
        done = subprocess.run(
            [*prefix, "bash", "-euo", "pipefail", "-c", text],
            cwd=self.work,
            env=environment(own | variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        log = self.server.log.read_text("utf-8", "replace") if self.server.log.exists() else ""
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}\n{log[-3000:]}"
        return time.monotonic() - started

    def hand_over(self) -> None:
        """End the segment that is written, and wait until it is kept."""
        segment = self.ask("SELECT pg_walfile_name(pg_switch_wal())")
        deadline = time.monotonic() + _SECONDS
        while not (self.kept / "wal" / segment).exists():
            assert time.monotonic() < deadline, f"{segment} is not handed over"
            time.sleep(0.05)

    def crash(self) -> None:
        """Kill the server, once what it handed over is gone from its folder, as it is in time: what it did not hand
        over is there alone, what it did is not."""
        self.run(_AS_POSTGRES, 'pg_ctl stop --mode=immediate --pgdata="$PGDATA"')
        for kept in (self.kept / "wal").iterdir():
            (self.folder / "pg_wal" / kept.name).unlink(missing_ok=True)

    def end(self) -> None:
        """Stop whatever runs."""
        for folder in (self.folder, self.restored):
            if (folder / "postmaster.pid").exists():
                stop = ["pg_ctl", "stop", "--mode=immediate", f"--pgdata={folder}"]
                program = str(self.server.programs / stop[0])
                subprocess.run([*as_somebody(), program, *stop[1:]], check=False, capture_output=True, cwd=self.work)

    def ask(self, query: str, database: str = "archive") -> Any:
        """One value of a database, at once and for good."""
        with psycopg.connect(self.server.url(database).replace("+psycopg", ""), autocommit=True) as connection:
            found = connection.execute(query.encode()).fetchone()
        return None if found is None else found[0]

    def rows(self, database: str = "archive") -> Rows:
        """Every row of every table, in no order."""
        with psycopg.connect(self.server.url(database).replace("+psycopg", "")) as connection:
            return {
                table.name: sorted(connection.execute(f'SELECT * FROM "{table.name}"'.encode()).fetchall(), key=repr)
                for table in metadata().sorted_tables
            }


@pytest.fixture
def operator() -> Iterator[Operator]:
    # Not below pytest's own folder: each session of pytest closes that to other users, such as PostgreSQL's.
    with TemporaryDirectory() as folder:
        server = make_postgres(Path(folder) / "server", require_engine("postgres"))
        kept, work = server.folder / "kept", server.folder / "work"
        for made in (kept, work):
            made.mkdir()
            if prefix := as_somebody():
                shutil.chown(made, prefix[2])
        operator = Operator(server, kept, work)
        try:
            operator.run(_AS_POSTGRES, 'pg_ctl start --wait --log="$PGLOG"')
            server.create_database("archive")
            yield operator
        finally:
            operator.end()


def blocks_of_the_page() -> tuple[str, str, str]:
    """What is kept, the restore, and what is made again."""
    found = [(kind, text) for kind, text in blocks() if kind in (_AS_POSTGRES, _WITH_POSTGRES)]
    assert [kind for kind, _ in found] == [_AS_POSTGRES, _AS_POSTGRES, _WITH_POSTGRES]
    keeping, restoring, again = (text for _, text in found)
    return keeping, restoring, again


def live_on(world: World, unit: JSON, *roles: str) -> str:
    """A further accepted handover and a further person with roles in a unit project; returns the handover's id."""
    shown = world.show(world.accepted(unit))
    assert shown["state"] == "accepted"
    world.person(*({"role": role, "unit_project_key": unit["unit_project_key"]} for role in roles))
    world.person({"role": "auditor"})
    keep(world)
    return str(shown["submission_id"])


def grant_in_nowhere(operator: Operator) -> None:
    """A role in a unit project that the contract refused: a rebuild has none such, and the role must not become one
    in all of them."""
    for query in (
        "INSERT INTO jobs (kind, subject, phase, refusal_values, attempts, created_at, updated_at)"
        " VALUES ('x', 'x', 'refused', '{}', 0, now(), now()) RETURNING 1",
        "INSERT INTO unit_projects (unit_project_key, building_id, code, name, job_id, created_at)"
        " SELECT 'nowhere', b.id, 'X', 'X', (SELECT max(id) FROM jobs), now() FROM buildings b LIMIT 1 RETURNING 1",
        "INSERT INTO grants (person_id, role, unit_project_id, created_at) SELECT person_id, 'administrator',"
        " (SELECT id FROM unit_projects WHERE unit_project_key = 'nowhere'), now() FROM persons LIMIT 1 RETURNING 1",
    ):
        assert operator.ask(query) == 1


def await_catalogue(world: World) -> None:
    """The server was restarted under the archive: what it asks on a connection of before is answered with 503."""
    deadline = time.monotonic() + _SECONDS
    while world.client.get("/api/v1/buildings").status_code == 503:
        assert time.monotonic() < deadline, "the catalogue does not come back"
    world.settle()


def close(world: World) -> None:
    world.client.close()
    world.services.close()
    world.node.stop()


def granted(operator: Operator, database: str) -> Sequence[tuple[Any, ...]]:
    """Who has which role where, whatever numbers rows have."""
    query = (
        "SELECT p.name, g.role, u.unit_project_key, g.granted_by, g.created_at FROM grants g"
        " JOIN persons p USING (person_id) LEFT JOIN unit_projects u ON u.id = g.unit_project_id ORDER BY 1, 2, 3"
    )
    with psycopg.connect(operator.server.url(database).replace("+psycopg", "")) as connection:
        return connection.execute(query.encode()).fetchall()


@pytest.mark.timeout(900)
def test_a_catalogue_is_brought_back_to_a_moment_and_what_the_chain_knows_beyond_it_too(
    operator: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keeping, restoring, again = blocks_of_the_page()
    url = operator.server.url("archive")
    world = build_world(tmp_path / "home", database_url=url)
    try:
        unit, other = world.new_unit_project(), world.new_unit_project()
        live_on(world, unit, "archivist_handler")
        backed_up = operator.run(_AS_POSTGRES, keeping)
        await_catalogue(world)
        live_on(world, other, "archivist_handler")
        roles_before = granted(operator, "archive")
        grant_in_nowhere(operator)
        before = operator.rows()
        moment = str(operator.ask("SELECT clock_timestamp()"))
        operator.hand_over()
        newest = live_on(world, unit, "archivist_handler")
        operator.ask("DELETE FROM grants RETURNING 1")  # what it is brought back from
        operator.ask("UPDATE persons SET name = '错' RETURNING 1")
        assert operator.rows() != before
        operator.run(_AS_POSTGRES, f'pg_dump --format=custom --file="{operator.work}/lost.dump"')
        home = world.home.root
    finally:
        close(world)
    operator.crash()
    restored = operator.run(_AS_POSTGRES, restoring, AT=moment)
    assert operator.rows() == before
    assert newest not in {row[1] for row in before["decisions"]}
    assert operator.ask("SELECT pg_is_in_recovery()") is False
    data = operator.ask("SHOW data_directory")
    assert data == str(operator.restored)

    rebuilt = operator.run(_WITH_POSTGRES, again, YUNSHANG_DATABASE_URL=url, YUNSHANG_HOME=str(home))
    operator.server.create_database("lost")
    operator.run(_AS_POSTGRES, f'pg_restore --exit-on-error --dbname=lost "{operator.work}/lost.dump"')
    with (
        closing(Database(operator.server.url("archive_again"))) as made,
        closing(Database(operator.server.url("lost"))) as lost,
        connected(made) as expected,
        connected(lost) as actual,
    ):
        found = compare(expected, actual)
    assert [(item.where, dict(item.columns)) for item in found.differences] == []
    assert newest in {row[1] for row in operator.rows("archive_again")["decisions"]}
    assert granted(operator, "archive_again") == roles_before
    assert len(roles_before) >= 4
    for table in _OF_PERSONS[:3]:
        assert operator.rows("archive_again")[table] == before[table]
    for table in ("persons", "person_certificates", "grants"):  # the next row gets the next number
        following = f"SELECT nextval(pg_get_serial_sequence('{table}', 'id')) > (SELECT max(id) FROM {table})"
        assert operator.ask(following, "archive_again") is True
    with capsys.disabled():
        size = sum(map(len, before.values()))
        print(
            f"\nPostgreSQL, {size} rows: settings, restart and base backup {backed_up:.1f} s; to the moment"
            f" {restored:.1f} s; rebuild, persons and roles, fsck {rebuilt:.1f} s"
        )
