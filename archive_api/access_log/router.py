"""The routes of the access log alone: entries with clear text, erasure."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from archive_api.access.dependencies import PrincipalDep
from archive_api.access_log.erasure import Erasure, Erasures
from archive_api.access_log.events import ACCESS_STREAM
from archive_api.access_log.schemas import ErasureIn, ErasureOut, RecordsOut
from archive_api.access_log.service import AccessReading
from archive_api.errors import NotFoundError
from archive_api.services import ServicesDep
from archive_api.streams.router import StreamPath
from ledger.canonical import MAX_SAFE_INTEGER

__all__ = ["router"]


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["logs"])

    @routes.get("/logs/{stream}/records")
    def list_records(
        stream: StreamPath,
        services: ServicesDep,
        first: Annotated[int, Query(alias="from", ge=0, le=MAX_SAFE_INTEGER)] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> RecordsOut:
        """Entries in order, with the clear text that was not erased."""
        _require_access(stream)
        return AccessReading(services).records(first, limit)

    @routes.post("/logs/{stream}/erasures", status_code=201)
    def erase(stream: StreamPath, body: ErasureIn, services: ServicesDep, principal: PrincipalDep) -> ErasureOut:
        """Erase clear text for ever; the entries stay, and a new one says what was erased."""
        _require_access(stream)
        erasure = Erasure(
            person_id=body.person_id,
            before=body.before,
            indices=body.indices,
            reason=body.reason,
            subject={"person_id": principal.person_id, "name": principal.name},
        )
        return ErasureOut(erased=Erasures(services).erase(erasure))

    return routes


def _require_access(stream: str) -> None:
    if stream != ACCESS_STREAM:
        raise NotFoundError(f"expected the access log, got {stream[:40]!r}", code="log_not_found")
