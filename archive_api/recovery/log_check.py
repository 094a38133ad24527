"""Every log of a server against its own heads, those of the chain, and what the catalogue keeps beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from typing import Final

from archive_api.access_log.audit import Audit
from archive_api.access_log.sources import ClearTexts
from archive_api.db.engine import Database
from archive_api.recovery.findings import Found, Wrong
from archive_api.recovery.logs import LogSite, RestoredLogs, head_of
from archive_api.recovery.sources import StoredTiles
from archive_api.streams.keys import SERVER_STREAMS
from ledger.adapters.chain_dumps import write_durably
from ledger.adapters.log_files import LogFiles
from ledger.canonical import canonical_bytes
from ledger.errors import LedgerError, TransportError
from ledger.log.access_audit import examine_access
from ledger.log.record_audit import examine_records
from ledger.log.server_entries import examine_server_entries
from ledger.log.tiles import ENTRIES, TILE_HEIGHT, Tile, tiles_of
from ledger.log.verify import Examine, Finding
from ledger.ports.blobs import BlobStore
from ledger.ports.chain import AnchoredCheckpoint, LedgerEvent
from ledger.trust import TrustFile

__all__ = ["LogCheck"]

# That a server stood still is for an audit to say; a check is about bytes.
_PASSED_OVER: Final = frozenset({"head_overdue", "log_empty"})


class LogCheck:
    """Checks logs one after another.

    Args:
        trust: pins their key.
        database: has the clear text of accesses.
        now: present time.
        heads: events `CheckpointAppended` by origin hash, or None: no node was asked.
    """

    def __init__(
        self,
        trust: TrustFile,
        database: Database,
        *,
        now: datetime,
        heads: Mapping[bytes, Sequence[LedgerEvent]] | None,
    ) -> None:
        self._trust = trust
        self._database = database
        self._now = now
        self._heads = heads
        self._read: list[tuple[str, int, str]] = []

    @property
    def count(self) -> int:
        """How many logs were read."""
        return len(self._read)

    def root(self) -> bytes:
        """SHA-256 over origin, size and root of each, 32 bytes."""
        return sha256(canonical_bytes([list(item) for item in sorted(self._read)])).digest()

    def check(self, site: LogSite, found: Found, progress: Callable[[int], None] = lambda count: None) -> list[Wrong]:
        """Check one log; what is wrong is returned and not yet in `found`, doubts are.

        Raises:
            TransportError: it could not be read.
        """
        heads = self._anchored(site)
        if not (site.folder / "checkpoint").exists():
            if not heads:
                return []
            return [Wrong("logs", "log_missing", site.origin, f"expected {heads[-1].size} entries, got no log")]
        log = LogFiles(site.folder, read_only=True)
        clear = ClearTexts(self._database, log) if site.key is None else None
        note = log.checkpoint()
        report = Audit(
            origin=site.origin,
            pin=self._trust.log(site.origin),
            anchored=heads,
            now=self._now,
            clear=None if clear is None else clear.of,
            surplus=(lambda: ()) if clear is None else clear.surplus,
            examine=_examine(site),
            has_heartbeats=False,
            progress=progress,
        ).check(log, note)
        found.doubts += [(code, f"{site.origin}: {text}") for code, text in report.doubts if code not in _PASSED_OVER]
        with suppress(LedgerError):
            head = log.head()
            self._read.append((site.origin, head.size, head.root.hex()))
        return [Wrong("logs", item.code, f"{site.origin}{_place(item)}", item.text) for item in report.findings]

    def _anchored(self, site: LogSite) -> Sequence[AnchoredCheckpoint] | None:
        if self._heads is None:
            return None
        found: list[AnchoredCheckpoint] = []
        for event in self._heads.get(site.origin_hash, ()):
            head = head_of(event)
            found.append(
                AnchoredCheckpoint(
                    head.size, head.root, block_number=event.block.number, block_time=event.block.timestamp
                )
            )
        return found

    def mend(self, site: LogSite, logs: RestoredLogs, store: BlobStore) -> bool:
        """Write a log's tiles again from the store, as far as an anchored head covers them.

        Returns:
            Whether there was anything to write them from; whether that was enough a new check tells.

        Raises:
            TransportError: disk or store cannot be used.
        """
        for event in reversed(() if self._heads is None else self._heads.get(site.origin_hash, ())):
            head = head_of(event)
            folder = logs.folder_of(site.origin, head)
            if folder is not None:
                try:
                    _write_tiles(site, StoredTiles(store, folder.cid), head.size)
                except TransportError:
                    raise
                except LedgerError:
                    continue
                if not (site.folder / "checkpoint").exists():
                    write_durably(site.folder / "checkpoint", folder.note)
                return True
        return False


def _write_tiles(site: LogSite, tiles: StoredTiles, size: int) -> None:
    for level in (ENTRIES, *range(size.bit_length() // TILE_HEIGHT + 1)):
        for tile in tiles_of(level, size):
            path = site.folder / "tile" / Tile(tile.level, tile.index).name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            good = tiles.read(tile)
            there = path.read_bytes() if path.exists() else b""
            if there[: len(good)] != good:
                write_durably(path, good, there[len(good) :])


def _examine(site: LogSite) -> Examine:
    if site.key is None:
        return examine_access
    return examine_server_entries if site.key.name in SERVER_STREAMS else examine_records


def _place(finding: Finding) -> str:
    if finding.index is None:
        return ""
    last = "" if finding.last_index in (None, finding.index) else f"-{finding.last_index}"
    return f" entry {finding.index}{last}"
