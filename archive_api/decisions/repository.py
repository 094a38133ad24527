"""Queries over decisions and attestations."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, bindparam
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from archive_api.decisions.models import AttestationRow, DecisionRow
from archive_api.errors import NotFoundError
from archive_api.outbox.models import Job
from archive_api.submissions.models import Submission

__all__ = ["DecisionRepository"]


# Built once, since building a query takes longer than asking it.
_DECISION: Final = select(DecisionRow).where(col(DecisionRow.submission_id) == bindparam("submission_id"))
_WITH_JOB: Final = (
    select_columns(DecisionRow, Job)
    .join(Job, col(Job.id) == col(DecisionRow.job_id))
    .where(col(DecisionRow.submission_id) == bindparam("submission_id"))
)
_NEWEST_ATTESTATION: Final = (
    select(AttestationRow)
    .where(col(AttestationRow.submission_id) == bindparam("submission_id"))
    .order_by(col(AttestationRow.id).desc())
    .limit(1)
)


class DecisionRepository:
    """Decisions and attestations, in one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, row: DecisionRow | AttestationRow) -> None:
        """Add a row."""
        self._session.add(row)
        self._session.flush()

    def remove(self, row: DecisionRow) -> None:
        """Take out a decision that the contract refused."""
        self._session.delete(row)
        self._session.flush()

    def find(self, submission_id: str) -> DecisionRow | None:
        """The decision on a submission, or None."""
        return self._session.exec(_DECISION, params={"submission_id": submission_id}).one_or_none()

    def find_with_job(self, submission_id: str) -> tuple[DecisionRow, Job] | None:
        """The same with the job that records it on chain, in one query."""
        found = self._session.execute(_WITH_JOB, {"submission_id": submission_id}).one_or_none()
        return None if found is None else (found[0], found[1])

    def get(self, submission_id: str) -> DecisionRow:
        """The decision on a submission.

        Raises:
            NotFoundError: there is none.
        """
        row = self.find(submission_id)
        if row is None:
            raise NotFoundError(f"expected a decision on {submission_id}, got none")
        return row

    def by_accession_number(self, accession_number: str) -> DecisionRow | None:
        """The decision with an accession number."""
        query = select(DecisionRow).where(DecisionRow.accession_number == accession_number)
        return self._session.exec(query).one_or_none()

    def receipts(self, condition: ColumnElement[bool]) -> SelectOfScalar[DecisionRow]:
        """Acceptances of submissions that may be known of as a whole."""
        query = select(DecisionRow).join(Submission, col(Submission.submission_id) == DecisionRow.submission_id)
        return query.where(DecisionRow.kind == "accepted", condition)

    def newest_attestation(self, submission_id: str) -> AttestationRow | None:
        """The attestation that counts."""
        return self._session.exec(_NEWEST_ATTESTATION, params={"submission_id": submission_id}).one_or_none()
