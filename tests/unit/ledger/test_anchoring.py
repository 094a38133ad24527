"""The anchoring state machine: its table, and that no crash loses a job or anchors it twice."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.anchoring import (
    ATTEMPT_LIMIT,
    IN_FLIGHT_LIMIT,
    Absent,
    Action,
    AnchorState,
    Block,
    Found,
    NotTaken,
    Observation,
    Phase,
    Prepared,
    Recorded,
    Refused,
    Retried,
    Sent,
    Step,
    Unreachable,
    choose_nonce,
    nonce_gap,
    resume,
    step,
)
from ledger.errors import PolicyError

HASH = bytes(range(32))
BLOCK = Block(5, b"\x05" * 32)
OTHER_BLOCK = Block(6, b"\x06" * 32)
QUEUED = AnchorState()
SIGNED = AnchorState(Phase.SIGNED, transaction_hash=HASH, nonce=7)
BROADCAST = AnchorState(Phase.BROADCAST, transaction_hash=HASH, nonce=7)
MINED = AnchorState(Phase.MINED, transaction_hash=HASH, nonce=7, block=BLOCK)
REVERTED = AnchorState(Phase.REVERTED, transaction_hash=HASH, nonce=7, block=BLOCK)
FINAL = AnchorState(Phase.FINAL, transaction_hash=HASH, nonce=7, block=BLOCK)
REFUSED = AnchorState(Phase.REFUSED, refusal="SealByPassed")
EVERY_STATE = (QUEUED, SIGNED, BROADCAST, MINED, REVERTED, FINAL, REFUSED)


def found(block: Block = BLOCK, *, succeeded: bool = True, final: int = 0) -> Found:
    return Found(block, succeeded=succeeded, final_block_number=final)


@pytest.mark.parametrize(
    ("state", "observation", "phase", "action"),
    [
        (QUEUED, Prepared(HASH, 7), Phase.SIGNED, Action.BROADCAST),
        (QUEUED, Refused("SealByPassed"), Phase.REFUSED, Action.NONE),
        (QUEUED, Refused("SequenceMismatch", in_flight=1), Phase.QUEUED, Action.WAIT),
        (QUEUED, Recorded(BLOCK, final_block_number=4), Phase.MINED, Action.CHECK),
        (QUEUED, Recorded(BLOCK, final_block_number=5), Phase.FINAL, Action.WATCH),
        (QUEUED, Absent(3), Phase.QUEUED, Action.PREPARE),
        (SIGNED, Sent(), Phase.BROADCAST, Action.CHECK),
        (SIGNED, NotTaken("nonce_used"), Phase.BROADCAST, Action.CHECK),
        (SIGNED, NotTaken("transaction_refused"), Phase.QUEUED, Action.PREPARE),
        (SIGNED, Absent(7), Phase.SIGNED, Action.BROADCAST),
        (BROADCAST, Absent(7), Phase.BROADCAST, Action.BROADCAST),
        (BROADCAST, Absent(8), Phase.QUEUED, Action.PREPARE),
        (BROADCAST, found(), Phase.MINED, Action.CHECK),
        (BROADCAST, found(final=5), Phase.FINAL, Action.WATCH),
        (BROADCAST, found(succeeded=False), Phase.REVERTED, Action.CHECK),
        (MINED, found(OTHER_BLOCK), Phase.MINED, Action.CHECK),
        (MINED, Absent(7), Phase.BROADCAST, Action.BROADCAST),
        (MINED, found(final=5), Phase.FINAL, Action.WATCH),
        (FINAL, Absent(6), Phase.BROADCAST, Action.BROADCAST),
        (FINAL, found(OTHER_BLOCK, final=5), Phase.MINED, Action.CHECK),
        (REVERTED, found(succeeded=False, final=5), Phase.QUEUED, Action.PREPARE),
        (REVERTED, Absent(7), Phase.BROADCAST, Action.BROADCAST),
        (REFUSED, Retried(), Phase.QUEUED, Action.PREPARE),
    ],
)
def test_leads_to(state: AnchorState, observation: Observation, phase: Phase, action: Action) -> None:
    result = step(state, observation)
    assert (result.state.phase, result.action) == (phase, action)


@pytest.mark.parametrize("state", EVERY_STATE)
def test_an_unreachable_node_changes_nothing(state: AnchorState) -> None:
    assert step(state, Unreachable()) == Step(state, Action.WAIT)


@pytest.mark.parametrize(
    ("state", "observation"),
    [
        (SIGNED, Prepared(HASH, 8)),
        (MINED, Prepared(HASH, 8)),
        (BROADCAST, Refused("SealByPassed")),
        (FINAL, Refused("SealByPassed")),
        (QUEUED, Sent()),
        (MINED, Sent()),
        (FINAL, Retried()),
        (REFUSED, found()),
        (REFUSED, Absent(9)),
        (QUEUED, found()),
    ],
)
def test_refuses_an_observation_that_does_not_fit(state: AnchorState, observation: Observation) -> None:
    with pytest.raises(PolicyError, match="expected") as caught:
        step(state, observation)
    assert caught.value.code == "illegal_transition"


def test_what_the_chains_clock_is_behind_waits() -> None:
    assert step(QUEUED, Refused("ListInFuture")) == Step(QUEUED, Action.WAIT)


def test_follows_a_reorganisation_into_the_other_block() -> None:
    assert step(MINED, found(OTHER_BLOCK)).state.block == OTHER_BLOCK


def test_keeps_the_transaction_to_send_it_again() -> None:
    state = step(FINAL, Absent(5)).state
    assert (state.transaction_hash, state.nonce, state.block) == (HASH, 7, None)


def test_refuses_after_too_many_reverts() -> None:
    state = AnchorState(Phase.REVERTED, transaction_hash=HASH, nonce=7, block=BLOCK, attempts=ATTEMPT_LIMIT - 1)
    refused = step(state, found(succeeded=False, final=5)).state
    assert (refused.phase, refused.refusal) == (Phase.REFUSED, "reverted")


def test_a_retried_job_starts_afresh() -> None:
    assert step(AnchorState(Phase.REFUSED, refusal="reverted", attempts=3), Retried()).state == AnchorState()


def test_a_record_by_another_that_is_gone_is_made_again() -> None:
    by_another = AnchorState(Phase.MINED, block=BLOCK)
    assert step(by_another, Absent(0)) == Step(AnchorState(), Action.PREPARE)


def test_bounds_what_is_in_flight() -> None:
    assert resume(QUEUED, in_flight=IN_FLIGHT_LIMIT) is Action.WAIT
    assert resume(QUEUED, in_flight=IN_FLIGHT_LIMIT - 1) is Action.PREPARE
    assert resume(SIGNED, in_flight=IN_FLIGHT_LIMIT) is Action.BROADCAST


@given(st.integers(0, 50), st.sets(st.integers(0, 60)))
def test_chooses_a_nonce_that_is_free_and_leaves_no_gap(next_nonce: int, held: set[int]) -> None:
    nonce = choose_nonce(next_nonce, held)
    assert nonce >= next_nonce
    assert nonce not in held
    assert set(range(next_nonce, nonce)) <= held


@pytest.mark.parametrize(
    ("next_nonce", "held", "gap"), [(3, [], None), (3, [1, 2], None), (3, [3, 4], None), (3, [4, 5], 3), (0, [1], 0)]
)
def test_names_the_nonce_that_blocks_others(next_nonce: int, held: list[int], gap: int | None) -> None:
    assert nonce_gap(next_nonce, held) == gap


# --- the whole: a worker over this state machine against a node that forgets ---


@dataclass(frozen=True)
class Transaction:
    job: str
    nonce: int
    serial: int

    @property
    def hash(self) -> bytes:
        return repr(self).encode()


class NodeDownError(Exception):
    pass


@dataclass
class Node:
    """A chain that loses blocks without a dump, and its pool, when it is killed. Every execution counts."""

    blocks: list[list[tuple[Transaction, bool]]] = field(default_factory=lambda: [[]])
    durable: int = 1
    pool: list[Transaction] = field(default_factory=list)
    is_up: bool = True
    refuses: set[str] = field(default_factory=set)
    serial: int = 0

    def ask(self) -> None:
        if not self.is_up:
            raise NodeDownError

    def next_nonce(self) -> int:
        return sum(len(block) for block in self.blocks)

    def find(self, wanted: bytes) -> tuple[Block, bool] | None:
        for number, block in enumerate(self.blocks):
            for transaction, succeeded in block:
                if transaction.hash == wanted:
                    return Block(number, repr((number, block)).encode()), succeeded
        return None

    def broadcast(self, transaction: Transaction) -> str | None:
        if self.find(transaction.hash) or transaction in self.pool:
            return None
        if transaction.nonce < self.next_nonce() or any(other.nonce == transaction.nonce for other in self.pool):
            return "nonce_used"
        self.pool.append(transaction)
        return None

    def mine(self) -> None:
        block: list[tuple[Transaction, bool]] = []
        self.blocks.append(block)
        while ready := [transaction for transaction in self.pool if transaction.nonce == self.next_nonce()]:
            self.pool.remove(ready[0])
            block.append((ready[0], ready[0].job not in self.refuses))
        self.pool = [transaction for transaction in self.pool if transaction.nonce > self.next_nonce()]

    def dump(self) -> None:
        self.durable = len(self.blocks)

    def kill(self) -> None:
        del self.blocks[self.durable :]
        self.pool.clear()

    def steal_nonce(self) -> None:
        self.serial += 1
        self.blocks.append([(Transaction("stranger", self.next_nonce(), self.serial), True)])
        self.pool = [transaction for transaction in self.pool if transaction.nonce >= self.next_nonce()]

    def executions(self, job: str) -> int:
        return sum(ok for block in self.blocks for transaction, ok in block if transaction.job == job)


@dataclass
class Journal:
    """What is durable: state and raw transaction of each job, always stored together."""

    states: dict[str, AnchorState]
    raw: dict[str, Transaction] = field(default_factory=dict)

    def held(self) -> list[int]:
        return [state.nonce for state in self.states.values() if state.nonce is not None]

    def in_flight(self) -> int:
        return sum(state.phase in (Phase.SIGNED, Phase.BROADCAST) for state in self.states.values())


def work(node: Node, journal: Journal) -> Iterator[None]:
    """Every yield is a place where the worker may be killed or the node may change."""
    while True:
        yield
        if node.is_up and (gap := nonce_gap(node.next_nonce(), journal.held())) is not None:
            journal.states.setdefault(f"fill-{gap}-{len(journal.states)}", AnchorState(Phase.QUEUED))
        for job in list(journal.states):
            yield from _work_on(job, node, journal)


def _work_on(job: str, node: Node, journal: Journal) -> Generator[None, None, None]:
    action = resume(journal.states[job], in_flight=journal.in_flight())
    for _ in range(4):
        yield
        try:
            observation = yield from _act(action, job, node, journal)
        except NodeDownError:
            observation = Unreachable()
        if observation is None:
            return
        result = step(journal.states[job], observation)
        journal.states[job], action = result.state, result.action


def _act(action: Action, job: str, node: Node, journal: Journal) -> Generator[None, None, Observation | None]:
    if action in (Action.WAIT, Action.NONE):
        return None
    node.ask()
    if action is Action.PREPARE:
        if job in node.refuses:
            return Refused("no", in_flight=journal.in_flight())
        nonce = choose_nonce(node.next_nonce(), journal.held())
        yield
        node.serial += 1
        transaction = Transaction(job, nonce, node.serial)
        journal.raw[job] = transaction
        return Prepared(transaction.hash, nonce)
    if action is Action.BROADCAST:
        code = node.broadcast(journal.raw[job])
        yield
        return Sent() if code is None else NotTaken(code)
    next_nonce = node.next_nonce()
    yield
    node.ask()
    state = journal.states[job]
    receipt = node.find(state.transaction_hash) if state.transaction_hash else None
    if receipt is None:
        return Absent(next_nonce)
    return Found(receipt[0], succeeded=receipt[1], final_block_number=node.durable - 1)


EVENTS = ("work", "work", "work", "work", "crash", "mine", "dump", "kill", "down", "up", "steal", "refuse", "agree")


@settings(max_examples=200)
@given(st.lists(st.sampled_from(EVENTS), max_size=150), st.integers(1, 4))
# A stranger's block is forgotten, and with it the nonce before ours.
@example(["steal", *["work"] * 8, "kill"], 1)
# Two transactions in one forgotten block, found mined before.
@example([*["work"] * 12, "mine", *["work"] * 12, "kill", *["work"] * 12], 2)
def test_anchors_every_job_exactly_once_whatever_crashes(events: list[str], jobs: int) -> None:
    names = [f"job-{number}" for number in range(jobs)]
    node, journal = Node(), Journal({name: AnchorState() for name in names})
    worker = work(node, journal)
    for event in events:
        match event:
            case "work":
                next(worker)
            case "crash":
                worker = work(node, journal)
            case "mine" if node.is_up:
                node.mine()
            case "dump" if node.is_up:
                node.dump()
            case "kill":
                node.kill()
            case "steal" if node.is_up:
                node.steal_nonce()
            case "down" | "up":
                node.is_up = event == "up"
            case "refuse":
                node.refuses.add(names[0])
            case "agree":
                node.refuses.discard(names[0])
        assert all(node.executions(name) <= 1 for name in names)

    node.is_up = True
    node.refuses.clear()
    for _ in range(60):
        for name, state in journal.states.items():
            if state.phase is Phase.REFUSED:
                journal.states[name] = step(state, Retried()).state
        if all(journal.states[name].phase is Phase.FINAL for name in names):
            break
        for _ in range(20):
            next(worker)
        node.mine()
        node.dump()
    assert {name: journal.states[name].phase for name in names} == dict.fromkeys(names, Phase.FINAL)
    assert [node.executions(name) for name in names] == [1] * jobs
