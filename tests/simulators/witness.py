"""A witness over HTTP that keeps its heads, checks consistency and co-signs; and one that does none of this rightly.

Source: C2SP tlog-witness. Consistency is checked by its own lines here, by RFC 9162 section 2.1.4.2; notes are taken
apart by hand; co-signatures are `scripts.sample_records`'s. Nothing of `ledger.log` is used.
"""

from __future__ import annotations

import base64
import http.server
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from scripts.sample_records import Witness

__all__ = ["MODES", "WitnessServer", "serve_witness"]

MODES = (
    "honest",
    "silent",
    "slow",
    "dripping",
    "wrong_signature",
    "wrong_key",
    "another_root",
    "old_time",
    "always_conflict",
    "growing_conflict",
    "ahead",
    "too_long",
    "nothing",
    "error",
    "redirect",
    "unknown_log",
)


class WitnessServer:
    """The state of a witness.

    Args:
        witness: name and key.
        logs: Ed25519 keys by origin prefix, of the logs that it knows.

    Attributes:
        mode: one of `MODES`; may be changed at any time.
        heads: size and root by origin.
        asked: how many requests came.
        statuses: what was answered, in order.
    """

    def __init__(self, witness: Witness, logs: Mapping[str, bytes]) -> None:
        self.witness = witness
        self.mode = "honest"
        self.heads: dict[str, tuple[int, bytes]] = {}
        self.statuses: list[int] = []
        self.url = ""
        self._logs = dict(logs)
        self._lock = threading.Lock()

    @property
    def asked(self) -> int:
        """How many requests were answered."""
        return len(self.statuses)

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """Status and body of an answer to `add-checkpoint`."""
        hostile = self._hostile(body)
        return self._honest(body) if hostile is None else hostile

    def _hostile(self, body: bytes) -> tuple[int, bytes] | None:
        note = body.split(b"\n\n", 1)[1]
        now, size = int(time.time()), int(note.split(b"\n")[1])
        simple: dict[str, tuple[int, bytes]] = {
            "wrong_signature": (200, self.witness.spelled(now.to_bytes(8, "big") + bytes(64))),
            "wrong_key": (200, Witness(self.witness.key.name, seed=bytes(32)).line(note, now)),
            "another_root": (200, self.witness.line(_with_root(note, bytes(32)), now)),
            "old_time": (200, self.witness.line(note, now - 86_400)),
            "always_conflict": (409, b"0\n"),
            "growing_conflict": (409, f"{min(size - 1, len(self.statuses))}\n".encode()),
            "ahead": (409, f"{size + 1}\n".encode()),
            "too_long": (200, b"\n" * (1 << 20)),
            "nothing": (200, b""),
            "error": (500, b"no"),
            "redirect": (302, b""),
            "unknown_log": (404, b""),
        }
        return simple.get(self.mode)

    def _honest(self, body: bytes) -> tuple[int, bytes]:
        head, note = body.split(b"\n\n", 1)
        first, *proof = head.decode().split("\n")
        old = int(first.removeprefix("old "))
        origin, size_text, root_text = note.split(b"\n\n")[0].decode().split("\n")
        size, root = int(size_text), base64.b64decode(root_text)
        key = next((key for prefix, key in self._logs.items() if origin.startswith(prefix)), None)
        if key is None:
            return 404, b""
        if not _is_signed(note, origin, key):
            return 403, b""
        with self._lock:
            known, known_root = self.heads.get(origin, (0, b""))
            if old > size:
                return 400, b""
            if old != known or (old == size and root != known_root):
                return 409, f"{known}\n".encode()
            if not _is_consistent(old, known_root, size, root, [base64.b64decode(line) for line in proof]):
                return 422, b""
            self.heads[origin] = (size, root)
        return 200, self.witness.line(note, int(time.time()))


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to tell of."""
        del request, client_address


@contextmanager
def serve_witness(server: WitnessServer) -> Iterator[WitnessServer]:
    """Serve a witness on a loopback port; its `url` is set."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path != "/w/add-checkpoint":
                self._send(404, b"")
            elif server.mode == "silent":
                self.close_connection = True
                server.statuses.append(0)
            elif server.mode == "dripping":
                self._drip()
            else:
                if server.mode == "slow":
                    time.sleep(1.5)
                self._send(*server.answer(body))

        def _send(self, status: int, content: bytes) -> None:
            server.statuses.append(status)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", server.url)
            if status == 409:
                self.send_header("Content-Type", "text/x.tlog.size")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            try:
                self.wfile.write(content)
            except OSError:
                self.close_connection = True

        def _drip(self) -> None:
            server.statuses.append(200)
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.close_connection = True
            for _ in range(40):
                try:
                    self.wfile.write(b"\n")
                    self.wfile.flush()
                except OSError:
                    return
                time.sleep(0.05)

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    listener = _Listener(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{listener.server_address[1]}/w"
    thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


def _with_root(note: bytes, root: bytes) -> bytes:
    lines = note.split(b"\n")
    return b"\n".join([*lines[:2], base64.b64encode(root), *lines[3:]])


def _is_signed(note: bytes, origin: str, key: bytes) -> bool:
    text, _, lines = note.partition(b"\n\n")
    for line in lines.decode().splitlines():
        name, _, blob = line.removeprefix("\u2014 ").partition(" ")
        raw = base64.b64decode(blob)
        if name == origin and raw[:4] == sha256(f"{origin}\n\x01".encode() + key).digest()[:4]:
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(raw[4:], text + b"\n")
            except InvalidSignature:
                return False
            return True
    return False


def _is_consistent(old: int, old_root: bytes, new: int, new_root: bytes, proof: list[bytes]) -> bool:
    """The algorithm of RFC 9162 section 2.1.4.2, step by step."""
    if old == 0 or old == new:
        return not proof and (old == 0 or old_root == new_root)
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for item in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = sha256(b"\x01" + item + fr).digest(), sha256(b"\x01" + item + sr).digest()
            while fn & 1 == 0 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = sha256(b"\x01" + sr + item).digest()
        fn, sn = fn >> 1, sn >> 1
    return fr == old_root and sr == new_root and sn == 0
