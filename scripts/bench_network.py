"""A city's network on this machine: ingest beside `ipfs add`, and anchoring on validators and on the embedded node.

Usage: bench_network.py [--parts ingest,validators,embedded] [--submissions 5000] [--offered-seconds 45]
       [--megabytes 300]

ingest      the same kind of tree put into a Kubo node by `ipfs add -r` and by us, in alternating rounds, and into the
            embedded store; the node as `make network` sets it up: blocks synced to disk, pinned. Ours computes SHA-256
            and SM3 of each file besides. Medians of the rounds' ratios.
validators  four geth validators (Clique, 1 s blocks), PostgreSQL, and the archive as `make network` runs it, with one
            API process, one worker and the process of the logs. Five parties whose keys have tables of multiples on
            chain; scripts/anchoring_load.py says what is prepared and what is timed. First `--window` submissions at
            a time, then `--rate` a second.
embedded    the same on the embedded node, whose P-256 is precompiled, with SQLite and one process of the archive.

A run's first decile begins after its first anchors, so that its ramp is none of its time; anchors are seen a block's
worth at once, so a decile's time is counted by those that are seen after its beginning. The last line is JSON, with
the processor time of each process in each decile. Exit 1: a figure was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from archive_api.cli.authority import stated_authority
from archive_api.cli.cast import ARCHIVE
from archive_api.cli.development import create_home
from archive_api.home import Home
from ledger.adapters.processes import free_ports
from ledger.trust import TrustFile
from scripts.anchoring_load import Load, Timed
from scripts.engines import obtain
from scripts.ingest_load import measure_ingest
from scripts.network.geth import running_validators
from scripts.network.kubo import running_nodes
from scripts.network.postgres import running_postgres
from scripts.network.processes import daemon, is_listening, wait_for

MIN_PER_SECOND, MAX_P99_SECONDS, MIN_EMBEDDED_PER_SECOND, MAX_GROWTH = 15.0, 6.0, 100.0, 1.1
MAX_KUBO_RATIO, MIN_STORE_RATIO = 1.0, 1.3
VALIDATORS, CONFIRMATIONS = 4, 2
PARTS = ("ingest", "validators", "embedded")
CLI = (sys.executable, "-m", "archive_api.cli")
_UNLIMITED = ("REQUESTS_PER_SECOND", "REQUESTS_BURST", "COSTLY_PER_SECOND", "COSTLY_BURST")
Place: TypeAlias = tuple[Home, str, str, Callable[[], dict[str, float]]]
_DECILES, _SAMPLE_SECONDS = 10, 1.0
_TICKS = os.sysconf("SC_CLK_TCK")


def say(words: str) -> None:
    """Tell what is being done."""
    print(words, flush=True)


@contextmanager
def city(folder: Path, geth: Path, programs: Path) -> Iterator[Place]:
    """Validators, database, and the archive's processes: home, address, database, and processor seconds by process."""
    with ExitStack() as stack:
        home = create_home(folder / "home", code=ARCHIVE.code, name=ARCHIVE.name, p256_tables=True)
        chain_id = home.config.chain_id
        validators = stack.enter_context(running_validators(folder, geth, chain_id=chain_id, count=VALIDATORS))
        # It stays idle, but processes of several roles share no store of blocks.
        (ipfs,) = stack.enter_context(running_nodes(folder / "ipfs", obtain("ipfs", say), count=1))
        postgres = stack.enter_context(running_postgres(folder / "postgres", programs))
        url = postgres.create_database("archive")
        port, *metrics = free_ports(4)
        urls = [validator.rpc_url for validator in validators]
        environment = {
            "YUNSHANG_DATABASE_URL": url,
            "YUNSHANG_RPC_URL": urls[0],
            "YUNSHANG_RPC_FALLBACK_URLS": json.dumps(urls[1:]),
            "YUNSHANG_CONFIRMATIONS": str(CONFIRMATIONS),
            "YUNSHANG_API_PROCESSES": "1",
            "YUNSHANG_IPFS_ADDRESSES": json.dumps([ipfs.address]),
            "YUNSHANG_IPFS_REPLICAS": "1",
            **{f"YUNSHANG_{name}": "1000000" for name in _UNLIMITED},
        }
        authority = stated_authority(folder / "home")  # somebody else's, in truth: it answers about revocation and time
        if authority is not None:
            stated = int(authority.rpartition(":")[2])
            command = [*CLI, "authority", "serve", "--home", str(folder / "home"), "--json"]
            process = stack.enter_context(daemon(command, log=folder / "authority.log"))
            wait_for(lambda: is_listening(stated), process, log=folder / "authority.log", name="authority")
        processes = {}
        for role, metric in zip(("logs", "worker", "api"), metrics, strict=True):
            log = folder / f"{role}.log"
            command = [*CLI, "up", "--home", str(folder / "home"), "--role", role, "--json"]
            command += ["--port", str(port)] if role == "api" else []
            own = environment | {"YUNSHANG_METRICS_ADDRESS": f"127.0.0.1:{metric}"}
            process = stack.enter_context(daemon(command, log=log, environment=own))
            up = port if role == "api" else metric
            wait_for(lambda up=up: is_listening(up), process, log=log, name=role)  # type: ignore[misc]
            processes[role] = process.pid

        def spent() -> dict[str, float]:
            found = {name: cpu(pid) for name, pid in processes.items()}
            found["validators_and_others"] = cpu(os.getpid()) - time.process_time() - sum(found.values())
            return found

        yield home, f"http://127.0.0.1:{port}", url, spent


@contextmanager
def desk(folder: Path) -> Iterator[Place]:
    """The same of a home with its embedded node, in one process."""
    root = folder / "home"
    home = create_home(root, code=ARCHIVE.code, name=ARCHIVE.name)
    environment = os.environ | {f"YUNSHANG_{name}": "1000000" for name in _UNLIMITED}
    command = [*CLI, "up", "--home", str(root), "--json"]
    with (folder / "archive.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    with process:
        try:
            said = process.stdout.readline() if process.stdout else ""
            if not said:
                raise SystemExit(f"expected the archive to start, got its end; see {folder / 'archive.log'}")
            yield (
                home,
                str(json.loads(said)["api"]),
                f"sqlite:///{home.database_path}",
                lambda: apart(process.pid),
            )
        finally:
            process.terminate()
            process.wait(120)


def cpu(pid: int) -> float:
    """Processor seconds of a process and its children so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    total = (int(fields[11]) + int(fields[12])) / _TICKS
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += sum(cpu(int(child)) for child in (task / "children").read_text("ascii").split())
    return total


def apart(pid: int) -> dict[str, float]:
    """Processor seconds of the archive's own process, and of each program that it started, by name."""
    found = {"archive": cpu(pid)}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text("ascii").split():
            name, spent = Path(f"/proc/{child}/comm").read_text().strip(), cpu(int(child))
            found[name] = found.get(name, 0.0) + spent
            found["archive"] -= spent
    return found


class Sampled:
    """Processor seconds of each process, looked at each second while a run lasts.

    Args:
        spent: processor seconds by process so far.
    """

    def __init__(self, spent: Callable[[], dict[str, float]]) -> None:
        self._spent = spent
        self._samples: list[tuple[float, dict[str, float]]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Sampled:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def between(self, begin: float, end: float) -> dict[str, float]:
        """Processor seconds by process between two times of the monotonic clock."""
        before, after = self._at(begin), self._at(end)
        return {name: after[name] - before[name] for name in after}

    def _at(self, moment: float) -> dict[str, float]:
        place = bisect_left(self._samples, moment, key=lambda one: one[0])
        return self._samples[min(place, len(self._samples) - 1)][1]

    def _look(self) -> None:
        while True:
            self._samples.append((time.monotonic(), self._spent()))
            if self._ended.wait(_SAMPLE_SECONDS):
                self._samples.append((time.monotonic(), self._spent()))
                return


def deciles(ends: Sequence[float], count: int, sampled: Sampled) -> list[dict[str, Any]]:
    """Time and processor time of a submission in each tenth of a run.

    Args:
        ends: when each was seen to be confirmed, ascending; all of them, those seen together with the last included.
        count: of those that the run is about.
        sampled: processor time while they were.
    """
    found: list[dict[str, Any]] = []
    for number in range(_DECILES):
        begin, end = (ends[min(count * place // _DECILES, count - 1)] for place in (number, number + 1))
        # Many are seen at one time: those at the beginning were done before it, those at the end within it.
        done = bisect_right(ends, end) - bisect_right(ends, begin)
        if done:
            cpu_ms = {name: 1e3 * seconds / done for name, seconds in sampled.between(begin, end).items()}
            found.append({"ms_each": 1e3 * (end - begin) / done, "cpu_ms_each": cpu_ms})
    return found


def sustained(timed: Timed, count: int, sampled: Sampled) -> dict[str, Any]:
    """Rate and growth of a run that kept as many under way as there was room for."""
    ends = sorted(timed.confirmed.values())
    waits, parts = timed.waits(), deciles(ends, count, sampled)
    return {
        "submissions": count,
        "per_second": count / (ends[count - 1] - min(timed.sent.values())),
        "growth": parts[-1]["ms_each"] / parts[0]["ms_each"],
        "p50_seconds": waits[len(waits) // 2],
        "p99_seconds": waits[int(len(waits) * 0.99)],
        "deciles": parts,
    }


def measure_anchoring(
    place: tuple[Home, str, str, Callable[[], dict[str, float]]],
    options: argparse.Namespace,
    *,
    window: int,
    rate: bool,
) -> dict[str, Any]:
    """Prepare, run, and tell."""
    home, api, database_url, spent = place
    trust = TrustFile.parse(home.trust_path.read_bytes())
    load = Load(home.root, api=api, database_url=database_url, domain=trust.domain)
    offered = int(options.rate * options.offered_seconds) if rate else 0
    try:
        say("  preparing parties, unit projects and seals")
        load.prepare(units=max(window, options.units), submissions=options.submissions + window + offered + window)
        say(f"  anchoring {options.submissions}, {window} at a time")
        before, begun = spent(), time.monotonic()
        with Sampled(spent) as sampled:
            timed = load.run(options.submissions, window=window)
        found = sustained(timed, options.submissions, sampled)
        used = {name: seconds - before[name] for name, seconds in spent().items()}
        found["cpu_ms_each"] = {name: 1e3 * seconds / options.submissions for name, seconds in used.items()}
        found["seconds"] = time.monotonic() - begun
        if rate:
            say(f"  anchoring {options.rate:g} a second for {options.offered_seconds:g} s")
            time.sleep(8)  # what the run before left under way
            waits = load.run(offered, rate=options.rate).waits()
            found["offered"] = {
                "per_second": options.rate,
                "submissions": len(waits),
                "p50_seconds": waits[len(waits) // 2],
                "p99_seconds": waits[int(len(waits) * 0.99)],
            }
    finally:
        load.close()
    return found


def rounded(value: Any) -> Any:
    """Figures as they are told."""
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, 3) if isinstance(value, float) else value


def table(rows: list[tuple[str, str, str, bool]]) -> None:
    """What was asked and measured."""
    width = max(len(name) for name, *_ in rows)
    for name, asked, measured, met in rows:
        print(f"{name:<{width}}  asked {asked:>10}  measured {measured:>10}  {'ok' if met else 'MISSED'}")


def main() -> int:
    """Entry: 0, or 1 where a figure was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help="some of " + ",".join(PARTS))
    parser.add_argument("--submissions", type=int, default=5_000)
    parser.add_argument("--units", type=int, default=100, help="unit projects at least; a window has one for each")
    parser.add_argument("--window", type=int, default=96, help="submissions under way at a time, on validators")
    parser.add_argument("--embedded-window", type=int, default=400, help="the same on the embedded node")
    parser.add_argument("--rate", type=float, default=8.0, help="offered a second")
    parser.add_argument("--offered-seconds", type=float, default=45.0)
    parser.add_argument("--megabytes", type=int, default=300, help="of the tree that is put in")
    parser.add_argument("--directory", help="where everything is; default: the system's temporary directory")
    options = parser.parse_args()
    parts = options.parts.split(",")
    if not set(parts) <= set(PARTS):
        parser.error(f"expected parts of {','.join(PARTS)}, got {options.parts}")
    found: dict[str, Any] = {"load_before": os.getloadavg()[0]}
    rows: list[tuple[str, str, str, bool]] = []
    with tempfile.TemporaryDirectory(prefix="yunshang-bench-", dir=options.directory) as name:
        folder = Path(name)
        if "ingest" in parts:
            say("ingest")
            found["ingest"] = ingest = measure_ingest(
                folder / "ingest", obtain("ipfs", say), options.megabytes * 10**6, say
            )
            kubo, store = ingest["kubo_ratio"], ingest["store_ratio"]
            rows.append(("into Kubo, time beside ipfs add -r", "<= 1.0", f"{kubo:.2f}", kubo <= MAX_KUBO_RATIO))
            rows.append(("into the store, times as fast", ">= 1.3", f"{store:.2f}", store >= MIN_STORE_RATIO))
        if "validators" in parts:
            say("four validators")
            (folder / "city").mkdir()
            with city(folder / "city", obtain("geth", say), obtain("postgres", say)) as place:
                found["validators"] = run = measure_anchoring(place, options, window=options.window, rate=True)
            speed, p99, growth = run["per_second"], run["offered"]["p99_seconds"], run["growth"]
            rows.append(("validators, submissions/s", ">= 15", f"{speed:.1f}", speed >= MIN_PER_SECOND))
            rows.append(("  last decile beside the first", "<= 1.1", f"{growth:.2f}", growth <= MAX_GROWTH))
            rows.append((f"  p99 at {options.rate:g}/s, s", "<= 6", f"{p99:.2f}", p99 <= MAX_P99_SECONDS))
        if "embedded" in parts:
            say("embedded node")
            (folder / "desk").mkdir()
            with desk(folder / "desk") as place:
                found["embedded"] = run = measure_anchoring(place, options, window=options.embedded_window, rate=False)
            speed, growth = run["per_second"], run["growth"]
            rows.append(("embedded node, submissions/s", ">= 100", f"{speed:.1f}", speed >= MIN_EMBEDDED_PER_SECOND))
            rows.append(("  last decile beside the first", "<= 1.1", f"{growth:.2f}", growth <= MAX_GROWTH))
    table(rows)
    found |= {"load": os.getloadavg()[0], "met": all(met for *_, met in rows)}
    print(json.dumps(rounded(found)))
    return 0 if found["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
