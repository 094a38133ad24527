"""A node's RPC that fails: between a client and a real node, it answers slowly, wrongly, partly or not at all.

Each method fails at its first call and at about every fourth one after that (drawn from a seed), so that whoever goes
on after a failure comes through, having met it at every question.
"""

from __future__ import annotations

import http.server
import json
import random
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["MODES", "FaultyNode", "faulty_node"]

MODES = (
    "error",  # a JSON-RPC error that says nothing about the transaction
    "http_500",
    "not_json",
    "half",  # an answer that breaks off
    "refused",  # the connection is closed before the node was asked
    "lost",  # the node was asked and did it, and the connection is closed
    "slow",  # the same, and the answer comes when nobody waits for it any more
    "limited",  # too many requests, in a node's own words
)
SLOW_SECONDS = 1.0


class FaultyNode:
    """Its state: which mode, and how often what was asked.

    Attributes:
        url: where it answers.
        mode: one of `MODES`, or None: it only passes on.
        failed: failures by method.
    """

    def __init__(self, target: str) -> None:
        self.target = target
        self.url = ""
        self.mode: str | None = None
        self.failed: Counter[str] = Counter()
        self._chance = random.Random(20261128)
        self._met: set[str] = set()
        self._lock = threading.Lock()

    def fails(self, method: str) -> bool:
        """Whether this call is one that fails."""
        with self._lock:
            is_new = method not in self._met
            self._met.add(method)
            if self.mode is None or not (is_new or self._chance.random() < 0.25):
                return False
            self.failed[method] += 1
            return True

    def ask(self, body: bytes) -> bytes:
        """The node's own answer."""
        request = urllib.request.Request(self.target, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return bytes(answer.read())


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to tell of."""
        del request, client_address


@contextmanager
def faulty_node(target: str) -> Iterator[FaultyNode]:
    """Serve a faulty node before a real one, on a loopback port."""
    node = FaultyNode(target)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked = json.loads(body)
            if not node.fails(asked["method"]):
                self._send(200, node.ask(body))
            elif node.mode in ("error", "limited"):
                message = "rate limit exceeded" if node.mode == "limited" else "internal error"
                error = {"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32603, "message": message}}
                self._send(200, json.dumps(error).encode())
            elif node.mode == "http_500":
                self._send(500, b"<html>")
            elif node.mode == "not_json":
                self._send(200, b"\x00" * 40)
            elif node.mode == "half":
                self._break_off(node.ask(body))
            else:
                if node.mode != "refused":
                    node.ask(body)
                if node.mode == "slow":
                    time.sleep(SLOW_SECONDS)
                self.close_connection = True

        def _send(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _break_off(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    listener = _Listener(("127.0.0.1", 0), Handler)
    node.url = f"http://127.0.0.1:{listener.server_address[1]}"
    thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield node
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()
