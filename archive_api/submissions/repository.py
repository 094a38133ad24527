"""Queries over submissions, entries, statements, seals and withdrawals."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, func, insert, true, update
from sqlalchemy import select as select_columns
from sqlmodel import Session, SQLModel, col, select

from archive_api.access.clearance import LEVELS
from archive_api.errors import NotFoundError
from archive_api.http import hex32
from archive_api.projects.models import Building, UnitProject
from archive_api.submissions.models import (
    EntryRow,
    SealRow,
    StatementRow,
    Submission,
    SubmissionState,
    WithdrawalRow,
)
from ledger.types import ROLES

__all__ = ["RECORDED", "EntryCounts", "EntryKey", "SubmissionRepository", "content_key"]

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


class SubmissionRepository:
    """Submissions and what belongs to them, in one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, row: SQLModel) -> None:
        """Add a row."""
        self._session.add(row)
        self._session.flush()

    def get(self, ref: str) -> Submission:
        """A submission by its uuid or by the 0x id of its current statement.

        Raises:
            NotFoundError: there is none.
        """
        query = select(Submission)
        if ref.startswith("0x"):
            query = query.where(Submission.submission_id == hex32(ref))
        else:
            query = query.where(Submission.ref == _uuid_text(ref))
        row = self._session.exec(query).one_or_none()
        if row is None:
            raise NotFoundError(f"expected a submission, got none under {ref[:80]!r}")
        return row

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

    def counts(self, submission: Submission, levels: Collection[str]) -> EntryCounts:
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

    def current_statement(self, submission: Submission) -> StatementRow | None:
        """The statement a submission stands on, None for a draft."""
        return self._session.get(StatementRow, submission.submission_id) if submission.submission_id else None

    def by_row(self, submission_pk: int) -> Submission:
        """A submission by its row number."""
        return self._session.get_one(Submission, submission_pk)

    def seals(self, submission_id: str) -> Sequence[SealRow]:
        """A statement's seals in role order."""
        rows = self._session.exec(select(SealRow).where(SealRow.submission_id == submission_id)).all()
        return sorted(rows, key=lambda row: [role.value for role in ROLES].index(row.role))

    def remove_seal(self, row: SealRow) -> None:
        """Take a seal out, so that its party can seal again."""
        self._session.delete(row)
        self._session.flush()

    def find_withdrawal(self, submission_id: str) -> WithdrawalRow | None:
        """The withdrawal of a statement, or None."""
        return self._session.get(WithdrawalRow, submission_id)

    def get_withdrawal(self, submission_id: str) -> WithdrawalRow:
        """The withdrawal of a statement."""
        return self._session.get_one(WithdrawalRow, submission_id)

    def withdrawals(self, submission: Submission) -> Sequence[WithdrawalRow]:
        """Every withdrawal in a submission's life, oldest first."""
        query = (
            select(WithdrawalRow)
            .join(StatementRow, col(StatementRow.submission_id) == WithdrawalRow.submission_id)
            .where(StatementRow.submission_pk == submission.id)
            .order_by(col(WithdrawalRow.created_at))
        )
        return self._session.exec(query).all()


def _among(column: Any, levels: Collection[str]) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = true() if set(levels) >= set(LEVELS) else column.in_(sorted(levels))
    return condition


def _uuid_text(ref: str) -> str:
    """The one way to write a uuid: what the access log names is what an auditor looks for."""
    with contextlib.suppress(ValueError):
        if str(UUID(ref)) == ref:
            return ref
    raise NotFoundError(f"expected a uuid or an 0x id, got {ref[:80]!r}")
