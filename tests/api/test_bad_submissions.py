"""Entries, manifests and statements that are wrong: refused by name, and nothing half-written."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import json
from collections.abc import Callable
from typing import Any

import pytest

from ledger.canonical import canonical_bytes
from ledger.types import ROLES, Role

from .world import FILES, JSON, JSON_TYPE, Prepared, World, entry_of


@pytest.fixture
def draft(world: World) -> JSON:
    return world.draft()


@pytest.fixture
def ready(world: World, draft: JSON) -> Prepared:
    """A draft with all its content, not frozen."""
    prepared = world.prepare(draft)
    world.send_entries(prepared)
    world.send_pack(prepared.ref, {str(index): content for index, content in enumerate(prepared.contents)})
    return prepared


def line(path: str = "a.pdf", **members: Any) -> bytes:
    return canonical_bytes(entry_of("a.pdf", b"a").to_json() | {"path": path} | members) + b"\n"


@pytest.mark.parametrize(
    ("lines", "code", "where"),
    [
        (line("a.pdf") + line("a.pdf"), "duplicate_path", "entries[1]"),
        (line("b.pdf") + line("a.pdf"), "entries_order", "entries[1]"),
        (line("../a.pdf"), "unsafe_path", "entries[0].path"),
        (line("/a.pdf"), "unsafe_path", "entries[0].path"),
        (line("a/./b.pdf"), "unsafe_path", "entries[0].path"),
        (line("e\u0301.pdf"), "unsafe_path", "entries[0].path"),
        (line("a\\b.pdf"), "unsafe_path", "entries[0].path"),
        (line("a\u0000.pdf"), "unsafe_path", "entries[0].path"),
        (line("施工.pdf").replace("施工".encode(), "施工".encode("gbk")), "not_json", "entries[0]"),
        (line(size=-1), "malformed", "entries[0].size"),
        (line(sha256="AB" * 32), "malformed", "entries[0].sha256"),
        (line(responsible_party="91440101MA50000010"), "check_digit", "entries[0].responsible_party"),
        (line(unknown=1), "unknown_member", "entries[0]"),
        (line()[:-3] + b"\n", "not_json", "entries[0]"),
        (line() + b" " + line("b.pdf"), "not_canonical", "entries[1]"),
        (b"{}\n", "missing_member", "entries[0]"),
        (b"", "empty_submission", "entries"),
    ],
)
def test_refuses_entries_that_are_not_what_they_must_be(
    world: World, draft: JSON, lines: bytes, code: str, where: str
) -> None:
    good = world.prepare(draft)
    world.send_entries(good)
    problem = world.call("PUT", f"/submissions/{draft['id']}/entries", 422, content=lines)
    assert problem["code"] == code
    assert problem["values"]["where"] == where
    kept = world.client.get(f"/api/v1/submissions/{draft['id']}/entries")
    assert kept.content.splitlines() == [entry.canonical() for entry in good.entries]


def freeze(world: World, prepared: Prepared, change: Callable[[JSON], None], status: int, code: str) -> JSON:
    body = copy.deepcopy(prepared.body)
    change(body)
    problem = world.refuse("POST", f"/submissions/{prepared.ref}/statement", status, code, json=body)
    shown = world.show(prepared)
    assert shown["state"] == "draft"
    assert shown["submission_id"] is None
    return problem


def flip(text: str) -> str:
    return text[:-1] + ("0" if text[-1] != "0" else "1")


@pytest.mark.parametrize(
    "member",
    [
        "buildingKey",
        "unitProjectKey",
        "rosterHash",
        "previous",
        "manifestSha256",
        "documentsRoot",
        "bimRoot",
        "contentCid",
    ],
)
def test_refuses_a_commitment_that_disagrees_with_the_files(world: World, ready: Prepared, member: str) -> None:
    def change(body: JSON) -> None:
        body["statement"][member] = flip(body["statement"][member])

    problem = freeze(world, ready, change, 409, "commitment_mismatch")
    assert problem["values"]["differences"][0].startswith(f"statement.{member}: ")


@pytest.mark.parametrize("member", ["documentCount", "sequence", "sealBy"])
def test_refuses_a_number_that_disagrees(world: World, ready: Prepared, member: str) -> None:
    def change(body: JSON) -> None:
        body["statement"][member] += 1

    freeze(world, ready, change, 409, "commitment_mismatch")


def manifest_changes() -> dict[str, Callable[[JSON], None]]:
    def entry(name: str) -> Callable[[JSON], None]:
        def change(body: JSON) -> None:
            other = body["manifest"]["entries"][1 if name != "leaf_hash" else 2][name]
            body["manifest"]["entries"][0][name] = other

        return change

    return {
        "manifest.entries[0] leaf": entry("leaf_hash"),
        "manifest.entries[0] entry cid": entry("entry_cid"),
        "manifest.entries[0] content cid": entry("content_cid"),
        "manifest.entries removed": lambda body: body["manifest"]["entries"].pop(),
        "manifest.entries added": lambda body: body["manifest"]["entries"].append(body["manifest"]["entries"][0]),
        "manifest.building": lambda body: body["manifest"]["building"].update(value="440106-OTHER"),
        "manifest.unit_project": lambda body: body["manifest"]["unit_project"].update(code="U99"),
        "manifest.roster": lambda body: body["manifest"]["roster"]["organisations"][0].update(name="另一单位"),
        "manifest.relation": lambda body: body["manifest"].update(
            relation={"kind": "replaces", "submission": "0x" + "11" * 32}
        ),
    }


@pytest.mark.parametrize("name", manifest_changes())
def test_refuses_a_manifest_that_disagrees_with_the_files(world: World, ready: Prepared, name: str) -> None:
    problem = freeze(world, ready, manifest_changes()[name], 409, "commitment_mismatch")
    assert problem["values"]["differences"][0].startswith(name.partition(" ")[0].partition("[")[0])


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (lambda body: body["manifest"].update(unknown=1), 422, "unknown_member"),
        (lambda body: body.pop("seal_by"), 422, "missing_member"),
        (lambda body: body.update(seal_by=1), 409, "commitment_mismatch"),
        (lambda body: (body.update(seal_by=1), body["statement"].update(sealBy=1)), 422, "seal_by_out_of_range"),
        (
            lambda body: (body.update(seal_by=2**40), body["statement"].update(sealBy=2**40)),
            422,
            "seal_by_out_of_range",
        ),
        (
            lambda body: body["manifest"]["models"].append(
                {
                    "type": "ifc",
                    "version": None,
                    "schema": "IFC4",
                    "stage": None,
                    "file_sha256": "33" * 32,
                    "root": None,
                    "content_root": None,
                    "counts": None,
                    "salt": "44" * 32,
                }
            ),
            409,
            "commitment_mismatch",
        ),
    ],
)
def test_refuses_a_statement_that_is_not_one(
    world: World, ready: Prepared, change: Callable[[JSON], None], status: int, code: str
) -> None:
    freeze(world, ready, change, status, code)


def test_refuses_numbers_and_duplicates_that_json_readers_differ_on(world: World, ready: Prepared) -> None:
    path = f"/submissions/{ready.ref}/statement"
    text = json.dumps(ready.body)
    for content in (
        text.replace('"seal_by":', '"seal_by": 1, "seal_by":', 1),
        text.replace(f'"seal_by": {ready.statement.seal_by}', '"seal_by": 1.0', 1),
        text.replace(f'"seal_by": {ready.statement.seal_by}', '"seal_by": NaN', 1),
        text[:-1],
    ):
        assert world.call("POST", path, 422, content=content.encode(), headers=JSON_TYPE)["status"] == 422
    assert world.show(ready)["state"] == "draft"


def test_refuses_a_statement_without_documents(world: World, draft: JSON) -> None:
    body = world.prepare(draft).body
    world.refuse("POST", f"/submissions/{draft['id']}/statement", 409, "empty_submission", json=body)


def test_lets_one_submission_of_a_unit_project_be_open(world: World) -> None:
    unit = world.new_unit_project()
    first = world.frozen(unit)
    second = world.prepare(world.draft(unit), {"x.pdf": b"x"})
    world.send_entries(second)
    world.send_pack(second.ref, {"0": b"x"})
    problem = world.refuse("POST", f"/submissions/{second.ref}/statement", 409, "submission_open", json=second.body)
    assert problem["values"]["submission"] == first.ref


def test_frees_a_unit_project_whose_open_submission_missed_its_deadline(world: World) -> None:
    unit = world.new_unit_project()
    first = world.frozen(unit, seal_in=100)
    world.clock.offset += datetime.timedelta(seconds=200)
    second = world.prepare(world.draft(unit), {"x.pdf": b"x"})
    world.send_entries(second)
    world.send_pack(second.ref, {"0": b"x"})
    world.post(f"/submissions/{second.ref}/statement", second.body)
    assert world.show(first)["state"] == "draft"
    assert world.show(first)["state_reason"] == "seal_by_passed"


def test_refuses_to_freeze_or_change_what_is_frozen(world: World) -> None:
    prepared = world.frozen()
    world.refuse("POST", f"/submissions/{prepared.ref}/statement", 409, "state", json=prepared.body)
    world.refuse("PUT", f"/submissions/{prepared.ref}/entries", 409, "state", content=line())
    assert world.create_upload(prepared.ref, 3, 409, pack="1")["code"] == "state"


def test_counts_a_unit_projects_submissions_and_links_them(world: World) -> None:
    unit = world.new_unit_project()
    first = world.accepted(unit)
    first_id = world.show(first)["submission_id"]
    relation = {"kind": "supplements", "submission": first_id}
    second = world.anchored(unit, {"补充.pdf": b"more"}, relation=relation)
    shown = world.show(second)
    assert (shown["sequence"], shown["previous"], shown["relation"]) == (2, first_id, relation)
    assert world.get(f"/unit-projects/{unit['unit_project_key']}")["next_sequence"] == 3


def test_refuses_a_statement_out_of_sequence(world: World) -> None:
    unit = world.new_unit_project()
    stale = world.prepare(world.draft(unit), {"x.pdf": b"x"})
    world.send_entries(stale)
    world.send_pack(stale.ref, {"0": b"x"})
    world.anchored(unit)
    problem = world.refuse("POST", f"/submissions/{stale.ref}/statement", 409, "commitment_mismatch", json=stale.body)
    assert [item.partition(":")[0] for item in problem["values"]["differences"]] == [
        "manifest.sequence",
        "manifest.previous",
    ]


def test_refuses_a_relation_to_nothing(world: World) -> None:
    unit = world.new_unit_project()
    relation = {"kind": "corrects", "submission": "0x" + "12" * 32}
    body = {"unit_project_key": unit["unit_project_key"], "relation": relation}
    world.refuse("POST", "/submissions", 409, "relation_unknown", json=body)


def test_refuses_a_draft_without_a_roster(world: World) -> None:
    building = world.new_building()
    unit = world.post(f"/buildings/{building['building_key']}/unit-projects", {"code": "U01", "name": "主体"})
    body = {"unit_project_key": unit["unit_project_key"]}
    world.refuse("POST", "/submissions", 409, "roster_unknown", json=body)


def test_takes_a_thousand_empty_documents(world: World, draft: JSON) -> None:
    files = {f"{number:04d}.txt": b"" for number in range(1000)}
    prepared = world.prepare(draft, files)
    assert world.send_entries(prepared) == {"accepted": 1000, "missing_content": 1000}
    world.send_pack(prepared.ref, {"7": b""})
    assert world.get(f"/submissions/{prepared.ref}/missing")["missing"] == []
    answer = world.post(f"/submissions/{prepared.ref}/statement", prepared.body)
    assert answer["statement"]["message"] == prepared.statement.to_json()
    kept = world.client.get(f"/api/v1/submissions/{prepared.ref}/entries").content
    assert kept.splitlines() == [entry.canonical() for entry in prepared.entries]
    manifest = world.client.get(f"/api/v1/submissions/{prepared.ref}/manifest").content
    assert manifest == prepared.manifest.canonical()


def test_withdrawn_submission_is_frozen_again_under_another_deadline(world: World) -> None:
    prepared = world.frozen()
    world.seal(prepared, Role.OWNER)
    shown = world.post(f"/submissions/{prepared.ref}/withdrawal", world.withdrawal(prepared, Role.OWNER), 200)
    assert (shown["state"], shown["state_reason"]) == ("draft", "withdrawn")
    assert shown["withdrawals"][0]["reason"] == "缺页"
    problem = world.refuse(
        "POST", f"/submissions/{prepared.ref}/statement", 409, "statement_withdrawn", json=prepared.body
    )
    assert prepared.ref in problem["instance"]
    statement = dataclasses.replace(prepared.statement, seal_by=prepared.statement.seal_by + 1)
    again = dataclasses.replace(prepared, statement=statement)
    world.post(f"/submissions/{again.ref}/statement", again.body)
    for role in ROLES:
        world.seal(again, role)
    world.settle()
    shown = world.show(again)
    assert (shown["state"], [one["reason"] for one in shown["withdrawals"]]) == ("anchored", ["缺页"])


def test_tells_declining_from_withdrawing(world: World) -> None:
    prepared = world.frozen()
    world.seal(prepared, Role.OWNER)
    shown = world.post(f"/submissions/{prepared.ref}/withdrawal", world.withdrawal(prepared, Role.DESIGNER), 200)
    assert shown["withdrawals"][0]["kind"] == "declined"
    assert FILES.keys() == {entry.path for entry in prepared.entries}
