"""Logs on disk: what was appended is there after any crash, and what was changed is not opened."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.adapters.log_files import LogFiles
from ledger.adapters.log_writer import LogWriter
from ledger.errors import LedgerError, MalformedError, MismatchError, NotFoundError, PolicyError, TransportError
from ledger.log.keys import LogSigner
from ledger.log.tiles import ENTRIES, TILE_WIDTH, Tile, parse_entries
from ledger.merkle import leaf_hash, root_hash
from ledger.ports.log import LogRecord

from .conftest import ORIGIN, SteppingClock, entry, fill, publish


def records(first: int, count: int) -> list[LogRecord]:
    return [LogRecord(entry(index), f"note {index}".encode()) for index in range(first, first + count)]


def entries_of(log: LogFiles) -> list[bytes]:
    size = log.head().size
    found: list[bytes] = []
    for index in range(-(-size // TILE_WIDTH)):
        width = min(TILE_WIDTH, size - index * TILE_WIDTH)
        found += parse_entries(log.read(Tile(ENTRIES, index, width)), width)
    return found


def assert_holds(log: LogFiles, count: int) -> None:
    expected = [entry(index) for index in range(count)]
    assert entries_of(log) == expected
    assert log.head().root == root_hash([leaf_hash(item) for item in expected])


def test_an_empty_log_has_no_checkpoint(log: LogFiles) -> None:
    assert log.checkpoint() is None
    assert log.head().size == 0
    with pytest.raises(NotFoundError):
        log.read(Tile(0, 0, 1))


@pytest.mark.parametrize("count", [1, 255, 256, 257, 600])
def test_reopened_it_holds_what_was_appended_without_a_checkpoint(tmp_path: Path, count: int) -> None:
    with LogFiles(tmp_path / "log") as log:
        log.append(records(0, count))
    with LogFiles(tmp_path / "log") as log:
        assert_holds(log, count)
        assert list(log.notes(10_000)) == [(index, f"note {index}".encode()) for index in range(count)]


def test_partial_tiles_are_cut_out(tmp_path: Path, signer: LogSigner) -> None:
    fill(tmp_path / "log", 300, signer)
    log = LogFiles(tmp_path / "log", read_only=True)
    assert parse_entries(log.read(Tile(ENTRIES, 1, 3)), 3) == [entry(256), entry(257), entry(258)]
    assert log.read(Tile(0, 1, 2)) == leaf_hash(entry(256)) + leaf_hash(entry(257))
    for tile in (Tile(0, 1, 45), Tile(ENTRIES, 1, 45), Tile(0, 1), Tile(1, 0, 2), Tile(2, 0, 1)):
        with pytest.raises(NotFoundError):
            log.read(tile)


def test_a_second_writer_is_refused(tmp_path: Path, log: LogFiles) -> None:
    with pytest.raises(PolicyError) as refusal:
        LogFiles(tmp_path / "log")
    assert refusal.value.code == "log_in_use"


def test_a_reader_neither_writes_nor_needs_the_writer(tmp_path: Path, signer: LogSigner) -> None:
    with pytest.raises(NotFoundError):
        LogFiles(tmp_path / "log", read_only=True)
    fill(tmp_path / "log", 3, signer)
    reader = LogFiles(tmp_path / "log", read_only=True)
    assert reader.head().size == 3
    with pytest.raises(PolicyError):
        reader.append([LogRecord(b"x")])


def test_an_entry_of_no_allowed_length_changes_nothing(log: LogFiles) -> None:
    for length in (0, 65_536):
        with pytest.raises(MalformedError):
            log.append([LogRecord(b"good"), LogRecord(bytes(length))])
    assert log.head().size == 0


def test_notes_taken_over_leave_no_trace(tmp_path: Path, log: LogFiles, signer: LogSigner) -> None:
    log.append(records(0, 5))
    publish(log, signer)
    log.append(records(5, 5))
    assert len(log.notes(3)) == 3
    log.forget_notes(7)
    assert [index for index, _ in log.notes(10)] == [7, 8, 9]
    publish(log, signer)
    log.forget_notes(10)
    assert list((tmp_path / "log" / "journal").iterdir()) == []
    left = b"".join(path.read_bytes() for path in (tmp_path / "log").rglob("*") if path.is_file())
    assert b"note" not in left


def test_the_journal_torn_at_any_byte_gives_whole_entries(tmp_path: Path) -> None:
    with LogFiles(tmp_path / "log") as log:
        log.append(records(0, 3))
        ends = [path.stat().st_size for path in (tmp_path / "log/journal").iterdir()]
    journal = next((tmp_path / "log/journal").iterdir())
    data = journal.read_bytes()
    assert ends == [len(data)]
    for length in range(len(data)):
        shutil.rmtree(tmp_path / "log/tile", ignore_errors=True)
        journal.write_bytes(data[:length])
        with LogFiles(tmp_path / "log") as log:
            size = log.head().size
            assert_holds(log, size)
            assert size == sum(length >= end for end in _record_ends(data))
            log.append(records(size, 2))
        with LogFiles(tmp_path / "log") as log:
            assert_holds(log, size + 2)


def _record_ends(data: bytes) -> list[int]:
    ends, position = [], 0
    while position < len(data):
        lengths = data[position + 12 : position + 18]
        position += 34 + int.from_bytes(lengths[:2], "big") + int.from_bytes(lengths[2:], "big")
        ends.append(position)
    return ends


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["append", "append", "publish", "forget", "reopen", "crash"]), st.integers(1, 300)),
    max_size=14,
)


@settings(max_examples=40)
@given(STEPS, st.randoms(use_true_random=False))
def test_behaves_as_a_list(tmp_path_factory: pytest.TempPathFactory, steps: list[Step], random: object) -> None:
    folder = tmp_path_factory.mktemp("model") / "log"
    signer = LogSigner.from_seed(bytes(32))
    count, log = 0, LogFiles(folder)
    try:
        for action, number in steps:
            if action == "append":
                log.append(records(count, number))
                count += number
            elif action == "publish":
                publish(log, signer)
            elif action == "forget":
                log.forget_notes(min(number, count))
            else:
                published = 0 if log.checkpoint() is None else int((log.checkpoint() or b"").split(b"\n")[1])
                log.close()
                if action == "crash":
                    _lose_unsynced(folder, published, random)
                log = LogFiles(folder)
            assert_holds(log, count)
    finally:
        log.close()


def _lose_unsynced(folder: Path, published: int, random: object) -> None:
    """What a loss of power may do to files that were not synced: gone, shorter, zeros behind what was."""
    for path in sorted((folder / "tile").rglob("*")):
        if not path.is_file():
            continue
        name = path.relative_to(folder / "tile").as_posix()
        tile = Tile.parse(name)
        synced = _synced_bytes(path, tile, published)
        fate = random.choice(["kept", "gone", "zeros", "longer"])  # type: ignore[attr-defined]
        data = path.read_bytes()
        if tile.is_within(published):
            continue  # full, synced, and never opened again
        if fate == "gone" and synced == 0:
            path.unlink()
        elif fate == "gone":
            path.write_bytes(data[:synced])
        elif fate == "zeros":
            path.write_bytes(data[:synced] + bytes(len(data) - synced))
        elif fate == "longer":
            path.write_bytes(data + b"\x01stale")


def _synced_bytes(path: Path, tile: Tile, published: int) -> int:
    width = (published >> (8 * max(tile.level, 0))) - tile.index * TILE_WIDTH
    width = max(0, min(TILE_WIDTH, width))
    if tile.level != ENTRIES:
        return width * 32
    data, position = path.read_bytes(), 0
    for _ in range(width):
        position += 2 + int.from_bytes(data[position : position + 2], "big")
    return position


def test_changed_files_at_the_edge_are_not_opened(tmp_path: Path, signer: LogSigner) -> None:
    """Whatever the next entry would be built on is compared with the checkpoint when the log is opened."""
    fill(tmp_path / "log", 260, signer)
    edge = ["tile/0/001", "tile/1/000", "tile/entries/001", "checkpoint"]
    for name in edge:
        path = tmp_path / "log" / name
        data = path.read_bytes()
        for position in range(len(data)):
            path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
            with pytest.raises((MismatchError, MalformedError)), LogFiles(tmp_path / "log") as log:
                # Origin and signature are for the writer to look at, which knows what they must be.
                assert name == "checkpoint"
                LogWriter(log, ORIGIN, signer=signer, clock=SteppingClock())
        path.unlink()
        if name != "checkpoint":
            with pytest.raises(MismatchError):
                LogFiles(tmp_path / "log")
        path.write_bytes(data)
    LogFiles(tmp_path / "log").close()


def test_a_damaged_journal_before_the_last_segment_is_not_opened(tmp_path: Path, signer: LogSigner) -> None:
    with LogFiles(tmp_path / "log") as log:
        log.append(records(0, 2))
        publish(log, signer)
        log.append(records(2, 2))
    first = min((tmp_path / "log/journal").iterdir())
    first.write_bytes(first.read_bytes()[:-1])
    with pytest.raises(MismatchError, match="whole journal"):
        LogFiles(tmp_path / "log")


def test_a_full_disk_refuses_and_goes_on_afterwards(log: LogFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    log.append(records(0, 2))

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with pytest.raises(TransportError) as refusal:
            log.append(records(2, 2))
    assert refusal.value.code == "store_full"
    log.append(records(2, 2))
    assert_holds(log, 4)


def test_after_a_failed_sync_nothing_is_believed(
    tmp_path: Path, log: LogFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", failing)
        with pytest.raises(TransportError):
            log.append(records(0, 1))
    with pytest.raises(LedgerError):
        log.append(records(0, 1))


def test_a_checkpoint_of_more_than_there_is_is_refused(log: LogFiles) -> None:
    with pytest.raises(PolicyError):
        log.publish(b"", 1)


@pytest.mark.parametrize("fails_at", range(1, 6))
def test_a_disk_that_fills_up_behind_the_journal_heals_without_being_opened_again(
    tmp_path: Path, log: LogFiles, signer: LogSigner, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    # 254 entries first, so that the two that are refused end a tile and begin the next level.
    log.append(records(0, 254))
    publish(log, signer)
    real, calls = os.pwrite, 0

    def filling(file: int, data: bytes, offset: int) -> int:
        nonlocal calls
        calls += 1
        if calls >= fails_at:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, data, offset)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", filling)
        for _ in range(2):
            with pytest.raises(TransportError) as refusal:
                log.append(records(254, 3))
            assert refusal.value.code == "store_full"
    # What the journal took is in the log, though refused; what found no room in the journal is not.
    kept = 254 if fails_at == 1 else 257
    log.append(records(kept, 3))
    assert_holds(log, kept + 3)
    publish(log, signer)
    log.close()
    with LogFiles(tmp_path / "log") as again:
        assert_holds(again, kept + 3)


def test_a_checkpoint_without_room_is_published_once_there_is_some(
    log: LogFiles, signer: LogSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append(records(0, 3))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)  # of the new checkpoint; tiles are synced by fdatasync
        with pytest.raises(TransportError) as refusal:
            publish(log, signer)
        assert refusal.value.code == "store_full"
    assert log.checkpoint() is None
    log.append(records(3, 1))
    publish(log, signer)
    assert_holds(log, 4)
