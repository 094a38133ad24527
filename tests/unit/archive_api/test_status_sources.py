"""Statuses and timestamps without TLS, as authorities on the network answer them, or don't."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from archive_api.errors import TransportError
from archive_api.seal_status.sources import HttpSources
from scripts import sample_status
from scripts.sample_evidence import TIME_ROOT, authority
from signing.timestamps import MAX_TOKEN_BYTES, check_timestamp

SIGNATURES = tuple(bytes([number]) * 64 for number in range(1, 6))
TIME = sample_status.STAMP_TIME


class Authority(ThreadingHTTPServer):
    """Answers with status, headers and content that `answer` makes of a request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer: Callable[[bytes], tuple[int, dict[str, str], bytes]] = stamped
        self.connections = 0
        self.asked: list[tuple[str, dict[str, str]]] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is nothing to tell of."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/tsa?policy=1"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Authority

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        self.server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        status, headers, content = self.server.answer(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


def stamped(request: bytes) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, sample_status.stamper().answer(request, time=TIME, serial_number=7)


@pytest.fixture
def tsa() -> Iterator[Authority]:
    with Authority() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def sources(tsa: Authority) -> Iterator[HttpSources]:
    opened = HttpSources({}, timestamp_url=tsa.url, timeout_seconds=0.5)
    yield opened
    opened.close()


def test_many_timestamps_come_over_one_connection(tsa: Authority, sources: HttpSources) -> None:
    roots = [authority(TIME_ROOT).root_certificate]
    for _ in range(5):
        assert check_timestamp(sources.timestamp(SIGNATURES), SIGNATURES, authorities=roots).time == TIME
    assert tsa.connections == 1
    path, headers = tsa.asked[-1]
    assert path == "/tsa?policy=1"
    assert headers["content-type"] == "application/timestamp-query"
    assert headers["host"] == f"127.0.0.1:{tsa.server_port}"


@pytest.mark.parametrize(
    ("status", "headers", "content"),
    [
        (200, {}, b"no der"),
        (200, {}, bytes(4 * MAX_TOKEN_BYTES + 1)),
        (302, {"Location": "http://127.0.0.1:22/"}, b""),
        (500, {}, b""),
        (200, {"Content-Length": "9"}, b"short"),
        (200, {"Content-Encoding": "gzip"}, b"packed"),
    ],
    ids=["garbage", "too large", "redirection", "error", "short", "encoded"],
)
def test_whatever_else_is_answered_is_no_timestamp(
    tsa: Authority, sources: HttpSources, status: int, headers: dict[str, str], content: bytes
) -> None:
    tsa.answer = lambda _: (status, headers, content)
    with pytest.raises(TransportError):
        sources.timestamp(SIGNATURES)
    assert len(tsa.asked) == 1
    tsa.answer = stamped
    sources.timestamp(SIGNATURES)


def test_a_slow_authority_is_not_waited_for(tsa: Authority, sources: HttpSources) -> None:
    def slow(request: bytes) -> tuple[int, dict[str, str], bytes]:
        time.sleep(1.0)
        return stamped(request)

    tsa.answer = slow
    with pytest.raises(TransportError, match="TimeoutError"):
        sources.timestamp(SIGNATURES)


def test_an_authority_that_is_away_gives_none() -> None:
    away = HttpSources({}, timestamp_url="http://127.0.0.1:9/tsa", timeout_seconds=0.5)
    with pytest.raises(TransportError, match="ConnectionRefusedError"):
        away.timestamp(SIGNATURES)
    away.close()
