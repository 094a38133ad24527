"""The CBV event hash against the reference generator, and where we go on when it stops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from pyld.jsonld import JsonLdError

from ledger.canonical import parse_record
from ledger.supply.context import merged_context
from ledger.supply.document import read_document, read_event
from ledger.supply.event_hash import event_hash, pre_hash

from .documents import DRAFT, GS1, documents
from .reference import LeftOutError, reference_hashes, reference_results

UNREADABLE = ("Example-TransactionEvents-2020_07_03y.jsonld", "transformation_event_all_possible_fields.jsonld")


def hashes(document: dict[str, Any]) -> list[str]:
    context = merged_context((document["@context"], "/@context"))
    return [event_hash(event, context) for event in document["epcisBody"]["eventList"]]


def document(context: Any, *events: dict[str, Any]) -> dict[str, Any]:
    return {
        "@context": context,
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2024-01-01T00:00:00Z",
        "epcisBody": {"eventList": list(events)},
    }


def event(**more: Any) -> dict[str, Any]:
    base = {
        "type": "ObjectEvent",
        "eventTime": "2024-01-01T00:00:00Z",
        "eventTimeZoneOffset": "+08:00",
        "action": "OBSERVE",
        "epcList": ["urn:epc:id:sgtin:0614141.107346.2017"],
    }
    return base | more


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(documents())
# "" is the end of an IRI that ends in a slash: a word for it where it is a text, and nothing in a member without text.
@example(document([GS1], event(**{"a:b": {"a:b": True, "bizStep": "gs1"}})))
@example(document([GS1], event(**{"a:b": {"a:b": "", "bizStep": "gs1"}})))
def test_any_event_has_the_reference_s_hash(document: dict[str, Any]) -> None:
    try:
        [(text, expected)] = reference_results(document)
    except (JsonLdError, LeftOutError):
        assume(False)
    context = merged_context((document["@context"], "/@context"))
    [event] = document["epcisBody"]["eventList"]
    assert pre_hash(event, context) == text
    assert event_hash(event, context) == expected


def text_of(context: Any, given: dict[str, Any]) -> str:
    return pre_hash(given, merged_context((context, "/@context")))


def test_what_was_hashed_before_changes_no_hash() -> None:
    """What words mean and how texts are written is kept from event to event, for each context and vocabulary apart."""
    things = [f"urn:x:{number}" for number in range(3_000)]
    asked = [
        ([GS1, {"a": f"urn:{number}:"}], event(**{"a:x": ["a:y", "shipping", ""], "epcList": epcs} | more))
        for number in range(20)
        for epcs in (things[:1], things[number * 150 : (number + 1) * 150])
        for more in ({}, {"bizStep": "shipping"}, {"disposition": "in_transit", "a:z": "in_transit"})
    ]
    texts = [text_of(context, said) for context, said in asked]
    assert [text_of(context, said) for context, said in reversed(asked)] == texts[::-1]
    for (context, said), text in zip(asked, texts, strict=True):
        namespace = context[1]["a"]
        word = "https://ref.gs1.org/cbv/BizStep-shipping" if "bizStep" in said else "shipping"
        assert f"{{{namespace}}}x={namespace}y" in text
        assert f"{{{namespace}}}x={word}" in text
        assert ("Disp-in_transit" in text) is ("disposition" in said)


def test_ten_examples_have_the_reference_s_hash(shared_data: Path) -> None:
    same = 0
    for path in sorted((shared_data / "epcis" / "examples").iterdir()):
        if path.name in UNREADABLE:
            continue
        example = parse_record(path.read_bytes())
        assert hashes(example) == reference_hashes(example), path.name
        assert [found.hash_id for found in read_document(path.read_bytes()).events] == hashes(example)
        same += 1
    assert same == 10


def test_where_the_reference_stumbles_over_a_term_the_natural_reading_counts(shared_data: Path) -> None:
    path = shared_data / "epcis" / "examples" / UNREADABLE[0]
    example = parse_record(path.read_bytes())
    with pytest.raises(TypeError):
        reference_hashes(example)
    plain = {**example, "@context": [GS1, {"rail": "urn:gs1:epcisapp:rail:"}]}
    # Its first event has a transaction without a type, over which the reference stumbles too.
    second = {**plain, "epcisBody": {"eventList": example["epcisBody"]["eventList"][1:]}}
    assert hashes(example)[1:] == reference_hashes(second)
    first = text_of(plain["@context"], example["epcisBody"]["eventList"][0])
    assert "bizTransactionListbizTransaction=" in first


def test_where_a_protected_prefix_is_redefined_its_new_namespace_counts(shared_data: Path) -> None:
    path = shared_data / "epcis" / "examples" / UNREADABLE[1]
    example = parse_record(path.read_bytes())
    with pytest.raises(JsonLdError):
        reference_hashes(example)
    # What remains is the prefix's name, which the hash does not know.
    free = json.loads(path.read_text().replace('"cbvmda:', '"mda:').replace('"cbvmda"', '"mda"'))
    assert hashes(example) == reference_hashes(free)


@pytest.mark.parametrize(
    ("term", "namespace"),
    [
        ({"ex": {"@id": "urn:ex:"}}, "{urn:ex:}"),
        ({"ex": {"@id": "urn:ex:", "@prefix": True}}, "{urn:ex:}"),
        ({"ex": "urn:ex:", "ex:a": {"@type": "@id"}}, "{urn:ex:}"),
        ({"ex": "urn:ex:", "ex:a": {"@type": "xsd:integer"}, "@version": 1.1, "@protected": True}, "{urn:ex:}"),
    ],
)
def test_terms_that_are_objects(term: dict[str, Any], namespace: str) -> None:
    assert text_of([GS1, term], event(**{"ex:a": "urn:x"})).endswith(f"{namespace}a=urn:x")


def test_a_neighbour_does_not_change_a_hash() -> None:
    # The reference writes a bare word out wherever it stands, if any event of the document means vocabulary by it.
    alone = event(**{"ex:a": "shipping"})
    neighbour = event(bizStep="shipping", epcList=["urn:epc:id:sgtin:0614141.107346.2018"])
    context = [GS1, {"ex": "urn:ex:"}]
    both = document(context, alone, neighbour)
    own = reference_hashes(document(context, alone))
    assert hashes(both)[:1] == own
    assert reference_hashes(both)[:1] != own
    # And leaves it as it is, where two events mean different things by it.
    first, second = event(bizStep="shipping"), event(**{"ex:a": "https://gs1.org/voc/a-shipping"})
    assert hashes(document(context, first, second))[:1] == reference_hashes(document(context, first))
    assert reference_hashes(document(context, first, second))[:1] != reference_hashes(document(context, first))


def test_the_order_of_members_does_not_change_a_hash() -> None:
    typed = event(bizTransactionList=[{"type": "po", "bizTransaction": "urn:x:1"}])
    turned = event(bizTransactionList=[{"bizTransaction": "urn:x:1", "type": "po"}])
    assert hashes(document(GS1, typed)) == hashes(document(GS1, turned)) == reference_hashes(document(GS1, typed))
    assert reference_hashes(document(GS1, turned)) != reference_hashes(document(GS1, typed))


def test_an_event_s_own_context_is_no_part_of_what_it_says() -> None:
    context = [GS1, {"ex": "urn:ex:"}]
    bare = event(**{"ex:a": "1", "@context": context})
    found = read_event(json.dumps(bare).encode()).hash_id
    assert [found] == reference_hashes(document(context, event(**{"ex:a": "1"})))


@pytest.mark.parametrize("word", ["inf", "Infinity", "-inf", "1e400"])
def test_infinity_is_a_word(word: str) -> None:
    with pytest.raises(LeftOutError):
        reference_hashes(document(GS1, event(**{"urn:ex:a": word})))
    assert text_of(GS1, event(**{"urn:ex:a": word})).endswith(f"urn:ex:a={word}")


@pytest.mark.parametrize(
    ("time", "written"),
    [
        ("2024-12-31T23:59:59.9996Z", "2025-01-01T00:00:00.000Z"),
        ("2024-12-31T23:59:59.9995Z", "2025-01-01T00:00:00.000Z"),
    ],
)
def test_a_time_that_is_rounded_up_carries(time: str, written: str) -> None:
    with pytest.raises(LeftOutError):
        reference_hashes(document(GS1, event(eventTime=time)))
    assert f"eventTime={written}" in text_of(GS1, event(eventTime=time))


@given(st.data())
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_hash_says_what_the_event_says(data: st.DataObject) -> None:
    generated = data.draw(documents())
    [given_event] = generated["epcisBody"]["eventList"]
    [digest] = hashes(generated)
    other = {**given_event, "eventTimeZoneOffset": "+09:00"}
    assert hashes({**generated, "epcisBody": {"eventList": [other]}}) != [digest]
    for name in ("eventID", "recordTime", "errorDeclaration"):
        without = {key: value for key, value in given_event.items() if key != name}
        if name != "errorDeclaration":  # its reason may be a word that the event uses too
            assert hashes({**generated, "epcisBody": {"eventList": [without]}}) == [digest]


def test_the_draft_s_context_says_the_same() -> None:
    assert hashes(document(GS1, event())) == hashes(document(DRAFT, event()))
