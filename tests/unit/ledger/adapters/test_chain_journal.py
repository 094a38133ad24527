"""The embedded node's journal of blocks, without a node."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ledger.adapters.chain_journal import BlockJournal, JournalledBlock
from ledger.errors import MalformedError, TransportError


def block(number: int, *, transactions: int = 2) -> JournalledBlock:
    return JournalledBlock(
        number,
        number.to_bytes(32, "big"),
        1_700_000_000 + number,
        [bytes([number, one]) for one in range(transactions)],
    )


def written(folder: Path, *numbers: int) -> BlockJournal:
    journal = BlockJournal(folder)
    for number in numbers:
        journal.append(block(number))
    return journal


def read(folder: Path, after: int = 0) -> list[int]:
    return [one.number for one in BlockJournal(folder).after(after)]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    journal = BlockJournal(tmp_path)
    blocks = [block(1), block(2, transactions=0), block(3)]
    for one in blocks:
        journal.append(one)
    assert list(BlockJournal(tmp_path).after(0)) == blocks
    assert list(BlockJournal(tmp_path).after(1)) == blocks[1:]
    assert journal.newest() == 3
    assert (tmp_path / "blocks-000000000001.journal").stat().st_mode & 0o777 == 0o600


def test_an_empty_folder_has_no_blocks(tmp_path: Path) -> None:
    assert read(tmp_path) == []
    assert BlockJournal(tmp_path).newest() is None


def test_the_size_is_of_what_a_start_makes_again(tmp_path: Path) -> None:
    written(tmp_path, 1, 2).close()
    whole = (tmp_path / "blocks-000000000001.journal").stat().st_size
    journal = BlockJournal(tmp_path)
    assert [one.number for one in journal.after(1)] == [2]
    assert 0 < journal.size < whole
    size = journal.size
    assert len(list(journal.after(1))) == 1
    assert journal.size == size  # the node was started again
    journal.begin_anew(kept_from=0)
    assert journal.size == 0


def test_each_writer_begins_a_file_and_they_are_read_as_one(tmp_path: Path) -> None:
    written(tmp_path, 1, 2).close()
    written(tmp_path, 3, 4).close()
    assert names(tmp_path) == ["blocks-000000000001.journal", "blocks-000000000003.journal"]
    assert read(tmp_path) == [1, 2, 3, 4]


@pytest.mark.parametrize("cut", [1, 20, 100])
def test_a_line_that_was_cut_off_is_passed_over_and_its_block_comes_next(tmp_path: Path, cut: int) -> None:
    written(tmp_path, 1, 2).close()
    path = tmp_path / "blocks-000000000001.journal"
    path.write_bytes(path.read_bytes()[:-cut])
    assert read(tmp_path) == [1]
    written(tmp_path, 2, 3).close()
    assert read(tmp_path) == [1, 2, 3]


def test_the_first_line_of_a_file_cut_off_is_written_over(tmp_path: Path) -> None:
    written(tmp_path, 1).close()
    path = tmp_path / "blocks-000000000001.journal"
    path.write_bytes(path.read_bytes()[:-1])
    assert (read(tmp_path), BlockJournal(tmp_path).newest()) == ([], None)
    written(tmp_path, 1, 2).close()
    assert read(tmp_path) == [1, 2]


@pytest.mark.parametrize("place", [3, 70, 90, 180])
def test_a_damaged_block_before_others_is_an_error(tmp_path: Path, place: int) -> None:
    written(tmp_path, 1, 2, 3).close()
    path = tmp_path / "blocks-000000000001.journal"
    content = bytearray(path.read_bytes())
    content[place + len(content) // 3] ^= 1
    path.write_bytes(content)
    journal = BlockJournal(tmp_path)
    with pytest.raises(MalformedError, match=r"expected block [23] in the journal"):
        list(journal.after(0))
    journal.set_aside(MalformedError("damaged"))
    assert names(tmp_path) == ["blocks-000000000001.corrupt"]
    assert read(tmp_path) == []


def test_a_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    written(tmp_path, 1).close()
    written(tmp_path, 2).close()
    written(tmp_path, 3).close()
    (tmp_path / "blocks-000000000002.journal").unlink()
    with pytest.raises(MalformedError, match="expected block 2 in the journal, got 3"):
        read(tmp_path)
    assert read(tmp_path, after=2) == [3]  # a dump has it


def test_files_are_kept_from_the_oldest_dump_on(tmp_path: Path) -> None:
    journal = written(tmp_path, 1, 2)
    journal.begin_anew(kept_from=0)
    journal.append(block(3))
    journal.append(block(4))
    journal.begin_anew(kept_from=1)  # the first file has block 2
    assert read(tmp_path, after=1) == [2, 3, 4]
    journal.append(block(5))
    journal.begin_anew(kept_from=2)
    assert names(tmp_path) == ["blocks-000000000003.journal", "blocks-000000000005.journal"]
    assert read(tmp_path, after=2) == [3, 4, 5]


def test_a_last_block_that_is_damaged_is_told_and_kept_beside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    written(tmp_path, 1).close()
    path = tmp_path / "blocks-000000000001.journal"
    damaged = path.read_bytes().replace(b"0x", b"0X")
    for name in ("blocks-000000000001.corrupt", "blocks-000000000001.2.corrupt"):
        path.write_bytes(damaged)
        assert read(tmp_path) == []
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        caplog.clear()
        written(tmp_path, 1).close()
        assert (tmp_path / name).read_bytes() == damaged
        assert read(tmp_path) == [1]


def test_what_is_read_is_synced_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, 1).close()  # by a writer that was killed before it had synced, say
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", refusing)
        with pytest.raises(TransportError) as caught:
            read(tmp_path)
        assert caught.value.code == "disk"
    assert read(tmp_path) == [1]


def test_what_could_not_be_synced_is_not_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = written(tmp_path, 1)
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", refusing)
        with pytest.raises(TransportError):
            journal.append(block(2))
    assert read(tmp_path) == [1]


def test_a_file_that_cannot_be_closed_is_let_go_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = written(tmp_path, 1)
    with monkeypatch.context() as broken:
        broken.setattr(os, "close", refusing)
        with pytest.raises(OSError, match="No space"):
            journal.close()
    journal.close()  # no number that is somebody else's by now


def refusing(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("function", ["open", "write", "fsync"])
def test_a_full_disk_is_told_and_the_block_written_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    journal = written(tmp_path, 1)
    if function == "open":
        journal.close()
    real = getattr(os, function)

    def refuse(*arguments: object) -> None:
        if function == "write":
            real(arguments[0], bytes(arguments[1])[:7])  # type: ignore[call-overload]
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(os, function, refuse)
        for _ in range(2):
            with pytest.raises(TransportError) as caught:
                journal.append(block(2))
            assert caught.value.code == "disk"
    journal.append(block(2))
    journal.append(block(3))
    assert list(BlockJournal(tmp_path).after(0)) == [block(1), block(2), block(3)]
