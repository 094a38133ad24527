"""How a server stands, computed when somebody looks: parts, backlog, logs, chain, store, disk.

What can't be found out is left out of the answer, and its part is not ready: an old number would look well.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Protocol, runtime_checkable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from archive_api.errors import ApiError
from archive_api.health.probes import Part, Probes, disk_places
from archive_api.operation.backlog import Backlog, Waiting
from archive_api.services import Services
from ledger.errors import LedgerError

__all__ = ["ArchiveGauges", "ReportsSize"]

_LOG = logging.getLogger(__name__)
_SIZE_SECONDS: Final = 15.0


@runtime_checkable
class ReportsSize(Protocol):
    """A store that knows how much it holds."""

    def used_bytes(self) -> int:
        """Bytes on its disk."""
        ...


class ArchiveGauges(Collector):
    """Collects the state of one server.

    Args:
        services: the server's.
        probes: ask its parts.
    """

    def __init__(self, services: Services, probes: Probes) -> None:
        self._services = services
        self._probes = probes
        self._lock = threading.Lock()
        self._size: tuple[float, int] | None = None
        self._behind: dict[str, tuple[int, float]] = {}

    def describe(self) -> Iterable[Metric]:
        """Nothing: names are known once somebody looks."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Everything that can be found out now."""
        parts = self._probes.ask(self._services)
        yield from self._parts(parts)
        yield from self._chain(parts["chain"])
        groups = {"store": self._store, "disk": self._disk}
        if self._services.log_link is None:  # how far the logs are is known where they are written
            groups["logs"] = self._logs
        if parts["database"].ready:
            groups["backlog"] = self._backlog
        failed = GaugeMetricFamily("yunshang_collect_failed", "What could not be found out.", labels=("group",))
        for name, group in groups.items():
            try:
                found = list(group())
            except (ApiError, LedgerError, SQLAlchemyError, OSError) as error:
                _LOG.warning("%s could not be measured: %s", name, type(error).__name__)
                failed.add_metric((name,), 1)
            else:
                yield from found
        yield failed

    def _parts(self, parts: Mapping[str, Part]) -> Iterator[Metric]:
        ready = GaugeMetricFamily("yunshang_part_ready", "1: the part can do its work.", labels=("part",))
        for name, part in parts.items():
            ready.add_metric((name,), int(part.ready))
        yield ready
        yield _gauge("yunshang_ready", "1: requests should be sent here.", int(self._probes.ready(parts)))
        worker = self._services.worker
        if worker.is_elsewhere:
            return
        rounds = CounterMetricFamily("yunshang_worker_rounds", "Rounds of the worker that came to their end.")
        rounds.add_metric((), worker.rounds)
        yield rounds
        yield _gauge("yunshang_worker_failures", "Rounds in a row that could not finish.", worker.failures)

    def _chain(self, part: Part) -> Iterator[Metric]:
        if "head" in part.details:
            now = self._services.now().timestamp()
            yield _gauge("yunshang_chain_head_number", "Newest block.", part.details["head"])
            yield _gauge("yunshang_chain_final_number", "Newest block that can't be lost.", part.details["final"])
            age = max(0.0, now - part.details["head_time"])
            yield _gauge("yunshang_chain_head_age_seconds", "Seconds since the newest block.", age)

    def _backlog(self) -> Iterator[Metric]:
        now = self._services.now()
        log = self._services.access_log.writer
        with self._services.database.reading() as session:
            backlog = Backlog(session)
            jobs, (captures, oldest) = backlog.jobs(), backlog.captures()
            anchored, size = backlog.anchored_size(log.origin), backlog.catalogue_bytes()
        yield from _outbox(jobs, now.timestamp())
        yield _gauge("yunshang_captures_waiting", "Captures without a place in their log.", captures)
        waited = max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
        yield _gauge("yunshang_captures_oldest_seconds", "Seconds that the oldest of them has waited.", waited)
        unanchored = GaugeMetricFamily(
            "yunshang_log_unanchored_entries", "Published entries whose head is not on chain for good.", labels=("log",)
        )
        unanchored.add_metric(("access",), max(0, log.published.size - anchored))
        yield unanchored
        yield _gauge("yunshang_catalogue_bytes", "Size of the catalogue.", size)

    def _logs(self) -> Iterator[Metric]:
        streams, writer = self._services.streams, self._services.access_log.writer
        logs = [(writer.origin, "access", writer.store.head().size, writer.published.size)]
        for stream in streams.opened():
            log = stream.log
            logs.append((log.origin, stream.key.name.value, log.store.head().size, log.published.size))
        entries: dict[str, int] = {"access": 0}
        lag: dict[str, float] = {"access": 0.0}
        with self._lock:
            behind, now = {}, time.monotonic()
            for origin, name, size, published in logs:
                entries[name] = entries.get(name, 0) + size - published
                if size > published:
                    known = self._behind.get(origin)
                    behind[origin] = known if known and known[0] == published else (published, now)
                    lag[name] = max(lag.get(name, 0.0), now - behind[origin][1])
            self._behind = behind
        unpublished = GaugeMetricFamily(
            "yunshang_log_unpublished_entries", "Entries that no checkpoint covers yet.", labels=("log",)
        )
        seconds = GaugeMetricFamily(
            "yunshang_log_publication_lag_seconds",
            "Seconds since a log was first seen behind its entries; of several the longest.",
            labels=("log",),
        )
        for name, count in entries.items():
            unpublished.add_metric((name,), count)
            seconds.add_metric((name,), lag.get(name, 0.0))
        yield from (unpublished, seconds)
        troubles = GaugeMetricFamily("yunshang_streams_in_trouble", "Streams by what is wrong.", labels=("trouble",))
        for name, found in (
            ("written", streams.troubles),
            ("published", streams.unpublished),
            ("anchored", streams.unanchored),
        ):
            troubles.add_metric((name,), len(found))
        yield troubles

    def _store(self) -> Iterator[Metric]:
        store = self._services.store
        if isinstance(store, ReportsSize):
            with self._lock:
                if self._size is None or time.monotonic() - self._size[0] > _SIZE_SECONDS:
                    self._size = time.monotonic(), store.used_bytes()
                size = self._size[1]
            yield _gauge("yunshang_store_bytes", "Bytes of content on the disk of the store.", size)

    def _disk(self) -> Iterator[Metric]:
        free = GaugeMetricFamily("yunshang_disk_free_bytes", "Room left where this is kept.", labels=("place",))
        total = GaugeMetricFamily("yunshang_disk_bytes", "Size of the disk where this is kept.", labels=("place",))
        for name, path in disk_places(self._services).items():
            usage = shutil.disk_usage(path)
            free.add_metric((name,), usage.free)
            total.add_metric((name,), usage.total)
        yield from (free, total)


def _outbox(jobs: Iterable[Waiting], now: float) -> Iterator[Metric]:
    depth = GaugeMetricFamily("yunshang_outbox_jobs", "Jobs that are not final.", labels=("kind", "phase"))
    age = GaugeMetricFamily(
        "yunshang_outbox_oldest_seconds", "Seconds that the oldest job of a kind has waited.", labels=("kind",)
    )
    oldest: dict[str, float] = {}
    for waiting in jobs:
        depth.add_metric((waiting.kind, waiting.phase), waiting.count)
        if not waiting.is_refused:
            waited = max(0.0, now - waiting.oldest.timestamp())
            oldest[waiting.kind] = max(oldest.get(waiting.kind, 0.0), waited)
    for kind, seconds in oldest.items():
        age.add_metric((kind,), seconds)
    yield from (depth, age)
    text = "Seconds that the oldest sealed submission has waited for its anchor."
    yield _gauge("yunshang_anchoring_lag_seconds", text, oldest.get("submit", 0.0))


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)
