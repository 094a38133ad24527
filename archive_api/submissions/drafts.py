"""Drafts: opening one, its entries, and how a submission is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO
from uuid import uuid4

from sqlmodel import Session

from archive_api.access.clearance import level_of
from archive_api.errors import ConflictError
from archive_api.http import hex32
from archive_api.projects.repository import ProjectRepository
from archive_api.services import Services
from archive_api.submissions.models import Submission, SubmissionState
from archive_api.submissions.quotas import Quotas
from archive_api.submissions.repository import RECORDED, SubmissionRepository
from archive_api.submissions.schemas import EntriesAccepted, SubmissionIn
from ledger.canonical import parse_canonical
from ledger.envelope import check_level
from ledger.errors import MalformedError
from ledger.types import DocumentEntry

__all__ = ["DraftService", "require_draft"]


class DraftService:
    """Drafts in one session; it never commits.

    Args:
        session: of the caller's transaction.
        services: the server's.
    """

    def __init__(self, session: Session, services: Services) -> None:
        self._session = session
        self._services = services
        self._projects = ProjectRepository(session)
        self._submissions = SubmissionRepository(session)

    def create(self, wanted: SubmissionIn) -> Submission:
        """Open a draft.

        Raises:
            NotFoundError: no such unit project.
            ConflictError: it has no roster yet, or the related submission is not recorded.
        """
        unit_project = self._projects.unit_project(hex32(wanted.unit_project_key))
        if unit_project.id is None or self._projects.current_roster(unit_project) is None:
            raise ConflictError("expected a unit project with a roster, got one without", code="roster_unknown")
        if wanted.relation is not None:
            self._require_recorded(wanted.relation.submission, unit_project.id)
        now = self._services.now()
        row = Submission(
            ref=str(uuid4()),
            unit_project_id=unit_project.id,
            state=SubmissionState.DRAFT,
            relation_kind=wanted.relation.kind if wanted.relation else None,
            relation_submission=wanted.relation.submission if wanted.relation else None,
            created_at=now,
            updated_at=now,
        )
        self._submissions.add(row)
        return row

    def put_entries(self, ref: str, lines: BinaryIO) -> EntriesAccepted:
        """Replace a draft's entries.

        Args:
            ref: uuid of the draft.
            lines: canonical entries in path order, one a line.

        Raises:
            ConflictError: not a draft.
            MalformedError: an entry that is not canonical or not well-formed, a path twice or out of order, or no
                entry at all (`ledger.errors`); `where` names the entry.
            QuotaError: more than a submission, or who opened it, may have under way.
            PolicyError: `encryption_missing`, `encryption_unexpected`: a level that doesn't agree (`ledger.errors`).
        """
        submission = self._submissions.get(ref)
        require_draft(submission)
        self._submissions.replace_entries(submission, _entry_rows(lines))
        self._submissions.recount(submission)
        if submission.document_count == 0:
            raise MalformedError("expected at least one document, got none", code="empty_submission", where="entries")
        Quotas(self._session, self._services.settings).check(submission)
        submission.updated_at = self._services.now()
        return EntriesAccepted(accepted=submission.document_count, missing_content=submission.missing_count)

    def _require_recorded(self, submission_id: str, unit_project_id: int) -> None:
        statement = self._submissions.find_statement(submission_id)
        related = self._submissions.by_row(statement.submission_pk) if statement else None
        is_recorded = related is not None and related.submission_id == submission_id and related.state in RECORDED
        # One answer for all: whether another project has it is nobody's business here.
        if related is None or not is_recorded or related.unit_project_id != unit_project_id:
            raise ConflictError(
                f"expected a recorded submission of the same unit project, got {submission_id}",
                code="relation_unknown",
                submission=submission_id,
            )


def require_draft(submission: Submission) -> None:
    """Refuse what only a draft allows.

    Raises:
        ConflictError: the submission is past that.
    """
    if submission.state != SubmissionState.DRAFT:
        raise ConflictError(
            f"expected a draft, got a submission in state {submission.state}", code="state", state=submission.state
        )


def _entry_rows(lines: BinaryIO) -> Iterator[dict[str, Any]]:
    last: bytes | None = None
    commitments: set[bytes] = set()
    for index, line in enumerate(lines):
        where = f"entries[{index}]"
        try:
            value = parse_canonical(line.removesuffix(b"\n"))
        except MalformedError as error:
            raise MalformedError(f"expected a canonical entry, got: {error}", code=error.code, where=where) from error
        entry = DocumentEntry.from_json(value, where)
        path = entry.path.encode("utf-8")
        if last is not None and path <= last:
            code = "duplicate_path" if path == last else "entries_order"
            raise MalformedError(
                f"expected paths unique and in the order of their UTF-8 bytes, got {entry.path!r}",
                code=code,
                where=where,
                actual=entry.path,
            )
        last = path
        encryption = check_level(entry, where)
        if encryption is not None:
            if encryption.key_commitment in commitments:
                # Two contents under one key would show their difference.
                raise MalformedError(
                    "expected a data key for each document, got one twice", code="data_key_reused", where=where
                )
            commitments.add(encryption.key_commitment)
        yield {
            "leaf_index": index,
            "path": entry.path,
            "title": entry.title,
            "media_type": entry.media_type,
            "size": entry.size if encryption is None else encryption.ciphertext_size,
            "key_commitment": None if encryption is None else encryption.key_commitment.hex(),
            "sha256": entry.sha256.hex(),
            "sm3": entry.sm3.hex(),
            "cid": entry.cid,
            "leaf_hash": entry.leaf_hash.hex(),
            "level": level_of(entry.security_level),
            "entry": entry.canonical().decode("utf-8"),
        }
