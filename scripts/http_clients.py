"""Many HTTP clients in one thread, for benchmarks: a connection each, the next request when the answer came.

They cost little, since they share the processors with the server that is measured: requests are bytes made beforehand,
and of an answer only what ends it is read (Content-Length, or the last chunk).
"""

from __future__ import annotations

import random
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Request", "Seen", "ask_all"]

_PIECE_BYTES = 1 << 18
_WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent: how often of a hundred, under which name, and the bytes of head and body."""

    weight: int
    name: str
    data: bytes


@dataclass(slots=True)
class Seen:
    """What the clients saw: seconds by kind after the warm-up, errors, and how many requests were sent in all."""

    waits: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    asked: int = 0


@dataclass(slots=True)
class _Client:
    socket: socket.socket
    wanted: Request | None = None
    sent_at: float = 0.0
    due: float = 0.0
    answer: bytearray = field(default_factory=bytearray)


def ask_all(
    address: tuple[str, int],
    mix: Sequence[Request],
    *,
    clients: int,
    seconds: float,
    think_seconds: float,
    warm_seconds: float,
    seed: int = 1,
) -> Seen:
    """Have clients ask.

    Args:
        address: host and port.
        mix: what is asked, drawn by weight.
        clients: connections.
        seconds: for how long requests are sent; what is under way then is waited for.
        think_seconds: mean pause of a client between answer and next request, drawn evenly from 0 to twice it.
        warm_seconds: requests sent in the first so many seconds are left out of `waits`.
        seed: of what is drawn: a mix, no secret.
    """
    drawn, seen, selector = random.Random(seed), Seen(), selectors.DefaultSelector()
    weights = [request.weight for request in mix]
    begun = time.monotonic()
    idle = [_Client(_connected(address), due=begun + drawn.uniform(0, 2 * think_seconds)) for _ in range(clients)]
    busy: set[int] = set()
    for client in idle:
        selector.register(client.socket, selectors.EVENT_READ, client)
    while idle or busy:
        now = time.monotonic()
        if now >= begun + seconds:
            idle = []
        elif now > begun + seconds + _WAIT_SECONDS:
            seen.errors.append("no answer")
            break
        for client in [one for one in idle if one.due <= now]:
            idle.remove(client)
            (client.wanted,) = drawn.choices(mix, weights)
            client.sent_at, client.answer = time.monotonic(), bytearray()
            busy.add(id(client))
            seen.asked += 1
            client.socket.sendall(client.wanted.data)
        until = min((one.due for one in idle), default=now + 1.0)
        for key, _ in selector.select(max(0.0, until - time.monotonic())):
            client = key.data
            done = _read(client, seen)
            if done is None or id(client) not in busy:
                continue
            at = time.monotonic()
            if client.wanted is not None and client.sent_at >= begun + warm_seconds:
                seen.waits.setdefault(client.wanted.name, []).append(at - client.sent_at)
            busy.discard(id(client))
            client.due = at + drawn.uniform(0, 2 * think_seconds)
            idle.append(client)
            if not done:
                selector.unregister(client.socket)
                client.socket.close()
                client.socket = _connected(address)
                selector.register(client.socket, selectors.EVENT_READ, client)
    for key in list(selector.get_map().values()):
        key.data.socket.close()
    selector.close()
    return seen


def _connected(address: tuple[str, int]) -> socket.socket:
    connection = socket.create_connection(address, timeout=_WAIT_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _read(client: _Client, seen: Seen) -> bool | None:
    """Whether the connection goes on after a whole answer; None: the answer is not whole yet."""
    name = client.wanted.name if client.wanted else "?"
    try:
        piece = client.socket.recv(_PIECE_BYTES)
    except OSError as error:
        seen.errors.append(f"{name}: {type(error).__name__}")
        return False
    if not piece:
        seen.errors.append(f"{name}: the connection ended")
        return False
    client.answer += piece
    end = client.answer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(client.answer[:end]).lower()
    length = _length(head)
    if length is None:
        if not client.answer.endswith(b"0\r\n\r\n"):
            return None
    elif len(client.answer) < end + 4 + length:
        return None
    if not head.startswith(b"http/1.1 200") or len(client.answer) <= end + 4:
        seen.errors.append(f"{name}: {head[9:12].decode('ascii', 'replace')}")
    return b"connection: close" not in head


def _length(head: bytes) -> int | None:
    for line in head.split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return None
