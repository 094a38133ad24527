"""Queries over jobs and the journal of raw transactions."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import bindparam, func, insert, update
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from archive_api.errors import TransportError
from archive_api.outbox.models import Job, JournalRow
from ledger.anchoring import AnchorState, Block, Phase
from ledger.ports.chain import SignedTransaction

__all__ = ["IN_FLIGHT", "JobChanges", "JobRepository", "StoredJob", "anchor_state", "number"]

IN_FLIGHT = (Phase.SIGNED, Phase.BROADCAST)
_IN_BLOCK = (Phase.MINED, Phase.FINAL)
_UNFINISHED = (Phase.QUEUED, Phase.SIGNED, Phase.BROADCAST, Phase.MINED, Phase.REVERTED)
_NO_VALUES = "{}"


class StoredJob(NamedTuple):
    """The values of a `Job`, to look at many: a row itself takes several times as long.

    Attributes:
        id: its number.
        kind: a key of `outbox.calls`.
        subject: names the row the call is built from.
        phase, transaction_hash, nonce, block_number, block_hash, refusal, refusal_values, attempts: the anchor state.
        block_time, gas_used: of the block it is in.
    """

    id: int
    kind: str
    subject: str
    phase: str
    transaction_hash: str | None
    nonce: int | None
    block_number: int | None
    block_hash: str | None
    refusal: str | None
    refusal_values: str
    attempts: int
    block_time: int | None
    gas_used: int | None


# Built once, since building a statement takes longer than executing it.
_STORED: Final = select_columns(*(getattr(Job, name) for name in StoredJob._fields))
_UNFINISHED_JOBS: Final = _STORED.where(col(Job.phase).in_(_UNFINISHED)).order_by(col(Job.id))
_SEVERAL: Final = _STORED.where(col(Job.id).in_(bindparam("job_ids", expanding=True)))
_STORE: Final = update(Job).where(col(Job.id) == bindparam("job_id"))
_JOURNAL: Final = insert(JournalRow)
_GIVE_UP: Final = update(JournalRow).where(col(JournalRow.transaction_hash) == bindparam("given_hash"))
_KNOWN_HASHES: Final = select_columns(col(JournalRow.transaction_hash)).where(
    col(JournalRow.transaction_hash).in_(bindparam("hashes", expanding=True))
)
_HOLDING: Final = select_columns(col(JournalRow.nonce), col(JournalRow.job_id)).where(
    col(JournalRow.nonce).in_(bindparam("nonces", expanding=True)), col(JournalRow.given_up).is_(False)
)


class JobRepository:
    """Jobs and the journal, in one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        # A session lets go of rows that nobody holds, and asks for them again.
        self._added: list[Job] = session.info.setdefault(f"{__name__} added", [])

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

    def several(self, job_ids: Collection[int]) -> dict[int, StoredJob]:
        """Jobs by their numbers, in one query."""
        rows = self._session.execute(_SEVERAL, {"job_ids": list(job_ids)})
        return {job.id: job for job in map(StoredJob._make, rows)}

    def block_times(self, job_ids: Collection[int]) -> dict[int, int]:
        """Unix seconds of the blocks that some jobs are in, by their numbers; those in no block are left out."""
        query = select(Job.id, Job.block_time).where(col(Job.id).in_(job_ids), col(Job.phase).in_(_IN_BLOCK))
        rows = self._session.exec(query)
        return {job_id: time for job_id, time in rows if job_id is not None and time is not None}

    def unfinished(self) -> Sequence[StoredJob]:
        """Jobs that are neither final nor refused, oldest first."""
        return [StoredJob._make(row) for row in self._session.execute(_UNFINISHED_JOBS)]

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

    def given_up(self, job: Job) -> Sequence[JournalRow]:
        """Transactions of a job that it does not stand on any more, the newest first."""
        query = select(JournalRow).where(JournalRow.job_id == job.id, col(JournalRow.given_up))
        return self._session.exec(query.order_by(col(JournalRow.id).desc())).all()

    def had_transactions(self, job_ids: Collection[int]) -> set[int]:
        """Which of some jobs have a transaction in the journal, given up or not."""
        query = select(JournalRow.job_id).where(col(JournalRow.job_id).in_(job_ids))
        return set(self._session.exec(query))

    def raw(self, transaction_hash: bytes) -> bytes:
        """A journalled transaction as it is sent.

        Raises:
            TransportError: the journal does not have it.
        """
        row = self._row(_hex(transaction_hash))
        if row is None:
            raise TransportError(f"expected {_hex(transaction_hash)} in the journal, got nothing", code="journal_gap")
        return bytes.fromhex(row.raw[2:])

    def store(self, job: Job, state: AnchorState, *, now: datetime) -> None:
        """Store a job's anchor state; a transaction it no longer stands on is given up. Of many: `JobChanges`."""
        old, columns = job.transaction_hash, _columns(state)
        if old is not None and old != columns["transaction_hash"]:
            row = self._row(old)
            if row is not None:
                row.given_up = True
                self._session.add(row)
        for name, value in columns.items():
            setattr(job, name, value)
        job.updated_at = now
        self._session.add(job)

    def _row(self, transaction_hash: str) -> JournalRow | None:
        query = select(JournalRow).where(JournalRow.transaction_hash == transaction_hash)
        return self._session.exec(query).one_or_none()


class JobChanges:
    """What came of several jobs in one step, written together: a statement for each kind of row.

    Nothing is written before `write`. What the journal says meanwhile is asked once, for all of them.

    Args:
        session: of the caller's transaction.
        transactions: all that may be added to the journal.
        now: present time.
    """

    def __init__(self, session: Session, transactions: Collection[SignedTransaction], *, now: datetime) -> None:
        self._connection = session.connection()
        self._now = now
        self._jobs: list[dict[str, Any]] = []
        self._journal: list[dict[str, Any]] = []
        self._given: list[dict[str, Any]] = []
        hashes = [_hex(one.transaction_hash) for one in transactions]
        self._known: set[str] = set()
        self._holders: dict[int, set[int]] = {one.nonce: set() for one in transactions}
        if transactions:
            self._known.update(self._connection.execute(_KNOWN_HASHES, {"hashes": hashes}).scalars())
            for nonce, job_id in self._connection.execute(_HOLDING, {"nonces": list(self._holders)}):
                self._holders[nonce].add(job_id)

    def is_nonce_taken(self, job_id: int, nonce: int) -> bool:
        """Whether another job's transaction holds a nonce: two workers may have chosen it at once."""
        return bool(self._holders[nonce] - {job_id})

    def journal(self, job_id: int, transaction: SignedTransaction) -> None:
        """Add a transaction to the journal; it is durable once the caller's transaction is."""
        text = _hex(transaction.transaction_hash)
        if text in self._known:
            # The same call, nonce and fees sign to the same bytes: a transaction given up comes back.
            self._give(text, is_up=False)
        else:
            self._known.add(text)
            self._journal.append(
                {
                    "job_id": job_id,
                    "nonce": transaction.nonce,
                    "transaction_hash": text,
                    "raw": _hex(transaction.raw),
                    "given_up": False,
                    "created_at": self._now,
                }
            )
        self._holders[transaction.nonce].add(job_id)

    def take_up(self, transaction_hash: bytes) -> None:
        """Stand on a transaction again that was given up."""
        self._give(_hex(transaction_hash), is_up=False)

    def store(
        self, job: StoredJob, state: AnchorState, *, block_time: int | None = None, gas_used: int | None = None
    ) -> None:
        """Store a job's anchor state; a transaction it no longer stands on is given up.

        Args:
            job: as it is stored.
            state: the new one.
            block_time: of its block, unix seconds; None: as it was.
            gas_used: of its transaction; None: as it was.
        """
        columns = _columns(state)
        if job.transaction_hash is not None and job.transaction_hash != columns["transaction_hash"]:
            self._give(job.transaction_hash, is_up=True)
        columns["block_time"] = job.block_time if block_time is None else block_time
        columns["gas_used"] = job.gas_used if gas_used is None else gas_used
        self._jobs.append({"job_id": job.id, "updated_at": self._now, **columns})

    def write(self) -> None:
        """Write all of it."""
        for statement, rows in ((_JOURNAL, self._journal), (_GIVE_UP, self._given), (_STORE, self._jobs)):
            if rows:
                self._connection.execute(statement, rows)

    def _give(self, transaction_hash: str, *, is_up: bool) -> None:
        self._given.append({"given_hash": transaction_hash, "given_up": is_up})


def anchor_state(job: Job | StoredJob) -> AnchorState:
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
        values=json.loads(job.refusal_values) if job.refusal_values != _NO_VALUES else {},
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


def _columns(state: AnchorState) -> dict[str, Any]:
    """The columns of a job that hold its anchor state."""
    values = json.dumps(dict(state.values), ensure_ascii=False, default=_plain) if state.values else _NO_VALUES
    return {
        "phase": state.phase.value,
        "transaction_hash": _hex(state.transaction_hash) if state.transaction_hash else None,
        "nonce": state.nonce,
        "block_number": state.block.number if state.block else None,
        "block_hash": _hex(state.block.block_hash) if state.block else None,
        "refusal": state.refusal,
        "refusal_values": values,
        "attempts": state.attempts,
    }


def _plain(value: object) -> str:
    return _hex(value) if isinstance(value, bytes) else str(value)
