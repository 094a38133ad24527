"""Blocks as one archive, CAR version 1, as IPFS nodes import them. Source: https://ipld.io/specs/transport/car/carv1/."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.cid import Cid

__all__ = ["block_archive"]

_HEADER_BEGIN = b"\xa2\x65roots\x81\xd8\x2a\x58"  # DAG-CBOR: {"roots": [CID], "version": 1}
_HEADER_END = b"\x67version\x01"
_IDENTITY = b"\x00"  # before a CID within CBOR
# Copying less than this costs less than sending it by itself.
_SMALL_BYTES = 64 << 10


def block_archive(blocks: Sequence[tuple[Cid, bytes]]) -> list[bytes]:
    """Return an archive of at least one block; its root, which the format wants, is the first one and means nothing.

    Args:
        blocks: CIDs of at most 254 bytes, and the bytes; that they belong together is not checked.

    Returns:
        Its pieces one after the other. Large blocks are pieces as they are, not copied.
    """
    root = _IDENTITY + blocks[0][0].to_bytes()
    header = _HEADER_BEGIN + bytes([len(root)]) + root + _HEADER_END
    pieces: list[bytes] = []
    small = bytearray(_varint(len(header)) + header)
    for cid, data in blocks:
        name = cid.to_bytes()
        small += _varint(len(name) + len(data)) + name
        if len(data) < _SMALL_BYTES:
            small += data
        else:
            pieces += (bytes(small), data)
            small.clear()
    return [*pieces, bytes(small)] if small else pieces


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)
