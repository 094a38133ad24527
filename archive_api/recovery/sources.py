"""What a rebuild starts from: events of the chain, and what a walk through the store finds by itself.

Logs, sealed captures and wrapped keys are not named by the chain. They are found by how they begin, and count only as
far as something vouches for them: a log's tiles by a head on the chain, a capture by its seal, a wrapped key by the
commitment in a sealed entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ledger.capture import CAPTURE_FORMAT, MAX_CAPTURE_BYTES
from ledger.cid import CODEC_DAG_PB, CODEC_RAW, Cid
from ledger.dag import list_directory
from ledger.errors import LedgerError, MalformedError
from ledger.log.checkpoint import Checkpoint, SignedCheckpoint
from ledger.log.tile_tree import CHECKPOINT, TILES
from ledger.log.tiles import Tile
from ledger.ports.blobs import BlobStore
from ledger.ports.chain import LedgerEvent
from ledger.unixfs import TYPE_DIRECTORY, TYPE_FILE, decode_node

__all__ = ["Found", "StoredTiles", "TileFolder", "find_all"]

WRAPS_BEGIN: Final = b'{"format":"yunshang-wraps/v1"'
_FACTS_BEGIN: Final = b'{"facts":[["'
_CAPTURE_BEGIN: Final = b'{"domain":{"chain_id":'
_CAPTURE_MARK: Final = f'"format":"{CAPTURE_FORMAT}"'.encode()
_LOOK_BYTES: Final = 256
_MAX_CHECKPOINT_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class TileFolder:
    """A directory of a log's tiles in the store, as its checkpoint says; nothing is verified yet."""

    cid: Cid
    checkpoint: Checkpoint
    note: bytes


@dataclass(slots=True)
class Found:
    """What a walk through the store found.

    Attributes:
        folders: directories of tiles by origin and size.
        captures: files that begin like a sealed capture.
        wraps: files that begin like wrapped keys.
        facts: files that begin like facts of the catalogue.
        damaged: blocks that could not be read, with the reason.
    """

    folders: dict[tuple[str, int], list[TileFolder]] = field(default_factory=dict)
    captures: list[Cid] = field(default_factory=list)
    wraps: list[Cid] = field(default_factory=list)
    facts: list[Cid] = field(default_factory=list)
    damaged: list[tuple[Cid, str]] = field(default_factory=list)

    def newest(self, origin: str) -> Iterator[TileFolder]:
        """Directories of a log, the largest first."""
        for known, size in sorted(self.folders, reverse=True):
            if known == origin:
                yield from self.folders[known, size]


class StoredTiles:
    """Tiles of a log out of its directory in the store; a `TileReader`.

    Args:
        store: where it lies.
        cid: the directory.
    """

    def __init__(self, store: BlobStore, cid: Cid) -> None:
        self._store = store
        self._cid = cid

    def read(self, tile: Tile) -> bytes:
        """See `TileReader.read`."""
        with self._store.open(self._store.resolve(self._cid, f"{TILES}/{tile.name}")) as file:
            return file.read()


def find_all(store: BlobStore, progress: Callable[[int], None] = lambda count: None) -> Found:
    """Walk through a store once; of raw blocks only the beginning is looked at.

    Args:
        store: whose blocks.
        progress: called with the number of blocks looked at.

    Raises:
        TransportError: the store cannot be read.
    """
    found = Found()
    leaves: set[bytes] = set()
    for count, cid in enumerate(store.cids(), 1):
        if count % 1000 == 0:
            progress(1000)
        try:
            if cid.codec == CODEC_RAW:
                _look(found, cid, store.peek(cid, _LOOK_BYTES))
            elif cid.codec == CODEC_DAG_PB:
                _look_at_node(found, store, cid, leaves)
        except LedgerError as error:
            found.damaged.append((cid, str(error)))
    # The first leaf of a larger file begins like it, and is none.
    found.captures = [cid for cid in found.captures if cid.digest not in leaves]
    found.facts = [cid for cid in found.facts if cid.digest not in leaves]
    return found


def _look(found: Found, cid: Cid, begin: bytes) -> None:
    if begin.startswith(_CAPTURE_BEGIN) and _CAPTURE_MARK in begin:
        found.captures.append(cid)
    elif begin.startswith(WRAPS_BEGIN):
        found.wraps.append(cid)
    elif begin.startswith(_FACTS_BEGIN):
        found.facts.append(cid)


def _look_at_node(found: Found, store: BlobStore, cid: Cid, leaves: set[bytes]) -> None:
    node = decode_node(store.get_block(cid))
    if node.kind == TYPE_FILE and node.file_size <= MAX_CAPTURE_BYTES and node.links:
        first = Cid.from_bytes(node.links[0].cid)
        if first.codec == CODEC_RAW:
            begin = store.peek(first, _LOOK_BYTES)
            before = len(found.captures) + len(found.facts)
            _look(found, cid, begin)
            if len(found.captures) + len(found.facts) > before:
                leaves.add(first.digest)
    elif node.kind == TYPE_DIRECTORY and {link.name for link in node.links} == {CHECKPOINT.encode(), TILES.encode()}:
        names = dict(list_directory(store.get_block, cid))
        with store.open(names[CHECKPOINT]) as file:
            if file.size > _MAX_CHECKPOINT_BYTES:
                raise MalformedError("expected a checkpoint, got a larger file", where=str(cid))
            note = file.read()
        checkpoint = SignedCheckpoint.parse(note).checkpoint
        folder = TileFolder(cid, checkpoint, note)
        found.folders.setdefault((checkpoint.origin, checkpoint.size), []).append(folder)


def by_name(events: Sequence[LedgerEvent]) -> Mapping[str, list[LedgerEvent]]:
    """Events by their names, each in chain order."""
    found: dict[str, list[LedgerEvent]] = {}
    for event in events:
        found.setdefault(event.name, []).append(event)
    return found
