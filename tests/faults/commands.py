"""Commands of a client that are killed: at calls that change its disk, and at what it asks of the archive.

Commands are forks of a process that has imported everything, under a fault line of their own. Between them and the
archive stands a relay, which kills the command before a request goes on, or after the archive has answered and before
the command learns of it.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .archive import Zygote
from .line import FaultLine

_HOP = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive", "host"})
_ID = re.compile(r"0x[0-9a-f]{16,}|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32,}|(?<=/)[0-9]+(?=/|$)")
_SECONDS = 120.0


@dataclass(frozen=True, slots=True, order=True)
class Request:
    """One request of a command: `METHOD path` with identifiers replaced, and whether one dies before or after it."""

    name: str
    is_after: bool

    def __str__(self) -> str:
        return f"{'after' if self.is_after else 'before':<6}  {self.name}"


@dataclass
class Relay:
    """Passes requests on to an archive.

    Attributes:
        target: the archive's address; set once it is known.
        armed: where the command dies next; None: nowhere.
        passed: names of the requests, in order.
        fired: whether it died there.
    """

    target: str = ""
    armed: Request | None = None
    passed: list[str] = field(default_factory=list)
    fired: bool = False
    pid: int = 0
    url: str = ""

    def is_at(self, name: str, *, is_after: bool) -> bool:
        """Kill the command if it is due here; returns whether it was."""
        if self.armed != Request(name, is_after):
            return False
        self.armed, self.fired = None, True
        os.kill(self.pid, signal.SIGKILL)
        return True


@contextlib.contextmanager
def listening_relay() -> Iterator[Relay]:
    """A relay on this machine, until the block ends."""
    relay = Relay()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                body = b"".join(self._chunks())
            name = f"{self.command} {_ID.sub('*', urlsplit(self.path).path)}"
            relay.passed.append(name)
            if relay.is_at(name, is_after=False):
                self.close_connection = True
                return
            place = urlsplit(relay.target)
            connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=_SECONDS)
            headers = {key: value for key, value in self.headers.items() if key.lower() not in _HOP}
            connection.request(self.command, self.path, body or None, headers | {"Host": place.netloc})
            with connection.getresponse() as answer:
                content = answer.read()
            connection.close()
            if relay.is_at(name, is_after=True):
                self.close_connection = True
                return
            with contextlib.suppress(OSError):
                self.send_response_only(answer.status)
                for key, value in answer.getheaders():
                    if key.lower() not in _HOP:
                        self.send_header(key, value)
                if self.command == "HEAD" or answer.status in (204, 304):
                    self.send_header("Content-Length", answer.getheader("Content-Length") or "0")
                else:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def _chunks(self) -> Iterator[bytes]:
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        def __getattr__(self, name: str) -> Any:
            """Every method is answered by one."""
            if name.startswith("do_"):
                return self.handle_any
            raise AttributeError(name)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    relay.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield relay
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class Ran:
    """How a command ended: its exit code, or None where it was killed; and what it printed."""

    code: int | None
    output: str
    errors: str


@dataclass(frozen=True)
class Commands:
    """Runs commands.

    Attributes:
        line: what happens to their disk.
        relay: what happens to their requests.
        home: where they sign in from.
        scratch: not below the fault line's root; for what they print.
    """

    zygote: Zygote
    line: FaultLine
    relay: Relay
    home: Path
    scratch: Path

    def run(self, *arguments: object, cwd: Path | None = None, own: bool = True) -> Ran:
        """Run `yunshang …`; with `own`, against the archive, and with JSON."""
        more = (
            ("--home", self.home, "--api", self.relay.url, "--as", self.home / "keys" / "desk.p12", "--json")
            if own
            else ()
        )
        words = [str(argument) for argument in (*arguments, *more)]
        out, errors = self.scratch / "out", self.scratch / "errors"
        self.relay.pid = int(
            self.zygote.ask(command=words, cwd=str(cwd or self.scratch), out=str(out), errors=str(errors))["pid"]
        )
        self.zygote.ask(go=self.relay.pid)
        status = int(self.zygote.ask(wait=self.relay.pid)["status"])
        code = None if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)
        return Ran(code, out.read_text("utf-8", "replace"), errors.read_text("utf-8", "replace"))
