"""Routes of recorded documents."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from sqlmodel import Session, col

from archive_api.documents.repository import DocumentRepository
from archive_api.errors import NotFoundError
from archive_api.http import KeyPath, hex32
from archive_api.pagination import CursorQuery, LimitQuery, Page
from archive_api.ranges import CONTENT_RESPONSES, content_response
from archive_api.services import ServicesDep
from archive_api.submissions.models import EntryRow
from archive_api.submissions.repository import RECORDED, SubmissionRepository
from ledger.canonical import parse_json
from ledger.entries import DocumentEntry

__all__ = ["DocumentOut", "IndexPath", "recorded_entry", "router", "show_document"]

IndexPath = Annotated[int, Path(ge=0, description="Leaf index.")]


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


def recorded_entry(session: Session, submission_id: str, index: int) -> EntryRow:
    """An entry of a recorded submission.

    Raises:
        NotFoundError: no such submission or index, or it is not recorded.
    """
    submissions = SubmissionRepository(session)
    submission = submissions.get(hex32(submission_id))
    if submission.state not in RECORDED:
        raise NotFoundError(f"expected a recorded submission, got one in state {submission.state}")
    return submissions.entry(submission, index)


def show_document(session: Session, row: EntryRow) -> DocumentOut:
    """A document as it is answered: by its entry, which was sealed; the columns beside it only serve searching."""
    submission = SubmissionRepository(session).by_row(row.submission_pk)
    entry = DocumentEntry.from_json(parse_json(row.entry.encode()))
    return DocumentOut(
        submission_id=submission.submission_id or "",
        submission=submission.ref,
        state=submission.state,
        index=row.leaf_index,
        path=entry.path,
        title=entry.title,
        media_type=entry.media_type,
        size=entry.size,
        sha256=entry.sha256.hex(),
        leaf_hash=entry.leaf_hash.hex(),
        entry=entry.to_json(),
    )


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["documents"])

    @routes.get("/documents", response_model=Page[DocumentOut])
    def list_documents(
        *,
        services: ServicesDep,
        sha256: Annotated[str | None, Query(description="SHA-256 of the content, hex.")] = None,
        q: Annotated[str | None, Query(max_length=200, description="Part of a title or path.")] = None,
        building_key: Annotated[str | None, Query()] = None,
        limit: LimitQuery = 50,
        cursor: CursorQuery = None,
    ) -> Page[DocumentOut]:
        """Documents of recorded submissions, newest first."""
        with services.database.reading() as session:
            query = DocumentRepository(session).search(sha256=sha256, text=q, building_key=building_key)
            page = services.cursors.page(
                session, query, key=col(EntryRow.id).desc(), scope="documents", limit=limit, cursor=cursor
            )
            return page.map(lambda row: show_document(session, row))

    @routes.get("/documents/{submission_id}/{index}", response_model=DocumentOut)
    def show(submission_id: KeyPath, index: IndexPath, services: ServicesDep) -> DocumentOut:
        """One document."""
        with services.database.reading() as session:
            return show_document(session, recorded_entry(session, submission_id, index))

    @routes.get(
        "/documents/{submission_id}/{index}/content", response_class=StreamingResponse, responses=CONTENT_RESPONSES
    )
    def stream_content(submission_id: KeyPath, index: IndexPath, request: Request, services: ServicesDep) -> Response:
        """One document's content; ranges are served."""
        with services.database.reading() as session:
            entry = recorded_entry(session, submission_id, index)
        return content_response(request, services.store, entry)

    return routes
