"""Logs of a server on their way back: the ones still on the disk, or made again from tiles in the store.

What lies in the store counts only under a head of the chain: the largest directory whose root is an anchored head's,
whose checkpoint the log's key signed, and whose every entry and tile leads to that root.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from archive_api.access_log.events import ACCESS_STREAM
from archive_api.recovery.report import LeftOut
from archive_api.recovery.sources import Found, StoredTiles, TileFolder
from archive_api.streams.keys import ARCHIVE, BUILDING_STREAMS, StreamKey, StreamName
from ledger.adapters.chain_dumps import sync_directory, write_durably
from ledger.adapters.log_files import LogFiles
from ledger.errors import LedgerError, MismatchError
from ledger.hashing import keccak256
from ledger.log.checkpoint import SignedCheckpoint
from ledger.log.keys import LogKey
from ledger.log.proofs import TreeReader
from ledger.log.tiles import ENTRIES, TILE_HEIGHT, Tile, tiles_of
from ledger.log.verify import KnownHead, verify_log
from ledger.ports.blobs import BlobStore
from ledger.ports.chain import LedgerEvent
from ledger.trust import TrustFile

__all__ = ["AnchoredHead", "LogSite", "RestoredLogs", "head_of", "heads_by_origin", "log_sites"]

_BUILDINGS: Final = sorted(BUILDING_STREAMS)


@dataclass(frozen=True, slots=True)
class AnchoredHead:
    """A head as an event of the chain has it: size and root (32 bytes)."""

    size: int
    root: bytes


def head_of(event: LedgerEvent) -> AnchoredHead:
    """The head of an event `CheckpointAppended`."""
    values = cast(Mapping[str, Any], event.values)
    return AnchoredHead(values["size"], bytes(values["root"]))


def heads_by_origin(events: Iterable[LedgerEvent]) -> dict[bytes, list[LedgerEvent]]:
    """Events `CheckpointAppended` by origin hash, each in chain order."""
    found: dict[bytes, list[LedgerEvent]] = {}
    for event in events:
        if event.name == "CheckpointAppended":
            found.setdefault(bytes(cast(Mapping[str, Any], event.values)["origin"]), []).append(event)
    return found


@dataclass(frozen=True, slots=True)
class LogSite:
    """One log of a server.

    Attributes:
        origin: its origin line.
        folder: where it lies below the folder of all logs.
        key: of a stream of records, or of the server's own; None: the access log.
    """

    origin: str
    folder: Path
    key: StreamKey | None

    @property
    def origin_hash(self) -> bytes:
        """What CheckpointLog calls it, 32 bytes."""
        return keccak256(self.origin.encode())


def log_sites(trust: TrustFile, logs: Path, building_keys: Iterable[str]) -> list[LogSite]:
    """Every log that a server with these buildings may have."""
    sites = [LogSite(trust.origin(ARCHIVE, ACCESS_STREAM), logs / ACCESS_STREAM, None)]
    keys = [StreamKey(name, None) for name in StreamName if name not in BUILDING_STREAMS]
    keys += [StreamKey(StreamName(name), key) for key in building_keys for name in _BUILDINGS]
    return sites + [LogSite(key.origin(trust), logs / key.owner / key.name.value, key) for key in keys]


class RestoredLogs:
    """The logs of a server, restored where they are not there.

    Args:
        trust: pins their key.
        store: where their tiles may lie.
        found: what a walk through the store found.
        heads: events of the chain, by origin hash, oldest first.
    """

    def __init__(
        self, trust: TrustFile, store: BlobStore, found: Found, heads: Mapping[bytes, Sequence[LedgerEvent]]
    ) -> None:
        self._trust = trust
        self._store = store
        self._found = found
        self._heads = {origin: [head_of(event) for event in events] for origin, events in heads.items()}
        self.restored: list[str] = []
        self.left_out: list[LeftOut] = []

    def open(self, site: LogSite) -> LogFiles | None:
        """A log for reading: as it lies on the disk, else out of the store; None: there is none.

        Raises:
            MismatchError: `log_damaged`: what lies on the disk does not lead to a head of the chain.
            TransportError: disk or store cannot be used.
        """
        heads = self._heads.get(site.origin_hash, ())
        if not (site.folder / "checkpoint").exists():
            if not heads or not self._restore(site, heads):
                return None
            self.restored.append(site.origin)
        log = LogFiles(site.folder, read_only=True)
        size = log.head().size
        for head in heads[-1:]:
            if head.size > size:
                reason = f"entries {size} to {head.size - 1}: anchored, and neither on the disk nor in content"
                self.left_out.append(LeftOut("log", site.origin, reason))
            elif TreeReader(log, head.size).root != head.root:
                raise MismatchError(
                    f"expected a log that leads to its anchored head of {head.size} entries, got another",
                    code="log_damaged",
                    where=str(site.folder),
                )
        return log

    def folder_of(self, origin: str, head: AnchoredHead) -> TileFolder | None:
        """The directory in the store of a head."""
        folders = self._found.folders.get((origin, head.size), ())
        return next((folder for folder in folders if folder.checkpoint.root == head.root), None)

    def _restore(self, site: LogSite, heads: Sequence[AnchoredHead]) -> bool:
        pin = self._trust.log(site.origin)
        for head in reversed(heads):
            folder = self.folder_of(site.origin, head)
            if folder is None:
                continue
            try:
                if pin is not None:
                    SignedCheckpoint.parse(folder.note).verify(LogKey(pin.key), site.origin)
                tiles = StoredTiles(self._store, folder.cid)
                report = verify_log(tiles, [KnownHead(head.size, head.root, "anchored")], size=head.size)
                if report.findings:
                    raise MismatchError(report.findings[0].text, code=report.findings[0].code)
                _write(site.folder, tiles, head.size, folder.note)
            except LedgerError as error:
                self.left_out.append(LeftOut("log", site.origin, f"the directory {folder.cid}: {error}"))
                continue
            if head != heads[-1]:
                reason = f"entries {head.size} to {heads[-1].size - 1}: anchored, and not in content"
                self.left_out.append(LeftOut("log", site.origin, reason))
            return True
        self.left_out.append(LeftOut("log", site.origin, "anchored, and its tiles are not in content"))
        return False


def _tiles(size: int) -> Iterator[Tile]:
    for level in (ENTRIES, *range(size.bit_length() // TILE_HEIGHT + 1)):
        yield from tiles_of(level, size)


def _write(folder: Path, tiles: StoredTiles, size: int, note: bytes) -> None:
    """Write a log's files, and show them all at once."""
    making = folder.with_name(folder.name + ".restoring")
    shutil.rmtree(making, ignore_errors=True)
    for tile in _tiles(size):
        path = making / "tile" / Tile(tile.level, tile.index).name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(path, tiles.read(tile))
    write_durably(making / "checkpoint", note)
    if folder.exists():  # without a checkpoint; its journal may still tell somebody something
        folder.rename(folder.with_name(f"{folder.name}.set-aside-{os.urandom(4).hex()}"))
    making.rename(folder)
    sync_directory(folder.parent)
