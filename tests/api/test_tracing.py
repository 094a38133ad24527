"""Traces and findings through the API: every event proved, members only, other buildings not shown."""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import quote

import networkx
import pytest
from sqlalchemy import update
from sqlmodel import col

from archive_api.certificates.models import CertificateRow
from archive_api.supply.models import SupplyEvent
from archive_api.tracing.context import HIDDEN_BUILDING
from ledger.canonical import canonical_record
from ledger.log.checkpoint import SignedCheckpoint
from ledger.log.record import RecordEntry
from ledger.merkle import InclusionProof, leaf_hash, verify_inclusion
from ledger.supply.findings import RULES
from ledger.supply.sample import clean_project, project_with
from ledger.supply.terms import EventKind, kind_of
from ledger.types import Role

from .epcis_world import EpcisWorld
from .tracing_world import Captured, captured, report, reporters
from .world import JSON, World, organisation_code


@pytest.fixture(scope="module")
def clean(archive: World) -> Captured:
    return captured(archive, clean_project(1))


@pytest.fixture
def element(clean: Captured) -> str:
    """An element that rebar was built into, cut on site."""
    return next(iter(clean.project.context.model or {}))


def lots(document: JSON) -> list[str]:
    return [thing["name"] for thing in document["things"] if thing["kind"] == "lot"]


def kinds(document: JSON) -> set[str | None]:
    return {event["kind"] for event in document["events"]}


def check_proofs(world: World, document: JSON) -> None:
    """Verify every event with the core alone, under the checkpoint and the log's own key."""
    heads = {}
    for stream, head in document["checkpoints"].items():
        signed = SignedCheckpoint.parse(head["checkpoint"].encode())
        signed.verify(world.services.streams.key, head["origin"])
        assert (signed.checkpoint.origin, signed.checkpoint.size) == (head["origin"], head["size"])
        heads[stream] = signed.checkpoint
    for event in document["events"]:
        proof, head = event["proof"], heads[event["stream"]]
        entry = RecordEntry.parse(proof["entry"].encode())
        path = tuple(map(bytes.fromhex, proof["path"]))
        inclusion = InclusionProof(event["index"], head.size, path)
        verify_inclusion(leaf_hash(proof["entry"].encode()), inclusion, head.root)
        assert entry.record_id == event["hash_id"]
        assert entry.record_sha256.hex() == event["record_sha256"]
        assert entry.reporter == event["reporter"]
        assert "0x" + entry.capture.hex() == proof["capture_id"]
        inner = InclusionProof(
            proof["record_index"], proof["record_count"], tuple(map(bytes.fromhex, proof["record_path"]))
        )
        record = canonical_record(event["record"])
        verify_inclusion(leaf_hash(record), inner, bytes.fromhex(proof["records_root"]))


def test_an_element_is_traced_from_contract_to_payment_with_a_proof_of_each_event(
    clean: Captured, element: str
) -> None:
    document = clean.trace(element=element)
    assert kinds(document) >= {
        "contract",
        "order",
        "commissioning",
        "shipment",
        "arrival",
        "sampling",
        "test_report",
        "acceptance",
        "installation",
        "payment_application",
        "payment_approval",
        "payment",
    }
    assert document["truncated"] is False
    assert document["building_key"] == clean.building
    check_proofs(clean.world, document)


def test_every_element_leads_to_its_lots_and_every_lot_back_to_it(clean: Captured) -> None:
    installed = [event for event in clean.project.events if kind_of(event.record) is EventKind.INSTALLATION]
    traced = 0
    for event in installed[:4]:
        for part in event.record["yunshang:elements"][:2]:
            found = clean.trace(element=part["yunshang:globalId"], proofs=False)
            for lot in lots(found):
                forward = clean.trace(lot=lot, proofs=False)
                assert part["yunshang:globalId"] in {thing["name"] for thing in forward["things"]}
                traced += 1
    assert traced >= 4


def test_every_document_leads_to_what_it_is_about(clean: Captured) -> None:
    reports = [event for event in clean.project.events if kind_of(event.record) is EventKind.TEST_REPORT]
    for event in reports[:3]:
        document = clean.trace(document=event.record["yunshang:report"])
        assert {"test_report", "acceptance", "installation"} <= kinds(document)
        check_proofs(clean.world, document)


def test_a_trace_is_a_part_of_the_building_not_all_of_it(clean: Captured, element: str) -> None:
    document = clean.trace(element=element)
    assert len(document["events"]) < len(clean.project.events) / 3


def test_without_proofs_it_still_says_as_of_which_checkpoint(clean: Captured, element: str) -> None:
    document = clean.trace(element=element, proofs=False)
    assert all("proof" not in event for event in document["events"])
    assert document["checkpoints"]["supply"]["size"] == sum(event.stream == "supply" for event in clean.project.events)


def test_a_limit_is_said(clean: Captured, element: str) -> None:
    document = clean.trace(element=element, max_events=3)
    assert (len(document["events"]), document["truncated"]) == (3, True)
    check_proofs(clean.world, document)


def test_graphml_and_picture(clean: Captured, element: str) -> None:
    client = clean.world.client
    where = f"/api/v1{clean.root}/trace"
    answer = client.get(where, params={"element": element, "format": "graphml"})
    assert answer.headers["content-type"].startswith("application/graphml+xml")
    document = clean.trace(element=element)
    read = networkx.read_graphml(io.BytesIO(answer.content), force_multigraph=True)
    assert read.number_of_nodes() == len(document["events"]) + len(document["things"])
    drawn = client.get(where, params={"element": element, "format": "svg"})
    assert drawn.headers["content-type"].startswith("image/svg+xml")
    assert "材料追溯" in drawn.text
    assert "检查点" in drawn.text


def test_an_event_that_waits_for_a_checkpoint_has_no_proof_yet(world: World) -> None:
    project = captured(world, clean_project(2))
    element = next(iter(project.project.context.model or {}))
    before = project.trace(element=element)
    again = clean_project(3)
    report_of = next(event for event in again.events if kind_of(event.record) is EventKind.INSTALLATION)
    record = dict(report_of.record)
    part = {"yunshang:globalId": element, "yunshang:modelRoot": "0x" + "11" * 32}
    record["yunshang:elements"] = [part]
    epcis = EpcisWorld(world, project.building)
    data = json.dumps(record).encode()
    response = epcis.send(data, path="/events", seal=epcis.seal(data))
    assert response.status_code == 201, response.text
    after = project.trace(element=element)
    fresh = [event for event in after["events"] if event["index"] is None]
    assert [event["proof"] for event in fresh] == [None]
    assert len(after["events"]) == len(before["events"]) + 1


@pytest.mark.parametrize(
    ("wanted", "status", "code"),
    [
        ({}, 422, "trace_seed"),
        ({"element": "a", "lot": "b"}, 422, "trace_seed"),
        ({"lot": "urn:epc:idpat:sgtin:4012345.012345.*"}, 422, "trace_not_a_lot"),
        ({"lot": "urn:epc:class:lgtin:4012345.012345.404"}, 404, "trace_nothing"),
        ({"document": "AB" * 32}, 422, "malformed"),
        ({"element": "x" * 1001}, 422, "malformed"),
        ({"element": "a", "format": "png"}, 422, "malformed"),
        ({"element": "a", "max_events": 0}, 422, "malformed"),
    ],
)
def test_refuses_what_can_not_be_traced(clean: Captured, wanted: JSON, status: int, code: str) -> None:
    assert clean.trace(status, **wanted)["code"] == code


def test_a_row_that_was_edited_is_not_proved(world: World) -> None:
    project = captured(world, clean_project(4))
    element = next(iter(project.project.context.model or {}))
    installed = next(e for e in project.trace(element=element)["events"] if e["kind"] == "installation")
    record = dict(installed["record"]) | {"yunshang:note": "改过的"}
    with world.services.database.transaction() as session:
        session.execute(
            update(SupplyEvent)
            .where(col(SupplyEvent.record_sha256) == installed["record_sha256"])
            .values(body=canonical_record(record).decode())
        )
    assert project.trace(409, element=element)["code"] in ("root_mismatch", "statement_changed")


def test_what_was_declared_in_error_is_shown_with_what_corrects_it(world: World) -> None:
    project = captured(world, project_with("corrected_after_acceptance", 8))
    declared = next(event for event in project.project.events if event.is_declaration)
    lot = next(item["epcClass"] for item in declared.record["quantityList"])
    document = project.trace(lot=lot)
    check_proofs(world, document)
    (declaration,) = [event for event in document["events"] if event["declares_error"]]
    (annulled,) = [event for event in document["events"] if event["annulled"]]
    assert declaration["hash_id"] == annulled["hash_id"] == declared.hash_id
    assert declaration["record_sha256"] != annulled["record_sha256"]
    edges = {(edge["source"], edge["target"], edge["kind"]) for edge in document["edges"]}
    assert (declaration["id"], annulled["id"], "declares_error") in edges
    assert any(target == annulled["id"] and kind == "corrects" for _, target, kind in edges)
    assert [event["hash_id"] for event in project.trace(lot=lot, proofs=False)["events"]] == [
        event["hash_id"] for event in document["events"]
    ]


def test_only_members_of_the_building_and_auditors(clean: Captured, element: str) -> None:
    world = clean.world
    member = world.person(
        {"role": "party_operator", "organisation_code": world.parties[Role.DESIGNER].certificate.organisation_code}
    )
    auditor = world.person({"role": "auditor"})
    stranger = world.person({"role": "party_operator", "organisation_code": organisation_code(4321)})
    for path in (f"trace?element={quote(element, safe='')}", "findings"):
        where = f"/api/v1{clean.root}/{path}"
        assert member.get(where).status_code == 200, path
        assert auditor.get(where).status_code == 200, path
        assert stranger.get(where).status_code == 404, path
        assert world.anonymous().get(where).status_code in (401, 404), path


def rules(document: JSON) -> set[str]:
    return {finding["rule"] for finding in document["findings"]}


def test_nothing_is_found_in_a_project_that_agrees_and_what_was_not_checked_is_said(clean: Captured) -> None:
    document = clean.findings()
    assert document["findings"] == []
    assert document["events"] == len(clean.project.events)
    assert {item["rule"] for item in document["unchecked"]} == {"element_without_record", "element_unknown"}
    assert set(document["rules"]) == set(RULES)
    assert document["checkpoints"].keys() == {"supply", "funds"}


def test_a_certificate_that_ended_before_is_found(world: World) -> None:
    project = captured(world, clean_project(6))
    supplier = project.project.parties["steel"]
    certificate = reporters(world, project.project)[supplier].certificate
    with world.services.database.transaction() as session:
        session.execute(
            update(CertificateRow)
            .where(col(CertificateRow.certificate_id) == certificate.certificate_id.hex())
            .values(not_after=certificate.not_before)
        )
    document = project.findings()
    assert rules(document) == {"certificate_not_valid"}
    assert {event["reporter"] for item in document["findings"] for event in item["events"]} == {supplier}


def test_a_lot_in_two_buildings_is_found_and_the_other_building_named_to_who_may_see_it(world: World) -> None:
    project = clean_project(7)
    first = captured(world, project)
    second = str(world.new_building()["building_key"])
    world.settle()
    arrivals = [event for event in project.events if kind_of(event.record) is EventKind.ARRIVAL]
    report(world, second, arrivals[:1], reporters(world, project))
    document = first.findings()
    assert rules(document) == {"lot_in_two_buildings"}
    assert document["findings"][0]["detail"]["buildings"] == second
    party = world.parties[Role.DESIGNER].certificate.organisation_code  # of the first building, not of the second
    member = world.person({"role": "party_operator", "organisation_code": party})
    shown = member.get(f"/api/v1{first.root}/findings").json()
    assert rules(shown) == {"lot_in_two_buildings"}
    assert second not in json.dumps(shown)
    assert shown["findings"][0]["detail"]["buildings"] == HIDDEN_BUILDING


def test_findings_of_too_many_events_are_refused(clean: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archive_api.tracing.findings.MAX_EVENTS", 3)
    refused: Any = clean.world.get(f"{clean.root}/findings", 422)
    assert refused["code"] == "findings_too_many"
