"""A second, small listener for those who run the server: metrics, health and readiness, apart from the API.

It answers on loopback or a private network alone, whatever the API is reached by, and also in processes without an API.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from archive_api.errors import TransportError
from archive_api.operation.settings import split_address

__all__ = ["operation_listener"]

_LOG = logging.getLogger(__name__)
_CLIENT_SECONDS: Final = 10.0

Ready = Callable[[], tuple[bool, Mapping[str, Any]]]


@contextmanager
def operation_listener(address: str | None, registry: CollectorRegistry, *, ready: Ready) -> Iterator[str | None]:
    """Answer `/metrics`, `/health` and `/readiness` while the block runs.

    Args:
        address: `host:port`, checked by the settings; port 0 takes a free one. None: nothing is answered.
        registry: what is shown.
        ready: whether the process is ready, and the document that says so.

    Yields:
        The base URL, or None.

    Raises:
        TransportError: the port is taken (code `port_in_use`).
    """
    if address is None:
        yield None
        return
    host, port = split_address(address)
    handler = type("_Handler", (_Handler,), {"registry": registry, "ready": staticmethod(ready)})
    try:
        server = _Server((host, port), handler)
    except OSError as error:
        raise TransportError(f"expected {address} to be free, got: {error.strerror}", code="port_in_use") from error
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="operation-listener", daemon=True)
    thread.start()
    try:
        written = f"[{host}]" if ":" in host else host
        yield f"http://{written}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 16

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        import socket

        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is no event."""
        del request, client_address
        _LOG.debug("a client of the operation listener left", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    registry: ClassVar[CollectorRegistry]
    ready: ClassVar[Callable[..., tuple[bool, Mapping[str, Any]]]]
    timeout = _CLIENT_SECONDS
    server_version = "yunshang"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer one of three addresses."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encode, kind = choose_encoder(self.headers.get("Accept", ""))
            self._answer(HTTPStatus.OK, encode(self.registry), kind)
        elif path == "/health":
            self._answer(HTTPStatus.OK, b'{"status":"ok"}', "application/json")
        elif path == "/readiness":
            is_ready, document = self.ready()
            status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, json.dumps(document, ensure_ascii=False).encode(), "application/json")
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"expected /metrics, /health or /readiness\n", "text/plain")

    def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Scrapes are not logged."""
