"""Plain HTTP to one address over connections that are kept.

By `http.client` alone: libraries that also do TLS, proxies, cookies and redirections take three times as long for a
short answer, and of those that are asked for here there are many.
"""

from __future__ import annotations

import http.client
import select
import time
import weakref
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from ledger.errors import TransportError

__all__ = ["PlainAnswer", "PlainHttp"]

_PIECE_BYTES: Final = 1 << 16
_KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class PlainAnswer:
    """What was answered: the status, and at most one byte more than was asked for at most."""

    status: int
    content: bytes


class PlainHttp:
    """HTTP/1.1 without TLS; any number of threads, each with a connection of its own while it asks.

    Args:
        host: name or address.
        port: the port.
        timeout_seconds: to connect, to begin the answer, and to end it.
    """

    def __init__(self, host: str, port: int, *, timeout_seconds: float) -> None:
        self._host = host
        self._port = port
        self._timeout_seconds = timeout_seconds
        self._idle: deque[_Connection] = deque()
        weakref.finalize(self, _close, self._idle)

    def close(self) -> None:
        """Give back the sockets that nobody asks with."""
        _close(self._idle)

    def ask(
        self, method: str, target: str, *, body: bytes | None, headers: Mapping[str, str], limit: int
    ) -> PlainAnswer:
        """Ask, and read the answer up to its end or one byte beyond the limit.

        Nothing is asked twice, and redirections are answers like others.

        Args:
            method: GET, POST.
            target: path and query.
            body: what is sent, or None.
            headers: beside Host and Content-Length.
            limit: bytes of the content that are of use.

        Raises:
            TransportError: no whole answer in time, or one in an encoding. The text names no address.
        """
        deadline = time.monotonic() + self._timeout_seconds
        connection = self._connection()
        is_kept = False
        try:
            connection.request_at_once(method, target, body, headers)
            with connection.getresponse() as response:
                content, is_whole = _content(response, limit, deadline)
                is_kept = is_whole and not response.will_close
                return PlainAnswer(response.status, content)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise TransportError(f"expected an answer, got {type(error).__name__}", code="unreachable") from error
        finally:
            if is_kept and len(self._idle) < _KEPT:
                self._idle.append(connection)
            else:
                connection.close()

    def _connection(self) -> _Connection:
        """The connection used last that the other side did not end, or a new one."""
        with suppress(IndexError):
            while True:
                connection = self._idle.pop()
                if not _is_ended(connection):
                    return connection
                connection.close()
        return _Connection(self._host, self._port, timeout=self._timeout_seconds)


class _Connection(http.client.HTTPConnection):
    """Sends head and body of a request together, which else are two packets, and two wakes of whoever answers."""

    _held: list[bytes] | None = None

    def request_at_once(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> None:
        """As `request`."""
        held: list[bytes] = []
        self._held = held
        try:
            self.request(method, target, body, headers)
        finally:
            self._held = None
        self.send(b"".join(held))

    def send(self, data: Any) -> None:
        """Send, or hold back until the request is whole."""
        if self._held is None:
            super().send(data)
        else:
            self._held.append(data)


def _close(connections: deque[_Connection]) -> None:
    while connections:
        connections.pop().close()


def _is_ended(connection: _Connection) -> bool:
    """Whether something came that nobody asked for: the end, or bytes that would be taken for the next answer."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))


def _content(response: http.client.HTTPResponse, limit: int, deadline: float) -> tuple[bytes, bool]:
    """What an answer holds, and whether that is all."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ValueError("expected content as it is, got an encoding")
    left = None if response.chunked else response.length
    content = bytearray()
    while left != 0:
        piece = response.read1(_PIECE_BYTES if left is None else min(_PIECE_BYTES, left))
        if not piece:
            if left is not None:
                raise http.client.IncompleteRead(bytes(content), left)
            break
        content += piece
        if len(content) > limit:
            return bytes(content[: limit + 1]), False
        if time.monotonic() > deadline:
            raise TimeoutError("expected the end of an answer in time, got none")
        left = left if left is None else left - len(piece)
    return bytes(content), True
