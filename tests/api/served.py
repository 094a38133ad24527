"""An application behind a real socket of this machine, for clients that are programs of their own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI


@contextmanager
def listening() -> Iterator[tuple[socket.socket, str]]:
    """A socket and the address it will be reached by."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def served(app: FastAPI, listener: socket.socket) -> Iterator[None]:
    """Serve while the block runs."""
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, lifespan="off", server_header=False, proxy_headers=False)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.02)
    yield
    server.should_exit = True
    thread.join(20)
