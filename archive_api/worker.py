"""The worker: brings every job of the outbox on chain, once, whatever breaks in between.

Each step of a job is `ledger.anchoring`'s: ask or do one thing, store what came of it, act on that. A raw transaction
is committed to the journal before it is sent. So whatever is repeated after a crash is the sending of the same bytes,
or a simulation whose result nobody saw. What a step means for submissions is stored in the same transaction.

One round:
 1. every unfinished job, oldest first, as far as it gets without waiting for a block
 2. a nonce that nobody holds any more and that others wait behind is filled
 3. final jobs whose block the node does not show any more are watched back into (1)
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from archive_api.errors import ApiError
from archive_api.outbox.calls import FILL_JOB, CallBuilder
from archive_api.outbox.models import Job
from archive_api.outbox.monitor import WorkerMonitor
from archive_api.outbox.repository import JobRepository, anchor_state
from archive_api.services import Services
from archive_api.submissions.models import Submission, SubmissionState
from archive_api.submissions.repository import SubmissionRepository
from ledger import anchoring
from ledger.anchoring import Action, AnchorState, Observation, Phase
from ledger.errors import LedgerError, PolicyError
from ledger.ports.chain import BlockRef, SignedTransaction, SubmissionStatus

__all__ = ["Worker"]

_LOG = logging.getLogger(__name__)
_STEPS_A_ROUND = 6
_WATCH_SECONDS = 60.0
_WATCHED_BLOCKS = 64
_WATCHED_JOBS = 256
# So long after it was made a transaction that was given up may still turn out to be mined: no refusal counts meanwhile.
_DOUBT = timedelta(minutes=2)
# So long a nonce is missing before it is filled: a node that is behind, or a job just being prepared, looks the same.
_GAP_SECONDS = 2.0
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
        self._last_head = 0
        self._watch_at = 0.0
        self._gap: int | None = None
        self._gap_since = 0.0

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
            self._stopping.wait(self._services.settings.worker_poll_seconds)

    def round(self) -> None:
        """Do one round.

        Raises:
            TransportError: the node could not be asked (`ledger.errors`), or the catalogue (`archive_api.errors`).
        """
        with self._services.database.reading() as session:
            numbers = [job.id for job in JobRepository(session).unfinished() if job.id is not None]
        for job_id in numbers:  # (1)
            if self._stopping.is_set():
                return
            with self._services.traces.span("worker job", {"yunshang.job": job_id}):
                self._advance(job_id)
        self._fill_gap()  # (2)
        self._watch()  # (3)
        self._monitor.finished()

    def _advance(self, job_id: int) -> None:
        action: Action | None = None
        for _ in range(_STEPS_A_ROUND):
            with self._services.database.reading() as session:
                jobs = JobRepository(session)
                job = jobs.get(job_id)
                state = anchor_state(job)
                # What the last step asked for comes first: a forgotten transaction's state alone says only "check".
                action = action or anchoring.resume(state, in_flight=jobs.count_in_flight())
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
        # Given up on the word of a node that was behind: it was mined all the same.
        for row in former:
            receipt = chain.receipt(bytes.fromhex(row.transaction_hash[2:]))
            if receipt is not None and receipt.succeeded:
                again = anchoring.Prepared(receipt.transaction_hash, row.nonce)
                return _Seen(observation=again, taken_up=receipt.transaction_hash)
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
        unsettled += sum(now - _DOUBT < row.created_at <= now for row in former)
        nonce = anchoring.choose_nonce(next_nonce, held)
        try:
            transaction = chain.prepare(call, nonce)
        except PolicyError as error:
            refused = anchoring.Refused(error.code, values=error.values, in_flight=unsettled)
            return _Seen(observation=refused)
        prepared = anchoring.Prepared(transaction.transaction_hash, transaction.nonce)
        return _Seen(observation=prepared, transaction=transaction)

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
            found = anchoring.Found(
                anchoring.Block(receipt.block.number, receipt.block.block_hash),
                succeeded=receipt.succeeded,
                final_block_number=final,
            )
            return _Seen(observation=found, block=receipt.block, gas_used=receipt.gas_used)
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
        if following.state == state and seen.transaction is None:
            return following.action
        now = self._services.now()
        with self._services.database.transaction() as session:
            jobs = JobRepository(session)
            job = jobs.get(job_id)
            if anchor_state(job) != state:
                # Changed by a request meanwhile (a withdrawal, a seal made anew): look again.
                return Action.WAIT
            if seen.transaction is not None:
                if jobs.is_nonce_taken(job, seen.transaction.nonce):
                    return Action.WAIT  # by another worker, meanwhile: choose again
                jobs.journal(job, seen.transaction, now=now)
            if seen.taken_up is not None:
                jobs.take_up(seen.taken_up)
            if seen.block is not None:
                job.block_time = seen.block.timestamp
                job.gas_used = seen.gas_used if seen.gas_used is not None else job.gas_used
            jobs.store(job, following.state, now=now)
            _Effects(session, self._services).apply(job)
        if following.state.phase != state.phase:
            _LOG.info("job %d %s %s: %s", job_id, job.kind, job.subject, following.state.phase)
        return following.action

    def _fill_gap(self) -> None:
        """Have a nonce used that keeps transactions from being mined: see `ledger.anchoring.nonce_gap`."""
        with self._services.database.reading() as session:
            counts = JobRepository(session).count_by_phase()
        gap = None
        # A job that waits to be prepared takes the lowest free nonce anyway.
        if counts.get(Phase.BROADCAST) and not counts.get(Phase.QUEUED):
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
        head = self._services.chain.head().number
        fell, self._last_head = head < self._last_head, head
        if not fell and time.monotonic() < self._watch_at:
            return
        self._watch_at = time.monotonic() + _WATCH_SECONDS
        with self._services.database.reading() as session:
            jobs = JobRepository(session).final_above(head - _WATCHED_BLOCKS, limit=_WATCHED_JOBS)
        for job in jobs:
            if job.id is not None:
                state = anchor_state(job)
                self._store(job.id, state, self._check(job, state))


class _Effects:
    """What a job's new phase means for the submission it is about."""

    def __init__(self, session: Session, services: Services) -> None:
        self._services = services
        self._submissions = SubmissionRepository(session)

    def apply(self, job: Job) -> None:
        """Move the submission's state."""
        final = job.phase == Phase.FINAL
        if job.kind == "submit":
            submission = self._current(job.subject)
            if submission is None:
                return
            if final and submission.state in (SubmissionState.SEALED, SubmissionState.ANCHOR_REFUSED):
                self._move(submission, SubmissionState.ANCHORED)
            elif job.phase == Phase.REFUSED and submission.state == SubmissionState.SEALED:
                self._move(submission, SubmissionState.ANCHOR_REFUSED, reason=job.refusal)
            elif not final and submission.state == SubmissionState.ANCHORED:
                self._move(submission, SubmissionState.SEALED)
        elif job.kind in ("accept", "return"):
            submission = self._current(job.subject)
            decided = SubmissionState.ACCEPTED if job.kind == "accept" else SubmissionState.RETURNED
            if submission is None:
                return
            if final and submission.state == SubmissionState.ANCHORED:
                self._move(submission, decided)
            elif not final and submission.state == decided:
                self._move(submission, SubmissionState.ANCHORED)

    def _current(self, submission_id: str) -> Submission | None:
        statement = self._submissions.find_statement(submission_id)
        submission = self._submissions.by_row(statement.submission_pk) if statement else None
        return submission if submission is not None and submission.submission_id == submission_id else None

    def _move(self, submission: Submission, state: SubmissionState, *, reason: str | None = None) -> None:
        submission.state = state
        submission.state_reason = reason
        submission.updated_at = self._services.now()
        self._submissions.add(submission)
