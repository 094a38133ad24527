#!/usr/bin/env python3
"""Measure tracing: elements of a building with 1,000,000 events, by the service behind the API.

Usage: bench_trace.py [--events N] [--traces N] [--database URL]. The tables are filled directly, and so is the log that
the proofs come from: thousands of lots of hundreds of products, bought under few contracts, many elements made of
several lots each, one certificate for each product, payments for every tenth lot. Elements are drawn at random and
traced without proofs and with them, each as one request would be: a reading session, the walk, the JSON. The database
is SQLite in a folder of its own by default; another one must be empty, such as
`postgresql+psycopg://user@/bench?host=/run/postgresql`. The last line is JSON. Exit 1: a figure was missed.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from archive_api.db.engine import Database
from archive_api.outbox.models import Job
from archive_api.projects.models import Building
from archive_api.streams.keys import StreamKey, StreamName
from archive_api.streams.models import CaptureRow, StreamRow
from archive_api.streams.registry import Streams
from archive_api.supply.judging import NewEvent
from archive_api.supply.parameters import microseconds
from archive_api.supply.rows import encode_rows
from archive_api.supply.writing import RowPlace, write_rows
from archive_api.tracing.service import trace
from ledger.adapters.clock import SystemClock
from ledger.canonical import canonical_bytes, canonical_record
from ledger.log.keys import LogSigner
from ledger.log.record import RecordEntry
from ledger.merkle import leaf_hash, root_hash
from ledger.ports.log import LogRecord
from ledger.supply.graph import Seed, SeedKind
from ledger.supply.mentions import mentions
from ledger.supply.terms import CONTEXT, STEP_OF_KIND, TRANSACTION_TYPES, EventKind, kind_of

EVENTS = 1_000_000
TRACES = 200
MAX_P95_SECONDS = 0.2
CAPTURE = 100
BUILDING = "0x" + "b1" * 32
CODES = [f"91440101MA5{number:06d}X" for number in range(40)]
CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
START = datetime(2026, 1, 1, tzinfo=UTC)
CONTRACTS = 60
PRODUCTS = 400
LOTS_A_DELIVERY = 4
ELEMENTS_A_LOT = 40
LOTS_A_PAYMENT = 10

JSON = dict[str, Any]


def lot(number: int) -> str:
    """Each product has its lots."""
    return f"urn:epc:class:lgtin:6901234.{number % PRODUCTS:06d}.L{number}"


def element(number: int) -> str:
    """A GlobalId."""
    return f"{number:022d}"


def hash_id(record: JSON) -> str:
    """Any id of the same form, since nothing here is compared with another capture."""
    return f"ni:///sha-256;{sha256(canonical_record(record)).hexdigest()}?ver=CBV2.0"


class Project:
    """The events, stream by stream, in the order of time."""

    def __init__(self, events: int) -> None:
        self._draw = random.Random(1)
        self.lots = max(20, events * 2 // (9 + 2 * ELEMENTS_A_LOT))  # four and a half events and those of the elements
        self.elements = max(20, self.lots * ELEMENTS_A_LOT // 4)  # each is made of four lots, on average
        self._time = START
        self.accepted: list[str] = []
        self.built: set[str] = set()

    def supply(self) -> Iterator[JSON]:
        """What happened to goods."""
        for number in range(CONTRACTS):
            yield self.event(EventKind.CONTRACT, [], type="TransactionEvent", transactions={"contract": number})
        for number in range(PRODUCTS):
            product = f"urn:epc:idpat:sgtin:6901234.{number:06d}.*"
            named = {"contract": number % CONTRACTS, "order": number}
            yield self.event(EventKind.ORDER, [product], type="TransactionEvent", transactions=named)
        for first in range(0, self.lots, LOTS_A_DELIVERY):
            delivery = [lot(number) for number in range(first, first + LOTS_A_DELIVERY)]
            for number, name in enumerate(delivery, first):
                made = f"urn:epc:idpat:sgtin:6901234.{number % PRODUCTS:06d}.*"
                certificate = sha256(b"certificate %d" % (number % PRODUCTS)).hexdigest()
                yield self.event(EventKind.COMMISSIONING, [name], **{"class": made, "documents": [certificate]})
            yield self.event(EventKind.SHIPMENT, delivery, delivery=f"D{first}")
            yield self.event(EventKind.ARRIVAL, delivery, delivery=f"D{first}")
            for number, name in enumerate(delivery, first):
                report = sha256(b"report %d" % number).hexdigest()
                yield self.event(EventKind.SAMPLING, [name], sample=f"S{number}")
                yield self.event(EventKind.TEST_REPORT, [name], report=report, result="pass")
                named = {"contract": number % PRODUCTS % CONTRACTS}
                accepted = self.event(EventKind.ACCEPTANCE, [name], reports=[report], transactions=named)
                self.accepted.append(hash_id(accepted))
                yield accepted
                for _ in range(ELEMENTS_A_LOT):
                    built = element(self._draw.randrange(self.elements))
                    self.built.add(built)
                    yield self.event(EventKind.INSTALLATION, [name], elements=[{"yunshang:globalId": built}])

    def funds(self) -> Iterator[JSON]:
        """What was paid for it."""
        for first in range(0, len(self.accepted), LOTS_A_PAYMENT):
            covered = self.accepted[first : first + LOTS_A_PAYMENT]
            numbers = {"contract": first % CONTRACTS, "application": first}
            money = {"type": "TransactionEvent", "amount": "1000.00", "currency": "CNY"}
            yield self.event(EventKind.PAYMENT_APPLICATION, [], coveredEvents=covered, transactions=numbers, **money)
            yield self.event(EventKind.PAYMENT_APPROVAL, [], transactions=numbers | {"approval": first}, **money)
            paid = {"contract": first % CONTRACTS, "approval": first, "payment": first}
            yield self.event(EventKind.PAYMENT, [], transactions=paid, **money)

    def event(self, kind: EventKind, lots: list[str], **members: Any) -> JSON:
        self._time += timedelta(seconds=20)
        record = {
            "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld", dict(CONTEXT)],
            "type": members.pop("type", "ObjectEvent"),
            "action": "OBSERVE",
            "bizStep": STEP_OF_KIND[kind],
            "eventTime": self._time.isoformat(),
            "eventTimeZoneOffset": "+08:00",
            "yunshang:note": "第一标段",
        }
        if lots:
            record["quantityList"] = [{"epcClass": name, "quantity": 12.5, "uom": "TNE"} for name in lots]
        named = members.pop("transactions", {})
        if named:
            record["bizTransactionList"] = [
                {
                    "type": TRANSACTION_TYPES[word],
                    "bizTransaction": f"urn:yunshang:{word}:{CODES[0]}:{word.upper()}-{number}",
                }
                for word, number in named.items()
            ]
        return record | {f"yunshang:{name}": value for name, value in members.items()}


def fill(database: Database, streams: Streams, project: Project) -> int:
    """Fill tables and logs; returns how many events there are."""
    with database.transaction() as session:
        job = Job(kind="bench", subject="bench", created_at=START, updated_at=START)
        session.add(job)
        session.flush()
        session.add(
            Building(
                building_key=BUILDING,
                scheme="yunshang",
                value="440106-B000001",
                name="一号楼",
                job_id=job.id or 0,
                created_at=START,
            )
        )
    count = capture_pk = 0
    for name, records in ((StreamName.SUPPLY, project.supply()), (StreamName.FUNDS, project.funds())):
        key = StreamKey(name, BUILDING)
        with database.transaction() as session:
            row = StreamRow(name=name.value, building_key=BUILDING, origin=streams.origin(key), created_at=START)
            session.add(row)
            session.flush()
            stream_id = row.id or 0
        first_index = 0
        with streams.writing(key) as stream:
            for some in _grouped(records, CAPTURE * 100):
                with database.transaction() as session:
                    for first in range(0, len(some), CAPTURE):
                        capture_pk += 1
                        captured = some[first : first + CAPTURE]
                        entries = _capture(session, captured, capture_pk, stream_id, first_index)
                        stream.log.append([LogRecord(entry) for entry in entries])
                        first_index += len(captured)
            stream.log.publish()
        count += first_index
        print(f"{name}: {first_index} events", flush=True)
    with database.transaction() as session:
        session.execute(text("ANALYZE"))
    return count


def _grouped(records: Iterator[JSON], size: int) -> Iterator[list[JSON]]:
    some: list[JSON] = []
    for record in records:
        some.append(record)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some


def _new_event(record: JSON, body: bytes, identifier: str) -> NewEvent:
    kind, digits = kind_of(record), identifier[14:78]
    return NewEvent(
        canonical=body,
        hash_id=identifier,
        event_hash=digits,
        pointer="",
        record_sha256=sha256(body).hexdigest(),
        identity=digits,
        event_key=None,
        declares=None,
        event_id=identifier,
        type=record["type"],
        action=record["action"],
        event_time=microseconds(datetime.fromisoformat(record["eventTime"])),
        biz_step=record["bizStep"],
        disposition=None,
        read_point=None,
        biz_location=None,
        kind=None if kind is None else kind.value,
        mentioned=tuple((item.kind, item.thing) for item in mentions(record)),
        containment=None,
    )


def _capture(session: Session, records: list[JSON], capture_pk: int, stream_id: int, first_index: int) -> list[bytes]:
    """The rows of one capture, and its entries."""
    reporter = CODES[capture_pk % len(CODES)]
    bodies = [canonical_record(record) for record in records]
    digests = [sha256(body).digest() for body in bodies]
    ids = [hash_id(record) for record in records]
    capture = sha256(b"capture %d" % capture_pk).digest()
    root = root_hash([leaf_hash(body) for body in bodies])
    row = CaptureRow(
        id=capture_pk,
        stream_id=stream_id,
        capture_id="0x" + capture.hex(),
        reporter=reporter,
        reporter_name="粤海建工集团有限公司",
        statement=canonical_bytes({"recordsRoot": "0x" + root.hex()}).decode(),
        signing_time=int(START.timestamp()),
        signature="",
        certificate_id="00" * 32,
        content_cid=CID,
        record_count=len(records),
        record_ids=json.dumps(ids),
        record_sha256s=b"".join(digests).hex(),
        first_index=first_index,
        sent_by="desk",
        created_at=START,
        sequenced_at=START,
    )
    session.add(row)
    session.flush()
    events = [
        _new_event(record, body, identifier) for record, body, identifier in zip(records, bodies, ids, strict=True)
    ]
    rows = encode_rows(events, copied=session.get_bind().dialect.name == "postgresql")
    write_rows(session, rows, RowPlace(capture_pk, stream_id, microseconds(START), reporter))
    return [
        RecordEntry(
            START,
            capture=capture,
            capture_cid=CID,
            record_index=index,
            record_sha256=digests[index],
            record_id=ids[index],
            reporter=reporter,
        ).canonical()
        for index in range(len(records))
    ]


def measure(database: Database, streams: Streams, project: Project, traces: int) -> JSON:
    """Trace random elements, first without proofs and then others with them."""
    services: Any = SimpleNamespace(streams=streams)
    draw = random.Random(2)
    elements = sorted(project.built)
    figures: JSON = {}
    for name, proofs in (("without_proofs", False), ("with_proofs", True)):
        seconds: list[float] = []
        events: list[int] = []
        while len(seconds) < traces:
            seed = Seed(SeedKind.ELEMENT, draw.choice(elements))
            started = time.perf_counter()
            with database.reading() as session:
                found = trace(session, services, BUILDING, seed, proofs=proofs)
            json.dumps(found.to_json(), ensure_ascii=False).encode()
            seconds.append(time.perf_counter() - started)
            events.append(len(found.graph.events))
        seconds.sort()
        figures[name] = {
            "p50_ms": round(statistics.median(seconds) * 1000, 1),
            "p95_ms": round(seconds[int(len(seconds) * 0.95) - 1] * 1000, 1),
            "max_ms": round(seconds[-1] * 1000, 1),
            "events_mean": round(statistics.mean(events), 1),
            "events_max": max(events),
        }
        print(f"{name}: {figures[name]}", flush=True)
    return figures


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--traces", type=int, default=TRACES)
    parser.add_argument("--database")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="yunshang-bench-") as folder:
        database = Database(given.database or f"sqlite:///{folder}/bench.db")
        database.migrate()
        trust: Any = SimpleNamespace(origin=lambda owner, stream: f"yunshang/1/0x{'00' * 20}/{owner}/{stream}")
        streams = Streams(
            Path(folder) / "logs",
            signer=LogSigner.from_seed(bytes(range(32))),
            trust=trust,
            clock=SystemClock(),
            publish_seconds=1,
        )
        project = Project(given.events)
        started = time.perf_counter()
        count = fill(database, streams, project)
        filled = time.perf_counter() - started
        figures = measure(database, streams, project, given.traces)
        streams.close()
        database.close()
    missed = [name for name, figure in figures.items() if figure["p95_ms"] > MAX_P95_SECONDS * 1000]
    engine = "sqlite" if given.database is None else given.database.partition(":")[0]
    print(
        json.dumps({"engine": engine, "events": count, "fill_seconds": round(filled, 1), **figures, "missed": missed})
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
