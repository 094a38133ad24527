"""A missed check shows, and so does one that failed and was not mended."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

import pytest

from archive_api.recovery.overdue import checked_lately
from archive_api.recovery.possession import Possession, recheck
from ledger.adapters.log_files import LogFiles
from ledger.adapters.memory import MemoryBlobStore
from ledger.cid import Cid
from ledger.log.checkpoint import Checkpoint
from ledger.log.keys import LogSigner
from ledger.log.server_entries import CHALLENGE_BLOCKS, FixityEntry
from ledger.ports.log import LogRecord

DAY = datetime.timedelta(days=1)
MOMENT = datetime.datetime(2026, 11, 28, 9, 0, tzinfo=datetime.UTC)
PASSED = FixityEntry(
    started=MOMENT,
    time=MOMENT,
    outcome="passed",
    block_number=7,
    block_hash=b"h" * 32,
    block_count=0,
    block_bytes=0,
    blocks_root=b"r" * 32,
    challenge=(),
    log_count=0,
    logs_root=b"l" * 32,
    rows=3,
    differences=0,
    finding_count=0,
    findings=(),
)
WITHOUT = dataclasses.replace(PASSED, outcome="indeterminate", block_number=None, block_hash=None)
FAILED = dataclasses.replace(PASSED, outcome="failed", finding_count=70, findings=(("a", "b"),), repaired=70)


@pytest.mark.parametrize(
    ("entries", "days", "codes"),
    [
        ([], 0, ["check_missing"]),
        ([PASSED], 34, []),
        ([PASSED], 36, ["check_overdue"]),
        ([FAILED], 1, []),  # everything was mended
        ([dataclasses.replace(FAILED, repaired=69)], 1, ["check_failed"]),
        ([WITHOUT], 1, ["check_incomplete"]),
        ([FAILED, PASSED], 1, []),
        ([PASSED, dataclasses.replace(FAILED, repaired=0)], 40, ["check_overdue", "check_failed"]),
    ],
)
def test_the_newest_check_counts(tmp_path: Path, entries: list[FixityEntry], days: int, codes: list[str]) -> None:
    with LogFiles(tmp_path / "fixity") as log:
        if entries:
            head = log.append([LogRecord(entry.canonical()) for entry in entries])
            log.publish(Checkpoint("o/fixity", head.size, head.root).sign(LogSigner.from_seed(b"s" * 32)), head.size)
        found = checked_lately(log, len(entries), now=MOMENT + days * DAY, within=35 * DAY)
    assert [code for code, _ in found] == codes


def drawn(store: MemoryBlobStore, key: bytes) -> FixityEntry:
    """The entry of an honest check of a store."""
    possession = Possession(key)
    cids = {cid.digest: cid for cid in store.cids()}
    for cid in cids.values():
        possession.take(cid.digest, memoryview(store.get_block(cid)))
    return dataclasses.replace(
        PASSED,
        block_hash=key,
        block_count=possession.count,
        blocks_root=possession.root(),
        challenge=possession.challenge(cids.__getitem__),
    )


@pytest.mark.parametrize("count", [1, 31, 32, 33, 500])
def test_an_honest_check_holds_whatever_was_drawn(count: int) -> None:
    store = MemoryBlobStore()
    for number in range(count):
        block = b"%d" % number
        store.put_block(Cid.of(block), block)
    for key in (b"k" * 32, b"l" * 32):
        entry = drawn(store, key)
        assert len(entry.challenge) == min(count, CHALLENGE_BLOCKS)
        assert recheck(entry, store.get_block, store.cids()) == ([], [])
    assert drawn(store, b"k" * 32).challenge != drawn(store, b"l" * 32).challenge


def test_blocks_that_came_since_are_a_doubt_and_no_lie() -> None:
    store = MemoryBlobStore()
    for number in range(100):
        block = b"%d" % number
        store.put_block(Cid.of(block), block)
    entry = drawn(store, b"k" * 32)
    for number in range(100, 200):
        block = b"%d" % number
        store.put_block(Cid.of(block), block)
    wrong, doubts = recheck(entry, store.get_block, store.cids())
    assert wrong == []
    assert [code for code, _ in doubts] == ["other_blocks"]
