"""The worker: brings every job of the outbox on chain, once, whatever breaks in between.

Each step of a job is `ledger.anchoring`'s: ask or do one thing, store what came of it, act on that. A raw transaction
is committed to the journal before it is sent. So whatever is repeated after a crash is the sending of the same bytes,
or a simulation whose result nobody saw. What a step means for submissions is stored in the same transaction.

One round:
 1. final jobs whose block the node does not show any more are watched back among the unfinished: the newest at each new
    block, and all of them where that has changed, and now and then. First, since the contract refuses what needs them
 2. every unfinished job, oldest first, as far as it gets without waiting for a block. Where there are many, what is
    under way is looked after together (`_check_together`), and new submissions are prepared, journalled and sent
    together (`_prepare_together`): one question to the node and one transaction of the catalogue for all, the same
    steps for each.
 3. a nonce that nobody holds any more and that others wait behind is filled
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

from sqlalchemy.exc import SQLAlchemyError

from archive_api.errors import ApiError
from archive_api.outbox.calls import FILL_JOB, CallBuilder
from archive_api.outbox.effects import Effects
from archive_api.outbox.models import Job
from archive_api.outbox.monitor import WorkerMonitor
from archive_api.outbox.repository import JobChanges, JobRepository, StoredJob, anchor_state
from archive_api.outbox.repository import number as number_of
from archive_api.outbox.together import FEW, MANY, GroupedChain, grouped
from archive_api.services import Services
from ledger import anchoring
from ledger.anchoring import Action, AnchorState, Observation, Phase
from ledger.errors import LedgerError, PolicyError
from ledger.ports.chain import BlockRef, SignedTransaction, SubmissionStatus, TransactionReceipt

__all__ = ["Worker"]

_LOG = logging.getLogger(__name__)
_STEPS_A_ROUND = 6
_WATCH_SECONDS = 60.0
_WATCHED_BLOCKS = 64
_WATCHED_JOBS = 256
# So long after it was made a transaction that was given up may still turn out to be mined, unless a final block has it
# without effect: no refusal counts meanwhile.
_DOUBT = timedelta(minutes=2)
# So long a nonce is missing before it is filled: a node that is behind, or a job just being prepared, looks the same.
_GAP_SECONDS = 2.0
# So long a transaction that the node took is left to it before it is sent again.
_RESEND_SECONDS = 10.0
_UNDER_WAY = (Phase.BROADCAST, Phase.MINED, Phase.REVERTED)
_RECORDED = {
    "submit": (SubmissionStatus.ANCHORED, SubmissionStatus.ACCEPTED, SubmissionStatus.RETURNED),
    "withdraw": (SubmissionStatus.WITHDRAWN,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What was observed, and what is stored beside the state."""

    observation: Observation
    transaction: SignedTransaction | None = None
    taken_up: bytes | None = None
    block: BlockRef | None = None
    gas_used: int | None = None


class Worker:
    """One thread that works off the outbox.

    Args:
        services: the server's.
        monitor: where it says how it is doing.
    """

    def __init__(self, services: Services, monitor: WorkerMonitor) -> None:
        self._services = services
        self._monitor = monitor
        self._stopping = threading.Event()
        self._last_head: BlockRef | None = None
        self._watch_at = 0.0
        self._gap: int | None = None
        self._gap_since = 0.0
        self._checked: tuple[BlockRef, int] | None = None
        self._sent_at: dict[int, float] = {}
        self._is_behind = False

    def start(self) -> None:
        """Start the thread."""
        self._stopping.clear()
        thread = threading.Thread(target=self._run, name="outbox-worker", daemon=True)
        self._monitor.thread = thread
        thread.start()

    def stop(self) -> None:
        """Finish the round and end the thread."""
        self._stopping.set()
        if self._monitor.thread is not None:
            self._monitor.thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.round()
            except (LedgerError, ApiError, SQLAlchemyError) as error:
                # Nothing is lost: the next round begins from what is stored.
                self._monitor.failed(f"{type(error).__name__}: {error}")
                _LOG.warning("round stopped: %s", self._monitor.last_error)
                self._is_behind = False
            if not self._is_behind:
                self._stopping.wait(self._services.settings.worker_poll_seconds)

    def round(self) -> None:
        """Do one round; where more wait than are prepared together, the next one is to follow at once.

        Raises:
            TransportError: the node could not be asked (`ledger.errors`), or the catalogue (`archive_api.errors`).
        """
        self._watch()  # (1)
        with self._services.database.reading() as session:
            jobs = {job.id: job for job in JobRepository(session).unfinished()}
        looked_after: set[int] = set()
        self._is_behind = False
        chain = grouped(self._services.chain)
        if chain is not None and len(jobs) >= FEW:
            with self._services.traces.span("worker jobs", {"yunshang.jobs": len(jobs)}):
                looked_after |= self._check_together(chain, jobs)
                queued = [job for job in jobs.values() if job.phase == Phase.QUEUED and job.kind == "submit"]
                prepared, has_room = self._prepare_together(chain, queued[:MANY])
                # What is under way is looked after between each so many and the next. Where these don't get on, the
                # others don't wait for them.
                later = {job.id for job in queued[MANY:]} if prepared else set()
                looked_after |= prepared | later
                self._is_behind = has_room and bool(later)
        for job_id in [one for one in jobs if one not in looked_after]:  # (2)
            if self._stopping.is_set():
                return
            with self._services.traces.span("worker job", {"yunshang.job": job_id}):
                self._advance(job_id)
        self._fill_gap(tuple(jobs.values()))  # (3)
        self._monitor.finished()

    def _check_together(self, chain: GroupedChain, jobs: Mapping[int, StoredJob]) -> set[int]:
        """Look for the receipts of what is under way; returns the jobs of which nothing more is to be done now.

        Left to `_check` are those of which the node says something unexpected: their nonce is used and there is no
        receipt, or they have waited for long.
        """
        under_way = {number: anchor_state(job) for number, job in jobs.items() if job.phase in _UNDER_WAY}
        if len(under_way) < FEW:
            return set()
        head = self._services.chain.head()
        # Before the receipts: a transaction mined in between would look like a nonce stolen from it.
        next_nonce, final = self._services.chain.next_nonce(), self._services.chain.final_block_number()
        now, is_news = time.monotonic(), (head, final) != self._checked
        asked: dict[int, AnchorState] = {}
        looked_after: set[int] = set()
        for number, state in under_way.items():
            is_waiting = state.phase is Phase.BROADCAST and state.nonce is not None and state.nonce >= next_nonce
            if is_waiting and now - self._sent_at.get(number, 0.0) < _RESEND_SECONDS:
                looked_after.add(number)
            elif not is_waiting and not is_news and state.phase is not Phase.BROADCAST:
                looked_after.add(number)  # no block came and none became final: no receipt says anything else
            elif not is_waiting:
                asked[number] = state
        receipts = chain.receipts([state.transaction_hash or b"" for state in asked.values()])
        found = []
        for (number, state), receipt in zip(asked.items(), receipts, strict=True):
            if receipt is not None:
                found.append((number, state, _found(receipt, final)))
                looked_after.add(number)
        if len(self._store_together(found)) == len(found):
            self._checked = head, final
        self._sent_at = {number: at for number, at in self._sent_at.items() if number in jobs}
        return looked_after

    def _prepare_together(self, chain: GroupedChain, queued: Sequence[StoredJob]) -> tuple[set[int], bool]:
        """Prepare, journal and send new submissions, as many as there is room for in flight.

        Left to `_prepare` is whatever is not plain: a job that had a transaction before, one whose submission is
        recorded, one that the contract refuses.

        Returns:
            The jobs of which nothing more is to be done now, and whether room is left.
        """
        if not queued:
            return set(), True
        next_nonce = self._services.chain.next_nonce()
        with self._services.database.reading() as session:
            repository = JobRepository(session)
            room = max(0, anchoring.IN_FLIGHT_LIMIT - repository.count_in_flight())
            known = repository.had_transactions([job.id for job in queued])
            new = [job for job in queued if job.id not in known]
            chosen, waiting = new[:room], {job.id for job in new[room:]}
            if not chosen:
                return waiting, bool(room)
            held = set(repository.held_nonces(next_nonce))
            calls = CallBuilder(session).submits([job.subject for job in chosen])
        recorded = chain.recorded_among([bytes.fromhex(job.subject[2:]) for job in chosen])
        plain = [
            (job, call)
            for job, call in zip(chosen, calls, strict=True)
            if bytes.fromhex(job.subject[2:]) not in recorded
        ]
        free = (nonce for nonce in count(next_nonce) if nonce not in held)
        transactions = chain.prepare_all([call for _, call in plain], free)
        signed = [
            (job.id, anchor_state(job), _Seen(observation=_prepared(transaction), transaction=transaction))
            for (job, _), transaction in zip(plain, transactions, strict=True)
            if transaction is not None
        ]
        stored = self._store_together(signed)
        sent = [(number, seen.transaction) for number, _, seen in signed[: len(stored)] if seen.transaction]
        refusals = chain.broadcast_all([transaction.raw for _, transaction in sent]) if sent else []
        outcomes: list[tuple[int, AnchorState, _Seen]] = []
        for (number, _), state, refusal in zip(sent, stored, refusals, strict=True):
            told = anchoring.Sent() if refusal is None else anchoring.NotTaken(refusal.code)
            outcomes.append((number, state, _Seen(observation=told)))
            self._sent_at[number] = time.monotonic()
        self._store_together(outcomes)
        return waiting.union(number for number, _ in sent), len(new) < room

    def _store_together(self, seen: Sequence[tuple[int, AnchorState, _Seen]]) -> list[AnchorState]:
        """Store what came of a step for each of several jobs, in one transaction.

        Returns:
            The new states, as far as they were stored: it ends before a job that somebody changed meanwhile, or whose
            nonce another worker took, so that no nonce is left out before those that are used.
        """
        stored: list[AnchorState] = []
        if not seen:
            return stored
        with self._services.database.transaction() as session:
            now = self._services.now()
            jobs = JobRepository(session).several([number for number, _, _ in seen])
            transactions = [what.transaction for _, _, what in seen if what.transaction is not None]
            changes, effects = JobChanges(session, transactions, now=now), Effects()
            for number, state, what in seen:
                following = anchoring.step(state, what.observation)
                if following.state != state or what.transaction is not None:
                    job = jobs.get(number)
                    if job is None or not _note(changes, job, state=state, seen=what, new=following.state):
                        break
                    effects.add(job, following.state)
                stored.append(following.state)
            changes.write()
            effects.write(session, now=now)
        return stored

    def _advance(self, job_id: int) -> None:
        action: Action | None = None
        for _ in range(_STEPS_A_ROUND):
            with self._services.database.reading() as session:
                jobs = JobRepository(session)
                job = jobs.get(job_id)
                state = anchor_state(job)
                # What the last step asked for comes first: a forgotten transaction's state alone says only "check".
                # What makes room for the others needs none.
                in_flight = 0 if job.kind == FILL_JOB else jobs.count_in_flight()
                action = action or anchoring.resume(state, in_flight=in_flight)
            if action in (Action.WAIT, Action.NONE):
                return
            action = self._store(job_id, state, self._observe(job, state, action))
            if action not in (Action.PREPARE, Action.BROADCAST):
                return

    def _observe(self, job: Job, state: AnchorState, action: Action) -> _Seen:
        if action is Action.PREPARE:
            return self._prepare(job)
        if action is Action.BROADCAST and state.transaction_hash is not None:
            return self._broadcast(state.transaction_hash)
        return self._check(job, state)

    def _prepare(self, job: Job) -> _Seen:
        chain = self._services.chain
        with self._services.database.reading() as session:
            former = JobRepository(session).given_up(job)
        final, reverted = chain.final_block_number() if former else 0, set()
        for row in former:
            receipt = chain.receipt(bytes.fromhex(row.transaction_hash[2:]))
            if receipt is not None and receipt.succeeded:
                # Given up on the word of a node that was behind: it was mined all the same.
                again = anchoring.Prepared(receipt.transaction_hash, row.nonce)
                return _Seen(observation=again, taken_up=receipt.transaction_hash)
            if receipt is not None and receipt.block.number <= final:
                reverted.add(row.transaction_hash)
        recorded = self._recorded(job)
        if recorded is not None:
            return recorded
        next_nonce = chain.next_nonce()
        with self._services.database.reading() as session:
            jobs = JobRepository(session)
            held = jobs.held_nonces(next_nonce)
            unsettled = jobs.unsettled_beside(job)
            call = CallBuilder(session).build(job)
        now = self._services.now()
        doubtful = [row for row in former if row.transaction_hash not in reverted]
        unsettled += sum(now - _DOUBT < row.created_at <= now for row in doubtful)
        nonce = anchoring.choose_nonce(next_nonce, held)
        try:
            transaction = chain.prepare(call, nonce)
        except PolicyError as error:
            refused = anchoring.Refused(error.code, values=error.values, in_flight=unsettled)
            return _Seen(observation=refused)
        return _Seen(observation=_prepared(transaction), transaction=transaction)

    def _broadcast(self, transaction_hash: bytes) -> _Seen:
        with self._services.database.reading() as session:
            raw = JobRepository(session).raw(transaction_hash)
        try:
            self._services.chain.broadcast(raw)
        except PolicyError as error:
            return _Seen(observation=anchoring.NotTaken(error.code))
        return _Seen(observation=anchoring.Sent())

    def _check(self, job: Job, state: AnchorState) -> _Seen:
        chain = self._services.chain
        # Before the receipt: a transaction mined in between would look like a nonce stolen from it.
        next_nonce = chain.next_nonce()
        final = chain.final_block_number()
        receipt = chain.receipt(state.transaction_hash) if state.transaction_hash is not None else None
        if receipt is not None:
            return _found(receipt, final)
        recorded = self._recorded(job)
        if recorded is not None:
            return recorded
        if (
            state.transaction_hash is not None
            and state.nonce is not None
            and next_nonce > state.nonce
            and chain.is_known(state.transaction_hash)
        ):
            # Being mined: the node counts its nonce already and shows no receipt yet.
            return _Seen(observation=anchoring.Unreachable())
        return _Seen(observation=anchoring.Absent(next_nonce))

    def _recorded(self, job: Job) -> _Seen | None:
        """Whether the ledger has the job's effect already, by whatever transaction."""
        if job.kind not in _RECORDED:
            return None
        final = self._services.chain.final_block_number()
        record = self._services.chain.submission(bytes.fromhex(job.subject[2:]))
        if record is None or record.status not in _RECORDED[job.kind]:
            return None
        block = anchoring.Block(record.block.number, record.block.block_hash)
        return _Seen(observation=anchoring.Recorded(block, final_block_number=final), block=record.block)

    def _store(self, job_id: int, state: AnchorState, seen: _Seen) -> Action:
        following = anchoring.step(state, seen.observation)
        if isinstance(seen.observation, anchoring.Sent):
            self._sent_at[job_id] = time.monotonic()
        if following.state == state and seen.transaction is None:
            return following.action
        if not self._store_together([(job_id, state, seen)]):
            return Action.WAIT  # look again, choose again
        return following.action

    def _fill_gap(self, jobs: Sequence[StoredJob]) -> None:
        """Have a nonce used that keeps transactions from being mined: see `ledger.anchoring.nonce_gap`.

        Args:
            jobs: the unfinished ones when the round began.
        """
        gap = None
        # One that waits to be prepared takes the lowest free nonce within a round, unless there is no room for it or it
        # needs what waits behind the gap.
        is_filled = any(job.phase == Phase.QUEUED and job.kind == FILL_JOB for job in jobs)
        if not is_filled and any(job.phase == Phase.BROADCAST for job in jobs):
            next_nonce = self._services.chain.next_nonce()
            with self._services.database.reading() as session:
                gap = anchoring.nonce_gap(next_nonce, JobRepository(session).held_nonces(next_nonce))
        if gap is None or gap != self._gap:
            self._gap, self._gap_since = gap, time.monotonic()
            return
        if time.monotonic() - self._gap_since < _GAP_SECONDS:
            return
        self._gap = None
        now = self._services.now()
        with self._services.database.transaction() as session:
            JobRepository(session).add(FILL_JOB, str(gap), now=now)
        _LOG.warning("nonce %d is missing and others wait behind it: it will be filled", gap)

    def _watch(self) -> None:
        head = self._services.chain.head()
        is_new, self._last_head = head != self._last_head, head
        is_due = time.monotonic() >= self._watch_at
        if is_new and not is_due:
            # A reorganisation that takes a block away takes away those after it: the newest job tells of all.
            is_due = any(self._watch_job(job) for job in self._final_jobs(head, limit=1))
        if is_due:
            self._watch_at = time.monotonic() + _WATCH_SECONDS
            for job in self._not_standing(self._final_jobs(head, limit=_WATCHED_JOBS)):
                self._watch_job(job)

    def _not_standing(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Those of some final jobs that the node does not show where they were, asked for all of them together."""
        chain = grouped(self._services.chain)
        if chain is None or len(jobs) < FEW:
            return jobs
        final = self._services.chain.final_block_number()
        states = {number_of(job.id): anchor_state(job) for job in jobs}
        sent = {number: state.transaction_hash for number, state in states.items() if state.transaction_hash}
        receipts = dict(zip(sent, chain.receipts(list(sent.values())), strict=True))
        return [
            job for job in jobs if not _is_standing(states[number_of(job.id)], receipts.get(number_of(job.id)), final)
        ]

    def _final_jobs(self, head: BlockRef, *, limit: int) -> Sequence[Job]:
        with self._services.database.reading() as session:
            return JobRepository(session).final_above(head.number - _WATCHED_BLOCKS, limit=limit)

    def _watch_job(self, job: Job) -> bool:
        """Look whether a final job is where it was; returns whether it is not."""
        state = anchor_state(job)
        seen = self._check(job, state)
        if job.id is None or anchoring.step(state, seen.observation).state == state:
            return False
        self._store(job.id, state, seen)
        return True


def _is_standing(state: AnchorState, receipt: TransactionReceipt | None, final_block_number: int) -> bool:
    """Whether a final job's receipt says what its state says; without one it may still be recorded."""
    if receipt is None or not receipt.succeeded or receipt.block.number > final_block_number:
        return False
    return anchoring.Block(receipt.block.number, receipt.block.block_hash) == state.block


def _prepared(transaction: SignedTransaction) -> anchoring.Prepared:
    return anchoring.Prepared(transaction.transaction_hash, transaction.nonce)


def _found(receipt: TransactionReceipt, final_block_number: int) -> _Seen:
    block = anchoring.Block(receipt.block.number, receipt.block.block_hash)
    found = anchoring.Found(block, succeeded=receipt.succeeded, final_block_number=final_block_number)
    return _Seen(observation=found, block=receipt.block, gas_used=receipt.gas_used)


def _note(changes: JobChanges, job: StoredJob, *, state: AnchorState, seen: _Seen, new: AnchorState) -> bool:
    """Note what came of a step; False: a request changed the job, or another worker took its nonce meanwhile."""
    if anchor_state(job) != state:
        return False  # a withdrawal, a seal made anew
    if seen.transaction is not None:
        if changes.is_nonce_taken(job.id, seen.transaction.nonce):
            return False
        changes.journal(job.id, seen.transaction)
    if seen.taken_up is not None:
        changes.take_up(seen.taken_up)
    block_time = None if seen.block is None else seen.block.timestamp
    changes.store(job, new, block_time=block_time, gas_used=None if seen.block is None else seen.gas_used)
    if new.phase != state.phase:
        _LOG.info("job %d %s %s: %s", job.id, job.kind, job.subject, new.phase)
    return True
