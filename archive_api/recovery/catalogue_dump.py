"""A catalogue on PostgreSQL in a backup: dumped and loaded by PostgreSQL's own tools, in their custom format."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy import inspect
from sqlalchemy.engine import make_url

from archive_api.db.engine import Database
from archive_api.errors import ConflictError, NotFoundError, TransportError

__all__ = ["dump_catalogue", "load_catalogue", "require_empty"]

_SHOWN = 300


def dump_catalogue(url: str, target: Path) -> None:
    """Write one snapshot of a catalogue; nobody waits for it.

    Args:
        url: SQLAlchemy URL.
        target: a file to be made.

    Raises:
        NotFoundError: there is no pg_dump.
        TransportError: it failed.
    """
    _run("pg_dump", url, "--format=custom", f"--file={target}")


def load_catalogue(url: str, source: Path) -> None:
    """Load a snapshot into an empty database: all of it, or nothing.

    Args:
        url: SQLAlchemy URL.
        source: a file that `dump_catalogue` wrote.

    Raises:
        NotFoundError: there is no pg_restore.
        TransportError: it failed.
    """
    _run("pg_restore", url, "--exit-on-error", "--single-transaction", str(source))


def require_empty(url: str) -> None:
    """Look whether a database has no tables.

    Raises:
        ConflictError: it has some (code `catalogue_exists`).
        TransportError: it does not answer.
    """
    with closing(Database(url)) as database:
        database.check()
        if inspect(database.engine).get_table_names():
            shown = make_url(url).render_as_string(hide_password=True)
            raise ConflictError(f"expected an empty database at {shown}, got tables in it", code="catalogue_exists")


def _run(tool: str, url: str, *arguments: str) -> None:
    path = shutil.which(tool)
    if path is None:
        raise NotFoundError(
            f"expected PostgreSQL's {tool} on the search path, got none: install the client of the server's version",
            code="no_postgresql_tools",
        )
    parts = make_url(url)
    # The password goes by the environment: arguments are everybody's to read.
    address = parts.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    environment = dict(os.environ) if parts.password is None else {**os.environ, "PGPASSWORD": str(parts.password)}
    command = [path, "--no-owner", "--no-privileges", "--no-password", f"--dbname={address}", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        told = " ".join(done.stderr.split())[:_SHOWN]
        raise TransportError(f"expected {tool} to end well, got: {told}", code="catalogue_dump")
