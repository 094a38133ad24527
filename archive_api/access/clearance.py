"""Which roles may know of documents of which level; one without a level counts as internal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from archive_api.access.principal import Grant
from archive_api.access.roles import ARCHIVISTS, MEMBERS, PARTIES, AccessRole

__all__ = [
    "CLEARED",
    "INTERNAL",
    "LEVELS",
    "LEVEL_NAMES",
    "PUBLIC",
    "RESTRICTED",
    "SECRET",
    "cleared_levels",
    "clears",
    "level_of",
]

PUBLIC: Final = "public"
INTERNAL: Final = "internal"
RESTRICTED: Final = "restricted"
SECRET: Final = "secret"  # noqa: S105 - a level, not a password
LEVELS: Final = (PUBLIC, INTERNAL, RESTRICTED, SECRET)
LEVEL_NAMES: Final = {PUBLIC: "公开", INTERNAL: "内部", RESTRICTED: "限阅", SECRET: "秘密"}

CLEARED: Final[Mapping[str, frozenset[AccessRole]]] = {
    PUBLIC: MEMBERS,  # before acceptance; afterwards everybody
    INTERNAL: MEMBERS,
    RESTRICTED: PARTIES | ARCHIVISTS | {AccessRole.AUDITOR},
    SECRET: frozenset({AccessRole.PARTY_SEALER, AccessRole.ARCHIVIST_REVIEWER, AccessRole.ARCHIVIST_APPROVER}),
}
_BY_ROLE: Final = {
    role: frozenset(level for level, cleared in CLEARED.items() if role in cleared) for role in AccessRole
}


def level_of(security_level: str | None) -> str:
    """The level that an entry's `security_level` counts as."""
    return security_level or INTERNAL


def cleared_levels(grant: Grant) -> frozenset[str]:
    """The levels that a grant clears for, where it counts.

    An auditor's clears for restricted documents only where it names the project.
    """
    levels = _BY_ROLE.get(grant.role, frozenset())
    if grant.role is AccessRole.AUDITOR and grant.unit_project_id is None:
        return levels - {RESTRICTED}
    return levels


def clears(level: str, grants: Iterable[Grant]) -> tuple[Grant, ...]:
    """The grants that clear for a level, each where it counts."""
    return tuple(grant for grant in grants if level in cleared_levels(grant))
