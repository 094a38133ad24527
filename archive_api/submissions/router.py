"""Routes of submissions."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlmodel import Session, col
from starlette.concurrency import run_in_threadpool

from archive_api.access.dependencies import PrincipalDep
from archive_api.access.repository import is_cleared, seen_levels
from archive_api.errors import ConflictError, NotFoundError, TooLargeError
from archive_api.guards import JSON_ONLY
from archive_api.http import answered
from archive_api.idempotency import CreationDep
from archive_api.pagination import CursorQuery, LimitQuery, Page
from archive_api.ranges import CONTENT_RESPONSES, content_response
from archive_api.services import Services, ServicesDep
from archive_api.submissions.content import require_room
from archive_api.submissions.drafts import DraftService
from archive_api.submissions.examples import ENTRIES_BODY, STATEMENT_BODY
from archive_api.submissions.freezing import FreezeService
from archive_api.submissions.models import StatementRow, Submission
from archive_api.submissions.presenter import SubmissionPresenter
from archive_api.submissions.quotas import Quotas
from archive_api.submissions.repository import SubmissionRepository
from archive_api.submissions.schemas import (
    EntriesAccepted,
    Missing,
    SealIn,
    StatementOut,
    SubmissionIn,
    SubmissionOut,
    WithdrawalIn,
)
from archive_api.submissions.sealed import SealedHandover
from archive_api.submissions.sealing import SealService
from ledger.canonical import parse_canonical, parse_json
from ledger.cid import Cid, parse_cid
from ledger.entries import DocumentEntry

__all__ = ["RefPath", "router"]

RefPath = Annotated[str, Path(description="uuid of the submission, or the 0x id of its current statement.")]
_PAGE_ENTRIES = 1000
_STATES = "^(draft|sealing|sealed|anchored|anchor_refused|accepted|returned)$"


def router() -> APIRouter:
    """The routes, uploads apart."""
    routes = APIRouter(tags=["submissions"])
    _add_drafts(routes)
    _add_statements(routes)
    _add_seals(routes)
    return routes


def _add_drafts(routes: APIRouter) -> None:
    @routes.post("/submissions", status_code=201, response_model=SubmissionOut)
    def create_submission(
        body: SubmissionIn, services: ServicesDep, creation: CreationDep, principal: PrincipalDep
    ) -> Response:
        """Open a draft of a unit project's next submission."""

        def create(session: Session) -> SubmissionOut:
            row = DraftService(session, services).create(body)
            Quotas(session, services.settings).open(row, principal)
            return SubmissionPresenter(session, services).show(row)

        return creation.run(create)

    @routes.get("/submissions", response_model=Page[SubmissionOut])
    def list_submissions(
        *,
        services: ServicesDep,
        building_key: Annotated[str | None, Query()] = None,
        unit_project_key: Annotated[str | None, Query()] = None,
        state: Annotated[str | None, Query(pattern=_STATES)] = None,
        limit: LimitQuery = 50,
        cursor: CursorQuery = None,
    ) -> Page[SubmissionOut]:
        """Submissions, newest first."""
        with services.database.reading() as session:
            query = SubmissionRepository(session).search(
                services.seen.submissions(), building_key=building_key, unit_project_key=unit_project_key, state=state
            )
            page = services.cursors.page(
                session, query, key=col(Submission.id).desc(), scope="submissions", limit=limit, cursor=cursor
            )
            return page.map(SubmissionPresenter(session, services).show)

    @routes.get("/submissions/{ref}", response_model=SubmissionOut)
    def show_submission(ref: RefPath, services: ServicesDep) -> Response:
        """One submission: where it stands, who sealed, where it is recorded."""
        with services.database.reading() as session:
            standing = SubmissionRepository(session).standing(ref)
            return answered(SubmissionPresenter(session, services).show_standing(standing))

    @routes.put("/submissions/{ref}/entries", response_model=EntriesAccepted, openapi_extra=ENTRIES_BODY)
    async def put_entries(ref: RefPath, request: Request, services: ServicesDep) -> EntriesAccepted:
        """Replace a draft's entries: canonical JSON, one a line, in path order; all or nothing."""
        with tempfile.TemporaryFile(dir=services.settings.uploads_dir) as lines:
            size = 0
            async for piece in request.stream():
                size += len(piece)
                if size > services.settings.max_entries_bytes:
                    raise TooLargeError(f"expected at most {services.settings.max_entries_bytes} bytes, got more")
                await run_in_threadpool(lines.write, piece)
            lines.seek(0)
            require_room(services, 2 * size)

            def put() -> EntriesAccepted:
                with services.database.transaction() as session:
                    return DraftService(session, services).put_entries(ref, lines)

            return await run_in_threadpool(put)

    @routes.get("/submissions/{ref}/entries", response_class=StreamingResponse)
    def stream_entries(ref: RefPath, services: ServicesDep) -> StreamingResponse:
        """The canonical entries in leaf order, one a line."""
        with services.database.reading() as session:
            SubmissionRepository(session).get(ref)
        return StreamingResponse(_entry_lines(services, ref), media_type="application/x-ndjson")

    @routes.get("/submissions/{ref}/missing", response_model=Missing)
    def list_missing(ref: RefPath, services: ServicesDep) -> Missing:
        """The indices whose content is still to come: where a broken transfer goes on."""
        with services.database.reading() as session:
            submissions = SubmissionRepository(session)
            submission = submissions.get(ref)
            levels = seen_levels(session, services.seen, submission)
            return Missing(missing=list(submissions.missing(submission, levels=levels)))


def _add_statements(routes: APIRouter) -> None:
    @routes.post(
        "/submissions/{ref}/statement",
        status_code=201,
        response_model=StatementOut,
        openapi_extra=STATEMENT_BODY,
        dependencies=[JSON_ONLY],
    )
    async def freeze(ref: RefPath, request: Request, services: ServicesDep) -> StatementOut:
        """Freeze a draft: all commitments are computed again here and must equal yours."""
        body = await request.body()

        def run() -> StatementOut:
            document: Any = parse_json(body)
            with services.database.reading() as session:
                frozen = FreezeService(session, services).compute(ref, document)
            with services.database.transaction() as session:
                submission = FreezeService(session, services).keep(frozen)
                return SubmissionPresenter(session, services).statement(submission, frozen.row)

        return await run_in_threadpool(run)

    @routes.get("/submissions/{ref}/statement", response_model=StatementOut)
    def show_statement(ref: RefPath, services: ServicesDep) -> StatementOut:
        """The frozen statement. Seal it only after computing it from the files yourself."""
        with services.database.reading() as session:
            submission, statement = _frozen(session, ref)
            return SubmissionPresenter(session, services).statement(submission, statement)

    @routes.get("/submissions/{ref}/manifest", response_class=Response)
    def show_manifest(ref: RefPath, services: ServicesDep) -> Response:
        """The manifest's canonical bytes, as they are hashed."""
        with services.database.reading() as session:
            _, statement = _frozen(session, ref)
        return Response(services.store.open(parse_cid(statement.manifest_cid)).read(), media_type="application/json")

    @routes.get("/submissions/{ref}/content/{index}", response_class=StreamingResponse, responses=CONTENT_RESPONSES)
    def stream_content(
        ref: RefPath, index: Annotated[int, Path(ge=0)], request: Request, services: ServicesDep
    ) -> Response:
        """One document's content; ranges are served."""
        with services.database.reading() as session:
            entry, cid = _content(session, services, ref, index)
        return content_response(request, services.store, entry, cid)


def _add_seals(routes: APIRouter) -> None:
    @routes.post("/submissions/{ref}/seals", response_model=SubmissionOut)
    def add_seal(ref: RefPath, body: SealIn, services: ServicesDep) -> Response:
        """Add a party's seal; the same seal again changes nothing. The fifth one sends the submission on chain."""
        with services.database.transaction() as session:
            standing, attended = SealService(session, services).add(ref, body)
            shown = SubmissionPresenter(session, services).show_standing(standing, attended)
        return answered(shown)

    @routes.post("/submissions/{ref}/withdrawal", response_model=SubmissionOut)
    def withdraw(ref: RefPath, body: WithdrawalIn, services: ServicesDep, creation: CreationDep) -> Response:
        """Decline or withdraw with a sealed reason: the statement's seals are void, the submission a draft again."""

        def run(session: Session) -> SubmissionOut:
            row = SealService(session, services).withdraw(ref, body)
            return SubmissionPresenter(session, services).show(row)

        return creation.run(run, status=200)


def _frozen(session: Session, ref: str) -> tuple[Submission, StatementRow]:
    submissions = SubmissionRepository(session)
    submission = submissions.get(ref)
    statement = submissions.current_statement(submission)
    if statement is None:
        raise ConflictError("expected a frozen statement, got a draft", code="state", state=submission.state)
    return submission, statement


def _content(session: Session, services: Services, ref: str, index: int) -> tuple[DocumentEntry, Cid]:
    submissions = SubmissionRepository(session)
    submission = submissions.get(ref)
    statement = submissions.current_statement(submission)
    if statement is not None:
        handover = SealedHandover(services, statement)
        entry = handover.entry(index)
        if not is_cleared(session, services.seen, submission, entry.security_level):
            raise NotFoundError(f"expected a document, got none at index {index}", index=index)
        return entry, handover.content(index)
    row = submissions.entry(submission, index, seen_levels(session, services.seen, submission))
    if row.content_bytes is None:
        raise ConflictError(f"expected the content of {row.path!r}, got none yet", code="content_missing")
    entry = DocumentEntry.from_json(parse_canonical(row.entry.encode()))
    return entry, parse_cid(entry.cid)


def _entry_lines(services: Services, ref: str) -> Iterator[str]:
    start = 0
    while True:
        with services.database.reading() as session:
            submissions = SubmissionRepository(session)
            submission = submissions.get(ref)
            levels = seen_levels(session, services.seen, submission)
            rows = submissions.entries(submission, levels=levels, start=start, limit=_PAGE_ENTRIES)
        yield "".join(f"{row.entry}\n" for row in rows)
        if len(rows) < _PAGE_ENTRIES:
            return
        start = rows[-1].leaf_index + 1
