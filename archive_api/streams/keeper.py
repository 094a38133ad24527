"""The thread that has the heads of streams of records anchored, with their tiles kept."""

from __future__ import annotations

import logging
import threading
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from archive_api.errors import ApiError, NotFoundError
from archive_api.services import Services
from archive_api.streams.anchoring import HeadAnchoring
from archive_api.streams.keys import StreamKey
from archive_api.streams.service import stored_log
from ledger.errors import LedgerError, MismatchError

__all__ = ["StreamKeeper"]

_LOG = logging.getLogger(__name__)
_POLL_SECONDS: Final = 2.0


class StreamKeeper:
    """One thread. A stream is looked at from when it has grown until its newest head is on chain for good.

    Args:
        services: the server's.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._anchoring = HeadAnchoring(services, keep_tiles=True)
        self._watched: set[StreamKey] = set()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="stream-keeper", daemon=True)
        self._thread.start()
        self._services.streams.threads.append(self._thread)

    def stop(self) -> None:
        """End the thread; what it did not come to is done after the next start."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._services.streams.threads.remove(self._thread)
            self._thread = None

    def round(self, *, now: bool = False) -> int:
        """Send the heads that are due. What keeps one from being sent is in `Streams.unanchored`.

        Args:
            now: do not wait for the schedule.

        Returns:
            How many jobs were written.
        """
        self._watched.update(self._services.streams.take_grown())
        return sum(self._look(key, now=now) for key in tuple(self._watched))

    def _run(self) -> None:
        while not self._stopping.wait(_POLL_SECONDS):
            self.round()

    def _look(self, key: StreamKey, *, now: bool) -> bool:
        unanchored, origin = self._services.streams.unanchored, self._services.streams.origin(key)
        try:
            log = stored_log(self._services, key)
            is_sent = self._anchoring.tick(log, now=now)
            if not is_sent and self._anchoring.is_anchored(log):
                self._watched.discard(key)
        except NotFoundError:
            self._watched.discard(key)
            return False
        except (LedgerError, ApiError, SQLAlchemyError) as error:
            text = f"{type(error).__name__}: {error}"
            if unanchored.get(origin) != text:  # once, not at every try
                level = logging.CRITICAL if isinstance(error, MismatchError) else logging.WARNING
                _LOG.log(level, "stream %s: %s", origin, text)
            unanchored[origin] = text
            return False
        unanchored.pop(origin, None)
        return is_sent
