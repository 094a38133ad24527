"""Giving roles and taking them back."""

from __future__ import annotations

from sqlmodel import Session

from archive_api.access.models import GrantRow
from archive_api.access.principal import Principal
from archive_api.access.repository import GrantRepository
from archive_api.access.roles import PARTIES, AccessRole
from archive_api.access.schemas import GrantIn, GrantOut
from archive_api.errors import ForbiddenError, MalformedError
from archive_api.http import hex32
from archive_api.identity.repository import PersonRepository
from archive_api.outbox.repository import number
from archive_api.projects.repository import ProjectRepository
from archive_api.services import Services
from ledger.identifiers import validate_uscc

__all__ = ["GrantService"]


class GrantService:
    """Grants in one session; it never commits.

    Args:
        session: of the caller's transaction.
        services: the server's.
    """

    def __init__(self, session: Session, services: Services) -> None:
        self._services = services
        self._grants = GrantRepository(session)
        self._persons = PersonRepository(session)
        self._projects = ProjectRepository(session)

    def give(self, wanted: GrantIn, *, by: Principal) -> GrantOut:
        """Give a role; one that the person has already is answered as it is.

        Args:
            wanted: the grant.
            by: who gives it.

        Raises:
            NotFoundError: no such person or unit project.
            MalformedError: a party's role without an organisation, or another role with one (`ledger.errors` where
                the code itself is wrong).
            ForbiddenError: to oneself.
        """
        self._persons.get(wanted.person_id)
        if by.person_id == wanted.person_id:
            raise ForbiddenError("expected a role for somebody else, got one for oneself", code="own_grant")
        if wanted.role is AccessRole.PUBLIC:
            raise MalformedError("expected a role to be given, got the one that everybody has", code="grant_role")
        if (wanted.role in PARTIES) != (wanted.organisation_code is not None):
            raise MalformedError(
                "expected an organisation for a party's role and for no other", code="grant_organisation"
            )
        code = None if wanted.organisation_code is None else validate_uscc(wanted.organisation_code)
        project = None
        if wanted.unit_project_key is not None:
            project = number(self._projects.unit_project(hex32(wanted.unit_project_key)).id)
        row = GrantRow(
            person_id=wanted.person_id,
            role=wanted.role.value,
            unit_project_id=project,
            organisation_code=code,
            granted_by=by.person_id,
            created_at=self._services.now(),
        )
        former = self._grants.find(row)
        if former is None:
            self._grants.add(row)
        return self.show(former or row)

    def take(self, grant_id: int, *, by: Principal) -> GrantOut:
        """Take a role back; it does not count from the next request on.

        Raises:
            NotFoundError: no such grant.
            ForbiddenError: one's own: an archive without an administrator could not be helped.
        """
        row = self._grants.get(grant_id)
        if by.person_id == row.person_id:
            raise ForbiddenError("expected somebody else's role, got one's own", code="own_grant")
        shown = self.show(row)
        self._grants.remove(row)
        return shown

    def all(self, person_id: str | None) -> list[GrantOut]:
        """The grants of everybody or of one person."""
        return [self.show(row) for row in self._grants.rows(person_id)]

    def show(self, row: GrantRow) -> GrantOut:
        """A grant as it is answered."""
        project = row.unit_project_id
        return GrantOut(
            id=number(row.id),
            person_id=row.person_id,
            role=AccessRole(row.role),
            unit_project_key=None if project is None else self._projects.unit_project_by_id(project).unit_project_key,
            organisation_code=row.organisation_code,
            granted_by=row.granted_by,
            created_at=row.created_at,
        )
