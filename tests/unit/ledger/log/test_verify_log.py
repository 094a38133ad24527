"""A log that was tampered with, at every position and in every kind of file, is never found whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.adapters.log_files import LogFiles
from ledger.log.keys import LogSigner
from ledger.log.proofs import TreeReader
from ledger.log.tiles import encode_entries
from ledger.log.verify import KnownHead, LogReport, verify_log
from ledger.ports.log import LogRecord

from .conftest import entry, fill, publish

SIGNER = LogSigner.from_seed(bytes(range(32)))
SMALL, ANCHORED = 7, (3, 6)


def heads_of(folder: Path, sizes: tuple[int, ...]) -> list[KnownHead]:
    log = LogFiles(folder, read_only=True)
    return [KnownHead(size, TreeReader(log, size).root, f"of {size}") for size in sizes]


def verify(folder: Path, heads: list[KnownHead]) -> LogReport:
    log = LogFiles(folder, read_only=True)
    head = log.head()
    return verify_log(log, [*heads, KnownHead(head.size, head.root, "checkpoint")], size=head.size)


def rewrite(folder: Path, entries: list[bytes]) -> None:
    """The whole log anew, as whoever has its key and its disk can make it: tiles and checkpoint fit."""
    shutil.rmtree(folder)
    with LogFiles(folder) as log:
        log.append([LogRecord(item) for item in entries])
        publish(log, SIGNER)


@pytest.fixture
def small(tmp_path: Path) -> tuple[Path, list[KnownHead]]:
    fill(tmp_path / "log", SMALL, SIGNER)
    return tmp_path / "log", heads_of(tmp_path / "log", ANCHORED)


@pytest.mark.parametrize("count", [1, 7, 255, 256, 257, 1030])
def test_an_untouched_log_is_whole(tmp_path: Path, count: int) -> None:
    fill(tmp_path / "log", count, SIGNER)
    heads = heads_of(tmp_path / "log", tuple({1, count // 2 or 1, count}))
    report = verify(tmp_path / "log", heads)
    assert report.findings == ()
    assert report.size == count
    assert len(report.heads) == len(heads) + 1


@pytest.mark.parametrize("name", ["tile/entries/000", "tile/0/000"])
def test_every_bit_of_a_file_counts(small: tuple[Path, list[KnownHead]], name: str) -> None:
    folder, heads = small
    path = folder / name
    data = path.read_bytes()
    for position in range(len(data)):
        for bit in (1, 128):
            path.write_bytes(data[:position] + bytes([data[position] ^ bit]) + data[position + 1 :])
            assert verify(folder, heads).findings, (position, bit)
    for length in range(len(data)):
        path.write_bytes(data[:length])
        assert verify(folder, heads).findings, length
    path.unlink()
    assert verify(folder, heads).findings


def test_every_bit_of_the_tiles_above_counts(tmp_path: Path) -> None:
    fill(tmp_path / "log", 520, SIGNER)
    path = tmp_path / "log/tile/1/000"
    data = path.read_bytes()
    assert len(data) == 64
    for position in range(len(data)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        findings = verify(tmp_path / "log", []).findings
        assert [finding.code for finding in findings] == ["tile_altered"]


Change = Callable[[list[bytes], int], list[bytes]]
CHANGES: dict[str, Change] = {
    "removed": lambda entries, index: entries[:index] + entries[index + 1 :],
    "altered": lambda entries, index: [*entries[:index], b"another", *entries[index + 1 :]],
    "inserted": lambda entries, index: [*entries[:index], b"another", *entries[index:]],
    "doubled": lambda entries, index: [*entries[: index + 1], *entries[index:]],
    "swapped": lambda entries, index: [*entries[:index], *reversed(entries[index : index + 2]), *entries[index + 2 :]],
    "cut off": lambda entries, index: entries[:index],
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("index", range(SMALL))
def test_history_rewritten_with_key_and_disk_is_caught_by_an_anchored_head(
    small: tuple[Path, list[KnownHead]], change: str, index: int
) -> None:
    folder, heads = small
    entries = [entry(number) for number in range(SMALL)]
    changed = CHANGES[change](entries, index)
    rewrite(folder, changed)
    report = verify(folder, heads)
    if changed[: ANCHORED[-1]] == entries[: ANCHORED[-1]]:
        # Behind the last anchored head only promises and kept checkpoints tell.
        assert report.findings == ()
        return
    assert report.findings
    first = next((at for at, item in enumerate(changed) if item != entries[at]), len(changed))
    for finding in report.findings:
        assert finding.index is not None
        assert finding.index <= first <= (finding.index if finding.last_index is None else finding.last_index)


@pytest.mark.parametrize("is_own_first", [True, False])
def test_what_a_rewritten_logs_own_checkpoint_agrees_with_tells_nothing_of_where_it_was_rewritten(
    small: tuple[Path, list[KnownHead]], is_own_first: bool
) -> None:
    folder, _ = small
    known = heads_of(folder, (3, SMALL))
    rewrite(folder, [b"another" if number == 4 else entry(number) for number in range(SMALL)])
    own = KnownHead(SMALL, LogFiles(folder, read_only=True).head().root, "checkpoint")
    heads = [own, *known] if is_own_first else [*known, own]
    report = verify_log(LogFiles(folder, read_only=True), heads, size=SMALL)
    assert [(f.code, f.index, f.last_index) for f in report.findings] == [("history_rewritten", 3, SMALL - 1)]


@pytest.mark.parametrize("index", range(SMALL))
def test_an_entry_altered_in_place_is_named(small: tuple[Path, list[KnownHead]], index: int) -> None:
    folder, heads = small
    entries = [entry(number) for number in range(SMALL)]
    entries[index] = bytes(len(entries[index]))
    (folder / "tile/entries/000").write_bytes(encode_entries(entries))
    findings = verify(folder, heads).findings
    assert {finding.code for finding in findings} == {"leaf_mismatch", "entry_altered"}
    assert {finding.index for finding in findings} == {index}


def test_a_head_above_the_log_says_what_is_gone(small: tuple[Path, list[KnownHead]]) -> None:
    folder, _ = small
    report = verify(folder, [KnownHead(9, bytes(32), "anchored in block 5")])
    assert [(f.code, f.index, f.last_index) for f in report.findings] == [("entries_removed", 7, 8)]


def test_entries_are_looked_at_by_the_rules_of_the_stream(small: tuple[Path, list[KnownHead]]) -> None:
    folder, heads = small
    log, seen = LogFiles(folder, read_only=True), []

    def examine(first: int, entries: object, beside: object, /) -> tuple[tuple[()], str]:
        seen.append((first, len(list(entries)), beside))  # type: ignore[call-overload]
        return (), "fact"

    report = verify_log(log, heads, size=SMALL, examine=examine, beside=lambda first, count: (first, count))
    assert seen == [(0, SMALL, (0, SMALL))]
    assert report.facts == ("fact",)


@settings(max_examples=150)
@given(st.data())
def test_anything_done_to_a_larger_log_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.getbasetemp() / "larger"
    if not folder.exists():
        fill(folder, 600, SIGNER)
    names = sorted(path.relative_to(folder).as_posix() for path in (folder / "tile").rglob("*") if path.is_file())
    path = folder / data.draw(st.sampled_from(names))
    content = path.read_bytes()
    position = data.draw(st.integers(0, len(content) - 1))
    length = data.draw(st.integers(0, 40))
    changed = content[:position] + data.draw(st.binary(max_size=40)) + content[position + length :]
    heads = heads_of(folder, (100, 256, 400, 600))
    path.write_bytes(changed)
    try:
        findings = verify(folder, heads).findings
    finally:
        path.write_bytes(content)
    # What follows a partial bundle in its file belongs to no tree of this size.
    if changed[: len(content)] != content:
        assert findings
