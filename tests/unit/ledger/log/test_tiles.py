"""Names and contents of tiles, and proofs out of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.log_files import LogFiles
from ledger.errors import MalformedError
from ledger.log.keys import LogSigner
from ledger.log.proofs import TreeReader
from ledger.log.tiles import ENTRIES, Tile, encode_entries, parse_entries, tiles_of
from ledger.merkle import MerkleTree, leaf_hash, root_hash, verify_consistency, verify_inclusion

from .conftest import entry, fill

SIZES = (1, 2, 255, 256, 257, 511, 512, 700, 65_536, 65_537, 66_000)


@pytest.mark.parametrize(
    ("tile", "name"),
    [
        (Tile(0, 0), "0/000"),
        (Tile(0, 1_234_067), "0/x001/x234/067"),
        (Tile(2, 999, 1), "2/999.p/1"),
        (Tile(1, 1000, 255), "1/x001/000.p/255"),
        (Tile(ENTRIES, 5, 17), "entries/005.p/17"),
    ],
)
def test_names_are_those_of_the_specification(tile: Tile, name: str) -> None:
    assert tile.name == name
    assert Tile.parse(name) == tile


@given(st.integers(-1, 7), st.integers(0, 10**15), st.integers(1, 256))
def test_every_name_reads_back(level: int, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert Tile.parse(tile.name) == tile


@pytest.mark.parametrize(
    "name",
    [
        "", "0", "0/", "0/0", "0/0000", "00/000", "64/000", "8/000", "-1/000", "0/x000/000", "0/001/000", "0/x01/000",
        "0/000.p/0", "0/000.p/256", "0/000.p/01", "0/000.p", "0/000.p/1/", "/0/000", "entries/../000", "0/000\n",
        "Entries/000", "0/٠٠٠", "0/x001/x000/x000/x000/x000/x000/x000/x000/x000/x000/x000/x000/x000/x000/x000/000",
    ],
)  # fmt: skip
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(MalformedError):
        Tile.parse(name)


def test_the_tiles_of_the_example_of_the_specification() -> None:
    assert [len(list(tiles_of(level, 70_000))) for level in range(4)] == [274, 2, 1, 0]
    assert list(tiles_of(0, 70_000))[-1].width == 112
    assert [tile.width for tile in tiles_of(1, 70_000)] == [256, 17]
    assert [tile.width for tile in tiles_of(2, 70_000)] == [1]
    assert [tile.width for tile in tiles_of(1, 256)] == [1]


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=40))
def test_bundles_read_back(entries: list[bytes]) -> None:
    assert parse_entries(encode_entries(entries), len(entries)) == entries


def test_damaged_bundles_are_refused() -> None:
    bundle = encode_entries([b"one", b"two"])
    for damaged in (bundle[:-1], bundle + b"\0", bundle + b"\0\0", bundle[:6], b"\0\0" + bundle):
        with pytest.raises(MalformedError):
            parse_entries(damaged, 2)
    with pytest.raises(MalformedError):
        parse_entries(bundle, 3)
    for length in (0, 65_536):
        with pytest.raises(MalformedError):
            encode_entries([bytes(length)])


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs") / "large"
    fill(folder, max(SIZES), LogSigner.from_seed(bytes(32)), group=5000)
    return folder


@pytest.mark.parametrize("size", SIZES)
def test_roots_and_proofs_of_every_size(large: Path, size: int) -> None:
    log = LogFiles(large, read_only=True)
    leaves = [leaf_hash(entry(index)) for index in range(size)]
    tree, reader = MerkleTree(leaves), TreeReader(log, size)
    assert reader.root == tree.root
    for index in {0, size // 3, size // 2, size - 1}:
        proof = reader.inclusion(index)
        assert proof == tree.proof(index)
        verify_inclusion(reader.leaf(index), proof, tree.root)
    for old in {1, size // 3, size // 2, size - 1, size} - {0}:
        path = reader.consistency(old)
        verify_consistency(old, root_hash(leaves[:old]), size, new_root=tree.root, path=path)
    with pytest.raises(MalformedError):
        reader.leaf(size)
