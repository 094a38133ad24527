"""Models: fingerprinted again when they are received, in a line by stages, looked up element by element."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import uuid
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import text

from archive_api.bim.indexer import ModelIndexer
from ledger.adapters.model_process import ModelProcesses
from ledger.bim.change_record import parse_change_record
from ledger.bim.element import ElementProof
from ledger.bim.models import UNKNOWN_SCHEMA, model_entry
from ledger.bim.stages import CHANGE_MEDIA_TYPE, ChangeLink
from ledger.entries import ModelEntry
from ledger.types import Role

from .houses import entry_of_model, facts_of, guid, house, zipped
from .world import JSON, Prepared, World

DESIGN, BUILT = house(rating="乙级"), house(doors=4)
NAME = "D/1号楼.ifc"
BROKEN = b"ISO-10303-21;\nHEADER;\nFILE_SCHEMA(('IFC4'));\nENDSEC;\nDATA;\n#1=IFCWALL(;\n"
EMPTY_TREE = hashlib.sha256(b"").digest()


def index(world: World) -> None:
    """What the server's thread does."""
    ModelIndexer(world.services).round()


def statement(world: World, prepared: Prepared, status: int = 201) -> JSON:
    return dict(world.post(f"/submissions/{prepared.ref}/statement", prepared.body, status))


def sent(world: World, content: bytes, entry: ModelEntry | None, *, path: str = NAME) -> Prepared:
    return world.sent(files={path: content}, models=[entry] if entry else [])


def handed_over(
    world: World, unit: JSON, files: Mapping[str, bytes], stage: str | None, *, accept: bool = True, **members: Any
) -> JSON:
    """A recorded submission of models, all of one stage."""
    models = [entry_of_model(content, path, stage=stage) for path, content in files.items()]
    step = world.accepted if accept else world.anchored
    return world.show(step(unit, files, models=models, **members))


def change_record(earlier: bytes, later: bytes, folder: Path, stages: tuple[str | None, str | None]) -> bytes:
    paths = folder / "a.ifc", folder / "b.ifc"
    for path, content in zip(paths, (earlier, later), strict=True):
        path.write_bytes(content)
    ModelProcesses().change_record(*paths, folder / "record", stages=stages)
    return (folder / "record").read_bytes()


# Received


@pytest.mark.parametrize("packed", [False, True])
def test_takes_a_model_whose_fingerprint_it_computes_too(world: World, packed: bool) -> None:
    content = zipped(DESIGN) if packed else DESIGN
    path = "D/1号楼.IfcZip" if packed else NAME
    prepared = sent(world, content, entry_of_model(content, path), path=path)
    message = statement(world, prepared)["statement"]["message"]
    assert message["bimRoot"] not in ("0x" + bytes(32).hex(), "0x" + EMPTY_TREE.hex())
    (shown,) = world.get(f"/submissions/{prepared.ref}/models")["items"]
    facts = facts_of(DESIGN)
    assert (shown["root"], shown["content_root"]) == (facts.root.hex(), facts.content_root.hex())
    assert shown["counts"] == facts.counts
    assert (shown["schema"], shown["stage"], shown["version"]) == ("IFC4", "design", "yunshang-bim/v1")
    assert (shown["path"], shown["document"], shown["state"]) == (path, 0, "sealing")
    assert world.get(f"/submissions/{prepared.ref}/models/0") == shown
    world.refuse("GET", f"/submissions/{prepared.ref}/models/1", 404, "not_found")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("root", bytes(32)),
        ("content_root", bytes(32)),
        ("schema", "IFC2X3"),
        ("version", "yunshang-bim/v0"),
        ("counts", b'{"duplicate_global_ids":0,"elements":1,"entities":1}'),
        ("root", None),
    ],
)
def test_refuses_a_fingerprint_that_is_not_the_models(world: World, member: str, value: object) -> None:
    changed: Any = {member: value}
    problem = statement(world, sent(world, DESIGN, dataclasses.replace(entry_of_model(DESIGN), **changed)), 409)
    assert problem["code"] == "commitment_mismatch"
    assert problem["values"]["differences"][0].startswith(f"manifest.models[0].{member}: expected ")
    assert "manifest.models[0]." + member in problem["detail"]


def test_takes_a_model_that_cannot_be_read_only_without_a_fingerprint(world: World) -> None:
    digest = hashlib.sha256(BROKEN).digest()
    claimed = dataclasses.replace(entry_of_model(DESIGN), file_sha256=digest)
    problem = statement(world, sent(world, BROKEN, claimed), 409)
    assert [item.partition(":")[0].rpartition(".")[2] for item in problem["values"]["differences"]] == [
        "version",
        "schema",
        "root",
        "content_root",
        "counts",
    ]
    assert f"byte {BROKEN.index(b';', 60)}" in problem["values"]["differences"][2]
    prepared = sent(world, BROKEN, model_entry(digest, None, stage="design", salt=bytes(32)))
    assert statement(world, prepared)["statement"]["message"]["bimRoot"] == "0x" + bytes(32).hex()
    (shown,) = world.get(f"/submissions/{prepared.ref}/models")["items"]
    assert (shown["root"], shown["counts"], shown["schema"]) == (None, None, UNKNOWN_SCHEMA)
    world.refuse("GET", f"/submissions/{prepared.ref}/models/0/elements", 409, "model_unreadable")


@pytest.mark.parametrize("path", [NAME, "x.IFC", "x.ifczip"])
def test_refuses_a_model_file_without_an_entry(world: World, path: str) -> None:
    problem = statement(world, sent(world, DESIGN, None, path=path), 409)
    assert problem["values"]["differences"] == [f"manifest.models: expected an entry for {path}, got none"]


def test_refuses_an_entry_for_a_document_that_is_no_model(world: World) -> None:
    problem = statement(world, sent(world, DESIGN, entry_of_model(DESIGN), path="model.txt"), 409)
    assert problem["values"]["differences"][0].startswith("manifest.models[0].file_sha256")


def test_refuses_what_it_cannot_read_within_its_limits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    content = house(doors=5)
    prepared = sent(world, content, entry_of_model(content))
    unread = dataclasses.replace(entry_of_model(content), root=None, content_root=None, counts=None, version=None)
    without = sent(world, content, dataclasses.replace(unread, schema=UNKNOWN_SCHEMA))
    answer = """import json; print(json.dumps({"error": {"kind": "memory"}}))"""
    with monkeypatch.context() as patched:
        patched.setattr("ledger.adapters.model_process._START", answer)
        for each in (prepared, without):
            assert statement(world, each, 422)["code"] == "model_limits"
    assert statement(world, without, 409)["code"] == "commitment_mismatch"
    statement(world, prepared)


def test_a_child_that_dies_takes_nothing_with_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    content = house(doors=6)
    prepared = sent(world, content, entry_of_model(content))
    with monkeypatch.context() as patched:
        patched.setattr("ledger.adapters.model_process._START", "import os; os.abort()")
        assert statement(world, prepared, 503)["code"] == "model_process"
    statement(world, prepared)


def test_computes_a_fingerprint_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    statement(world, sent(world, DESIGN, entry_of_model(DESIGN)))
    monkeypatch.setattr("ledger.adapters.model_process._START", "raise SystemExit('no child is needed')")
    statement(world, sent(world, DESIGN, entry_of_model(DESIGN)))


def test_a_zip_bomb_is_a_model_that_cannot_be_read(world: World) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.ifc", bytes(100 << 20))
    bomb = buffer.getvalue()
    problem = statement(
        world,
        sent(
            world,
            bomb,
            dataclasses.replace(entry_of_model(DESIGN), file_sha256=hashlib.sha256(bomb).digest()),
            path="b.ifczip",
        ),
        409,
    )
    assert "expected at most" in problem["values"]["differences"][0]


# The line


def test_lines_models_up_by_stage_and_finds_what_each_continues(world: World) -> None:
    unit = world.new_unit_project()
    built = handed_over(world, unit, {NAME: BUILT}, "as_built")
    design = handed_over(world, unit, {NAME: DESIGN}, "design", accept=False)
    revised = handed_over(world, unit, {NAME: house(rating="丙级", doors=4)}, "as_built", accept=False)
    key = f"/unit-projects/{unit['unit_project_key']}/models"
    line = world.get(key)["items"]
    assert [model["submission_id"] for model in line] == [item["submission_id"] for item in (design, built, revised)]
    assert [model["state"] for model in line] == ["anchored", "accepted", "anchored"]
    assert [model["pending"] for model in line] == [False, True, True]
    index(world)
    line = world.get(key)["items"]
    assert [model["predecessor"] and model["predecessor"]["submission_id"] for model in line] == [
        None,
        design["submission_id"],
        built["submission_id"],
    ]
    assert [model["indexed"] for model in line] == [True] * 3
    changes = [model["changes"] for model in line]
    assert changes[0] is None
    assert (changes[1]["added"], changes[1]["deleted"], changes[1]["reissued"]) == (6, 0, 0)
    assert changes[2] == {"added": 0, "deleted": 0, "changed": 2, "reissued": 0, "resources_changed": 0}
    walked, cursor = [], None
    while True:
        page = world.get(key, params={"limit": 1} | ({"cursor": cursor} if cursor else {}))
        walked += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert walked == line


def test_the_predecessor_is_the_one_that_shares_most_where_names_say_nothing(world: World) -> None:
    unit = world.new_unit_project()
    handed_over(world, unit, {"a.ifc": house(scheme="x"), "b.ifc": house(doors=1)}, "design")
    later = handed_over(world, unit, {"c.ifc": house(doors=2)}, "as_built")
    key = f"/unit-projects/{unit['unit_project_key']}/models"
    (last,) = [model for model in world.get(key)["items"] if model["submission_id"] == later["submission_id"]]
    assert (last["predecessor"], last["pending"]) == (None, True)
    index(world)
    (last,) = [model for model in world.get(key)["items"] if model["submission_id"] == later["submission_id"]]
    assert last["predecessor"]["name"] == "b.ifc"
    assert not last["pending"]


def test_what_was_returned_or_not_recorded_is_not_continued(world: World) -> None:
    unit = world.new_unit_project()
    returned = world.anchored(unit, {NAME: DESIGN}, models=[entry_of_model(DESIGN)])
    world.post(f"/submissions/{returned.ref}/return", world.return_body(returned, [(None, "缺签字")]), 202)
    world.settle()
    world.frozen(unit, {NAME: BUILT}, models=[entry_of_model(BUILT, stage="as_built")])
    line = world.get(f"/unit-projects/{unit['unit_project_key']}/models")["items"]
    assert [(model["state"], model["predecessor"]) for model in line] == [("returned", None), ("sealing", None)]
    last = f"{line[1]['submission']}/models/0/changes"
    world.refuse("GET", f"/submissions/{last}", 404, "no_predecessor")


def test_says_what_changed_from_any_model_to_another(world: World) -> None:
    unit = world.new_unit_project()
    first = handed_over(world, unit, {NAME: DESIGN}, "design", accept=False)
    second = handed_over(world, unit, {NAME: BUILT}, "as_built", accept=False)
    path = f"/submissions/{second['submission_id']}/models/0/changes"
    record = world.get(path)
    assert record["format"] == "yunshang-bim-change/v1"
    assert (record["from"]["stage"], record["to"]["stage"]) == ("design", "as_built")
    assert {item["class"] for item in record["added"]} == {"IfcDoor", "IfcPropertySet", "IfcRelDefinesByProperties"}
    assert {item["global_id"]: item["aspects"] for item in record["changed"]}[guid("door0-0")] == ["properties"]
    assert world.get(path, params={"from": f"{first['id']}:0"}) == record
    back = world.get(
        f"/submissions/{first['submission_id']}/models/0/changes", params={"from": f"{second['submission_id']}:0"}
    )
    assert [item["global_id"] for item in back["deleted"]] == [item["global_id"] for item in record["added"]]
    for wrong in ("x", f"{first['id']}:x", ":0"):
        assert world.client.get(f"/api/v1{path}", params={"from": wrong}).status_code in (404, 422)
    world.refuse("GET", f"{path}?from={first['id']}:7", 404, "not_found")
    elsewhere = handed_over(world, world.new_unit_project(), {NAME: DESIGN}, "design", accept=False)
    world.refuse("GET", f"{path}?from={elsewhere['id']}:0", 404, "not_found")
    # Neither in another project nor in this one does the answer tell whether there is such a handover.
    drafts = [elsewhere["id"], world.draft(unit)["id"], str(uuid.uuid4())]
    operator = world.person(
        {
            "role": "party_operator",
            "organisation_code": world.parties[Role.DESIGNER].certificate.organisation_code,
            "unit_project_key": unit["unit_project_key"],
        }
    )
    answers = [operator.get(f"/api/v1{path}", params={"from": f"{ref}:99"}) for ref in drafts]
    assert {answer.status_code for answer in answers} == {404}
    texts = [answer.text.replace(ref, "") for ref, answer in zip(drafts, answers, strict=True)]
    assert texts[0] == texts[2]
    assert texts[1] != texts[2]  # that one they know of


def test_makes_one_comparison_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    unit = world.new_unit_project()
    handed_over(world, unit, {NAME: house(doors=11)}, "design", accept=False)
    later = handed_over(world, unit, {NAME: house(doors=12)}, "as_built", accept=False)
    path = f"/submissions/{later['submission_id']}/models/0/changes"
    monkeypatch.setattr("archive_api.bim.library._COMPARING_SECONDS", 0.1)
    with world.services.models._comparing:
        problem = world.client.get(f"/api/v1{path}")
    assert (problem.status_code, problem.json()["code"]) == (503, "model_busy")
    assert world.get(path)["format"] == "yunshang-bim-change/v1"


def test_shows_what_was_sealed_whatever_the_rows_say(world: World) -> None:
    prepared = world.anchored(files={NAME: DESIGN, "D/x.txt": b"x"}, models=[entry_of_model(DESIGN)])
    path = f"/submissions/{prepared.ref}/models"
    before = world.get(path)
    with world.services.database.transaction() as session:
        pk = "(select id from submissions where ref = :ref)"
        edit = f"update models set root = '00', stage = 'planning', name = 'forged' where submission_pk = {pk}"
        session.connection().execute(text(edit), {"ref": prepared.ref})
    assert world.get(path) == before
    with world.services.database.transaction() as session:
        edit = f"update models set leaf_index = 1 - leaf_index where submission_pk = {pk}"
        session.connection().execute(text(edit), {"ref": prepared.ref})
    world.refuse("GET", path, 409, "statement_changed")


def test_a_withdrawn_statement_has_no_models(world: World) -> None:
    prepared = world.frozen(files={NAME: DESIGN}, models=[entry_of_model(DESIGN)])
    world.post(f"/submissions/{prepared.ref}/withdrawal", world.withdrawal(prepared, Role.OWNER), 200)
    assert world.get(f"/submissions/{prepared.ref}/models")["items"] == []


# Change records


def link_of(earlier: bytes, later: bytes, submission: str | None) -> ChangeLink:
    one, other = facts_of(earlier), facts_of(later)
    return ChangeLink(
        from_sha256=one.file_sha256,
        from_root=one.root,
        from_submission=None if submission is None else bytes.fromhex(submission[2:]),
        to_sha256=other.file_sha256,
        to_root=other.root,
    )


def with_record(world: World, unit: JSON, record: bytes, link: JSON) -> Prepared:
    path = "BIM变更记录/x.gz"
    return world.sent(
        unit,
        {NAME: BUILT, path: record},
        models=[entry_of_model(BUILT, stage="as_built")],
        details={path: {"media_type": CHANGE_MEDIA_TYPE, "extensions": link}},
    )


def test_takes_a_change_record_that_it_computes_too(world: World, tmp_path: Path) -> None:
    unit = world.new_unit_project()
    first = handed_over(world, unit, {NAME: DESIGN}, "design", accept=False)
    record = change_record(DESIGN, BUILT, tmp_path, ("design", "as_built"))
    prepared = with_record(world, unit, record, link_of(DESIGN, BUILT, first["submission_id"]).to_json())
    assert statement(world, prepared)["statement"]["message"]["documentCount"] == 2
    assert len(parse_change_record(record).difference.added) == 6


@pytest.mark.parametrize("change", ["stage", "trailing", "not gzip", "other models", "root", "submission", "extension"])
def test_refuses_a_change_record_that_says_something_else(world: World, tmp_path: Path, change: str) -> None:
    unit = world.new_unit_project()
    first = handed_over(world, unit, {NAME: DESIGN}, "design", accept=False)
    link = link_of(DESIGN, BUILT, first["submission_id"])
    record = change_record(DESIGN, BUILT, tmp_path, ("design", None if change == "stage" else "as_built"))
    if change == "trailing":
        record += b"x"
    elif change == "not gzip":
        record = b"{}"
    elif change == "other models":
        record = change_record(BUILT, BUILT, tmp_path, ("design", "as_built"))
    elif change == "root":
        link = dataclasses.replace(link, from_root=bytes(32))
    elif change == "submission":
        link = dataclasses.replace(link, from_submission=bytes(32))
    problem = statement(
        world,
        with_record(world, unit, record, {} if change == "extension" else link.to_json()),
        422 if change == "extension" else 409,
    )
    assert problem["code"] == ("bim_change" if change == "extension" else "commitment_mismatch")
    assert problem["values"]["where"].startswith("entries[0]")


# Elements


@pytest.fixture(scope="module")
def looked_up(archive: World) -> str:
    """Path of a model whose index is there."""
    unit = archive.new_unit_project()
    shown = handed_over(archive, unit, {NAME: DESIGN}, "as_built", accept=False)
    index(archive)
    return f"/submissions/{shown['submission_id']}/models/0"


def found(world: World, path: str, **wanted: str) -> list[str]:
    return [item["global_id"] for item in world.get(f"{path}/elements", params={"limit": 1000, **wanted})["items"]]


def test_finds_elements_by_class_name_storey_and_property(world: World, looked_up: str) -> None:
    doors = [guid(f"door{level}-{number}") for level in range(2) for number in range(3)]
    assert found(world, looked_up, **{"class": "IfcDoor"}) == doors
    assert found(world, looked_up, **{"class": "ifcdoor", "storey": "二层"}) == doors[3:]
    assert found(world, looked_up, **{"class": "IfcWall"}) == [guid("wall0"), guid("wall1")]  # a subtype
    assert len(found(world, looked_up, **{"class": "IfcBuildingElement"})) == 8
    assert found(world, looked_up, name="oor1-") == doors[3:]
    assert found(world, looked_up, name="%") == []
    assert found(world, looked_up, property="FireRating") == doors
    assert found(world, looked_up, property="Pset_DoorCommon.FireRating", value="乙级", name="-1") == [
        doors[1],
        doors[4],
    ]
    assert found(world, looked_up, property="FireRating", value="甲级") == []
    assert found(world, looked_up, property="Pset_WallCommon.FireRating") == []
    assert found(world, looked_up, **{"class": "IfcNothing"}) == []
    everything = found(world, looked_up)
    assert guid("building") in everything
    assert not [name for name in everything if name.startswith(("rel", "def", "pset"))]
    assert len(found(world, looked_up, **{"class": "IfcRelationship"})) == 10


def test_walks_elements_page_by_page(world: World, looked_up: str) -> None:
    walked, cursor = [], None
    while True:
        params = {"limit": 4, "class": "IfcDoor"} | ({"cursor": cursor} if cursor else {})
        page = world.get(f"{looked_up}/elements", params=params)
        walked += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(walked) == 6
    assert walked[0] == {"global_id": guid("door0-0"), "class": "IfcDoor", "name": "door0-0", "storey": "一层"}
    world.refuse("GET", f"{looked_up}/elements?cursor=AAAA", 422, "cursor_malformed")


def test_shows_one_element_with_its_proof(world: World, looked_up: str) -> None:
    shown = world.get(f"{looked_up}/elements/{quote(guid('door1-2'), safe='')}")
    assert (shown["class"], shown["name"], shown["storey"]) == ("IfcDoor", "door1-2", "二层")
    assert [holder["name"] for holder in shown["spatial_path"]] == ["project", "building", "二层"]
    assert shown["properties"] == [{"set": "Pset_DoorCommon", "name": "FireRating", "value": "乙级", "unit": None}]
    assert {"name": "OverallWidth", "value": "0.9"} in shown["attributes"]
    assert shown["aspects"]["identity"].startswith("IFCDOOR[0:'door1-2")
    root = bytes.fromhex(world.get(looked_up)["root"])
    assert ElementProof.from_json(shown["proof"]).verify(root).class_name == "IfcDoor"
    world.refuse("GET", f"{looked_up}/elements/nobody", 404, "not_found")


def test_asks_to_come_again_while_the_index_is_made(world: World) -> None:
    content = house(doors=7)
    shown = world.frozen(files={NAME: content}, models=[entry_of_model(content)])
    path = f"/submissions/{shown.ref}/models/0/elements"
    response = world.client.get(f"/api/v1{path}")
    assert (response.status_code, response.json()["code"]) == (503, "model_index_pending")
    assert response.headers["Retry-After"]
    index(world)
    assert len(found(world, path.removesuffix("/elements"), **{"class": "IfcDoor"})) == 14


def test_gives_no_proof_of_an_element_whose_global_id_is_there_twice(world: World) -> None:
    content = house(twice=True)
    shown = world.frozen(files={NAME: content}, models=[entry_of_model(content)])
    assert world.get(f"/submissions/{shown.ref}/models/0")["counts"]["duplicate_global_ids"] == 1
    index(world)
    path = f"/submissions/{shown.ref}/models/0/elements/{quote(guid('door0-0'), safe='')}"
    world.refuse("GET", path, 422, "duplicate_global_id")
