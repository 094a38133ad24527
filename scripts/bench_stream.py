#!/usr/bin/env python3
"""Measure streams of records: places for waiting captures, and consistency proofs between many checkpoints.

Usage: bench_stream.py [--captures N] [--checkpoints N] [--database URL]. Captures of 100 records wait in a catalogue
(SQLite in a new folder, unless a URL names an empty database) and get their places; `cpu_microseconds_per_entry` is of
the whole process, the catalogue's part included. The other log has had as many heads as asked for, each of a size of
its own; proofs between two of them are read from its files as the server's routes do, and verified. The last line is
JSON. Exit 1: a figure was missed.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import cast

from sqlalchemy import insert
from sqlmodel import select

from archive_api.db.engine import Database
from archive_api.services import Services
from archive_api.streams.keys import StreamKey, StreamName
from archive_api.streams.models import CaptureRow, StreamRow
from archive_api.streams.reading import LogReading, StoredLog
from archive_api.streams.registry import Streams
from archive_api.streams.sequencer import Sequencer
from ledger.adapters.clock import SystemClock
from ledger.adapters.log_files import LogFiles
from ledger.adapters.signed_log import SignedLog
from ledger.log.keys import LogSigner
from ledger.merkle import verify_consistency
from ledger.ports.log import LogRecord
from ledger.trust import CONTRACT_NAMES, ContractPin, TrustFile

RECORDS = 100
CAPTURES = 5_000
CHECKPOINTS = 10_000
LARGEST_BATCH = 100
PAIRS = 2_000
MIN_PER_SECOND = 5_000
MAX_CPU_MICROSECONDS = 30.0
MAX_CONSISTENCY_SECONDS = 0.005
CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
KEY = StreamKey(StreamName.SUPPLY, "0x" + "a1" * 32)
TRUST = TrustFile(
    ca_roots=(b"none",),
    chain_id=1,
    genesis_hash=bytes(32),
    contracts={name: ContractPin(bytes(20), bytes(32)) for name in CONTRACT_NAMES},
    archive_organisation="91440101MA5000009A",
    archive_certificates=(),
)


@dataclass
class Parts:
    """What the sequencer needs of the server."""

    database: Database
    streams: Streams

    def now(self) -> datetime:
        """The present time."""
        return SystemClock().now()


def waiting(parts: Parts, captures: int) -> None:
    """Write captures that have no places yet."""
    now = parts.now()
    with parts.database.transaction() as session:
        stream = StreamRow(
            name=KEY.name, building_key=KEY.building_key, origin=parts.streams.origin(KEY), created_at=now
        )
        session.add(stream)
        session.flush()
        rows = [
            {
                "stream_id": stream.id,
                "capture_id": "0x" + sha256(f"capture {number}".encode()).hexdigest(),
                "reporter": "91440101MA5000001X",
                "reporter_name": "粤海建工集团有限公司",
                "statement": "{}",
                "signing_time": 0,
                "signature": "",
                "certificate_id": "",
                "content_cid": CID,
                "record_count": RECORDS,
                "record_ids": json.dumps(
                    [f"ni:///sha-256;{sha256(f'{number} {n}'.encode()).hexdigest()}?ver=CBV2.0" for n in range(RECORDS)]
                ),
                "record_sha256s": "".join(sha256(f"{number}/{n}".encode()).hexdigest() for n in range(RECORDS)),
                "sent_by": "bench",
                "created_at": now,
            }
            for number in range(captures)
        ]
        session.connection().execute(insert(CaptureRow), rows)


def sequence(folder: Path, captures: int, url: str | None) -> dict[str, float]:
    """Give waiting captures their places, as the server's thread does."""
    database = Database(url or f"sqlite:///{folder}/captures.db")
    database.migrate()
    streams = Streams(
        folder / "logs", signer=LogSigner.from_seed(bytes(32)), trust=TRUST, clock=SystemClock(), publish_seconds=1.0
    )
    parts = Parts(database, streams)
    waiting(parts, captures)
    sequencer = Sequencer(cast(Services, parts))
    started, cpu = time.perf_counter(), time.process_time()
    added = sequencer.round(publish=True)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    with database.reading() as session:
        left = session.exec(select(CaptureRow.id).where(CaptureRow.first_index == None)).all()  # noqa: E711 - SQL
    streams.close()
    database.close()
    if added != captures * RECORDS or left:
        raise SystemExit(f"expected {captures * RECORDS} entries, got {added}")
    return {"entries_per_second": added / seconds, "cpu_microseconds_per_entry": cpu / added * 1e6}


def checkpoints(folder: Path, count: int) -> list[tuple[int, bytes]]:
    """A log, and the size and root of each of its heads."""
    draw = random.Random(1)  # the same log every time
    log = SignedLog(LogFiles(folder / "long"), TRUST.origin(KEY.owner, KEY.name), signer=LogSigner.from_seed(bytes(32)))
    heads = []
    number = 0
    for _ in range(count):
        batch = range(number, number + draw.randint(1, LARGEST_BATCH))
        head = log.append([LogRecord(f"entry {index} ".encode() * 20) for index in batch])
        number = batch.stop
        heads.append((head.size, head.root))
    log.publish()
    log.close()
    return heads


def consistency(folder: Path, count: int) -> dict[str, float]:
    """Prove that random checkpoints of the log are consistent, one request after another."""
    heads = checkpoints(folder, count)
    draw = random.Random(2)  # the same pairs every time
    times: list[float] = []
    cpu_seconds = 0.0
    for _ in range(PAIRS):
        (old_size, old_root), (new_size, new_root) = sorted(draw.sample(heads, 2))
        started, cpu = time.perf_counter(), time.process_time()
        log = StoredLog(
            TRUST.origin(KEY.owner, KEY.name),
            LogSigner.from_seed(bytes(32)).key,
            LogFiles(folder / "long", read_only=True),
        )
        answer = LogReading(KEY.name, log).consistency(old_size, new_size)
        times.append(time.perf_counter() - started)
        cpu_seconds += time.process_time() - cpu
        path = [bytes.fromhex(item) for item in answer.path]
        verify_consistency(old_size, old_root, new_size, new_root=new_root, path=path)
    times.sort()
    return {
        "consistency_p50_ms": statistics.median(times) * 1000,
        "consistency_p95_ms": times[int(len(times) * 0.95)] * 1000,
        "consistency_max_ms": times[-1] * 1000,
        "consistency_cpu_ms": cpu_seconds / len(times) * 1000,
        "checkpoints": len(heads),
        "log_entries": heads[-1][0],
    }


def main() -> int:
    """Run both, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captures", type=int, default=CAPTURES)
    parser.add_argument("--checkpoints", type=int, default=CHECKPOINTS)
    parser.add_argument("--database")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        figures = sequence(Path(directory), given.captures, given.database)
        print(
            f"places: {figures['entries_per_second']:,.0f} entries/s, "
            f"{figures['cpu_microseconds_per_entry']:.1f} µs CPU an entry"
        )
        figures |= consistency(Path(directory), given.checkpoints)
        print(
            f"consistency between {figures['checkpoints']:,} checkpoints: p50 {figures['consistency_p50_ms']:.2f} ms, "
            f"p95 {figures['consistency_p95_ms']:.2f} ms, max {figures['consistency_max_ms']:.2f} ms"
        )
    met = (
        figures["entries_per_second"] >= MIN_PER_SECOND
        and figures["cpu_microseconds_per_entry"] <= MAX_CPU_MICROSECONDS
        and figures["consistency_p95_ms"] <= MAX_CONSISTENCY_SECONDS * 1000
    )
    print(json.dumps({name: round(value, 3) for name, value in figures.items()} | {"met": met}))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
