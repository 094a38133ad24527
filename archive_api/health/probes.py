"""Each part of a server asked whether it can do its work, by itself and within a time.

A part that hangs must not hang the answer about the others, nor be asked again by every caller: it is asked once at a
time, in a thread of its own, and is not ready while it owes an answer.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any, Final, TypeAlias

from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from archive_api.errors import ApiError, StorageFullError, TransportError
from archive_api.operation.logs import without_values
from archive_api.outbox.repository import JobRepository
from archive_api.services import Services
from archive_api.submissions.content import require_room
from ledger.errors import LedgerError

__all__ = ["PARTS", "Part", "Probes", "disk_places"]

_LOG = logging.getLogger(__name__)
_ANSWER_SECONDS: Final = 5.0

Question: TypeAlias = Callable[[Services], dict[str, Any]]


class Part(BaseModel):
    """One engine: whether it is ready, and if not, why."""

    ready: bool
    reason: str | None = None
    details: dict[str, Any] = {}


class Probes:
    """Asks the parts of a server; from any thread, by any number of callers.

    Args:
        answer_seconds: how long a part may take.
        questions: by the name of the part; each raises one of our errors where the part is not ready.
    """

    def __init__(
        self, *, answer_seconds: float = _ANSWER_SECONDS, questions: Mapping[str, Question] | None = None
    ) -> None:
        self._answer_seconds = answer_seconds
        self._questions = dict(PARTS if questions is None else questions)
        self._lock = threading.Lock()
        self._asked: dict[str, tuple[Future[Part], float]] = {}
        self.stopping = False
        """Whether the process was told to end: then it is not ready, whatever its parts say."""

    def ask(self, services: Services) -> dict[str, Part]:
        """Every part's answer, in at most the time that one may take."""
        asked = self._ask_all(services)
        wait([answer for answer, _ in asked.values()], timeout=self._answer_seconds)
        return self._answers(asked)

    async def ask_async(self, services: Services) -> dict[str, Part]:
        """The same without a thread that waits: it answers also where all threads of requests are taken."""
        asked = self._ask_all(services)
        await asyncio.wait([asyncio.wrap_future(answer) for answer, _ in asked.values()], timeout=self._answer_seconds)
        return self._answers(asked)

    def ready(self, parts: Mapping[str, Part]) -> bool:
        """Whether requests should be sent here."""
        return not self.stopping and all(part.ready for part in parts.values())

    def _ask_all(self, services: Services) -> dict[str, tuple[Future[Part], float]]:
        with self._lock:
            for name, question in self._questions.items():
                owed = self._asked.get(name)
                if owed is None or owed[0].done():
                    answer: Future[Part] = Future()
                    answer.set_running_or_notify_cancel()
                    self._asked[name] = answer, time.monotonic()
                    thread = threading.Thread(
                        target=_answer, args=(question, services, answer), name=f"probe-{name}", daemon=True
                    )
                    thread.start()
            return dict(self._asked)

    def _answers(self, asked: Mapping[str, tuple[Future[Part], float]]) -> dict[str, Part]:
        shown = {}
        for name, (answer, since) in asked.items():
            if answer.done():
                shown[name] = answer.result()
            else:
                limit, waited = self._answer_seconds, time.monotonic() - since
                reason = f"no_answer: expected an answer within {limit:g} s, got none in {waited:.0f} s"
                shown[name] = Part(ready=False, reason=reason)
        return shown


def _answer(question: Question, services: Services, answer: Future[Part]) -> None:
    try:
        part = Part(ready=True, details=question(services))
    except (ApiError, LedgerError) as error:
        part = Part(ready=False, reason=without_values(f"{error.code}: {error}"))
    except (OSError, SQLAlchemyError) as error:
        part = Part(ready=False, reason=f"engine_unreachable: {type(error).__name__}")
    except Exception as error:  # noqa: BLE001 (a thread's boundary: whoever waits must get an answer)
        _LOG.exception("a probe failed")
        part = Part(ready=False, reason=f"internal_error: {type(error).__name__}")
    answer.set_result(part)


def disk_places(services: Services) -> dict[str, Path]:
    """The folders that fill up, by what they are for: those of the embedded engines that this server has."""
    settings = services.settings
    places = {
        "uploads": settings.uploads_dir,
        "content": settings.blocks_dir,
        "logs": settings.logs_dir or settings.uploads_dir.with_name("logs"),
    }
    database = services.database.engine.url
    if database.get_backend_name() == "sqlite" and database.database:
        places["catalogue"] = Path(database.database).parent
    return {name: path for name, path in places.items() if path.is_dir()}


def _chain(services: Services) -> dict[str, Any]:
    head = services.chain.head()
    age, limit = services.now().timestamp() - head.timestamp, services.settings.chain_stall_seconds
    if limit and age > limit:
        raise TransportError(f"expected a block within {limit} s, got none for {age:.0f} s", code="chain_stalled")
    return {"head": head.number, "head_time": head.timestamp, "final": services.chain.final_block_number()}


def _store(services: Services) -> dict[str, Any]:
    require_room(services, 0)
    services.store.flush()
    return {}


def _database(services: Services) -> dict[str, Any]:
    with services.database.reading() as session:
        return {"jobs": JobRepository(session).count_unfinished()}


def _disk(services: Services) -> dict[str, Any]:
    wanted = services.settings.disk_low_bytes
    free = {name: shutil.disk_usage(path).free for name, path in disk_places(services).items()}
    low = sorted(name for name, left in free.items() if left < wanted)
    if low:
        raise StorageFullError(
            f"expected {wanted} bytes free for {' and '.join(low)}, got {min(free.values())}", code="disk_low"
        )
    return {"free_bytes": free}


def _worker(services: Services) -> dict[str, Any]:
    status = services.worker
    if status.is_elsewhere:
        return {"elsewhere": True}
    if not status.is_alive:
        raise TransportError("expected a running worker, got none", code="worker_stopped")
    if status.is_stuck:
        raise TransportError(f"expected the worker to get on, got {status.last_error}", code="worker_waiting")
    return {"rounds": status.rounds}


def _streams(services: Services) -> dict[str, Any]:
    if services.log_link is not None:
        return {"open": services.log_link.streams().open_streams}
    streams = services.streams
    ended = [thread.name for thread in streams.threads if not thread.is_alive()]
    if ended:
        raise TransportError(f"expected {' and '.join(ended)} to run, got an end", code="log_unusable")
    troubled = {**streams.unanchored, **streams.unpublished, **streams.troubles}
    if troubled:
        # Not which: who asks may not know of the building. The journal says.
        raise TransportError(
            f"expected streams that are written and anchored, got {len(troubled)} in trouble", code="log_unusable"
        )
    return {"open": len(streams.opened())}


def _access_log(services: Services) -> dict[str, Any]:
    trouble = services.access_log.trouble
    if trouble is not None:
        raise TransportError(f"expected a log that is written and anchored, got: {trouble}", code="log_unusable")
    return {"size": services.access_log.writer.published.size}


PARTS: Final[Mapping[str, Question]] = {
    "chain": _chain,
    "store": _store,
    "database": _database,
    "disk": _disk,
    "worker": _worker,
    "access_log": _access_log,
    "streams": _streams,
}
