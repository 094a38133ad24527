"""The decision itself: pure, and asked once for each request."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from archive_api.access.policy import Rule, Scope
from archive_api.access.principal import Place, Principal
from archive_api.access.roles import AccessRole

__all__ = ["Target", "Verdict", "decide"]


class Verdict(Enum):
    """What a request is answered with; all but `ALLOWED` before the route is asked."""

    ALLOWED = "allowed"
    UNAUTHENTICATED = "unauthenticated"
    """401, or the sign-in page."""
    HIDDEN = "hidden"
    """404, as if there were no such thing."""
    FORBIDDEN = "forbidden"
    """403: the thing is known, but not theirs to do."""
    NOT_CLEARED = "not_cleared"
    """403: theirs to do, but about documents too that they may not know of. Nobody else is told that there are any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The thing that a request names, if there is one.

    Attributes:
        place: where it belongs; None for a building, which may have several.
        places: the unit projects of a building, where a role in any of them counts.
        is_known: whether the principal may know of it.
        is_cleared: whether the principal may know of the document named, or of all documents where all are spoken of.
        unit_project_key: 0x-hex, for the access log.
        building_key: 0x-hex, a building's own key where it was named by that or by an alias.
    """

    place: Place | None
    is_known: bool
    is_cleared: bool = True
    unit_project_key: str | None = None
    building_key: str | None = None
    places: tuple[Place, ...] = ()


def decide(rule: Rule, principal: Principal, target: Target | None) -> Verdict:
    """Decide a request.

    Args:
        rule: of its route.
        principal: who asks.
        target: what the request names; None where there is no such thing, or the rule needs none.
    """
    if principal.is_anonymous and AccessRole.PUBLIC not in rule.roles:
        return Verdict.UNAUTHENTICATED
    if rule.scope is Scope.NONE:
        return Verdict.ALLOWED if principal.has_everywhere(rule.roles) else Verdict.FORBIDDEN
    if rule.scope is Scope.ANYWHERE:
        return Verdict.ALLOWED if principal.has_somewhere(rule.roles) else Verdict.FORBIDDEN
    if target is None or not target.is_known:
        return Verdict.HIDDEN
    if not target.is_cleared and (rule.scope is Scope.DOCUMENT or rule.method == "GET"):
        return Verdict.HIDDEN
    allowed = Verdict.ALLOWED if target.is_cleared else Verdict.NOT_CLEARED
    return allowed if _has(rule, principal, target) else Verdict.FORBIDDEN


def _has(rule: Rule, principal: Principal, target: Target) -> bool:
    if target.place is not None:
        return principal.has_on(rule.roles, target.place)
    in_one = any(principal.has_on(rule.roles, place) for place in target.places)
    return in_one or principal.has_everywhere(rule.roles)
