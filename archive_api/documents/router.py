"""Routes of recorded documents."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlmodel import col

from archive_api.documents.repository import DocumentRepository
from archive_api.documents.service import DocumentOut, DocumentService
from archive_api.http import KeyPath, answered
from archive_api.pagination import CursorQuery, LimitQuery, Page
from archive_api.ranges import CONTENT_RESPONSES, content_response
from archive_api.services import ServicesDep
from archive_api.submissions.models import EntryRow

__all__ = ["IndexPath", "router"]

IndexPath = Annotated[int, Path(ge=0, description="Leaf index.")]


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
    ) -> Response:
        """Documents of recorded submissions, newest first."""
        with services.database.reading() as session:
            query = DocumentRepository(session).search(services.seen, sha256=sha256, text=q, building_key=building_key)
            page = services.cursors.page(
                session, query, key=col(EntryRow.id).desc(), scope="documents", limit=limit, cursor=cursor
            )
            return answered(page.map(DocumentService(session, services).show))

    @routes.get("/documents/{submission_id}/{index}", response_model=DocumentOut)
    def show(submission_id: KeyPath, index: IndexPath, services: ServicesDep) -> Response:
        """One document."""
        with services.database.reading() as session:
            return answered(DocumentService(session, services).document(submission_id, index))

    @routes.get(
        "/documents/{submission_id}/{index}/content", response_class=StreamingResponse, responses=CONTENT_RESPONSES
    )
    def stream_content(submission_id: KeyPath, index: IndexPath, request: Request, services: ServicesDep) -> Response:
        """One document's content; ranges are served."""
        with services.database.reading() as session:
            entry, cid = DocumentService(session, services).content(submission_id, index)
        return content_response(request, services.store, entry, cid)

    return routes
