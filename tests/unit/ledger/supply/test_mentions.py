"""What events mention."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ledger.supply.mentions import MENTION_KINDS, Mention, mentions
from ledger.supply.sample import clean_project


def test_every_event_type_is_read() -> None:
    record = {
        "epcList": ["urn:a:1", "urn:a:1"],
        "quantityList": [{"epcClass": "urn:lot:1", "quantity": 2}],
        "parentID": "urn:box:1",
        "childEPCs": ["urn:a:2"],
        "childQuantityList": [{"epcClass": "urn:lot:2"}],
        "inputEPCList": ["urn:a:3"],
        "inputQuantityList": [{"epcClass": "urn:lot:3"}],
        "outputEPCList": ["urn:a:4"],
        "outputQuantityList": [{"epcClass": "urn:lot:4"}],
        "bizTransactionList": [{"type": "po", "bizTransaction": "urn:po:1"}],
        "sourceList": [{"type": "possessing_party", "source": "urn:yunshang:party:ABC"}],
        "destinationList": [{"type": "location", "destination": "urn:epc:id:sgln:1.1.1"}],
        "yunshang:elements": {"yunshang:globalId": "g", "yunshang:modelRoot": "0x"},
        "yunshang:parties": [{"yunshang:role": "buyer", "yunshang:code": "DEF", "yunshang:name": "n"}],
        "yunshang:report": "ab",
        "yunshang:documents": ["cd"],
        "yunshang:witness": "GHI",
    }
    assert set(mentions(record)) == {
        Mention("epc", "urn:a:1"),
        Mention("class", "urn:lot:1"),
        Mention("parent", "urn:box:1"),
        Mention("child", "urn:a:2"),
        Mention("child", "urn:lot:2"),
        Mention("input", "urn:a:3"),
        Mention("input_class", "urn:lot:3"),
        Mention("output", "urn:a:4"),
        Mention("output_class", "urn:lot:4"),
        Mention("transaction", "urn:po:1"),
        Mention("party", "ABC"),
        Mention("party", "urn:epc:id:sgln:1.1.1"),
        Mention("element", "g"),
        Mention("party", "DEF"),
        Mention("document", "ab"),
        Mention("document", "cd"),
        Mention("party", "GHI"),
    }


def test_each_thing_is_mentioned_once_and_in_a_stable_order() -> None:
    for record in clean_project(3).records:
        found = mentions(record)
        assert len(set(found)) == len(found)
        assert found == mentions(dict(reversed(list(record.items()))))
        assert {mention.kind for mention in found} <= set(MENTION_KINDS)


def test_a_class_of_products_does_not_tie_its_lots_together() -> None:
    project = clean_project(3)
    record = next(record for record in project.records if "yunshang:class" in record)
    assert record["yunshang:class"] not in {mention.thing for mention in mentions(record)}


def test_the_examples_of_the_standard_mention_something(shared_data: Path) -> None:
    for path in sorted((shared_data / "epcis" / "examples").glob("*.jsonld")):
        for event in json.loads(path.read_text("utf-8"))["epcisBody"]["eventList"]:
            assert mentions(event)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(
    ["epcList", "quantityList", "parentID", "sourceList", "bizTransactionList", "yunshang:elements", "yunshang:report"]
)


@given(st.dictionaries(names, values))
def test_members_of_another_form_mention_nothing_and_break_nothing(record: dict[str, object]) -> None:
    for mention in mentions(record):
        assert isinstance(mention.thing, str)
