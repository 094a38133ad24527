"""Stores that live in memory: for tests and for computing without keeping."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from ledger.cid import Buffer, Cid
from ledger.errors import MismatchError, NotFoundError, PolicyError
from ledger.ports.blobs import BLOCK_BYTES_LIMIT, BlobStore

__all__ = ["MemoryBlobStore"]


class MemoryBlobStore(BlobStore):
    """A BlobStore in a dictionary; `flush` has nothing to do."""

    def __init__(self) -> None:
        self._blocks: dict[bytes, tuple[int, bytes]] = {}

    def put_block(self, cid: Cid, block: Buffer) -> None:
        """Store a block."""
        if len(block) > BLOCK_BYTES_LIMIT:
            raise PolicyError(f"expected a block of at most {BLOCK_BYTES_LIMIT} bytes, got {len(block)}")
        self._blocks.setdefault(cid.digest, (cid.codec, bytes(block)))

    def get_block(self, cid: Cid) -> bytes:
        """Return a block's bytes after comparing them with the CID."""
        try:
            block = self._blocks[cid.digest][1]
        except KeyError:
            raise NotFoundError("expected the block in the store, got nothing", where=str(cid)) from None
        if hashlib.sha256(block).digest() != cid.digest:
            raise MismatchError("expected the bytes of the CID, got others", where=str(cid))
        return block

    def has(self, cid: Cid) -> bool:
        """Return whether the block is there."""
        return cid.digest in self._blocks

    def flush(self) -> None:
        """Do nothing: memory is never durable."""

    def cids(self) -> Iterator[Cid]:
        """Yield the CID of every block."""
        for digest, (codec, _) in list(self._blocks.items()):
            yield Cid(codec, digest)
