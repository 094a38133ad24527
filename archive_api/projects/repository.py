"""Queries over buildings, unit projects and rosters."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Final

from sqlalchemy import ColumnElement, bindparam, func, or_
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from archive_api.access.models import RosterOrganisation
from archive_api.errors import NotFoundError
from archive_api.outbox.models import Job
from archive_api.outbox.repository import number
from archive_api.projects.models import Building, BuildingAlias, RosterRow, UnitProject
from ledger.anchoring import Phase
from ledger.canonical import parse_canonical
from ledger.types import Roster

__all__ = ["ProjectRepository", "stored_roster"]


@lru_cache(maxsize=1024)
def stored_roster(text: str) -> Roster:
    """Read `RosterRow.roster`; of the many submissions that stand on it, each asks several times.

    Raises:
        MalformedError: it is not canonical, or no roster (`ledger.errors`).
    """
    return Roster.from_json(parse_canonical(text.encode()))


# Built once, since building a query takes longer than asking it.
_BUILDING: Final = select(Building).where(col(Building.building_key) == bindparam("building_key"))
_ALIASES: Final = (
    select(BuildingAlias)
    .where(col(BuildingAlias.building_id) == bindparam("building_id"))
    .order_by(col(BuildingAlias.id))
)


class ProjectRepository:
    """Buildings and what is below them, in one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, row: Building | BuildingAlias | UnitProject | RosterRow) -> None:
        """Add a row."""
        self._session.add(row)
        self._session.flush()

    def add_organisations(self, roster: RosterRow, codes: Collection[str]) -> None:
        """Name the organisations of a roster that was added."""
        rows = [RosterOrganisation(roster_id=number(roster.id), organisation_code=code) for code in sorted(codes)]
        self._session.add_all(rows)
        self._session.flush()

    def buildings(self, text: str | None, condition: ColumnElement[bool]) -> SelectOfScalar[Building]:
        """Buildings that may be known of and whose name or identifier contains a text; all of them for None."""
        query = select(Building).where(condition)
        if text:
            pattern = f"%{_escaped(text)}%"
            query = query.where(
                or_(
                    col(Building.name).like(pattern, escape="\\"),
                    col(Building.value).like(pattern, escape="\\"),
                    col(Building.id).in_(
                        select(BuildingAlias.building_id).where(col(BuildingAlias.value).like(pattern, escape="\\"))
                    ),
                )
            )
        return query

    def building(self, building_key: str) -> Building:
        """A building by its key or an alias's key (0x-hex)."""
        row = self.find_building(building_key)
        if row is None:
            raise NotFoundError(f"expected a building, got none with key {building_key}")
        return row

    def find_building(self, key: str) -> Building | None:
        """The same, or None."""
        row = self._session.exec(_BUILDING, params={"building_key": key}).one_or_none()
        if row is not None:
            return row
        alias = self._session.exec(select(BuildingAlias).where(BuildingAlias.alias_key == key)).one_or_none()
        return self._session.get_one(Building, alias.building_id) if alias else None

    def building_by_id(self, building_id: int) -> Building:
        """A building by its row number."""
        return self._session.get_one(Building, building_id)

    def aliases(self, building: Building) -> Sequence[BuildingAlias]:
        """A building's aliases, oldest first."""
        return self._session.exec(_ALIASES, params={"building_id": building.id}).all()

    def alias(self, alias_key: str) -> BuildingAlias:
        """An alias by its key (0x-hex)."""
        return self._session.exec(select(BuildingAlias).where(BuildingAlias.alias_key == alias_key)).one()

    def unit_projects(self, building: Building, condition: ColumnElement[bool]) -> SelectOfScalar[UnitProject]:
        """The unit projects of a building that may be known of."""
        return select(UnitProject).where(UnitProject.building_id == building.id, condition)

    def unit_project(self, unit_project_key: str) -> UnitProject:
        """A unit project by its key (0x-hex)."""
        row = self.find_unit_project(unit_project_key)
        if row is None:
            raise NotFoundError(f"expected a unit project, got none with key {unit_project_key}")
        return row

    def find_unit_project(self, unit_project_key: str) -> UnitProject | None:
        """The same, or None."""
        query = select(UnitProject).where(UnitProject.unit_project_key == unit_project_key)
        return self._session.exec(query).one_or_none()

    def unit_project_by_id(self, unit_project_id: int) -> UnitProject:
        """A unit project by its row number."""
        return self._session.get_one(UnitProject, unit_project_id)

    def rosters(self, unit_project: UnitProject) -> SelectOfScalar[RosterRow]:
        """All versions of a unit project's roster."""
        return select(RosterRow).where(RosterRow.unit_project_id == unit_project.id)

    def last_version(self, unit_project: UnitProject) -> int:
        """The newest version's number, 0 for none."""
        query = select(func.max(RosterRow.version)).where(RosterRow.unit_project_id == unit_project.id)
        return self._session.exec(query).one() or 0

    def current_roster(self, unit_project: UnitProject) -> RosterRow | None:
        """The newest version the contract did not refuse."""
        query = (
            select(RosterRow)
            .join(Job, col(Job.id) == RosterRow.job_id)
            .where(RosterRow.unit_project_id == unit_project.id, Job.phase != Phase.REFUSED)
            .order_by(col(RosterRow.version).desc())
        )
        return self._session.exec(query.limit(1)).one_or_none()

    def newest_roster(self, unit_project_id: int) -> RosterRow:
        """The newest version, refused or not."""
        query = select(RosterRow).where(RosterRow.unit_project_id == unit_project_id)
        return self._session.exec(query.order_by(col(RosterRow.version).desc()).limit(1)).one()

    def roster(self, unit_project: UnitProject, version: int) -> RosterRow:
        """One version of a unit project's roster."""
        query = self.rosters(unit_project).where(RosterRow.version == version)
        return self._session.exec(query).one()

    def roster_by_id(self, roster_id: int) -> RosterRow:
        """A roster by its row number."""
        return self._session.get_one(RosterRow, roster_id)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
