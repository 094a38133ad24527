#!/usr/bin/env python3
"""Measure the access log: appending durably from many threads, proofs under that load, and auditing a long log.

Usage: bench_log.py [--entries N]. Entries are made as the server makes them, with clear text that a second thread takes
over into SQLite meanwhile. The long log has a row of clear text for each entry and a head every 10,000 entries, and is
audited from disk by as many processes as there are cores. The last line is JSON. Exit 1: a figure was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert

from archive_api.access_log.audit import Audit, in_processes
from archive_api.access_log.events import AccessEvent, Outcome
from archive_api.access_log.models import ClearRow
from archive_api.access_log.sources import ClearTexts
from archive_api.access_log.streams import AccessStream
from archive_api.db.engine import Database
from ledger.adapters.clock import SystemClock
from ledger.adapters.log_files import LogFiles
from ledger.adapters.log_writer import LogWriter
from ledger.log.access import AccessEntry, ClearText, clear_commitment
from ledger.log.checkpoint import Checkpoint
from ledger.log.keys import LogSigner
from ledger.log.proofs import TreeReader
from ledger.merkle import verify_inclusion
from ledger.ports.chain import AnchoredCheckpoint
from ledger.ports.log import LogRecord
from ledger.trust import LogPin

THREADS = 16
SECONDS = 10.0
ENTRIES = 1_000_000
HEAD_EVERY = 10_000
MIN_PER_SECOND = 2_000
MAX_PROOF_SECONDS = 2.0
MAX_AUDIT_SECONDS = 60.0
ORIGIN = "yunshang/1/0x00/archive/access"
SUBJECT = {"person_id": "7f0a8a8e-6b0c-4f8e-9d55-0d3f6f3f8f11", "name": "张三", "certificate_id": "ab" * 32}
ROUTE = "/api/v1/documents/{submission_id}/{index}/content"


def event(number: int) -> AccessEvent:
    """A download as the server records it."""
    return AccessEvent(
        "document.download",
        Outcome.GRANTED,
        subject=SUBJECT,
        source="192.0.2.7",
        object_kind="document",
        object_id=f"0x{'5d' * 32}/{number}",
        unit_project_key="0x" + "a1" * 32,
        method="GET",
        route=ROUTE,
        status=200,
    )


def append(folder: Path, signer: LogSigner) -> dict[str, float]:
    """Record from many threads, each waiting for its promise; look for proofs meanwhile."""
    database = Database(f"sqlite:///{folder}/append.db")
    database.migrate()
    log = LogFiles(folder / "append")
    stream = AccessStream(LogWriter(log, ORIGIN, signer=signer, clock=SystemClock()), database)
    stop = threading.Event()
    counts = [0] * THREADS

    def work(place: int) -> None:
        while not stop.is_set():
            stream.record(event(counts[place]))
            counts[place] += 1

    def keep() -> None:
        while not stop.wait(0.5):
            stream.drain()

    threads = [threading.Thread(target=work, args=(place,)) for place in range(THREADS)]
    threads.append(threading.Thread(target=keep))
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    waits = []
    while time.perf_counter() - started < SECONDS:
        asked = time.perf_counter()
        promise = stream.record(event(0))
        while stream.writer.published.size <= promise.index:
            time.sleep(0.005)
        published = stream.writer.published
        verify_inclusion(promise.leaf_hash, TreeReader(log, published.size).inclusion(promise.index), published.root)
        waits.append(time.perf_counter() - asked)
    stop.set()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    stream.close()
    database.close()
    return {"entries_per_second": sum(counts) / seconds, "slowest_proof_seconds": max(waits)}


def build(folder: Path, signer: LogSigner, count: int) -> list[AnchoredCheckpoint]:
    """A long log with its clear text, and its heads as a chain would tell them."""
    database = Database(f"sqlite:///{folder}/long.db")
    database.migrate()
    heads = []
    now = datetime.now(UTC).replace(microsecond=0)
    clear = ClearText(SUBJECT, "192.0.2.7").canonical()
    with LogFiles(folder / "long") as log:
        for first in range(0, count, HEAD_EVERY):
            numbers = range(first, min(count, first + HEAD_EVERY))
            salts = [os.urandom(32) for _ in numbers]
            entries = [
                _entry(number, now, clear_commitment(salt, clear)) for number, salt in zip(numbers, salts, strict=True)
            ]
            head = log.append([LogRecord(entry) for entry in entries])
            heads.append(AnchoredCheckpoint(head.size, head.root, block_number=len(heads), block_time=int(time.time())))
            rows = [
                {"entry_index": number, "time": 0, "salt": salt.hex(), "clear": clear.decode()}
                for number, salt in zip(numbers, salts, strict=True)
            ]
            with database.transaction() as session:
                session.connection().execute(insert(ClearRow), rows)
            log.publish(Checkpoint(ORIGIN, head.size, head.root).sign(signer), head.size)
    database.close()
    return heads


def _entry(number: int, now: datetime, personal: bytes) -> bytes:
    made = event(number)
    return AccessEntry(
        now,
        action=made.action,
        outcome=made.outcome.value,
        personal=personal,
        object_kind=made.object_kind,
        object_id=made.object_id,
        unit_project_key=made.unit_project_key,
        method=made.method,
        route=made.route,
        status=made.status,
    ).canonical()


def audit(folder: Path, signer: LogSigner, heads: list[AnchoredCheckpoint]) -> float:
    """Audit the long log; the seconds it took."""
    started = time.perf_counter()
    database = Database(f"sqlite:///{folder}/long.db")
    log = LogFiles(folder / "long", read_only=True)
    clear = ClearTexts(database, log)
    given = Audit(
        origin=ORIGIN,
        pin=LogPin("yunshang/", signer.key.public, 300),
        anchored=heads,
        now=datetime.now(UTC),
        clear=clear.of,
        surplus=clear.surplus,
        run=in_processes(os.cpu_count() or 1),
    )
    report = given.check(log, log.checkpoint())
    database.close()
    if report.outcome != "PASSED" or report.size != heads[-1].size or len(report.confirmed) != len(heads) + 1:
        raise SystemExit(f"expected a log that passes, got {report.to_json()}")
    return time.perf_counter() - started


def main() -> int:
    """Entry: 0, or 1 where a figure was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=ENTRIES, help="of the long log")
    count = parser.parse_args().entries
    signer = LogSigner.from_seed(os.urandom(32))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = append(folder, signer)
        print(f"append, durable, {THREADS} threads: {figures['entries_per_second']:.0f} entries/s")
        print(f"proof under a checkpoint, slowest: {figures['slowest_proof_seconds']:.2f} s")
        heads = build(folder, signer, count)
        figures["audit_entries"] = count
        figures["audit_seconds"] = audit(folder, signer, heads)
        print(f"audit of {count} entries: {figures['audit_seconds']:.1f} s, {os.cpu_count()} processes")
    met = (
        figures["entries_per_second"] >= MIN_PER_SECOND
        and figures["slowest_proof_seconds"] <= MAX_PROOF_SECONDS
        and figures["audit_seconds"] <= MAX_AUDIT_SECONDS * count / ENTRIES
    )
    print(json.dumps({name: round(value, 3) for name, value in figures.items()} | {"met": met}))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
