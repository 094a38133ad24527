"""Change any one value anywhere in a record's evidence, and the verdict is no longer passed.

With witnesses pinned of which all are needed: a signature line of a key that nobody pins may be changed, as signed-note
has it, since nothing rests on it.
"""

from __future__ import annotations

import base64
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.canonical import canonical_record, parse_record
from ledger.cli.seals import CadesSeals
from ledger.cli.verify import event_namer
from ledger.record_verify import verify_record
from ledger.report import Outcome
from ledger.types import Role
from scripts import sample_status
from scripts.sample_evidence import NOW, PUBLISHING, key_store
from scripts.sample_records import Reported, Witness, witness_trust

from .mutating import Path_, nodes, other_values, replaced, with_other_items, with_other_members

NAME_EVENT = event_namer()
TRUST = witness_trust()
GOOD = (
    Reported(key=key_store("contractor", issuer=PUBLISHING))
    .bundle(later=True, statuses=[sample_status.by_ocsp(Role.CONTRACTOR)])
    .to_bytes()
)
NODES = list(nodes(parse_record(GOOD)))
LEAVES = [node for node in NODES if not isinstance(node[1], (dict, list))]


def outcome(data: bytes) -> Outcome:
    return verify_record(data, TRUST, seal_checker=CadesSeals(), now=NOW, name_event=NAME_EVENT).outcome


def label(node: tuple[Path_, Any]) -> str:
    return "/".join(str(key) for key in node[0]) or "root"


def test_the_bundle_itself_passes() -> None:
    assert outcome(GOOD) is Outcome.PASSED
    assert len(LEAVES) > 50


@pytest.mark.parametrize("leaf", LEAVES, ids=label)
def test_every_leaf_is_bound(leaf: tuple[Path_, Any]) -> None:
    path, value = leaf
    others = list(other_values(value))
    assert others
    for other in others:
        assert outcome(replaced(parse_record(GOOD), path, other)) is not Outcome.PASSED, other


@pytest.mark.parametrize("node", [node for node in NODES if isinstance(node[1], dict)], ids=label)
def test_every_member_is_bound(node: tuple[Path_, Any]) -> None:
    for what, document in with_other_members(parse_record(GOOD), node[0]):
        assert outcome(canonical_record(document)) is not Outcome.PASSED, what


@pytest.mark.parametrize("node", [node for node in NODES if isinstance(node[1], list)], ids=label)
def test_every_item_is_bound(node: tuple[Path_, Any]) -> None:
    for items in with_other_items(node[1]):
        if node[0] == ("items",) and items == node[1][:-1]:
            continue  # without the later checkpoint it shows less
        assert outcome(replaced(parse_record(GOOD), node[0], items)) is not Outcome.PASSED


@settings(max_examples=600)
@given(st.integers(0, len(GOOD) * 8 - 1))
def test_any_bit_flipped_is_noticed(bit: int) -> None:
    data = bytearray(GOOD)
    data[bit // 8] ^= 1 << bit % 8
    assert outcome(bytes(data)) is not Outcome.PASSED


def test_every_octet_of_a_note_is_bound() -> None:
    """Names, ids, times and signatures of the log and both witnesses, in both notes."""
    for index, item in enumerate(parse_record(GOOD)["items"]):
        if "note" not in item:
            continue
        note = item["note"].encode()
        for place in range(len(note)):
            changed = note[:place] + bytes([note[place] ^ 1]) + note[place + 1 :]
            try:
                text = changed.decode()
            except UnicodeDecodeError:
                continue
            assert outcome(replaced(parse_record(GOOD), ("items", index, "note"), text)) is not Outcome.PASSED, place


def test_bytes_added_or_cut_off_are_noticed() -> None:
    draw = random.Random(20261128)
    for _ in range(100):
        place = draw.randrange(len(GOOD))
        assert outcome(GOOD[:place]) is not Outcome.PASSED
        assert outcome(GOOD[:place] + GOOD[place + 1 :]) is not Outcome.PASSED
        assert outcome(GOOD[:place] + b" " + GOOD[place:]) is not Outcome.PASSED
    assert outcome(GOOD + b"\n") is not Outcome.PASSED


def test_a_line_that_nobody_pins_is_left_alone() -> None:
    good = Reported(witnesses=(*Reported().witnesses, Witness("stranger.example"))).bundle()
    assert outcome(good.to_bytes()) is Outcome.PASSED
    lines = good.checkpoint.splitlines(keepends=True)
    name, _, blob = lines[-1].decode().removeprefix("\u2014 ").partition(" ")
    raw = base64.b64decode(blob)
    lines[-1] = f"\u2014 {name} {base64.b64encode(raw[:-1] + bytes([raw[-1] ^ 1])).decode()}\n".encode()
    document = parse_record(good.to_bytes())
    place = next(index for index, item in enumerate(document["items"]) if item["type"] == "checkpoint")
    assert outcome(replaced(document, ("items", place, "note"), b"".join(lines).decode())) is Outcome.PASSED
