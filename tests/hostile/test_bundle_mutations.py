"""Change any one value anywhere in a bundle, and the verdict is no longer passed.

The walk visits every leaf of the JSON, every member name, every item of every array. A changed value is put back into
canonical form, so that only what it means can betray it.
"""

from __future__ import annotations

import base64
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.bim.notation import Elided, render
from ledger.bim.notation_parser import parse_aspect
from ledger.bim.schema import Aspect
from ledger.canonical import canonical_bytes, parse_canonical
from ledger.cli.seals import CadesSeals
from ledger.fields import utc_time
from ledger.report import Outcome
from ledger.trust import TrustFile
from ledger.verify import verify_bundle

from .mutating import Path_, nodes, other_values, replaced, with_other_items, with_other_members

FOLDER = Path(__file__).resolve().parents[1] / "vectors/evidence"
GOOD = (FOLDER / "bundle.json").read_bytes()
ELEMENT = (FOLDER / "element.json").read_bytes()
STATUS = (FOLDER / "status.json").read_bytes()
TRUST = TrustFile.parse((FOLDER / "trust.json").read_bytes())
NOW = utc_time("2026-11-23T08:00:00Z", "now")


def outcome(data: bytes) -> Outcome:
    return verify_bundle(data, TRUST, seal_checker=CadesSeals(), now=NOW).outcome


def changed(path: Path_, value: Any, good: bytes) -> bytes:
    return replaced(parse_canonical(good), path, value)


Node = tuple[Path_, Any, bytes]
LAST = len(parse_canonical(ELEMENT)["items"]) - 1
STATUS_ITEMS = parse_canonical(STATUS)["items"]
OF_STATUS = {
    index
    for index, item in enumerate(STATUS_ITEMS)
    if item["type"] in ("revocation_status", "timestamp", "certificate")
}
# Of the other bundles only what they have besides: the rest is as in the first one.
NODES: list[Node] = [
    *(
        (path, value, STATUS)
        for path, value in nodes(parse_canonical(STATUS))
        if path[:1] == ("items",) and path[1:2] and path[1] in OF_STATUS
    ),
    *((path, value, GOOD) for path, value in nodes(parse_canonical(GOOD))),
    *((path, value, ELEMENT) for path, value in nodes(parse_canonical(ELEMENT)) if path[:2] == ("items", LAST)),
]
LEAVES = [node for node in NODES if not isinstance(node[1], (dict, list))]
ARRAYS = [node for node in NODES if isinstance(node[1], list)]
OBJECTS = [node for node in NODES if isinstance(node[1], dict)]


def label(node: Node) -> str:
    path, _, good = node
    kind = {GOOD: "", ELEMENT: "element:", STATUS: "status:"}[good]
    return kind + ("/".join(str(key) for key in path) or "root")


def test_the_bundles_themselves_pass() -> None:
    assert outcome(GOOD) is Outcome.PASSED
    assert outcome(ELEMENT) is Outcome.PASSED
    assert outcome(STATUS) is Outcome.PASSED
    assert len(OF_STATUS) == 3 + 1 + 6
    assert len(LEAVES) > 130


@pytest.mark.parametrize("leaf", LEAVES, ids=label)
def test_every_leaf_is_bound(leaf: Node) -> None:
    path, value, good = leaf
    tried = 0
    for other in other_values(value):
        assert outcome(changed(path, other, good)) is not Outcome.PASSED, other
        tried += 1
    assert tried


@pytest.mark.parametrize("node", OBJECTS, ids=label)
def test_every_member_is_bound(node: Node) -> None:
    path, _, good = node
    for what, document in with_other_members(parse_canonical(good), path):
        assert outcome(canonical_bytes(document)) is not Outcome.PASSED, what


@pytest.mark.parametrize("node", ARRAYS, ids=label)
def test_every_item_is_bound(node: Node) -> None:
    path, value, good = node
    for items in with_other_items(value):
        data = canonical_bytes(items) if not path else changed(path, items, good)
        assert outcome(data) is not Outcome.PASSED


@settings(max_examples=300)
@given(st.integers(0, len(GOOD) * 8 - 1))
def test_any_bit_flipped_is_noticed(bit: int) -> None:
    data = bytearray(GOOD)
    data[bit // 8] ^= 1 << bit % 8
    assert outcome(bytes(data)) is not Outcome.PASSED


@settings(max_examples=300)
@given(st.integers(ELEMENT.index(b'{"model":') * 8, len(ELEMENT) * 8 - 1))
def test_any_bit_flipped_in_an_element_is_noticed(bit: int) -> None:
    data = bytearray(ELEMENT)
    data[bit // 8] ^= 1 << bit % 8
    assert outcome(bytes(data)) is not Outcome.PASSED


@settings(max_examples=600)
@given(
    st.integers(STATUS.index(b'"type":"certificate"') * 8, STATUS.index(b'"acceptance"') * 8),
)
def test_any_bit_flipped_in_a_status_or_timestamp_is_noticed(bit: int) -> None:
    data = bytearray(STATUS)
    data[bit // 8] ^= 1 << bit % 8
    assert outcome(bytes(data)) is not Outcome.PASSED


@pytest.mark.parametrize("member", ["data", "token"])
def test_every_octet_of_statuses_and_timestamp_is_bound(member: str) -> None:
    document = parse_canonical(STATUS)
    for item in document["items"]:
        if member not in item:
            continue
        text = item[member]
        raw = base64.b64decode(text)
        for place in range(len(raw)):
            for mask in (1, 0x80):
                item[member] = base64.b64encode(raw[:place] + bytes([raw[place] ^ mask]) + raw[place + 1 :]).decode()
                assert outcome(canonical_bytes(document)) is not Outcome.PASSED, (item["type"], place, mask)
        item[member] = text


def test_statuses_and_timestamp_of_another_handover_are_noticed() -> None:
    document = parse_canonical(STATUS)
    statuses = [item for item in document["items"] if item["type"] == "revocation_status"]
    for one in statuses:
        for other in statuses:
            if one is not other:
                changed_items = [
                    {**item, "data": other["data"], "method": other["method"]} if item is one else item
                    for item in document["items"]
                ]
                assert outcome(canonical_bytes({**document, "items": changed_items})) is not Outcome.PASSED


def test_leaving_out_a_status_is_noticed_and_leaving_out_the_timestamp_shows_less() -> None:
    document = parse_canonical(STATUS)
    for index, item in enumerate(document["items"]):
        if item["type"] in ("revocation_status", "timestamp"):
            rest = {**document, "items": document["items"][:index] + document["items"][index + 1 :]}
            expected = Outcome.PASSED if item["type"] == "timestamp" else Outcome.INDETERMINATE
            assert outcome(canonical_bytes(rest)) is expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("FM1021 甲级", "FM1021 乙级"),
        ("9:900.", "9:900.0000000000001"),
        (".SINGLE_SWING_LEFT.", ".SINGLE_SWING_RIGHT."),
        ("IFCBOOLEAN(.F.)", "IFCBOOLEAN(.T.)"),
        ("IFCBOOLEAN", "IFCLOGICAL"),
        ("{#IFCPROPERTY", "(#IFCPROPERTY"),
        ("'Pset_DoorCommon'", "$"),
        ("'钢'", "'木'"),
        ("(~,~,~,~,@,#'0Storey", "(~,~,~,~,#'0Storey"),
        ("(1200.,0.,0.)", "(1200.,0.)"),
        ("3:$", "3:''"),
        ("4:$,", ""),
        ("12:$", "13:$"),
    ],
)
def test_every_word_of_the_notation_is_bound(old: str, new: str) -> None:
    document = parse_canonical(ELEMENT)
    aspects = document["items"][LAST]["proof"]["aspects"]
    assert any(old in notation for notation in aspects.values())
    document["items"][LAST]["proof"]["aspects"] = {name: text.replace(old, new) for name, text in aspects.items()}
    assert outcome(canonical_bytes(document)) is Outcome.FAILED


def test_an_aspect_may_be_shown_by_its_digest_only() -> None:
    document = parse_canonical(ELEMENT)
    proof = document["items"][LAST]["proof"]
    hidden = parse_aspect(proof["aspects"]["material"], Aspect.MATERIAL)
    proof["aspects"]["material"] = render(Elided(hidden.digest))
    assert outcome(canonical_bytes(document)) is Outcome.PASSED


def test_bytes_added_or_cut_off_are_noticed() -> None:
    draw = random.Random(20261122)
    for _ in range(200):
        place = draw.randrange(len(GOOD))
        assert outcome(GOOD[:place]) is not Outcome.PASSED
        assert outcome(GOOD[:place] + GOOD[place + 1 :]) is not Outcome.PASSED
        assert outcome(GOOD[:place] + b" " + GOOD[place:]) is not Outcome.PASSED
    assert outcome(GOOD + b"\n") is not Outcome.PASSED
