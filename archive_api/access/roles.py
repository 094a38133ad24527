"""The roles somebody can have, everywhere or on single projects."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

__all__ = [
    "ARCHIVISTS",
    "EVERYBODY",
    "GRANTABLE",
    "MEMBERS",
    "PARTIES",
    "ROLE_NAMES",
    "SIGNED_IN",
    "AccessRole",
]


class AccessRole(StrEnum):
    """What somebody is to the archive; a grant gives one, `PUBLIC` is everybody's."""

    PUBLIC = "public"
    PARTY_OPERATOR = "party_operator"
    PARTY_SEALER = "party_sealer"
    ARCHIVIST_HANDLER = "archivist_handler"
    ARCHIVIST_REVIEWER = "archivist_reviewer"
    ARCHIVIST_APPROVER = "archivist_approver"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


PARTIES: Final = frozenset({AccessRole.PARTY_OPERATOR, AccessRole.PARTY_SEALER})
"""Roles for an organisation: they count where its roster has that organisation."""
ARCHIVISTS: Final = frozenset(
    {AccessRole.ARCHIVIST_HANDLER, AccessRole.ARCHIVIST_REVIEWER, AccessRole.ARCHIVIST_APPROVER}
)
MEMBERS: Final = PARTIES | ARCHIVISTS | {AccessRole.AUDITOR}
"""Those who see handovers that are not accepted yet."""
GRANTABLE: Final = frozenset(AccessRole) - {AccessRole.PUBLIC}
SIGNED_IN: Final = GRANTABLE
"""Everybody with a grant."""
EVERYBODY: Final = frozenset(AccessRole)

ROLE_NAMES: Final[dict[AccessRole, str]] = {
    AccessRole.PUBLIC: "公众",
    AccessRole.PARTY_OPERATOR: "责任主体经办",
    AccessRole.PARTY_SEALER: "责任主体用章",
    AccessRole.ARCHIVIST_HANDLER: "档案馆接收",
    AccessRole.ARCHIVIST_REVIEWER: "档案馆审核",
    AccessRole.ARCHIVIST_APPROVER: "档案馆批准",
    AccessRole.AUDITOR: "审计",
    AccessRole.ADMINISTRATOR: "管理",
}
"""The roles' Chinese names."""
