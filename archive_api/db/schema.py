"""Which schema a catalogue has, whether this version of the software works on it, and bringing it up to date.

Two versions run side by side while a server of many processes is upgraded: the schema first, then one process after
another. So a migration only adds what the version before can leave alone (expand), and takes away what no running
version uses any more in a later release (contract); docs/operations.md has the rule. A newer schema is accepted by
looking at it: every table and column that this version uses must be there, and no column that it does not know may
need a value from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from archive_api.db.engine import Database, alembic_config
from archive_api.db.metadata import metadata
from archive_api.errors import MismatchError, TransportError

__all__ = ["SchemaState", "head_revision", "misfits", "prepare_schema", "schema_state", "upgrade"]

_ADVISORY_LOCK: Final = 0x79756E7368616E67  # of PostgreSQL: one upgrade at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaState:
    """How a catalogue stands to this version.

    Attributes:
        current: its revision; None: it has no schema yet.
        head: this version's revision.
        is_known: whether this version knows its revision; an unknown one is of a newer version.
        misfits: what this version needs of a newer schema, and does not find in it.
    """

    current: str | None
    head: str
    is_known: bool
    misfits: tuple[str, ...] = ()

    @property
    def is_current(self) -> bool:
        """Whether it is exactly this version's."""
        return self.current == self.head

    @property
    def is_usable(self) -> bool:
        """Whether this version works on it."""
        return self.is_current or (not self.is_known and not self.misfits)


def head_revision() -> str:
    """The revision of this version."""
    head = _scripts().get_current_head()
    if head is None:
        raise MismatchError("expected migrations, got none", code="schema_unknown")
    return head


def schema_state(database: Database) -> SchemaState:
    """Look at a catalogue.

    Raises:
        TransportError: it could not be asked.
    """
    head = head_revision()
    with _asked(database) as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        is_known = current is None or current in {script.revision for script in _scripts().walk_revisions()}
        found = () if is_known else misfits(connection, metadata())
    return SchemaState(current=current, head=head, is_known=is_known, misfits=found)


def upgrade(database: Database) -> SchemaState:
    """Bring a catalogue to this version's schema; one that is newer and fits stays as it is.

    Returns:
        How it stood before.

    Raises:
        MismatchError: it is newer and does not fit (code `schema_newer`).
        TransportError: it could not be asked.
    """
    with _alone(database):
        before = schema_state(database)
        if before.is_known:
            if not before.is_current:
                database.migrate()
        elif before.misfits:
            raise _refusal(before)
    return before


def prepare_schema(database: Database, *, migrate: bool) -> None:
    """Make sure that this version works on a catalogue, before anything is asked of it.

    Args:
        database: the catalogue.
        migrate: bring an older one up to date; otherwise it is refused.

    Raises:
        MismatchError: older (code `schema_older`), or newer and unfit (code `schema_newer`).
        TransportError: it could not be asked.
    """
    if migrate:
        upgrade(database)
        return
    state = schema_state(database)
    if not state.is_usable:
        raise _refusal(state)


def misfits(connection: Connection, wanted: MetaData) -> tuple[str, ...]:
    """What a schema lacks for programs that use another one, or asks of them that they do not know.

    Args:
        connection: of the catalogue.
        wanted: the tables that the programs use.

    Returns:
        Sentences; none: it fits.
    """
    looked = inspect(connection)
    there = set(looked.get_table_names())
    wrong: list[str] = []
    for table in wanted.sorted_tables:
        if table.name not in there:
            wrong.append(f"no table {table.name}")
            continue
        columns = {column["name"]: column for column in looked.get_columns(table.name)}
        wrong += [f"no column {table.name}.{name}" for name in table.columns.keys() - columns.keys()]
        for name in columns.keys() - table.columns.keys():
            column = columns[name]
            if not column["nullable"] and column.get("default") is None:
                wrong.append(f"column {table.name}.{name} needs a value that this version does not know")
    return tuple(sorted(wrong))


def _refusal(state: SchemaState) -> MismatchError:
    if state.is_known:
        return MismatchError(
            f"expected the catalogue at schema {state.head}, got {state.current or 'an empty one'}: "
            "run `yunshang db upgrade`, then start again",
            code="schema_older",
            expected=state.head,
            actual=state.current,
        )
    return MismatchError(
        f"expected a catalogue that version {state.head} works on, got {state.current} of a newer version, which has "
        f"{'; '.join(state.misfits[:5])}: run the newer version",
        code="schema_newer",
        expected=state.head,
        actual=state.current,
        misfits=list(state.misfits),
    )


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(alembic_config("sqlite://"))


@contextmanager
def _asked(database: Database) -> Iterator[Connection]:
    try:
        with database.engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise TransportError(
            f"expected the catalogue to answer, got {type(error).__name__}", code="database_unreachable"
        ) from error


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    """Hold PostgreSQL's lock for upgrades, so that processes that start together follow each other."""
    if database.engine.dialect.name != "postgresql":
        yield
        return
    with _asked(database) as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_LOCK})
