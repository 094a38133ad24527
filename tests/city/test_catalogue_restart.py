"""PostgreSQL restarted in the middle of transactions: each is there whole or not at all, what was acknowledged is."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from city_engines import require_engine

from archive_api.db.engine import Database
from archive_api.db.schema import prepare_schema
from archive_api.errors import TransportError
from archive_api.outbox.repository import JobChanges, JobRepository
from ledger.adapters.clock import SystemClock
from ledger.ports.chain import SignedTransaction
from scripts.network.postgres import make_postgres
from scripts.network.processes import daemon, wait_for

HOW = [signal.SIGINT, signal.SIGQUIT]  # PostgreSQL's fast and its immediate shutdown: the second recovers from its log


class Server:
    """A server that can be restarted under its clients."""

    def __init__(self, folder: Path) -> None:
        self._postgres = make_postgres(folder, require_engine("postgres"))
        self._running = ExitStack()
        self.start()
        self.url = self._postgres.create_database("catalogue")

    def start(self) -> None:
        process = self._running.enter_context(daemon(self._postgres.command(), log=self._postgres.log))
        wait_for(self._postgres.is_up, process, log=self._postgres.log, name="PostgreSQL")
        self._process = process
        deadline = time.monotonic() + 90
        while not self._takes_clients():  # it listens while it still recovers
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _takes_clients(self) -> bool:
        try:
            psycopg.connect(self._postgres.url().replace("+psycopg", "")).close()
        except psycopg.OperationalError:
            return False
        return True

    def restart(self, number: signal.Signals) -> None:
        self._process.send_signal(number)
        self._process.wait(60)
        self.start()

    def close(self) -> None:
        self._running.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    # Not below pytest's own folder: each session of pytest closes that to other users, such as PostgreSQL's.
    with TemporaryDirectory() as folder:
        server = Server(Path(folder) / "server")
        try:
            yield server
        finally:
            server.close()


@pytest.fixture
def catalogue(server: Server) -> Iterator[Database]:
    database = Database(server.url)
    prepare_schema(database, migrate=True)
    yield database
    database.close()


def add(database: Database, subject: str) -> None:
    """A job and its transaction in the journal, in one transaction of the catalogue."""
    now = SystemClock().now()
    with database.transaction() as session:
        job_id = JobRepository(session).add("fill_nonce", subject, now=now)
        digest = subject.encode().ljust(32, b"\0")[:32]
        transaction = SignedTransaction(b"raw", digest, nonce=job_id, sender=bytes(20))
        changes = JobChanges(session, [transaction], now=now)
        changes.journal(job_id, transaction)
        changes.write()


def found(database: Database) -> dict[str, int]:
    """Transactions in the journal by the job they belong to; every job, with or without."""
    with database.reading() as session:
        jobs = JobRepository(session)
        return {job.subject: len(jobs.held_nonces(job.id or 0)[:1]) for job in jobs.unfinished()}


def again(database: Database, subject: str) -> None:
    """As whoever was not answered does; a pool's dead connections are told apart by asking."""
    for _ in range(10):
        try:
            add(database, subject)
            return
        except TransportError:
            continue
    raise AssertionError("the catalogue does not come back")


@pytest.mark.parametrize("how", HOW, ids=["fast", "immediate"])
def test_a_restart_in_the_middle_leaves_nothing_of_a_transaction(
    server: Server, catalogue: Database, how: signal.Signals
) -> None:
    again(catalogue, f"acknowledged {how.name}")
    with pytest.raises(TransportError) as broken, catalogue.transaction() as session:
        JobRepository(session).add("fill_nonce", f"half {how.name}", now=SystemClock().now())
        server.restart(how)
        JobRepository(session).add("fill_nonce", f"other half {how.name}", now=SystemClock().now())
    assert broken.value.code == "database_unreachable"
    with pytest.raises(TransportError), catalogue.transaction() as session:
        JobRepository(session).add("fill_nonce", f"at commit {how.name}", now=SystemClock().now())
        server.restart(how)
    again(catalogue, f"afterwards {how.name}")
    names = found(catalogue).keys()
    assert {f"acknowledged {how.name}", f"afterwards {how.name}"} <= names
    assert not [name for name in names if name.endswith(how.name) and name.split(" ")[0] in ("half", "other", "at")]


@pytest.mark.parametrize("how", HOW, ids=["fast", "immediate"])
def test_restarted_under_writers_it_has_all_that_was_acknowledged_and_nothing_by_halves(
    server: Server, catalogue: Database, how: signal.Signals
) -> None:
    acknowledged: list[str] = []
    stop = threading.Event()
    failures: list[BaseException] = []

    def write(writer: int) -> None:
        number = 0
        while not stop.is_set():
            name = f"{how.name} {writer} {number}"
            try:
                add(catalogue, name)
                acknowledged.append(name)
            except TransportError:
                pass
            except BaseException as error:
                failures.append(error)
                raise
            number += 1

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            before = len(acknowledged)
            while len(acknowledged) < before + 20 and not failures:
                stop.wait(0.01)
            server.restart(how)
        before = len(acknowledged)
        while len(acknowledged) < before + 20 and not failures:
            stop.wait(0.01)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    there = found(catalogue)
    assert set(acknowledged) <= there.keys()
    assert set(there.values()) == {1}, "a job without its transaction"
