"""Routes of certificates and organisations."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlmodel import col

from archive_api.certificates.models import CertificateRow
from archive_api.certificates.repository import CertificateRepository
from archive_api.certificates.schemas import CertificateIn, CertificateOut, OrganisationOut, RevocationIn
from archive_api.certificates.service import CertificateService
from archive_api.http import KeyPath
from archive_api.idempotency import CreationDep
from archive_api.pagination import CursorQuery, LimitQuery, Page
from archive_api.services import ServicesDep

__all__ = ["router"]


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["certificates"])

    @routes.post("/certificates", status_code=201, response_model=CertificateOut)
    def register_certificate(body: CertificateIn, services: ServicesDep, creation: CreationDep) -> Response:
        """Register a sealing certificate: its path is checked here, then it goes on chain."""
        return creation.run(lambda session: CertificateService(session, services).register(body))

    @routes.get("/certificates", response_model=Page[CertificateOut])
    def list_certificates(
        services: ServicesDep,
        organisation: Annotated[str | None, Query(description="18-character organisation code.")] = None,
        limit: LimitQuery = 50,
        cursor: CursorQuery = None,
    ) -> Page[CertificateOut]:
        """Certificates, oldest first."""
        with services.database.reading() as session:
            query = CertificateRepository(session).search(organisation)
            page = services.cursors.page(
                session, query, key=col(CertificateRow.id), scope="certificates", limit=limit, cursor=cursor
            )
            return page.map(CertificateService(session, services).show)

    @routes.get("/certificates/{certificate_id}", response_model=CertificateOut)
    def show_certificate(certificate_id: KeyPath, services: ServicesDep) -> CertificateOut:
        """One certificate by SHA-256 of its DER."""
        with services.database.reading() as session:
            row = CertificateRepository(session).get(certificate_id)
            return CertificateService(session, services).show(row)

    @routes.post("/certificates/{certificate_id}/revocation", status_code=201, response_model=CertificateOut)
    def revoke_certificate(
        certificate_id: KeyPath, body: RevocationIn, services: ServicesDep, creation: CreationDep
    ) -> Response:
        """Revoke a certificate, for ever; from now on its seals are refused here."""
        return creation.run(lambda session: CertificateService(session, services).revoke(certificate_id, body))

    @routes.get("/organisations", response_model=Page[OrganisationOut])
    def list_organisations(
        services: ServicesDep, limit: LimitQuery = 50, cursor: CursorQuery = None
    ) -> Page[OrganisationOut]:
        """Organisations that hold certificates, by their newest one."""
        with services.database.reading() as session:
            query = CertificateRepository(session).organisations()
            page = services.cursors.page(
                session, query, key=col(CertificateRow.id), scope="organisations", limit=limit, cursor=cursor
            )
            return page.map(lambda row: OrganisationOut(code=row.organisation_code, name=row.organisation_name))

    return routes
