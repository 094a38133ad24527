"""The port of content: a store of blocks addressed by CID."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import RawIOBase
from typing import BinaryIO, Final, Protocol, runtime_checkable

from ledger.cid import BlockSink, Buffer, Cid, FileCid, FileContent
from ledger.dag import BlobReader, list_directory, resolve

__all__ = ["BLOCK_BYTES_LIMIT", "BlobStore", "BlockCopy", "ReplicatedStore"]

BLOCK_BYTES_LIMIT: Final = 2 << 20
"""The largest block a store takes: what IPFS nodes exchange."""
_PIECE_BYTES: Final = 1 << 20


class BlobStore(Protocol):
    """Keeps blocks by their CID.

    An implementer MUST compare a block with its CID on every read and refuse one that differs (MismatchError), MUST
    keep a block once even if put often, MUST have made everything put before `flush` survive a loss of power when
    `flush` returns, MUST never show a block half-written, and MUST turn every error of a library or of the operating
    system into one of `ledger.errors`. Methods may be called from several threads. The methods with a body are the
    same for every store and may be overridden where a store can do better.
    """

    @abstractmethod
    def put_block(self, cid: Cid, block: Buffer) -> None:
        """Store a block whose CID the caller has just computed from these bytes.

        Args:
            cid: the CID of the bytes; not computed again here, but on every read.
            block: at most BLOCK_BYTES_LIMIT bytes; not kept after the call.

        Raises:
            PolicyError: the block is too large, or the store was opened for reading.
            TransportError: it could not be written; nothing of it is left.
        """

    @abstractmethod
    def get_block(self, cid: Cid) -> bytes:
        """Return a block's bytes.

        Raises:
            NotFoundError: not in the store.
            MismatchError: the stored bytes are not those of the CID.
            TransportError: it could not be read.
        """

    @abstractmethod
    def has(self, cid: Cid) -> bool:
        """Return whether the block is there; its bytes are not looked at."""

    @abstractmethod
    def flush(self) -> None:
        """Return once everything put so far is durable: the barrier before anything is acknowledged.

        Raises:
            TransportError: it could not be made durable.
        """

    @abstractmethod
    def cids(self) -> Iterator[Cid]:
        """Yield the CID of every block, in no particular order."""

    def peek(self, cid: Cid, size: int) -> bytes:
        """Return the first bytes of a block, at most `size`, to see what it is; they need not be compared with the CID.

        Raises:
            NotFoundError: not in the store.
            MismatchError: the stored bytes are not those of the CID, where they were compared.
            TransportError: it could not be read.
        """
        return self.get_block(cid)[:size]

    def put_file(self, source: BinaryIO | RawIOBase) -> FileContent:
        """Store a file from a stream, in memory of a chunk or two; it is durable after `flush`.

        Args:
            source: read to its end.

        Returns:
            Its CID, size and SHA-256.
        """
        sink: BlockSink = self.put_block
        hasher = FileCid(sink)
        while piece := source.read(_PIECE_BYTES):
            hasher.update(piece)
        return hasher.finish()

    def open(self, cid: Cid) -> BlobReader:
        """Return a file as a seekable stream; `iter_range` of it serves ranges.

        Raises:
            NotFoundError: it is missing, or a directory.
        """
        return BlobReader(self.get_block, cid)

    def resolve(self, root: Cid, path: str) -> Cid:
        """Return the CID at a path below a directory, such as `content/7`.

        Raises:
            NotFoundError: there is no such entry.
        """
        return resolve(self.get_block, root, path)

    def list(self, cid: Cid) -> Iterator[tuple[str, Cid]]:
        """Yield name and CID of each entry of a directory."""
        return list_directory(self.get_block, cid)


@dataclass(frozen=True, slots=True)
class BlockCopy:
    """A block as one node of several has it.

    Attributes:
        node: the node's address.
        block: the bytes that it gave, whole or not; None: it has none, or gave no answer.
        code: empty: they are those of the CID; `damaged_block`: they are others; `missing_block`: it has none;
            `unreachable`: it did not answer.
        detail: what was met; empty where the copy is whole.
    """

    node: str
    block: bytes | None
    code: str
    detail: str


@runtime_checkable
class ReplicatedStore(Protocol):
    """A store that keeps each block on several nodes, and lets one look at each of them."""

    @property
    def replicas(self) -> int:
        """How many nodes must have a block."""

    @property
    def addresses(self) -> Sequence[str]:
        """Those of the nodes."""

    def cids_at(self, node: str) -> Iterator[Cid]:
        """Yield the CID of every block that one node says it keeps.

        Raises:
            TransportError: it does not answer, or can't tell.
        """

    def copies(self, cid: Cid) -> Sequence[BlockCopy]:
        """Return what each node has of a block, in the order of the nodes."""

    def mend(self, node: str, blocks: Mapping[Cid, bytes], *, drop_damaged: bool) -> None:
        """Put whole blocks on one node, and read them from it again.

        Args:
            node: its address.
            blocks: whole blocks by CID.
            drop_damaged: have the node drop every damaged block that it has first: it doesn't write over them. Which
                are not in `blocks` are lost.

        Raises:
            LedgerError: the node does not have them whole afterwards.
        """

    def level(self) -> Mapping[str, int]:
        """Have every node keep what any of them has; returns how much each lacked, by its address.

        Raises:
            NotFoundError: a block is on no node.
            TransportError: a node does not answer.
        """
