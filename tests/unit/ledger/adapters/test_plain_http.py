"""Plain HTTP over kept connections: whole answers within limit and time, whatever the other side sends."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeAlias

import pytest

from ledger.adapters import plain_http
from ledger.adapters.plain_http import PlainHttp
from ledger.errors import TransportError

OK = b"HTTP/1.1 200 OK\r\n"
WHOLE = OK + b"Content-Length: 5\r\n\r\nhello"

Script: TypeAlias = Callable[[socket.socket], None] | list[bytes | None]


class Peer:
    """Answers each request as its script says: bytes to send, and None to end the connection."""

    def __init__(self) -> None:
        self.script: Script = []
        self.connections = 0
        self.asked: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # whoever asked has gone
            while self._take(connection):
                script = self.script
                if callable(script):
                    script(connection)
                    continue
                for part in script:
                    if part is None:
                        return
                    connection.sendall(part)

    def _take(self, connection: socket.socket) -> bool:
        asked = b""
        while b"\r\n\r\n" not in asked or not asked.endswith(b"body"):
            piece = connection.recv(65536)
            if not piece:
                return False
            asked += piece
        self.asked.append(asked)
        return True


@pytest.fixture
def peer() -> Iterator[Peer]:
    running = Peer()
    yield running
    running.close()


def client(peer: Peer, timeout_seconds: float = 5.0) -> PlainHttp:
    return PlainHttp("127.0.0.1", peer.port, timeout_seconds=timeout_seconds)


def ask(http: PlainHttp, limit: int = 100) -> tuple[int, bytes]:
    answer = http.ask("POST", "/here?a=b", body=b"body", headers={"Content-Type": "a/b"}, limit=limit)
    return answer.status, answer.content


@pytest.mark.parametrize(
    "answer",
    [
        WHOLE,
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE,
    ],
    ids=["length", "chunked", "continue"],
)
def test_one_connection_serves_many_requests(peer: Peer, answer: bytes) -> None:
    peer.script = [answer]
    http = client(peer)
    assert [ask(http) for _ in range(3)] == [(200, b"hello")] * 3
    assert peer.connections == 1
    assert peer.asked[0].startswith(b"POST /here?a=b HTTP/1.1\r\nHost: 127.0.0.1")
    http.close()


def test_each_thread_has_a_connection_of_its_own_while_it_asks(peer: Peer) -> None:
    both = threading.Barrier(2, timeout=5)

    def answer(connection: socket.socket) -> None:
        both.wait()
        connection.sendall(WHOLE)

    peer.script = answer
    http = client(peer)
    found: list[tuple[int, bytes]] = []
    threads = [threading.Thread(target=lambda: found.append(ask(http))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [(200, b"hello")] * 2
    http.close()


def _with_another(connection: socket.socket) -> None:
    """An answer, and one that nobody asked for."""
    connection.sendall(WHOLE)
    time.sleep(0.02)
    connection.sendall(OK + b"Content-Length: 4\r\n\r\nevil")


@pytest.mark.parametrize(
    "answer",
    [
        [OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello", None],
        [OK + b"\r\nhello", None],  # up to the end of the connection
        [WHOLE, None],  # ended while nobody asks
        _with_another,
    ],
    ids=["close", "no length", "ended", "surplus"],
)
def test_a_connection_that_is_of_no_more_use_is_not_used_again(peer: Peer, answer: Script) -> None:
    peer.script = answer
    http = client(peer)
    for _ in range(2):
        assert ask(http) == (200, b"hello")
        time.sleep(0.05)
    assert peer.connections == 2
    http.close()


def test_a_connection_that_was_idle_for_long_is_not_used_again(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    peer.script = [WHOLE]
    http = client(peer)
    assert [ask(http), ask(http)] == [(200, b"hello")] * 2
    assert peer.connections == 1
    monkeypatch.setattr(plain_http, "_IDLE_SECONDS", 0.01)
    time.sleep(0.02)
    assert ask(http) == (200, b"hello")
    assert peer.connections == 2
    http.close()


def test_no_more_than_the_limit_and_one_byte_is_kept(peer: Peer) -> None:
    peer.script = [OK + b"Content-Length: 1000000\r\n\r\n" + bytes(1_000_000)]
    http = client(peer)
    assert ask(http, limit=10) == (200, bytes(11))
    peer.script = [WHOLE]
    assert ask(http) == (200, b"hello")  # nothing of the rest is taken for an answer
    http.close()


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_status_is_told_and_nothing_followed(peer: Peer, status: int) -> None:
    peer.script = [b"HTTP/1.1 %d X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n" % status]
    http = client(peer)
    assert ask(http) == (status, b"")
    assert len(peer.asked) == 1
    http.close()


@pytest.mark.parametrize(
    "answer",
    [
        [None],
        [b"no http\r\n\r\n", None],
        [OK + b"Content-Length: 9\r\n\r\nhello", None],
        [OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel", None],
        [OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", None],
        [OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"],
        [OK + b"X: " + b"y" * 70_000 + b"\r\n\r\n"],
        [OK + b"X: y\r\n" * 200 + b"\r\n"],
        [b"HTTP/1.1 102 Processing\r\n\r\n", WHOLE],
    ],
    ids=["nothing", "no http", "short", "short chunk", "no chunk", "encoded", "long header", "many headers", "interim"],
)
def test_what_is_no_whole_answer_is_none(peer: Peer, answer: list[bytes | None]) -> None:
    peer.script = answer
    http = client(peer)
    with pytest.raises(TransportError) as caught:
        ask(http)
    assert "127.0.0.1" not in str(caught.value)
    peer.script = [WHOLE]
    assert ask(http) == (200, b"hello")
    http.close()


def _dripping(connection: socket.socket) -> None:
    connection.sendall(OK + b"Content-Length: 100\r\n\r\n")
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.05)


def _continuing(connection: socket.socket) -> None:
    """Says without end that it goes on."""
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def _trailing(connection: socket.socket) -> None:
    """Ends its content, and not what follows it."""
    connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n")
    while True:
        connection.sendall(b"X: y\r\n" * 100)


def _silent(_connection: socket.socket) -> None:
    time.sleep(3)


@pytest.mark.parametrize("script", [_dripping, _silent, _continuing, _trailing])
def test_a_slow_answer_is_none(peer: Peer, script: Callable[[socket.socket], None]) -> None:
    peer.script = script
    begun = time.monotonic()
    with pytest.raises(TransportError, match=r"TimeoutError|timeout"):
        ask(client(peer, timeout_seconds=0.3))
    assert time.monotonic() - begun < 2


def test_nobody_there_is_a_transport_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TransportError, match="ConnectionRefusedError"):
        PlainHttp("127.0.0.1", port, timeout_seconds=1).ask("GET", "/", body=None, headers={}, limit=1)
