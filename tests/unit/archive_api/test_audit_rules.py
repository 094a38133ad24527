"""What an audit says where there is little to hold a log against, and of erasures told in advance."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from archive_api.access_log.audit import Audit
from ledger.adapters.log_files import LogFiles
from ledger.log.access import AccessEntry
from ledger.log.access_audit import BundleFacts, check_together
from ledger.log.checkpoint import Checkpoint
from ledger.log.keys import LogSigner
from ledger.ports.chain import AnchoredCheckpoint
from ledger.ports.log import LogRecord
from ledger.trust import LogPin
from scripts.sample_records import WITNESSES

ORIGIN = "yunshang/1/0x00/archive/access"
KEY = LogSigner.from_seed(bytes(range(32))).key.public
NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
GIVEN = Audit(origin=ORIGIN, pin=LogPin(ORIGIN, KEY, 300), anchored=(), now=NOW)


def doubts(given: Audit, tiles: Any) -> list[str]:
    report = given.check(tiles, None)
    assert report.findings == ()
    assert report.outcome == "INDETERMINATE"
    return [code for code, _ in report.doubts]


def test_a_log_without_a_checkpoint_proves_nothing(tmp_path: Any) -> None:
    """A log deleted as a whole before its first head was anchored looks like one that never was."""
    with LogFiles(tmp_path / "log") as tiles:
        assert doubts(GIVEN, tiles) == ["log_empty"]
        assert doubts(replace(GIVEN, pin=None), tiles) == ["log_empty", "no_log_key"]


def test_up_to_when_the_chain_vouches_is_said(tmp_path: Any) -> None:
    """Entries after that time can have been cut off with key and disk: whoever audits has to see how long it is ago."""
    heads = [AnchoredCheckpoint(size, bytes(32), block_number=size, block_time=1_770_000_000 + size) for size in (1, 2)]
    with LogFiles(tmp_path / "log") as tiles:
        assert GIVEN.check(tiles, None).to_json()["anchored_at"] is None
        report = replace(GIVEN, anchored=heads).check(tiles, None)
    assert report.to_json()["anchored_at"] == "2026-02-02T02:40:02Z"


def test_an_erasure_can_not_be_told_in_advance() -> None:
    """Else one entry that names all indices to come would let rows vanish for ever."""
    told = BundleFacts(0, (1, 2, 3), erased=((1, 1),), declared=((1, ((0, 2**40),)),))
    assert [finding.code for finding in check_together([told])] == ["erasure_not_told"]
    later = BundleFacts(0, (1, 2, 3), erased=((2, 1),), declared=((1, ((0, 2**40),)),))
    assert [(finding.code, finding.index) for finding in check_together([later])] == [("erasure_not_told", 2)]
    before = BundleFacts(0, (1, 2, 3), erased=((0, 1),), declared=((1, ((0, 2**40),)),))
    assert check_together([before]) == []


def test_co_signatures_of_pinned_witnesses_are_heeded(tmp_path: Any) -> None:
    """Too few leave it open; one that does not hold is a finding; strangers are nobody."""
    signer, entry = LogSigner.from_seed(bytes(range(32))), AccessEntry(NOW, action="x", outcome="granted", personal=KEY)
    pin = LogPin(ORIGIN, KEY, 300, witnesses=tuple(witness.key for witness in WITNESSES), witness_quorum=2)
    with LogFiles(tmp_path / "log") as tiles:
        head = tiles.append([LogRecord(entry.canonical())])
        note = Checkpoint(ORIGIN, head.size, head.root).sign(signer)
        anchored = [AnchoredCheckpoint(1, head.root, block_number=1, block_time=int(NOW.timestamp()))]
        given = replace(GIVEN, pin=pin, anchored=anchored)
        first, second = (witness.line(note, int(NOW.timestamp())) for witness in WITNESSES)
        forged = WITNESSES[1].spelled(bytes(7) + b"\x01" + bytes(64))
        assert given.check(tiles, note + first + second).outcome == "PASSED"
        assert [code for code, _ in given.check(tiles, note + first).doubts] == ["witness_quorum"]
        assert given.check(tiles, note).outcome == "INDETERMINATE"
        assert [found.code for found in given.check(tiles, note + first + forged).findings] == ["checkpoint_refused"]
        assert replace(given, pin=replace(pin, witnesses=(), witness_quorum=0)).check(tiles, note).outcome == "PASSED"
        kept = replace(given, kept=[note + forged]).check(tiles, note + first + second)
        assert [found.code for found in kept.findings] == ["kept_checkpoint_refused"]
