"""Folders as they come from a contractor, and reading them once."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import threading
from pathlib import Path
from typing import BinaryIO

import pytest

from ledger.adapters import files as files_adapter
from ledger.adapters.blocks import BlockStore
from ledger.adapters.files import Sealing, digest_files, recompute, scan_folder
from ledger.adapters.memory import MemoryBlobStore
from ledger.cid import Buffer, Cid, file_content
from ledger.dag import BlobReader
from ledger.entries import DocumentEntry
from ledger.envelope import DataKey
from ledger.errors import MismatchError, NotFoundError, TransportError
from ledger.ingest import ContentMismatchError
from ledger.paths import Problem, UnsafePathsError


def write(folder: Path, name: str | bytes, data: bytes = b"data") -> None:
    path = folder / os.fsdecode(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def found(folder: Path) -> list[tuple[Problem, str, str | None]]:
    return [(problem.problem, problem.shown, problem.proposal) for problem in scan_folder(folder).problems]


def test_files_come_in_the_order_of_their_utf8_bytes(tmp_path: Path) -> None:
    names = ["b", "a/b", "a", "a-b", "A3 勘察/报告.pdf", "𠀀", "\uffee", "a/é"]
    for name in names:
        if name != "a":
            write(tmp_path, name, name.encode())
    result = scan_folder(tmp_path)
    paths = [file.path for file in result.require()]
    assert paths == sorted((name for name in names if name != "a"), key=lambda name: name.encode())
    assert result.total_bytes == sum(len(name.encode()) for name in paths)
    assert [file.size for file in result.files] == [len(path.encode()) for path in paths]


def test_everything_wrong_is_told_together(tmp_path: Path) -> None:
    gbk = "隐蔽验收.pdf".encode("gbk")
    write(tmp_path, gbk)
    write(tmp_path, "施工记录".encode("gbk") + b"/good.txt")
    write(tmp_path, "cafe\u0301.txt")
    write(tmp_path, "tab\t.txt")
    write(tmp_path, "turned\u202efdp.exe")
    write(tmp_path, "back\\slash.txt")
    write(tmp_path, "good/fine.txt")
    (tmp_path / "link").symlink_to("good/fine.txt")
    (tmp_path / "linked folder").symlink_to("good")
    (tmp_path / "broken").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    assert set(found(tmp_path)) == {
        (Problem.NOT_UTF8, gbk.decode("utf-8", "backslashreplace"), "隐蔽验收.pdf"),
        (Problem.NOT_UTF8, "施工记录".encode("gbk").decode("utf-8", "backslashreplace"), "施工记录"),
        (Problem.NOT_NFC, "cafe\u0301.txt", "café.txt"),
        (Problem.CONTROL_CHARACTER, "tab\\t.txt", "tab_.txt"),
        (Problem.CONTROL_CHARACTER, "turned\\u202efdp.exe", "turned_fdp.exe"),
        (Problem.BACKSLASH, "back\\slash.txt", "back_slash.txt"),
        (Problem.SYMBOLIC_LINK, "link", None),
        (Problem.SYMBOLIC_LINK, "linked folder", None),
        (Problem.SYMBOLIC_LINK, "broken", None),
        (Problem.SPECIAL_FILE, "pipe", None),
    }
    result = scan_folder(tmp_path)
    assert result.empty_folders == ("empty", "empty/deeper")
    with pytest.raises(UnsafePathsError) as caught:
        result.require()
    assert len(caught.value.problems) == 10
    with pytest.raises(UnsafePathsError) as caught:
        result.require(accept_renaming=True)
    assert len(caught.value.problems) == 4


def test_renamed_files_are_read_where_they_lie(tmp_path: Path) -> None:
    write(tmp_path, "竣工图".encode("gbk") + b"/" + "平面图.dwg".encode("gbk"), b"drawing")
    files = scan_folder(tmp_path).require(accept_renaming=True)
    assert [file.path for file in files] == ["竣工图/平面图.dwg"]
    assert digest_files(files)[0].sha256 == hashlib.sha256(b"drawing").digest()


def test_two_names_that_become_one_are_told_and_kept_apart(tmp_path: Path) -> None:
    write(tmp_path, "é.txt", b"1")
    write(tmp_path, "e\u0301.txt", b"2")
    assert set(found(tmp_path)) == {
        (Problem.NOT_NFC, "e\u0301.txt", "é (2).txt"),
        (Problem.DUPLICATE, "e\u0301.txt", "é (2).txt"),
    }
    assert [file.path for file in scan_folder(tmp_path).require(accept_renaming=True)] == ["é (2).txt", "é.txt"]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(UnsafePathsError) as caught:
        scan_folder(tmp_path).require(accept_renaming=True)
    assert [problem.problem for problem in caught.value.problems] == [Problem.EMPTY_FOLDER]


def test_a_folder_that_is_missing_or_a_file_is_told(tmp_path: Path) -> None:
    write(tmp_path, "file")
    for path in (tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(NotFoundError):
            scan_folder(path)


@pytest.mark.parametrize("workers", [1, 3])
def test_digests_are_those_of_stock_tools_in_the_order_given(tmp_path: Path, workers: int) -> None:
    large = ((1 << 20) + 1, 1_200_000, 1 << 21, 3_500_000, 3_000_001, 3_499_999)
    sizes = (0, 1, 70_000, *[1 << 20] * 9, *large, *range(50_000, 90_000, 1000))
    for number, size in enumerate(sizes):
        write(tmp_path, f"文件 {number}", os.urandom(size))
    files = scan_folder(tmp_path).require()
    digests = digest_files(files, workers=workers)
    assert [d.path for d in digests] == [f.path for f in files]
    sources = [file.source for file in files]
    sha256 = subprocess.run(["sha256sum", *sources], capture_output=True, check=True).stdout.splitlines()
    sm3 = subprocess.run(["openssl", "dgst", "-sm3", *sources], capture_output=True, check=True).stdout.splitlines()
    assert [d.sha256.hex() for d in digests] == [line.split()[0].decode() for line in sha256]
    assert [d.sm3.hex() for d in digests] == [line.rpartition(b"= ")[2].decode() for line in sm3]
    assert [d.tree for d in digests] == [file_content(Path(source).read_bytes()).tree for source in sources]


def test_the_number_of_workers_changes_nothing_and_progress_counts_every_byte(tmp_path: Path) -> None:
    for number in range(50):
        write(tmp_path, f"{number}", b"%d" % number * 40_000)
    files = scan_folder(tmp_path).require()
    told: list[int] = []
    one = digest_files(files, workers=1)
    many = digest_files(files, workers=8, progress=told.append)
    assert one == many
    assert sum(told) == sum(file.size for file in files)


def test_blocks_are_stored_as_they_pass(tmp_path: Path) -> None:
    write(tmp_path / "in", "large", os.urandom(2_500_000))
    write(tmp_path / "in", "empty", b"")
    files = scan_folder(tmp_path / "in").require()
    with BlockStore(tmp_path / "store") as store:
        for digests, file in zip(digest_files(files, on_block=store.put_block), files, strict=True):
            assert store.open(digests.cid).read() == Path(file.source).read_bytes()
        store.flush()
        with BlockStore(tmp_path / "store", read_only=True) as reader:
            assert len(list(reader.cids())) == 5


@pytest.mark.parametrize("keeping", [True, False])
def test_what_a_network_file_system_returns_piece_by_piece_is_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keeping: bool
) -> None:
    for number, size in enumerate((0, 90_000, 1 << 20, 2_500_000)):
        write(tmp_path, f"{number}", os.urandom(size))
    read, readv = os.read, os.readv
    monkeypatch.setattr(os, "read", lambda file, size: read(file, min(size, 40_000)))
    monkeypatch.setattr(os, "readv", lambda file, rooms: readv(file, [rooms[0][:40_000]]))
    files = scan_folder(tmp_path).require()
    store = MemoryBlobStore()
    for digests, file in zip(digest_files(files, on_block=store.put_block if keeping else None), files, strict=True):
        data = Path(file.source).read_bytes()
        assert (digests.sha256, digests.tree) == (hashlib.sha256(data).digest(), file_content(data).tree)
        assert not keeping or store.open(digests.cid).read() == data


def test_whoever_keeps_the_blocks_is_given_bytes_of_their_own(tmp_path: Path) -> None:
    for number, size in enumerate((0, 5, 90_000, 1 << 20, 2_500_000, 3 << 20)):
        write(tmp_path, f"{number}", os.urandom(size))
    blocks: dict[Cid, Buffer] = {}
    digest_files(scan_folder(tmp_path).require(), workers=1, on_block=blocks.__setitem__)
    assert {type(block) for block in blocks.values()} == {bytes}
    assert all(Cid.of(block, codec=cid.codec) == cid for cid, block in blocks.items())


@pytest.mark.parametrize("keeping", [True, False])
@pytest.mark.parametrize("change", ["longer", "shorter", "touched", "replaced"])
def test_a_file_changed_since_it_was_found_is_refused(tmp_path: Path, change: str, keeping: bool) -> None:
    write(tmp_path, "file", bytes(1000))
    files = scan_folder(tmp_path).require()
    if change == "touched":
        os.utime(tmp_path / "file", ns=(1, 1))
    elif change == "replaced":
        (tmp_path / "file").unlink()
        os.mkfifo(tmp_path / "file")
    else:
        write(tmp_path, "file", bytes(1001 if change == "longer" else 10))
    with pytest.raises(MismatchError) as caught:
        digest_files(files, on_block=MemoryBlobStore().put_block if keeping else None)
    assert caught.value.code == "file_changed"
    assert caught.value.where == "file"


def test_a_file_changed_among_many_small_ones_is_refused_by_its_name(tmp_path: Path) -> None:
    for number in range(40):
        write(tmp_path, f"file {number}", bytes(1000 + number))
    files = scan_folder(tmp_path).require()
    os.truncate(tmp_path / "file 17", 10)
    with pytest.raises(MismatchError) as caught:
        digest_files(files)
    assert (caught.value.code, caught.value.where) == ("file_changed", "file 17")


@pytest.mark.parametrize("keeping", [True, False])
def test_a_large_file_cut_among_others_is_refused_by_its_name(tmp_path: Path, keeping: bool) -> None:
    for number in range(5):
        write(tmp_path, f"file {number}", bytes(3_000_000 + number))
    files = scan_folder(tmp_path).require()

    def cut(_: int) -> None:
        os.truncate(tmp_path / "file 3", 1_000_000)

    with pytest.raises(MismatchError) as caught:
        digest_files(files, workers=1, progress=cut, on_block=MemoryBlobStore().put_block if keeping else None)
    assert (caught.value.code, caught.value.where) == ("file_changed", "file 3")


def test_large_files_are_digested_beside_those_of_about_their_size_within_a_share() -> None:
    sizes = [9, 900, 8 << 20, 7 << 20, 3 << 20, 30 << 20, 6 << 20, 5]
    alone = [False] * 8
    assert files_adapter._groups(sizes, alone, 1) == [[5], [2, 3, 6], [4], [1, 0, 7]]
    assert files_adapter._groups(sizes, alone, 3) == [[5], [2, 3], [6, 4], [1, 0, 7]]
    assert files_adapter._groups(sizes, alone, 9) == [[5], [2], [3], [6], [4], [1, 0, 7]]
    assert files_adapter._groups(sizes, [True] * 8, 1) == [[5], [2], [3], [6], [4], [1], [0], [7]]
    assert [len(group) for group in files_adapter._groups([100] * 20, [False] * 20, 1)] == [8, 8, 4]


def test_small_files_beside_encrypted_ones_are_digested_all_the_same(tmp_path: Path) -> None:
    for number in range(40):
        write(tmp_path, f"file {number}", b"%d" % number * 100)
    files = scan_folder(tmp_path).require()
    sealing = {file.path: Sealing(DataKey(bytes(32))) for file in files[::3]}
    plain, mixed = digest_files(files), digest_files(files, sealing=sealing)
    assert [one.sm3 for one in plain] == [one.sm3 for one in mixed]
    assert [one.cid == other.cid for one, other in zip(plain, mixed, strict=True)] == [
        file.path not in sealing for file in files
    ]


@pytest.mark.parametrize("size", [100, 5_000_000])
def test_a_file_changed_while_it_is_read_is_refused(tmp_path: Path, size: int) -> None:
    write(tmp_path, "file", bytes(3_000_000))
    files = scan_folder(tmp_path).require()
    changed = threading.Event()

    def change(_: int) -> None:
        if not changed.is_set():
            changed.set()
            os.truncate(tmp_path / "file", size)

    with pytest.raises(MismatchError) as caught:
        digest_files(files, progress=change)
    assert caught.value.code == "file_changed"


def test_a_file_that_is_gone_or_became_a_link_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "file")
    files = scan_folder(tmp_path).require()
    (tmp_path / "file").rename(tmp_path / "moved")
    with pytest.raises(NotFoundError):
        digest_files(files)
    (tmp_path / "file").symlink_to("moved")
    with pytest.raises(TransportError):
        digest_files(files)


def test_no_files_give_no_digests() -> None:
    assert digest_files([]) == []


def entries_of(folder: Path) -> list[DocumentEntry]:
    return [
        DocumentEntry.create(
            path=d.path,
            title=d.path,
            media_type="text/plain",
            size=d.size,
            sha256=d.sha256.hex(),
            sm3=d.sm3.hex(),
            cid=str(d.cid),
            salt=bytes(32).hex(),
            extensions={},
        )
        for d in digest_files(scan_folder(folder).require())
    ]


def test_a_sealer_recomputes_from_a_folder_or_a_store(tmp_path: Path) -> None:
    for number in range(5):
        write(tmp_path, f"{number}.txt", b"%d" % number * 300_000)
    entries = entries_of(tmp_path)

    def from_folder(index: int) -> BinaryIO:
        return (tmp_path / entries[index].path).open("rb")

    store = MemoryBlobStore()
    digests = digest_files(scan_folder(tmp_path).require(), on_block=store.put_block)

    def from_store(index: int) -> BlobReader:
        return store.open(digests[index].cid)

    told: list[int] = []
    assert recompute(entries, from_folder, progress=told.append) == digests == recompute(entries, from_store)
    assert sum(told) == sum(entry.size for entry in entries)


def test_nobody_seals_other_bytes(tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path, f"{number}.txt", b"%d" % number * 1000)
    entries = entries_of(tmp_path)
    write(tmp_path, "1.txt", b"1" * 999 + b"2")
    write(tmp_path, "3.txt", b"3")

    def opener(index: int) -> BinaryIO:
        return (tmp_path / entries[index].path).open("rb")

    with pytest.raises(ContentMismatchError) as caught:
        recompute(entries, opener)
    assert [(d.leaf_index, d.member) for d in caught.value.disagreements] == [
        *((1, member) for member in ("sha256", "sm3", "cid")),
        *((3, member) for member in ("size", "sha256", "sm3", "cid")),
    ]
    (tmp_path / "2.txt").unlink()
    with pytest.raises(NotFoundError) as missing:
        recompute(entries, opener)
    assert missing.value.where == "2.txt"


def test_content_that_cannot_be_read_is_no_mismatch(tmp_path: Path) -> None:
    write(tmp_path, "file")

    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: object) -> int:
            raise OSError(5, "Input/output error")

    with pytest.raises(TransportError):
        recompute(entries_of(tmp_path), lambda _: Broken())


def test_a_folder_of_many_small_files_simply_works(tmp_path: Path) -> None:
    for number in range(5000):
        write(tmp_path, f"{number % 7}/{number}", b"%d" % number)
    digests = digest_files(scan_folder(tmp_path).require())
    assert len({d.cid for d in digests}) == 5000
