"""A monitor against an operator with disk and key: history is rewritten, signed anew, and found out.

The operator alters files of the log, makes all hashes agree again, and signs the result with the log's own key, so that
nothing within the log is wrong. What he can't change is a checkpoint that somebody kept, and a head that was anchored.
"""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.adapters.log_files import LogFiles
from ledger.errors import LedgerError, MismatchError
from ledger.log.checkpoint import Checkpoint, SignedCheckpoint
from ledger.log.keys import LogSigner
from ledger.log.proofs import TreeReader
from ledger.log.record import RecordEntry
from ledger.log.tiles import ENTRIES, parse_entries, tiles_of
from ledger.log.verify import KnownHead, LogReport, verify_log
from ledger.merkle import verify_consistency, verify_inclusion
from ledger.ports.log import LogRecord

from .conftest import ORIGIN, publish

CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
COUNT, LATER = 600, 100
Rewrite = Callable[[list[bytes]], list[bytes]]


def record(index: int, *, quantity: int = 1) -> bytes:
    """An entry of one of 60 captures of ten records."""
    return RecordEntry(
        datetime.datetime(2026, 3, 1, 8, tzinfo=datetime.UTC) + datetime.timedelta(seconds=index // 10),
        capture=(index // 10).to_bytes(32, "big"),
        capture_cid=CID,
        record_index=index % 10,
        record_sha256=(1000 * quantity + index).to_bytes(32, "big"),
        record_id=f"event {index}",
        reporter="91440101MA5000001X",
    ).canonical()


def written(folder: Path, entries: list[bytes], signer: LogSigner) -> Checkpoint:
    with LogFiles(folder) as log:
        log.append([LogRecord(entry) for entry in entries])
        return publish(log, signer)


def entries_in(folder: Path) -> list[bytes]:
    log = LogFiles(folder, read_only=True)
    found: list[bytes] = []
    for tile in tiles_of(ENTRIES, log.head().size):
        found += parse_entries(log.read(tile), tile.width)
    return found


@pytest.fixture
def honest(tmp_path: Path, signer: LogSigner) -> tuple[Path, Checkpoint]:
    """A log, and the checkpoint that a monitor kept of it."""
    return tmp_path / "log", written(tmp_path / "log", [record(index) for index in range(COUNT)], signer)


def rewritten(folder: Path, rewrite: Rewrite, signer: LogSigner) -> Checkpoint:
    """Have the operator write the log anew: every hash agrees, and the key is the log's own."""
    entries = rewrite(entries_in(folder))
    shutil.rmtree(folder)
    return written(folder, entries, signer)


def monitor(folder: Path, kept: Checkpoint, signer: LogSigner) -> LogReport:
    """What a monitor with a kept checkpoint, or an anchored head, sees."""
    log = LogFiles(folder, read_only=True)
    newest = SignedCheckpoint.parse(log.checkpoint() or b"").verify(signer.key, ORIGIN)
    known = [KnownHead(newest.size, newest.root, "checkpoint"), KnownHead(kept.size, kept.root, "kept")]
    return verify_log(log, known, size=newest.size)


def altered(entries: list[bytes]) -> list[bytes]:
    return [*entries[:77], record(77, quantity=9), *entries[78:]]


def dropped(entries: list[bytes]) -> list[bytes]:
    return entries[:300] + entries[301:]


def swapped(entries: list[bytes]) -> list[bytes]:
    return [*entries[:10], entries[11], entries[10], *entries[12:]]


def inserted(entries: list[bytes]) -> list[bytes]:
    return [*entries[:512], record(10_000), *entries[512:]]


def truncated(entries: list[bytes]) -> list[bytes]:
    return entries[:-1]


REWRITES = (altered, dropped, swapped, inserted, truncated)


@pytest.mark.parametrize("grows", [False, True], ids=["as_it_was", "grown_since"])
@pytest.mark.parametrize("rewrite", REWRITES)
def test_history_rewritten_and_signed_anew_is_found_out(
    honest: tuple[Path, Checkpoint], rewrite: Rewrite, grows: bool, signer: LogSigner
) -> None:
    folder, kept = honest
    later = [record(index) for index in range(COUNT, COUNT + LATER)] if grows else []
    rewritten(folder, lambda entries: rewrite(entries) + later, signer)
    with LogFiles(folder):
        pass  # within itself nothing is wrong: the server starts on it
    report = monitor(folder, kept, signer)
    codes = {finding.code for finding in report.findings}
    assert codes == ({"entries_removed"} if report.size < kept.size else {"history_rewritten"})
    assert [head.source for head in report.heads] == ["checkpoint"]


@pytest.mark.parametrize("rewrite", REWRITES)
def test_no_consistency_proof_leads_from_the_kept_checkpoint_to_a_rewritten_log(
    honest: tuple[Path, Checkpoint], rewrite: Rewrite, signer: LogSigner
) -> None:
    """What CheckpointLog checks on chain, and a witness before it signs."""
    folder, kept = honest
    later = [record(index) for index in range(COUNT, COUNT + LATER)]
    newest = rewritten(folder, lambda entries: rewrite(entries) + later, signer)
    path = TreeReader(LogFiles(folder, read_only=True), newest.size).consistency(kept.size)
    with pytest.raises(MismatchError):
        verify_consistency(kept.size, kept.root, newest.size, new_root=newest.root, path=path)


def test_an_honest_log_that_grew_is_not_accused(honest: tuple[Path, Checkpoint], signer: LogSigner) -> None:
    folder, kept = honest
    with LogFiles(folder) as log:
        log.append([LogRecord(record(index)) for index in range(COUNT, COUNT + LATER)])
        newest = publish(log, signer)
        report = monitor(folder, kept, signer)
        assert report.findings == ()
        assert {head.source for head in report.heads} == {"checkpoint", "kept"}
        path = TreeReader(log, newest.size).consistency(kept.size)
        verify_consistency(kept.size, kept.root, newest.size, new_root=newest.root, path=path)


@pytest.mark.parametrize("rewrite", [altered, swapped, inserted, dropped])
def test_a_proof_given_out_before_fails_against_the_rewritten_log(
    honest: tuple[Path, Checkpoint], rewrite: Rewrite, signer: LogSigner
) -> None:
    folder, kept = honest
    log = LogFiles(folder, read_only=True)
    tree = TreeReader(log, kept.size)
    held = [(index, tree.leaf(index), tree.inclusion(index)) for index in range(kept.size)]
    newest = rewritten(folder, rewrite, signer)
    broken = 0
    for _index, leaf, proof in held:
        verify_inclusion(leaf, proof, kept.root)
        try:
            verify_inclusion(leaf, proof, newest.root)
        except MismatchError:
            broken += 1
    assert broken == len(held)


@pytest.mark.parametrize("name", ["entries/000", "0/000", "1/000", "checkpoint"])
def test_a_file_changed_without_signing_anew_is_found_out(
    honest: tuple[Path, Checkpoint], name: str, signer: LogSigner
) -> None:
    folder, kept = honest
    path = folder / name if name == "checkpoint" else folder / "tile" / name
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    if name == "checkpoint":
        with pytest.raises(LedgerError):
            monitor(folder, kept, signer)
        return
    report = monitor(folder, kept, signer)
    assert report.findings
