"""One suite for every store of blocks."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from city_engines import ALL_ENGINES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.adapters.blocks import BlockStore
from ledger.adapters.kubo import KuboStore
from ledger.adapters.memory import MemoryBlobStore
from ledger.cid import (
    CODEC_DAG_PB,
    Cid,
    FileCid,
    Profile,
    build_directory,
    build_submission_tree,
    file_content,
)
from ledger.dag import list_directory, resolve, walk
from ledger.errors import MalformedError, MismatchError, NotFoundError, PolicyError, TransportError
from ledger.ports.blobs import BLOCK_BYTES_LIMIT, BlobStore

SMALL = Profile(chunk_bytes=64, links_per_node=3)


@pytest.fixture(params=["memory", "blocks", *(["kubo"] if ALL_ENGINES else [])])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlobStore]:
    if request.param == "memory":
        yield MemoryBlobStore()
        return
    if request.param == "kubo":
        nodes = request.getfixturevalue("ipfs_nodes")
        # What is left unflushed may be blocks that no node can pin: that is refused when it is closed.
        with suppress(MismatchError, TransportError), KuboStore.connect([node.address for node in nodes]) as kubo:
            yield kubo
        return
    with BlockStore(tmp_path / "store", pack_bytes=1 << 16) as blocks:
        yield blocks


def test_returns_what_was_put_before_and_after_flush(store: BlobStore) -> None:
    cid = Cid.of(b"bytes")
    assert not store.has(cid)
    store.put_block(cid, b"bytes")
    assert store.has(cid)
    assert store.get_block(cid) == b"bytes"
    store.flush()
    store.flush()
    assert store.get_block(cid) == b"bytes"


def test_refuses_a_missing_block(store: BlobStore) -> None:
    with pytest.raises(NotFoundError):
        store.get_block(Cid.of(b"nowhere"))


def test_refuses_a_block_too_large_for_ipfs(store: BlobStore) -> None:
    block, before = bytes(BLOCK_BYTES_LIMIT + 1), set(store.cids())
    with pytest.raises(PolicyError):
        store.put_block(Cid.of(block), block)
    assert set(store.cids()) == before
    assert not store.has(Cid.of(block))


def test_a_block_under_another_cid_is_refused_when_read(store: BlobStore) -> None:
    wrong = Cid.of(b"other bytes")
    store.put_block(wrong, b"these bytes")
    with pytest.raises(MismatchError):
        store.get_block(wrong)
    with suppress(MismatchError):  # a store that computes CIDs itself refuses it here
        store.flush()
    with pytest.raises(MismatchError):
        store.get_block(wrong)


def test_lists_every_cid_once_flushed_or_not(store: BlobStore) -> None:
    blocks, before = [b"%d" % number for number in range(2500)], set(store.cids())
    for block in blocks[:1500]:
        store.put_block(Cid.of(block), block)
    store.flush()
    for block in blocks[1000:]:
        store.put_block(Cid.of(block), block)
    found = list(store.cids())
    assert len(found) == len(set(found))
    assert set(found) == before | {Cid.of(block) for block in blocks}


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (3 << 20) + 17])
def test_a_file_comes_back_whole(store: BlobStore, size: int) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    content = store.put_file(io.BytesIO(data[:size]))
    assert content == file_content(data[:size])
    reader = store.open(content.cid)
    assert reader.size == size
    assert reader.read() == data[:size]


def test_a_range_across_blocks_is_read(store: BlobStore) -> None:
    data = bytes(range(256)) * 10_000
    cid = store.put_file(io.BytesIO(data)).cid
    reader = store.open(cid)
    assert b"".join(reader.iter_range((1 << 20) - 3, 7)) == data[(1 << 20) - 3 :][:7]
    reader.seek(-5, io.SEEK_END)
    assert reader.read(100) == data[-5:]
    assert reader.read(1) == b""


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=2000), start=st.integers(0, 2100), length=st.none() | st.integers(0, 2100))
def test_any_range_equals_the_slice(store: BlobStore, data: bytes, start: int, length: int | None) -> None:
    hasher = FileCid(store.put_block, profile=SMALL)
    hasher.update(data)
    reader = store.open(hasher.finish().cid)
    end = None if length is None else start + length
    assert b"".join(reader.iter_range(start, length)) == data[start:end]
    reader.seek(start)
    assert reader.read(-1 if length is None else length) == data[start:end]


def test_a_submission_is_found_by_path(store: BlobStore) -> None:
    files = [f"文件 {number}".encode() for number in range(300)]
    contents = [store.put_file(io.BytesIO(data)).tree for data in files]
    entries = [b'{"index":%d}' % number for number in range(300)]
    root = build_submission_tree(b'{"format":"x"}', entries, contents, store.put_block).cid
    store.flush()
    assert store.open(store.resolve(root, "manifest.json")).read() == b'{"format":"x"}'
    assert store.open(store.resolve(root, "entries/299.json")).read() == entries[299]
    assert store.open(store.resolve(root, "content/7")).read() == files[7]
    assert store.resolve(root, "") == root
    assert sorted(name for name, _ in store.list(root)) == ["content", "entries", "manifest.json"]
    for path in ("content/300", "content/07", "nothing", "manifest.json/x"):
        with pytest.raises(NotFoundError):
            store.resolve(root, path)


def test_a_sharded_directory_is_listed_and_followed(store: BlobStore) -> None:
    profile = Profile(directory_bytes=500)
    trees = {f"图纸{number}": file_content(b"%d" % number, store.put_block).tree for number in range(2000)}
    root = build_directory(trees.items(), store.put_block, profile=profile).cid
    assert dict(list_directory(store.get_block, root)) == {name: tree.cid for name, tree in trees.items()}
    for name, tree in trees.items():
        assert resolve(store.get_block, root, name) == tree.cid
    with pytest.raises(NotFoundError):
        resolve(store.get_block, root, "图纸2000")
    assert len({cid for cid, _ in walk(store.get_block, root)}) > 2000


def test_a_directory_is_not_a_file_nor_a_file_a_directory(store: BlobStore) -> None:
    file = store.put_file(io.BytesIO(b"file"))
    folder = build_directory([("file", file.tree)], store.put_block)
    with pytest.raises(NotFoundError):
        store.open(folder.cid)
    with pytest.raises(NotFoundError):
        list(store.list(file.cid))


def test_refuses_a_file_whose_parts_have_other_sizes_than_its_node_says(store: BlobStore) -> None:
    hasher = FileCid(store.put_block, profile=SMALL)
    hasher.update(bytes(100))
    node = bytearray(store.get_block(hasher.finish().cid))
    at = node.rindex(b"\x20\x40\x20\x24")
    node[at : at + 4] = b"\x20\x24\x20\x40"
    lying = Cid.of(bytes(node), codec=CODEC_DAG_PB)
    store.put_block(lying, node)
    with pytest.raises(MismatchError):
        store.open(lying).read()


@pytest.mark.parametrize(
    "block", [b"", b"\x0a", b"\x0a\x02\x08\x07", b"\x12\x02\x0a\x00\x0a\x02\x08\x01", b"\xff" * 12]
)
def test_refuses_blocks_that_are_not_unixfs(store: BlobStore, block: bytes) -> None:
    cid = Cid.of(block, codec=CODEC_DAG_PB)
    store.put_block(cid, block)
    with pytest.raises(MalformedError):
        store.open(cid)
    with pytest.raises(MalformedError):
        list(store.list(cid))
