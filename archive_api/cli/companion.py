"""A server of a home for the time of one command: the one that runs already, or a child process."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from archive_api.cli.failures import COULD_NOT_CHECK, CommandError
from archive_api.cli.running import running_server

__all__ = ["Companion", "companion_server"]

_START_SECONDS = 180.0
_STOP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Companion:
    """A server that is up.

    Attributes:
        api: address of the API.
        rpc_url: address of the node.
        process: the child, or None where it ran before.
    """

    api: str
    rpc_url: str
    process: subprocess.Popen[bytes] | None

    def wait(self) -> None:
        """Wait until the child ends or the user interrupts."""
        if self.process is not None:
            self.process.wait()


@contextmanager
def companion_server(home: Path) -> Iterator[Companion]:
    """Have a server of a home while the block runs; a child is stopped at its end.

    Args:
        home: an initialised home; the child logs to `server/server.log` in it.

    Raises:
        CommandError: the child did not come up.
    """
    known = running_server(home)
    if known is not None:
        yield Companion(known.api, known.rpc_url, None)
        return
    log_path = home / "server" / "server.log"
    with log_path.open("ab") as log:
        command = [sys.executable, "-m", "archive_api.cli", "up", "--home", str(home), "--json"]
        # A session of its own: Ctrl-C reaches the child once, from us, when its time has come.
        process = subprocess.Popen(
            [*command, "--parent", str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        try:
            line = _first_line(process, log_path)
            yield Companion(line["api"], line["rpc_url"], process)
        finally:
            _stop(process)


def _first_line(process: subprocess.Popen[bytes], log_path: Path) -> dict[str, str]:
    deadline = time.monotonic() + _START_SECONDS
    output: IO[bytes] | None = process.stdout
    text = b""
    while output is not None and not text.endswith(b"\n") and time.monotonic() < deadline:
        ready, _, _ = select.select([output], [], [], 1.0)
        if ready:
            piece = os.read(output.fileno(), 65536)
            if not piece:
                break
            text += piece
    with contextlib.suppress(ValueError, TypeError):
        document = json.loads(text)
        if "api" in document:
            return {name: str(document[name]) for name in ("api", "rpc_url")}
    raise CommandError(
        f"服务未能启动，见 {log_path}",
        f"expected the server to start, got none; see {log_path}: {_last_words(log_path)}",
        code="server_start",
        exit_code=COULD_NOT_CHECK,
    )


def _last_words(log_path: Path) -> str:
    lines = log_path.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "nothing logged"


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()
