"""The worker, broken at every durable step: each submission is on chain once, and none is lost."""

from __future__ import annotations

import base64
import dataclasses
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlmodel import Session, col, select

from archive_api.db.engine import Database
from archive_api.outbox.models import Job, JournalRow
from archive_api.outbox.monitor import WorkerMonitor
from archive_api.services import Services
from archive_api.submissions.models import SealRow
from archive_api.worker import Worker
from ledger.anchoring import Phase
from ledger.errors import PolicyError, TransportError
from ledger.ports.calls import Submit
from ledger.types import ROLES

from .world import Prepared, World


class CrashError(BaseException):
    """The process is killed here."""


class BrittleDatabase(Database):
    """Dies at the n-th writing transaction, just before or just after it is committed."""

    def __init__(self, database: Database, *, at: int, committed: bool) -> None:
        self.__dict__ = dict(database.__dict__)
        self._left = at
        self._committed = committed

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        self._left -= 1
        with super().transaction() as session:
            yield session
            if self._left == 0 and not self._committed:
                raise CrashError
        if self._left == 0:
            raise CrashError


class BrittleChain:
    """Dies before or after its first call of one method."""

    def __init__(
        self, chain: Any, method: str, *, after: bool, error: Callable[[], BaseException] = CrashError
    ) -> None:
        self._chain = chain
        self._method = method
        self._after = after
        self._error = error

    def __getattr__(self, name: str) -> Any:
        real: Callable[..., Any] = getattr(self._chain, name)
        if name != self._method:
            return real

        def brittle(*arguments: Any) -> Any:
            if self._after:
                real(*arguments)
            raise self._error()

        return brittle


def crash(services: Services, error: type[BaseException] = CrashError) -> None:
    worker = Worker(services, WorkerMonitor())
    deadline = time.monotonic() + 20
    with pytest.raises(error):
        while time.monotonic() < deadline:
            worker.round()
            time.sleep(0.01)


def anchored_once(world: World, prepared: Prepared) -> None:
    world.settle()
    shown = world.show(prepared)
    assert shown["state"] == "anchored"
    identifier = bytes.fromhex(shown["submission_id"][2:])
    anchored = [
        event
        for event in world.services.chain.events()
        if event.name == "SubmissionAnchored" and event.values["submissionId"] == identifier
    ]
    assert len(anchored) == 1
    assert anchored[0].transaction_hash == bytes.fromhex(shown["anchor"]["transaction"][2:])


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_anchors_once_when_killed_around_a_commit(world: World, at: int, committed: bool) -> None:
    prepared = world.sealed()
    database = BrittleDatabase(world.services.database, at=at, committed=committed)
    crash(dataclasses.replace(world.services, database=database))
    anchored_once(world, prepared)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("method", ["next_nonce", "prepare", "broadcast", "receipt"])
def test_anchors_once_when_killed_around_a_call_of_the_node(world: World, method: str, after: bool) -> None:
    prepared = world.sealed()
    crash(dataclasses.replace(world.services, chain=BrittleChain(world.services.chain, method, after=after)))
    anchored_once(world, prepared)


def test_journals_a_transaction_before_it_is_sent(world: World) -> None:
    prepared = world.sealed()
    crash(dataclasses.replace(world.services, chain=BrittleChain(world.services.chain, "broadcast", after=False)))
    with world.services.database.reading() as session:
        job = session.exec(select(Job).order_by(col(Job.id).desc()).limit(1)).one()
        journalled = session.exec(select(JournalRow).where(JournalRow.job_id == job.id)).one()
    assert job.phase == Phase.SIGNED
    assert journalled.transaction_hash == job.transaction_hash
    assert world.show(prepared)["state"] == "sealed"
    anchored_once(world, prepared)
    with world.services.database.reading() as session:
        assert session.get_one(Job, job.id).transaction_hash == journalled.transaction_hash


@pytest.mark.parametrize("method", ["next_nonce", "prepare", "broadcast", "receipt", "head"])
def test_waits_while_the_node_is_down(world: World, method: str) -> None:
    prepared = world.sealed()
    chain = BrittleChain(world.services.chain, method, after=False, error=_unreachable)
    crash(dataclasses.replace(world.services, chain=chain), TransportError)
    anchored_once(world, prepared)


def _unreachable() -> TransportError:
    return TransportError("expected the node to answer, got nothing")


def test_shows_a_node_that_is_down_and_gets_on_once_it_is_back(world: World) -> None:
    monitor = WorkerMonitor()
    chain = BrittleChain(world.services.chain, "head", after=False, error=_unreachable)
    services = dataclasses.replace(world.services, chain=chain, worker=monitor)
    worker = Worker(services, monitor)
    worker.start()
    deadline = time.monotonic() + 10
    while not monitor.is_stuck and time.monotonic() < deadline:
        time.sleep(0.01)
    world.client.app.state.services = services
    try:
        readiness = world.get("/readiness", 503)
        assert not readiness["chain"]["ready"]
        assert not readiness["worker"]["ready"]
        assert readiness["database"]["ready"]
        assert readiness["store"]["ready"]
    finally:
        world.client.app.state.services = world.services
        worker.stop()
    assert "got nothing" in (monitor.last_error or "")


@pytest.mark.parametrize("acknowledged", [False, True])
def test_sends_again_what_a_killed_node_forgot(world: World, acknowledged: bool) -> None:
    prepared = world.sealed()
    # The transaction is sent, stored as sent or not, and the node dies before it is in a durable dump.
    if acknowledged:
        database = BrittleDatabase(world.services.database, at=2, committed=True)
        crash(dataclasses.replace(world.services, database=database))
        assert world.unfinished_jobs()[Phase.BROADCAST] == 1
    else:
        crash(dataclasses.replace(world.services, chain=BrittleChain(world.services.chain, "broadcast", after=True)))
    process = world.node.process_id
    assert process is not None
    os.kill(process, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while world.node.process_id in (process, None) or not world.node.is_ready:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    anchored_once(world, prepared)


def test_shows_what_the_contract_refused_and_why(world: World) -> None:
    prepared = world.frozen(seal_in=8)
    for role in ROLES:
        world.seal(prepared, role)
    time.sleep(max(0.0, prepared.statement.seal_by + 1.2 - time.time()))
    world.settle()
    shown = world.show(prepared)
    assert shown["state"] == "anchor_refused"
    assert shown["state_reason"] == "SealByPassed"
    assert shown["anchor"]["reason_code"] == "SealByPassed"
    assert shown["anchor"]["reason_values"]["sealBy"] == prepared.statement.seal_by


def is_mined(world: World, subject: str) -> bool:
    with world.services.database.reading() as session:
        return session.exec(select(Job).where(Job.subject == subject)).one().phase == Phase.MINED


def test_a_refusal_counts_only_once_everything_beside_it_is_final(world: World) -> None:
    prepared, building = world.frozen(), world.new_building()
    for role in ROLES:
        world.seal(prepared, role)

    class Forgetful:
        """A node that answers from before its newest block; nothing becomes final."""

        def __getattr__(self, name: str) -> Any:
            return getattr(world.services.chain, name)

        def prepare(self, call: Any, nonce: int) -> Any:
            if isinstance(call, Submit):
                raise PolicyError("expected a known roster, got none", code="RosterMismatch")
            return world.services.chain.prepare(call, nonce)

        def final_block_number(self) -> int:
            return 0

    worker = Worker(dataclasses.replace(world.services, chain=Forgetful()), WorkerMonitor())
    deadline = time.monotonic() + 20
    while not is_mined(world, building["building_key"]):
        assert time.monotonic() < deadline
        worker.round()
    worker.round()
    assert world.show(prepared)["state"] == "sealed"
    anchored_once(world, prepared)


def test_a_transaction_that_is_being_mined_is_not_given_up(world: World) -> None:
    building = world.new_building()

    class Mining:
        """A node that has counted the nonce of what it mines, and shows no receipt yet, as anvil for a moment does."""

        counted = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(world.services.chain, name)

        def next_nonce(self) -> int:
            return max(self.counted, world.services.chain.next_nonce())

        def broadcast(self, raw: bytes) -> None:
            self.counted = world.services.chain.next_nonce() + 1
            world.services.chain.broadcast(raw)

        def receipt(self, transaction_hash: bytes) -> None:
            return None

    worker = Worker(dataclasses.replace(world.services, chain=Mining()), WorkerMonitor())
    for _ in range(5):
        worker.round()
    world.settle()
    with world.services.database.reading() as session:
        job = session.exec(select(Job).where(Job.subject == building["building_key"])).one()
        journalled = session.exec(select(JournalRow).where(JournalRow.job_id == job.id)).all()
    assert (job.phase, job.refusal, len(journalled)) == (Phase.FINAL, None, 1)


def test_withdraws_on_chain_what_was_refused_and_makes_the_draft_free_again(world: World) -> None:
    prepared = world.frozen(seal_in=2)
    for role in ROLES:
        world.seal(prepared, role)
    time.sleep(3.2)
    world.settle()
    submission_id = world.show(prepared)["submission_id"]
    body = world.withdrawal(prepared, ROLES[0])
    shown = world.post(f"/submissions/{prepared.ref}/withdrawal", body, 200)
    assert shown["state"] == "draft"
    world.settle()
    recorded = world.services.chain.submission(bytes.fromhex(submission_id[2:]))
    assert recorded is not None
    assert recorded.status.name == "WITHDRAWN"


def test_works_off_a_burst(world: World) -> None:
    keys = [world.new_building()["building_key"] for _ in range(40)]
    world.settle()
    for key in keys:
        shown = world.get(f"/buildings/{key}")
        assert (shown["status"], shown["final"]) == ("registered", True)


def sealed_together(world: World, count: int = 6) -> list[Prepared]:
    """Submissions of as many unit projects, all of them sealed before the worker sees one."""
    world.anchored()  # what a submission costs is known from the one before
    units = [world.new_unit_project() for _ in range(count)]
    return [world.sealed(unit) for unit in units]


class CountingChain:
    """Counts the calls of a chain."""

    def __init__(self, chain: Any) -> None:
        self._chain = chain
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.calls[name] += 1
        return getattr(self._chain, name)


@pytest.mark.parametrize("at_once", [64, 4])
def test_many_submissions_are_prepared_and_sent_together(
    world: World, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr("archive_api.worker.MANY", at_once)
    prepared = sealed_together(world)
    chain = CountingChain(world.services.chain)
    worker = Worker(dataclasses.replace(world.services, chain=chain), WorkerMonitor())
    for _ in range(-(-len(prepared) // at_once)):
        worker.round()
    assert not {"prepare", "broadcast"} & chain.calls.keys()
    subjects = [world.show(one)["submission_id"] for one in prepared]
    with world.services.database.reading() as session:
        jobs = session.exec(select(Job).where(col(Job.subject).in_(subjects), Job.kind == "submit")).all()
    nonces = sorted(job.nonce or 0 for job in jobs)
    assert nonces == list(range(nonces[0], nonces[0] + len(prepared)))
    for one in prepared:
        anchored_once(world, one)


def test_what_there_is_no_room_for_waits_without_being_asked_about(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = sealed_together(world)
    chain = CountingChain(world.services.chain)
    worker = Worker(dataclasses.replace(world.services, chain=chain), WorkerMonitor())
    monkeypatch.setattr("ledger.anchoring.IN_FLIGHT_LIMIT", 0)
    worker.round()
    # Whether it takes such questions is all it was asked.
    assert chain.calls["recorded_among"] == chain.calls["prepare_all"] == chain.calls["broadcast_all"]
    assert not {"prepare", "submission"} & chain.calls.keys()
    assert world.unfinished_jobs() == {Phase.QUEUED: len(prepared)}
    monkeypatch.setattr("ledger.anchoring.IN_FLIGHT_LIMIT", len(prepared) - 1)
    monkeypatch.setattr("archive_api.worker.MANY", len(prepared) - 1)
    worker.round()
    assert world.unfinished_jobs().get(Phase.QUEUED) == 1
    assert not {"prepare", "submission"} & chain.calls.keys()
    assert not worker._is_behind  # else the next round began at once, and there is no room for it
    for one in prepared:
        anchored_once(world, one)


def test_final_jobs_are_watched_together_and_those_that_moved_by_themselves(world: World) -> None:
    prepared = sealed_together(world)
    for one in prepared:
        anchored_once(world, one)
    with world.services.database.transaction() as session:
        subject = world.show(prepared[0])["submission_id"]
        moved = session.exec(select(Job).where(Job.subject == subject, Job.kind == "submit")).one()
        known, moved.block_hash = moved.block_hash, "0x" + "11" * 32
        session.add(moved)
    chain = CountingChain(world.services.chain)
    Worker(dataclasses.replace(world.services, chain=chain), WorkerMonitor()).round()
    assert chain.calls["receipt"] == 1
    with world.services.database.reading() as session:
        assert session.get_one(Job, moved.id).block_hash == known


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("method", ["recorded_among", "prepare_all", "broadcast_all", "receipts"])
def test_anchors_each_of_many_once_when_killed_around_a_call_of_the_node(
    world: World, method: str, after: bool
) -> None:
    prepared = sealed_together(world)
    crash(dataclasses.replace(world.services, chain=BrittleChain(world.services.chain, method, after=after)))
    for one in prepared:
        anchored_once(world, one)


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_anchors_each_of_many_once_when_killed_around_a_commit(world: World, at: int, committed: bool) -> None:
    prepared = sealed_together(world)
    crash(
        dataclasses.replace(
            world.services, database=BrittleDatabase(world.services.database, at=at, committed=committed)
        )
    )
    for one in prepared:
        anchored_once(world, one)


def test_one_that_the_contract_refuses_keeps_none_of_the_others_back(world: World) -> None:
    prepared = sealed_together(world)
    refused = prepared[2]
    with world.services.database.transaction() as session:
        seal = session.exec(
            select(SealRow).where(SealRow.submission_id == world.show(refused)["submission_id"])
        ).first()
        assert seal is not None
        seal.signature = base64.b64encode(b"\x01" * 64).decode()
        session.add(seal)
    world.settle()
    assert world.show(refused)["state"] == "anchor_refused"
    for one in prepared:
        if one is not refused:
            anchored_once(world, one)
