#!/usr/bin/env python3
"""Measure the API under many readers: 50 clients that read and verify at the same time, as people do.

Usage: bench_api.py [--seconds 120] [--clients 50] [--think-ms 1000]. A sample handover is made first, then a server
of its own (node, worker, logs, as `yunshang up` has them) answers. Each client has a connection that it keeps, draws
what it asks from the mix below, and looks at the answer for a second in the mean; with 0 it asks again at once, and
the figure is of how long 50 requests wait for each other. What counts is what was answered after a quarter of the
time, when caches are warm; an answer of another status than expected is an error. Memory is that of the server with
its children: the median of the second quarter of the time beside that of the last. The last line is JSON. Exit 1: a
figure was missed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from archive_api.cli.development import open_desk
from archive_api.client import Connection

MAX_P99_MS = 250.0
MAX_GROWTH = 1.05
UNLIMITED = {"REQUESTS_PER_SECOND", "REQUESTS_BURST", "COSTLY_PER_SECOND", "COSTLY_BURST"}
_ROOT = "/api/v1"


@dataclass(frozen=True, slots=True)
class Ask:
    """One kind of request: how often of a hundred, and what."""

    weight: int
    name: str
    method: str
    path: str
    body: bytes | None = None


@dataclass(slots=True)
class Seen:
    """What the clients saw: seconds by kind, errors, and the kinds of all requests."""

    waits: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


def asks(submission: str, building: str, bundle: bytes, digest: str) -> list[Ask]:
    """The mix: two thirds reading, one third verifying."""
    return [
        Ask(12, "search buildings", "GET", f"{_ROOT}/buildings?q=%E6%A5%BC"),
        Ask(10, "building", "GET", f"{_ROOT}/buildings/{building}"),
        Ask(12, "submission", "GET", f"{_ROOT}/submissions/{submission}"),
        Ask(8, "receipt", "GET", f"{_ROOT}/receipts/{submission}"),
        Ask(8, "search documents", "GET", f"{_ROOT}/documents?limit=20"),
        Ask(8, "document", "GET", f"{_ROOT}/documents/{submission}/0"),
        Ask(8, "content", "GET", f"{_ROOT}/submissions/{submission}/content/0"),
        Ask(17, "verify digest", "POST", f"{_ROOT}/verification/digest", json.dumps({"sha256": digest}).encode()),
        Ask(17, "verify bundle", "POST", f"{_ROOT}/verification/bundle", bundle),
    ]


def client(
    address: str, token: str, mix: Sequence[Ask], seen: Seen, *, begun: float, seconds: float, think: float
) -> None:
    """One client, until the time is over."""
    parts = urlsplit(address)
    drawn = random.Random(threading.get_ident())  # a mix, no secret
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
    headers = {"Authorization": f"Bearer {token}"}
    weights = [ask.weight for ask in mix]
    while (now := time.monotonic()) < begun + seconds:
        (ask,) = drawn.choices(mix, weights)
        seen.asked.append(ask.name)
        told = headers | ({"Content-Type": "application/json"} if ask.body else {})
        try:
            connection.request(ask.method, ask.path, ask.body, told)
            answer = connection.getresponse()
            size = len(answer.read())
            if answer.status != http.HTTPStatus.OK or not size:
                seen.errors.append(f"{ask.name}: {answer.status}")
        except (OSError, http.client.HTTPException) as error:
            seen.errors.append(f"{ask.name}: {type(error).__name__}")
            connection.close()
        if now >= begun + seconds / 4:
            seen.waits.setdefault(ask.name, []).append(time.monotonic() - now)
        if think:
            time.sleep(drawn.uniform(0, 2 * think))
    connection.close()


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
        bundle = Path(handover["evidence"][0]).read_bytes()
        with serving(home) as (pid, address):
            connection = Connection(address, key=open_desk(home))
            submission = str(handover["submission"])
            document = connection.get(f"/documents/{submission}/0")
            building = connection.get(f"/submissions/{submission}")["building"]["building_key"]
            token = connection._authorization()["Authorization"].removeprefix("Bearer ")
            mix = asks(submission, building, bundle, document["entry"]["sha256"])
            return asked(options, pid, address, token, mix)


def asked(options: argparse.Namespace, pid: int, address: str, token: str, mix: Sequence[Ask]) -> dict[str, Any]:
    """Have the clients ask."""
    seen, samples, stop = Seen(), list[tuple[float, int]](), threading.Event()
    begun, spent = time.monotonic(), processor_seconds(pid)
    how = {"begun": begun, "seconds": options.seconds, "think": options.think_ms / 1000}
    clients = [
        threading.Thread(target=client, args=(address, token, mix, seen), kwargs=how) for _ in range(options.clients)
    ]
    watcher = threading.Thread(target=watch, args=(pid, samples, stop))
    for thread in (watcher, *clients):
        thread.start()
    for thread in clients:
        thread.join()
    stop.set()
    watcher.join()
    spent = processor_seconds(pid) - spent
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
        "server_cpu_ms_per_request": 1e3 * spent / max(1, len(seen.asked)),
        "errors": len(seen.errors),
        "first_errors": sorted(set(seen.errors))[:5],
        "p50_ms": 1e3 * waits[len(waits) // 2],
        "p99_ms": 1e3 * waits[int(len(waits) * 0.99)],
        "memory_bytes": int(statistics.median(late)) if late else 0,
        "memory_growth": statistics.median(late) / statistics.median(early) if early and late else 0.0,
    }


def main() -> int:
    """Entry: 0, or 1 where a figure was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--think-ms", type=float, default=1000.0, help="mean pause of a client between requests")
    parser.add_argument("--directory", help="where the home is; default: the system's temporary directory")
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
