#!/usr/bin/env python3
"""Measure capturing: sealed captures of profile events over HTTP into a real server, until their proofs are there.

Usage: bench_capture.py [--seconds 60] [--database URL] [--clients 8] [--size 100] [--rate 5000]. The database is SQLite
in the home by default; another one must be empty, such as `postgresql+psycopg://user@/bench?host=/run/postgresql`. A
process of its own makes and seals the captures before anything is measured, as many as `--rate` events a second would
take; the server (node, store, log, sequencer as `yunshang up` has them) is another process, the client this one. What
is counted is what was answered with 202 within the time. The last line is JSON. Exit 1: a figure was missed.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from archive_api.client import Connection
from archive_api.client.supply import SEAL_HEADER, prepare_capture, seal_header
from archive_api.home import init_home, load_home
from ledger.fields import utc_text
from ledger.identifiers import check_digit, validate_uscc
from ledger.supply.document import event_document
from ledger.supply.sample import clean_project
from ledger.trust import TrustFile
from signing import cades
from signing.authority import DevelopmentAuthority, generate_key
from signing.certificates import OrganisationCertificate
from signing.keystore import Pkcs12KeyStore, encode_pkcs12
from signing.personal import InMemoryPersonalKey

MIN_PER_SECOND = {"sqlite": 2_000, "postgresql": 4_000}
MAX_PROOF_SECONDS = 2.0
PROBE_SECONDS = 1.0
POLL_SECONDS = 0.25
"""Between two questions for a proof: each costs the server a tenth of what a capture does."""
PASSPHRASE = "bench"
_HEAD = struct.Struct(">II")


def code(number: int) -> str:
    """A valid unified social credit code."""
    prefix = f"91440101MA5{number:06d}"
    return prefix + check_digit(prefix)


def make_home(folder: Path) -> tuple[InMemoryPersonalKey, OrganisationCertificate, bytes]:
    """A home; the desk's personal key, the reporter's certificate, and its key as PKCS#12."""
    now = datetime.now(UTC).replace(microsecond=0)
    authority = DevelopmentAuthority.create(
        "测试根证书", not_before=now - timedelta(days=2), not_after=now + timedelta(days=3650)
    )
    dates = {"not_before": now - timedelta(days=1), "not_after": now + timedelta(days=365)}
    checked = {"validate_code": validate_uscc, **dates}
    archive = authority.issue_key_store(code=code(99), name="云上市城建档案馆", **checked)
    key = generate_key()
    reporter = authority.issue(key.public_key(), code=code(1), name="粤海建工集团有限公司", **checked)
    desk = authority.issue_personal_key(name="演示台", **dates)
    init_home(
        folder,
        archive_organisation=archive.certificate.organisation_code,
        archive_name=archive.certificate.organisation_name,
        archive_certificates=[archive.certificate.der],
        ca_roots=[authority.root_certificate],
        desk_certificate=desk.certificate.der,
    )
    sealing = encode_pkcs12(key, reporter.der, passphrase=PASSPHRASE, name="reporter")
    return desk, reporter, sealing


def serve(folder: Path, database: str | None) -> None:
    """The server's process: as `archive_api.serve.run`, with another database where one is given."""
    from archive_api import serve as serving
    from archive_api.settings import Settings

    home = load_home(folder)
    if database is not None:
        usual = Settings.for_home

        def elsewhere(*args: Any, **kwargs: Any) -> Settings:
            return usual(*args, **kwargs).model_copy(update={"database_url": database})

        Settings.for_home = elsewhere  # type: ignore[method-assign]
    serving.run(home, ready_callback=lambda address: print(address.api, flush=True), port=0)


def generate(path: Path, building_key: str, trust: Path, key: Path, *, count: int, size: int) -> None:
    """The generator's process: sealed captures, one after another, each with its header's length and its own."""
    domain = TrustFile.parse(trust.read_bytes()).domain
    store = Pkcs12KeyStore(key, PASSPHRASE)
    waiting: list[dict[str, Any]] = []
    seed = 0
    with path.open("wb") as out:
        for _ in range(count):
            while len(waiting) < size:
                seed += 1
                waiting += [dict(event.record) for event in clean_project(seed).events if event.stream == "supply"]
            events, waiting = waiting[:size], waiting[size:]
            document = event_document(events, creation_date="2026-11-28T08:00:00Z")
            data = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
            payload = prepare_capture(data, building_key=building_key).payload(domain)
            value = cades.seal(payload, store, datetime.now(UTC).replace(microsecond=0))
            seal = seal_header(
                {
                    "signing_time": utc_text(value.signing_time),
                    "signature": base64.b64encode(value.signature).decode(),
                    "certificate": base64.b64encode(value.certificate).decode(),
                }
            ).encode()
            out.write(_HEAD.pack(len(seal), len(data)) + seal + data)


def captures(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """What `generate` wrote: seal and document."""
    with path.open("rb") as file:
        while head := file.read(_HEAD.size):
            seal, data = _HEAD.unpack(head)
            yield file.read(seal), file.read(data)


class Client:
    """Sends captures from several threads, and looks for the proof of one of them now and then."""

    def __init__(self, address: str, token: str, building_key: str, size: int) -> None:
        parts = urlsplit(address)
        self._host, self._port = parts.hostname, parts.port
        self._root = f"/api/v1/buildings/{building_key}"
        self._token = token
        self._size = size
        self._lock = threading.Lock()
        self._probe_at = 0.0
        self.waits: list[float] = []
        self.proofs: list[float] = []
        self.refusals: list[str] = []
        self._probes: list[threading.Thread] = []

    def run(self, source: Iterator[tuple[bytes, bytes]], *, clients: int, seconds: float) -> float:
        """Send until the time is over; returns the seconds that it took."""
        begun = time.monotonic()
        end = begun + seconds
        threads = [threading.Thread(target=self._send, args=(source, end)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.monotonic() - begun
        for thread in self._probes:
            thread.join()
        return taken

    def _send(self, source: Iterator[tuple[bytes, bytes]], end: float) -> None:
        connection = http.client.HTTPConnection(self._host or "", self._port)
        while time.monotonic() < end:
            with self._lock:
                found = next(source, None)
            if found is None:
                return
            seal, data = found
            headers = self._headers() | {SEAL_HEADER: seal.decode(), "Content-Type": "application/ld+json"}
            begun = time.monotonic()
            connection.request("POST", f"{self._root}/epcis/capture", body=data, headers=headers)
            response = connection.getresponse()
            answer = response.read()
            now = time.monotonic()
            with self._lock:
                if response.status != 202:
                    self.refusals.append(answer.decode()[:300])
                    continue
                self.waits.append(now - begun)
                if now >= self._probe_at:
                    self._probe_at = now + PROBE_SECONDS
                    thread = threading.Thread(target=self._await_proof, args=(json.loads(answer)["captureID"], now))
                    self._probes.append(thread)
                    thread.start()

    def _await_proof(self, capture_id: str, since: float) -> None:
        connection = http.client.HTTPConnection(self._host or "", self._port)
        place = None
        while time.monotonic() < since + 60:
            path = f"{self._root}/epcis/capture/{capture_id}"
            if place is not None:
                path = f"{self._root}/logs/supply/entries/{place + self._size - 1}/proof"
            connection.request("GET", path, headers=self._headers())
            response = connection.getresponse()
            answer = json.loads(response.read())
            if response.status == 200 and place is not None:
                self.proofs.append(time.monotonic() - since)
                return
            place = answer.get("firstIndex", place)
            time.sleep(POLL_SECONDS)
        self.proofs.append(60.0)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}


@contextmanager
def server(folder: Path, database: str | None) -> Iterator[str]:
    """The server's address, while it runs."""
    command = [sys.executable, __file__, "--serve", str(folder)]
    command += ["--database", database] if database else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = (process.stdout.readline() if process.stdout else "").strip()
            if not address:
                raise SystemExit("expected the server to start, got its end")
            yield address
        finally:
            process.terminate()
            process.wait(60)


def prepare(connection: Connection, reporter: OrganisationCertificate) -> str:
    """Register the reporter and a building; returns its key."""
    der = base64.b64encode(reporter.der).decode()
    connection.post("/certificates", {"certificate": der})
    building = connection.post("/buildings", {"scheme": "yunshang", "value": "440106-T000001", "name": "测量楼"})
    deadline = time.monotonic() + 60
    identifier = reporter.certificate_id.hex()
    while connection.get(f"/certificates/{identifier}")["status"] != "registered":
        if time.monotonic() > deadline:
            raise SystemExit("expected the reporter's certificate to be registered, got none after a minute")
        time.sleep(0.2)
    return str(building["building_key"])


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Build everything, send, and gather the figures."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="yunshang-bench-", dir=options.directory)))
        home = folder / "home"
        desk, reporter, sealing = make_home(home)
        key = folder / "reporter.p12"
        key.write_bytes(sealing)
        address = stack.enter_context(server(home, options.database))
        connection = Connection(address, key=desk)
        building_key = prepare(connection, reporter)
        spool = folder / "captures"
        count = max(1, int(options.seconds * options.rate / options.size))
        print(f"sealing {count} captures of {options.size} events", flush=True)
        command = [sys.executable, __file__, "--generate", str(spool), building_key, str(home / "trust.json"), str(key)]
        subprocess.run([*command, "--count", str(count), "--size", str(options.size)], check=True)
        token = connection._authorization()["Authorization"].removeprefix("Bearer ")
        client = Client(address, token, building_key, options.size)
        taken = client.run(captures(spool), clients=options.clients, seconds=options.seconds)
        if client.refusals:
            raise SystemExit(f"expected 202, got {len(client.refusals)} refusals, first {client.refusals[0]}")
        connection.close()
    waits = sorted(client.waits)
    return {
        "database": urlsplit(options.database or "sqlite:").scheme.partition("+")[0],
        "seconds": taken,
        "captures": len(waits),
        "events": len(waits) * options.size,
        "events_per_second": len(waits) * options.size / taken,
        "capture_p50_ms": 1e3 * waits[len(waits) // 2],
        "capture_p99_ms": 1e3 * waits[int(len(waits) * 0.99)],
        "proofs_looked_for": len(client.proofs),
        "slowest_proof_seconds": max(client.proofs, default=0.0),
    }


def main() -> int:
    """Entry: 0, or 1 where a figure was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--database", help="SQLAlchemy URL of an empty database; default: SQLite in the home")
    parser.add_argument("--clients", type=int, default=8, help="connections that send at the same time")
    parser.add_argument("--size", type=int, default=100, help="events of a capture")
    parser.add_argument("--rate", type=float, default=6_000, help="events a second that captures are made for")
    parser.add_argument("--directory", help="where the home is; default: the system's temporary directory")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--generate", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.database)
        return 0
    if options.generate:
        spool, building_key, trust, key = options.generate
        generate(Path(spool), building_key, Path(trust), Path(key), count=options.count, size=options.size)
        return 0
    figures = measure(options)
    print(f"{figures['database']}: {figures['events_per_second']:,.0f} events/s over {figures['seconds']:.0f} s")
    print(f"a capture: p50 {figures['capture_p50_ms']:.0f} ms, p99 {figures['capture_p99_ms']:.0f} ms")
    print(f"from 202 to a proof, slowest of {figures['proofs_looked_for']}: {figures['slowest_proof_seconds']:.2f} s")
    met = (
        figures["events_per_second"] >= MIN_PER_SECOND.get(figures["database"], 0)
        and figures["slowest_proof_seconds"] <= MAX_PROOF_SECONDS
    )
    shown = {name: round(value, 3) if isinstance(value, float) else value for name, value in figures.items()}
    print(json.dumps(shown | {"met": met}))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
