"""The logs of a home as a process has them that does not write them: read from their files, written over the link."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from archive_api.access_log.events import ACCESS_STREAM, AccessEvent
from archive_api.access_log.prepared import PreparedAccess
from archive_api.log_link.client import LogLink
from archive_api.streams.keys import ARCHIVE, StreamKey
from archive_api.streams.reading import published_in
from archive_api.streams.registry import RecordStream, Streams
from ledger.adapters.log_files import LogFiles
from ledger.errors import NotFoundError, PolicyError
from ledger.log.checkpoint import Checkpoint
from ledger.log.keys import LogKey
from ledger.log.promise import Promise
from ledger.ports.log import LogStore
from ledger.trust import TrustFile

__all__ = ["LinkedAccessLog", "LinkedStreams"]


class _LinkedWriter:
    """The access log, read from its files."""

    def __init__(self, link: LogLink, folder: Path, *, origin: str, key: LogKey) -> None:
        self._link = link
        self._folder = folder
        self.origin = origin
        self.key = key

    @property
    def store(self) -> LogStore:
        """Its files, as far as they are published.

        Raises:
            NotFoundError: nothing was ever written.
        """
        return LogFiles(self._folder, read_only=True)

    @property
    def published(self) -> Checkpoint:
        """The newest checkpoint; of size 0 before the first."""
        try:
            note = self.store.checkpoint()
        except NotFoundError:
            note = None
        return published_in(note, self)

    def publish(self) -> Checkpoint:
        """See `PublishedLog.publish`."""
        self._link.publish()
        return self.published


class LinkedAccessLog:
    """The access log behind a link; see `events.AccessLog`.

    Args:
        link: to the process that writes it.
        logs: folder of all logs.
        trust: names chain and contract.
        key: the logs' public key.
    """

    name = ACCESS_STREAM

    def __init__(self, link: LogLink, logs: Path, *, trust: TrustFile, key: LogKey) -> None:
        self._link = link
        origin = trust.origin(ARCHIVE, ACCESS_STREAM)
        self.writer = _LinkedWriter(link, logs / ACCESS_STREAM, origin=origin, key=key)

    @property
    def trouble(self) -> str | None:
        """Why the log cannot be written, taken over or anchored at present; None: it can."""
        return self._link.trouble

    def require_writable(self) -> None:
        """Look whether an entry could be written now; see `AccessLog.require_writable`."""
        self._link.require_writable()

    def submit(self, event: AccessEvent) -> Future[Promise]:
        """Hand an event over; see `AccessLog.submit`."""
        return self._link.record(PreparedAccess.of(event))

    def record(self, event: AccessEvent) -> Promise:
        """Hand an event over and wait; see `AccessLog.record`."""
        return self.submit(event).result()

    def drain(self) -> int:
        """Have clear text taken over; see `AccessLog.drain`."""
        return self._link.drain()

    def close(self) -> None:
        """Let go of the link."""
        self._link.close()


class LinkedStreams(Streams):
    """Streams of records that another process writes: read from their files.

    Args:
        link: to that process.
        folder, members: as `Streams`.
    """

    def __init__(self, link: LogLink, folder: Path, **members: Any) -> None:
        super().__init__(folder, **members)
        self._link = link

    def wake(self) -> None:
        """Tell the sequencer, wherever it is, that something was captured."""
        self._link.wake()

    @contextmanager
    def writing(self, key: StreamKey) -> Iterator[RecordStream]:
        """Refused: one process writes.

        Raises:
            PolicyError: always (code `log_in_use`).
        """
        raise PolicyError(f"expected the process that writes {self.origin(key)}, got another", code="log_in_use")
        yield  # what makes it a context manager
