"""A store as it would be with some blocks more and some less."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.adapters.memory import MemoryBlobStore
from ledger.cid import Buffer, Cid
from ledger.errors import NotFoundError
from ledger.ports.blobs import BlobStore


class Overlay(BlobStore):
    """Reads another store; what is put stays here, and what is hidden is gone."""

    def __init__(self, below: BlobStore, *, hidden: frozenset[Cid] = frozenset()) -> None:
        self._below = below
        self._own = MemoryBlobStore()
        self._hidden = {cid.digest for cid in hidden}

    def put_block(self, cid: Cid, block: Buffer) -> None:
        self._own.put_block(cid, block)

    def get_block(self, cid: Cid) -> bytes:
        if self._own.has(cid):
            return self._own.get_block(cid)
        if cid.digest in self._hidden:
            raise NotFoundError("expected the block in the store, got nothing", where=str(cid))
        return self._below.get_block(cid)

    def has(self, cid: Cid) -> bool:
        return self._own.has(cid) or (cid.digest not in self._hidden and self._below.has(cid))

    def flush(self) -> None:
        """Nothing here is durable."""

    def cids(self) -> Iterator[Cid]:
        yield from self._own.cids()
        yield from (cid for cid in self._below.cids() if cid.digest not in self._hidden)
