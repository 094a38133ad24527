"""Registering buildings, unit projects and rosters."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session

from archive_api.errors import ConflictError
from archive_api.http import registration
from archive_api.outbox.repository import JobRepository, number
from archive_api.projects.models import Building, BuildingAlias, RosterRow, UnitProject
from archive_api.projects.repository import ProjectRepository
from archive_api.projects.schemas import (
    AliasIn,
    AliasOut,
    BuildingIn,
    BuildingOut,
    RosterIn,
    RosterOut,
    UnitProjectIn,
    UnitProjectOut,
)
from archive_api.services import Services
from archive_api.submissions.repository import SubmissionRepository
from ledger import types
from ledger.canonical import canonical_bytes, parse_json
from ledger.identifiers import DEFAULT_SCHEMES

__all__ = ["ProjectService"]


class ProjectService:
    """Buildings, unit projects and rosters in one session; it never commits.

    Args:
        session: of the caller's transaction.
        services: the server's.
    """

    def __init__(self, session: Session, services: Services) -> None:
        self._services = services
        self._projects = ProjectRepository(session)
        self._jobs = JobRepository(session)
        self._submissions = SubmissionRepository(session)

    def add_building(self, wanted: BuildingIn) -> BuildingOut:
        """Register a building.

        Raises:
            MalformedError: the scheme is unknown or refuses the value (`ledger.errors`).
            ConflictError: the identifier is a building's, or an alias of one, already.
        """
        identifier = _identifier(wanted.scheme, wanted.value)
        key = _hex(identifier.key)
        self._refuse_known(key)
        now = self._services.now()
        job_id = self._jobs.add("register_building", key, now=now)
        row = Building(
            building_key=key,
            scheme=wanted.scheme,
            value=wanted.value,
            name=wanted.name,
            address=wanted.address,
            job_id=job_id,
            created_at=now,
        )
        self._projects.add(row)
        return self.show_building(row)

    def add_alias(self, building_key: str, wanted: AliasIn) -> AliasOut:
        """Give a building a further identifier; raises as `add_building`."""
        building = self._projects.building(building_key)
        key = _hex(_identifier(wanted.scheme, wanted.value).key)
        self._refuse_known(key)
        now = self._services.now()
        job_id = self._jobs.add("add_alias", key, now=now)
        row = BuildingAlias(
            building_id=number(building.id),
            alias_key=key,
            scheme=wanted.scheme,
            value=wanted.value,
            job_id=job_id,
            created_at=now,
        )
        self._projects.add(row)
        return self._show_alias(row)

    def add_unit_project(self, building_key: str, wanted: UnitProjectIn) -> UnitProjectOut:
        """Register a unit project of a building.

        Raises:
            NotFoundError: no such building.
            ConflictError: the building has one with this code.
        """
        building = self._projects.building(building_key)
        key = _hex(types.UnitProject(_building(building), wanted.code).key)
        if self._projects.find_unit_project(key) is not None:
            raise ConflictError(
                f"expected a new unit project, got {wanted.code!r}, which is registered",
                code="unit_project_exists",
                unit_project_key=key,
            )
        now = self._services.now()
        job_id = self._jobs.add("register_unit_project", key, now=now)
        row = UnitProject(
            unit_project_key=key,
            building_id=number(building.id),
            code=wanted.code,
            name=wanted.name,
            job_id=job_id,
            created_at=now,
        )
        self._projects.add(row)
        return self.show_unit_project(row)

    def set_roster(self, unit_project_key: str, wanted: RosterIn) -> RosterOut:
        """Set a unit project's roster as a new version; the current one again is answered as it is.

        Raises:
            NotFoundError: no such unit project.
            MalformedError: not the five roles in order, or a wrong organisation code (`ledger.errors`).
            PolicyError: one organisation in two roles undeclared (`ledger.errors`).
        """
        unit_project = self._projects.unit_project(unit_project_key)
        roster = types.Roster.from_json(wanted.model_dump())
        text = canonical_bytes(roster.to_json()).decode()
        current = self._projects.current_roster(unit_project)
        if current is not None and current.roster == text:
            return self.show_roster(current, unit_project)
        version = self._projects.last_version(unit_project) + 1
        now = self._services.now()
        subject = f"{unit_project.unit_project_key}:{version}"
        job_id = self._jobs.add("set_roster", subject, now=now)
        row = RosterRow(
            unit_project_id=number(unit_project.id),
            version=version,
            roster_hash=_hex(roster.hash),
            roster=text,
            job_id=job_id,
            created_at=now,
        )
        self._projects.add(row)
        self._projects.add_organisations(row, {member.code for member in roster.organisations})
        return self.show_roster(row, unit_project)

    def building(self, building_key: str) -> BuildingOut:
        """A building by its key, or the key of an alias."""
        return self.show_building(self._projects.building(building_key))

    def unit_project(self, unit_project_key: str) -> UnitProjectOut:
        """A unit project by its key."""
        return self.show_unit_project(self._projects.unit_project(unit_project_key))

    def show_building(self, row: Building) -> BuildingOut:
        """A building as it is answered."""
        return BuildingOut(
            building_key=row.building_key,
            scheme=row.scheme,
            value=row.value,
            name=row.name,
            address=row.address,
            aliases=[self._show_alias(alias) for alias in self._projects.aliases(row)],
            created_at=row.created_at,
            **self._status(row.job_id),
        )

    def show_unit_project(self, row: UnitProject) -> UnitProjectOut:
        """A unit project as it is answered."""
        roster = self._projects.current_roster(row)
        sequence, previous = self._submissions.next_place(number(row.id), self._services.seen.submissions())
        return UnitProjectOut(
            unit_project_key=row.unit_project_key,
            building_key=self._projects.building_by_id(row.building_id).building_key,
            code=row.code,
            name=row.name,
            roster=self.show_roster(roster, row) if roster else None,
            next_sequence=sequence,
            previous=previous,
            created_at=row.created_at,
            **self._status(row.job_id),
        )

    def show_roster(self, row: RosterRow, unit_project: UnitProject) -> RosterOut:
        """A roster as it is answered."""
        return RosterOut(
            unit_project_key=unit_project.unit_project_key,
            version=row.version,
            roster_hash=row.roster_hash,
            created_at=row.created_at,
            **parse_json(row.roster.encode()),
            **self._status(row.job_id),
        )

    def _show_alias(self, row: BuildingAlias) -> AliasOut:
        return AliasOut(alias_key=row.alias_key, scheme=row.scheme, value=row.value, **self._status(row.job_id))

    def _status(self, job_id: int) -> dict[str, Any]:
        return registration(self._jobs.get(job_id))

    def _refuse_known(self, key: str) -> None:
        known = self._projects.find_building(key)
        if known is not None:
            raise ConflictError(
                f"expected a new identifier, got one of {known.scheme}:{known.value}",
                code="building_exists",
                building_key=known.building_key,
            )


def _identifier(scheme: str, value: str) -> types.BuildingIdentifier:
    DEFAULT_SCHEMES.validate(scheme, value)
    return types.BuildingIdentifier(scheme, value)


def _building(row: Building) -> types.BuildingIdentifier:
    return types.BuildingIdentifier(row.scheme, row.value)


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
