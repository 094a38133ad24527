"""Change records as files: the canonical JSON of `ledger.bim.difference` in gzip, whose bytes depend on the packer."""

from __future__ import annotations

import zlib
from typing import Final, Protocol

__all__ = ["same_record"]

_GZIP: Final = 31
_PIECE_BYTES: Final = 1 << 16


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes | None: ...


def same_record(received: _Readable, computed: bytes) -> bool:
    """Whether a packed record that was received says exactly what a computed one does.

    Args:
        received: one gzip member and nothing after it; unpacked no further than it agrees.
        computed: a packed record.
    """
    expected = zlib.decompress(computed, _GZIP)
    unpacker = zlib.decompressobj(_GZIP)
    place = 0
    try:
        while piece := received.read(_PIECE_BYTES):
            while piece and not unpacker.eof:
                unpacked = unpacker.decompress(piece, _PIECE_BYTES)
                if expected[place : place + len(unpacked)] != unpacked:
                    return False
                place += len(unpacked)
                piece = unpacker.unconsumed_tail
            if unpacker.eof and (unpacker.unused_data or piece or received.read(1)):
                return False
    except zlib.error:
        return False
    return unpacker.eof and place == len(expected)
