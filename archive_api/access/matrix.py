"""The policy table as people read it: in a terminal and in docs/access.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from archive_api.access.clearance import CLEARED, LEVEL_NAMES, RESTRICTED
from archive_api.access.policy import POLICY, Rule
from archive_api.access.roles import ROLE_NAMES, AccessRole

__all__ = ["COLUMNS", "clearance_markdown", "matrix_markdown", "matrix_rows"]

_SHORT: Final = {
    AccessRole.PUBLIC: "公众",
    AccessRole.PARTY_OPERATOR: "经办",
    AccessRole.PARTY_SEALER: "用章",
    AccessRole.ARCHIVIST_HANDLER: "接收",
    AccessRole.ARCHIVIST_REVIEWER: "审核",
    AccessRole.ARCHIVIST_APPROVER: "批准",
    AccessRole.AUDITOR: "审计",
    AccessRole.ADMINISTRATOR: "管理",
}
COLUMNS: Final = ("method", "path", "action", "scope", "log", *_SHORT.values())


def matrix_rows(policy: Sequence[Rule] = POLICY) -> list[tuple[str, ...]]:
    """The table in rows of `COLUMNS`; what everybody may, every role may."""
    return [
        (
            rule.method,
            rule.path,
            rule.action,
            rule.scope,
            rule.log,
            *("●" if role in rule.roles or AccessRole.PUBLIC in rule.roles else "" for role in _SHORT),
        )
        for rule in policy
    ]


def matrix_markdown() -> str:
    """The table in Markdown."""
    lines = [_line(COLUMNS), _line("---" for _ in COLUMNS)]
    for method, path, *rest in matrix_rows():
        lines.append(_line((method, f"`{path}`", *rest)))
    return "\n".join(lines) + "\n"


def clearance_markdown() -> str:
    """Who knows of documents of which level, in Markdown."""
    roles = [role for role in AccessRole if role is not AccessRole.PUBLIC]
    lines = [_line(("level", *(f"{ROLE_NAMES[role]} `{role}`" for role in roles)))]
    lines.append(_line("---" for _ in range(len(roles) + 1)))
    for level, cleared in CLEARED.items():
        marks = (_mark(level, role) if role in cleared else "" for role in roles)
        lines.append(_line((f"{LEVEL_NAMES[level]} `{level}`", *marks)))
    return "\n".join(lines) + "\n"


def _mark(level: str, role: AccessRole) -> str:
    return "named project" if level == RESTRICTED and role is AccessRole.AUDITOR else "●"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
