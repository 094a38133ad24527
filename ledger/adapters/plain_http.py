"""Plain HTTP to one address over connections that are kept.

By `http.client` alone: libraries that also do TLS, proxies, cookies and redirections take three times as long for a
short answer, and of those that are asked for here there are many.
"""

from __future__ import annotations

import http.client
import io
import select
import socket
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
# A connection that was idle for longer may be forgotten by what is between, which tells nobody.
_IDLE_SECONDS: Final = 4.0
_INTERIM: Final = range(100, 200)


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
        timeout_seconds: to connect, and from then for a whole answer, whatever it is made of.
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
        connection = self._connection()
        is_kept = False
        try:
            connection.request_at_once(method, target, body, headers)
            with connection.getresponse() as response:
                if response.status in _INTERIM:  # what it announces would be taken for the next answer
                    raise http.client.UnknownProtocol(f"expected an answer, got status {response.status}")
                content, is_whole = _content(response, limit)
                is_kept = is_whole and not response.will_close
                return PlainAnswer(response.status, content)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise TransportError(f"expected an answer, got {type(error).__name__}", code="unreachable") from error
        finally:
            if is_kept and len(self._idle) < _KEPT:
                connection.idle_since = time.monotonic()
                self._idle.append(connection)
            else:
                connection.close()

    def _connection(self) -> _Connection:
        """The connection used last that is still of use, or a new one."""
        with suppress(IndexError):
            while True:
                connection = self._idle.pop()
                if time.monotonic() - connection.idle_since < _IDLE_SECONDS and not _is_ended(connection):
                    return connection
                connection.close()
        return _Connection(self._host, self._port, timeout=self._timeout_seconds)


class _UntilDeadline(io.RawIOBase):
    """Reads from a socket until a moment: whoever sends a byte now and then, or lines without end, gains no more."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, seconds: float) -> None:
        self._raw = raw
        self._socket = sock
        self._deadline = time.monotonic() + seconds

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """As the socket's own."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("expected the end of an answer in time, got none")
        self._socket.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Let go of the socket."""
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    """An answer that has the socket's time-out for all of it: status, headers, content and what comes between."""

    def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        raw, seconds = self.fp.detach(), sock.gettimeout() or 0.0
        self.fp = io.BufferedReader(_UntilDeadline(raw, sock, seconds))


class _Connection(http.client.HTTPConnection):
    """Sends head and body of a request together, which else are two packets, and two wakes of whoever answers."""

    response_class = _Answer
    idle_since = 0.0
    _held: list[bytes] | None = None

    def request_at_once(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> None:
        """As `request`."""
        held: list[bytes] = []
        self._held = held
        try:
            self.request(method, target, body, headers)
        finally:
            self._held = None
        if self.sock is not None:
            self.sock.settimeout(self.timeout)  # the answer before this one has used some of it
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


def _content(response: http.client.HTTPResponse, limit: int) -> tuple[bytes, bool]:
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
        left = left if left is None else left - len(piece)
    return bytes(content), True
