"""Traces: real bytes to a collector of ours, nothing where they are off, and no harm where nobody listens."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from archive_api.db.engine import Database
from archive_api.operation.observation import Observation
from archive_api.operation.observer import Observer
from archive_api.operation.settings import ProcessSettings
from archive_api.operation.spans import NoTraces, trace_statements, traced_calls, traces_for

from .test_observation import TEMPLATE, answering, request_id, run, scope_of


class Collector(ThreadingHTTPServer):
    """Takes what OTLP over HTTP sends, and reads it as a collector does."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.spans: list[Span] = []
        self.services: set[str] = set()
        self.paths: set[str] = set()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        collector: Any = self.server
        request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        collector.paths.add(self.path)
        for resource in request.resource_spans:
            collector.services |= {
                a.value.string_value for a in resource.resource.attributes if a.key == "service.name"
            }
            for scoped in resource.scope_spans:
                collector.spans += scoped.spans
        body = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def facts(span: Span) -> dict[str, object]:
    found = {}
    for item in span.attributes:
        kind = item.value.WhichOneof("value")
        found[item.key] = getattr(item.value, str(kind))
    return found


class Chain:
    """An engine."""

    height = 7

    def head(self) -> int:
        return self.height


def test_a_request_and_what_it_asks_of_engines_arrive_as_one_trace(collector: Collector, tmp_path: Path) -> None:
    observer = Observer.of(ProcessSettings(otlp_endpoint=collector.address))
    database = Database(f"sqlite:///{tmp_path}/x.db")
    trace_statements(database.engine, observer.traces)
    chain = traced_calls(Chain(), observer.traces, "chain")

    async def asking(scope: Any, receive: Any, send: Any) -> None:
        assert (chain.head(), chain.height) == (7, 7)
        database.check()
        await answering(scope, receive, send)

    sent = run(Observation(asking, observer=observer), scope_of(query_string="张三".encode()))
    observer.close()
    database.close()
    assert collector.paths == {"/v1/traces"}
    assert collector.services == {"yunshang"}
    by_name = {span.name: span for span in collector.spans}
    whole = by_name[f"GET {TEMPLATE}"]
    assert whole.kind == Span.SPAN_KIND_SERVER
    assert whole.parent_span_id == b""
    assert facts(whole) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": TEMPLATE,
        "yunshang.request_id": request_id(sent),
    }
    for name in ("chain head", "sql SELECT"):
        assert by_name[name].trace_id == whole.trace_id, name
        assert by_name[name].parent_span_id == whole.span_id, name
        assert by_name[name].end_time_unix_nano >= by_name[name].start_time_unix_nano
    assert facts(by_name["sql SELECT"]) == {"db.system.name": "sqlite"}
    assert "张三".encode() not in b"".join(span.SerializeToString() for span in collector.spans)


def test_errors_are_told_by_their_kind_alone(collector: Collector, tmp_path: Path) -> None:
    observer = Observer.of(ProcessSettings(otlp_endpoint=collector.address))
    database = Database(f"sqlite:///{tmp_path}/x.db")
    trace_statements(database.engine, observer.traces)

    async def failing(scope: Any, receive: Any, send: Any) -> None:
        with database.reading() as session:
            session.connection().exec_driver_sql("SELECT * FROM nowhere WHERE name = '张三'")

    with pytest.raises(Exception, match="nowhere"):
        run(Observation(failing, observer=observer), scope_of())
    with observer.traces.span("after"):
        pass
    observer.close()
    database.close()
    by_name = {span.name: span for span in collector.spans}
    assert by_name["GET (none)"].status.code == Status.STATUS_CODE_ERROR
    assert facts(by_name["GET (none)"])["error.type"] == "TransportError"
    assert by_name["sql SELECT"].parent_span_id == by_name["GET (none)"].span_id
    assert by_name["after"].parent_span_id == b""  # nothing was left open
    assert "张三".encode() not in b"".join(span.SerializeToString() for span in collector.spans)


def test_a_trace_goes_on_from_the_archives_own_proxy_alone(collector: Collector) -> None:
    observer = Observer.of(ProcessSettings(otlp_endpoint=collector.address))
    app = Observation(answering, observer=observer, trusted_proxies=("10.0.0.1",))
    header = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    for peer in ("10.0.0.1", "192.0.2.7"):
        run(app, scope_of("/", header, client=(peer, 1)))
    observer.close()
    given = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")
    assert [span.trace_id == given for span in collector.spans] == [True, False]


def test_a_part_of_the_requests_is_traced_where_that_is_asked_for(collector: Collector) -> None:
    observer = Observer.of(ProcessSettings(otlp_endpoint=collector.address, trace_ratio=0))
    run(Observation(answering, observer=observer), scope_of())
    observer.close()
    assert collector.spans == []


def test_nobody_listening_costs_no_request_and_little_time_at_the_end() -> None:
    with Collector() as gone:
        address = gone.address
    observer = Observer.of(ProcessSettings(otlp_endpoint=address))
    sent = run(Observation(answering, observer=observer), scope_of())
    assert sent[0]["status"] == 200
    begun = time.monotonic()
    observer.close()
    assert time.monotonic() - begun < 30


def test_without_an_endpoint_nothing_of_it_is_loaded() -> None:
    assert isinstance(traces_for(ProcessSettings()), NoTraces)
    engine = Chain()
    assert traced_calls(engine, NoTraces(), "chain") is engine
    code = "import sys, archive_api.serve; print('opentelemetry.sdk' in sys.modules, 'google.protobuf' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
