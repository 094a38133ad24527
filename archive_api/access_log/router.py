"""The routes of logs: C2SP tiles and checkpoint, proofs, entries with clear text, erasure."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from archive_api.access.dependencies import PrincipalDep
from archive_api.access_log.erasure import Erasure, Erasures
from archive_api.access_log.events import ACCESS_STREAM
from archive_api.access_log.schemas import (
    ConsistencyOut,
    ErasureIn,
    ErasureOut,
    LogsOut,
    ProofOut,
    RecordsOut,
)
from archive_api.access_log.service import LogService
from archive_api.services import ServicesDep
from ledger.canonical import MAX_SAFE_INTEGER

__all__ = ["router"]

_IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}
StreamPath = Annotated[str, Path(max_length=40, pattern="^[a-z]+$", openapi_examples={"access": {"value": "access"}})]
TilePath = Annotated[str, Path(max_length=64, description="C2SP name without `.p/` or with it.")]


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["logs"])

    @routes.get("/logs")
    def list_logs(services: ServicesDep) -> LogsOut:
        """The streams of this server, and how far they are anchored."""
        with services.database.reading() as session:
            return LogsOut(items=[LogService(services, ACCESS_STREAM).describe(session)])

    @routes.get("/logs/{stream}/checkpoint", response_class=Response)
    def get_checkpoint(stream: StreamPath, services: ServicesDep) -> Response:
        """The newest checkpoint. Source: C2SP tlog-checkpoint."""
        note = LogService(services, stream).checkpoint()
        return Response(note, media_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-cache"})

    @routes.get("/logs/{stream}/tile/entries/{path:path}", response_class=Response)
    def get_entries(stream: StreamPath, path: TilePath, services: ServicesDep) -> Response:
        """A bundle of entries. Source: C2SP tlog-tiles."""
        bundle = LogService(services, stream).tile(f"entries/{path}", entries=True)
        return Response(bundle, media_type="application/octet-stream")

    @routes.get("/logs/{stream}/tile/{path:path}", response_class=Response)
    def get_tile(stream: StreamPath, path: TilePath, services: ServicesDep) -> Response:
        """A tile of hashes. Source: C2SP tlog-tiles."""
        tile = LogService(services, stream).tile(path, entries=False)
        return Response(tile, media_type="application/octet-stream", headers=_IMMUTABLE)

    @routes.get("/logs/{stream}/entries/{index}/proof")
    def get_proof(
        stream: StreamPath, index: Annotated[int, Path(ge=0, le=MAX_SAFE_INTEGER)], services: ServicesDep
    ) -> ProofOut:
        """Proof that an entry is under the newest checkpoint."""
        return LogService(services, stream).proof(index)

    @routes.get("/logs/{stream}/consistency")
    def get_consistency(
        stream: StreamPath,
        services: ServicesDep,
        old_size: Annotated[int, Query(alias="from", ge=0, le=MAX_SAFE_INTEGER)],
        new_size: Annotated[
            int | None, Query(alias="to", ge=0, le=MAX_SAFE_INTEGER, description="default: the newest")
        ] = None,
    ) -> ConsistencyOut:
        """Proof that the log only grew from one size to another."""
        return LogService(services, stream).consistency(old_size, new_size)

    @routes.get("/logs/{stream}/records")
    def list_records(
        stream: StreamPath,
        services: ServicesDep,
        first: Annotated[int, Query(alias="from", ge=0, le=MAX_SAFE_INTEGER)] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> RecordsOut:
        """Entries in order, with the clear text that was not erased."""
        return LogService(services, stream).records(first, limit)

    @routes.post("/logs/{stream}/erasures", status_code=201)
    def erase(stream: StreamPath, body: ErasureIn, services: ServicesDep, principal: PrincipalDep) -> ErasureOut:
        """Erase clear text for ever; the entries stay, and a new one says what was erased."""
        LogService(services, stream)
        erasure = Erasure(
            person_id=body.person_id,
            before=body.before,
            indices=body.indices,
            reason=body.reason,
            subject={"person_id": principal.person_id, "name": principal.name},
        )
        return ErasureOut(erased=Erasures(services).erase(erasure))

    return routes
