"""Queries over recorded documents."""

from __future__ import annotations

from sqlalchemy import or_
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from archive_api.access.visibility import Visibility
from archive_api.errors import MalformedError
from archive_api.http import hex32
from archive_api.projects.models import Building, UnitProject
from archive_api.submissions.models import EntryRow, Submission
from archive_api.submissions.repository import RECORDED
from ledger.errors import MalformedError as LedgerMalformedError
from ledger.fields import hex_bytes

__all__ = ["DocumentRepository"]


class DocumentRepository:
    """Documents of recorded submissions, in one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def search(
        self,
        seen: Visibility,
        *,
        sha256: str | None = None,
        text: str | None = None,
        building_key: str | None = None,
    ) -> SelectOfScalar[EntryRow]:
        """Documents of anchored, accepted or returned submissions.

        Args:
            seen: what the one who asks may know of; the rest is left out.
            sha256: of the content, hex.
            text: part of a title or path.
            building_key: hex, with or without 0x.

        Raises:
            MalformedError: a digest or key of another form.
        """
        query = (
            select(EntryRow)
            .join(Submission, col(Submission.id) == EntryRow.submission_pk)
            .where(col(Submission.state).in_(RECORDED), seen.entries())
        )
        if sha256 is not None:
            try:
                hex_bytes(sha256, "sha256")
            except LedgerMalformedError as error:
                raise MalformedError(str(error)) from error
            query = query.where(EntryRow.sha256 == sha256)
        if text:
            escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            pattern = f"%{escaped}%"
            query = query.where(
                or_(col(EntryRow.title).like(pattern, escape="\\"), col(EntryRow.path).like(pattern, escape="\\"))
            )
        if building_key is not None:
            query = (
                query.join(UnitProject, col(UnitProject.id) == Submission.unit_project_id)
                .join(Building, col(Building.id) == UnitProject.building_id)
                .where(Building.building_key == hex32(building_key))
            )
        return query
