"""Proofs out of tiles: what a server gives, and what a client with the tiles computes by itself."""

from __future__ import annotations

from typing import Protocol

from ledger.errors import MalformedError, MismatchError
from ledger.log.tiles import HASH_BYTES, TILE_HEIGHT, TILE_WIDTH, Tile
from ledger.merkle import Frontier, InclusionProof, consistency_ranges, inclusion_ranges, node_hash

__all__ = ["TileReader", "TreeReader"]


class TileReader(Protocol):
    """Reads tiles and bundles."""

    def read(self, tile: Tile) -> bytes:
        """Return the tile: its first `width` hashes (32 bytes each) or entries.

        Raises:
            NotFoundError: the log does not have all of it.
            TransportError: it could not be read.
        """
        ...


class TreeReader:
    """The tree of one size over tiles, which are believed: compare its `root` with a checkpoint's.

    Args:
        tiles: where they come from; each is read once.
        size: number of leaves.
    """

    def __init__(self, tiles: TileReader, size: int) -> None:
        self._tiles = tiles
        self._size = size
        self._read: dict[tuple[int, int], bytes] = {}
        self._hashed: dict[tuple[int, int], bytes] = {}  # within tiles; proofs of one tree share the higher ones

    @property
    def root(self) -> bytes:
        """Root hash, 32 bytes."""
        return self.frontier().root

    def frontier(self) -> Frontier:
        """The perfect subtrees of this size, to grow from."""
        nodes, first = [], 0
        for height in reversed(range(self._size.bit_length())):
            if self._size >> height & 1:
                nodes.append(self._perfect(first, height))
                first += 1 << height
        return Frontier(self._size, nodes)

    def leaf(self, index: int) -> bytes:
        """A leaf hash, 32 bytes.

        Raises:
            MalformedError: the index is not below the size.
        """
        if not 0 <= index < self._size:
            raise MalformedError(
                f"expected an index below {self._size}, got {index}", code="leaf_index_out_of_range", actual=index
            )
        return self._perfect(index, 0)

    def inclusion(self, index: int) -> InclusionProof:
        """Prove one leaf.

        Raises:
            MalformedError: the index is not below the size.
        """
        path = tuple(self._subtree(first, end) for first, end in inclusion_ranges(index, self._size))
        return InclusionProof(index, self._size, path)

    def consistency(self, old_size: int) -> tuple[bytes, ...]:
        """Prove that the tree begins with that of a smaller size; takes `verify_consistency`.

        Raises:
            MalformedError: the old size is above this one.
        """
        return tuple(self._subtree(first, end) for first, end in consistency_ranges(old_size, self._size))

    def _subtree(self, first: int, end: int) -> bytes:
        count = end - first
        if count & (count - 1) == 0:
            return self._perfect(first, count.bit_length() - 1)
        middle = first + (1 << (count.bit_length() - 1))
        return node_hash(self._subtree(first, middle), self._subtree(middle, end))

    def _perfect(self, first: int, height: int) -> bytes:
        known = self._hashed.get((first, height))
        if known is not None:
            return known
        level, above = divmod(height, TILE_HEIGHT)
        place = first >> (TILE_HEIGHT * level)
        hashes = self._tile(level, place // TILE_WIDTH)
        start = place % TILE_WIDTH
        nodes = [hashes[HASH_BYTES * i : HASH_BYTES * (i + 1)] for i in range(start, start + (1 << above))]
        while len(nodes) > 1:
            nodes = [node_hash(nodes[i], nodes[i + 1]) for i in range(0, len(nodes), 2)]
        if above:
            self._hashed[first, height] = nodes[0]
        return nodes[0]

    def _tile(self, level: int, index: int) -> bytes:
        known = self._read.get((level, index))
        if known is None:
            width = min(TILE_WIDTH, (self._size >> (TILE_HEIGHT * level)) - index * TILE_WIDTH)
            known = self._tiles.read(Tile(level, index, width))
            if len(known) != width * HASH_BYTES:
                raise MismatchError(
                    f"expected a tile of {width} hashes, got {len(known)} bytes",
                    code="tile_damaged",
                    where=Tile(level, index, width).name,
                )
            self._read[level, index] = known
        return known
