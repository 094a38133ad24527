"""Queries over jobs and the journal of raw transactions."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, select

from archive_api.errors import TransportError
from archive_api.outbox.models import Job, JournalRow
from ledger.anchoring import AnchorState, Block, Phase
from ledger.ports.chain import SignedTransaction

__all__ = ["IN_FLIGHT", "JobRepository", "anchor_state", "number"]

IN_FLIGHT = (Phase.SIGNED, Phase.BROADCAST)
_IN_BLOCK = (Phase.MINED, Phase.FINAL)
_UNFINISHED = (Phase.QUEUED, Phase.SIGNED, Phase.BROADCAST, Phase.MINED, Phase.REVERTED)


class JobRepository:
    """Jobs and the journal, in one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._journalled: dict[str, JournalRow | None] = {}
        self._holders: dict[int, set[int]] = {}
        # A session lets go of rows that nobody holds, and asks for them again.
        self._added: list[Job] = session.info.setdefault(f"{__name__} added", [])

    def look_up(self, transactions: Collection[SignedTransaction]) -> None:
        """Ask at once what `is_nonce_taken` and `journal` would ask for each of several transactions."""
        if not transactions:
            return
        hashes, nonces = ({_hex(one.transaction_hash) for one in transactions}, {one.nonce for one in transactions})
        self._journalled = dict.fromkeys(hashes)
        for row in self._session.exec(select(JournalRow).where(col(JournalRow.transaction_hash).in_(hashes))):
            self._journalled[row.transaction_hash] = row
        self._holders = {nonce: set() for nonce in nonces}
        holding = (col(JournalRow.nonce).in_(nonces), col(JournalRow.given_up).is_(False))
        for nonce, job_id in self._session.exec(select(JournalRow.nonce, JournalRow.job_id).where(*holding)):
            self._holders[nonce].add(job_id)

    def add(self, kind: str, subject: str, *, now: datetime) -> int:
        """Write a job into the outbox, in the caller's transaction.

        Args:
            kind: a key of `outbox.calls`.
            subject: names the row the call is built from.
            now: present time.

        Returns:
            The job's number.
        """
        job = Job(kind=kind, subject=subject, created_at=now, updated_at=now)
        self._session.add(job)
        self._session.flush()
        self._added.append(job)
        return number(job.id)

    def get(self, job_id: int) -> Job:
        """A job by its number."""
        return self._session.get_one(Job, job_id)

    def several(self, job_ids: Collection[int]) -> Sequence[Job]:
        """Jobs by their numbers, in one query; while they are held, `get` asks for none of them again."""
        return self._session.exec(select(Job).where(col(Job.id).in_(job_ids))).all()

    def block_times(self, job_ids: Collection[int]) -> dict[int, int]:
        """Unix seconds of the blocks that some jobs are in, by their numbers; those in no block are left out."""
        query = select(Job.id, Job.block_time).where(col(Job.id).in_(job_ids), col(Job.phase).in_(_IN_BLOCK))
        rows = self._session.exec(query)
        return {job_id: time for job_id, time in rows if job_id is not None and time is not None}

    def unfinished(self) -> Sequence[Job]:
        """Jobs that are neither final nor refused, oldest first."""
        return self._session.exec(select(Job).where(col(Job.phase).in_(_UNFINISHED)).order_by(col(Job.id))).all()

    def final_above(self, block_number: int, *, limit: int) -> Sequence[Job]:
        """Final jobs in blocks above a number, newest first: what a node may have forgotten."""
        query = (
            select(Job)
            .where(Job.phase == Phase.FINAL, col(Job.block_number) > block_number)
            .order_by(col(Job.block_number).desc(), col(Job.id).desc())
        )
        return self._session.exec(query.limit(limit)).all()

    def unsettled_beside(self, job: Job) -> int:
        """How many jobs may still change what the contract says to this one.

        Those in flight, older ones that wait, and those that are mined but not final: a node that dies, or answers from
        before its newest block, doesn't know of these.
        """
        older = (col(Job.id) < job.id) & col(Job.phase).in_((Phase.QUEUED, Phase.REVERTED))
        unsettled = (col(Job.id) != job.id) & col(Job.phase).in_((*IN_FLIGHT, Phase.MINED))
        return self._session.exec(select(func.count()).select_from(Job).where(older | unsettled)).one()

    def count_in_flight(self) -> int:
        """How many jobs are signed or broadcast."""
        return self._session.exec(select(func.count()).select_from(Job).where(col(Job.phase).in_(IN_FLIGHT))).one()

    def count_unfinished(self) -> dict[str, int]:
        """How many jobs are in each phase that is neither final nor refused: as cheap as they are few."""
        query = select(Job.phase, func.count()).where(col(Job.phase).in_(_UNFINISHED)).group_by(Job.phase)
        return dict(self._session.exec(query).all())

    def held_nonces(self, first: int) -> Sequence[int]:
        """Nonces from `first` on that transactions of the journal hold."""
        query = select(JournalRow.nonce).where(JournalRow.nonce >= first, col(JournalRow.given_up).is_(False))
        return self._session.exec(query).all()

    def journal(self, job: Job, transaction: SignedTransaction, *, now: datetime) -> None:
        """Add a transaction to the journal; it is durable once the caller's transaction is."""
        text = _hex(transaction.transaction_hash)
        row = self._row(text)
        if row is not None:
            # The same call, nonce and fees sign to the same bytes: a transaction given up comes back.
            row.given_up = False
        else:
            row = JournalRow(
                job_id=number(job.id),
                nonce=transaction.nonce,
                transaction_hash=text,
                raw=_hex(transaction.raw),
                created_at=now,
            )
            self._journalled[text] = row
        if transaction.nonce in self._holders:
            self._holders[transaction.nonce].add(number(job.id))
        self._session.add(row)

    def is_nonce_taken(self, job: Job, nonce: int) -> bool:
        """Whether another job's transaction holds a nonce: two workers may have chosen it at once."""
        if nonce in self._holders:
            return bool(self._holders[nonce] - {number(job.id)})
        query = select(func.count()).select_from(JournalRow)
        taken = (JournalRow.nonce == nonce, col(JournalRow.given_up).is_(False), JournalRow.job_id != job.id)
        return self._session.exec(query.where(*taken)).one() > 0

    def given_up(self, job: Job) -> Sequence[JournalRow]:
        """Transactions of a job that it does not stand on any more, the newest first."""
        query = select(JournalRow).where(JournalRow.job_id == job.id, col(JournalRow.given_up))
        return self._session.exec(query.order_by(col(JournalRow.id).desc())).all()

    def had_transactions(self, job_ids: Collection[int]) -> set[int]:
        """Which of some jobs have a transaction in the journal, given up or not."""
        query = select(JournalRow.job_id).where(col(JournalRow.job_id).in_(job_ids))
        return set(self._session.exec(query))

    def take_up(self, transaction_hash: bytes) -> None:
        """Stand on a transaction again that was given up."""
        row = self._row(_hex(transaction_hash))
        if row is not None:
            row.given_up = False
            self._session.add(row)

    def raw(self, transaction_hash: bytes) -> bytes:
        """A journalled transaction as it is sent.

        Raises:
            TransportError: the journal does not have it.
        """
        row = self._row(_hex(transaction_hash))
        if row is None:
            raise TransportError(f"expected {_hex(transaction_hash)} in the journal, got nothing", code="journal_gap")
        return bytes.fromhex(row.raw[2:])

    def _row(self, transaction_hash: str) -> JournalRow | None:
        if transaction_hash in self._journalled:
            return self._journalled[transaction_hash]
        query = select(JournalRow).where(JournalRow.transaction_hash == transaction_hash)
        return self._session.exec(query).one_or_none()

    def store(self, job: Job, state: AnchorState, *, now: datetime) -> None:
        """Store a job's anchor state; a transaction it no longer stands on is given up."""
        old = job.transaction_hash
        new = _hex(state.transaction_hash) if state.transaction_hash else None
        if old is not None and old != new:
            row = self._row(old)
            if row is not None:
                row.given_up = True
                self._session.add(row)
        job.phase = state.phase.value
        job.transaction_hash = new
        job.nonce = state.nonce
        job.block_number = state.block.number if state.block else None
        job.block_hash = _hex(state.block.block_hash) if state.block else None
        job.refusal = state.refusal
        job.refusal_values = json.dumps(dict(state.values), ensure_ascii=False, default=_plain)
        job.attempts = state.attempts
        job.updated_at = now
        self._session.add(job)


def anchor_state(job: Job) -> AnchorState:
    """A job's anchor state as the core knows it."""
    block = None
    if job.block_number is not None and job.block_hash is not None:
        block = Block(job.block_number, bytes.fromhex(job.block_hash[2:]))
    return AnchorState(
        Phase(job.phase),
        transaction_hash=bytes.fromhex(job.transaction_hash[2:]) if job.transaction_hash else None,
        nonce=job.nonce,
        block=block,
        refusal=job.refusal,
        values=json.loads(job.refusal_values),
        attempts=job.attempts,
    )


def number(row_id: int | None) -> int:
    """The number of a stored row.

    Raises:
        TypeError: the row was never stored.
    """
    if row_id is None:
        raise TypeError("expected a stored row, got one without a number")
    return row_id


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _plain(value: object) -> str:
    return _hex(value) if isinstance(value, bytes) else str(value)
