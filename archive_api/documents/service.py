"""Recorded documents, shown as they were sealed; the columns of their rows only serve searching."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field
from sqlmodel import Session

from archive_api.access.repository import is_cleared, seen_levels
from archive_api.access.visibility import Visibility
from archive_api.errors import NotFoundError
from archive_api.http import hex32
from archive_api.services import Services
from archive_api.submissions.models import EntryRow, Submission
from archive_api.submissions.repository import RECORDED, SubmissionRepository
from archive_api.submissions.sealed import SealedHandover
from ledger.cid import Cid
from ledger.entries import DocumentEntry

__all__ = ["DocumentOut", "DocumentService", "recorded_entry"]


class DocumentOut(BaseModel):
    """A document of a recorded submission."""

    submission_id: str
    submission: str = Field(description="uuid of the submission.")
    state: str
    index: int = Field(description="Leaf index.")
    path: str
    title: str
    media_type: str
    size: int
    sha256: str
    leaf_hash: str
    entry: dict[str, Any] = Field(description="The document entry (docs/formats.md section 2).")


def recorded_entry(session: Session, seen: Visibility, submission_id: str, index: int) -> EntryRow:
    """An entry of a recorded submission.

    Args:
        session: any.
        seen: what the one who asks may know of.
        submission_id: hex, with or without 0x.
        index: leaf index.

    Raises:
        NotFoundError: no such submission or index, it is not recorded, or nobody who asks may know of it.
    """
    submissions = SubmissionRepository(session)
    submission = _recorded(submissions, submission_id)
    return submissions.entry(submission, index, seen_levels(session, seen, submission))


class DocumentService:
    """Documents in one session.

    Args:
        session: any.
        services: the server's.
    """

    def __init__(self, session: Session, services: Services) -> None:
        self._session = session
        self._services = services
        self._submissions = SubmissionRepository(session)
        self._handovers: dict[str, SealedHandover] = {}

    def show(self, row: EntryRow) -> DocumentOut:
        """The document that is sealed in the place of a row of a recorded submission.

        Raises:
            MismatchError: the stored statement or a block is not what was sealed.
        """
        submission = self._submissions.by_row(row.submission_pk)
        return self._show(submission, row.leaf_index)

    def document(self, submission_id: str, index: int) -> DocumentOut:
        """One document; raises as `show`, and NotFoundError where it is not recorded."""
        return self._show(_recorded(self._submissions, submission_id), index)

    def content(self, submission_id: str, index: int) -> tuple[DocumentEntry, Cid]:
        """One document's entry and where its content begins; raises as `document`."""
        submission = _recorded(self._submissions, submission_id)
        return self._entry(submission, index), self._handover(submission).content(index)

    def _show(self, submission: Submission, index: int) -> DocumentOut:
        entry = self._entry(submission, index)
        return DocumentOut(
            submission_id=submission.submission_id or "",
            submission=submission.ref,
            state=submission.state,
            index=index,
            path=entry.path,
            title=entry.title,
            media_type=entry.media_type,
            size=entry.size,
            sha256=entry.sha256.hex(),
            leaf_hash=entry.leaf_hash.hex(),
            entry=entry.to_json(),
        )

    def _entry(self, submission: Submission, index: int) -> DocumentEntry:
        """The sealed entry. The row by which it was admitted may have been edited: its own level counts too."""
        entry = self._handover(submission).entry(index)
        if not is_cleared(self._session, self._services.seen, submission, entry.security_level):
            raise NotFoundError("expected a document, got none under this name")
        return entry

    def _handover(self, submission: Submission) -> SealedHandover:
        handover = self._handovers.get(submission.ref)
        if handover is None:
            statement = self._submissions.statement(submission.submission_id or "")
            handover = self._handovers[submission.ref] = SealedHandover(self._services, statement)
        return handover


def _recorded(submissions: SubmissionRepository, submission_id: str) -> Submission:
    submission = submissions.get(hex32(submission_id))
    if submission.state not in RECORDED:
        raise NotFoundError(f"expected a recorded submission, got one in state {submission.state}")
    return submission
