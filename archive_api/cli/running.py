"""Which server runs on a home: a small file that `yunshang up` writes, believed only while its address answers.

Of a server of several processes each that answers requests writes one of its own.
"""

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


def _path_beside(home: Path, pid: int) -> Path:
    return home / "server" / "running" / f"{pid}.json"


def record_server(home: Path, *, api: str, rpc_url: str, beside_others: bool = False) -> RunningServer:
    """Say that this process serves a home.

    Args:
        home: of the server.
        api: base URL that clients use.
        rpc_url: of the node.
        beside_others: this is one of several processes that do.
    """
    server = RunningServer(api=api, rpc_url=rpc_url, pid=os.getpid())
    path = _path(home)
    if beside_others:
        path = _path_beside(home, server.pid)
        path.parent.mkdir(mode=0o700, exist_ok=True)
    write_private(path, (json.dumps(asdict(server)) + "\n").encode())
    return server


def forget_server(home: Path) -> None:
    """Take the record back, if it is this process's."""
    _path_beside(home, os.getpid()).unlink(missing_ok=True)
    recorded = _read(_path(home))
    if recorded is not None and recorded.pid == os.getpid():
        _path(home).unlink(missing_ok=True)


def running_server(home: Path) -> RunningServer | None:
    """The server of a home, or one of its processes, if one answers at the recorded address."""
    for path in (_path(home), *sorted(_path_beside(home, 0).parent.glob("*.json"))):
        recorded = _read(path)
        if recorded is None:
            continue
        try:
            answer = httpx2.get(f"{recorded.api}/api/v1/health", timeout=_PROBE_SECONDS, trust_env=False)
        except httpx2.TransportError:
            continue
        if answer.status_code == httpx2.codes.OK:
            return recorded
    return None


def _read(path: Path) -> RunningServer | None:
    try:
        return RunningServer(**json.loads(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None
