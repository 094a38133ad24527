"""Makes what is computed from models when nobody waits for it: indexes, then change records along the lines.

What is missing is found by looking for it, so a server that was killed goes on where it stopped, and what was deleted
is made again. A model that cannot be indexed now is tried again later, more and more seldom.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from archive_api.bim.library import model_key
from archive_api.bim.receiving import stored_model
from archive_api.bim.repository import ModelRepository
from archive_api.bim.service import ModelService
from archive_api.errors import ApiError
from archive_api.services import Services
from ledger.errors import LedgerError

__all__ = ["ModelIndexer"]

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 1.0
_FIRST_DELAY_SECONDS = 30.0


class ModelIndexer:
    """One thread beside the worker, so that large models never hold up what goes on chain.

    Args:
        services: the server's.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._delays: dict[str, tuple[float, float]] = {}
        self._done: tuple[object, ...] | None = None

    def start(self) -> None:
        """Start the thread."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="model-indexer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what it is making is made again at the next start."""
        self._stopping.set()
        self._services.models.stop()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.round()
            except (LedgerError, ApiError, SQLAlchemyError, OSError) as error:
                _LOG.warning("round stopped: %s: %s", type(error).__name__, error)
            self._stopping.wait(_POLL_SECONDS)

    def round(self) -> None:
        """Make everything that is missing.

        Raises:
            TransportError: the catalogue could not be asked (`archive_api.errors`).
        """
        library = self._services.models
        with self._services.database.reading() as session:
            models = ModelRepository(session)
            signature = models.signature()
            if signature == self._done:
                return
            wanted = [item for item in models.readable() if not library.has_index(model_key(*item))]
            stored = [stored_model(models.content(file_sha256), name) for file_sha256, name in wanted]
        made = [self._make(model.key, partial(library.build_index, model)) for model in stored]
        with self._services.database.reading() as session:
            pairs = ModelService(session, self._services).without_record()
        made += [
            self._make(f"{earlier.staged_key}-{later.staged_key}", partial(library.change_record, earlier, later))
            for earlier, later in pairs
        ]
        if all(made):
            self._done = signature

    def _make(self, name: str, make: Callable[[], object]) -> bool:
        """Do one thing, unless it failed a short time ago or the thread is to end; returns whether it is done."""
        not_before, delay = self._delays.get(name, (0.0, _FIRST_DELAY_SECONDS))
        if self._stopping.is_set() or time.monotonic() < not_before:
            return False
        try:
            make()
        except (LedgerError, ApiError, OSError) as error:  # OSError: such as a full disk
            if not self._stopping.is_set():
                _LOG.warning("%s could not be made: %s", name, error)
            self._delays[name] = (time.monotonic() + delay, 2 * delay)
            return False
        self._delays.pop(name, None)
        return True
