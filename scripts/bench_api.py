#!/usr/bin/env python3
"""Measure the API under many readers: 50 clients that read and verify at the same time.

Usage: bench_api.py [--seconds 120] [--clients 50] [--think-ms 1000] [--closed-seconds 20]. A sample handover is made
first, then a server of its own (node, worker, logs, as `yunshang up` has them) answers. Each client has a connection
that it keeps, draws what it asks from the mix below, and looks at the answer for a second in the mean, as people do.
What counts is what was answered after a quarter of the time, when caches are warm; an answer of another status than
expected is an error. Memory is that of the server with its children: the median of the second quarter of the time
beside that of the last.

Then the same clients ask again at once, without looking: a closed loop, in which a request waits for the 49 before it,
so that its time says how many a second the server can answer (200 would be 250 ms). It is told and not judged.

The last line is JSON. Exit 1: a figure was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from archive_api.cli.development import open_desk
from archive_api.client import Connection
from scripts.http_clients import Request, ask_all

MAX_P99_MS = 250.0
MAX_GROWTH = 1.05
UNLIMITED = {"REQUESTS_PER_SECOND", "REQUESTS_BURST", "COSTLY_PER_SECOND", "COSTLY_BURST"}
_ROOT = "/api/v1"
_PARTS = 10


def asks(
    address: tuple[str, int],
    token: str,
    *,
    building: str,
    submission: str,
    bundles: Sequence[bytes],
    digests: Sequence[str],
) -> list[Request]:
    """The mix: two thirds reading, one third verifying; of the submission's documents one like the other."""
    reading = [
        (12, "search buildings", f"{_ROOT}/buildings?q=%E6%A5%BC"),
        (10, "building", f"{_ROOT}/buildings/{building}"),
        (12, "submission", f"{_ROOT}/submissions/{submission}"),
        (8, "receipt", f"{_ROOT}/receipts/{submission}"),
        (8, "search documents", f"{_ROOT}/documents?limit=20"),
    ]
    verifying = [("verify digest", "digest", [json.dumps({"sha256": one}).encode() for one in digests])]
    verifying.append(("verify bundle", "bundle", list(bundles)))
    host = f"{address[0]}:{address[1]}"
    found = [Request(_PARTS * weight, name, _request("GET", path, host, token)) for weight, name, path in reading]
    for part in range(_PARTS):
        index = part % len(digests)
        document = f"{_ROOT}/documents/{submission}/{index}"
        content = f"{_ROOT}/submissions/{submission}/content/{index}"
        found.append(Request(8, "document", _request("GET", document, host, token)))
        found.append(Request(8, "content", _request("GET", content, host, token)))
        for name, path, bodies in verifying:
            body = bodies[part % len(bodies)]
            found.append(Request(17, name, _request("POST", f"{_ROOT}/verification/{path}", host, token, body)))
    return found


def _request(method: str, path: str, host: str, token: str, body: bytes | None = None) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode("ascii") + b"\r\n" + (body or b"")


def memory_bytes(pid: int) -> int:
    """Resident memory of a process and its children."""
    total = 0
    tasks = Path(f"/proc/{pid}/task")
    for task in tasks.iterdir() if tasks.exists() else ():
        for child in (task / "children").read_text("ascii").split():
            total += memory_bytes(int(child))
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    resident = next((line for line in status.splitlines() if line.startswith("VmRSS:")), "VmRSS: 0 kB")
    return total + int(resident.split()[1]) * 1024


def processor_seconds(pid: int) -> float:
    """Processor time of a process so far, without that of its children."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def watch(pid: int, samples: list[tuple[float, int]], stop: threading.Event) -> None:
    """Sample the memory of the server once a second."""
    while not stop.wait(1.0):
        try:
            samples.append((time.monotonic(), memory_bytes(pid)))
        except OSError:
            continue


def made(home: Path) -> dict[str, Any]:
    """A home with a handover that was accepted."""
    command = [sys.executable, "-m", "archive_api.cli", "demo", "--home", str(home), "--no-serve", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


@contextmanager
def serving(home: Path) -> Iterator[tuple[int, str]]:
    """The server's process id and address, while it runs; one address may ask as much as it likes."""
    environment = os.environ | {f"YUNSHANG_{name}": "1000000" for name in UNLIMITED}
    command = [sys.executable, "-m", "archive_api.cli", "up", "--home", str(home), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            said = process.stdout.readline() if process.stdout else ""
            if not said:
                raise SystemExit("expected the server to start, got its end")
            yield process.pid, str(json.loads(said)["api"])
        finally:
            process.terminate()
            process.wait(120)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Make a handover, ask, and gather the figures."""
    with tempfile.TemporaryDirectory(prefix="yunshang-bench-", dir=options.directory) as folder:
        home = Path(folder) / "home"
        print("making a handover", flush=True)
        handover = made(home)
        bundles = [Path(path).read_bytes() for path in handover["evidence"]]
        with serving(home) as (pid, url):
            connection = Connection(url, key=open_desk(home))
            submission = str(handover["submission"])
            documents = [connection.get(f"/documents/{submission}/{index}") for index in range(_PARTS)]
            building = connection.get(f"/submissions/{submission}")["building"]["building_key"]
            parts = urlsplit(url)
            address = (str(parts.hostname), int(parts.port or 0))
            mix = asks(
                address,
                connection._authorization()["Authorization"].removeprefix("Bearer "),
                building=building,
                submission=submission,
                bundles=bundles,
                digests=[document["entry"]["sha256"] for document in documents],
            )
            figures = asked(options, pid, address, mix)
            if options.closed_seconds:
                figures["closed_loop"] = closed(options, pid, address, mix)
            return figures


def asked(options: argparse.Namespace, pid: int, address: tuple[str, int], mix: Sequence[Request]) -> dict[str, Any]:
    """Have the clients ask as people do."""
    samples, stop = list[tuple[float, int]](), threading.Event()
    begun, spent, own = time.monotonic(), processor_seconds(pid), time.process_time()
    watcher = threading.Thread(target=watch, args=(pid, samples, stop))
    watcher.start()
    seen = ask_all(
        address,
        mix,
        clients=options.clients,
        seconds=options.seconds,
        think_seconds=options.think_ms / 1000,
        warm_seconds=options.seconds / 4,
    )
    stop.set()
    watcher.join()
    spent, own = processor_seconds(pid) - spent, time.process_time() - own
    early = [size for at, size in samples if 0.25 <= (at - begun) / options.seconds < 0.5]
    late = [size for at, size in samples if (at - begun) / options.seconds >= 0.75]
    waits = sorted(wait for each in seen.waits.values() for wait in each)
    for name, each in sorted(seen.waits.items()):
        each.sort()
        p50, p99 = 1e3 * each[len(each) // 2], 1e3 * each[int(len(each) * 0.99)]
        print(f"{name}: {len(each)}, p50 {p50:.0f} ms, p99 {p99:.0f} ms")
    return {
        "clients": options.clients,
        "seconds": options.seconds,
        "think_ms": options.think_ms,
        "requests_per_second": len(waits) / (options.seconds * 0.75),
        "server_cpu_ms_per_request": 1e3 * spent / max(1, seen.asked),
        "clients_cpu_ms_per_request": 1e3 * own / max(1, seen.asked),
        "errors": len(seen.errors),
        "first_errors": sorted(set(seen.errors))[:5],
        "p50_ms": 1e3 * waits[len(waits) // 2],
        "p99_ms": 1e3 * waits[int(len(waits) * 0.99)],
        "memory_bytes": int(statistics.median(late)) if late else 0,
        "memory_growth": statistics.median(late) / statistics.median(early) if early and late else 0.0,
        "load": os.getloadavg()[0],
    }


def closed(options: argparse.Namespace, pid: int, address: tuple[str, int], mix: Sequence[Request]) -> dict[str, Any]:
    """Have the clients ask again at once."""
    spent, seconds = processor_seconds(pid), options.closed_seconds
    seen = ask_all(
        address, mix, clients=options.clients, seconds=seconds, think_seconds=0.0, warm_seconds=seconds / 4, seed=2
    )
    spent = processor_seconds(pid) - spent
    waits = sorted(wait for each in seen.waits.values() for wait in each)
    figures = {
        "requests_per_second": round(len(waits) / (seconds * 0.75), 1),
        "server_cpu_ms_per_request": round(1e3 * spent / max(1, seen.asked), 2),
        "p50_ms": round(1e3 * waits[len(waits) // 2], 1),
        "p99_ms": round(1e3 * waits[int(len(waits) * 0.99)], 1),
        "errors": len(seen.errors),
    }
    print(f"asking again at once: {figures}")
    return figures


def main() -> int:
    """Entry: 0, or 1 where a figure was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--think-ms", type=float, default=1000.0, help="mean pause of a client between requests")
    parser.add_argument("--directory", help="where the home is; default: the system's temporary directory")
    parser.add_argument("--closed-seconds", type=float, default=20.0, help="of the closed loop afterwards; 0: none")
    options = parser.parse_args()
    figures = measure(options)
    print(
        f"{figures['requests_per_second']:.0f} requests/s, p99 {figures['p99_ms']:.0f} ms, {figures['errors']} errors"
    )
    print(f"processor time of the server: {figures['server_cpu_ms_per_request']:.1f} ms a request")
    print(f"memory {figures['memory_bytes'] / 2**20:.0f} MiB, {figures['memory_growth']:.3f} times the early one")
    met = figures["errors"] == 0 and figures["p99_ms"] <= MAX_P99_MS and 0 < figures["memory_growth"] <= MAX_GROWTH
    shown = {name: round(value, 3) if isinstance(value, float) else value for name, value in figures.items()}
    print(json.dumps(shown | {"met": met}))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
