"""Queries over grants, and over what a request names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from sqlalchemy import ColumnElement, Connection, Executable, bindparam, select
from sqlmodel import Session, col
from sqlmodel import select as select_rows

from archive_api.access.clearance import LEVELS, level_of
from archive_api.access.decision import Target
from archive_api.access.models import GrantRow, RosterOrganisation
from archive_api.access.policy import Log, Rule, Scope
from archive_api.access.principal import Grant, Place
from archive_api.access.roles import AccessRole
from archive_api.access.visibility import Visibility, current_roster_id, project_rosters, submission_roster_id
from archive_api.errors import NotFoundError
from archive_api.http import hex32
from archive_api.outbox.repository import number
from archive_api.projects.models import Building, BuildingAlias, UnitProject
from archive_api.submissions.models import EntryRow, Submission, SubmissionState
from archive_api.submissions.repository import submission_name
from archive_api.submissions.standing import StoredSubmission

__all__ = ["GrantRepository", "TargetFinder", "grants_of", "is_cleared", "place_of", "seen_levels"]

_MAX_INDEX_DIGITS = 9


class GrantRepository:
    """Grants, in one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def rows(self, person_id: str | None = None) -> Sequence[GrantRow]:
        """Grants, of everybody or of one person, oldest first."""
        query = select_rows(GrantRow).order_by(col(GrantRow.id))
        if person_id is not None:
            query = query.where(GrantRow.person_id == person_id)
        return self._session.exec(query).all()

    def find(self, row: GrantRow) -> GrantRow | None:
        """The grant that says the same as a row that is not kept yet."""
        query = select_rows(GrantRow).where(
            GrantRow.person_id == row.person_id,
            GrantRow.role == row.role,
            col(GrantRow.unit_project_id).is_not_distinct_from(row.unit_project_id),
            col(GrantRow.organisation_code).is_not_distinct_from(row.organisation_code),
        )
        return self._session.exec(query).one_or_none()

    def get(self, grant_id: int) -> GrantRow:
        """A grant by its number.

        Raises:
            NotFoundError: there is none.
        """
        row = self._session.get(GrantRow, grant_id)
        if row is None:
            raise NotFoundError("expected a grant, got none with this number")
        return row

    def add(self, row: GrantRow) -> None:
        """Keep a grant."""
        self._session.add(row)
        self._session.flush()

    def remove(self, row: GrantRow) -> None:
        """Take a grant back."""
        self._session.delete(row)
        self._session.flush()


# Built once: every request asks it.
_GRANTS: Final = select(col(GrantRow.role), col(GrantRow.unit_project_id), col(GrantRow.organisation_code)).where(
    col(GrantRow.person_id) == bindparam("person_id")
)


def grants_of(connection: Connection, person_id: str) -> tuple[Grant, ...]:
    """The grants of a person."""
    rows = connection.execute(_GRANTS, {"person_id": person_id})
    return tuple(Grant(AccessRole(role), project, code) for role, project, code in rows)


def place_of(session: Session, submission: Submission | StoredSubmission) -> Place:
    """Where a handover belongs."""
    query = select(col(RosterOrganisation.organisation_code)).where(
        col(RosterOrganisation.roster_id)
        == select(submission_roster_id()).where(col(Submission.id) == submission.id).scalar_subquery()
    )
    return Place(submission.unit_project_id, frozenset(session.scalars(query)))


def is_cleared(session: Session, seen: Visibility, submission: Submission, security_level: str | None) -> bool:
    """Whether a document of a submission may be known of, by the level that was sealed with it."""
    return level_of(security_level) in seen_levels(session, seen, submission)


def seen_levels(session: Session, seen: Visibility, submission: Submission | StoredSubmission) -> frozenset[str]:
    """The levels of a submission's documents that may be known of."""
    if seen.is_everything:
        return frozenset(LEVELS)
    return seen.levels(place_of(session, submission), accepted=submission.state == SubmissionState.ACCEPTED)


def _current() -> ColumnElement[bool]:
    """Rosters of now alone, for what is new."""
    return col(RosterOrganisation.roster_id) == current_roster_id(col(UnitProject.id)).correlate(UnitProject)


def _members(rosters: ColumnElement[bool]) -> Executable:
    """The unit projects of a building (`building_id`), each with the organisations on the rosters that count."""
    return (
        select(col(UnitProject.id), col(RosterOrganisation.organisation_code))
        .outerjoin(RosterOrganisation, rosters)
        .where(col(UnitProject.building_id) == bindparam("building_id"))
    )


# Built once: most requests about buildings ask one of them.
_PLACES_NOW: Final = _members(_current())
_PLACES_EVER: Final = _members(project_rosters())


def _submission_of(column: str) -> Executable:
    """A submission by one of its names, with the organisations on the roster that counts for it."""
    return (
        select(
            col(Submission.id),
            col(Submission.unit_project_id),
            col(Submission.state),
            col(UnitProject.unit_project_key),
            col(RosterOrganisation.organisation_code),
        )
        .join(UnitProject, col(UnitProject.id) == col(Submission.unit_project_id))
        .outerjoin(RosterOrganisation, col(RosterOrganisation.roster_id) == submission_roster_id())
        .where(getattr(Submission, column) == bindparam(column))
    )


_SUBMISSIONS: Final = {column: _submission_of(column) for column in ("ref", "submission_id")}
_UNIT_PROJECT: Final = select(col(UnitProject.id), col(UnitProject.unit_project_key)).where(
    col(UnitProject.unit_project_key) == bindparam("unit_project_key")
)
_LEVEL: Final = select(col(EntryRow.level)).where(
    col(EntryRow.submission_pk) == bindparam("submission_pk"), col(EntryRow.leaf_index) == bindparam("leaf_index")
)


@lru_cache(256)
def _building_queries(seen: Visibility) -> tuple[Executable, Executable]:
    """A building (`building_key`) by its own key and by an alias of it, and whether somebody may know of it."""
    query = select(col(Building.id), col(Building.building_key), seen.buildings().label("is_known"))
    named = select(col(BuildingAlias.building_id)).where(col(BuildingAlias.alias_key) == bindparam("building_key"))
    by_key = query.where(col(Building.building_key) == bindparam("building_key"))
    return by_key, query.where(col(Building.id) == named.scalar_subquery())


class TargetFinder:
    """Finds what requests name.

    Args:
        connection: to the catalogue, in one snapshot of it.
        seen: what the principal may know of.
    """

    def __init__(self, connection: Connection, seen: Visibility) -> None:
        self._connection = connection
        self._seen = seen

    def find(self, rule: Rule, names: Mapping[str, str]) -> Target | None:
        """The thing that a request names.

        Args:
            rule: of its route.
            names: the parameters of its path, and `unit_project_key` out of its body where that is the scope.

        Returns:
            None where there is none.

        Raises:
            MalformedError: the name is none; the route says so in its own words.
        """
        match rule.scope:
            case Scope.NONE | Scope.ANYWHERE:
                return None
            case Scope.BUILDING:
                return self._building(hex32(names["building_key"]))
            case Scope.BUILDING_MEMBER:
                places = _PLACES_NOW if rule.log is Log.CHANGE else _PLACES_EVER
                return self._building(hex32(names["building_key"]), places)
            case Scope.UNIT_PROJECT:
                return self._unit_project(hex32(names["unit_project_key"]), project_rosters())
            case Scope.PROJECT_IN_BODY:  # what is new is for the parties of now
                return self._unit_project(hex32(names["unit_project_key"]), _current())
            case Scope.SUBMISSION | Scope.WHOLE_SUBMISSION | Scope.DOCUMENT:
                return self._submission(rule.scope, names)

    def _building(self, building_key: str, members: Executable | None = None) -> Target | None:
        by_key, by_alias = _building_queries(self._seen)
        connection, values = self._connection, {"building_key": building_key}
        row = connection.execute(by_key, values).one_or_none() or connection.execute(by_alias, values).one_or_none()
        if row is None:
            return None
        places = () if members is None else self._places(row.id, members)
        return Target(place=None, is_known=bool(row.is_known), building_key=row.building_key, places=places)

    def _places(self, building_id: int, members: Executable) -> tuple[Place, ...]:
        """The unit projects of a building, each with the organisations on the rosters that count."""
        parties: dict[int, set[str]] = {}
        for unit_project_id, code in self._connection.execute(members, {"building_id": building_id}):
            parties.setdefault(number(unit_project_id), set()).update(() if code is None else (code,))
        return tuple(Place(unit_project_id, frozenset(codes)) for unit_project_id, codes in parties.items())

    def _unit_project(self, unit_project_key: str, rosters: ColumnElement[bool]) -> Target | None:
        row = self._connection.execute(_UNIT_PROJECT, {"unit_project_key": unit_project_key}).one_or_none()
        if row is None:
            return None
        known = select(col(UnitProject.id)).where(col(UnitProject.id) == row.id, self._seen.unit_projects())
        codes = (
            select(col(RosterOrganisation.organisation_code))
            .join(UnitProject, col(UnitProject.id) == row.id)
            .where(rosters)
        )
        return Target(
            place=Place(number(row.id), frozenset(self._connection.scalars(codes))),
            is_known=self._connection.scalar(known) is not None,
            unit_project_key=row.unit_project_key,
        )

    def _submission(self, scope: Scope, names: Mapping[str, str]) -> Target | None:
        ref = names["ref"] if "ref" in names else hex32(names["submission_id"])
        try:
            column, value = submission_name(ref)
        except NotFoundError:
            return None
        # A row for each organisation on the roster, or one without any.
        rows = self._connection.execute(_SUBMISSIONS[column], {column: value}).all()
        if not rows:
            return None
        row = rows[0]
        codes = frozenset(row.organisation_code for row in rows if row.organisation_code is not None)
        place = Place(row.unit_project_id, codes)
        accepted = row.state == SubmissionState.ACCEPTED
        cleared = self._seen.levels(place, accepted=accepted)
        is_known = self._seen.is_member(place) or (accepted and self._has_level(row.id, {"public"}))
        is_cleared = True
        if scope is Scope.DOCUMENT:
            level = self._level(row.id, names["index"])
            is_cleared = level is not None and level in cleared
        elif scope is Scope.WHOLE_SUBMISSION:
            is_cleared = not self._has_level(row.id, set(LEVELS) - cleared)
        return Target(place=place, is_known=is_known, is_cleared=is_cleared, unit_project_key=row.unit_project_key)

    def _has_level(self, submission_pk: int, levels: set[str]) -> bool:
        if not levels:
            return False
        query = select(col(EntryRow.id)).where(
            col(EntryRow.submission_pk) == submission_pk, col(EntryRow.level).in_(sorted(levels))
        )
        return self._connection.scalar(query.limit(1)) is not None

    def _level(self, submission_pk: int, index: str) -> str | None:
        if len(index) > _MAX_INDEX_DIGITS or not (index.isascii() and index.isdecimal()) or index != str(int(index)):
            return None  # `+3`, `3.0` or `03` is no document, whatever a route would read in it
        values = {"submission_pk": submission_pk, "leaf_index": int(index)}
        level: str | None = self._connection.execute(_LEVEL, values).scalar()
        return level
