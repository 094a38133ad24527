"""Archives of blocks; that IPFS nodes import them, and refuse a wrong one, is told in tests/ports and tests/city."""

from __future__ import annotations

import hashlib

import pytest

from ledger.adapters.block_archive import block_archive
from ledger.cid import Cid

RAW = bytes.fromhex("01551220")


def block(data: bytes) -> tuple[Cid, bytes]:
    return Cid.from_bytes(RAW + hashlib.sha256(data).digest()), data


def varint(data: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        digit = data[place]
        number |= (digit & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if not digit & 0x80:
            return number, place


@pytest.mark.parametrize("sizes", [(0,), (1, 90, 91, 92), (16_346, 16_347, 16_348), (1 << 20, 3)])
def test_holds_each_block_behind_its_cid(sizes: tuple[int, ...]) -> None:
    blocks = [block(bytes([number]) * size) for number, size in enumerate(sizes)]
    archive = b"".join(block_archive(blocks))
    length, place = varint(archive, 0)
    root = blocks[0][0].to_bytes()
    assert archive[place : place + length] == (  # as `ipfs dag export` writes it
        bytes.fromhex("a265726f6f747381d82a582500") + root + bytes.fromhex("6776657273696f6e01")
    )
    place += length
    found = []
    while place < len(archive):
        length, place = varint(archive, place)
        found.append((Cid.from_bytes(archive[place : place + 36]), archive[place + 36 : place + length]))
        place += length
    assert found == blocks


def test_large_blocks_are_not_copied() -> None:
    blocks = [block(bytes([number]) * size) for number, size in enumerate((1 << 20, 10, 300_000, 20, 30))]
    pieces = block_archive(blocks)
    assert len(pieces) == 5
    assert pieces[1] is blocks[0][1]
    assert pieces[3] is blocks[2][1]
