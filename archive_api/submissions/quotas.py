"""How much may be under way: of one submission, and of what an organisation's people opened and nobody decided yet."""

from __future__ import annotations

from sqlalchemy import func
from sqlmodel import Field, Session, SQLModel, col, select

from archive_api.access.principal import Principal
from archive_api.errors import QuotaError
from archive_api.settings import Settings
from archive_api.submissions.models import Submission, SubmissionState

__all__ = ["Quotas", "SubmissionOpener"]

_DECIDED = (SubmissionState.ACCEPTED, SubmissionState.RETURNED)


class SubmissionOpener(SQLModel, table=True):
    """Who opened a submission, and is charged for it; `account` is their organisation's code, else their own id."""

    __tablename__ = "submission_openers"

    submission_pk: int = Field(foreign_key="submissions.id", primary_key=True)
    person_id: str = Field(max_length=36)
    account: str = Field(max_length=36, index=True)


class Quotas:
    """Quotas in one session; it never commits.

    Args:
        session: of the caller's transaction.
        settings: the limits.
    """

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings

    def open(self, submission: Submission, principal: Principal) -> None:
        """Charge a new submission to who opens it.

        Raises:
            QuotaError: they have too many under way.
        """
        if submission.id is None or principal.person_id is None:
            return
        account = principal.organisation_code or principal.person_id
        count, _ = self._under_way(account)
        limit = self._settings.max_organisation_drafts
        if count >= limit:
            raise QuotaError(f"expected at most {limit} submissions under way, got more", expected=limit)
        opener = SubmissionOpener(submission_pk=submission.id, person_id=principal.person_id, account=account)
        self._session.add(opener)
        self._session.flush()

    def check(self, submission: Submission) -> None:
        """Look at a submission whose entries are in place, before the transaction ends.

        Raises:
            QuotaError: it is too large, or with it what its opener has under way.
        """
        settings = self._settings
        _require(submission.document_count, settings.max_submission_documents, "documents in a submission")
        _require(submission.total_bytes, settings.max_submission_bytes, "bytes in a submission")
        opener = self._session.get(SubmissionOpener, submission.id)
        if opener is not None:
            self._session.flush()
            _, size = self._under_way(opener.account)
            limit = settings.max_organisation_bytes
            if size > limit:  # how much there is besides is for nobody who sends this one
                raise QuotaError(f"expected at most {limit} bytes under way of one organisation", expected=limit)

    def _under_way(self, account: str) -> tuple[int, int]:
        query = (
            select(func.count(), func.coalesce(func.sum(Submission.total_bytes), 0))
            .select_from(SubmissionOpener)
            .join(Submission, col(Submission.id) == SubmissionOpener.submission_pk)
            .where(SubmissionOpener.account == account, col(Submission.state).not_in(_DECIDED))
        )
        count, size = self._session.exec(query).one()
        return int(count), int(size)


def _require(actual: int, limit: int, what: str) -> None:
    if actual > limit:
        raise QuotaError(f"expected at most {limit} {what}, got {actual}", expected=limit, actual=actual)
