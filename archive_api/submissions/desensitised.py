"""Desensitised copies of a draft, checked against their sources in it or in recorded submissions of its project."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session, col, select

from archive_api.access.visibility import Visibility
from archive_api.submissions.models import EntryRow, Submission, SubmissionState
from ledger import fields
from ledger.canonical import parse_canonical
from ledger.desensitised import (
    DESENSITISED_EXTENSION,
    DesensitisedLink,
    desensitised_link,
    missing_source,
    require_lower_level,
)
from ledger.entries import DocumentEntry

__all__ = ["check_copies"]

_RECORDED = (SubmissionState.ANCHORED, SubmissionState.ACCEPTED)


def check_copies(session: Session, seen: Visibility, submission: Submission, rows: Sequence[EntryRow]) -> None:
    """Check that each desensitised copy names a source that is there, and is of a lower level.

    A source of another unit project, or one that nobody who asks may know of, is answered like one that isn't there.

    Raises:
        MalformedError: `desensitised`: a copy that doesn't say where its source is (`ledger.errors`).
        MismatchError: `desensitised_source`: its source isn't there (`ledger.errors`).
        PolicyError: `desensitised_level`: its level isn't below its source's (`ledger.errors`).
    """
    for row in rows:
        if DESENSITISED_EXTENSION not in row.entry:
            continue
        where = f"entries[{row.leaf_index}]"
        entry = DocumentEntry.from_json(parse_canonical(row.entry.encode()), where)
        link = desensitised_link(entry, where)
        if link is not None:
            level = _source_level(session, seen, submission, link, where)
            require_lower_level(entry.security_level, level, where)


def _source_level(
    session: Session, seen: Visibility, submission: Submission, link: DesensitisedLink, where: str
) -> str:
    wanted = select(EntryRow.level).join(Submission)
    wanted = wanted.where(EntryRow.leaf_hash == link.source_entry.hex(), seen.entries())
    if link.submission is None:
        wanted = wanted.where(col(Submission.id) == submission.id)
    else:
        wanted = wanted.where(
            col(Submission.submission_id) == fields.prefixed_hex(link.submission),
            col(Submission.unit_project_id) == submission.unit_project_id,
            col(Submission.state).in_(_RECORDED),
        )
    level = session.exec(wanted).first()
    if level is None:
        raise missing_source(link, where)
    return level
