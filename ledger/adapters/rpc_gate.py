"""The embedded node's public address: lets through what a ledger's clients need, and only while the node has its state.

The node itself listens on another loopback port, where it also takes orders (`anvil_*`, `evm_*`) that rewrite the
chain; and for some milliseconds after its start it answers as an empty chain. Clients meet neither:

(1) Only POST, and only with a Host that is this address: a web page can't reach it under a name of its own (DNS
    rebinding), nor send to it without asking (the Content-Type makes a browser ask first, and nobody answers).
(2) Only methods that read, simulate, or hand in a signed transaction.
(3) Only while the node is ready; else 503, which every client takes for a node that is down.
(4) A bounded number of requests at a time.
"""

from __future__ import annotations

import http.client
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ledger.canonical import refuse_depth
from ledger.errors import MalformedError, TransportError

__all__ = ["METHODS", "RpcGate"]

METHODS = frozenset(
    {
        *("eth_blockNumber", "eth_call", "eth_chainId", "eth_estimateGas", "eth_feeHistory", "eth_gasPrice"),
        *("eth_getBalance", "eth_getBlockByHash", "eth_getBlockByNumber", "eth_getBlockReceipts", "eth_getCode"),
        *("eth_getLogs", "eth_getProof", "eth_getStorageAt", "eth_getTransactionByHash", "eth_getTransactionCount"),
        *("eth_getTransactionReceipt", "eth_maxPriorityFeePerGas", "eth_sendRawTransaction", "eth_syncing"),
        *("eth_accounts", "net_listening", "net_version", "web3_clientVersion", "web3_sha3"),
    }
)
"""What the gate lets through."""

_BODY_LIMIT_BYTES = 4 * 1024 * 1024
_CONCURRENT_REQUESTS = 32
_IDLE_SECONDS = 60.0
_CLOSE_POLL_SECONDS = 0.05
_ANSWER_SECONDS = 60.0
_NO_SUCH_METHOD = -32601
_NO_JSON = -32700

_log = logging.getLogger(__name__)


class RpcGate:
    """Listens on a loopback address and forwards to a node once one is let in.

    Args:
        host: a loopback address.
        port: the port; 0: a free one.

    Raises:
        TransportError: `port_in_use`.
    """

    def __init__(self, host: str, port: int) -> None:
        self.node_port: int | None = None
        self.slots = threading.BoundedSemaphore(_CONCURRENT_REQUESTS)
        try:
            self._server = _Server((host, port), self)
        except OSError as error:
            raise TransportError(
                f"expected to listen on {host}:{port}, got {error.strerror}", code="port_in_use"
            ) from error
        self.host, self.port = host, int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_CLOSE_POLL_SECONDS,), name="rpc-gate", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"http://{self.host}:{self.port}"

    @property
    def names(self) -> frozenset[str]:
        """The Host values that mean this address."""
        return frozenset({f"{self.host}:{self.port}", f"localhost:{self.port}"})

    def admit(self, node_port: int | None) -> None:
        """Forward to the node on this port from now on; None: to nobody."""
        self.node_port = node_port

    def close(self) -> None:
        """Stop listening."""
        self.node_port = None
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], gate: RpcGate) -> None:
        self.gate = gate
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    disable_nagle_algorithm = True
    server: _Server
    _node: http.client.HTTPConnection | None = None

    def do_POST(self) -> None:
        """Answer one request."""
        gate = self.server.gate
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or int(length) > _BODY_LIMIT_BYTES:
            self.close_connection = True
            self._answer(413, b"")
            return
        body = self.rfile.read(int(length))
        if self.headers.get("Host") not in gate.names:  # (1)
            self._answer(421, b"")
        elif self.headers.get_content_type() != "application/json":
            self._answer(415, b"")
        elif (refusal := _refusal(body)) is not None:  # (2)
            self._answer(200, refusal)
        else:
            self._forward(body, gate)

    def _forward(self, body: bytes, gate: RpcGate) -> None:
        port = gate.node_port
        if port is None:  # (3)
            self._answer(503, b"")
            return
        try:
            with gate.slots:  # (4)
                if self._node is None or self._node.port != port:
                    self._close_node()  # the one to a node that was started again elsewhere
                    self._node = http.client.HTTPConnection(gate.host, port, timeout=_ANSWER_SECONDS)
                self._node.request("POST", "/", body, {"Content-Type": "application/json"})
                with self._node.getresponse() as response:
                    answer = response.read()
        except (OSError, http.client.HTTPException):
            self._close_node()
            self._answer(503, b"")
            return
        self._answer(200, answer)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _close_node(self) -> None:
        if self._node is not None:
            self._node.close()
            self._node = None

    def finish(self) -> None:
        """Give back both connections."""
        self._close_node()
        try:
            super().finish()
        except OSError:
            _log.debug("a client left before its answer was written")

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet; requests are the node's business."""


def _refusal(body: bytes) -> bytes | None:
    """Return the answer to a request that is not let through, or None."""
    try:
        refuse_depth(body)
        request = json.loads(body)
    except (MalformedError, ValueError):
        return _error(None, _NO_JSON, "expected JSON")
    calls = request if isinstance(request, list) else [request]
    for call in calls:
        method = call.get("method") if isinstance(call, dict) else None
        if not isinstance(method, str) or method not in METHODS:
            return _error(
                call.get("id") if isinstance(call, dict) else None,
                _NO_SUCH_METHOD,
                f"the method {str(method)[:64]} is not served here",
            )
    return None


def _error(identifier: object, code: int, message: str) -> bytes:
    answer = {"jsonrpc": "2.0", "id": identifier, "error": {"code": code, "message": message}}
    return json.dumps(answer).encode("ascii")
