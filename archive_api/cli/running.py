"""Which server runs on a home: a small file that `yunshang up` writes, believed only while its address answers."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx2

from archive_api.home import write_private

__all__ = ["RunningServer", "forget_server", "record_server", "running_server"]

_PROBE_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """A server that is up: addresses of API and node, and its process id."""

    api: str
    rpc_url: str
    pid: int


def _path(home: Path) -> Path:
    return home / "server" / "running.json"


def record_server(home: Path, *, api: str, rpc_url: str) -> RunningServer:
    """Say that this process serves a home."""
    server = RunningServer(api=api, rpc_url=rpc_url, pid=os.getpid())
    write_private(_path(home), (json.dumps(asdict(server)) + "\n").encode())
    return server


def forget_server(home: Path) -> None:
    """Take the record back, if it is this process's."""
    recorded = _read(home)
    if recorded is not None and recorded.pid == os.getpid():
        _path(home).unlink(missing_ok=True)


def running_server(home: Path) -> RunningServer | None:
    """The server of a home, if one answers at the recorded address."""
    recorded = _read(home)
    if recorded is None:
        return None
    try:
        answer = httpx2.get(f"{recorded.api}/api/v1/health", timeout=_PROBE_SECONDS, trust_env=False)
    except httpx2.TransportError:
        return None
    return recorded if answer.status_code == httpx2.codes.OK else None


def _read(home: Path) -> RunningServer | None:
    try:
        return RunningServer(**json.loads(_path(home).read_bytes()))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None
