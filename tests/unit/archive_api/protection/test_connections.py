"""Sockets that take room without asking anything, against a real server on loopback."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn

from archive_api.protection.connections import guarded

LARGE = 64 << 20
WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def _answer(scope, receive, send):  # type: ignore[no-untyped-def]
    body = bytes(LARGE if scope["path"] == "/large" else 2)
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body[: 1 << 20], "more_body": len(body) > 1 << 20})
    for start in range(1 << 20, len(body), 1 << 20):
        await send({"type": "http.response.body", "body": body[start : start + (1 << 20)], "more_body": True})
    if len(body) > 1 << 20:
        await send({"type": "http.response.body", "body": b""})


@contextmanager
def serving(**limits: object) -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(_answer, http=guarded(**limits), log_config=None, lifespan="off")  # type: ignore[arg-type]
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            thread.join(10)


def ask(connection: socket.socket) -> None:
    connection.settimeout(5)
    connection.sendall(WHOLE)
    answer = b""
    while not answer.endswith(b"\r\n\r\n\0\0"):
        piece = connection.recv(65_536)
        assert piece, answer
        answer += piece
    assert answer.startswith(b"HTTP/1.1 200")


def ended_after(connection: socket.socket, *, timeout: float = 5) -> float:
    """Seconds until the other side ends the connection; what it says first is read."""
    connection.settimeout(timeout)
    begun = time.monotonic()
    try:
        while connection.recv(65_536):
            pass
    except ConnectionResetError:
        pass
    return time.monotonic() - begun


@pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\n", b"GET / HT"])
def test_a_head_that_does_not_come_ends_the_connection(head: bytes) -> None:
    with serving(head_seconds=0.3) as address, socket.create_connection(address) as connection:
        connection.sendall(head)
        assert 0.2 < ended_after(connection) < 3


def test_a_head_that_drips_ends_the_connection() -> None:
    with serving(head_seconds=0.4) as address, socket.create_connection(address) as connection:
        begun = time.monotonic()
        with pytest.raises(OSError):
            for number in range(100):
                connection.sendall(b"GET / HTTP/1.1\r\n" if not number else f"X-{number}: y\r\n".encode())
                time.sleep(0.1)
        assert time.monotonic() - begun < 3


def test_so_does_a_second_head_on_the_same_connection() -> None:
    with serving(head_seconds=0.3) as address, socket.create_connection(address) as connection:
        ask(connection)
        connection.sendall(b"GET / HT")
        assert ended_after(connection) < 3


def test_a_request_in_time_is_answered_and_its_connection_kept() -> None:
    with serving(head_seconds=0.3) as address, socket.create_connection(address) as connection:
        for _ in range(4):
            ask(connection)
            time.sleep(0.2)


def test_a_reader_that_stops_reading_ends_the_connection() -> None:
    with serving(reader_seconds=0.5) as address, socket.create_connection(address) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(2.5)
        connection.settimeout(5)
        read = 0
        with pytest.raises(ConnectionResetError):
            while piece := connection.recv(1 << 20):
                read += len(piece)
            raise ConnectionResetError  # a plain end is one too
        assert read < LARGE


def test_one_address_has_only_so_many_connections() -> None:
    with serving(max_of_one_address=3) as address:
        kept = [socket.create_connection(address) for _ in range(3)]
        time.sleep(0.2)
        with socket.create_connection(address) as refused:
            assert ended_after(refused) < 2
        kept[0].close()
        time.sleep(0.2)
        with socket.create_connection(address) as again:
            ask(again)
        for connection in kept:
            connection.close()


def test_a_proxy_is_not_counted() -> None:
    with serving(max_of_one_address=1, trusted_proxies=("127.0.0.1",)) as address:
        connections = [socket.create_connection(address) for _ in range(3)]
        time.sleep(0.1)
        for connection in connections:
            ask(connection)
            connection.close()
