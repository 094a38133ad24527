"""Which roles may know of documents of which level; one without a level counts as internal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from archive_api.access.principal import Grant
from archive_api.access.roles import ARCHIVISTS, MEMBERS, PARTIES, AccessRole

__all__ = ["CLEARED", "INTERNAL", "LEVELS", "LEVEL_NAMES", "PUBLIC", "RESTRICTED", "SECRET", "clears", "level_of"]

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


def level_of(security_level: str | None) -> str:
    """The level that an entry's `security_level` counts as."""
    return security_level or INTERNAL


def clears(level: str, grants: Iterable[Grant]) -> tuple[Grant, ...]:
    """The grants that clear for a level, each where it counts.

    An auditor's clears for restricted documents only where it names the project.
    """
    return tuple(
        grant
        for grant in grants
        if grant.role in CLEARED[level]
        and not (level == RESTRICTED and grant.role == AccessRole.AUDITOR and grant.unit_project_id is None)
    )
