"""The worker against nodes that answer badly, are behind or reorganise, and against others with its relay key."""

from __future__ import annotations

import dataclasses
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from sqlmodel import col, select

from archive_api.outbox.calls import FILL_JOB
from archive_api.outbox.models import Job, JournalRow
from archive_api.outbox.monitor import WorkerMonitor
from archive_api.outbox.repository import JobRepository
from archive_api.services import Services
from archive_api.worker import Worker
from ledger import anchoring
from ledger.adapters.evm import EvmChain
from ledger.adapters.rpc import JsonRpc
from ledger.anchoring import Phase
from ledger.errors import LedgerError, TransportError
from ledger.ports.calls import FillNonce
from ledger.ports.chain import SubmissionStatus
from tests.simulators.faulty_node import MODES, SLOW_SECONDS, faulty_node

from .world import Prepared, World


def work_until(worker: Worker, done: Callable[[], bool], *, seconds: float = 300) -> None:
    """As the worker's thread does: a round that broke off is followed by the next."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "the worker does not get on"
        with suppress(LedgerError):
            worker.round()
        time.sleep(0.01)


def is_settled(world: World) -> bool:
    return not world.unfinished_jobs()


def assert_once(world: World, prepared: Prepared) -> dict[str, Any]:
    """Anchored, by one event, in the transaction that the catalogue names."""
    shown, transaction = anchored(world, prepared)
    assert shown["anchor"]["transaction"] == transaction
    return shown


def anchored(world: World, prepared: Prepared) -> tuple[dict[str, Any], str]:
    """What is shown of an anchored submission, and the transaction of its one event."""
    shown = world.show(prepared)
    assert shown["state"] == "anchored", shown
    identifier = bytes.fromhex(shown["submission_id"][2:])
    events = [
        event
        for event in world.services.chain.events()
        if event.name == "SubmissionAnchored" and event.values["submissionId"] == identifier
    ]
    assert len(events) == 1
    return shown, "0x" + events[0].transaction_hash.hex()


def nothing_refused(world: World, subjects: list[str]) -> None:
    with world.services.database.reading() as session:
        jobs = session.exec(select(Job).where(col(Job.subject).in_(subjects))).all()
    assert jobs
    assert {(job.kind, job.phase, job.refusal) for job in jobs} == {(job.kind, Phase.FINAL, None) for job in jobs}


@contextmanager
def chain_over(world: World, url: str) -> Iterator[EvmChain]:
    trust = world.services.trust
    chain = EvmChain(
        url,
        chain_id=trust.chain_id,
        relay_key=world.home.relay_key(),
        contracts={name: pin.address for name, pin in trust.contracts.items()},
        genesis_hash=trust.genesis_hash,
        final_block=world.node.final_block_number,
        timeout_seconds=SLOW_SECONDS / 2,
    )
    try:
        yield chain
    finally:
        chain.close()


def worker_with(world: World, chain: Any) -> Worker:
    return Worker(dataclasses.replace(world.services, chain=chain), WorkerMonitor())


@pytest.mark.parametrize("mode", MODES)
def test_anchors_once_over_a_node_that_fails_at_every_question(world: World, mode: str) -> None:
    prepared, building = world.sealed(), world.new_building()
    with faulty_node(world.node.rpc_url) as node, chain_over(world, node.url) as chain:
        node.mode = mode
        work_until(worker_with(world, chain), lambda: is_settled(world))
        assert node.failed["eth_sendRawTransaction"]
        assert node.failed["eth_getTransactionReceipt"]
        assert node.failed["eth_getTransactionCount"]
    assert_once(world, prepared)
    nothing_refused(world, [building["building_key"]])


class Flickering:
    """Two nodes behind one address, one of which is some blocks behind: each question goes to either of them."""

    def __init__(self, chain: Any, chance: random.Random) -> None:
        self._chain = chain
        self._chance = chance
        self._head = chain.head()
        self._nonce = chain.next_nonce()
        self.stale = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain, name)

    def _is_stale(self) -> bool:
        is_stale = self._chance.random() < 0.5
        self.stale += is_stale
        return is_stale

    def next_nonce(self) -> int:
        return self._nonce if self._is_stale() else int(self._chain.next_nonce())

    def head(self) -> Any:
        return self._head if self._is_stale() else self._chain.head()

    def final_block_number(self) -> int:
        final = int(self._chain.final_block_number())
        return min(final, self._head.number) if self._is_stale() else final

    def receipt(self, transaction_hash: bytes) -> Any:
        found = self._chain.receipt(transaction_hash)
        return None if found and found.block.number > self._head.number and self._is_stale() else found

    def is_known(self, transaction_hash: bytes) -> bool:
        found = self._chain.receipt(transaction_hash)
        is_new = found is not None and found.block.number > self._head.number
        return False if is_new and self._is_stale() else bool(self._chain.is_known(transaction_hash))

    def submission(self, submission_id: bytes) -> Any:
        found = self._chain.submission(submission_id)
        return None if found and found.block.number > self._head.number and self._is_stale() else found


@pytest.mark.parametrize("seed", range(3))
def test_a_node_that_is_behind_loses_and_doubles_nothing(world: World, seed: int) -> None:
    prepared = world.sealed()
    buildings = [world.new_building()["building_key"] for _ in range(3)]
    chain = Flickering(world.services.chain, random.Random(seed))
    worker = worker_with(world, chain)
    work_until(worker, lambda: is_settled(world))
    assert chain.stale > 5
    # Of two transactions the second had no effect; the catalogue may name that one, having been told that the first was
    # not there.
    anchored(world, prepared)
    nothing_refused(world, buildings)


def test_what_was_given_up_on_a_stale_answer_is_taken_up_again(world: World) -> None:
    building = world.new_building()["building_key"]

    class Behind:
        """Shows a mined transaction's nonce as used, and not the transaction: answers of two nodes put together."""

        is_behind = True

        def __getattr__(self, name: str) -> Any:
            return getattr(world.services.chain, name)

        def receipt(self, transaction_hash: bytes) -> Any:
            return None if self.is_behind else world.services.chain.receipt(transaction_hash)

        def is_known(self, transaction_hash: bytes) -> bool:
            return not self.is_behind

    chain = Behind()
    worker = worker_with(world, chain)

    def transactions() -> list[JournalRow]:
        with world.services.database.reading() as session:
            query = select(JournalRow).join(Job).where(Job.subject == building).order_by(col(JournalRow.id))
            return list(session.exec(query).all())

    work_until(worker, lambda: any(row.given_up for row in transactions()))
    first = transactions()[0].transaction_hash
    chain.is_behind = False
    work_until(worker, lambda: is_settled(world))
    with world.services.database.reading() as session:
        job = session.exec(select(Job).where(Job.subject == building)).one()
    assert (job.phase, job.transaction_hash) == (Phase.FINAL, first)


def test_two_workers_at_once_anchor_each_submission_once(world: World) -> None:
    prepared = [world.sealed() for _ in range(3)]
    buildings = [world.new_building()["building_key"] for _ in range(12)]
    stop = threading.Event()

    def run(worker: Worker) -> None:
        while not stop.is_set():
            with suppress(LedgerError):
                worker.round()
            stop.wait(0.001)

    threads = [threading.Thread(target=run, args=(worker_with(world, world.services.chain),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        deadline = time.monotonic() + 300
        while not is_settled(world):
            assert time.monotonic() < deadline, world.unfinished_jobs()
            time.sleep(0.05)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for one in prepared:
        assert_once(world, one)
    nothing_refused(world, buildings)
    with world.services.database.reading() as session:
        nonces = session.exec(select(JournalRow.nonce).where(col(JournalRow.given_up).is_(False))).all()
    assert len(nonces) == len(set(nonces)), "two live transactions under one nonce"


def test_a_nonce_that_another_worker_chose_meanwhile_is_not_used_twice(world: World) -> None:
    world.new_building()
    second = world.new_building()["building_key"]
    chain = world.services.chain

    class Overtaken:
        """While one job is being prepared, another worker prepares the other one."""

        overtaken = False

        def __getattr__(self, name: str) -> Any:
            return getattr(chain, name)

        def prepare(self, call: Any, nonce: int) -> Any:
            prepared = chain.prepare(call, nonce)
            if not self.overtaken:
                self.overtaken = True
                other = worker_with(world, chain)
                with world.services.database.reading() as session:
                    number = session.exec(select(Job.id).where(Job.subject == second)).one()
                other._advance(number)
            return prepared

    work_until(worker_with(world, Overtaken()), lambda: is_settled(world))
    with world.services.database.reading() as session:
        rows = session.exec(select(JournalRow).order_by(col(JournalRow.id).desc()).limit(2)).all()
    assert len({row.nonce for row in rows}) == 2
    assert not any(row.given_up for row in rows)


def raw_node(world: World) -> JsonRpc:
    """The node itself, past the gate that lets only signed transactions through."""
    return world.node._rpc


def pause_mining(world: World) -> Callable[[], None]:
    """Have the supervisor mine nothing until the answer is called."""
    interval, world.node._interval = world.node._interval, 3600.0
    return lambda: setattr(world.node, "_interval", interval)


def test_sends_again_what_the_pool_dropped(world: World) -> None:
    prepared = world.sealed()
    resume = pause_mining(world)
    try:
        work_until(world.worker, lambda: world.unfinished_jobs().get(Phase.BROADCAST, 0) == 1)
        with world.services.database.reading() as session:
            job = session.exec(select(Job).where(Job.phase == Phase.BROADCAST)).one()
        assert raw_node(world).call("anvil_dropTransaction", job.transaction_hash, timeout=10.0)
    finally:
        resume()
    world.settle()
    assert_once(world, prepared)
    with world.services.database.reading() as session:
        assert session.get_one(Job, job.id).transaction_hash == job.transaction_hash


def test_a_transaction_that_another_replaced_is_made_anew(world: World) -> None:
    prepared = world.sealed()
    resume = pause_mining(world)
    try:
        work_until(world.worker, lambda: world.unfinished_jobs().get(Phase.BROADCAST, 0) == 1)
        with world.services.database.reading() as session:
            job = session.exec(select(Job).where(Job.phase == Phase.BROADCAST)).one()
        # Somebody else with the relay key uses the nonce.
        assert raw_node(world).call("anvil_dropTransaction", job.transaction_hash, timeout=10.0)
        assert job.nonce is not None
        world.services.chain.broadcast(world.services.chain.prepare(FillNonce(), job.nonce).raw)
    finally:
        resume()
    world.settle()
    assert_once(world, prepared)
    with world.services.database.reading() as session:
        again = session.get_one(Job, job.id)
        given_up = JobRepository(session).given_up(again)
    assert again.transaction_hash != job.transaction_hash
    assert [row.transaction_hash for row in given_up] == [job.transaction_hash]


@pytest.mark.parametrize("others", ["none", "without room", "waiting for ours"])
def test_a_nonce_that_nobody_holds_any_more_is_filled(
    world: World, monkeypatch: pytest.MonkeyPatch, others: str
) -> None:
    """A transaction of somebody else with the relay key was mined before ours, and is forgotten with its block."""
    chain = world.services.chain
    subjects = [world.new_building()["building_key"]]
    if others == "without room":
        monkeypatch.setattr(anchoring, "IN_FLIGHT_LIMIT", 1)
        subjects.append(world.new_building()["building_key"])
    elif others == "waiting for ours":
        unit = world.post(f"/buildings/{subjects[0]}/unit-projects", {"code": "U01", "name": "主体工程"})
        subjects.append(unit["unit_project_key"])
    skipped = chain.next_nonce()

    class Ahead:
        """A node on which a stranger's transaction has used one more nonce."""

        def __getattr__(self, name: str) -> Any:
            return getattr(chain, name)

        def next_nonce(self) -> int:
            return max(int(chain.next_nonce()), skipped + 1)

    ahead = worker_with(world, Ahead())
    work_until(ahead, lambda: world.unfinished_jobs().get(Phase.BROADCAST, 0) == 1)
    assert chain.next_nonce() == skipped
    world.settle()  # on the node that has forgotten it
    nothing_refused(world, subjects)
    with world.services.database.reading() as session:
        filled = session.exec(select(Job).where(Job.kind == FILL_JOB, Job.subject == str(skipped))).one()
    assert (filled.nonce, filled.phase) == (skipped, Phase.FINAL)


def test_follows_a_reorganisation_and_anchors_again(world: World) -> None:
    """Blocks that were final are replaced by others without our transactions: it is sent again, the same one."""
    prepared = world.sealed()
    rpc = raw_node(world)
    snapshot = rpc.call("evm_snapshot", timeout=10.0)
    world.settle()
    before = assert_once(world, prepared)["anchor"]
    resume = pause_mining(world)
    try:
        assert rpc.call("evm_revert", snapshot, timeout=10.0)
        # The other branch, with other times, so with other hashes; the supervisor is to know of it.
        parent = world.services.chain.head()
        for seconds in (3, 6, 9):
            rpc.call("evm_mine", {"timestamp": parent.timestamp + seconds}, timeout=10.0)
        head = world.services.chain.head()
        world.node._head, world.node._head_time = head.number, head.timestamp
    finally:
        resume()
    identifier = bytes.fromhex(world.show(prepared)["submission_id"][2:])
    assert world.services.chain.submission(identifier) is None
    world.worker._watch_at = 0.0  # it looks at final jobs every minute

    def is_back() -> bool:
        record = world.services.chain.submission(identifier)
        return record is not None and record.status is SubmissionStatus.ANCHORED and is_settled(world)

    work_until(world.worker, is_back)
    after = assert_once(world, prepared)["anchor"]
    assert after["transaction"] == before["transaction"]
    assert after["block_hash"] != before["block_hash"]


def test_what_needs_a_block_that_is_gone_is_not_refused(world: World) -> None:
    """As over a chain restored from a backup, in which the catalogue knows more than the chain."""
    rpc = raw_node(world)
    snapshot = rpc.call("evm_snapshot", timeout=10.0)
    unit = world.new_unit_project()  # final, and soon gone
    prepared = world.sealed(unit)
    resume = pause_mining(world)
    try:
        assert rpc.call("evm_revert", snapshot, timeout=10.0)
        parent = world.services.chain.head()
        for seconds in (3, 6, 9, 12):
            rpc.call("evm_mine", {"timestamp": parent.timestamp + seconds}, timeout=10.0)
        head = world.services.chain.head()
        world.node._head, world.node._head_time = head.number, head.timestamp
    finally:
        resume()
    work_until(worker_with(world, world.services.chain), lambda: is_settled(world))
    assert_once(world, prepared)


def test_stops_and_says_so_while_the_node_fails_at_everything(world: World) -> None:
    building = world.new_building()["building_key"]
    monitor = WorkerMonitor()

    class Silent:
        def __getattr__(self, name: str) -> Any:
            def silent(*_: Any) -> Any:
                raise TransportError("expected an answer, got none")

            return silent

    services: Services = dataclasses.replace(world.services, chain=Silent(), worker=monitor)
    worker = Worker(services, monitor)
    for _ in range(3):
        with pytest.raises(TransportError):
            worker.round()
    world.settle()
    nothing_refused(world, [building])
