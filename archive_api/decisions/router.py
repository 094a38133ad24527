"""Routes of decisions and receipts."""

from __future__ import annotations

from fastapi import APIRouter, Response
from sqlmodel import col

from archive_api.decisions.models import DecisionRow
from archive_api.decisions.repository import DecisionRepository
from archive_api.decisions.schemas import (
    AcceptanceDraft,
    AcceptanceDraftIn,
    AcceptanceIn,
    AttestationIn,
    AttestationOut,
    DecisionOut,
    ReceiptOut,
    ReturnIn,
)
from archive_api.decisions.service import DecisionService
from archive_api.http import KeyPath, answered, hex32
from archive_api.idempotency import CreationDep
from archive_api.pagination import CursorQuery, LimitQuery, Page
from archive_api.services import ServicesDep
from archive_api.submissions.router import RefPath

__all__ = ["router"]


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["decisions"])

    @routes.post("/submissions/{ref}/acceptance-draft", response_model=AcceptanceDraft)
    def draft_acceptance(ref: RefPath, body: AcceptanceDraftIn, services: ServicesDep) -> AcceptanceDraft:
        """What the archive seals to accept; nothing is stored."""
        with services.database.reading() as session:
            return DecisionService(session, services).draft_acceptance(ref, body.accession_number)

    @routes.post("/submissions/{ref}/acceptance", status_code=202, response_model=DecisionOut)
    def accept(ref: RefPath, body: AcceptanceIn, services: ServicesDep, creation: CreationDep) -> Response:
        """Accept with the archive's seal; the receipt is there once the decision is in a block."""
        return creation.run(lambda session: DecisionService(session, services).accept(ref, body), status=202)

    @routes.post("/submissions/{ref}/return", status_code=202, response_model=DecisionOut)
    def give_back(ref: RefPath, body: ReturnIn, services: ServicesDep, creation: CreationDep) -> Response:
        """Return to the parties with the archive's seal and a reason for each document concerned."""
        return creation.run(lambda session: DecisionService(session, services).give_back(ref, body), status=202)

    @routes.post("/submissions/{ref}/attestation", status_code=201, response_model=AttestationOut)
    def attest(ref: RefPath, body: AttestationIn, services: ServicesDep, creation: CreationDep) -> Response:
        """Attest anew where the submission is recorded: after a reorganisation, or for a returned one."""
        return creation.run(lambda session: DecisionService(session, services).attest(ref, body))

    @routes.get("/receipts", response_model=Page[ReceiptOut])
    def list_receipts(services: ServicesDep, limit: LimitQuery = 50, cursor: CursorQuery = None) -> Page[ReceiptOut]:
        """Acceptances, newest first, with where they stand on chain."""
        with services.database.reading() as session:
            query = DecisionRepository(session).receipts(services.seen.whole_submissions())
            page = services.cursors.page(
                session, query, key=col(DecisionRow.id).desc(), scope="receipts", limit=limit, cursor=cursor
            )
            return page.map(DecisionService(session, services).show_receipt)

    @routes.get("/receipts/{submission_id}", response_model=ReceiptOut)
    def show_receipt(submission_id: KeyPath, services: ServicesDep) -> Response:
        """The receipt of an accepted submission."""
        with services.database.reading() as session:
            return answered(DecisionService(session, services).receipt(hex32(submission_id)))

    return routes
