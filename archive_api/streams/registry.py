"""The logs of streams of records: opened when they are needed, by their key."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from archive_api.streams.keys import StreamKey
from ledger.adapters.log_files import LogFiles
from ledger.adapters.signed_log import Cosign, SignedLog
from ledger.errors import LedgerError, NotFoundError
from ledger.log.keys import LogKey, LogSigner
from ledger.log.record import RecordEntry
from ledger.log.tiles import ENTRIES, TILE_WIDTH, Tile, parse_entries
from ledger.ports.chain import Clock
from ledger.ports.log import LogStore
from ledger.trust import TrustFile

__all__ = ["RecordStream", "Streams", "entries_between"]

_OPEN_LIMIT: Final = 256


class RecordStream:
    """One stream that is open for writing.

    Args:
        key: names it.
        log: its log.
        last_time: time of its newest entry, or None.

    Attributes:
        is_settled: whether the catalogue is known to tell of all entries of the log.
        publish_at: when it is published next if it has grown, by the monotonic clock, seconds.
    """

    def __init__(self, key: StreamKey, log: SignedLog, *, last_time: datetime | None) -> None:
        self.key = key
        self.log = log
        self._last_time = last_time
        self.is_settled = False
        self.publish_at = 0.0

    def next_time(self, now: datetime) -> datetime:
        """The time for new entries: now in whole seconds, or that of the newest entry if that is later."""
        present = now.replace(microsecond=0)
        self._last_time = present if self._last_time is None else max(self._last_time, present)
        return self._last_time

    def close(self) -> None:
        """Let go of the files."""
        self.log.close()


class Streams:
    """Every stream of records of a server, each in its own folder `<owner>/<stream>`.

    One process writes: a stream that another process has open is refused (code `log_in_use`). Readers take the files
    beside the writer and need nothing open.

    Args:
        folder: of the server's logs.
        signer: the logs' key.
        trust: names chain and contract.
        clock: the time.
        publish_seconds: how long an entry waits for a checkpoint at most.
        cosign: asks witnesses for their signatures under each checkpoint, or None.
        open_limit: how many are kept open; the one that was not written to for longest is closed first.

    Attributes:
        waiting: set when something was captured; the sequencer waits for it.
        troubles: why a stream could not be written last, by origin; empty: all is well.
        unpublished: why one could not be published last, such as for want of witnesses.
        unanchored: why a head could not be anchored last.
        numbers: row numbers of streams whose rows are committed; such a row never goes or changes.
        threads: those that have to live while the server does: sequencer and keeper.
        cosign: as given.
    """

    def __init__(
        self,
        folder: Path,
        *,
        signer: LogSigner,
        trust: TrustFile,
        clock: Clock,
        publish_seconds: float,
        cosign: Cosign | None = None,
        open_limit: int = _OPEN_LIMIT,
    ) -> None:
        self._folder = folder
        self.signer = signer
        self._trust = trust
        self._clock = clock
        self.publish_seconds = publish_seconds
        self.cosign = cosign
        self._open_limit = open_limit
        self._open: OrderedDict[StreamKey, RecordStream] = OrderedDict()
        self._lock = threading.RLock()
        self.waiting = threading.Event()
        self.troubles: dict[str, str] = {}
        self.unpublished: dict[str, str] = {}
        self.unanchored: dict[str, str] = {}
        self.numbers: dict[StreamKey, int] = {}
        self.threads: list[threading.Thread] = []
        self._grown: set[StreamKey] = set()
        self._left: set[StreamKey] = set()

    @property
    def key(self) -> LogKey:
        """The logs' public key."""
        return self.signer.key

    def origin(self, key: StreamKey) -> str:
        """A stream's origin line."""
        return key.origin(self._trust)

    def reader(self, key: StreamKey) -> LogFiles:
        """A stream's files, for reading; they show what was published.

        Raises:
            NotFoundError: nothing was ever written to it.
        """
        return LogFiles(self._path(key), read_only=True)

    def wake(self) -> None:
        """Tell the sequencer that something was captured."""
        self.waiting.set()

    def has_grown(self, key: StreamKey) -> None:
        """Note that a stream has a checkpoint whose head may have to be anchored."""
        with self._lock:
            self._grown.add(key)

    def take_grown(self) -> tuple[StreamKey, ...]:
        """Those that were noted since the last call."""
        with self._lock:
            grown, self._grown = tuple(self._grown), set()
            return grown

    @contextmanager
    def writing(self, key: StreamKey) -> Iterator[RecordStream]:
        """A stream open for writing; it stays open after the block, and no other thread has it meanwhile.

        An error within the block closes it, so that the next one finds what is on the disk.

        Raises:
            PolicyError: another process writes to it.
            MismatchError: somebody changed its files (code `log_damaged`).
            TransportError: its files cannot be used.
        """
        with self._lock:
            stream = self._open.get(key)
            if stream is None:
                self._make_room()
                stream = self._open[key] = self._opened(key)
            self._open.move_to_end(key)
            try:
                yield stream
            except BaseException:
                self._drop(key)
                raise

    def opened(self) -> tuple[RecordStream, ...]:
        """Those that are open at present."""
        with self._lock:
            return tuple(self._open.values())

    def reopen_left(self) -> None:
        """Open those again that were closed with entries that no checkpoint covers, as far as there is room.

        Raises:
            LedgerError: as `writing`.
        """
        with self._lock:
            for key in tuple(self._left):
                full = len(self._open) >= self._open_limit
                if full and all(stream.log.is_behind for stream in self._open.values()):
                    return  # one of them would be left instead
                with self.writing(key):
                    self._left.discard(key)

    def close(self) -> None:
        """Publish what no checkpoint covers yet, and let go of all files.

        What witnesses have to sign waits for the next start.
        """
        with self._lock:
            for key, stream in list(self._open.items()):
                if not stream.log.is_cosigned:
                    self._publish_quietly(stream)
                self._drop(key)

    def _path(self, key: StreamKey) -> Path:
        return self._folder / key.owner / key.name.value

    def _make_room(self) -> None:
        while len(self._open) >= self._open_limit:
            oldest = next(iter(self._open.values()))
            idle = next((stream for stream in self._open.values() if not stream.log.is_behind), oldest)
            self._publish_quietly(idle)
            if idle.log.is_behind:
                self._left.add(idle.key)
            self._drop(idle.key)

    def _publish_quietly(self, stream: RecordStream) -> None:
        if stream.log.is_behind:
            try:
                stream.log.publish()
                self.has_grown(stream.key)
            except LedgerError as error:
                self.unpublished[stream.log.origin] = str(error)

    def _drop(self, key: StreamKey) -> None:
        stream = self._open.pop(key, None)
        if stream is not None:
            stream.close()

    def _opened(self, key: StreamKey) -> RecordStream:
        store = LogFiles(self._path(key))
        try:
            log = SignedLog(store, self.origin(key), signer=self.signer, cosign=self.cosign)
            size = store.head().size
            newest = entries_between(store, size - 1, size) if size else []
            return RecordStream(key, log, last_time=newest[0].time if newest else None)
        except BaseException:
            store.close()
            raise


def entries_between(store: LogStore, first: int, end: int) -> list[RecordEntry]:
    """Entries of a stream of records, from one index to before another.

    Raises:
        NotFoundError: the log is smaller.
        MalformedError: something else is in it.
    """
    size = store.head().size
    if end > size:
        raise NotFoundError(f"expected entries up to {end}, got {size} of them", code="log_entry_not_found")
    found: list[RecordEntry] = []
    for bundle in range(first // TILE_WIDTH, -(-end // TILE_WIDTH)):
        start = bundle * TILE_WIDTH
        width = min(TILE_WIDTH, size - start)
        entries = parse_entries(store.read(Tile(ENTRIES, bundle, width)), width)
        found += [RecordEntry.parse(entry) for entry in entries[max(first - start, 0) : end - start]]
    return found
