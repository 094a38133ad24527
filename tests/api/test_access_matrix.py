"""Every route asked by every role: on the role's own project, on another one, and on what doesn't exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pytest import MonkeyPatch

from archive_api.access import enforcement
from archive_api.access.decision import Verdict
from archive_api.access.gate import Gate, PolicyGapError
from archive_api.access.policy import POLICY, Rule, Scope
from archive_api.access.roles import GRANTABLE, PARTIES, AccessRole
from ledger.types import Role

from .world import JSON, World

ROLES = sorted(GRANTABLE)
PUBLIC = {"security_level": "public"}
MISSING = {"building_key": "0x" + "5d" * 32, "unit_project_key": "0x" + "5d" * 32, "submission_id": "0x" + "5d" * 32}
STATUS = {Verdict.UNAUTHENTICATED: 401, Verdict.FORBIDDEN: 403, Verdict.HIDDEN: 404}


@dataclass
class City:
    """Two projects, and persons who have one role each: on the first one only (`local`), or everywhere (`wide`)."""

    world: World
    mine: dict[str, str]
    other: dict[str, str]
    local: dict[AccessRole, TestClient]
    wide: dict[AccessRole, TestClient]
    decided: list[tuple[Verdict | None, int]]

    def ask(self, client: TestClient, rule: Rule, names: dict[str, str]) -> Any:
        """One real request, without a body that could do anything."""
        path = re.sub(r"\{(\w+)\}", lambda found: names[found[1]], rule.path)
        path = "/static/site.css" if path == "/static" else path
        body: JSON | None = None
        if rule.scope is Scope.PROJECT_IN_BODY:
            body = {"unit_project_key": names["unit_project_key"], "relation": "none"}
        return client.request(rule.method, path, json=body, follow_redirects=False)


def names_of(world: World, submission: JSON) -> dict[str, str]:
    return {
        "building_key": submission["building"]["building_key"],
        "unit_project_key": submission["unit_project"]["unit_project_key"],
        "ref": submission["id"],
        "submission_id": submission["submission_id"],
        "index": "0",
        "certificate_id": world.archive.certificate.certificate_id.hex(),
        "uuid": submission["id"].replace("-", "") + "0" * 32,
        "global_id": "0" * 22,
        "person_id": "00000000-0000-4000-8000-000000000000",
        "grant_id": "999999999",
        "stream": "access",
        "path": "0/000",
        "dataset_key": "0x" + "5d" * 32,
        "version": "1",
        "capture_id": "0x" + "5d" * 32,
        "event_id": "ni:///sha-256;" + "5d" * 32 + "?ver=CBV2.0",
        "event_hash": "5d" * 32,
        "query_name": "none",
        "name": "none",
    }


@pytest.fixture(scope="module")
def city(archive: World) -> Iterator[City]:
    details = {"A/立项批复.pdf": PUBLIC}
    mine = archive.show(archive.accepted(files={"A/立项批复.pdf": b"approval"}, details=details))
    other = archive.show(archive.anchored(files={"A/另案.pdf": b"another"}, details={"A/另案.pdf": PUBLIC}))
    code = archive.parties[Role.OWNER].certificate.organisation_code
    local, wide = {}, {}
    for role in ROLES:
        organisation = {"organisation_code": code} if role in PARTIES else {}
        project = {"unit_project_key": mine["unit_project"]["unit_project_key"]}
        local[role] = archive.person({"role": role, **organisation, **project})
        wide[role] = archive.person({"role": role, **organisation})
    decided: list[tuple[Verdict | None, int]] = []
    with MonkeyPatch.context() as patch:
        original = enforcement._event

        def watched(request: Any, access: enforcement.Access, status: int) -> Any:
            decided.append((access.verdict, int(status)))
            return original(request, access, status)

        patch.setattr(enforcement, "_event", watched)
        yield City(archive, names_of(archive, mine), names_of(archive, other), local, wide, decided)


def verdict_of(rule: Rule, role: AccessRole | None, *, is_wide: bool, is_mine: bool) -> Verdict:
    """What the table says, in other words than the decision's."""
    if role is None and AccessRole.PUBLIC not in rule.roles:
        return Verdict.UNAUTHENTICATED
    is_everybodys = AccessRole.PUBLIC in rule.roles
    holds = is_everybodys or role in rule.roles
    if rule.scope is Scope.NONE:
        return Verdict.ALLOWED if holds and is_wide and role not in PARTIES else Verdict.FORBIDDEN
    if rule.scope is Scope.ANYWHERE:
        return Verdict.ALLOWED if holds else Verdict.FORBIDDEN
    if not is_mine and not is_wide:
        return Verdict.HIDDEN
    if rule.scope is Scope.BUILDING and not is_everybodys and not (is_wide and role not in PARTIES):
        return Verdict.FORBIDDEN
    return Verdict.ALLOWED if holds else Verdict.FORBIDDEN


def check(city: City, rule: Rule, client: TestClient, names: dict[str, str], expected: Verdict) -> Any:
    before = len(city.decided)
    response = city.ask(client, rule, names)
    found = city.decided[before:]  # a sign-in may come first
    assert found, f"{rule.method} {rule.path} was not decided"
    assert found[-1][0] is expected, (rule, found, response.text[:300])
    if expected is Verdict.ALLOWED:
        assert response.status_code not in (401, 403), response.text[:300]
    elif expected is Verdict.UNAUTHENTICATED and rule.is_page:
        assert response.status_code == 303
        assert response.headers["location"].startswith("/sign-in?next=%2F")
    else:
        assert response.status_code == STATUS[expected], response.text[:300]
    return response


def used(city: City) -> list[Rule]:
    """The lines that have a route; those of one's own session are tested with sign-in."""
    gate: Gate = city.world.client.app.state.gate  # type: ignore[attr-defined]
    return [rule for rule in POLICY if (rule.method, rule.path) in gate.used and not rule.action.startswith("session.")]


def test_every_line_has_its_route(city: City) -> None:
    gate: Gate = city.world.client.app.state.gate  # type: ignore[attr-defined]
    stale = [(rule.method, rule.path) for rule in POLICY if (rule.method, rule.path) not in gate.used]
    assert stale == []
    assert len({(rule.method, rule.path) for rule in POLICY}) == len(POLICY)


@pytest.mark.parametrize("role", [None, *ROLES])
def test_every_route_answers_as_the_table_says(city: City, role: AccessRole | None) -> None:
    client = city.world.anonymous() if role is None else city.local[role]
    for rule in used(city):
        check(city, rule, client, city.mine, verdict_of(rule, role, is_wide=False, is_mine=True))
        if role is not None and rule.scope in (Scope.NONE, Scope.BUILDING, Scope.BUILDING_MEMBER):
            expected = verdict_of(rule, role, is_wide=True, is_mine=True)
            check(city, rule, city.wide[role], city.mine, expected)


@pytest.mark.parametrize("role", [None, *ROLES])
def test_another_project_is_answered_as_what_does_not_exist(city: City, role: AccessRole | None) -> None:
    client = city.world.anonymous() if role is None else city.local[role]
    missing = city.other | MISSING | {"ref": "00000000-0000-4000-8000-000000000000", "uuid": "0" * 64}
    for rule in used(city):
        if rule.scope in (Scope.NONE, Scope.ANYWHERE):
            continue
        expected = verdict_of(rule, role, is_wide=False, is_mine=False)
        hidden = check(city, rule, client, city.other, expected)
        absent = check(city, rule, client, missing, expected)
        assert hidden.headers.keys() == absent.headers.keys(), rule
        if rule.method == "HEAD":
            continue
        if "json" in hidden.headers["content-type"]:
            assert hidden.json() | {"instance": ""} == absent.json() | {"instance": ""}, rule
        else:
            assert without_address(hidden.text, city.other) == without_address(absent.text, missing), rule


def without_address(page: str, names: dict[str, str]) -> str:
    """A page without the address that was asked for, which the switch of languages links to."""
    for value in sorted(names.values(), key=len, reverse=True):
        page = page.replace(value, "") if len(value) > 20 else page
    return page


def nothing() -> JSON:
    return {}


def test_a_route_without_a_line_keeps_the_server_from_starting() -> None:
    app = FastAPI(openapi_url=None)
    app.get("/api/v1/health")(nothing)
    Gate(app)
    app.post("/api/v1/health")(nothing)
    with pytest.raises(PolicyGapError, match="POST /api/v1/health"):
        Gate(app)


def test_an_address_that_no_line_knows_is_not_handed_on(city: City) -> None:
    app: FastAPI = city.world.client.app  # type: ignore[assignment]
    app.get("/api/v1/added-later")(nothing)
    try:
        assert city.world.client.get("/api/v1/added-later").status_code == 404
    finally:
        app.router.routes.pop()
    refused = city.world.client.delete("/api/v1/health")
    assert refused.status_code == 405
    assert refused.headers["allow"] == "GET"
