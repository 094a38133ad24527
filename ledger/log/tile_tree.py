"""A log as a directory on IPFS: `checkpoint` and `tile/…` under the C2SP names, from which anybody can rebuild it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ledger.cid import BlockSink, Cid, Tree, file_content
from ledger.dag import GetBlock
from ledger.directory import change_directory
from ledger.errors import MalformedError
from ledger.log.proofs import TileReader
from ledger.log.tiles import ENTRIES, TILE_HEIGHT, TILE_WIDTH, Tile

__all__ = ["CHECKPOINT", "TILES", "build_tile_tree", "tile_changes"]

CHECKPOINT: Final = "checkpoint"
TILES: Final = "tile"


def tile_changes(old_size: int, new_size: int) -> Iterator[tuple[Tile, bool]]:
    """Yield what differs between the tiles and bundles of two sizes.

    Args:
        old_size: number of leaves before; at most `new_size`.
        new_size: number of leaves now.

    Yields:
        A tile, and whether it is there now; one that is not is a partial tile that was outgrown.
    """
    for level in (ENTRIES, *range(new_size.bit_length() // TILE_HEIGHT + 1)):
        shift = TILE_HEIGHT * max(level, 0)
        old_full, old_width = divmod(old_size >> shift, TILE_WIDTH)
        new_full, new_width = divmod(new_size >> shift, TILE_WIDTH)
        if (old_full, old_width) == (new_full, new_width):
            continue
        if old_width:
            yield Tile(level, old_full, old_width), False
        for index in range(old_full, new_full):
            yield Tile(level, index), True
        if new_width:
            yield Tile(level, new_full, new_width), True


def build_tile_tree(
    tiles: TileReader,
    size: int,
    *,
    checkpoint: bytes,
    old: tuple[Cid, int] | None,
    get_block: GetBlock,
    on_block: BlockSink,
) -> Tree:
    """Build the directory of a log of a size; full tiles that an older one has are neither read nor put again.

    Args:
        tiles: the log.
        size: number of leaves, at least 1.
        checkpoint: the signed note of this size.
        old: root and size of an older directory of this log, or None.
        get_block: where the older one's directories are read.
        on_block: takes new blocks.

    Returns:
        The root.

    Raises:
        NotFoundError: the log is smaller, or a block of the older directory is missing.
        MalformedError: the older one is no such directory; a size of 0, or below the older one's.
    """
    root, old_size = old or (None, 0)
    if size < max(1, old_size):
        raise MalformedError(f"expected a size of at least {max(1, old_size)}, got {size}")
    changes: dict[str, Tree | None] = {CHECKPOINT: file_content(checkpoint, on_block).tree}
    for tile, is_there in tile_changes(old_size, size):
        changes[f"{TILES}/{tile.name}"] = file_content(tiles.read(tile), on_block).tree if is_there else None
    made = change_directory(get_block, root, changes, on_block)
    if made is None:
        raise MalformedError("expected a directory with a checkpoint, got an empty one")
    return made
