"""Pages, idempotency, problems and headers: what all routes share."""

from __future__ import annotations

import threading

import pytest

from .world import World


def test_walks_a_list_once_while_rows_are_added(world: World) -> None:
    keys = [world.new_building()["building_key"] for _ in range(5)]
    found: list[str] = []
    cursor = None
    while True:
        page = world.get("/buildings", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        assert len(page["items"]) <= 2
        found += [item["building_key"] for item in page["items"]]
        if len(found) == 2:
            world.new_building()
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(found) == len(set(found))
    assert [key for key in found if key in keys] == keys[::-1]


def test_walks_oldest_first_lists_to_their_end(world: World) -> None:
    everything = world.get("/certificates", params={"limit": 1000})["items"]
    first = world.get("/certificates", params={"limit": 1})
    assert first["items"] == everything[:1]
    rest = world.get("/certificates", params={"limit": 1000, "cursor": first["next_cursor"]})
    assert rest["items"] == everything[1:]
    assert rest["next_cursor"] is None


def test_refuses_a_made_up_cursor(world: World) -> None:
    for _ in range(2):
        world.new_building()
    cursor = world.get("/buildings", params={"limit": 1})["next_cursor"]
    tampered = ("A" if cursor[0] != "A" else "B") + cursor[1:]
    for path in (f"/buildings?cursor={tampered}", "/buildings?cursor=!!", f"/certificates?cursor={cursor}"):
        world.refuse("GET", path, 422, "cursor_malformed")
    for limit in (0, 1001):
        world.refuse("GET", f"/buildings?limit={limit}", 422, "malformed")


def test_finds_buildings_by_a_part_of_name_or_identifier(world: World) -> None:
    body = {"scheme": "yunshang", "value": "440106-FINDME", "name": "百分%楼"}
    world.post("/buildings", body)
    for query in ("FINDME", "分%", "440106-FIND"):
        assert [item["value"] for item in world.get("/buildings", params={"q": query})["items"]] == ["440106-FINDME"]
    assert world.get("/buildings", params={"q": "百_"})["items"] == []


def test_filters_submissions(world: World) -> None:
    unit = world.new_unit_project()
    draft = world.draft(unit)
    for query in (
        {"unit_project_key": unit["unit_project_key"]},
        {"building_key": unit["building_key"]},
        {"building_key": unit["building_key"], "state": "draft"},
    ):
        assert [item["id"] for item in world.get("/submissions", params=query)["items"]] == [draft["id"]]
    assert world.get("/submissions", params={"building_key": unit["building_key"], "state": "sealed"})["items"] == []
    world.refuse("GET", "/submissions?state=unknown", 422, "malformed")


def test_creates_once_under_one_idempotency_key(world: World) -> None:
    unit = world.new_unit_project()
    body = {"unit_project_key": unit["unit_project_key"], "relation": None}
    headers = {"Idempotency-Key": "k-1-" + unit["unit_project_key"]}
    first = world.client.post("/api/v1/submissions", json=body, headers=headers)
    again = world.client.post("/api/v1/submissions", json=body, headers=headers)
    assert first.status_code == again.status_code == 201
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert len(world.get("/submissions", params={"unit_project_key": unit["unit_project_key"]})["items"]) == 1
    other = body | {"relation": {"kind": "corrects", "submission": "0x" + "11" * 32}}
    world.refuse("POST", "/submissions", 409, "idempotency_key_reused", json=other, headers=headers)
    without = world.client.post("/api/v1/submissions", json=body)
    assert without.json()["id"] != first.json()["id"]


def test_remembers_nothing_of_a_refused_creation(world: World) -> None:
    building = world.new_building()
    path = f"/buildings/{building['building_key']}/unit-projects"
    headers = {"Idempotency-Key": "k-2-" + building["building_key"]}
    world.refuse("POST", path, 422, "malformed", json={"code": "", "name": "x"}, headers=headers)
    world.post(path, {"code": "U1", "name": "x"}, headers=headers)


def test_creates_once_when_asked_at_the_same_time(world: World) -> None:
    body = {"scheme": "yunshang", "value": "440106-RACE", "name": "竞态楼"}
    headers = {"Idempotency-Key": "race"}
    answers: list[int] = []

    def ask() -> None:
        answers.append(world.client.post("/api/v1/buildings", json=body, headers=headers).status_code)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [201] * 6
    assert len(world.get("/buildings", params={"q": "440106-RACE"})["items"]) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/buildings/" + "00" * 32,
        "/unit-projects/0x" + "00" * 32,
        "/submissions/0x" + "00" * 32,
        "/submissions/not-a-uuid",
        "/certificates/" + "00" * 32,
        "/receipts/0x" + "00" * 32,
        "/evidence/0x" + "00" * 32 + "/0",
    ],
)
def test_answers_404_as_a_problem(world: World, path: str) -> None:
    problem = world.refuse("GET", path, 404, "not_found")
    assert problem["instance"] == f"/api/v1{path}"
    assert problem["type"] == "urn:yunshang:problem:not_found"


def test_answers_a_key_of_another_form_as_malformed(world: World) -> None:
    world.refuse("GET", "/buildings/xyz", 422, "malformed")
    response = world.client.get("/api/v1/buildings/xyz")
    assert response.headers["content-type"] == "application/problem+json"


def test_refuses_other_methods_and_unreadable_bodies(world: World) -> None:
    world.refuse("DELETE", "/buildings", 405, "method_not_allowed")
    for content, status in ((b"{", 422), (b"[]", 422), (b'"x"', 422), (b"\xff", 400)):
        problem = world.call(
            "POST", "/buildings", status, content=content, headers={"Content-Type": "application/json"}
        )
        assert problem["code"] == "malformed"
    world.refuse("POST", "/buildings", 422, "malformed", json={"scheme": "yunshang", "extra": 1})


def test_answers_loopback_names_only(world: World) -> None:
    for host, status in (("127.0.0.1", 200), ("localhost:8460", 200), ("evil.example", 400), ("[::1]:80", 200)):
        assert world.client.get("/api/v1/health", headers={"Host": host}).status_code == status, host


def test_sets_security_headers(world: World) -> None:
    headers = world.client.get("/api/v1/health").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"


def test_tells_which_ledger_this_is(world: World) -> None:
    ledger = world.get("/ledger")
    trust = world.services.trust
    assert ledger["chain_id"] == trust.chain_id
    assert ledger["genesis_hash"] == "0x" + trust.genesis_hash.hex()
    assert ledger["contracts"].keys() == trust.contracts.keys()
    assert ledger["domain"]["verifyingContract"] == "0x" + trust.domain.verifying_contract.hex()
    assert ledger["head"] > 0
    assert ledger["rpc_url"] == world.node.rpc_url


def test_lists_organisations_once_each(world: World) -> None:
    items = world.get("/organisations", params={"limit": 1000})["items"]
    codes = [item["code"] for item in items]
    assert len(codes) == len(set(codes))
    assert {key.certificate.organisation_code for key in world.parties.values()} <= set(codes)
