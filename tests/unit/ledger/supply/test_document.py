"""Reading documents: what is taken, and every refusal with its code and place."""

from __future__ import annotations

import copy
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from ledger.canonical import canonical_record, parse_record
from ledger.supply.document import (
    MAX_DOCUMENT_BYTES,
    DocumentError,
    event_document,
    query_document,
    read_document,
    read_event,
)
from ledger.supply.identifiers import normalised
from ledger.supply.schema import epcis_schema, schema_findings

from .documents import DRAFT, GS1, documents

EXAMPLES = 12


def document(*events: dict[str, Any], context: Any = GS1) -> dict[str, Any]:
    return {
        "@context": context,
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2024-01-01T00:00:00Z",
        "epcisBody": {"eventList": list(events)},
    }


def observation(number: int = 1, **more: Any) -> dict[str, Any]:
    event = {
        "type": "ObjectEvent",
        "eventTime": "2024-01-01T00:00:00Z",
        "eventTimeZoneOffset": "+08:00",
        "action": "OBSERVE",
        "epcList": [f"urn:epc:id:sgtin:0614141.107346.{number}"],
    }
    return event | more


def packing(parent: str, *children: str, action: str = "ADD", time: str = "2024-01-01T00:00:00Z") -> dict[str, Any]:
    return {
        "type": "AggregationEvent",
        "eventTime": time,
        "eventTimeZoneOffset": "+08:00",
        "action": action,
        "parentID": parent,
        "childEPCs": list(children),
    }


def encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def refused(data: Any, **options: Any) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        read_document(data if isinstance(data, bytes) else encode(data), **options)
    first = caught.value.findings[0]
    assert (caught.value.code, caught.value.where) == (first.code, first.pointer)
    return caught.value


def place(data: Any, **options: Any) -> tuple[str, str]:
    error = refused(data, **options)
    return error.code, error.where


def at(value: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        value = value[int(name)] if isinstance(value, list) else value[name]
    return value


@pytest.fixture(scope="session")
def examples(shared_data: Path) -> dict[str, dict[str, Any]]:
    found = {path.name: parse_record(path.read_bytes()) for path in (shared_data / "epcis" / "examples").iterdir()}
    assert len(found) == EXAMPLES
    return found


def test_takes_all_examples_and_each_event_stands_by_itself(examples: dict[str, dict[str, Any]]) -> None:
    for name, example in examples.items():
        read = read_document(encode(example))
        assert len(read.events) == len(example["epcisBody"]["eventList"]), name
        assert read.creation_date == example["creationDate"]
        for event in read.events:
            assert "recordTime" not in event.record
            assert at(example, event.pointer)["type"] == event.record["type"]
            assert event.canonical == canonical_record(event.record)
            again = read_event(event.canonical)
            assert (again.canonical, again.hash_id, again.pointer) == (event.canonical, event.hash_id, "")


def test_the_schema_is_the_one_published(shared_data: Path) -> None:
    assert epcis_schema() == json.loads((shared_data / "epcis" / "EPCIS-JSON-Schema.json").read_bytes())


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(documents())
def test_a_record_survives_storage_and_answers(generated: dict[str, Any]) -> None:
    try:
        read = read_document(encode(generated))
    except DocumentError as error:
        assert error.code in ("number_out_of_range", "lone_surrogate")
        return
    for event in read.events:
        kept = parse_record(event.canonical)
        assert read_event(canonical_record(kept)).hash_id == event.hash_id
    answer = event_document([event.record for event in read.events], creation_date="2024-01-01T00:00:00Z")
    back = read_document(encode(answer))
    assert [event.canonical for event in back.events] == [event.canonical for event in read.events]


# --- mutations: each member of each example, in several ways


def members(value: Any, pointer: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            inner = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
            yield inner
            yield from members(member, inner)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield f"{pointer}/{index}"
            yield from members(member, f"{pointer}/{index}")


def mutated(example: dict[str, Any], pointer: str, change: Any) -> dict[str, Any]:
    changed = copy.deepcopy(example)
    parent, _, last = pointer.rpartition("/")
    holder = at(changed, parent) if parent else changed
    key: Any = int(last) if isinstance(holder, list) else last.replace("~1", "/").replace("~0", "~")
    if change is DELETED:
        del holder[key]
    else:
        holder[key] = change
    return changed


DELETED = object()
REQUIRED = {
    "": ["@context", "schemaVersion", "creationDate", "epcisBody", "type"],
    "event": ["type", "eventTime", "eventTimeZoneOffset"],
    "action": ["ObjectEvent", "AggregationEvent", "TransactionEvent", "AssociationEvent"],
}


def assert_names(error: DocumentError, pointer: str) -> None:
    parent = pointer.rpartition("/")[0]
    places = [finding.pointer for finding in error.findings]
    assert all(found == parent or (found + "/").startswith(pointer + "/") for found in places), (pointer, places)


def test_refuses_examples_without_a_required_member_and_names_it(examples: dict[str, dict[str, Any]]) -> None:
    for example in examples.values():
        wanted = [f"/{name}" for name in REQUIRED[""]] + ["/epcisBody/eventList"]
        for index, event in enumerate(example["epcisBody"]["eventList"]):
            base = f"/epcisBody/eventList/{index}"
            wanted += [f"{base}/{name}" for name in REQUIRED["event"]]
            wanted += [f"{base}/action"] * (event["type"] in REQUIRED["action"])
            for name, inner in (("readPoint", "id"), ("bizLocation", "id"), ("errorDeclaration", "declarationTime")):
                wanted += [f"{base}/{name}/{inner}"] * (name in event)
            for name, inner in (("sourceList", "source"), ("sourceList", "type"), ("destinationList", "destination")):
                wanted += [f"{base}/{name}/{number}/{inner}" for number in range(len(event.get(name, [])))]
            for number, element in enumerate(event.get("sensorElementList", [])):
                wanted.append(f"{base}/sensorElementList/{number}/sensorReport")
                wanted += [
                    f"{base}/sensorElementList/{number}/sensorReport/{report}/type"
                    for report in range(len(element["sensorReport"]))
                ]
        for pointer in wanted:
            error = refused(mutated(example, pointer, DELETED))
            assert error.where == pointer
            assert_names(error, pointer)


def is_free(pointer: str) -> bool:
    """Whether a member is somebody's own, of which the standard says nothing."""
    parts = pointer.split("/")[1:]
    return any(":" in part for part in parts) or parts[:1] == ["@context"] or parts[-1:] == ["ilmd"]


@pytest.mark.parametrize("change", [None, 12, True, {"a": 1}, ["x y"], "not a uri", ""], ids=repr)
def test_refuses_wrong_values_in_examples_and_names_the_field(
    examples: dict[str, dict[str, Any]], change: object
) -> None:
    checked = 0
    for example in examples.values():
        for pointer in members(example):
            if is_free(pointer):
                continue
            changed = mutated(example, pointer, change)
            try:
                read_document(encode(changed))
            except DocumentError as error:
                checked += 1
                assert_names(error, pointer)
            else:
                # Only what may be any text or number.
                last = pointer.rpartition("/")[2]
                free = {"sender", "receiver", "instanceIdentifier", "stringValue", "uom"}
                numeric = {"value", "quantity", "minValue", "maxValue", "meanValue", "percRank", "percValue", "sDev"}
                assert (
                    (isinstance(change, str) and last in free)
                    or (change == 12 and change is not True and last in numeric)
                    or (change is True and last == "booleanValue")
                ), pointer
    assert checked > 300


def test_refuses_words_of_no_vocabulary(examples: dict[str, dict[str, Any]]) -> None:
    words = {"action", "bizStep", "disposition"}
    for example in examples.values():
        for index, event in enumerate(example["epcisBody"]["eventList"]):
            for name in words & set(event):
                error = refused(mutated(example, f"/epcisBody/eventList/{index}/{name}", "shippin"))
                assert (error.code, error.where) == ("schema_word", f"/epcisBody/eventList/{index}/{name}")


# --- hostile documents

BASE = "/epcisBody/eventList/0"
HOSTILE: dict[str, tuple[Any, str, str]] = {
    "unknown context": (
        document(observation(), context="https://example.com/c.jsonld"),
        "unknown_context",
        "/@context",
    ),
    "unknown context in a list": (
        document(observation(), context=[GS1, "https://example.com/c.jsonld"]),
        "unknown_context",
        "/@context/1",
    ),
    "no GS1 context": (document(observation(), context={"a": "urn:a:"}), "unknown_context", "/@context"),
    "unknown context of an event": (
        document(observation(**{"@context": "https://example.com/c.jsonld"})),
        "unknown_context",
        f"{BASE}/@context",
    ),
    "file context": (document(observation(), context="file:///etc/passwd"), "unknown_context", "/@context"),
    "vocabulary of one's own": (
        document(observation(), context=[GS1, {"@vocab": "urn:x:"}]),
        "context_keyword",
        "/@context/1/@vocab",
    ),
    "base": (document(observation(), context=[GS1, {"@base": "urn:x:"}]), "context_keyword", "/@context/1/@base"),
    "imported": (
        document(observation(), context=[GS1, {"@import": "https://example.com"}]),
        "context_keyword",
        "/@context/1/@import",
    ),
    "standard word redefined": (
        document(observation(), context=[GS1, {"epcList": "https://example.com/e"}]),
        "context_term",
        "/@context/1/epcList",
    ),
    "type redefined": (
        document(observation(), context=[GS1, {"type": "https://example.com/e"}]),
        "context_term",
        "/@context/1/type",
    ),
    "scoped context": (
        document(observation(), context=[GS1, {"x": {"@id": "urn:x:", "@context": "https://example.com"}}]),
        "context_term",
        "/@context/1/x",
    ),
    "no address": (document(observation(), context=[GS1, {"x": "word"}]), "context_term", "/@context/1/x"),
    "null definition": (document(observation(), context=[GS1, {"x": None}]), "context_term", "/@context/1/x"),
    "nested context": (
        document(observation(**{"urn:x:a": {"b": [{"@context": "https://example.com/"}]}})),
        "context_nested",
        f"{BASE}/urn:x:a/b/0/@context",
    ),
    "nested namespace": (
        document(observation(**{"urn:x:a": {"@xmlns:e": "urn:e:"}})),
        "context_nested",
        f"{BASE}/urn:x:a/@xmlns:e",
    ),
    "unknown event type": (document(observation(type="FooEvent")), "event_type", f"{BASE}/type"),
    "event type of one's own": (document(observation(type="urn:x:FooEvent")), "event_type", f"{BASE}/type"),
    "bare unknown event": (observation(type="FooEvent") | {"@context": GS1}, "event_type", "/type"),
    "bare without context": (observation(), "schema_required", "/@context"),
    "query document": (
        query_document([], creation_date="2024-01-01T00:00:00Z", query_name="q"),
        "document_type",
        "/type",
    ),
    "no event": (document(), "no_events", "/epcisBody/eventList"),
    "list": ([], "schema_type", ""),
    "text": ("EPCISDocument", "schema_type", ""),
    "negative quantity": (
        document(
            observation(
                quantityList=[{"epcClass": "urn:x:a", "quantity": 1}, {"epcClass": "urn:x:a", "quantity": -0.5}]
            )
        ),
        "quantity_negative",
        f"{BASE}/quantityList/1/quantity",
    ),
    "leap second": (document(observation(eventTime="2016-12-31T23:59:60Z")), "time_range", f"{BASE}/eventTime"),
    "before the year 1": (
        document(observation(eventTime="0001-01-01T00:00:00+14:00")),
        "time_range",
        f"{BASE}/eventTime",
    ),
    "after the year 9999": (
        document(observation(eventTime="9999-12-31T23:59:59.9999Z")),
        "time_range",
        f"{BASE}/eventTime",
    ),
    "sensor's leap second": (
        document(
            observation(sensorElementList=[{"sensorReport": [{"type": "Speed", "time": "2016-12-31T23:59:60Z"}]}])
        ),
        "time_range",
        BASE,
    ),
    "no time zone": (document(observation(eventTime="2024-01-01T00:00:00")), "schema_format", f"{BASE}/eventTime"),
    "same event twice": (
        document(observation(), observation(2), observation()),
        "duplicate_event",
        "/epcisBody/eventList/2",
    ),
    "same event otherwise spelled": (
        document(observation(), observation(epcList=["https://id.gs1.org/01/10614141073464/21/1"])),
        "duplicate_event",
        "/epcisBody/eventList/1",
    ),
    "one eventID twice": (
        document(observation(1, eventID="urn:x:1"), observation(2, eventID="urn:x:1")),
        "duplicate_event",
        "/epcisBody/eventList/1/eventID",
    ),
    "large event": (document(observation(**{"urn:x:a": "a" * 70_000})), "record_too_large", BASE),
    "member that is no URI": (document(observation(**{"a~b/c": 1})), "schema_member", f"{BASE}/a~0b~1c"),
}


@pytest.mark.parametrize("name", ["@context", "\\u0040context", "@xmlns:a"])
def test_refuses_a_context_below_an_event_however_it_is_spelled(name: str) -> None:
    text = encode(document(observation(), observation(2, **{"urn:x:a": [{"urn:x:b": {"MARK": {}}}]}))).decode()
    found = refused(text.replace("MARK", name).encode()).findings[0]
    pointer = "/epcisBody/eventList/1/urn:x:a/0/urn:x:b/" + name.replace("\\u0040", "@")
    assert (found.code, found.pointer) == ("context_nested", pointer)


def test_takes_the_name_of_a_context_as_a_value() -> None:
    events = read_document(encode(document(observation(**{"urn:x:a": ["@context"]})))).events
    assert events[0].record["urn:x:a"] == ["@context"]


@pytest.mark.parametrize("name", HOSTILE)
def test_refuses_hostile_documents(name: str) -> None:
    data, code, pointer = HOSTILE[name]
    assert place(data) == (code, pointer)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('"quantity":NaN', "number_out_of_range"),
        ('"quantity":-Infinity', "number_out_of_range"),
        ('"quantity":1e999', "number_out_of_range"),
        ('"quantity":9007199254740993', "number_out_of_range"),
        ('"quantity":1,"quantity":2', "duplicate_member"),
        ('"quantity":' + "[" * 100 + "]" * 100, "too_deep"),
        ('"quantity":', "not_json"),
        ('"uom":"\\ud800"', "lone_surrogate"),
    ],
)
def test_refuses_what_is_no_strict_json(text: str, code: str) -> None:
    data = encode(document(observation(quantityList=[{"epcClass": "urn:x:a"}])))
    assert place(data.replace(b'"epcClass": "urn:x:a"', b'"epcClass": "urn:x:a",' + text.encode())) == (code, "")


def test_refuses_a_hundred_megabytes_without_reading_them() -> None:
    data = encode(document(observation())) + b" " * (100 << 20)
    tracemalloc.start()
    try:
        assert place(data) == ("too_large", "")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert place(b" " * (MAX_DOCUMENT_BYTES + 1)) == ("too_large", "")


def test_refuses_a_million_events() -> None:
    many = encode(document()).replace(b"[]", b"[" + b"{}," * 999_999 + b"{}]")
    assert refused(many).code in ("too_large", "too_many_events")
    some = encode(document()).replace(b"[]", b"[" + b"{}," * 10_000 + b"{}]")
    assert place(some) == ("too_many_events", "/epcisBody/eventList")
    assert place(document(observation(1), observation(2)), max_events=1) == ("too_many_events", "/epcisBody/eventList")


def test_tells_several_findings_at_once_but_not_endlessly() -> None:
    error = refused(document(observation(1, bizStep="x", disposition="y"), observation(2, eventTime="z")))
    assert {finding.pointer for finding in error.findings} == {
        f"{BASE}/bizStep",
        f"{BASE}/disposition",
        "/epcisBody/eventList/1/eventTime",
    }
    many = refused(document(*(observation(number, bizStep="x") for number in range(500))))
    assert len(many.findings) == 20
    assert "more" in str(many)


def test_says_which_members_a_choice_lacks() -> None:
    event = observation()
    del event["epcList"]
    error = refused(document(event))
    assert (error.code, error.where) == ("schema_required", BASE)
    assert "epcList, quantityList, sensorElementList" in str(error)


@pytest.mark.parametrize(
    "media_type", ["application/ld+json", "application/json; charset=utf-8", "Application/JSON", None]
)
def test_takes_json_by_its_media_type(media_type: str | None) -> None:
    assert read_document(encode(document(observation())), media_type=media_type).media_type == "application/ld+json"


def test_refuses_other_media_types() -> None:
    assert place(document(observation()), media_type="text/csv") == ("media_type", "")
    assert place(document(observation()), media_type="application/xml") == ("not_xml", "")


def test_a_bare_event_is_no_document_and_the_other_way_round() -> None:
    event = read_event(encode(observation() | {"@context": GS1}))
    assert event.record["@context"] == [GS1]
    with pytest.raises(DocumentError) as caught:
        read_event(encode(document(observation())))
    assert caught.value.code == "event_type"


def test_a_record_has_the_document_s_context_and_its_own_but_no_record_time() -> None:
    own = [GS1, {"b": "urn:b:"}]
    event = observation(recordTime="2024-01-02T00:00:00Z", **{"@context": own})
    read = read_document(encode(document(event, context=[GS1, {"a": "urn:a:"}]))).events[0]
    assert read.record["@context"] == [GS1, {"a": "urn:a:"}, {"b": "urn:b:"}]
    assert "recordTime" not in read.record


def test_a_declaration_repeats_its_event_and_has_a_record_of_its_own() -> None:
    declared = {"declarationTime": "2024-02-01T00:00:00Z", "reason": "did_not_occur"}
    first, second = read_document(encode(document(observation(), observation(errorDeclaration=declared)))).events
    assert first.hash_id == second.hash_id
    assert first.record_sha256 != second.record_sha256
    assert (first.is_declaration, second.is_declaration) == (False, True)
    twice = document(observation(errorDeclaration=declared), observation(errorDeclaration=declared))
    assert place(twice) == ("duplicate_event", "/epcisBody/eventList/1")


def test_answers_hold_records_of_several_contexts() -> None:
    records = [
        read_document(encode(document(observation(number, **more), context=context))).events[0]
        for number, context, more in (
            (1, GS1, {}),
            (2, [GS1, {"a": "urn:a:"}], {"a:x": 1}),
            (3, [DRAFT, {"a": "urn:b:"}], {"a:x": 1.5}),
        )
    ]
    answer = event_document([event.record for event in records], creation_date="2024-01-01T00:00:00Z")
    assert schema_findings(answer) == ()
    assert [event.canonical for event in read_document(encode(answer)).events] == [event.canonical for event in records]
    query = query_document([event.record for event in records], creation_date="2024-01-01T00:00:00Z", query_name="all")
    assert schema_findings(query) == ()
    assert schema_findings(event_document([], creation_date="2024-01-01T00:00:00Z")) == ()


# --- aggregation

A, B, C = (f"urn:epc:id:sscc:0614141.100000000{number}" for number in range(3))
LATER, LAST = "2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z"


@pytest.mark.parametrize(
    "events",
    [
        [packing(A, A)],
        [packing(A, B), packing(B, A)],
        [packing(A, B), packing(C, A), packing(B, C)],
        [packing(A, B), packing(B, str(normalised(A)))],
        [packing(A, B), packing(A, B, action="DELETE", time=LAST), packing(B, A, time=LATER)],
        [packing(A, B) | {"type": "AssociationEvent"}, packing(B, A) | {"type": "AssociationEvent"}],
        [packing(A, B, action="OBSERVE"), packing(B, A, action="OBSERVE")],
    ],
)
def test_refuses_what_is_packed_within_itself(events: list[dict[str, Any]]) -> None:
    code, pointer = place(document(*events))
    assert code == "aggregation_cycle"
    assert pointer.endswith("/parentID")


@pytest.mark.parametrize(
    "events",
    [
        [packing(A, B), packing(B, C)],
        [packing(A, B), packing(A, B, action="DELETE", time=LATER), packing(B, A, time=LAST)],
        [packing(B, A, time=LAST), packing(A, action="DELETE", time=LATER), packing(A, B)],
        [packing(A, B), packing(B, A) | {"type": "AssociationEvent"}],
        [packing(A, B, C), packing(C, B)],
    ],
)
def test_takes_what_is_repacked(events: list[dict[str, Any]]) -> None:
    assert len(read_document(encode(document(*events))).events) == len(events)


@pytest.mark.parametrize("bare", [True, False])
def test_an_event_of_more_values_than_a_record_holds_is_refused_before_each_is_complained_of(*, bare: bool) -> None:
    wide = {"type": "ObjectEvent", "epcList": list(range(40_000))}
    context = ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"]
    head = {
        "@context": context,
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-01-01T00:00:00Z",
    }
    document = {"@context": context, **wide} if bare else {**head, "epcisBody": {"eventList": [wide]}}
    with pytest.raises(DocumentError) as caught:
        read_document(json.dumps(document).encode())
    assert [(finding.pointer, finding.code) for finding in caught.value.findings] == [
        ("" if bare else "/epcisBody/eventList/0", "record_too_large")
    ]


def test_complaints_name_the_event_they_are_about_and_what_is_around_them() -> None:
    bad = {"type": "ObjectEvent", "action": "OBSERVE"}
    document = {"@context": [], "type": "EPCISDocument", "schemaVersion": "2.0", "epcisBody": {"eventList": [bad] * 3}}
    with pytest.raises(DocumentError) as caught:
        read_document(json.dumps(document).encode())
    pointers = {finding.pointer for finding in caught.value.findings}
    assert {"/creationDate", "/epcisBody/eventList/0/eventTime", "/epcisBody/eventList/2/eventTime"} <= pointers


def test_says_what_to_do_with_the_answer_to_a_query() -> None:
    answer = query_document([], creation_date="2024-01-01T00:00:00Z", query_name="q")
    with pytest.raises(DocumentError, match="got a query's answer: report its events in an EPCISDocument"):
        read_document(json.dumps(answer).encode())
