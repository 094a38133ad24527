"""The socket that an HTTP server of ours listens on."""

from __future__ import annotations

import socket
from typing import Final

from archive_api.errors import TransportError

__all__ = ["listen"]

_BACKLOG: Final = 512


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address; connections send what is written at once (TCP_NODELAY).

    Args:
        host: loopback name or address.
        port: 0 takes a free one.

    Raises:
        TransportError: the port is taken (code `port_in_use`).
    """
    try:
        listener = socket.create_server((host, port), backlog=_BACKLOG)
    except OSError as error:
        raise TransportError(f"expected {host}:{port} to be free, got: {error.strerror}", code="port_in_use") from error
    # Connections inherit it. asyncio sets it only where a socket says its protocol, which those of create_server don't,
    # and without it an answer of two packets waits 40 ms for the first one to be acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
