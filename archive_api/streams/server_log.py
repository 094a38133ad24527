"""Logs that the server writes itself: opened for as long as entries are added, by whichever process adds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from archive_api.streams.keys import ARCHIVE, StreamName
from ledger import fields
from ledger.adapters.log_files import LogFiles
from ledger.adapters.signed_log import Cosign, SignedLog
from ledger.canonical import parse_canonical
from ledger.errors import NotFoundError
from ledger.log.keys import LogSigner
from ledger.log.tiles import ENTRIES, TILE_WIDTH, Tile, parse_entries
from ledger.ports.log import LogRecord, LogStore
from ledger.trust import TrustFile

__all__ = ["append_entries", "entries_of", "server_log_folder"]


def server_log_folder(logs: Path, name: StreamName) -> Path:
    """Where a log of the archive's own lies below the folder of all logs."""
    return logs / ARCHIVE / name.value


def append_entries(
    logs: Path,
    name: StreamName,
    make: Callable[[datetime], Sequence[bytes]],
    *,
    signer: LogSigner,
    trust: TrustFile,
    now: datetime,
    cosign: Cosign | None = None,
) -> int:
    """Add entries durably, and publish a checkpoint over them; both have happened when this returns.

    Args:
        logs: folder of all logs.
        name: the stream, one of `SERVER_STREAMS`.
        make: makes the entries, given the time they bear: whole seconds, never before that of the entry before.
        signer: the logs' key.
        trust: names chain and contract.
        now: present time.
        cosign: asks witnesses for their signatures, or None.

    Returns:
        The index of the first one.

    Raises:
        PolicyError: another process writes to it (code `log_in_use`).
        MismatchError: somebody changed its files.
        TransportError: it cannot be written, or too few witnesses answered: then the entries wait for the next time.
    """
    store = LogFiles(server_log_folder(logs, name))
    try:
        log = SignedLog(store, trust.origin(ARCHIVE, name.value), signer=signer, cosign=cosign)
        size = store.head().size
        present = now.replace(microsecond=0)
        if size:
            present = max(present, _time_of(entries_of(store, size - 1, size)[0]))
        entries = make(present)
        if entries:
            log.append([LogRecord(entry) for entry in entries])
        if log.is_behind:
            log.publish()
        return size
    finally:
        store.close()


def entries_of(store: LogStore, first: int, end: int) -> list[bytes]:
    """Entries of a log, from one index to before another.

    Raises:
        NotFoundError: the log is smaller.
    """
    size = store.head().size
    if end > size:
        raise NotFoundError(f"expected entries up to {end}, got {size} of them", code="log_entry_not_found")
    found: list[bytes] = []
    for bundle in range(first // TILE_WIDTH, -(-end // TILE_WIDTH)):
        start = bundle * TILE_WIDTH
        width = min(TILE_WIDTH, size - start)
        entries = parse_entries(store.read(Tile(ENTRIES, bundle, width)), width)
        found += entries[max(first - start, 0) : end - start]
    return found


def _time_of(entry: bytes) -> datetime:
    return fields.utc_time(parse_canonical(entry)["time"], "entry.time")
