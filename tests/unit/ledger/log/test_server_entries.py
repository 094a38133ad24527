"""Entries of the server's own logs: read strictly, and their challenge drawn by what nobody knew before."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from typing import Any

import pytest

from ledger.canonical import canonical_bytes
from ledger.cid import Cid
from ledger.errors import MalformedError
from ledger.log.server_entries import (
    CatalogueEntry,
    FixityEntry,
    challenge_digest,
    challenge_order,
    examine_server_entries,
)

MOMENT = datetime.datetime(2026, 11, 28, 9, 0, tzinfo=datetime.UTC)
CID = str(Cid.of(b"facts"))
PASSED = FixityEntry(
    started=MOMENT,
    time=MOMENT,
    outcome="passed",
    block_number=7,
    block_hash=b"h" * 32,
    block_count=1,
    block_bytes=5,
    blocks_root=b"r" * 32,
    challenge=((CID, b"d" * 32),),
    log_count=2,
    logs_root=b"l" * 32,
    rows=3,
    differences=0,
    finding_count=0,
    findings=(),
)
WITHOUT = dataclasses.replace(
    PASSED, outcome="indeterminate", block_number=None, block_hash=None, challenge=(), rows=None, differences=None
)
FAILED = dataclasses.replace(
    PASSED, outcome="failed", finding_count=70, findings=(("damaged_block", "1.pack"),), repaired=70
)


@pytest.mark.parametrize("entry", [PASSED, WITHOUT, FAILED, dataclasses.replace(PASSED, block_number=0)])
def test_a_check_reads_back_as_it_was(entry: FixityEntry) -> None:
    assert FixityEntry.parse(entry.canonical()) == entry


@pytest.mark.parametrize("name", sorted(PASSED.to_json()))
def test_refuses_a_check_without_a_member_or_with_another_value(name: str) -> None:
    members = PASSED.to_json()
    del members[name]
    with pytest.raises(MalformedError):
        FixityEntry.parse(canonical_bytes(members))
    for value in ("x", -1, [1], {"a": 1}):
        with pytest.raises(MalformedError):
            FixityEntry.parse(canonical_bytes({**PASSED.to_json(), name: value}))


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "failed"},
        {"finding_count": 1},
        {"finding_count": 1, "findings": (("a", "b"),)},
        {"outcome": "failed", "finding_count": 50, "findings": (("a", "b"),) * 41},
        {"challenge": ((CID, b"d" * 32),) * 33},
        {"outcome": "fine"},
    ],
)
def test_refuses_an_outcome_that_the_findings_contradict(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        dataclasses.replace(PASSED, **changes)


def test_facts_read_back_and_nothing_else_does() -> None:
    entry = CatalogueEntry(MOMENT, CID, 3)
    assert CatalogueEntry.parse(entry.canonical()) == entry
    for data in (PASSED.canonical(), entry.canonical().replace(b"v1", b"v2"), b"{}", entry.canonical() + b" "):
        with pytest.raises(MalformedError):
            CatalogueEntry.parse(data)


def test_times_that_go_back_and_foreign_entries_are_findings() -> None:
    later = CatalogueEntry(MOMENT + datetime.timedelta(seconds=1), CID, 1).canonical()
    findings, facts = examine_server_entries(5, [later, PASSED.canonical(), b"{}", b"[]", b"\xff"], None)
    assert [(item.code, item.index) for item in findings] == [
        ("time_goes_back", 6),
        ("entry_malformed", 7),
        ("entry_malformed", 8),
        ("entry_malformed", 9),
    ]
    assert facts.first_index == 5


def test_the_challenge_is_what_the_page_says() -> None:
    key, block = b"k" * 32, b"block"
    digest = hashlib.sha256(block).digest()
    assert challenge_order(key, digest) == hashlib.sha256(b"yunshang/fixity-order/v1\x00" + key + digest).digest()
    assert challenge_digest(key, block) == hashlib.sha256(b"yunshang/fixity/v1\x00" + key + block).digest()
    assert json.loads(PASSED.canonical())["format"] == "yunshang-fixity/v1"
