"""The policy table: its page is current, its names can be logged, and every decision is one of four."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from archive_api.access.decision import Target, Verdict, decide
from archive_api.access.policy import POLICY, Log, Rule, Scope
from archive_api.access.principal import ANONYMOUS, EVERYTHING, Grant, Place, Principal
from archive_api.access.roles import EVERYBODY, AccessRole

ROOT = Path(__file__).resolve().parents[3]
HERE, ELSEWHERE = Place(1, frozenset({"A"})), Place(2, frozenset({"B"}))
SEALER = Principal(person_id="p", grants=(Grant(AccessRole.PARTY_SEALER, None, "A"),))
DESK = Principal(person_id="d", grants=EVERYTHING)


def test_the_page_has_the_table_of_the_code() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "access_matrix.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("rule", POLICY, ids=lambda rule: f"{rule.method} {rule.path}")
def test_lines_are_well_formed(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z_]+\.[a-z_]+", rule.action)
    assert len(rule.action) <= 64
    assert rule.roles
    assert AccessRole.PUBLIC not in rule.roles or rule.roles == EVERYBODY
    named = set(re.findall(r"\{(\w+)\}", rule.path))
    needed = {
        Scope.BUILDING: {"building_key"},
        Scope.BUILDING_MEMBER: {"building_key"},
        Scope.UNIT_PROJECT: {"unit_project_key"},
        Scope.DOCUMENT: {"index"},
    }.get(rule.scope, set())
    assert needed <= named
    if rule.scope in (Scope.SUBMISSION, Scope.DOCUMENT, Scope.WHOLE_SUBMISSION):
        assert named & {"ref", "submission_id"}
    elif rule.scope in (Scope.NONE, Scope.ANYWHERE):
        assert not named & {"ref", "submission_id", "building_key", "unit_project_key"}, "a project's thing"
    if rule.log is Log.NONE:
        assert rule.roles == EVERYBODY or rule.method == "OPTIONS", "what not everybody may is recorded"


def rule(*roles: AccessRole, scope: Scope = Scope.SUBMISSION, method: str = "GET") -> Rule:
    return Rule(method, "/api/v1/x", "x.y", frozenset(roles), scope)


def target(place: Place | None = HERE, *, is_known: bool = True, is_cleared: bool = True) -> Target:
    return Target(place=place, is_known=is_known, is_cleared=is_cleared)


def test_decisions() -> None:
    sealers, everybody = rule(AccessRole.PARTY_SEALER), rule(*EVERYBODY)
    assert decide(sealers, ANONYMOUS, target()) is Verdict.UNAUTHENTICATED
    assert decide(sealers, ANONYMOUS, None) is Verdict.UNAUTHENTICATED
    assert decide(everybody, ANONYMOUS, None) is Verdict.HIDDEN
    assert decide(everybody, ANONYMOUS, target(is_known=False)) is Verdict.HIDDEN
    assert decide(everybody, ANONYMOUS, target()) is Verdict.ALLOWED
    assert decide(sealers, SEALER, target()) is Verdict.ALLOWED
    assert decide(sealers, SEALER, target(ELSEWHERE)) is Verdict.FORBIDDEN
    assert decide(sealers, SEALER, target(ELSEWHERE, is_known=False)) is Verdict.HIDDEN
    assert decide(sealers, SEALER, target(is_cleared=False)) is Verdict.HIDDEN
    changing = rule(AccessRole.PARTY_SEALER, scope=Scope.WHOLE_SUBMISSION, method="POST")
    assert decide(changing, SEALER, target(is_cleared=False)) is Verdict.NOT_CLEARED
    assert decide(changing, SEALER, target(ELSEWHERE, is_cleared=False)) is Verdict.FORBIDDEN
    assert decide(rule(AccessRole.PARTY_SEALER, scope=Scope.NONE), SEALER, None) is Verdict.FORBIDDEN
    assert decide(rule(AccessRole.PARTY_SEALER, scope=Scope.ANYWHERE), SEALER, None) is Verdict.ALLOWED
    assert decide(rule(AccessRole.AUDITOR, scope=Scope.ANYWHERE), SEALER, None) is Verdict.FORBIDDEN
    building = rule(AccessRole.ADMINISTRATOR, scope=Scope.BUILDING, method="POST")
    narrowed = Principal(person_id="a", grants=(Grant(AccessRole.ADMINISTRATOR, 1),))
    assert decide(building, narrowed, target(None)) is Verdict.FORBIDDEN
    assert decide(building, DESK, target(None)) is Verdict.ALLOWED


def test_a_role_in_one_unit_project_counts_for_its_building() -> None:
    sealers = rule(AccessRole.PARTY_SEALER, scope=Scope.BUILDING_MEMBER)

    def building(*places: Place, is_known: bool = True) -> Target:
        return Target(place=None, is_known=is_known, places=places)

    assert decide(sealers, SEALER, building(ELSEWHERE, HERE)) is Verdict.ALLOWED
    assert decide(sealers, SEALER, building(ELSEWHERE)) is Verdict.FORBIDDEN
    assert decide(sealers, SEALER, building()) is Verdict.FORBIDDEN
    assert decide(sealers, DESK, building()) is Verdict.ALLOWED
    assert decide(sealers, SEALER, building(HERE, is_known=False)) is Verdict.HIDDEN
    assert decide(sealers, ANONYMOUS, building(HERE)) is Verdict.UNAUTHENTICATED
