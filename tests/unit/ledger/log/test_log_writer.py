"""The writer: groups, promises, checkpoints, and nothing lost when it is killed."""

from __future__ import annotations

import datetime
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ledger.adapters.log_files import LogFiles
from ledger.adapters.log_writer import LogWriter
from ledger.errors import MalformedError, MismatchError, TransportError
from ledger.log.checkpoint import SignedCheckpoint
from ledger.log.keys import LogSigner
from ledger.log.promise import Promise
from ledger.log.proofs import TreeReader
from ledger.merkle import leaf_hash, verify_inclusion
from ledger.ports.log import LogRecord, LogStore, TreeHead

from .conftest import ORIGIN, SteppingClock

CHILD = """
import sys, threading
from pathlib import Path
from ledger.adapters.clock import SystemClock
from ledger.adapters.log_files import LogFiles
from ledger.adapters.log_writer import LogWriter
from ledger.log.keys import LogSigner
from ledger.ports.log import LogRecord

writer = LogWriter(
    LogFiles(Path(sys.argv[1])), sys.argv[2], signer=LogSigner.from_seed(bytes(32)), clock=SystemClock(),
    publish_seconds=0.02,
)
lock = threading.Lock()

def work(name):
    for number in range(100_000):
        text = f"{name} {number}".encode()
        promise = writer.submit(lambda _: LogRecord(text, b"note of " + text)).result()
        with lock:
            sys.stdout.write(f"{text.decode()};{promise.to_text()}\\n")
            sys.stdout.flush()

for name in range(4):
    threading.Thread(target=work, args=(name,), daemon=True).start()
threading.Event().wait()
"""


def writer_of(log: LogStore, signer: LogSigner, **arguments: float) -> LogWriter:
    return LogWriter(log, ORIGIN, signer=signer, clock=SteppingClock(), publish_seconds=arguments.get("every", 0.02))


def plain(data: bytes) -> LogRecord:
    return LogRecord(data)


def test_promises_are_kept(log: LogFiles, signer: LogSigner) -> None:
    writer = writer_of(log, signer)
    with ThreadPoolExecutor(8) as pool:
        texts = [f"entry {number}".encode() for number in range(400)]
        promises = list(pool.map(lambda text: writer.submit(lambda _: plain(text)).result(), texts))
    checkpoint = writer.publish()
    writer.close()
    assert SignedCheckpoint.parse(log.checkpoint() or b"").verify(signer.key, ORIGIN) == checkpoint
    assert sorted(promise.index for promise in promises) == list(range(400))
    tree = TreeReader(log, checkpoint.size)
    for text, promise in zip(texts, promises, strict=True):
        promise.verify(signer.key)
        assert promise.leaf_hash == leaf_hash(text)
        verify_inclusion(promise.leaf_hash, tree.inclusion(promise.index), checkpoint.root)


def test_times_never_go_back(log: LogFiles, signer: LogSigner) -> None:
    clock = SteppingClock()
    writer = LogWriter(log, ORIGIN, signer=signer, clock=clock)
    first = writer.submit(lambda _: plain(b"a")).result()
    clock.time -= datetime.timedelta(days=1)
    second = writer.submit(lambda _: plain(b"b")).result()
    writer.close()
    assert second.time == first.time
    later = first.time + datetime.timedelta(days=9)
    writer = LogWriter(log, ORIGIN, signer=signer, clock=clock, not_before=later)
    assert writer.submit(lambda _: plain(b"c")).result().time == later
    writer.close()


def test_who_waits_no_longer_takes_nothing_back(log: LogFiles, signer: LogSigner) -> None:
    writer = writer_of(log, signer)
    future = writer.submit(lambda _: plain(b"a"))
    assert not future.cancel()
    assert writer.submit(lambda _: plain(b"b")).result().index == 1
    writer.close()


def test_an_impossible_entry_is_the_callers_own(log: LogFiles, signer: LogSigner) -> None:
    writer = writer_of(log, signer)
    with pytest.raises(MalformedError):
        writer.submit(lambda _: plain(b""))
    assert writer.submit(lambda _: plain(b"good")).result().index == 0
    writer.close()


def test_closed_it_takes_nothing_and_has_published_everything(log: LogFiles, signer: LogSigner) -> None:
    writer = writer_of(log, signer, every=60)
    futures = [writer.submit(lambda _: plain(b"x")) for _ in range(50)]
    writer.close()
    assert [future.result().index for future in futures] == list(range(50))
    assert writer.published.size == 50
    with pytest.raises(TransportError):
        writer.submit(lambda _: plain(b"late"))


def test_another_key_does_not_go_on(log: LogFiles, signer: LogSigner) -> None:
    writer = writer_of(log, signer)
    writer.submit(lambda _: plain(b"x")).result()
    writer.close()
    with pytest.raises(MismatchError):
        writer_of(log, LogSigner.from_seed(bytes(32)))


def test_a_disk_that_fails_fails_who_waits_and_nobody_later(
    log: LogFiles, signer: LogSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = writer_of(log, signer)

    def full(_: object) -> TreeHead:
        raise TransportError("expected room, got none", code="store_full")

    with monkeypatch.context() as patched:
        patched.setattr(log, "append", full)
        with pytest.raises(TransportError) as refusal:
            writer.submit(lambda _: plain(b"x")).result()
        assert refusal.value.code == "store_full"
        assert writer.last_error is not None
    assert writer.submit(lambda _: plain(b"y")).result().index == 0
    assert writer.last_error is None
    writer.close()


def test_witnesses_keep_nobody_waiting_and_nothing_is_published_without_them(log: LogFiles, signer: LogSigner) -> None:
    asked, answer = threading.Event(), threading.Event()
    refuse = True

    def cosign(note: bytes, _: LogStore) -> bytes:
        asked.set()
        answer.wait(20)
        if refuse:
            raise TransportError("expected 2 co-signatures, got 1", code="witness_quorum")
        return note + "— witness.example AAAAAAAA\n".encode()

    writer = LogWriter(log, ORIGIN, signer=signer, clock=SteppingClock(), publish_seconds=0.01, cosign=cosign)
    writer.submit(lambda _: plain(b"a")).result()
    assert asked.wait(20)
    assert writer.submit(lambda _: plain(b"b")).result(20).index == 1, "while a witness is waited for"
    assert writer.witness_error is None
    answer.set()
    deadline = time.monotonic() + 20
    while writer.witness_error is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "co-signatures" in (writer.witness_error or "")
    assert writer.last_error is None, "it can be written all the same"
    assert (log.checkpoint(), writer.published.size) == (None, 0)
    refuse = False
    assert writer.publish().size == 2
    assert writer.witness_error is None
    writer.close()
    note = SignedCheckpoint.parse(log.checkpoint() or b"")
    assert [signature.name for signature in note.signatures] == [ORIGIN, "witness.example"]


def test_what_witnesses_did_not_sign_is_published_after_the_next_start(tmp_path: Path, signer: LogSigner) -> None:
    def refuse(_: bytes, __: LogStore) -> bytes:
        raise TransportError("expected 1 co-signature, got none", code="witness_quorum")

    with LogFiles(tmp_path / "log") as log:
        writer = LogWriter(log, ORIGIN, signer=signer, clock=SteppingClock(), publish_seconds=0.01, cosign=refuse)
        writer.submit(lambda _: plain(b"a")).result()
        writer.close()
        assert log.checkpoint() is None
    with LogFiles(tmp_path / "log") as log:
        writer = LogWriter(
            log, ORIGIN, signer=signer, clock=SteppingClock(), publish_seconds=0.01, cosign=lambda note, _: note
        )
        assert writer.publish().size == 1
        writer.close()


@pytest.mark.parametrize("seconds", [0.2, 0.45, 0.8])
def test_killed_at_any_moment_it_has_what_it_acknowledged(tmp_path: Path, seconds: float) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path / "log"), ORIGIN]
    acknowledged: dict[int, tuple[str, Promise]] = {}
    for _ in range(2):  # and once more on what the first one left
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline()]
            time.sleep(seconds)
            child.send_signal(signal.SIGKILL)
            lines += child.stdout.read().splitlines(keepends=True)
        for line in lines:
            if line.endswith("\n"):
                text, _, promise = line.rstrip().partition(";")
                read = Promise.from_text(promise)
                assert read.index not in acknowledged
                acknowledged[read.index] = (text, read)
    assert len(acknowledged) > 10
    with LogFiles(tmp_path / "log") as log:
        notes = dict(log.notes(1_000_000))
        tree = TreeReader(log, log.head().size)
        for index, (text, promise) in acknowledged.items():
            promise.verify(LogSigner.from_seed(bytes(32)).key)
            assert tree.leaf(index) == promise.leaf_hash == leaf_hash(text.encode())
            assert notes[index] == b"note of " + text.encode()
