"""A PostgreSQL server of one's own: loopback or a socket, as a user that is not root."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from ledger.adapters.processes import free_ports
from scripts.network.geth import write_secret
from scripts.network.processes import StartError, daemon, is_listening, wait_for

USER = "yunshang"
_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
shared_buffers = 64MB
password_encryption = 'scram-sha-256'
log_min_messages = warning
"""


@dataclass(frozen=True, slots=True)
class Postgres:
    """One server.

    Args:
        folder: its data and log.
        programs: the folder of its programs.
        port: on loopback.
        password: of the one user.
    """

    folder: Path
    programs: Path
    port: int
    password: str

    def url(self, database: str = "postgres") -> str:
        """The SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    @property
    def log(self) -> Path:
        """What it prints."""
        return self.folder / "postgres.log"

    def command(self) -> list[str]:
        """How it is started."""
        return [*as_somebody(), str(self.programs / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)]

    def is_up(self) -> bool:
        """Whether it takes connections: it listens before it does."""
        try:
            return is_listening(self.port) and self.server_version() > 0
        except psycopg.OperationalError:
            return False

    def create_database(self, name: str) -> str:
        """Make an empty database, and return its URL."""
        with self._connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)

    def ensure_database(self, name: str) -> str:
        """The same where there is none of this name yet."""
        with self._connect() as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        return self.url(name) if found else self.create_database(name)

    def server_version(self) -> int:
        """Such as 150020, of a server that answers."""
        with self._connect() as connection:
            return connection.info.server_version

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url().replace("+psycopg", ""), autocommit=True, connect_timeout=30)


def as_somebody() -> list[str]:
    """What a command is put behind so that PostgreSQL, which refuses root, runs it: nothing for everybody else."""
    if os.geteuid() != 0:
        return []
    name = next((name for name in ("postgres", "nobody") if _user(name)), "nobody")
    return [shutil.which("setpriv") or "setpriv", "--reuid", name, "--regid", str(_gid(name)), "--clear-groups", "--"]


def _user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _gid(name: str) -> int:
    return pwd.getpwnam(name).pw_gid


def make_postgres(folder: Path, programs: Path, *, port: int = 0) -> Postgres:
    """Make a server's data.

    Args:
        folder: made.
        programs: the folder of PostgreSQL's programs.
        port: on loopback; 0: a free one.
    """
    (folder / "data").mkdir(parents=True)
    password = secrets.token_hex(16)
    write_secret(folder / "password", password)
    prefix = as_somebody()
    if prefix:
        user = prefix[2]
        for path in (folder, folder / "data", folder / "password"):
            shutil.chown(path, user)
        _let_through(folder)
    done = subprocess.run(
        [
            *(*prefix, str(programs / "initdb"), "-D", str(folder / "data"), "-U", USER, "-E", "UTF8"),
            *("--locale=C.UTF-8", "--auth=scram-sha-256", "--pwfile", str(folder / "password")),
        ],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
    )
    if done.returncode:
        raise StartError(f"initdb: {(done.stderr or done.stdout).strip()[-1500:]}")
    with (folder / "data" / "postgresql.conf").open("a") as file:
        file.write(_SETTINGS)
    return Postgres(folder, programs, port or free_ports(1)[0], password)


def _let_through(folder: Path) -> None:
    """Let another user reach a folder that is somewhere below private ones of this process's."""
    for parent in folder.parents:
        state = parent.stat()
        if state.st_uid == os.geteuid() and not state.st_mode & 0o001:
            parent.chmod(state.st_mode | 0o001)


@contextmanager
def running_postgres(folder: Path, programs: Path) -> Iterator[Postgres]:
    """A new server, until the block ends."""
    server = make_postgres(folder, programs)
    with daemon(server.command(), log=server.log) as process:
        wait_for(server.is_up, process, log=server.log, name="PostgreSQL")
        yield server
