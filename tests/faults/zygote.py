"""Starts servers quickly: a process that has served once, and forks a server for each start.

Told by lines of JSON on standard input, each answered by one:

    {"warm": home}   by {}: serves it once, in this process, so that everything is imported and the routes are made
    {"start": home}  by {"pid", "api", "rpc_url"} or {"pid", "failed"}: of the same path, since the routes know it
    {"wait": pid}    by {"status"}, once it has ended
    {"command": arguments, "cwd", "out", "errors"}  by {"pid"} of a `yunshang` that begins when it is told to
    {"go": pid}      by {}: tells it

What is left out for a fork is the making of routes (three seconds), nothing that reads or writes. It runs under the
fault line, which its children inherit.
"""

from __future__ import annotations

import ctypes
import functools
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from archive_api import serve
from archive_api.app import create_app
from archive_api.cli.app import main as yunshang
from archive_api.home import load_home
from archive_api.recovery import keeping
from archive_api.services import Services
from archive_api.settings import Settings
from ledger.adapters.anvil import EmbeddedNode

_BLOCK_SECONDS = 0.05
_KEEP_SECONDS = 0.5
_PR_SET_PDEATHSIG = 1
_SECONDS = 240.0


def _serve(home: Path, answer: int) -> None:
    def say(document: dict[str, Any]) -> None:
        os.write(answer, json.dumps({"pid": os.getpid(), **document}).encode() + b"\n")

    def ready(address: serve.ServerAddress) -> None:
        say({"api": address.api, "rpc_url": address.rpc_url})

    try:
        serve.run(load_home(home), ready_callback=ready)
    except BaseException as error:  # noqa: BLE001  (whatever it was, the test is told)
        say({"failed": f"{type(error).__name__}: {error}"})
        os._exit(3)
    os._exit(0)


def _die_with_parent() -> None:
    """Have the kernel end this process when the one that started it ends (Linux): no test leaves a server behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _start(home: Path) -> bytes:
    deadline = time.monotonic() + _SECONDS
    while threading.active_count() > 1 and time.monotonic() < deadline:
        time.sleep(0.01)  # those of the first server, which nobody waits for: answers on their way out
    if threading.active_count() > 1:
        raise RuntimeError("expected no threads before a fork, got some")
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _die_with_parent()
        _serve(home, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        line = answer.readline()
    return line.strip() or json.dumps({"pid": pid, "failed": "it ended before it was ready"}).encode()


_WAITING: dict[int, int] = {}


def _command(wanted: dict[str, Any]) -> bytes:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writing)
        _die_with_parent()
        for number, path in ((1, wanted["out"]), (2, wanted["errors"])):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        os.chdir(wanted["cwd"])
        os.read(reading, 1)  # whoever is to kill it knows it by now
        code = 70
        try:
            code = yunshang(wanted["command"])
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(reading)
    _WAITING[pid] = writing
    return json.dumps({"pid": pid}).encode()


class _Routes:
    """Makes the application once, and hands it to each server with its services."""

    def __init__(self) -> None:
        self._app: FastAPI | None = None

    def app(self, settings: Settings, services: Services, **others: Any) -> FastAPI:
        """What `create_app` answers, from the second time on without making it anew."""
        if self._app is None:
            self._app = create_app(settings, services, **others)
        self._app.state.services = services
        if others.get("probes") is not None:
            self._app.state.probes = others["probes"]
        return self._app


def _warm(home: Path) -> None:
    stop = threading.Event()
    serve.run(load_home(home), ready_callback=lambda _address: stop.set(), stop=stop)


def main() -> None:
    """Work off the lines."""
    _die_with_parent()
    serve.EmbeddedNode = functools.partial(EmbeddedNode, block_interval_seconds=_BLOCK_SECONDS)  # type: ignore[misc]
    # Kept every half minute they would come into whichever step is under way then, in one run out of some.
    keeping._POLL_SECONDS = keeping._COLLECT_SECONDS = _KEEP_SECONDS  # type: ignore[misc]
    serve.create_app = _Routes().app  # type: ignore[assignment]
    for line in sys.stdin.buffer:
        wanted = json.loads(line)
        answer = b"{}"
        if "warm" in wanted:
            _warm(Path(wanted["warm"]))
        elif "command" in wanted:
            answer = _command(wanted)
        elif "go" in wanted:
            os.close(_WAITING.pop(wanted["go"]))
        elif "start" in wanted:
            answer = _start(Path(wanted["start"]))
        else:
            answer = json.dumps({"status": os.waitpid(wanted["wait"], 0)[1]}).encode()
        sys.stdout.buffer.write(answer + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
