"""The sequencer: places without a gap, once, whatever moment it is interrupted at."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest
from sqlmodel import Session, col, select

from archive_api.db.engine import Database
from archive_api.errors import TransportError
from archive_api.services import Services
from archive_api.streams.keys import StreamKey, StreamName
from archive_api.streams.models import CaptureRow, StreamRow
from archive_api.streams.registry import Streams, entries_between
from archive_api.streams.sequencer import Sequencer, capture_entries
from ledger.adapters.log_files import LogFiles
from ledger.errors import TransportError as LedgerTransportError
from ledger.log.checkpoint import SignedCheckpoint
from ledger.log.keys import LogSigner
from ledger.log.record import RecordEntry
from ledger.ports.log import LogStore
from ledger.trust import CONTRACT_NAMES, ContractPin, TrustFile

SUPPLY = StreamKey(StreamName.SUPPLY, "0x" + "11" * 32)
FUNDS = StreamKey(StreamName.FUNDS, "0x" + "11" * 32)
OTHER = StreamKey(StreamName.SUPPLY, "0x" + "22" * 32)
SIGNER = LogSigner.from_seed(bytes(range(32)))
TRUST = TrustFile(
    ca_roots=(b"root",),
    chain_id=1,
    genesis_hash=bytes(32),
    contracts={name: ContractPin(bytes(20), bytes(32)) for name in CONTRACT_NAMES},
    archive_organisation="91440101MA5000009A",
    archive_certificates=(),
)
CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 8, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


@dataclass
class Parts:
    """What the sequencer needs of `Services`."""

    folder: Path
    database: Database
    streams: Streams
    clock: Clock
    count: int = 0

    def now(self) -> datetime:
        return self.clock.now()

    @property
    def sequencer(self) -> Sequencer:
        """A new one, as after a start."""
        return Sequencer(cast(Services, self))

    def capture(self, key: StreamKey = SUPPLY, records: int = 3) -> int:
        """A capture that waits for its places; returns its number."""
        self.count += 1
        name = f"{key.owner}/{key.name}/{self.count}"
        with self.database.transaction() as session:
            row = CaptureRow(
                stream_id=self._stream(session, key),
                capture_id="0x" + sha256(name.encode()).hexdigest(),
                reporter="91440101MA5000001X",
                reporter_name="供应商",
                statement="{}",
                signing_time=0,
                signature="",
                certificate_id="",
                content_cid=CID,
                record_count=records,
                record_ids=json.dumps([f"{name}:{number}" for number in range(records)]),
                record_sha256s="".join(sha256(f"{name}:{n}".encode()).hexdigest() for n in range(records)),
                sent_by="desk",
                created_at=self.now(),
            )
            session.add(row)
            session.flush()
            assert row.id is not None
            return row.id

    def _stream(self, session: Session, key: StreamKey) -> int:
        origin = self.streams.origin(key)
        row = session.exec(select(StreamRow).where(StreamRow.origin == origin)).one_or_none()
        if row is None:
            row = StreamRow(name=key.name, building_key=key.building_key, origin=origin, created_at=self.now())
            session.add(row)
            session.flush()
        assert row.id is not None
        return row.id

    def rows(self) -> list[CaptureRow]:
        with self.database.reading() as session:
            return list(session.exec(select(CaptureRow).order_by(col(CaptureRow.id))))

    def entries(self, key: StreamKey = SUPPLY) -> list[RecordEntry]:
        log = self.streams.reader(key)
        return entries_between(log, 0, log.head().size)

    def check(self, *keys: StreamKey) -> None:
        """The log holds exactly the captures that have places, each whole, and all of them are under a checkpoint."""
        for key in keys or (SUPPLY,):
            origin = self.streams.origin(key)
            found = self.entries(key)
            times = [entry.time for entry in found]
            assert times == sorted(times)
            with self.database.reading() as session:
                query = select(CaptureRow).join(StreamRow).where(StreamRow.origin == origin)
                rows = session.exec(query.order_by(col(CaptureRow.first_index))).all()
            expected: list[RecordEntry] = []
            for row in rows:
                assert row.first_index == len(expected)
                assert row.sequenced_at is not None
                expected += map(RecordEntry.parse, capture_entries(row, row.sequenced_at.astimezone(UTC)))
            assert found == expected

    @contextmanager
    def after_a_crash(self) -> Iterator[Parts]:
        """What a new process finds: the files as they are at this moment."""
        copy = self.folder.with_name(f"{self.folder.name}-after")
        shutil.copytree(self.folder, copy)
        with opened(copy) as parts:
            parts.clock.time = self.clock.time + timedelta(seconds=7)
            parts.count = self.count
            yield parts
        shutil.rmtree(copy)


@contextmanager
def opened(folder: Path, **arguments: Any) -> Iterator[Parts]:
    folder.mkdir(exist_ok=True)
    clock = Clock()
    database = Database(f"sqlite:///{folder}/archive.db")
    database.migrate()
    streams = Streams(folder / "logs", signer=SIGNER, trust=TRUST, clock=clock, publish_seconds=60, **arguments)
    yield Parts(folder, database, streams, clock)
    streams.close()
    database.close()


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    with opened(tmp_path / "server") as found:
        yield found


def test_captures_get_places_one_after_another(parts: Parts) -> None:
    for records in (1, 300, 2, 255, 1):
        parts.capture(records=records)
    assert parts.sequencer.round(publish=True) == 559
    assert [row.first_index for row in parts.rows()] == [0, 1, 301, 303, 558]
    parts.check()
    assert parts.sequencer.round() == 0


def test_streams_have_logs_of_their_own(parts: Parts) -> None:
    for key in (SUPPLY, FUNDS, OTHER, SUPPLY):
        parts.capture(key)
    assert parts.sequencer.round(publish=True) == 12
    parts.check(SUPPLY, FUNDS, OTHER)
    origins = {SignedCheckpoint.parse(parts.streams.reader(key).checkpoint() or b"").checkpoint.origin
               for key in (SUPPLY, FUNDS, OTHER)}  # fmt: skip
    assert len(origins) == 3


def test_many_small_captures_share_a_sync(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    appends: list[int] = []
    original = LogFiles.append

    def counted(self: LogFiles, records: Any) -> Any:
        appends.append(len(records))
        return original(self, records)

    monkeypatch.setattr(LogFiles, "append", counted)
    for _ in range(50):
        parts.capture(records=2)
    parts.sequencer.round(publish=True)
    assert appends == [100]
    parts.check()


def test_times_never_go_back(parts: Parts) -> None:
    parts.capture()
    parts.sequencer.round(publish=True)
    parts.clock.time -= timedelta(days=1)
    parts.capture()
    parts.sequencer.round(publish=True)
    with parts.after_a_crash() as after:
        after.clock.time -= timedelta(days=2)
        after.capture()
        after.sequencer.round(publish=True)
        after.check()
        assert len({entry.time for entry in after.entries()}) == 1


def test_few_logs_are_open_at_once(tmp_path: Path) -> None:
    with opened(tmp_path / "server", open_limit=2) as parts:
        keys = [StreamKey(StreamName.SUPPLY, "0x" + f"{number:064x}") for number in range(7)]
        for _ in range(3):
            for key in keys:
                parts.capture(key)
            parts.sequencer.round()
            assert len(parts.streams.opened()) <= 2
        parts.streams.close()
        parts.check(*keys)


# Interrupted


def interrupt(parts: Parts, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    """Have the sequencer die at a point of its work."""

    def die(*_: object) -> None:
        raise TransportError("expected to live, got killed")

    with monkeypatch.context() as patch:
        if point == "before_append":
            patch.setattr(LogFiles, "append", die)
        elif point == "after_append":
            patch.setattr(Sequencer, "_tell", die)
        elif point == "before_publish":
            patch.setattr(Sequencer, "_publish_due", lambda self, at_once: None)
        parts.sequencer.round(publish=True)


@pytest.mark.parametrize("point", ["before_append", "after_append", "before_publish", "after_everything"])
def test_interrupted_anywhere_every_capture_has_its_places_once(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    parts.capture(records=5)
    parts.sequencer.round(publish=True)
    for records in (3, 300, 2):
        parts.capture(records=records)
    interrupt(parts, monkeypatch, point)
    with parts.after_a_crash() as after:
        after.sequencer.round(publish=True)
        after.check()
        assert [row.first_index for row in after.rows()] == [0, 5, 8, 308]
        after.capture(records=4)
        assert after.sequencer.round(publish=True) == 4
        after.check()


@pytest.mark.parametrize("point", ["before_append", "after_append", "before_publish"])
def test_a_process_that_lives_on_goes_on(parts: Parts, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    parts.capture()
    parts.capture()
    interrupt(parts, monkeypatch, point)
    if point != "before_publish":
        assert parts.streams.troubles
    parts.sequencer.round(publish=True)
    assert parts.streams.troubles == {}
    parts.check()
    assert len(parts.entries()) == 6


def test_an_append_cut_anywhere_is_completed(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Power fails while a group of captures is written: what is left of the journal may end within any of them."""
    parts.capture(records=2)
    parts.sequencer.round(publish=True)
    for records in (3, 1, 4):
        parts.capture(records=records)
    interrupt(parts, monkeypatch, "after_append")
    cuts = set()
    with parts.after_a_crash() as after:
        pass
    journal = next((parts.folder / "logs" / SUPPLY.owner / SUPPLY.name / "journal").glob("*.journal"))
    whole = journal.read_bytes()
    for length in (*range(0, len(whole), 97), len(whole)):
        journal.write_bytes(whole[:length])
        with parts.after_a_crash() as after:
            cuts.add(after.sequencer.round(publish=True))
            after.check()
            assert [row.first_index for row in after.rows()] == [0, 2, 5, 6]
    journal.write_bytes(whole)
    assert cuts == set(range(9)), "from nothing left to everything"


def test_a_log_that_was_cut_back_is_not_written_to(parts: Parts) -> None:
    parts.capture()
    parts.sequencer.round(publish=True)
    parts.streams.close()
    shutil.rmtree(parts.folder / "logs" / SUPPLY.owner / SUPPLY.name)
    parts.capture()
    parts.capture(OTHER)
    assert parts.sequencer.round(publish=True) == 3, "the other stream goes on"
    parts.check(OTHER)
    assert "cut back" in parts.streams.troubles[parts.streams.origin(SUPPLY)]
    assert parts.rows()[1].first_index is None


def test_a_catalogue_older_than_the_log_is_not_written_to(parts: Parts) -> None:
    parts.capture()
    parts.sequencer.round(publish=True)
    with parts.database.transaction() as session:
        session.delete(session.exec(select(CaptureRow)).one())
    parts.capture()
    with parts.after_a_crash() as after:
        assert after.sequencer.round(publish=True) == 0
        assert "expected the catalogue to know" in after.streams.troubles[after.streams.origin(SUPPLY)]


def test_entries_of_another_capture_in_its_place_are_noticed(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    parts.capture()
    interrupt(parts, monkeypatch, "after_append")
    with parts.database.transaction() as session:
        row = session.exec(select(CaptureRow)).one()
        row.record_ids = json.dumps(["x", "y", "z"])
        session.add(row)
    with parts.after_a_crash() as after:
        assert after.sequencer.round(publish=True) == 0
        assert "expected the entries of one capture" in after.streams.troubles[after.streams.origin(SUPPLY)]


# Witnesses


def test_without_enough_witnesses_entries_wait_and_are_durable(tmp_path: Path) -> None:
    answers = [False]

    def cosign(note: bytes, _: LogStore) -> bytes:
        if not answers[0]:
            raise LedgerTransportError("expected 2 co-signatures, got 1", code="witness_quorum")
        return note + "— witness.example AAAAAAAA\n".encode()

    with opened(tmp_path / "server", cosign=cosign) as parts:
        parts.capture()
        sequencer = parts.sequencer
        assert sequencer.round(publish=True) == 3
        origin = parts.streams.origin(SUPPLY)
        assert parts.streams.reader(SUPPLY).checkpoint() is None
        assert "co-signatures" in parts.streams.unpublished[origin]
        assert parts.rows()[0].first_index == 0
        answers[0] = True
        sequencer.round(publish=True)
        assert parts.streams.unpublished == {}
        note = SignedCheckpoint.parse(parts.streams.reader(SUPPLY).checkpoint() or b"")
        assert [signature.name for signature in note.signatures] == [origin, "witness.example"]
        parts.check()


def test_the_thread_places_what_comes_and_publishes_it(tmp_path: Path) -> None:
    with opened(tmp_path / "server") as parts:
        parts.streams.publish_seconds = 0.05
        sequencer = parts.sequencer
        sequencer.start()
        for _ in range(5):
            parts.capture()
            parts.streams.wake()
        wait_for(lambda: all(row.first_index is not None for row in parts.rows()))
        wait_for(lambda: len(parts.entries()) == 15)
        sequencer.stop()
        parts.check()


def wait_for(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    import time

    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_entries_are_written_as_canonical_json_writes_them() -> None:
    entry = RecordEntry(
        datetime(2026, 3, 1, 16, 0, 5, tzinfo=UTC),
        capture=bytes(range(32)),
        capture_cid=CID,
        record_index=7,
        record_sha256=bytes(range(32, 64)),
        record_id='墙 "一"\\ /é',
        reporter="91440101MA5000001X",
    )
    assert RecordEntry.parse(entry.canonical()) == entry
    assert dataclasses.replace(entry, record_index=8).canonical() != entry.canonical()


def test_what_was_closed_unpublished_is_published_once_witnesses_are_back(tmp_path: Path) -> None:
    answers = [False]

    def cosign(note: bytes, _: LogStore) -> bytes:
        if not answers[0]:
            raise LedgerTransportError("expected 2 co-signatures, got 1", code="witness_quorum")
        return note + "— witness.example AAAAAAAA\n".encode()

    keys = [StreamKey(StreamName.SUPPLY, "0x" + f"{number:064x}") for number in range(5)]
    with opened(tmp_path / "server", cosign=cosign, open_limit=2) as parts:
        sequencer = parts.sequencer
        for key in keys:
            parts.capture(key)
            sequencer.round(publish=True)
        assert len(parts.streams.opened()) == 2
        answers[0] = True
        for _ in keys:  # nothing new comes
            sequencer.round(publish=True)
        assert all(parts.streams.reader(key).checkpoint() is not None for key in keys)
        assert parts.streams.unpublished == {}
        parts.check(*keys)
