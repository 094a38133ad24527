"""Starting daemons and stopping just those."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ledger.adapters.processes import dying_with_parent

_STOP_SECONDS = 30.0


class StartError(Exception):
    """A daemon did not come up; the text has the end of its log."""


@contextmanager
def daemon(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon that runs until the block ends, or this process does."""
    process = spawn(dying_with_parent(command), log=log, environment=environment)
    try:
        yield process
    finally:
        stop(process)


def spawn(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a daemon in a session of its own.

    Args:
        command: program and arguments.
        log: what it prints is added to this file.
        environment: of the daemon beside PATH and HOME, which is the log's folder.
    """
    base = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(log.parent), "LANG": "C.UTF-8"}
    with log.open("ab") as output:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**base, **(environment or {})},
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a daemon in order, or at once where it does not heed."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(
    is_up: Callable[[], bool], process: subprocess.Popen[bytes], *, log: Path, name: str, seconds: float = 90.0
) -> None:
    """Wait until a daemon is up.

    Raises:
        StartError: it ended, or was not up in time.
    """
    deadline = time.monotonic() + seconds
    while not is_up():
        status = process.poll()
        if status is not None or time.monotonic() > deadline:
            end = log.read_bytes()[-1500:].decode("utf-8", "replace").strip()
            why = "was not up in time" if status is None else f"ended with status {status}"
            raise StartError(f"{name} {why}; {log} ends with:\n{end}")
        time.sleep(0.1)


def is_listening(port: int) -> bool:
    """Whether something takes connections on a loopback port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0):
            return True
    except OSError:
        return False
