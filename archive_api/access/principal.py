"""Who asks: a person with the grants that count for them, or nobody in particular."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from archive_api.access.roles import GRANTABLE, AccessRole

__all__ = ["ANONYMOUS", "EVERYTHING", "Grant", "Place", "Principal"]


@dataclass(frozen=True, slots=True)
class Grant:
    """A role that somebody has.

    Attributes:
        role: any but `PUBLIC`.
        unit_project_id: row number of the only unit project that it counts on; None: every one.
        organisation_code: 18 characters; a party's role counts on the projects whose roster has this organisation.
            None for other roles, and for those who may stand in for every party.
    """

    role: AccessRole
    unit_project_id: int | None = None
    organisation_code: str | None = None

    def counts_on(self, place: Place) -> bool:
        """Whether it counts in a place."""
        if self.unit_project_id is not None and self.unit_project_id != place.unit_project_id:
            return False
        return self.organisation_code is None or self.organisation_code in place.organisations


@dataclass(frozen=True, slots=True)
class Place:
    """Where something belongs: its unit project, and the parties of that one.

    Attributes:
        unit_project_id: row number.
        organisations: codes of the organisations on the roster that counts for it.
    """

    unit_project_id: int
    organisations: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks.

    Attributes:
        person_id: UUID text; None: nobody signed in.
        name: the person's.
        organisation_code: of the organisation that the person belongs to, or None.
        certificate_id: SHA-256 (hex) of the certificate that the person signed in with, or None.
        session_id: public id of the session, or None.
        method: `certificate` or `oidc`, None for nobody.
        grants: the roles that count.
    """

    person_id: str | None = None
    name: str | None = None
    organisation_code: str | None = None
    certificate_id: str | None = None
    session_id: str | None = None
    method: str | None = None
    grants: tuple[Grant, ...] = ()

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody signed in."""
        return self.person_id is None

    def roles_on(self, place: Place) -> frozenset[AccessRole]:
        """The roles that count in a place; everybody has `PUBLIC`."""
        found = {grant.role for grant in self.grants if grant.counts_on(place)}
        return frozenset(found | {AccessRole.PUBLIC})

    def has_on(self, roles: Collection[AccessRole], place: Place) -> bool:
        """Whether one of some roles counts in a place."""
        if AccessRole.PUBLIC in roles:
            return True
        return any(grant.role in roles and grant.counts_on(place) for grant in self.grants)

    def has_everywhere(self, roles: Collection[AccessRole]) -> bool:
        """Whether one of some roles counts on every unit project."""
        if AccessRole.PUBLIC in roles:
            return True
        return any(
            grant.role in roles and grant.unit_project_id is None and grant.organisation_code is None
            for grant in self.grants
        )

    def has_somewhere(self, roles: Collection[AccessRole]) -> bool:
        """Whether one of some roles counts at all, wherever."""
        return AccessRole.PUBLIC in roles or any(grant.role in roles for grant in self.grants)


ANONYMOUS: Final = Principal()
EVERYTHING: Final = tuple(Grant(role) for role in AccessRole if role in GRANTABLE)
"""Every role everywhere: what the development desk has."""
