"""Connections that take room without asking anything: slow heads, answers nobody reads, too many of one address.

uvicorn waits for the head of a request, and for the reader of an answer, as long as it takes; a few hundred sockets
would keep a server from everybody else. What is counted here costs two timers a request.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from archive_api.protection.rates import network_of

__all__ = ["GuardedProtocol", "guarded"]

HEAD_SECONDS: Final = 10.0
READER_SECONDS: Final = 60.0
MAX_OF_ONE_ADDRESS: Final = 256


class GuardedProtocol(H11Protocol):
    """HTTP/1.1 that ends a connection whose head comes too slowly or whose reader stopped reading."""

    head_seconds = HEAD_SECONDS
    reader_seconds = READER_SECONDS
    max_of_one_address = MAX_OF_ONE_ADDRESS
    trusted_proxies: frozenset[str] = frozenset()
    _open: ClassVar[Counter[str]] = Counter()

    _timer: asyncio.TimerHandle | None = None
    _reader_timer: asyncio.TimerHandle | None = None
    _network: str | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or end it: its address has too many."""
        super().connection_made(transport)
        address = self.client[0] if self.client else "unknown"
        if address not in self.trusted_proxies:  # a proxy brings everybody's
            self._network = network_of(address)
            self._open[self._network] += 1
            if self._open[self._network] > self.max_of_one_address:
                transport.abort()
                return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._stop_timers()
        if self._network is not None:
            self._open[self._network] -= 1
            if not self._open[self._network]:
                del self._open[self._network]
            self._network = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; while they are no whole head, its time runs on."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_head_timer()
        elif self._timer is None:
            self._await_head()

    def on_response_complete(self) -> None:
        """Wait for the next request; uvicorn ends the connection if not one byte of it comes."""
        super().on_response_complete()
        if self.conn.their_state is not h11.IDLE:
            self._stop_head_timer()

    def pause_writing(self) -> None:
        """The reader is behind: it has some time to go on."""
        super().pause_writing()
        if self._reader_timer is None:
            self._reader_timer = self.loop.call_later(self.reader_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The reader went on."""
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None
        super().resume_writing()

    def _await_head(self) -> None:
        self._timer = self.loop.call_later(self.head_seconds, self.transport.abort)

    def _stop_head_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_timers(self) -> None:
        self._stop_head_timer()
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None


def guarded(*, trusted_proxies: tuple[str, ...] = (), **limits: Any) -> type[GuardedProtocol]:
    """The protocol of one server, with its own count of connections.

    Args:
        trusted_proxies: whose connections aren't counted.
        limits: `head_seconds`, `reader_seconds`, `max_of_one_address`, where they differ from the usual.
    """
    members = {"trusted_proxies": frozenset(trusted_proxies), "_open": Counter(), **limits}
    return type("GuardedProtocol", (GuardedProtocol,), members)
