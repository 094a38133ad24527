"""A node that answers without end, too slowly, elsewhere or too deeply is a node that does not answer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from ledger.adapters.evm import connection
from ledger.adapters.evm.connection import Connection
from ledger.errors import TransportError

SECONDS = 1.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    def loop() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client, suppress(OSError):
                    client.settimeout(10)
                    client.recv(65536)
                    answer(client)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def whole(body: bytes) -> Callable[[socket.socket], None]:
    return lambda client: client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def endless(client: socket.socket) -> None:
    client.sendall(HEAD + b"\r\n")
    while True:
        client.sendall(b" " * 65536)


def dripping(client: socket.socket) -> None:
    client.sendall(HEAD + b"\r\n")
    while True:
        client.sendall(b" ")
        time.sleep(SECONDS / 10)


def redirecting(client: socket.socket) -> None:
    client.sendall(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    "answer",
    [
        endless,
        dripping,
        redirecting,
        whole(b""),
        whole(b"<html></html>"),
        whole(b"[" * 200_000),
        whole(b'{"jsonrpc":"2.0","id":1,"result":' + b"9" * 5_000 + b"}"),
        whole(b'{"jsonrpc":"2.0","id":1,"result":"0x' + b"f" * 1_000_000 + b'"}'),
        whole(b'{"jsonrpc":"2.0","id":1,"result":"\xff"}'),
    ],
)
def test_is_no_answer_and_takes_no_longer(
    answer: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_ANSWER_BYTES", 4 << 20)
    with serving(answer) as url:
        node = Connection(url, chain_id=1, timeout_seconds=SECONDS)
        start = time.monotonic()
        with pytest.raises(TransportError):
            node.head()
        assert time.monotonic() - start < 5 * SECONDS
