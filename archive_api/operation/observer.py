"""What observes one server process, made once by its composition root and handed in."""

from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from archive_api.operation.metrics import RequestMetrics, new_registry
from archive_api.operation.settings import ProcessSettings
from archive_api.operation.spans import NoTraces, Traces, traces_for

__all__ = ["Observer"]


@dataclass(slots=True)
class Observer:
    """Metrics and traces.

    Attributes:
        registry: what is shown at `/metrics`.
        traces: pieces of work, sent elsewhere.
        requests: counts of requests.
    """

    registry: CollectorRegistry = field(default_factory=new_registry)
    traces: Traces = field(default_factory=NoTraces)
    requests: RequestMetrics = field(init=False)

    def __post_init__(self) -> None:
        self.requests = RequestMetrics(self.registry)

    @classmethod
    def of(cls, settings: ProcessSettings) -> Observer:
        """What settings ask for.

        Raises:
            MalformedError: traces are asked for and the extra is not installed.
        """
        return cls(traces=traces_for(settings))

    def close(self) -> None:
        """Send what is still to be sent."""
        self.traces.close()
