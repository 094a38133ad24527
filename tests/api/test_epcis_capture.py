"""Capturing by the EPCIS 2.0 REST binding: jobs, seals, duplicates, declarations."""

from __future__ import annotations

import json

import pytest

from ledger.types import Role

from .epcis_world import EpcisWorld, document_of, epcis_world, object_event
from .world import World


@pytest.fixture
def epcis(world: World) -> EpcisWorld:
    return epcis_world(world)


def test_captures_a_document_and_tells_of_its_place(epcis: EpcisWorld) -> None:
    first, second = object_event(), object_event(eventID="urn:uuid:831c0292-4de1-430a-8255-2aca821abaab")
    response = epcis.send(document_of([first, second]))
    assert response.status_code == 202, response.text
    where = response.headers["location"]
    job = epcis.world.client.get(where).json()
    assert (job["running"], job["success"], job["errors"]) == (True, True, [])
    assert job["firstIndex"] is None
    epcis.sequencer.round(publish=True)
    job = epcis.world.client.get(where).json()
    assert (job["running"], job["firstIndex"], job["eventCount"]) == (False, 0, 2)
    assert job["finishedAt"]
    assert job["reporter"] == epcis.world.parties[Role.CONTRACTOR].certificate.organisation_code
    shown = epcis.event(job["hashIDs"][0])
    assert shown[0]["epcList"] == first["epcList"]
    assert shown[0]["eventID"] == job["hashIDs"][0]
    assert epcis.event("urn:uuid:831c0292-4de1-430a-8255-2aca821abaab")[0]["epcList"] == second["epcList"]
    assert epcis.event(job["hashIDs"][1])[0]["eventID"] == "urn:uuid:831c0292-4de1-430a-8255-2aca821abaab"


def test_refuses_known_events_with_their_ids_and_pointers(epcis: EpcisWorld) -> None:
    known = object_event(eventID="urn:uuid:00000000-0000-4000-8000-000000000001")
    epcis.capture(known)
    again = document_of([object_event(), {name: value for name, value in known.items() if name != "eventID"}])
    problem = epcis.refuse(again, 409, "event_known")
    assert problem["type"] == "epcisException:ResourceAlreadyExistsException"
    assert [item["pointer"] for item in problem["values"]["events"]] == ["/epcisBody/eventList/1"]
    other = document_of([object_event(eventID=known["eventID"])])
    problem = epcis.refuse(other, 409, "event_known")
    assert problem["values"]["events"][0]["event_id"] == known["eventID"]


def test_captures_one_event(epcis: EpcisWorld) -> None:
    event = {"@context": document_of([])["@context"], **object_event(eventID="https://example.org/events/1?a=b")}
    response = epcis.send(event, path="/events")
    assert response.status_code == 201, response.text
    found = epcis.world.client.get(response.headers["location"])
    assert found.status_code == 200
    assert found.json()["epcisBody"]["queryResults"]["resultsBody"]["eventList"][0]["eventID"] == event["eventID"]
    assert epcis.send(event, path="/events").status_code == 409


def test_keeps_a_declaration_beside_its_event(epcis: EpcisWorld) -> None:
    event = object_event(eventID="urn:uuid:00000000-0000-4000-8000-000000000002")
    corrected = object_event(eventID="urn:uuid:00000000-0000-4000-8000-000000000003")
    declaration = {
        **event,
        "errorDeclaration": {
            "declarationTime": "2026-11-28T08:00:00+08:00",
            "reason": "incorrect_data",
            "correctiveEventIDs": [corrected["eventID"]],
        },
    }
    epcis.capture(event)
    epcis.capture(declaration, corrected)
    shown = epcis.event(event["eventID"])
    assert ["errorDeclaration" in item for item in shown] == [False, True]
    assert len(epcis.events("EXISTS_errorDeclaration=true")) == 1
    assert len(epcis.events("EQ_errorReason=incorrect_data")) == 1
    assert len(epcis.events(f"EQ_correctiveEventID={corrected['eventID']}")) == 1
    assert len(epcis.events(f"EQ_eventID={event['eventID']}")) == 2
    epcis.refuse(document_of([declaration]), 409, "event_known")
    altered = {**declaration, "errorDeclaration": {**declaration["errorDeclaration"], "reason": "did_not_occur"}}
    epcis.capture(altered)  # another declaration, not another version of the first
    assert len(epcis.event(event["eventID"])) == 3


def test_streams_are_apart(epcis: EpcisWorld) -> None:
    event = object_event()
    epcis.capture(event)
    assert epcis.events("Yunshang-Stream=funds") == []
    epcis.capture(event, stream="funds")
    assert len(epcis.events(headers={"Yunshang-Stream": "funds"})) == 1
    assert len(epcis.events()) == 1


def test_refuses_seals_that_do_not_count(epcis: EpcisWorld) -> None:
    document = document_of([object_event()])
    data = json.dumps(document).encode()
    over_others = epcis.seal(json.dumps(document_of([object_event()])).encode())
    problem = epcis.refuse(document, 400, "invalid_seal", seal=over_others)
    assert problem["type"] == "epcisException:ValidationException"
    epcis.refuse(document, 400, "seal_malformed", seal="%%%")
    epcis.refuse(document, 400, "invalid_seal", seal=epcis.seal(data, stream="funds"))
    stranger = epcis.world.key_store("91440101MA5Y3K7TXY", "外地供应商有限公司")
    epcis.refuse(document, 400, "certificate_not_registered", seal=epcis.seal(data, key=stranger))
    response = epcis.ask("POST", "/capture", content=data, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (400, "seal_missing")
