"""One database and its two kinds of transaction."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, Executable, Row, event, text
from sqlalchemy.exc import DataError, OperationalError
from sqlmodel import Session, create_engine

from archive_api.errors import MalformedError, StorageFullError, TransportError

__all__ = ["Database", "alembic_config"]

_BEGIN = "yunshang_begin"
_CONNECTIONS = 15
"""To PostgreSQL, at most. All are kept, since each new one costs both sides more than a capture's statements; the one
used last is taken first, since it has the statements prepared."""
_TURN_KEY = 0x79757773  # of PostgreSQL's advisory locks: the one writer's turn, given back with the transaction
_TURN = text("SELECT set_config('lock_timeout', :timeout, true), pg_advisory_xact_lock(:key)")
# The last two: 32 MiB of pages in memory, and the log written back every 32 MiB instead of every 4.
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-32768", "wal_autocheckpoint=8192")


class Database:
    """An engine with its transactions; the only place that begins, commits and rolls back.

    SQLite runs in WAL mode with synchronous=FULL: what was committed survives a loss of power. A writing transaction
    takes the write lock when it begins, so that what it reads cannot change before it writes. This process's own
    writers take turns before they ask SQLite, which would have them sleep and try again. PostgreSQL has no such lock:
    there an advisory one of the database does the same among all processes (ADR 0020).

    Args:
        url: SQLAlchemy URL.
        busy_timeout_seconds: how long a writer waits for another.
    """

    def __init__(self, url: str, *, busy_timeout_seconds: float = 30.0) -> None:
        self.url = url
        if url.startswith("sqlite"):
            arguments: dict[str, Any] = {"check_same_thread": False, "timeout": busy_timeout_seconds}
            self.engine = create_engine(url, connect_args=arguments, pool_use_lifo=True)
        else:
            self.engine = create_engine(url, pool_size=_CONNECTIONS, max_overflow=0, pool_use_lifo=True)
        if self.engine.dialect.name == "sqlite":
            _prepare_sqlite(self.engine)
        self._turn_milliseconds = f"{busy_timeout_seconds * 1000:.0f}ms"
        options: dict[str, Any] = {_BEGIN: "BEGIN"}
        if self.is_postgresql:  # whose usual transactions see each commit beside them
            options["isolation_level"] = "REPEATABLE READ"
        self._reader = self.engine.execution_options(**options)
        # Between transactions each query has a snapshot of its own.
        self._asker = self.engine.execution_options(
            **({"isolation_level": "AUTOCOMMIT"} if self.is_postgresql else {_BEGIN: None})
        )
        self._writer = self.engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
        self._turn: AbstractContextManager[None] = (
            _Turn(busy_timeout_seconds) if self.engine.dialect.name == "sqlite" else nullcontext()
        )

    @property
    def is_postgresql(self) -> bool:
        """Whether it is PostgreSQL."""
        return self.engine.dialect.name == "postgresql"

    @contextmanager
    def transaction(self, *, secure_delete: bool = False, beside_others: bool = False) -> Iterator[Session]:
        """A session that is committed if the block ends, and rolled back if it raises.

        Args:
            secure_delete: have SQLite write zeros over what is deleted.
            beside_others: on PostgreSQL, don't wait for other writers: for what is right whatever others write
                meanwhile, since it only adds rows whose uniqueness the database itself looks after.

        Raises:
            StorageFullError: the disk is full; nothing was written.
            TransportError: the database is locked or gone; nothing was written.
        """
        with _translated(), self._turn, Session(self._writer, expire_on_commit=False) as session, session.begin():
            connection = session.connection()  # begins now, not at the first statement
            if self.is_postgresql and not beside_others:
                connection.execute(_TURN, {"timeout": self._turn_milliseconds, "key": _TURN_KEY})
            if secure_delete and self.engine.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA secure_delete=ON")
            yield session

    def forget_deleted(self) -> None:
        """Have SQLite write its journal back, so that what was deleted is in no file; for PostgreSQL see VACUUM."""
        if self.engine.dialect.name == "sqlite":
            connection = self.engine.raw_connection()
            try:
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                connection.close()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session over one snapshot, for queries only; what it changes is thrown away."""
        with _translated(), Session(self._reader, expire_on_commit=False) as session:
            session.connection()
            yield session

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """One snapshot as in `reading`, without a session: for queries of columns, since models need one."""
        with _translated(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def asking(self) -> Iterator[Session]:
        """A session for queries that need no common snapshot: no transaction begins and ends around them."""
        with _translated(), Session(self._asker, expire_on_commit=False) as session:
            yield session

    def ask(self, query: Executable, values: Mapping[str, Any]) -> Row[Any] | None:
        """The one row that a query finds, or None; without a session around it, for what every request asks.

        Args:
            query: of columns, not of models.
            values: of its parameters.

        Raises:
            MultipleResultsFound: it finds more than one (`sqlalchemy.exc`).
            TransportError: the database gave no answer.
        """
        with _translated(), self._asker.connect() as connection:
            return connection.execute(query, values).one_or_none()

    def migrate(self) -> None:
        """Bring the schema to the newest revision."""
        with self._writer.connect() as connection, connection.begin():
            command.upgrade(alembic_config(self.url, connection=connection), "head")

    def check(self) -> None:
        """Ask the database for an answer.

        Raises:
            TransportError: it gave none.
        """
        with self.reading() as session:
            session.connection().execute(text("SELECT 1"))

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


class _Turn:
    """One writer of this process at a time."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout = timeout_seconds
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=self._timeout):
            raise TransportError(
                f"expected the catalogue within {self._timeout:g} s, got no turn", code="database_unreachable"
            )

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def alembic_config(url: str, *, connection: object = None) -> Config:
    """Alembic's configuration, without an ini file.

    Args:
        url: SQLAlchemy URL.
        connection: one in a transaction that migrations are to run in, or None.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        reason = str(error.orig)
        if "full" in reason or "No space" in reason:
            raise StorageFullError(f"expected room for the catalogue, got: {reason}") from error
        raise TransportError(f"expected the catalogue to answer, got: {reason}", code="database_unreachable") from error
    except DataError as error:
        if "NUL" not in str(error.orig):
            raise
        raise MalformedError("expected text without NUL, got some with it") from error  # PostgreSQL has none


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: object) -> None:
        # The driver's own BEGIN comes too late (at the first write): we begin transactions ourselves.
        connection.isolation_level = None
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        statement = connection.get_execution_options().get(_BEGIN, "BEGIN")
        if statement is not None:
            connection.exec_driver_sql(statement)
