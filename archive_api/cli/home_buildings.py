"""The buildings of a home, from its catalogue: for commands that ask no server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select

from archive_api.cli.failures import COULD_NOT_CHECK, CommandError
from archive_api.db.engine import Database
from archive_api.home import load_home
from archive_api.projects.models import Building
from archive_api.projects.repository import ProjectRepository

__all__ = ["HomeBuildings"]


class HomeBuildings:
    """Buildings as `find_building` looks for them.

    Args:
        home: folder whose catalogue is an SQLite file.
    """

    def __init__(self, home: Path) -> None:
        self._path = load_home(home).database_path

    def building(self, building_key: str) -> dict[str, Any]:
        """One building by its key, or that of an alias.

        Raises:
            NotFoundError: there is none.
            CommandError: the home has no catalogue that can be read here.
        """
        with closing(self._opened()) as database, database.reading() as session:
            return _shown(ProjectRepository(session).building(building_key))

    def buildings(self, query: str | None = None) -> Iterator[dict[str, Any]]:
        """Buildings whose number in their scheme is this; all for None. Raises as `building`."""
        wanted = select(Building).order_by(col(Building.id))
        if query is not None:
            wanted = wanted.where(Building.value == query)
        with closing(self._opened()) as database, database.reading() as session:
            try:
                yield from [_shown(row) for row in session.exec(wanted)]
            except SQLAlchemyError as error:
                raise self._unread() from error

    def _opened(self) -> Database:
        if not self._path.is_file():  # opening it would make one
            raise self._unread()
        return Database(f"sqlite:///{self._path}")

    def _unread(self) -> CommandError:
        return CommandError(
            f"{self._path} 不是可读的目录库；请给出建筑的键，或用 --api 查询",
            f"expected a catalogue at {self._path}, got none that can be read: give the building's key, or --api",
            code="catalogue_unread",
            exit_code=COULD_NOT_CHECK,
        )


def _shown(row: Building) -> dict[str, Any]:
    return {"building_key": row.building_key, "scheme": row.scheme, "value": row.value, "name": row.name}
