"""Processes that read documents: a large one must not keep the server from everything else, and two cores read more.

A small document is read at once. Processes are started when the first large one comes, and end with the server; their
environment has none of the server's secrets.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Final

from archive_api.errors import TooManyError, TransportError
from archive_api.supply.judging import NewEvents, Refusal, judge

__all__ = ["DocumentReaders"]

_LOG = logging.getLogger(__name__)
_SMALL_BYTES: Final = 16_384
_NEW_OBJECTS: Final = 100_000
_WAITING: Final = 8
"""Documents under way for each process: those who wait hold threads that answer everybody else."""


class DocumentReaders:
    """Reads and judges documents; may be used from several threads.

    Args:
        copied: rows are for PostgreSQL's COPY (`rows.encode_rows`).
        processes: how many read at the same time; None: as many as there are cores, but at most four.
        small_bytes: documents of fewer bytes are read in the calling thread.
        seconds: what one document may take.
    """

    def __init__(
        self,
        *,
        copied: bool = False,
        processes: int | None = None,
        small_bytes: int = _SMALL_BYTES,
        seconds: float = 300.0,
    ) -> None:
        self._copied = copied
        self._processes = processes or min(4, len(os.sched_getaffinity(0)))
        self._small_bytes = small_bytes
        self._seconds = seconds
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(_WAITING * self._processes)
        self._pool: ProcessPoolExecutor | None = None

    def read(self, data: bytes, media_type: str, stream: str, *, bare_event: bool = False) -> NewEvents | Refusal:
        """Judge a document; arguments and result as `judge`.

        Raises:
            TransportError: the process that read it died, or took too long; nothing is known of the document.
            TooManyError: too many documents wait to be read.
        """
        if len(data) < self._small_bytes:
            return judge(data, media_type, stream, bare_event=bare_event, copied=self._copied)
        if not self._room.acquire(blocking=False):
            raise TooManyError("expected fewer large documents at a time, got too many", retry_after_seconds=2)
        try:
            return self._read(data, media_type, stream, bare_event=bare_event)
        finally:
            self._room.release()

    def _read(self, data: bytes, media_type: str, stream: str, *, bare_event: bool) -> NewEvents | Refusal:
        pool = self._opened()
        try:
            job = pool.submit(judge, data, media_type, stream, bare_event=bare_event, copied=self._copied)
            return job.result(self._seconds)
        except (BrokenProcessPool, TimeoutError) as error:
            self._drop(pool)
            _LOG.warning("a process that read a document of %d bytes was lost: %s", len(data), type(error).__name__)
            raise TransportError(
                "expected the document to be read, got the end of the process that read it", code="reader_lost"
            ) from error

    def close(self) -> None:
        """End the processes."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)

    def _opened(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                # Not fork: the server has threads, and a fork has the locks that they hold at that moment.
                self._pool = ProcessPoolExecutor(
                    self._processes,
                    mp_context=multiprocessing.get_context("spawn"),
                    initializer=_begin,
                )
            return self._pool

    def _drop(self, pool: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._pool is pool:
                self._pool = None
        for process in list((pool._processes or {}).values()):  # one that hangs does not end by itself
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)


def _begin() -> None:
    """Begin a process: it ends with the server, leaves Ctrl-C to it, and forgets what only the server may know."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in [name for name in os.environ if name.startswith("YUNSHANG_")]:
        del os.environ[name]
    # A document's values are many, and gone with their last name: looking for cycles among them is a tenth of the time.
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End when the server is gone, however it went: its queue would be waited for for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
