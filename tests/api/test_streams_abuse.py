"""What somebody who may report could try to break with it: streams, captures, queries."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlmodel import select

from archive_api.streams.models import StreamRow
from archive_api.supply import reading, whole
from ledger.capture import MAX_CAPTURE_BYTES
from ledger.types import Role

from .epcis_world import CONTEXT, EpcisWorld, aggregation_event, document_of, epcis_world, object_event
from .world import JSON, World

PALLET, CARTON = "urn:epc:id:sscc:9521321.0000000201", "urn:epc:id:sscc:9521321.0000000202"


@pytest.fixture
def epcis(world: World) -> EpcisWorld:
    return epcis_world(world)


def aliased(epcis: EpcisWorld) -> EpcisWorld:
    """The same building under the key of an alias."""
    alias = epcis.world.post(
        f"/buildings/{epcis.building}/aliases",
        {"scheme": "yunshang", "value": f"440106-A{int(epcis.building[-5:], 16):07d}"},
    )
    epcis.world.settle()
    return EpcisWorld(epcis.world, str(alias["alias_key"]))


def streams_of(epcis: EpcisWorld) -> list[tuple[str | None, str]]:
    with epcis.world.services.database.reading() as session:
        return [(row.building_key, row.name) for row in session.exec(select(StreamRow)).all()]


def test_an_alias_is_no_second_stream(epcis: EpcisWorld) -> None:
    other = aliased(epcis)
    event = object_event()
    epcis.capture(event)
    again = other.send(document_of([event]), seal=epcis.seal(json.dumps(document_of([event])).encode()))
    assert (again.status_code, again.json()["code"]) == (409, "capture_known")
    assert other.send(document_of([object_event()])).status_code == 400  # sealed for the alias
    assert (other.building, "supply") not in streams_of(epcis)
    assert other.events() == epcis.events()


def test_records_that_no_capture_holds_are_refused_whole(epcis: EpcisWorld) -> None:
    heavy = [*CONTEXT, {f"p{number}": f"https://ns.example.org/{'x' * 900}{number}/" for number in range(60)}]
    document = document_of([object_event() for _ in range(MAX_CAPTURE_BYTES // 50_000)], **{"@context": heavy})
    problem = epcis.refuse(document, 413, "too_large")
    assert problem["values"]["findings"][0]["pointer"].startswith("/epcisBody/eventList")


def named(epcis: EpcisWorld, name: str, query: JSON) -> Any:
    return epcis.ask("POST", "/queries", json={"name": name, "query": query})


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"EXISTS_" + ":" * 60_000 + "\n": True}, "query_parameter"),
        ({f"EXISTS_urn:x:a{number}": False for number in range(51)}, "query_too_complex"),
        ({"MATCH_epc": [f"urn:epc:idpat:sgtin:{number}.*" for number in range(11)]}, "query_too_complex"),
    ],
)
def test_queries_that_would_take_minutes_are_refused(epcis: EpcisWorld, query: JSON, code: str) -> None:
    answer = named(epcis, "heavy", query)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_query_that_takes_long_is_answered_as_far_as_it_came(
    epcis: EpcisWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    epcis.capture(*(object_event() for _ in range(3)))
    whole = epcis.events("EXISTS_urn:x:a=false")
    monkeypatch.setattr(reading, "_SECONDS", 0.0)
    path, found = "/events?EXISTS_urn:x:a=false", []
    for _ in range(3):
        answer = epcis.ask("GET", path)
        found += answer.json()["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
        path = answer.links["next"]["url"].removeprefix(epcis.root) if "next" in answer.links else ""
        if not path:
            break
    assert found == whole
    refused = epcis.ask("GET", "/events?EXISTS_urn:x:a=false&maxEventCount=9")
    assert (refused.status_code, refused.json()["code"]) == (413, "query_too_complex")


def test_an_alias_has_the_queries_of_its_building(epcis: EpcisWorld) -> None:
    other = aliased(epcis)
    assert named(epcis, "arrivals", {"EQ_bizStep": ["arriving"]}).status_code == 201
    assert named(other, "arrivals", {"EQ_bizStep": ["arriving"]}).json()["code"] == "query_known"
    assert other.get("/queries/arrivals")["name"] == "arrivals"


def test_nobody_annuls_an_aggregation_of_another(epcis: EpcisWorld) -> None:
    packed = aggregation_event(PALLET, [CARTON])
    epcis.capture(packed)
    declared = {**packed, "errorDeclaration": {"declarationTime": "2026-11-28T09:00:00+08:00"}}
    data = json.dumps(document_of([declared])).encode()
    seal = epcis.seal(data, key=epcis.world.parties[Role.SUPERVISOR])
    assert epcis.send(data, seal=seal).status_code == 202
    turned = {**aggregation_event(CARTON, [PALLET]), "eventTime": packed["eventTime"]}
    assert epcis.send(document_of([turned])).json()["code"] == "aggregation_cycle"
    epcis.capture(declared | {"errorDeclaration": {"declarationTime": "2026-11-28T10:00:00+08:00"}})
    epcis.capture(turned)


def test_what_is_captured_already_is_not_put_into_the_store_again(epcis: EpcisWorld) -> None:
    document = document_of([object_event()])
    assert epcis.send(document).status_code == 202
    store = epcis.world.services.store
    kept = set(store.cids())
    data = json.dumps(document).encode()
    again = epcis.send(document, seal=epcis.seal(data, key=epcis.world.parties[Role.SUPERVISOR]))
    assert (again.status_code, again.json()["code"]) == (409, "capture_known")
    assert set(store.cids()) == kept


@pytest.mark.parametrize("path", ["findings", "funds/flow"])
def test_what_reads_every_event_is_bounded_and_takes_turns(
    epcis: EpcisWorld, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    declared = {**object_event(), "errorDeclaration": {"declarationTime": "2026-11-28T09:00:00+08:00"}}
    epcis.capture(declared)
    address = f"/buildings/{epcis.building}/{path}"
    epcis.world.get(address)
    with whole._TURN:
        monkeypatch.setattr(whole, "_WAIT_SECONDS", 0.01)
        epcis.world.refuse("GET", address, 429, "too_many_requests")
    monkeypatch.setattr(whole, "MAX_CHARACTERS", 10)
    epcis.world.refuse("GET", address, 422, "findings_too_many")
