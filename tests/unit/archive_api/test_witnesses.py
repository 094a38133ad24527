"""Publishing with witnesses: enough co-signatures or none at all, entries wait, and nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from archive_api.streams.witnesses import HttpWitnesses, WitnessSource
from ledger.adapters.clock import SystemClock
from ledger.adapters.log_files import LogFiles
from ledger.adapters.log_writer import LogWriter
from ledger.adapters.signed_log import SignedLog
from ledger.errors import LedgerError, MalformedError, MismatchError, TransportError
from ledger.log.checkpoint import SignedCheckpoint
from ledger.log.keys import LogSigner
from ledger.log.witness import cosigned_by
from ledger.ports.log import LogRecord
from scripts.sample_records import Witness
from tests.simulators.witness import MODES, WitnessServer, serve_witness

ORIGIN = "yunshang/1/0x00/archive/test"
SIGNER = LogSigner.from_seed(bytes(range(32)))
NAMES = ("witness.example/w1", "witness.example/w2", "见证.example/三")
CONFLICTS = ("ahead",)
SLOW = ("slow", "dripping")


@pytest.fixture
def servers() -> Iterator[list[WitnessServer]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(serve_witness(WitnessServer(Witness(name), {"yunshang/": SIGNER.key.public})))
            for name in NAMES
        ]


Make = Callable[..., HttpWitnesses]


@pytest.fixture
def make(servers: list[WitnessServer]) -> Iterator[Make]:
    made: list[HttpWitnesses] = []

    def build(quorum: int = 2, **arguments: Any) -> HttpWitnesses:
        sources = [WitnessSource(key=server.witness.key.verifier_key, url=server.url) for server in servers]
        arguments = {"clock": SystemClock(), "timeout_seconds": 0.6, "pause_seconds": 0.1} | arguments
        made.append(HttpWitnesses(sources, quorum=quorum, **arguments))
        return made[-1]

    yield build
    for one in made:
        one.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LogFiles]:
    with LogFiles(tmp_path / "log") as log:
        yield log


def grow(log: SignedLog, count: int, *, text: str = "entry") -> None:
    first = log.store.head().size
    log.append([LogRecord(f"{text} {index}".encode()) for index in range(first, first + count)])


def names_on(note: bytes | None, servers: list[WitnessServer]) -> set[str]:
    signed = SignedCheckpoint.parse(note or b"")
    signed.verify(SIGNER.key, ORIGIN)
    return {item.witness.name for item in cosigned_by(signed, [server.witness.key for server in servers])}


def test_every_witness_co_signs_a_growing_log(store: LogFiles, servers: list[WitnessServer], make: Make) -> None:
    log = SignedLog(store, ORIGIN, signer=SIGNER, cosign=make(3))
    for count in (1, 1, 2, 5, 300, 1, 256):
        grow(log, count)
        assert log.publish().size == store.head().size
        assert names_on(store.checkpoint(), servers) == set(NAMES)
    # At the first checkpoint nothing is known, then each witness's size.
    assert [server.statuses for server in servers] == [[200] * 7] * 3


def test_the_same_checkpoint_is_co_signed_again(store: LogFiles, servers: list[WitnessServer], make: Make) -> None:
    log = SignedLog(store, ORIGIN, signer=SIGNER, cosign=make(3))
    grow(log, 5)
    log.publish()
    log.publish()
    again = SignedLog(store, ORIGIN, signer=SIGNER, cosign=make(3))
    again.publish()  # nothing remembered: each tells its size
    grow(again, 4)
    again.publish()
    assert [server.statuses for server in servers] == [[200, 200, 409, 200, 200]] * 3


def test_one_that_is_down_is_not_needed_by_the_quorum(
    store: LogFiles, servers: list[WitnessServer], make: Make
) -> None:
    log = SignedLog(store, ORIGIN, signer=SIGNER, cosign=make(2))
    grow(log, 3)
    servers[1].mode = "silent"
    log.publish()
    assert names_on(store.checkpoint(), servers) == {NAMES[0], NAMES[2]}


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode not in ("honest", *CONFLICTS)])
def test_fails_closed_and_recovers(store: LogFiles, servers: list[WitnessServer], make: Make, mode: str) -> None:
    log = SignedLog(store, ORIGIN, signer=SIGNER, cosign=make(3))
    grow(log, 20)
    servers[2].mode = mode
    begun = time.monotonic()
    with pytest.raises(TransportError) as refusal:
        log.publish()
    assert time.monotonic() - begun < 1.4
    assert refusal.value.code == "witness_quorum"
    assert (refusal.value.expected, refusal.value.actual) == (3, 2)
    assert NAMES[2] in str(refusal.value)
    assert store.checkpoint() is None
    assert log.published.size == 0
    grow(log, 1)  # appending goes on
    servers[2].mode = "honest"
    time.sleep(1.6 if mode in SLOW else 0.3)
    assert log.publish().size == 21
    assert names_on(store.checkpoint(), servers) == set(NAMES)


def test_who_failed_is_asked_more_and_more_seldom(store: LogFiles, servers: list[WitnessServer], make: Make) -> None:
    log = SignedLog(store, ORIGIN, signer=SIGNER, cosign=make(3))
    grow(log, 1)
    servers[0].mode = "error"
    texts = set()
    end = time.monotonic() + 1.2
    while time.monotonic() < end:
        with pytest.raises(TransportError) as refusal:
            log.publish()
        texts.add(str(refusal.value))
        time.sleep(0.01)
    assert 3 <= servers[0].asked <= 5  # at 0, 0.1, 0.3, 0.7 s
    assert len(texts) == 1


@pytest.mark.parametrize("quorum", [1, 3])
def test_a_forked_log_is_never_published(tmp_path: Path, servers: list[WitnessServer], make: Make, quorum: int) -> None:
    """Two witnesses are new and would co-sign: the one that knows better stops it."""
    with LogFiles(tmp_path / "first") as store:
        log = SignedLog(store, ORIGIN, signer=SIGNER, cosign=make(quorum))
        grow(log, 5)
        log.publish()
    for server in servers[1:]:
        server.heads.clear()
    for count in (3, 5, 9):  # smaller, as large, larger than what it has seen
        with LogFiles(tmp_path / f"fork{count}") as store:
            forked = SignedLog(store, ORIGIN, signer=SIGNER, cosign=make(quorum, timeout_seconds=3.0))
            grow(forked, count, text="another entry")
            with pytest.raises(MismatchError) as refusal:
                publish_slowly(forked, servers)
            assert refusal.value.code == "witness_conflict"
            for _ in range(3):  # nor when it is tried again, before that one is asked again and after
                time.sleep(0.1)
                with pytest.raises(MismatchError):
                    forked.publish()
            assert store.checkpoint() is None


def publish_slowly(log: SignedLog, servers: list[WitnessServer]) -> None:
    """So that the first one's answer comes first."""
    for server in servers[1:]:
        server.mode = "slow"
    try:
        log.publish()
    finally:
        for server in servers[1:]:
            server.mode = "honest"


def test_one_that_claims_to_have_seen_more_stops_publishing(
    store: LogFiles, servers: list[WitnessServer], make: Make
) -> None:
    log = SignedLog(store, ORIGIN, signer=SIGNER, cosign=make(2))
    grow(log, 5)
    servers[0].mode = "ahead"
    with pytest.raises(MismatchError, match="6 entries of a log that has 5"):
        log.publish()
    assert store.checkpoint() is None


def test_a_log_that_a_witness_does_not_know_is_told_so(store: LogFiles, make: Make) -> None:
    log = SignedLog(store, "other/log", signer=SIGNER, cosign=make(1))
    grow(log, 1)
    with pytest.raises(TransportError, match="does not know the log's origin"):
        log.publish()
    stranger = SignedLog(store, ORIGIN, signer=LogSigner.from_seed(bytes(32)), cosign=make(1))
    with pytest.raises(TransportError, match="does not know the log's key"):
        stranger.publish()


def test_what_one_refuses_of_one_stream_holds_up_no_other(
    tmp_path: Path, servers: list[WitnessServer], make: Make
) -> None:
    cosign = make(3)
    with LogFiles(tmp_path / "a") as first, LogFiles(tmp_path / "b") as second:
        unknown = SignedLog(first, "other/log", signer=SIGNER, cosign=cosign)
        known = SignedLog(second, ORIGIN, signer=SIGNER, cosign=cosign)
        grow(unknown, 1)
        grow(known, 1)
        with pytest.raises(TransportError):
            unknown.publish()
        known.publish()
        assert names_on(second.checkpoint(), servers) == set(NAMES)


def test_appending_does_not_wait_for_witnesses(store: LogFiles, servers: list[WitnessServer], make: Make) -> None:
    for server in servers:
        server.mode = "slow"
    writer = LogWriter(
        store, ORIGIN, signer=SIGNER, clock=SystemClock(), publish_seconds=0.02, cosign=make(3, timeout_seconds=4.0)
    )
    longest = 0.0
    for number in range(100):
        begun = time.monotonic()
        writer.submit(lambda _, number=number: LogRecord(b"entry %d" % number)).result()  # type: ignore[misc]
        longest = max(longest, time.monotonic() - begun)
    assert longest < 1.0
    assert writer.published.size == 0
    assert writer.publish().size == 100
    assert writer.witness_error is None
    writer.close()


def test_entries_wait_and_the_trouble_is_told(tmp_path: Path, servers: list[WitnessServer], make: Make) -> None:
    for server in servers[:2]:
        server.mode = "silent"
    with LogFiles(tmp_path / "log") as store:
        writer = LogWriter(store, ORIGIN, signer=SIGNER, clock=SystemClock(), publish_seconds=0.02, cosign=make(2))
        for number in range(5):
            writer.submit(lambda _, number=number: LogRecord(b"entry %d" % number)).result()  # type: ignore[misc]
        with pytest.raises(TransportError):
            writer.publish(timeout_seconds=0.5)
        assert "expected 2 co-signatures, got 1" in (writer.witness_error or "")
        assert writer.last_error is None
        writer.close()
        assert writer.published.size == 0
        assert store.checkpoint() is None
    for server in servers:
        server.mode = "honest"
    with LogFiles(tmp_path / "log") as store:  # all that was acknowledged is published after the next start
        writer = LogWriter(store, ORIGIN, signer=SIGNER, clock=SystemClock(), publish_seconds=0.02, cosign=make(2))
        assert writer.publish().size == 5
        writer.close()
        assert len(names_on(store.checkpoint(), servers)) >= 2


def test_what_is_under_way_at_the_end_is_published(store: LogFiles, servers: list[WitnessServer], make: Make) -> None:
    writer = LogWriter(store, ORIGIN, signer=SIGNER, clock=SystemClock(), publish_seconds=0.02, cosign=make(3))
    futures = [writer.submit(lambda _: LogRecord(b"x")) for _ in range(50)]
    writer.close()
    assert [future.result().index for future in futures] == list(range(50))
    assert writer.published.size == 50
    assert names_on(store.checkpoint(), servers) == set(NAMES)


def test_a_slow_one_beyond_the_quorum_delays_little(store: LogFiles, servers: list[WitnessServer], make: Make) -> None:
    log = SignedLog(store, ORIGIN, signer=SIGNER, cosign=make(2, timeout_seconds=5.0))
    grow(log, 1)
    servers[0].mode = "slow"
    begun = time.monotonic()
    log.publish()
    assert time.monotonic() - begun < 1.0


def test_no_witness_is_asked_twice_at_a_time(store: LogFiles, servers: list[WitnessServer], make: Make) -> None:
    log = SignedLog(store, ORIGIN, signer=SIGNER, cosign=make(2, timeout_seconds=5.0))
    servers[0].mode = "slow"
    for _ in range(5):
        grow(log, 1)
        log.publish()
    assert servers[0].asked <= 1


def test_a_witness_that_cannot_be_reached(store: LogFiles, servers: list[WitnessServer]) -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused", request=request)

    source = WitnessSource(key=servers[0].witness.key.verifier_key, url="https://witness.example/w1")
    cosign = HttpWitnesses([source], quorum=1, clock=SystemClock(), transport=httpx2.MockTransport(refuse))
    log = SignedLog(store, ORIGIN, signer=SIGNER, cosign=cosign)
    grow(log, 1)
    with pytest.raises(LedgerError, match="ConnectError"):
        log.publish()
    cosign.close()


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("w+00000000+AAAA", "https://w.example"),
        (Witness("w").key.verifier_key, "ftp://w.example"),
        (Witness("w").key.verifier_key, "https://user:secret@w.example"),
        (Witness("w").key.verifier_key, "w.example"),
    ],
)
def test_refuses_settings_that_name_no_witness(key: str, url: str) -> None:
    with pytest.raises(ValidationError):
        WitnessSource(key=key, url=url)


def test_refuses_a_quorum_that_cannot_be_met(servers: list[WitnessServer], make: Make) -> None:
    for quorum in (0, 4):
        with pytest.raises(MalformedError):
            make(quorum)
