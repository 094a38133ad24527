"""The link between who answers requests and who writes the logs: nothing is lost or doubled whoever of them breaks."""

from __future__ import annotations

import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from archive_api.access_log.events import AccessEvent, Outcome
from archive_api.access_log.prepared import PreparedAccess
from archive_api.access_log.streams import AccessStream, open_access_stream
from archive_api.db.engine import Database
from archive_api.db.schema import prepare_schema
from archive_api.errors import MalformedError, TransportError
from archive_api.log_link.client import LogLink
from archive_api.log_link.frames import FORMAT, FRAME_LIMIT, frame, read_frame, short_name
from archive_api.log_link.remote import LinkedAccessLog, LinkedStreams
from archive_api.log_link.server import LogLinkServer, RecentAccesses
from archive_api.streams.keys import StreamKey, StreamName
from archive_api.streams.registry import Streams
from archive_api.streams.server_log import entries_of
from ledger.adapters.clock import SystemClock
from ledger.adapters.log_files import LogFiles
from ledger.errors import MalformedError as MalformedValueError
from ledger.errors import PolicyError
from ledger.log.access import AccessEntry
from ledger.log.keys import LogSigner
from ledger.merkle import leaf_hash

SIGNER = LogSigner.from_seed(b"s" * 32)
ORIGIN = "yunshang/1/0x00/archive/access"
TRUST = cast(Any, SimpleNamespace(origin=lambda owner, stream: f"yunshang/1/0x00/{owner}/{stream}"))
EVENT = AccessEvent(
    "document.download",
    Outcome.GRANTED,
    subject={"person_id": "p-1", "name": "李明"},
    source="192.0.2.1",
    search="隐蔽工程",
    object_kind="document",
    object_id="\ud800" * 200,
    method="GET",
    route="/documents/{id}",
    status=200,
    detail={"count": 3},
)


class Home:
    """The folder that the processes share, and the process that writes."""

    def __init__(self, folder: Path) -> None:
        # Deeper than the 107 bytes that a socket's name may have.
        self.folder = folder / ("深" * 40) / "server"
        self.folder.mkdir(parents=True)
        self.socket = self.folder / "logs.sock"
        self.database = Database(f"sqlite:///{self.folder / 'archive.db'}")
        prepare_schema(self.database, migrate=True)
        self.log = cast(AccessStream, None)

    @contextmanager
    def writing(self) -> Iterator[LogLinkServer]:
        with ExitStack() as stack:
            self.log = open_access_stream(
                self.folder / "logs",
                signer=SIGNER,
                trust=TRUST,
                database=self.database,
                clock=SystemClock(),
                publish_seconds=0.05,
            )
            stack.callback(self.log.close)
            members: dict[str, Any] = {"signer": SIGNER, "trust": TRUST, "clock": SystemClock()}
            self.streams = Streams(self.folder / "logs", publish_seconds=0.05, **members)
            stack.callback(self.streams.close)
            server = LogLinkServer(self.socket, log=self.log, streams=self.streams)
            stack.callback(server.close)
            yield server

    @contextmanager
    def linked(self, **arguments: Any) -> Iterator[tuple[LogLink, LinkedAccessLog]]:
        link = LogLink(self.socket, origin=ORIGIN, **arguments)
        link.start()
        with closing(link):
            yield link, LinkedAccessLog(link, self.folder / "logs", trust=TRUST, key=SIGNER.key)

    def entries(self) -> list[AccessEntry]:
        """All that is published, of a log that nobody writes any more."""
        store = LogFiles(self.folder / "logs" / "access", read_only=True)
        return [AccessEntry.parse(entry) for entry in entries_of(store, 0, store.head().size)]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    made.database.close()


def wait(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_writable(log: LinkedAccessLog) -> bool:
    try:
        log.require_writable()
    except TransportError:
        return False
    return True


def test_what_is_handed_over_is_the_entry_that_is_written_here(home: Home) -> None:
    with home.writing(), home.linked() as (_, log):
        log.require_writable()
        assert log.trouble is None
        promise = log.record(EVENT)
        promise.verify(SIGNER.key)
        own = home.log.record(EVENT)
        assert log.writer.publish().size == 2
        assert log.writer.published == home.log.writer.published
        assert log.drain() in (0, 1, 2)
        entries = entries_of(log.writer.store, 0, 2)
        assert (promise.index, promise.leaf_hash) == (0, leaf_hash(entries[0]))
        there, here = (AccessEntry.parse(entry).to_json() for entry in entries)
        assert own.index == 1
        assert there | {"personal": "", "time": ""} == here | {"personal": "", "time": ""}
        assert there["personal"] != here["personal"]
        assert home.log.drain() == 0
        with home.database.reading() as session:
            rows = session.connection().exec_driver_sql("SELECT person_id, clear FROM access_clear").all()
        assert {row.person_id for row in rows} == {"p-1"}
        assert len({row.clear for row in rows}) == 1


def test_many_threads_share_one_link(home: Home) -> None:
    with home.writing(), home.linked() as (_, one), home.linked() as (_, other), ThreadPoolExecutor(16) as pool:
        promises = list(pool.map(lambda number: (one, other)[number % 2].record(EVENT), range(600)))
        assert sorted(promise.index for promise in promises) == list(range(600))


def test_nobody_writes_and_then_somebody_does(home: Home) -> None:
    with home.linked() as (link, log):
        for refused in (log.require_writable, lambda: log.submit(EVENT), log.drain, log.writer.publish, link.streams):
            with pytest.raises(TransportError) as error:
                refused()
            assert error.value.code in ("log_unwritable", "log_unusable")
        assert log.trouble is not None
        assert log.writer.published.size == 0
        link.wake()
        with home.writing():
            wait(lambda: is_writable(log))
            assert log.record(EVENT).index == 0
        wait(lambda: not is_writable(log))
        with home.writing():
            wait(lambda: is_writable(log))
            assert log.record(EVENT).index == 1


def test_what_was_not_answered_is_written_once_by_the_next(home: Home) -> None:
    """The one before it wrote the entry, and was gone before it said so; or had not written it yet."""
    with home.writing() as server, home.linked() as (_, log):
        log.record(EVENT)
        held: list[dict[str, Any]] = []
        answered = threading.Event()

        def keep(_document: dict[str, Any], _reply: Callable[[dict[str, Any]], None]) -> None:
            held.append(_document)
            answered.set()

        genuine = server.answer
        server.answer = keep  # type: ignore[method-assign]
        unwritten, written = log.submit(EVENT), log.submit(EVENT)
        wait(lambda: sum(document["op"] == "record" for document in held) == 2)
        second = [document for document in held if document["op"] == "record"][1]
        done = threading.Event()
        genuine(second, lambda _answer: done.set())  # written, and the answer goes nowhere
        assert done.wait(20)
        server.close()
        home.log.close()
        with home.writing():
            assert [unwritten.result(20).index, written.result(20).index] == [2, 1]
            promise = written.result()
            promise.verify(SIGNER.key)
            assert log.record(EVENT).index == 3
            assert log.writer.publish().size == 4
    assert len({entry.personal for entry in home.entries()}) == 4


def test_an_act_whose_client_has_gone_is_written_all_the_same(home: Home) -> None:
    with home.writing() as server, home.linked(record_seconds=0.3) as (_, log):
        server.answer = lambda _document, _reply: None  # type: ignore[method-assign]
        with pytest.raises(TransportError) as refused:
            log.record(EVENT)
        assert refused.value.code == "log_unwritable"
        server.close()
        home.log.close()
        with home.writing():
            wait(lambda: home.log.writer.store.head().size == 1)
    assert len(home.entries()) == 1


def test_an_act_that_was_done_when_the_writer_went_has_its_entry_from_the_next(home: Home) -> None:
    with home.writing(), home.linked() as (_, log):
        log.require_writable()  # before the act
    with home.linked() as (_, log):
        act = log.submit(replace(EVENT, method="POST", route="/submissions"))  # after it
        with pytest.raises(TransportError):
            log.submit(replace(EVENT, method="POST", outcome=Outcome.DENIED))
        with home.writing():
            assert act.result(20).index == 0
    assert [entry.method for entry in home.entries()] == ["POST"]


def test_a_writer_in_trouble_is_not_written_to(home: Home) -> None:
    with home.writing(), home.linked() as (link, log):
        assert link.streams().open_streams == 0
        home.log.writer.last_error = "no room"
        wait(lambda: not is_writable(log))
        assert log.trouble == "no room"
        home.log.writer.last_error = None
        wait(lambda: is_writable(log))
        home.streams.troubles["origin of a building"] = "TransportError: no room"

        def trouble() -> str:
            try:
                return str(link.streams())
            except TransportError as error:
                return str(error)

        wait(lambda: "1 in trouble" in trouble())
        assert "building" not in trouble()


def test_a_refusal_is_the_writers_own(home: Home) -> None:
    with home.writing(), home.linked() as (_, log):
        home.log.writer.close()
        with pytest.raises(TransportError) as refused:
            log.record(EVENT)
        assert refused.value.code == "log_closed"


def test_a_capture_wakes_the_sequencer_and_streams_are_written_elsewhere(home: Home) -> None:
    with home.writing(), home.linked() as (link, _):
        members: dict[str, Any] = {"signer": SIGNER, "trust": TRUST, "clock": SystemClock(), "publish_seconds": 1.0}
        streams = LinkedStreams(link, home.folder / "logs", **members)
        home.streams.waiting.clear()
        streams.wake()
        assert home.streams.waiting.wait(20)
        with pytest.raises(PolicyError) as refused, streams.writing(StreamKey(StreamName.DATASETS, None)):
            pass
        assert refused.value.code == "log_in_use"


def test_only_this_user_reaches_the_socket(home: Home) -> None:
    with home.writing():
        assert stat.S_IMODE(home.socket.stat().st_mode) == 0o600
    assert not home.socket.exists()


@pytest.mark.parametrize(
    "sent",
    [
        frame({"id": 0, "op": "hello", "format": "yunshang-log-link/v0", "origin": ORIGIN}),
        frame({"id": 1, "op": "state"}),
        (FRAME_LIMIT + 1).to_bytes(4, "big"),
        b"\0\0\0\x02[]",
        b"\0\0\0\x02{]",
        frame({"id": 0, "op": "hello", "format": FORMAT, "origin": ORIGIN}) + frame({"id": 1, "op": "stop"}),
        frame({"id": 0, "op": "hello", "format": FORMAT, "origin": ORIGIN}) + frame({"id": "1", "op": "state"}),
    ],
    ids=["older", "no hello", "too long", "no object", "no JSON", "unknown", "no number"],
)
def test_whoever_is_not_understood_is_not_listened_to(home: Home, sent: bytes) -> None:
    with home.writing(), home.linked() as (_, log), socket.socket(socket.AF_UNIX) as stranger:
        with short_name(home.socket) as name:
            stranger.connect(name)
        stranger.settimeout(20)
        stranger.sendall(sent)
        while True:
            try:
                if read_frame(stranger) is None:
                    break
            except ConnectionResetError:
                break
        log.record(EVENT)  # the others are


@pytest.mark.parametrize(
    ("name", "value"),
    [("action", "Rm -rf"), ("outcome", "maybe"), ("salt", "00"), ("clear", "{}"), ("detail", []), ("status", "200")],
)
def test_an_access_of_another_form_is_refused(name: str, value: object) -> None:
    document = PreparedAccess.of(EVENT).to_json()
    assert PreparedAccess.from_json(document).to_json() == document
    with pytest.raises((MalformedError, MalformedValueError)):
        PreparedAccess.from_json(document | {name: value})


def test_another_log_is_not_written_to(home: Home) -> None:
    with home.writing():
        link = LogLink(home.socket, origin=ORIGIN.replace("/1/", "/2/"))
        link.start()
        with closing(link), pytest.raises(TransportError):
            link.require_writable()


def test_handed_over_twice_is_written_once(home: Home) -> None:
    with home.writing():
        accesses = RecentAccesses(home.log, SIGNER, remembered=4)
        first = PreparedAccess.of(EVENT)
        one = accesses.submit(first, again=False).result(20)
        assert accesses.submit(first, again=True).result(20) == one
        later = RecentAccesses(home.log, SIGNER, remembered=4)
        assert later.submit(first, again=True).result(20) == one
        moment = datetime.now(UTC).replace(microsecond=0)
        assert abs((one.time - moment).total_seconds()) < 60
        assert home.log.writer.store.head().size == 1
