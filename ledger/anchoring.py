"""How one journalled job reaches the chain: a state machine without I/O.

A job is one `LedgerCall`. Its `AnchorState` is stored durably after every step and before the step's action is taken;
so a crash at any point repeats an action, and every action may be repeated. `resume` says what to do with a stored
state, `step` what an observation makes of it.

Legal transitions (observation in brackets; anything else leaves the state as it is or is refused as illegal):

    queued    → signed     [Prepared]  simulated, signed and journalled under a nonce
              → refused    [Refused]   the contract refuses, and neither time nor what is in flight changes its mind
              → mined      [Recorded]  it is on the chain already, whoever sent it
    signed    → broadcast  [Sent, NotTaken] the node has it, or has another with its nonce: to be looked for
    signed, broadcast
              → mined      [Found, Recorded]
              → reverted   [Found]     in a block, without effect
              → queued     [Absent]    the nonce was used by another transaction
              → queued     [NotTaken]  it will never be taken
    mined, final
              → mined, final [Found, Recorded]  final once its block is; back to mined if it is in another block now
              → reverted   [Found]     after a reorganisation
              → broadcast  [Absent]    reorganised away or forgotten; queued, if there is no transaction to send again
    reverted  → queued     [Found]     once its block is final: simulated again, which names the reason
              → refused    [Found]     the same after `ATTEMPT_LIMIT` reverts
              → mined      [Found, Recorded]
              → broadcast  [Absent]
    refused   → queued     [Retried]   somebody put right what was wrong
    any state stays as it is           [Unreachable]: could not ask is not an answer

A job has one live transaction at a time, and its nonce is given up only when that transaction can never be mined, so it
is on the chain at most once; every state but refused has an action that leads on, so it is never lost.

Duties of the worker: ask for the next nonce before asking for the receipt (otherwise a transaction mined in between
looks like a stolen nonce), and report `Unreachable`, not `Absent`, while the nonce is used and the node still knows the
transaction (it is being mined); for `Submit` ask the ledger for the submission first and report `Recorded`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ledger.errors import PolicyError

__all__ = [
    "ATTEMPT_LIMIT",
    "IN_FLIGHT_LIMIT",
    "Absent",
    "Action",
    "AnchorState",
    "Block",
    "Found",
    "NotTaken",
    "Observation",
    "Phase",
    "Prepared",
    "Recorded",
    "Refused",
    "Retried",
    "Sent",
    "Step",
    "Unreachable",
    "choose_nonce",
    "nonce_gap",
    "resume",
    "step",
]

ATTEMPT_LIMIT = 3
"""Reverted transactions after which a job is refused."""

IN_FLIGHT_LIMIT = 256
"""Signed and broadcast jobs above which nothing new is prepared: a burst of thousands freezes small nodes."""


class Phase(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    SIGNED = "signed"
    BROADCAST = "broadcast"
    MINED = "mined"
    REVERTED = "reverted"
    FINAL = "final"
    REFUSED = "refused"


class Action(StrEnum):
    """What to do next with a job.

    PREPARE: see whether it is recorded already; else `choose_nonce`, `AnchorChain.prepare`, journal.
    BROADCAST: `AnchorChain.broadcast` the journalled transaction.
    CHECK: next nonce, then receipt (or the record), soon.
    WATCH: the same at leisure, for reorganisations.
    WAIT: nothing now; `resume` after a pause.
    NONE: nothing until somebody retries.
    """

    PREPARE = "prepare"
    BROADCAST = "broadcast"
    CHECK = "check"
    WATCH = "watch"
    WAIT = "wait"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Block:
    """The block that holds it: number and hash (32 bytes)."""

    number: int
    block_hash: bytes


@dataclass(frozen=True, slots=True)
class AnchorState:
    """The durable state of one job.

    Args:
        phase: where it stands.
        transaction_hash: of the one live transaction, 32 bytes, or None.
        nonce: that transaction's nonce, or None.
        block: the block it is in, while mined, reverted or final.
        refusal: while refused: the stable code, such as a contract error's name.
        values: the refusal's values by name.
        attempts: transactions of this job that reverted in final blocks.
    """

    phase: Phase = Phase.QUEUED
    transaction_hash: bytes | None = field(default=None, kw_only=True)
    nonce: int | None = field(default=None, kw_only=True)
    block: Block | None = field(default=None, kw_only=True)
    refusal: str | None = field(default=None, kw_only=True)
    values: Mapping[str, object] = field(default_factory=dict, kw_only=True)
    attempts: int = field(default=0, kw_only=True)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The call was simulated and signed; the raw transaction is journalled together with this state."""

    transaction_hash: bytes
    nonce: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The simulation says the contract refuses.

    Args:
        code: the contract error's name.
        values: its arguments.
        in_flight: other jobs that are under way and not final, which may still change the outcome.
    """

    code: str
    values: Mapping[str, object] = field(default_factory=dict, kw_only=True)
    in_flight: int = field(default=0, kw_only=True)


@dataclass(frozen=True, slots=True)
class Sent:
    """The node has the transaction, now or already."""


@dataclass(frozen=True, slots=True)
class NotTaken:
    """The node will never take the transaction (`PolicyError` from `broadcast`), its nonce used included."""

    code: str


@dataclass(frozen=True, slots=True)
class Found:
    """The job's own transaction is in a block of the canonical chain."""

    block: Block
    succeeded: bool = field(kw_only=True)
    final_block_number: int = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The ledger has the job's effect, by whatever transaction, in this block."""

    block: Block
    final_block_number: int = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Absent:
    """Neither effect nor receipt, asked after `next_nonce` was."""

    next_nonce: int


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The node could not be asked."""


@dataclass(frozen=True, slots=True)
class Retried:
    """Somebody asks for a refused job again."""


Observation = Prepared | Refused | Sent | NotTaken | Found | Recorded | Absent | Unreachable | Retried


@dataclass(frozen=True, slots=True)
class Step:
    """What an observation led to: the state to store first, the action to take then."""

    state: AnchorState
    action: Action


_RESUME = {
    Phase.QUEUED: Action.PREPARE,
    Phase.SIGNED: Action.BROADCAST,
    Phase.BROADCAST: Action.CHECK,
    Phase.MINED: Action.CHECK,
    Phase.REVERTED: Action.CHECK,
    Phase.FINAL: Action.WATCH,
    Phase.REFUSED: Action.NONE,
}
_SENDABLE = (Phase.SIGNED, Phase.BROADCAST)
# What the contract refuses until the chain's clock, which may lag behind the issuer's, has come that far. Lists of a
# time that is still to come for the server itself never become jobs.
_NOT_YET = frozenset({"ListInFuture"})


def resume(state: AnchorState, *, in_flight: int = 0) -> Action:
    """Return what to do with a stored state, after a restart or a pause.

    Args:
        state: as stored.
        in_flight: jobs that are signed or broadcast; at `IN_FLIGHT_LIMIT` nothing new is prepared.
    """
    if state.phase is Phase.QUEUED and in_flight >= IN_FLIGHT_LIMIT:
        return Action.WAIT
    return _RESUME[state.phase]


def step(state: AnchorState, observation: Observation) -> Step:
    """Return the state an observation leads to, and the action to take once it is stored.

    Raises:
        PolicyError: `illegal_transition`: the observation can't be made in this phase.
    """
    match observation:
        case Unreachable():
            return Step(state, Action.WAIT)
        case Found() | Recorded() if state.phase is not Phase.REFUSED:
            return _in_block(state, observation)
        case Absent() if state.phase is not Phase.REFUSED:
            return _absent(state, observation)
        case Prepared() | Refused() if state.phase is Phase.QUEUED:
            return _simulated(state, observation)
        case Sent() | NotTaken() if state.phase in _SENDABLE:
            return _handed_over(state, observation)
        case Retried() if state.phase is Phase.REFUSED:
            return _again(state, attempts=0)
    raise PolicyError(
        f"expected an observation that fits the phase {state.phase}, got {type(observation).__name__}",
        code="illegal_transition",
        expected=state.phase,
        actual=observation,
    )


def choose_nonce(next_nonce: int, held: Iterable[int]) -> int:
    """Return the lowest nonce that neither the chain nor the journal has used.

    Args:
        next_nonce: `AnchorChain.next_nonce`; it goes down when a node forgets blocks.
        held: nonces of all journalled transactions, mined and final ones included: they are sent again.
    """
    taken = set(held)
    nonce = next_nonce
    while nonce in taken:
        nonce += 1
    return nonce


def nonce_gap(next_nonce: int, held: Iterable[int]) -> int | None:
    """Return the nonce that keeps journalled transactions from being mined, or None.

    A gap is left where a transaction of somebody else with the relay key, or a given-up one, was forgotten in a
    reorganisation. The worker fills it with a `FillNonce` job.

    Args:
        next_nonce: `AnchorChain.next_nonce`.
        held: nonces of all journalled transactions.
    """
    waiting = {nonce for nonce in held if nonce >= next_nonce}
    return next_nonce if waiting and next_nonce not in waiting else None


def _simulated(state: AnchorState, observation: Prepared | Refused) -> Step:
    if isinstance(observation, Prepared):
        signed = replace(
            state, phase=Phase.SIGNED, transaction_hash=observation.transaction_hash, nonce=observation.nonce
        )
        return Step(signed, Action.BROADCAST)
    if observation.in_flight or observation.code in _NOT_YET:
        return Step(state, Action.WAIT)
    return _refuse(state, observation.code, observation.values)


def _handed_over(state: AnchorState, observation: Sent | NotTaken) -> Step:
    if isinstance(observation, Sent):
        return Step(replace(state, phase=Phase.BROADCAST), Action.CHECK)
    if observation.code == "nonce_used":
        # Perhaps by this very transaction, just mined: look before giving it up.
        return Step(replace(state, phase=Phase.BROADCAST), Action.CHECK)
    return _again(state)


def _in_block(state: AnchorState, observation: Found | Recorded) -> Step:
    if isinstance(observation, Found) and state.transaction_hash is None:
        raise PolicyError("expected a transaction before its receipt, got none", code="illegal_transition")
    is_final = observation.block.number <= observation.final_block_number
    if isinstance(observation, Found) and not observation.succeeded:
        if not is_final:
            return Step(replace(state, phase=Phase.REVERTED, block=observation.block), Action.CHECK)
        attempts = state.attempts + 1
        if attempts >= ATTEMPT_LIMIT:
            return _refuse(state, "reverted", {"attempts": attempts})
        return _again(state, attempts=attempts)
    phase = Phase.FINAL if is_final else Phase.MINED
    found = replace(state, phase=phase, block=observation.block)
    return Step(found, _RESUME[phase])


def _absent(state: AnchorState, observation: Absent) -> Step:
    if state.phase is Phase.QUEUED:
        return Step(state, Action.PREPARE)
    if state.nonce is None or observation.next_nonce > state.nonce:
        return _again(state)
    phase = state.phase if state.phase in _SENDABLE else Phase.BROADCAST
    return Step(replace(state, phase=phase, block=None), Action.BROADCAST)


def _again(state: AnchorState, *, attempts: int | None = None) -> Step:
    kept = state.attempts if attempts is None else attempts
    return Step(AnchorState(Phase.QUEUED, attempts=kept), Action.PREPARE)


def _refuse(state: AnchorState, code: str, values: Mapping[str, object]) -> Step:
    refused = AnchorState(Phase.REFUSED, refusal=code, values=values, attempts=state.attempts)
    return Step(refused, Action.NONE)
