"""Traces by OpenTelemetry, where an endpoint is set; without one nothing of it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast

from archive_api.errors import MalformedError
from archive_api.operation.settings import ProcessSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from sqlalchemy import Engine

__all__ = ["NoTraces", "OtlpTraces", "Span", "Traces", "trace_statements", "traced_calls", "traces_for"]

_SERVICE: Final = "yunshang"
_SEND_SECONDS: Final = 5.0
_T = TypeVar("_T")


class Span(Protocol):
    """What is told of one piece of work."""

    def name(self, name: str) -> None:
        """Call it otherwise: what it is about is known now."""

    def note(self, name: str, value: str | int) -> None:
        """Add a fact: ids and numbers, never what somebody sent."""

    def failed(self, kind: str) -> None:
        """It came to no good end."""


class Traces(Protocol):
    """Records pieces of work. Implementations MUST NOT raise, nor wait for whoever receives the traces."""

    @property
    def is_on(self) -> bool:
        """Whether anything is recorded at all."""

    def span(
        self, name: str, facts: Mapping[str, str | int] | None = None, *, parent: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Span]:
        """Record a piece of work while the block runs; one that begins within is part of it.

        Args:
            name: of few different ones.
            facts: ids and numbers.
            parent: headers `traceparent` and `tracestate` of whoever asked and is believed; given: work for others.
        """

    def close(self) -> None:
        """Send what is recorded, in a few seconds at most."""


class _Nothing:
    def name(self, name: str) -> None:
        del name

    def note(self, name: str, value: str | int) -> None:
        del name, value

    def failed(self, kind: str) -> None:
        del kind


class NoTraces:
    """Records nothing."""

    is_on = False
    _span: Final = nullcontext(_Nothing())

    def span(
        self, name: str, facts: Mapping[str, str | int] | None = None, *, parent: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Span]:
        """See `Traces.span`."""
        del name, facts, parent
        return self._span

    def close(self) -> None:
        """See `Traces.close`."""


class _OtlpSpan:
    """One span of OpenTelemetry, current while its block runs."""

    def __init__(self, manager: AbstractContextManager[Any]) -> None:
        self._manager = manager
        self._span: Any = None

    def __enter__(self) -> Span:
        self._span = self._manager.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if kind is not None:
            self.failed(kind.__qualname__)
        self._manager.__exit__(None, None, None)  # the error's text is not recorded: it may quote what was sent

    def name(self, name: str) -> None:
        self._span.update_name(name)

    def note(self, name: str, value: str | int) -> None:
        self._span.set_attribute(name, value)

    def failed(self, kind: str) -> None:
        from opentelemetry.trace import Status, StatusCode

        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR))


class OtlpTraces:
    """Sends spans in batches, from a thread of their own; what can't be sent is dropped.

    Args:
        exporter: sends a batch.
        service: name of what is traced.
        ratio: which part of the requests is recorded, with all that belongs to it.
    """

    is_on = True

    def __init__(self, exporter: SpanExporter, *, service: str = _SERVICE, ratio: float = 1.0) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._kinds = SpanKind
        self._propagator = TraceContextTextMapPropagator()
        self._provider = TracerProvider(
            sampler=ParentBasedTraceIdRatio(ratio),
            resource=Resource({"service.name": service}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1_000))
        self._tracer = self._provider.get_tracer(_SERVICE)

    def span(
        self, name: str, facts: Mapping[str, str | int] | None = None, *, parent: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Span]:
        """See `Traces.span`."""
        kind = self._kinds.INTERNAL if parent is None else self._kinds.SERVER
        context = self._propagator.extract(parent) if parent else None
        return cast(
            "AbstractContextManager[Span]",
            _OtlpSpan(
                self._tracer.start_as_current_span(
                    name, context=context, kind=kind, attributes=facts, record_exception=False
                )
            ),
        )

    def close(self) -> None:
        """See `Traces.close`."""
        self._provider.shutdown()


def traces_for(settings: ProcessSettings) -> Traces:
    """The traces that settings ask for.

    Raises:
        MalformedError: they ask for some, and the extra `traces` is not installed.
    """
    if settings.otlp_endpoint is None:
        return NoTraces()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise MalformedError(
            "expected the extra `traces` with otlp_endpoint, got none: pip install 'yunshang[traces]'",
            code="extra_missing",
        ) from error
    exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint}/v1/traces", timeout=_SEND_SECONDS)
    return OtlpTraces(exporter, ratio=settings.trace_ratio)


def traced_calls(engine: _T, traces: Traces, name: str) -> _T:
    """An engine whose public methods are pieces of work; the engine itself where nothing is traced.

    Args:
        engine: such as the chain.
        traces: record them.
        name: what the engine is called.
    """
    return cast("_T", _Traced(engine, traces, name)) if traces.is_on else engine


class _Traced:
    def __init__(self, engine: object, traces: Traces, name: str) -> None:
        self._engine = engine
        self._traces = traces
        self._name = name

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._engine, method)
        if method.startswith("_") or not callable(found):
            return found
        return self._wrapped(found, f"{self._name} {method}")

    def _wrapped(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        @wraps(call)
        def traced(*arguments: Any, **named: Any) -> Any:
            with self._traces.span(name):
                return call(*arguments, **named)

        return traced


def trace_statements(engine: Engine, traces: Traces) -> None:
    """Make each SQL statement a piece of work: its first word, never its values."""
    if not traces.is_on:
        return
    from sqlalchemy import event

    @event.listens_for(engine, "before_cursor_execute")
    def _begin(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        span = traces.span(f"sql {statement.split(None, 1)[0][:20].upper()}", {"db.system.name": engine.dialect.name})
        connection.info.setdefault("spans", []).append(span)
        span.__enter__()

    def _end(connection: Any) -> None:
        spans = connection.info.get("spans")
        if spans:
            spans.pop().__exit__(None, None, None)

    @event.listens_for(engine, "after_cursor_execute")
    def _done(connection: Any, *_: Any) -> None:
        _end(connection)

    @event.listens_for(engine, "handle_error")
    def _failed(context: Any) -> None:
        if context.connection is not None:
            _end(context.connection)
