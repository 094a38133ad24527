"""Routes of encryption certificates and wrapped keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from sqlmodel import Session, col

from archive_api.access.dependencies import PrincipalDep
from archive_api.encryption.models import EncryptionCertificateRow, KeyWrapRow
from archive_api.encryption.repository import EncryptionRepository
from archive_api.encryption.schemas import (
    EncryptionCertificateIn,
    EncryptionCertificateOut,
    KeysAccepted,
    KeysIn,
    KeyWrap,
    KeyWrapsIn,
)
from archive_api.encryption.service import EncryptionService, KeyService, wrap_out
from archive_api.http import KeyPath
from archive_api.idempotency import CreationDep
from archive_api.pagination import CursorQuery, LimitQuery, Page
from archive_api.services import ServicesDep
from archive_api.submissions.repository import SubmissionRepository

__all__ = ["router"]

_RefPath = Annotated[str, Path(description="uuid of the submission, or the 0x id of its current statement.")]


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["encryption"])
    _add_certificates(routes)
    _add_keys(routes)
    return routes


def _add_certificates(routes: APIRouter) -> None:
    @routes.post("/encryption-certificates", status_code=201, response_model=EncryptionCertificateOut)
    def register_encryption_certificate(
        body: EncryptionCertificateIn, services: ServicesDep, principal: PrincipalDep, creation: CreationDep
    ) -> Response:
        """Put your organisation's encryption certificate into the directory; its path is checked."""

        def register(session: Session) -> EncryptionCertificateOut:
            service = EncryptionService(session, services, principal)
            return service.show(service.register(body))

        return creation.run(register)

    @routes.get("/encryption-certificates", response_model=Page[EncryptionCertificateOut])
    def list_encryption_certificates(
        services: ServicesDep,
        organisation: Annotated[str | None, Query(description="18-character organisation code.")] = None,
        limit: LimitQuery = 50,
        cursor: CursorQuery = None,
    ) -> Page[EncryptionCertificateOut]:
        """Encryption certificates, oldest first. Nothing in the list is vouched for: check each path yourself."""
        with services.database.reading() as session:
            page = services.cursors.page(
                session,
                EncryptionRepository(session).search(organisation),
                key=col(EncryptionCertificateRow.id),
                scope="encryption_certificates",
                limit=limit,
                cursor=cursor,
            )
            return page.map(EncryptionService(session, services).show)

    @routes.post("/encryption-certificates/{certificate_id}/retirement", response_model=EncryptionCertificateOut)
    def retire_encryption_certificate(
        certificate_id: KeyPath, services: ServicesDep, principal: PrincipalDep
    ) -> EncryptionCertificateOut:
        """Retire your organisation's encryption certificate: nobody wraps for it any more; what it received stays."""
        with services.database.transaction() as session:
            service = EncryptionService(session, services, principal)
            return service.show(service.retire(certificate_id))


def _add_keys(routes: APIRouter) -> None:
    @routes.put("/submissions/{ref}/keys", response_model=KeysAccepted)
    def put_keys(ref: _RefPath, body: KeysIn, services: ServicesDep) -> KeysAccepted:
        """Sealed entries and wrapped keys of a draft's encrypted documents; all or nothing."""
        with services.database.transaction() as session:
            return KeyService(session, services).put_keys(ref, body)

    @routes.post("/submissions/{ref}/key-wraps", response_model=KeysAccepted)
    def add_key_wraps(ref: _RefPath, body: KeyWrapsIn, services: ServicesDep) -> KeysAccepted:
        """Add wrapped keys, for instance for a new certificate; those that are there stay."""
        with services.database.transaction() as session:
            return KeyService(session, services).add_wraps(ref, body)

    @routes.get("/submissions/{ref}/key-wraps", response_model=Page[KeyWrap])
    def list_key_wraps(
        ref: _RefPath,
        services: ServicesDep,
        recipient: Annotated[
            str | None, Query(pattern="^[0-9a-f]{64}$", description="id of an encryption certificate.")
        ] = None,
        limit: LimitQuery = 50,
        cursor: CursorQuery = None,
    ) -> Page[KeyWrap]:
        """Wrapped keys of the documents that you may read. Only the key of their certificate opens them."""
        with services.database.reading() as session:
            submission = SubmissionRepository(session).get(ref)
            query = EncryptionRepository(session).wraps(submission, services.seen, recipient=recipient)
            scope = f"key_wraps:{submission.ref}"
            page = services.cursors.page(
                session, query, key=col(KeyWrapRow.id), scope=scope, limit=limit, cursor=cursor
            )
            return page.map(wrap_out)
