"""The thread beside the worker that keeps the access log: clear text into the catalogue, heads onto the chain."""

from __future__ import annotations

import logging
import threading

from sqlalchemy.exc import SQLAlchemyError

from archive_api.access_log.audit import HEARTBEAT_SECONDS
from archive_api.access_log.events import AccessEvent, Outcome
from archive_api.access_log.streams import AccessStream
from archive_api.errors import ApiError
from archive_api.services import Services
from archive_api.streams.anchoring import HeadAnchoring
from ledger.errors import LedgerError, MismatchError

__all__ = ["LogKeeper"]

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.5


class LogKeeper:
    """One thread, in the process that writes the log.

    Args:
        services: the server's.
    """

    def __init__(self, services: Services) -> None:
        if not isinstance(services.access_log, AccessStream):
            raise TypeError("expected the process that writes the access log, got another")
        self._services = services
        self._log = services.access_log
        self._anchoring = HeadAnchoring(services, keep_tiles=True)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="log-keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what it did not come to is done after the next start."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def round(self) -> None:
        """Do what is due.

        Raises:
            MismatchError: the log is not the one whose head is anchored.
            TransportError: chain or catalogue could not be asked.
        """
        access_log = self._log
        access_log.drain()
        if self._anchoring.is_idle(access_log.writer, seconds=HEARTBEAT_SECONDS):
            access_log.record(AccessEvent("log.heartbeat", Outcome.GRANTED))
            access_log.writer.publish()  # so that the next round finds it, and writes no second one
        self.anchor()

    def anchor(self, *, now: bool = False) -> bool:
        """Send a head if one is due; raises as `round`.

        Args:
            now: do not wait for the schedule.

        Returns:
            Whether a job was written.
        """
        return self._anchoring.tick(self._log.writer, now=now)

    def _run(self) -> None:
        while not self._stopping.wait(_POLL_SECONDS):
            try:
                self.round()
                self._log.keeping_error = None
            except (LedgerError, ApiError, SQLAlchemyError) as error:
                self._report(error)

    def _report(self, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        if text != self._log.keeping_error:  # once, not twice a second
            level = logging.CRITICAL if isinstance(error, MismatchError) else logging.WARNING
            _LOG.log(level, "log keeper: %s", text)
        self._log.keeping_error = text
