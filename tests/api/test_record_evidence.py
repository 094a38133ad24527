"""Evidence of events and data sets out of the archive, verified as anybody would with trust file and node."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from archive_api.streams.keeper import StreamKeeper
from ledger.cli.seals import CadesSeals
from ledger.cli.verify import event_namer
from ledger.record_evidence import RecordEvidence
from ledger.record_verify import verify_record
from ledger.report import AnchorLevel, Outcome, VerificationReport
from ledger.supply.document import read_document
from ledger.trust import TrustFile

from .datasets_world import City
from .epcis_world import EpcisWorld, document_of, object_event
from .world import World


@pytest.fixture
def epcis(world: World) -> EpcisWorld:
    building = world.new_building()["building_key"]
    world.settle()
    return EpcisWorld(world, str(building))


def anchored(world: World) -> None:
    """Give every capture its place, and every log's head its block."""
    EpcisWorld(world, "").sequencer.round(publish=True)
    StreamKeeper(world.services).round(now=True)
    world.settle()


def hashes(*events: Any) -> list[str]:
    """The hashes of events, hex."""
    document = read_document(json.dumps(document_of(events)).encode())
    return [event.hash_id.removeprefix("ni:///sha-256;").partition("?")[0] for event in document.events]


def evidence(world: World, path: str, status: int = 200) -> bytes:
    response = world.client.get(f"/api/v1{path}/evidence")
    assert response.status_code == status, response.text
    return response.content


def verify(world: World, bundle: bytes, **given: Any) -> VerificationReport:
    return verify_record(
        bundle,
        given.pop("trust", world.services.trust),
        seal_checker=CadesSeals(),
        now=world.services.now(),
        name_event=event_namer(),
        chain=world.services.chain,
        required_level=AnchorLevel.OBSERVED,
        **given,
    )


def test_an_events_evidence_passes_with_the_verifiers_own_node(epcis: EpcisWorld) -> None:
    events = [object_event() for _ in range(3)]
    epcis.capture(*[object_event() for _ in range(5)])
    epcis.capture(*events)
    anchored(epcis.world)
    for number, digest in enumerate(hashes(*events)):
        bundle = evidence(epcis.world, f"/buildings/{epcis.building}/events/{digest}")
        report = verify(epcis.world, bundle)
        assert report.outcome is Outcome.PASSED, report.decisive
        assert report.level is AnchorLevel.OBSERVED
        assert report.subject["record"]["id"] == f"ni:///sha-256;{digest}?ver=CBV2.0"
        read = RecordEvidence.parse(bundle)
        assert (read.record_proof.leaf_index, read.log_proof.leaf_index) == (number, 5 + number)


def test_evidence_names_the_first_anchored_head_of_an_entry(epcis: EpcisWorld) -> None:
    first, second = object_event(), object_event()
    epcis.capture(first)
    anchored(epcis.world)
    epcis.capture(second)
    anchored(epcis.world)
    sizes = [
        RecordEvidence.parse(evidence(epcis.world, f"/buildings/{epcis.building}/events/{digest}")).log_proof.tree_size
        for digest in hashes(first, second)
    ]
    assert sizes == [1, 2]


def test_what_is_not_anchored_yet_is_indeterminate(epcis: EpcisWorld) -> None:
    event = object_event()
    epcis.capture(event)
    path = f"/buildings/{epcis.building}/events/{hashes(event)[0]}"
    epcis.world.refuse("GET", f"{path}/evidence", 404, "log_entry_not_found")
    epcis.sequencer.round(publish=True)
    report = verify(epcis.world, evidence(epcis.world, path))
    assert report.outcome is Outcome.INDETERMINATE
    assert report.decisive is not None
    assert report.decisive.finding.reason == "head_not_recorded"


def test_another_trust_file_does_not_pass(epcis: EpcisWorld) -> None:
    event = object_event()
    epcis.capture(event)
    anchored(epcis.world)
    bundle = evidence(epcis.world, f"/buildings/{epcis.building}/events/{hashes(event)[0]}")
    own: TrustFile = epcis.world.services.trust
    pin = dataclasses.replace(own.logs[0], key=bytes(32))
    assert verify(epcis.world, bundle, trust=dataclasses.replace(own, logs=(pin,))).outcome is Outcome.FAILED
    assert verify(epcis.world, bundle, trust=dataclasses.replace(own, logs=())).outcome is Outcome.INDETERMINATE


def test_a_data_sets_evidence_passes(world: World) -> None:
    city = City(world)
    record = city.version()
    city.send(record)
    anchored(world)
    bundle = evidence(world, f"/datasets/0x{record.ref.key.hex()}/versions/{record.ref.version}")
    report = verify(world, bundle)
    assert report.outcome is Outcome.PASSED, report.decisive
    assert report.subject["record"]["id"] == record.ref.text
    assert report.subject["stream"] == "datasets"


def test_unknown_events_and_other_buildings_have_none(epcis: EpcisWorld) -> None:
    event = object_event()
    epcis.capture(event)
    anchored(epcis.world)
    other = epcis.world.new_building()["building_key"]
    epcis.world.settle()
    digest = hashes(event)[0]
    epcis.world.refuse("GET", f"/buildings/{other}/events/{digest}/evidence", 404, "event_not_found")
    epcis.world.refuse("GET", f"/buildings/{epcis.building}/events/{'0' * 64}/evidence", 404, "event_not_found")
    epcis.world.refuse("GET", f"/buildings/{epcis.building}/events/{'0' * 63}/evidence", 422, "malformed")


def test_strangers_get_none(epcis: EpcisWorld) -> None:
    event = object_event()
    epcis.capture(event)
    anchored(epcis.world)
    stranger = TestClient(epcis.world.client.app, raise_server_exceptions=False)
    answer = stranger.get(f"/api/v1/buildings/{epcis.building}/events/{hashes(event)[0]}/evidence")
    assert answer.status_code in (401, 403, 404)


def test_the_server_verifies_a_records_evidence_too(epcis: EpcisWorld) -> None:
    event = object_event()
    epcis.capture(event)
    anchored(epcis.world)
    bundle = evidence(epcis.world, f"/buildings/{epcis.building}/events/{hashes(event)[0]}")
    asked = {"params": {"require_anchor": "observed"}, "headers": {"Content-Type": "application/json"}}
    path = "/api/v1/verification/bundle"
    report = epcis.world.client.post(path, content=bundle, **asked).json()
    assert (report["verdict"], report["anchor_level"], report["parties"]) == ("PASSED", "observed", [])
    altered = bundle.replace(b'"arriving"', b'"shipping"')
    assert altered != bundle
    assert epcis.world.client.post(path, content=altered, **asked).json()["verdict"] == "FAILED"


def test_the_page_shows_a_records_verdict(epcis: EpcisWorld) -> None:
    event = object_event()
    epcis.capture(event)
    anchored(epcis.world)
    bundle = evidence(epcis.world, f"/buildings/{epcis.building}/events/{hashes(event)[0]}")
    page = epcis.world.client.post("/verify", files=[("files", ("event.json", bundle, "application/json"))])
    assert page.status_code == 200, page.text
    assert "报送单位签章" in page.text
    assert "五方签章" not in page.text.partition("<main")[2].partition("</main")[0]
    alone = epcis.world.client.post(
        "/verify", files=[("files", ("event.json", bundle, "")), ("files", ("a.txt", b"x", ""))]
    )
    assert "没有可与 --file 核对的文件" in alone.text
