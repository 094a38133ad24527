"""Finding the node's program and free ports, and recognising a process again after a restart."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from ledger.errors import NotFoundError, TransportError

__all__ = ["dying_with_parent", "find_anvil", "free_port", "free_ports", "kill_recorded", "process_record"]

_PROJECT = Path(__file__).resolve().parents[2]
_KILL_WAIT_SECONDS = 10.0
_OUTGOING_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST_PORT, _PORTS = 10_240, 65_536
_START_TIME_FIELD = 22  # of /proc/<pid>/stat, clock ticks since boot; see proc_pid_stat(5)

# A child that outlives a killed parent would hold port and state; the kernel kills it instead (Linux). The signal is
# bound to the thread that forked, which is the supervisor's, and lives as long as the node may.
_LAUNCHER = (
    "import ctypes,os,sys\n"
    "libc=ctypes.CDLL(None)\n"
    "if hasattr(libc,'prctl'): libc.prctl(1,9,0,0,0)\n"
    "if os.getppid()!=int(sys.argv[1]): sys.exit('parent is gone')\n"
    "os.execv(sys.argv[2],sys.argv[2:])\n"
)

_log = logging.getLogger(__name__)


def dying_with_parent(command: Sequence[str]) -> list[str]:
    """Return a command that starts the given one so that it is killed when the calling thread ends (Linux)."""
    return [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command]


def find_anvil(path: Path | None = None) -> Path:
    """Return the anvil program: the given one, `YUNSHANG_ANVIL`, or the project's npm package.

    Raises:
        NotFoundError: none of them is an executable file.
    """
    named = path or (Path(os.environ["YUNSHANG_ANVIL"]) if os.environ.get("YUNSHANG_ANVIL") else None)
    packages = _PROJECT / "node_modules" / "@foundry-rs"
    candidates = [named] if named else sorted(packages.glob("anvil-*/bin/anvil"))
    for candidate in candidates:
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    raise NotFoundError(
        "expected the anvil program (run make setup, or set YUNSHANG_ANVIL), got none",
        code="anvil",
        where=str(named or packages),
    )


def free_port(host: str) -> int:
    """Return a TCP port of this host that was free just now; see `free_ports`."""
    return free_ports(1, host)[0]


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Return so many TCP ports of a host that were free just now, all different.

    None of those that the system gives to outgoing connections, as far as there are others: one of these may be taken
    before the port is used, or while what listens there is stopped.
    """
    candidates = _lasting_ports()
    random.SystemRandom().shuffle(candidates)
    with ExitStack() as stack:
        found: list[int] = []
        for port in (*candidates, *[0] * count):  # 0: any
            if len(found) == count:
                break
            probe = stack.enter_context(socket.socket())
            with suppress(OSError):  # somebody has it
                probe.bind((host, port))
                found.append(probe.getsockname()[1])
        return found


def _lasting_ports() -> list[int]:
    """The ports that no outgoing connection gets, without those that servers usually have."""
    try:
        first, last = map(int, _OUTGOING_PORTS.read_text("ascii").split())
    except (OSError, ValueError):
        return []
    return [port for port in range(_FIRST_PORT, _PORTS) if not first <= port <= last]


def process_record(pid: int, port: int) -> bytes:
    """Return the JSON that `kill_recorded` recognises a process by: its id and its start time."""
    return json.dumps({"pid": pid, "started": _start_time(pid), "port": port}).encode("ascii")


def kill_recorded(path: Path) -> None:
    """Kill the process a record names, if it is still the same process, and remove the record.

    Args:
        path: a file with `process_record`'s JSON; it may be missing or damaged (then there is nothing to go by).

    Raises:
        TransportError: the process does not go away.
    """
    try:
        record = json.loads(path.read_bytes())
        pid, started = int(record["pid"]), record["started"]
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError):
        path.unlink(missing_ok=True)
        return
    deadline = time.monotonic() + _KILL_WAIT_SECONDS
    while started is not None and _start_time(pid) == started:  # an id alone may be another process by now
        _log.warning("stopping process %d, left behind by a supervisor that was killed", pid)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            break
        except PermissionError as error:
            raise TransportError(f"expected to stop process {pid}, got no permission", where=str(path)) from error
        if time.monotonic() > deadline:
            raise TransportError(f"expected process {pid} to end, got it still running", where=str(path))
        time.sleep(0.05)
    path.unlink(missing_ok=True)


def _start_time(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the program's name in parentheses and may hold spaces.
    fields = stat.rpartition(")")[2].split()
    if fields[0] == "Z":  # a zombie holds neither port nor memory
        return None
    return int(fields[_START_TIME_FIELD - 3])
