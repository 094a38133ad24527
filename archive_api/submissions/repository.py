"""Queries over submissions, entries, statements, seals and withdrawals."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, delete, exists, func, insert, true, update
from sqlalchemy import select as select_columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, SQLModel, col, select

from archive_api.access.clearance import LEVELS
from archive_api.db.rows import delete_row, insert_row
from archive_api.decisions.models import DecisionRow
from archive_api.errors import NotFoundError
from archive_api.http import hex32
from archive_api.outbox.models import Job
from archive_api.projects.models import Building, RosterRow, UnitProject
from archive_api.submissions.models import (
    EntryRow,
    SealRow,
    StatementRow,
    Submission,
    SubmissionState,
    WithdrawalRow,
)
from archive_api.submissions.standing import Standing, StoredSubmission, find_standing
from ledger.types import ROLES

__all__ = [
    "RECORDED",
    "Attended",
    "EntryCounts",
    "EntryKey",
    "Handover",
    "StoredAnchor",
    "StoredSeal",
    "SubmissionRepository",
    "content_key",
    "submission_name",
]

RECORDED = (SubmissionState.ANCHORED, SubmissionState.ACCEPTED, SubmissionState.RETURNED)
OPEN = (SubmissionState.SEALING, SubmissionState.SEALED, SubmissionState.ANCHOR_REFUSED)
_BATCH = 1000

EntryKey = tuple[str, str, str, int]
"""CID, SHA-256 (hex), SM3 (hex) and size of a content: all that was compared, so that it is known for this alone."""


@dataclass(frozen=True, slots=True)
class EntryCounts:
    """Documents, their bytes, and how many have no content yet."""

    documents: int
    total_bytes: int
    missing: int


def content_key(row: EntryRow) -> EntryKey:
    """What an entry says of its content."""
    return (row.cid, row.sha256, row.sm3, row.size)


@dataclass(frozen=True, slots=True)
class Handover:
    """A statement, and the rows that it stands on."""

    statement: StatementRow
    submission: Submission
    unit_project: UnitProject
    building: Building
    roster: RosterRow


class StoredSeal(NamedTuple):
    """The values of a `SealRow`, to read those of many statements: a row itself takes several times as long.

    Attributes:
        submission_id: 0x-hex, 32 bytes.
        role: of the party.
        signing_time: unix seconds.
        signature: base64 of r‖s.
        certificate_id: hex, 32 bytes.
        created_at: when it arrived.
    """

    submission_id: str
    role: str
    signing_time: int
    signature: str
    certificate_id: str
    created_at: datetime


class StoredAnchor(NamedTuple):
    """The values of a `Job` that say where its statement stands on chain.

    Attributes:
        phase: of `ledger.anchoring`.
        transaction_hash, block_number, block_hash, block_time, gas_used: as far as it came; hex with 0x.
        refusal: the contract's error, or None.
        refusal_values: of that error, JSON.
    """

    phase: str
    transaction_hash: str | None = None
    block_number: int | None = None
    block_hash: str | None = None
    block_time: int | None = None
    gas_used: int | None = None
    refusal: str | None = None
    refusal_values: str = "{}"


@dataclass(frozen=True, slots=True)
class Attended:
    """What came of a statement.

    Attributes:
        seals: in role order.
        anchor: of the job that has it recorded, None before there is one.
        is_decided: whether there is a decision on it.
        was_withdrawn: whether there is a withdrawal in its submission's life.
    """

    seals: Sequence[StoredSeal]
    anchor: StoredAnchor | None
    is_decided: bool
    was_withdrawn: bool


# Built once, since building a query takes longer than asking it.
_BY_NAME: Final = {
    column: select(Submission).where(getattr(Submission, column) == bindparam(column))
    for column in ("ref", "submission_id")
}
_SEAL_COLUMNS: Final = select_columns(*(getattr(SealRow, name) for name in StoredSeal._fields))
_SEALS: Final = _SEAL_COLUMNS.where(col(SealRow.submission_id) == bindparam("submission_id"))
_SEALS_AMONG: Final = _SEAL_COLUMNS.where(col(SealRow.submission_id).in_(bindparam("submission_ids", expanding=True)))
_WITHDRAWALS: Final = (
    select(WithdrawalRow)
    .join(StatementRow, col(StatementRow.submission_id) == WithdrawalRow.submission_id)
    .where(col(StatementRow.submission_pk) == bindparam("submission_pk"))
    .order_by(col(WithdrawalRow.created_at))
)
_ANCHOR: Final = tuple(f"job_{name}" for name in StoredAnchor._fields)
_STANDING_IN: Final = aliased(StatementRow)
_ATTENDED: Final = (
    select_columns(
        *(getattr(SealRow, name) for name in StoredSeal._fields),
        *(getattr(Job, name).label(label) for name, label in zip(StoredAnchor._fields, _ANCHOR, strict=True)),
        exists().where(col(DecisionRow.submission_id) == col(StatementRow.submission_id)).label("is_decided"),
        exists()
        .where(
            col(_STANDING_IN.submission_pk) == col(StatementRow.submission_pk),
            col(WithdrawalRow.submission_id) == col(_STANDING_IN.submission_id),
        )
        .label("was_withdrawn"),
    )
    .select_from(StatementRow)
    .outerjoin(SealRow, col(SealRow.submission_id) == col(StatementRow.submission_id))
    .outerjoin(Job, col(Job.id) == col(StatementRow.job_id))
    .where(col(StatementRow.submission_id) == bindparam("submission_id"))
)
_HANDOVER: Final = (
    select_columns(StatementRow, Submission, UnitProject, Building, RosterRow)
    .join(Submission, col(Submission.id) == col(StatementRow.submission_pk))
    .join(UnitProject, col(UnitProject.id) == col(Submission.unit_project_id))
    .join(Building, col(Building.id) == col(UnitProject.building_id))
    .join(RosterRow, col(RosterRow.id) == col(StatementRow.roster_id))
    .where(col(StatementRow.submission_id) == bindparam("submission_id"))
)
_ROLE_ORDER: Final = {role.value: place for place, role in enumerate(ROLES)}


class SubmissionRepository:
    """Submissions and what belongs to them, in one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        # A session lets go of rows that nobody holds, and asks for them again.
        self._held: dict[int, Submission] = session.info.setdefault(f"{__name__} submissions", {})
        self._handovers: dict[str, Handover] = session.info.setdefault(f"{__name__} handovers", {})

    def add(self, row: SQLModel) -> None:
        """Add a row."""
        self._session.add(row)
        self._session.flush()

    def get(self, ref: str) -> Submission:
        """A submission by its uuid or by the 0x id of its current statement.

        Raises:
            NotFoundError: there is none.
        """
        column, value = submission_name(ref)
        row = self._session.exec(_BY_NAME[column], params={column: value}).one_or_none()
        if row is None:
            raise NotFoundError(f"expected a submission, got none under {ref[:80]!r}")
        return row

    def standing(self, ref: str) -> Standing:
        """The same with all that it stands on, as values.

        Raises:
            NotFoundError: there is none.
        """
        standing = find_standing(self._session, *submission_name(ref))
        if standing is None:
            raise NotFoundError(f"expected a submission, got none under {ref[:80]!r}")
        return standing

    def search(
        self,
        condition: ColumnElement[bool],
        *,
        building_key: str | None = None,
        unit_project_key: str | None = None,
        state: str | None = None,
    ) -> Select[Any]:
        """Submissions by what is given.

        Args:
            condition: which ones the one who asks may know of, see `Visibility.submissions`.
            building_key, unit_project_key: hex, with or without 0x.
            state: one of `SubmissionState`.
        """
        query = select(Submission).join(UnitProject, col(UnitProject.id) == Submission.unit_project_id).where(condition)
        if building_key is not None:
            query = query.join(Building, col(Building.id) == UnitProject.building_id)
            query = query.where(Building.building_key == hex32(building_key))
        if unit_project_key is not None:
            query = query.where(UnitProject.unit_project_key == hex32(unit_project_key))
        return query.where(Submission.state == state) if state is not None else query

    def open_one(self, unit_project_id: int) -> Submission | None:
        """The unit project's submission between statement and anchor, if there is one."""
        query = select(Submission).where(Submission.unit_project_id == unit_project_id, col(Submission.state).in_(OPEN))
        return self._session.exec(query).one_or_none()

    def next_place(self, unit_project_id: int, condition: ColumnElement[bool] | None = None) -> tuple[int, str | None]:
        """Sequence number and previous id (0x) of a unit project's next submission.

        Args:
            unit_project_id: its row number.
            condition: which submissions the one who asks may know of; None: all.
        """
        query = (
            select(StatementRow)
            .join(Submission, col(Submission.submission_id) == StatementRow.submission_id)
            .where(
                Submission.unit_project_id == unit_project_id,
                col(Submission.state).in_(RECORDED),
                true() if condition is None else condition,
            )
            .order_by(col(StatementRow.sequence).desc())
        )
        last = self._session.exec(query.limit(1)).one_or_none()
        return (1, None) if last is None else (last.sequence + 1, last.submission_id)

    # Entries

    def replace_entries(self, submission: Submission, rows: Iterator[Mapping[str, Any]]) -> None:
        """Put these entries in place of those there are; contents that are there already stay known."""
        pk = submission.id
        present = self._present(submission)
        self._session.execute(delete(EntryRow).where(col(EntryRow.submission_pk) == pk))
        batch: list[dict[str, Any]] = []
        for row in rows:
            key = (row["cid"], row["sha256"], row["sm3"], row["size"])
            batch.append({**row, "submission_pk": pk, "content_bytes": present.get(key)})
            if len(batch) == _BATCH:
                self._session.execute(insert(EntryRow), batch)
                batch = []
        if batch:
            self._session.execute(insert(EntryRow), batch)

    def _present(self, submission: Submission) -> dict[EntryKey, int]:
        columns = (EntryRow.cid, EntryRow.sha256, EntryRow.sm3, EntryRow.size, EntryRow.content_bytes)
        query = select_columns(*map(col, columns)).where(
            col(EntryRow.submission_pk) == submission.id, col(EntryRow.content_bytes).is_not(None)
        )
        rows = self._session.execute(query)
        return {(cid, sha256, sm3, size): tree_bytes for cid, sha256, sm3, size, tree_bytes in rows}

    def recount(self, submission: Submission) -> None:
        """Count documents, bytes and missing contents again."""
        counts = self.counts(submission, LEVELS)
        submission.document_count = counts.documents
        submission.total_bytes = counts.total_bytes
        submission.missing_count = counts.missing
        self._session.add(submission)
        self._session.flush()

    def counts(self, submission: Submission | StoredSubmission, levels: Collection[str]) -> EntryCounts:
        """What a submission has in documents of some levels."""
        query = select(
            func.count(), func.coalesce(func.sum(EntryRow.size), 0), func.count(col(EntryRow.content_bytes))
        ).where(EntryRow.submission_pk == submission.id, _among(EntryRow.level, levels))
        count, total, present = self._session.exec(query).one()
        return EntryCounts(count, int(total), count - present)

    def entry(self, submission: Submission, leaf_index: int, levels: Collection[str] = LEVELS) -> EntryRow:
        """One entry.

        Args:
            submission: whose.
            leaf_index: of the document.
            levels: those that the one who asks may know of.

        Raises:
            NotFoundError: the submission has none with this index, or one of another level.
        """
        query = select(EntryRow).where(EntryRow.submission_pk == submission.id, EntryRow.leaf_index == leaf_index)
        row = self._session.exec(query).one_or_none()
        if row is None or row.level not in levels:
            raise NotFoundError(f"expected a document, got none at index {leaf_index}", index=leaf_index)
        return row

    def entries(
        self, submission: Submission, *, levels: Collection[str] = LEVELS, start: int = 0, limit: int | None = None
    ) -> Sequence[EntryRow]:
        """Entries of some levels in leaf order."""
        query = (
            select(EntryRow)
            .where(
                EntryRow.submission_pk == submission.id,
                col(EntryRow.leaf_index) >= start,
                _among(EntryRow.level, levels),
            )
            .order_by(col(EntryRow.leaf_index))
        )
        return self._session.exec(query if limit is None else query.limit(limit)).all()

    def leaf_hashes(self, submission: Submission) -> list[bytes]:
        """All leaf hashes in leaf order, 32 bytes each."""
        query = (
            select(EntryRow.leaf_hash).where(EntryRow.submission_pk == submission.id).order_by(col(EntryRow.leaf_index))
        )
        return [bytes.fromhex(text) for text in self._session.exec(query)]

    def missing(
        self, submission: Submission, *, levels: Collection[str] = LEVELS, limit: int | None = None
    ) -> Sequence[int]:
        """Indices of the entries of some levels whose content is not there."""
        query = (
            select(EntryRow.leaf_index)
            .where(
                EntryRow.submission_pk == submission.id,
                col(EntryRow.content_bytes).is_(None),
                _among(EntryRow.level, levels),
            )
            .order_by(col(EntryRow.leaf_index))
        )
        return self._session.exec(query if limit is None else query.limit(limit)).all()

    def mark_present(self, submission: Submission, contents: Mapping[EntryKey, int]) -> None:
        """Say that contents are durable: for every entry of the submission that says the same of its content.

        Args:
            submission: whose entries.
            contents: the bytes of each content's DAG.
        """
        for (cid, sha256, sm3, size), tree_bytes in contents.items():
            self._session.execute(
                update(EntryRow)
                .where(
                    col(EntryRow.submission_pk) == submission.id,
                    col(EntryRow.sha256) == sha256,
                    col(EntryRow.cid) == cid,
                    col(EntryRow.sm3) == sm3,
                    col(EntryRow.size) == size,
                )
                .values(content_bytes=tree_bytes)
            )
        self.recount(submission)

    # Statements, seals, withdrawals

    def statement(self, submission_id: str) -> StatementRow:
        """A statement by its 0x id.

        Raises:
            NotFoundError: there is none.
        """
        row = self.find_statement(submission_id)
        if row is None:
            raise NotFoundError(f"expected a statement, got none with id {submission_id}")
        return row

    def find_statement(self, submission_id: str) -> StatementRow | None:
        """The same, or None."""
        return self._session.get(StatementRow, submission_id)

    def handover(self, submission_id: str) -> Handover:
        """A statement (0x id) with all that it stands on, in one query; asked for once in a session.

        Raises:
            NotFoundError: there is none.
        """
        handover = self._handovers.get(submission_id)
        if handover is None:
            found = self._session.execute(_HANDOVER, {"submission_id": submission_id}).one_or_none()
            if found is None:
                raise NotFoundError(f"expected a statement, got none with id {submission_id}")
            handover = self._handovers[submission_id] = Handover(*found)
        return handover

    def current_statement(self, submission: Submission) -> StatementRow | None:
        """The statement a submission stands on, None for a draft."""
        return self._session.get(StatementRow, submission.submission_id) if submission.submission_id else None

    def by_row(self, submission_pk: int) -> Submission:
        """A submission by its row number; asked for once in a session."""
        row = self._held.get(submission_pk)
        if row is None:
            row = self._held[submission_pk] = self._session.get_one(Submission, submission_pk)
        return row

    def add_seal(self, seal: StoredSeal) -> None:
        """Add a seal."""
        insert_row(self._session, SealRow, **seal._asdict())

    def seals(self, submission_id: str) -> Sequence[StoredSeal]:
        """A statement's seals in role order."""
        self._session.flush()
        rows = self._session.connection().execute(_SEALS, {"submission_id": submission_id})
        return sorted((StoredSeal._make(row) for row in rows), key=_by_role)

    def attended(self, submission_id: str) -> Attended:
        """What came of a statement (0x id), in one query.

        Raises:
            NotFoundError: there is none.
        """
        self._session.flush()
        rows = self._session.connection().execute(_ATTENDED, {"submission_id": submission_id}).all()
        if not rows:
            raise NotFoundError(f"expected a statement, got none with id {submission_id}")
        seals = [StoredSeal._make(row[: len(StoredSeal._fields)]) for row in rows if row.role is not None]
        *anchor, is_decided, was_withdrawn = rows[0][len(StoredSeal._fields) :]
        return Attended(
            seals=sorted(seals, key=_by_role),
            anchor=None if anchor[0] is None else StoredAnchor._make(anchor),
            is_decided=bool(is_decided),
            was_withdrawn=bool(was_withdrawn),
        )

    def seals_among(self, submission_ids: Collection[str]) -> Mapping[str, Sequence[StoredSeal]]:
        """The seals of some statements (0x ids) in role order, in one query; those without any are left out."""
        found: dict[str, list[StoredSeal]] = {}
        for row in self._session.execute(_SEALS_AMONG, {"submission_ids": list(submission_ids)}):
            found.setdefault(row.submission_id, []).append(StoredSeal._make(row))
        return {one: sorted(rows, key=_by_role) for one, rows in found.items()}

    def remove_seal(self, seal: StoredSeal) -> None:
        """Take a seal out, so that its party can seal again."""
        delete_row(self._session, SealRow, seal.submission_id, seal.role)

    def get_withdrawal(self, submission_id: str) -> WithdrawalRow:
        """The withdrawal of a statement."""
        return self._session.get_one(WithdrawalRow, submission_id)

    def withdrawals(self, submission: Submission | StoredSubmission) -> Sequence[WithdrawalRow]:
        """Every withdrawal in a submission's life, oldest first."""
        return self._session.exec(_WITHDRAWALS, params={"submission_pk": submission.id}).all()


def submission_name(ref: str) -> tuple[str, str]:
    """What a submission is named by: the column, `ref` or `submission_id`, and its value.

    Raises:
        NotFoundError: it is neither a uuid nor an 0x id.
        MalformedError: an 0x id of another form.
    """
    return ("submission_id", hex32(ref)) if ref.startswith("0x") else ("ref", _uuid_text(ref))


def _by_role(seal: StoredSeal) -> int:
    return _ROLE_ORDER[seal.role]


def _among(column: Any, levels: Collection[str]) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = true() if set(levels) >= set(LEVELS) else column.in_(sorted(levels))
    return condition


def _uuid_text(ref: str) -> str:
    """The one way to write a uuid: what the access log names is what an auditor looks for."""
    with contextlib.suppress(ValueError):
        if str(UUID(ref)) == ref:
            return ref
    raise NotFoundError(f"expected a uuid or an 0x id, got {ref[:80]!r}")
