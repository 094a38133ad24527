"""What a principal may know of: the same rule as conditions of queries, and for one thing at hand.

Handovers that are not accepted are known to their members: parties, archivists, auditors. An accepted one is known to
everybody as far as it has public documents. Documents are known by their level (`clearance`). A party belongs to a
handover by the roster that its statement stands on, to a draft by the project's current one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, ScalarSelect, SQLColumnExpression, and_, exists, false, func, or_, select, true
from sqlmodel import col

from archive_api.access.clearance import LEVELS, PUBLIC, cleared_levels, clears
from archive_api.access.models import RosterOrganisation
from archive_api.access.principal import EVERYTHING, Grant, Place, Principal
from archive_api.access.roles import MEMBERS, AccessRole
from archive_api.outbox.models import Job
from archive_api.projects.models import Building, RosterRow, UnitProject
from archive_api.submissions.models import EntryRow, StatementRow, Submission, SubmissionState
from ledger.anchoring import Phase

__all__ = ["PROJECT_ROLES", "Visibility", "current_roster_id", "submission_roster_id"]

PROJECT_ROLES: Final = MEMBERS | {AccessRole.ADMINISTRATOR}
"""Those who know of projects that have nothing public."""
_ALL_LEVELS: Final = frozenset(LEVELS)

_Party = Callable[[Collection[str]], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Visibility:
    """What somebody may know of.

    Attributes:
        grants: the somebody's.
    """

    grants: tuple[Grant, ...]

    @classmethod
    def of(cls, principal: Principal) -> Visibility:
        """What a principal may know of."""
        return cls(principal.grants)

    @classmethod
    def everything(cls) -> Visibility:
        """What the server's own work, and the development desk, know of."""
        return cls(EVERYTHING)

    @property
    def is_everything(self) -> bool:
        """Whether nothing is hidden, so that nothing needs to be left out."""
        return self.grants == EVERYTHING

    # One thing at hand

    def is_member(self, place: Place) -> bool:
        """Whether handovers in a place are known whatever their state."""
        return Principal(grants=self.grants).has_on(MEMBERS, place)

    def levels(self, place: Place, *, accepted: bool) -> frozenset[str]:
        """The levels of the documents in a place that are known.

        Args:
            place: of their handover.
            accepted: whether the archive accepted it.
        """
        if self.is_everything:
            return _ALL_LEVELS
        found = {PUBLIC} if accepted else set()
        for grant in self.grants:
            if grant.role in MEMBERS and grant.counts_on(place):
                found |= cleared_levels(grant)
        return frozenset(found)

    # Conditions

    def submissions(self) -> ColumnElement[bool]:
        """A condition on `Submission`."""
        if self.is_everything:
            return true()
        return or_(_reach(self._having(MEMBERS), col(Submission.unit_project_id), _submission_party), _public_one())

    def entries(self) -> ColumnElement[bool]:
        """A condition on `EntryRow`, in a query that joins its `Submission`."""
        if self.is_everything:
            return true()
        by_grants: dict[tuple[Grant, ...], list[str]] = {}
        for level in LEVELS:
            by_grants.setdefault(clears(level, self.grants), []).append(level)
        project = col(Submission.unit_project_id)
        return or_(
            and_(col(EntryRow.level) == PUBLIC, col(Submission.state) == SubmissionState.ACCEPTED),
            *(
                and_(col(EntryRow.level).in_(levels), _reach(grants, project, _submission_party))
                for grants, levels in by_grants.items()
                if grants
            ),
        )

    def whole_submissions(self) -> ColumnElement[bool]:
        """A condition on `Submission`: those of which every document is known, and so what speaks of all of them."""
        if self.is_everything:
            return true()
        hidden = exists().where(col(EntryRow.submission_pk) == col(Submission.id), ~self.entries())
        return and_(self.submissions(), ~hidden.correlate(Submission))

    def unit_projects(self) -> ColumnElement[bool]:
        """A condition on `UnitProject`."""
        if self.is_everything:
            return true()
        public = exists().where(col(Submission.unit_project_id) == col(UnitProject.id), _public_one())
        reached = _reach(self._having(PROJECT_ROLES), col(UnitProject.id), _project_party)
        return or_(reached, public.correlate(UnitProject))

    def buildings(self) -> ColumnElement[bool]:
        """A condition on `Building`: those with a unit project that is known."""
        if any(grant.unit_project_id is None and grant.organisation_code is None for grant in self._projects()):
            return true()
        known = exists().where(col(UnitProject.building_id) == col(Building.id), self.unit_projects())
        return known.correlate(Building)

    def _projects(self) -> tuple[Grant, ...]:
        return self._having(PROJECT_ROLES)

    def _having(self, roles: Collection[AccessRole]) -> tuple[Grant, ...]:
        return tuple(grant for grant in self.grants if grant.role in roles)


def current_roster_id(unit_project_id: SQLColumnExpression[Any]) -> ScalarSelect[Any]:
    """The row number of a unit project's newest roster that the contract did not refuse."""
    return (
        select(col(RosterRow.id))
        .join(Job, col(Job.id) == col(RosterRow.job_id))
        .where(col(RosterRow.unit_project_id) == unit_project_id, col(Job.phase) != Phase.REFUSED)
        .order_by(col(RosterRow.version).desc())
        .limit(1)
        .scalar_subquery()
    )


def submission_roster_id() -> ColumnElement[Any]:
    """The row number of the roster that counts for a `Submission`."""
    frozen = (
        select(col(StatementRow.roster_id))
        .where(col(StatementRow.submission_id) == col(Submission.submission_id))
        .correlate(Submission)
        .scalar_subquery()
    )
    return func.coalesce(frozen, current_roster_id(col(Submission.unit_project_id)).correlate(Submission))


def project_rosters() -> ColumnElement[bool]:
    """A condition on `RosterRow`: the current one of `UnitProject`, or one that a handover of it stands on."""
    standing = (
        select(col(StatementRow.roster_id))
        .join(Submission, col(Submission.submission_id) == col(StatementRow.submission_id))
        .where(col(Submission.unit_project_id) == col(UnitProject.id))
        .correlate(UnitProject)
    )
    current = current_roster_id(col(UnitProject.id)).correlate(UnitProject)
    return or_(col(RosterOrganisation.roster_id) == current, col(RosterOrganisation.roster_id).in_(standing))


def _submission_party(codes: Collection[str]) -> ColumnElement[bool]:
    return (
        exists()
        .where(
            col(RosterOrganisation.roster_id) == submission_roster_id(),
            col(RosterOrganisation.organisation_code).in_(sorted(codes)),
        )
        .correlate(Submission)
    )


def _project_party(codes: Collection[str]) -> ColumnElement[bool]:
    named = col(RosterOrganisation.organisation_code).in_(sorted(codes))
    return exists().where(named, project_rosters()).correlate(UnitProject)


def _public_one() -> ColumnElement[bool]:
    public = exists().where(col(EntryRow.submission_pk) == col(Submission.id), col(EntryRow.level) == PUBLIC)
    return and_(col(Submission.state) == SubmissionState.ACCEPTED, public.correlate(Submission))


def _reach(grants: Iterable[Grant], project: SQLColumnExpression[Any], party: _Party) -> ColumnElement[bool]:
    """Where one of some grants counts."""
    projects: set[int] = set()
    organisations: dict[int | None, set[str]] = {}
    for grant in grants:
        if grant.organisation_code is not None:
            organisations.setdefault(grant.unit_project_id, set()).add(grant.organisation_code)
        elif grant.unit_project_id is None:
            return true()
        else:
            projects.add(grant.unit_project_id)
    conditions: list[ColumnElement[bool]] = [project.in_(sorted(projects))] if projects else []
    for number, codes in organisations.items():
        conditions.append(party(codes) if number is None else and_(project == number, party(codes)))
    return or_(false(), *conditions)
