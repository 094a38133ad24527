"""What is counted while requests are answered: by route template, never by what was asked for."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

__all__ = ["NO_ROUTE", "RequestMetrics", "new_registry"]

NO_ROUTE: Final = "(none)"
"""The route of requests that no route was found for, or that were refused before one was looked for."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


def new_registry() -> CollectorRegistry:
    """A registry with what is known of any process: memory, processor time, open files."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class RequestMetrics:
    """Counts and latencies of requests. The children are kept, since finding one costs more than counting.

    Args:
        registry: where they are shown.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._count = Counter(
            "yunshang_requests",
            "Requests answered, by method, route template and HTTP status; status 0: the client left before an answer.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "yunshang_request_seconds",
            "Seconds from the head of a request to the end of its answer.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=registry,
        )
        self.under_way = Gauge("yunshang_requests_under_way", "Requests being answered.", registry=registry)
        self._counts: dict[tuple[str, str, int], Counter] = {}
        self._latencies: dict[tuple[str, str], Histogram] = {}

    def answered(self, method: str, route: str, *, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            method: of HTTP; one of few, or OTHER.
            route: template.
            status: of HTTP, or 0.
            seconds: it took.
        """
        if method not in _METHODS:
            method = "OTHER"
        count = self._counts.get((method, route, status))
        if count is None:
            count = self._counts[method, route, status] = self._count.labels(method, route, str(status))
        count.inc()
        latency = self._latencies.get((method, route))
        if latency is None:
            latency = self._latencies[method, route] = self._seconds.labels(method, route)
        latency.observe(seconds)
