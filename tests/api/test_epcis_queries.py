"""Queries by the EPCIS 2.0 REST binding: parameters, pages, words, named queries, headers."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from jsonschema_rs import Draft7Validator

from ledger.supply.document import read_document
from ledger.supply.sample import clean_project
from ledger.supply.schema import epcis_schema
from ledger.types import Role

from .epcis_world import EpcisWorld, aggregation_event, document_of, epcis_world, object_event
from .world import JSON, World

SCHEMA = Draft7Validator(epcis_schema(), validate_formats=True)
SITE = "https://id.example.org/414/9521321000013"
LOT = "urn:epc:class:lgtin:9521321.012345.QL"


@pytest.fixture(scope="module")
def epcis(archive: World) -> EpcisWorld:
    """A building with one event of each sort."""
    world = epcis_world(archive)
    world.capture(
        object_event(
            eventTime="2026-01-01T00:00:00Z",
            eventTimeZoneOffset="+00:00",
            eventID="urn:uuid:10000000-0000-4000-8000-000000000001",
            readPoint={"id": SITE},
            bizLocation={"id": SITE},
            disposition="in_transit",
            quantityList=[{"epcClass": LOT, "quantity": 12.5, "uom": "TNE"}],
            bizTransactionList=[{"type": "po", "bizTransaction": "urn:example:po:1"}],
            sourceList=[{"type": "owning_party", "source": "urn:example:party:1"}],
            **{"ex:colour": "red", "ex:weight": 7},
        ),
        aggregation_event(
            "urn:epc:id:sscc:9521321.0000000001",
            ["urn:epc:id:sgtin:9521321.055555.1", "urn:epc:id:sgtin:9521321.055555.2"],
            eventTime="2026-01-02T00:00:00+08:00",
            bizStep="packing",
        ),
        {
            "type": "TransformationEvent",
            "eventTime": "2026-01-03T00:00:00.123456789Z",
            "eventTimeZoneOffset": "+08:00",
            "inputEPCList": ["urn:epc:id:sgtin:9521321.055555.1"],
            "outputQuantityList": [{"epcClass": LOT, "quantity": 3}],
            "transformationID": "urn:example:transformation:1",
            "bizStep": "https://example.org/steps/cutting",
            "persistentDisposition": {"set": ["conformant"]},
        },
        object_event(
            eventTime="2026-01-04T00:00:00Z",
            eventTimeZoneOffset="+00:00",
            action="DELETE",
            sensorElementList=[
                {"sensorReport": [{"type": "Temperature", "value": 26.0, "uom": "CEL", "booleanValue": True}]}
            ],
        ),
    )
    return world


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", 4),
        ("eventType=ObjectEvent|TransformationEvent", 3),
        ("EQ_action=DELETE", 1),
        ("EQ_bizStep=packing", 1),
        ("EQ_bizStep=https%3A%2F%2Fref.gs1.org%2Fcbv%2FBizStep-packing", 1),
        ("EQ_bizStep=https%3A%2F%2Fexample.org%2Fsteps%2Fcutting", 1),
        ("EQ_disposition=in_transit", 1),
        (f"EQ_readPoint={SITE}", 1),
        (f"WD_bizLocation={SITE}", 1),
        ("EQ_readPoint=https%3A%2F%2Fexample.org%2Felsewhere", 0),
        ("GE_eventTime=2026-01-02T00:00:00Z", 2),
        ("LT_eventTime=2026-01-02T00:00:00Z", 2),
        ("GE_recordTime=2020-01-01T00:00:00Z&LT_recordTime=2099-01-01T00:00:00Z", 4),
        ("LT_recordTime=2020-01-01T00:00:00Z", 0),
        ("MATCH_epc=urn:epc:id:sgtin:9521321.055555.1", 1),
        ("MATCH_anyEPC=urn:epc:id:sgtin:9521321.055555.1", 2),
        ("MATCH_anyEPC=urn:epc:idpat:sgtin:9521321.055555.*", 2),
        ("MATCH_anyEPC=urn:epc:idpat:sgtin:9521321.05555.*", 0),
        ("MATCH_parentID=urn:epc:id:sscc:9521321.0000000001", 1),
        ("MATCH_inputEPC=urn:epc:id:sgtin:9521321.055555.1", 1),
        ("MATCH_outputEPC=urn:epc:id:sgtin:9521321.055555.1", 0),
        (f"MATCH_epcClass={LOT}", 1),
        (f"MATCH_outputEPCClass={LOT}", 1),
        (f"MATCH_anyEPCClass={LOT}", 2),
        ("EQ_quantity=12.5", 1),
        ("GT_quantity=3", 1),
        ("GE_quantity=3", 2),
        ("GE_quantity_TNE=1", 1),
        ("LE_quantity=2", 0),
        ("EQ_transformationID=urn:example:transformation:1", 1),
        ("EQ_persistentDisposition_set=conformant", 1),
        ("EQ_persistentDisposition_unset=conformant", 0),
        ("EQ_bizTransaction_po=urn:example:po:1", 1),
        ("EQ_bizTransaction_inv=urn:example:po:1", 0),
        ("EQ_source_owning_party=urn:example:party:1", 1),
        ("EQ_eventID=urn:uuid:10000000-0000-4000-8000-000000000001", 1),
        ("EXISTS_errorDeclaration=true", 0),
        ("EXISTS_errorDeclaration=false", 4),
        ("EQ_type=Temperature", 1),
        ("EQ_booleanValue=true", 1),
        ("GE_value_CEL=26", 1),
        ("GT_value_CEL=26", 0),
        ("EXISTS_sensorElementList=true", 1),
        ("EQ_ex:colour=red|blue", 1),
        ("EQ_https://ns.example.org/colour=red", 1),
        ("GT_ex:weight=6", 1),
        ("GT_ex:weight=7", 0),
        ("EXISTS_ex:weight=true", 1),
    ],
)
def test_finds_by_each_parameter(epcis: EpcisWorld, query: str, expected: int) -> None:
    assert len(epcis.events(query.replace("+", "%2B"))) == expected


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("EQ_nothing=1", "EQ_nothing"),
        ("HASATTR_bizLocation=x", "HASATTR_bizLocation"),
        ("EQ_action=INVENT", "EQ_action"),
        ("GE_eventTime=2026-01-02T00:00:00", "GE_eventTime"),
        ("GE_eventTime=yesterday", "GE_eventTime"),
        ("EQ_quantity=many", "EQ_quantity"),
        ("GE_quantity=NaN", "GE_quantity"),
        ("EXISTS_errorDeclaration=perhaps", "EXISTS_errorDeclaration"),
        ("orderBy=ex:colour", "orderBy"),
        ("orderBy=eventTime&orderDirection=UP", "orderDirection"),
        ("orderDirection=ASC", "orderDirection"),
        ("eventCountLimit=3", "eventCountLimit"),
        ("eventCountLimit=0&orderBy=eventTime", "eventCountLimit"),
        ("eventCountLimit=1&maxEventCount=1&orderBy=eventTime", "maxEventCount"),
        ("EQ_bizStep=packing&EQ_bizStep=storing", "EQ_bizStep"),
        ("EQ_bizStep=", "EQ_bizStep"),
        ("MATCH_epc=urn:epc:idpat:sgtin:*.055555.1", None),
        ("nextPageToken=made.0.9999999999", "nextPageToken"),
        ("nextPageToken=made-up", "nextPageToken"),
    ],
)
def test_refuses_other_parameters_by_name(epcis: EpcisWorld, query: str, parameter: str | None) -> None:
    problem = epcis.get(f"/events?{query}", 400)
    assert problem["type"] == "epcisException:QueryParameterException"
    assert problem["code"] == "query_parameter"
    if parameter is not None:
        assert problem["values"]["parameter"] == parameter


def test_answers_documents_that_the_official_schema_takes(epcis: EpcisWorld) -> None:
    page = epcis.get("/events")
    assert list(SCHEMA.iter_errors(page)) == []
    assert all(event["recordTime"] for event in page["epcisBody"]["queryResults"]["resultsBody"]["eventList"])
    assert list(SCHEMA.iter_errors(epcis.get("/events?EQ_bizStep=storing"))) == []


def test_answers_events_that_have_the_hash_they_were_captured_with(epcis: EpcisWorld) -> None:
    shown = epcis.events()
    context = shown[0]["@context"]
    document = {**document_of([]), "@context": context, "epcisBody": {"eventList": shown}}
    for event, read in zip(shown, read_document(json.dumps(document).encode()).events, strict=True):
        assert event["eventID"] == read.hash_id or event["eventID"].startswith("urn:uuid:")


def test_orders_and_limits(epcis: EpcisWorld) -> None:
    times = [event["eventTime"] for event in epcis.events("orderBy=eventTime")]
    assert times[0].startswith("2026-01-04")
    assert times[-1].startswith("2026-01-01T00:00:00Z")
    assert [e["eventTime"] for e in epcis.events("orderBy=eventTime&orderDirection=ASC")] == times[::-1]
    assert [e["eventTime"] for e in epcis.events("orderBy=eventTime&eventCountLimit=2")] == times[:2]
    assert len(epcis.events("maxEventCount=4")) == 4
    problem = epcis.get("/events?maxEventCount=3", 413)
    assert problem["type"] == "epcisException:QueryTooLargeException"
    assert "gs1-epcis-capture-limit" not in problem


@pytest.mark.parametrize("query", ["", "orderBy=eventTime", "orderBy=eventTime&eventCountLimit=3", "GE_quantity=0"])
def test_pages_hold_each_event_once(epcis: EpcisWorld, query: str) -> None:
    whole = epcis.events(query)
    found: list[JSON] = []
    path = f"{epcis.root}/events?perPage=1&{query}"
    for _ in range(10):
        response = epcis.world.client.get(path)
        assert response.status_code == 200, response.text
        page = response.json()["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
        assert len(page) <= 1
        found += page
        link = response.headers.get("link")
        if link is None:
            break
        assert link.endswith('; rel="next"')
        assert response.headers["gs1-next-page-token-expires"].endswith("Z")
        path = link[1 : link.index(">")]
    assert found == whole


def test_tokens_are_of_one_query(epcis: EpcisWorld) -> None:
    link = epcis.ask("GET", "/events?perPage=1").headers["link"]
    token = link[link.index("nextPageToken=") + 14 : link.index(">")]
    assert epcis.ask("GET", f"/events?perPage=1&nextPageToken={token}").status_code == 200
    for other in ("/events?EQ_action=ADD&", "/events?Yunshang-Stream=funds&", "/capture?", "/epcs?"):
        assert epcis.ask("GET", f"{other}nextPageToken={token}").status_code == 400


def test_tells_the_words_that_are_used(epcis: EpcisWorld) -> None:
    assert "ObjectEvent" in epcis.get("/eventTypes")["member"]
    steps = epcis.get("/bizSteps?perPage=100")["member"]
    assert {"packing", "accepting", "https://example.org/steps/cutting"} <= set(steps)
    assert epcis.get("/bizLocations")["member"] == [SITE]
    assert epcis.get("/readPoints")["member"] == [SITE]
    assert "in_transit" in epcis.get("/dispositions?perPage=100")["member"]
    epcs = epcis.get("/epcs?perPage=100")["member"]
    assert {"urn:epc:id:sscc:9521321.0000000001", "urn:epc:id:sgtin:9521321.055555.2"} <= set(epcs)
    assert epcs == sorted(epcs)
    first = epcis.ask("GET", "/epcs?perPage=2")
    link = first.headers["link"]
    second = epcis.world.client.get(link[1 : link.index(">")]).json()["member"]
    assert first.json()["member"] + second == epcs[:4]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("eventTypes/AggregationEvent", 1),
        (f"epcs/{quote('urn:epc:id:sgtin:9521321.055555.1', safe='')}", 2),
        ("bizSteps/packing", 1),
        (f"bizSteps/{quote('https://example.org/steps/cutting', safe='')}", 1),
        (f"bizLocations/{quote(SITE, safe='')}", 1),
        (f"readPoints/{quote(SITE, safe='')}", 1),
        ("dispositions/in_transit", 1),
    ],
)
def test_tells_the_events_of_a_word(epcis: EpcisWorld, path: str, expected: int) -> None:
    assert epcis.get(f"/{path}")["member"] == ["events"]
    page = epcis.get(f"/{path}/events")
    assert len(page["epcisBody"]["queryResults"]["resultsBody"]["eventList"]) == expected
    assert epcis.get(f"/{path}/events?EQ_action=DELETE&GE_eventTime=2030-01-01T00:00:00Z")


def test_knows_no_other_words_and_events(epcis: EpcisWorld) -> None:
    for path in ("/epcs/urn:nothing", "/bizSteps/nothing", "/events/urn:nothing", "/capture/" + "00" * 32):
        assert epcis.get(path, 404)["type"] == "epcisException:NoSuchNameException"


def test_keeps_named_queries(epcis: EpcisWorld) -> None:
    body = {"name": "packed", "query": {"EQ_bizStep": ["packing"], "GE_eventTime": "2026-01-01T00:00:00Z"}}
    made = epcis.ask("POST", "/queries", json=body)
    assert made.status_code == 201, made.text
    assert epcis.world.client.get(made.headers["location"]).json() == body
    assert body in epcis.get("/queries")
    page = epcis.get("/queries/packed/events")
    assert page["epcisBody"]["queryResults"]["queryName"] == "packed"
    assert len(page["epcisBody"]["queryResults"]["resultsBody"]["eventList"]) == 1
    again = epcis.ask("POST", "/queries", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "query_known")
    assert epcis.get("/queries/packed/events?EQ_action=ADD", 400)["code"] == "query_parameter"
    assert epcis.ask("DELETE", "/queries/packed").status_code == 204
    assert epcis.get("/queries/packed", 404)["code"] == "query_not_found"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"name": "a", "query": {"EQ_nothing": ["x"]}}, "QueryParameterException"),
        ({"name": "a", "query": {"EQ_bizStep": "packing"}}, "QueryParameterException"),
        ({"name": "a", "query": {"GE_quantity": "1"}}, "QueryParameterException"),
        ({"name": "a", "query": []}, "QueryValidationException"),
        ({"name": "a/b", "query": {}}, "QueryValidationException"),
        ({"name": "SimpleEventQuery", "query": {}}, "QueryValidationException"),
        ({"query": {}}, "QueryValidationException"),
        ([], "QueryValidationException"),
    ],
)
def test_refuses_queries_that_are_none(epcis: EpcisWorld, body: Any, kind: str) -> None:
    refused = epcis.ask("POST", "/queries", json=body)
    assert refused.status_code == 400
    assert refused.json()["type"] == f"epcisException:{kind}"


def test_offers_no_subscriptions(epcis: EpcisWorld) -> None:
    where = "/queries/any/subscriptions"
    wanted = {"dest": "https://example.org/q", "stream": True, "reportIfEmpty": False}
    for refused in (epcis.ask("GET", where), epcis.ask("POST", where, json=wanted)):
        assert (refused.status_code, refused.json()["code"]) == (501, "subscriptions_not_offered")
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["type"] == "epcisException:ImplementationException"
        assert "GE_recordTime" in refused.json()["detail"]
    assert epcis.get("/queries/any/events?stream=true", 501)["code"] == "subscriptions_not_offered"


def test_a_named_query_is_removed_by_who_made_it_or_an_administrator(epcis: EpcisWorld) -> None:
    world = epcis.world
    designer = world.parties[Role.DESIGNER].certificate.organisation_code
    party = {"role": "party_operator", "organisation_code": designer}
    maker, colleague = world.person(party), world.person(party)
    archivist, administrator = world.person({"role": "archivist_handler"}), world.person({"role": "administrator"})
    for name in ("mine", "left"):
        made = epcis.ask("POST", "/queries", json={"name": name, "query": {}}, client=maker)
        assert made.status_code == 201, made.text
    for other in (colleague, archivist):
        refused = epcis.ask("DELETE", "/queries/mine", client=other)
        assert (refused.status_code, refused.json()["code"]) == (403, "query_of_another")
    assert epcis.get("/queries/mine", client=colleague)["name"] == "mine"
    assert epcis.ask("DELETE", "/queries/mine", client=maker).status_code == 204
    assert epcis.ask("DELETE", "/queries/left", client=administrator).status_code == 204
    assert epcis.get("/queries/left", 404)["code"] == "query_not_found"


# Every member that may name a thing, in an event that names it nowhere else; and what each parameter is to find.
THING = "urn:epc:id:sgtin:9521321.077777.7"
OTHER = "urn:epc:id:sgtin:9521321.088888.8"
ELSEWHERE = "urn:epc:id:sscc:9521321.0000000077"
EPCS = ("epcList", "childEPCs", "parentID", "inputEPCList", "outputEPCList")
CLASSES = ("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList")
OF_TYPE = {
    "ObjectEvent": ("epcList", "quantityList"),
    "AggregationEvent": ("childEPCs", "parentID", "childQuantityList"),
    "AssociationEvent": ("childEPCs", "parentID", "childQuantityList"),
    "TransactionEvent": ("epcList", "parentID", "quantityList"),
    "TransformationEvent": ("inputEPCList", "outputEPCList", "inputQuantityList", "outputQuantityList"),
}
FINDS = {
    "MATCH_epc": {"epcList", "childEPCs"},
    "MATCH_parentID": {"parentID"},
    "MATCH_inputEPC": {"inputEPCList"},
    "MATCH_outputEPC": {"outputEPCList"},
    "MATCH_anyEPC": set(EPCS),
    "MATCH_epcClass": {"quantityList", "childQuantityList"},
    "MATCH_inputEPCClass": {"inputQuantityList"},
    "MATCH_outputEPCClass": {"outputQuantityList"},
    "MATCH_anyEPCClass": set(CLASSES),
}


def naming(kind: str, member: str) -> JSON:
    """An event of a type that names the thing in one member."""
    event: JSON = {**object_event(), "type": kind, "ex:names": f"{kind} {member}"}
    del event["epcList"]
    if kind == "TransformationEvent":
        del event["action"]
    for name in OF_TYPE[kind]:
        thing = THING if name == member else OTHER
        if name == "parentID":
            event[name] = thing if name == member else ELSEWHERE
        elif name == member or not name.startswith(("quantity", "input", "output")):
            event[name] = [{"epcClass": thing, "quantity": 1}] if name in CLASSES else [thing]
    if kind == "TransactionEvent":
        event["bizTransactionList"] = [{"type": "po", "bizTransaction": "urn:example:po:7"}]
    if kind == "TransformationEvent":
        side = "outputEPCList" if member.startswith("input") else "inputEPCList"
        event[side] = [OTHER]
    return event


@pytest.fixture(scope="module")
def matching(archive: World) -> EpcisWorld:
    epcis = epcis_world(archive)
    for kind, members in OF_TYPE.items():  # one capture each: together they would put the thing into itself
        for member in members:
            epcis.capture(naming(kind, member))
    chain = clean_project(74)
    made = next(event.record for event in chain.events if "yunshang:class" in event.record)
    epcis.capture({**made, "yunshang:class": THING})
    return epcis


@pytest.mark.parametrize("value", [THING, "urn:epc:idpat:sgtin:9521321.077777.*", f"urn:nothing|{THING}"])
@pytest.mark.parametrize("parameter", list(FINDS))
def test_a_match_looks_into_the_members_of_the_standards_table(
    matching: EpcisWorld, parameter: str, value: str
) -> None:
    found = {event.get("ex:names") for event in matching.events(f"{parameter}={value}&perPage=100")}
    wanted = {f"{kind} {name}" for kind, names in OF_TYPE.items() for name in names if name in FINDS[parameter]}
    assert found == wanted


def test_epcs_are_what_the_parameter_for_any_epc_finds(archive: World) -> None:
    # The binding lists EPCs, and finds the events of one as MATCH_anyEPC does: classes of children are none.
    epcis = epcis_world(archive)
    lot, both = "urn:epc:class:lgtin:9521321.012345.%5FL7", "urn:epc:id:sgtin:9521321.012345.990009"
    epcs, parent = ["urn:epc:id:sgtin:9521321.012345.990001", both], "urn:epc:id:sscc:9521321.0000009900"
    quantities = [{"epcClass": lot, "quantity": 2}, {"epcClass": both, "quantity": 1}]
    epcis.capture(aggregation_event(parent, epcs[:1], childQuantityList=quantities))
    assert epcis.get("/epcs")["member"] == [epcs[0], parent]
    for thing in (lot, both):
        assert epcis.get(f"/epcs/{quote(thing, safe='')}", 404)["type"] == "epcisException:NoSuchNameException"
    epcis.capture(aggregation_event(parent, epcs))
    assert epcis.get("/epcs")["member"] == [*epcs, parent]
    for epc in (*epcs, parent):
        assert epcis.get(f"/epcs/{quote(epc, safe='')}")["member"] == ["events"]
        page = epcis.get(f"/epcs/{quote(epc, safe='')}/events")
        assert page["epcisBody"]["queryResults"]["resultsBody"]["eventList"]


@pytest.mark.parametrize("path", ["/events?MATCH_epc=" + "x" * 9_000, "/events/" + "x" * 9_000])
def test_an_address_that_is_too_long_is_the_standards_exception(epcis: EpcisWorld, path: str) -> None:
    problem = epcis.get(path, 414)
    assert (problem["type"], problem["code"]) == ("epcisException:URITooLongException", "header_too_large")
    assert problem["instance"] == epcis.root


def test_a_match_is_by_the_member_that_names_and_by_no_other(matching: EpcisWorld) -> None:
    assert matching.events("MATCH_parentID=" + OTHER) == []
    assert matching.events("MATCH_epcClass=urn:epc:idpat:sgtin:9521321.07777.*") == []
    assert matching.events("MATCH_anyEPCClass=" + ELSEWHERE) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"GS1-EPCIS-Min": "3.0"},
        {"GS1-EPCIS-Max": "1.2"},
        {"GS1-CBV-Min": "2.1"},
        {"GS1-EPCIS-Version": "3.0.0"},
        {"GS1-EPCIS-Version": "two"},
        {"GS1-EPC-Format": "Always_EPC_URN"},
        {"Accept": "application/xml"},
        {"Accept": "application/json;q=0, text/html"},
    ],
)
def test_answers_nothing_in_another_way_than_asked(epcis: EpcisWorld, headers: dict[str, str]) -> None:
    refused = epcis.ask("GET", "/events", headers=headers)
    assert refused.status_code == 406, refused.text
    assert refused.json()["type"] == "epcisException:NotAcceptableException"


@pytest.mark.parametrize(
    "headers",
    [
        {"GS1-EPCIS-Min": "1.0", "GS1-EPCIS-Max": "2.0"},
        {"GS1-EPCIS-Version": "2.0"},
        {"GS1-EPC-Format": "Never_Translates"},
        {"Accept": "application/ld+json"},
        {"Accept": "text/html, */*;q=0.1"},
    ],
)
def test_answers_what_can_be_answered(epcis: EpcisWorld, headers: dict[str, str]) -> None:
    answered = epcis.ask("GET", "/events", headers=headers)
    assert answered.status_code == 200
    assert answered.headers["gs1-epcis-version"] == "2.0.0"
    assert answered.headers["gs1-extensions"] == "yunshang=urn:yunshang:supply:"


def test_says_what_it_offers(epcis: EpcisWorld) -> None:
    assert "events" in epcis.get("")["member"]
    offered = epcis.ask("OPTIONS", "/capture")
    assert offered.status_code == 204
    assert offered.headers["allow"] == "OPTIONS, GET, POST"
    assert offered.headers["gs1-capture-error-behaviour"] == "rollback"
    assert offered.headers["gs1-epcis-capture-limit"] == "10000"
    assert offered.headers["gs1-epcis-capture-file-size-limit"] == str(16 << 20)
    for path in ("", "/events", "/events/x", "/epcs/a/events", "/queries", "/queries/a", "/eventTypes"):
        found = epcis.ask("OPTIONS", path)
        assert found.status_code == 204
        assert found.headers["gs1-epcis-min"] == "2.0.0"
