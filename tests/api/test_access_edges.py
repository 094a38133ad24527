"""Ways past the policy: other spellings, organisations that left, and answers that tell of what is hidden."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from archive_api.pagination import Cursors
from ledger.types import Role

from .test_access_recorded import Watched, logging_to
from .world import JSON, World

HUGE = 1 << 63
WRAP = {"leaf_index": HUGE, "key_commitment": "cd" * 32, "recipient": "ab" * 32, "sealed": "BA" + "A" * 149 + "="}


def operator_of(world: World, role: Role) -> Any:
    store = world.parties[role]
    code = store.certificate.organisation_code
    return world.person({"role": "party_operator", "organisation_code": code}, organisation=store)


def replaced(world: World, unit: JSON) -> str:
    """Another organisation is the designer from now on; its code."""
    store = world.archive.certificate  # any that is no party
    roster = world.roster()
    for member in roster["organisations"]:
        if member["role"] == "designer":
            member |= {"code": store.organisation_code, "name": store.organisation_name}
    world.post(f"/unit-projects/{unit['unit_project_key']}/rosters", roster)
    world.settle()
    return store.organisation_code


def test_a_submission_has_one_uuid(world: World) -> None:
    """What the log names must be what an auditor looks for."""
    ref = world.draft()["id"]
    world.get(f"/submissions/{ref}")
    for written in (f"{{{ref}}}", f"urn:uuid:{ref}", ref.replace("-", ""), ref.upper(), "-" * 300 + ref):
        world.refuse("GET", f"/submissions/{written}", 404, "not_found")


def test_an_organisation_that_was_replaced_opens_nothing(world: World) -> None:
    unit = world.show(world.accepted())["unit_project"]
    operator = operator_of(world, Role.DESIGNER)
    body = {"unit_project_key": unit["unit_project_key"]}
    assert operator.post("/api/v1/submissions", json=body).status_code == 201
    replaced(world, unit)
    assert operator.get(f"/api/v1/unit-projects/{unit['unit_project_key']}").status_code == 200
    refused = operator.post("/api/v1/submissions", json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


def test_an_organisation_that_was_replaced_reports_nothing(world: World) -> None:
    unit = world.show(world.accepted())["unit_project"]
    building = world.get(f"/unit-projects/{unit['unit_project_key']}")["building_key"]
    operator = operator_of(world, Role.DESIGNER)
    path = f"/api/v1/buildings/{building}/epcis"
    assert operator.post(f"{path}/capture", json={}).json()["code"] == "seal_missing"
    replaced(world, unit)
    assert operator.get(f"{path}/events").status_code == 200
    refused = operator.post(f"{path}/capture", json={})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


def test_another_handover_under_way_is_named_to_those_who_know_it(world: World) -> None:
    unit = world.new_unit_project()
    frozen = world.frozen(unit)
    mine = world.sent(unit)
    problem = world.refuse("POST", f"/submissions/{mine.ref}/statement", 409, "submission_open", json=mine.body)
    assert problem["values"]["submission"] == frozen.ref
    operator = world.person({"role": "party_operator", "organisation_code": replaced(world, unit)})
    assert operator.get(f"/api/v1/submissions/{frozen.ref}").status_code == 404
    answer = operator.post(f"/api/v1/submissions/{mine.ref}/statement", json=mine.body)
    assert (answer.status_code, answer.json()["code"]) == (409, "submission_open")
    assert frozen.ref not in answer.text


def test_cursors_tell_no_row_numbers() -> None:
    cursors = Cursors(b"k" * 32)
    written = [base64.urlsafe_b64decode(cursors.write("documents", number) + "=") for number in (7, 8)]
    assert all(number.to_bytes(4, "big") not in text for number, text in zip((7, 8), written, strict=True))
    assert sum(a != b for a, b in zip(*written, strict=True)) > 10
    assert [cursors.read("documents", cursors.write("documents", number)) for number in (0, 8, HUGE)] == [0, 8, HUGE]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/submissions/{ref}/key-wraps", {"wraps": [WRAP]}),
        ("POST", "/logs/access/erasures", {"indices": [HUGE], "reason": "试"}),
    ],
)
def test_numbers_that_no_row_has_are_refused(world: World, method: str, path: str, body: JSON) -> None:
    ref = world.draft()["id"]
    world.call(method, path.format(ref=ref), 422, json=body)


def test_the_token_of_a_form_is_no_search(world: World) -> None:
    log = Watched(world.services.access_log)
    with logging_to(world, log):
        world.client.post("/verify?csrf_token=abc", files={"file": b"x"})
        world.client.get("/verify?sha256=" + "5d" * 32)
    searches = [event.search for event in log.events if event.action.startswith("verification")]
    assert searches[0] is None
    assert searches[1] is not None
