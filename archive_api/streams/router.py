"""The routes of logs, the archive's own and those of buildings: checkpoint, C2SP tiles, proofs, captures."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from archive_api.http import KeyPath, hex32
from archive_api.pagination import CursorQuery, LimitQuery, Page
from archive_api.services import Services, ServicesDep
from archive_api.streams.reading import LogReading
from archive_api.streams.schemas import CaptureOut, ConsistencyOut, LogsOut, PromisesOut, ProofOut, RecordProofOut
from archive_api.streams.service import (
    BuildingStreams,
    RecordProofs,
    archive_log,
    archive_logs,
    capture_bytes,
    promises,
    stream_log,
)
from ledger.canonical import MAX_SAFE_INTEGER
from ledger.capture import MAX_RECORDS

__all__ = ["StreamPath", "router"]

_IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}
_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
StreamPath = Annotated[str, Path(max_length=40, pattern="^[a-z]+$", openapi_examples={"access": {"value": "access"}})]
BuildingStreamPath = Annotated[
    str, Path(max_length=40, pattern="^[a-z]+$", openapi_examples={"supply": {"value": "supply"}})
]
TilePath = Annotated[str, Path(max_length=64, description="C2SP name without `.p/` or with it.")]
EntryPath = Annotated[int, Path(ge=0, le=MAX_SAFE_INTEGER)]
OldSize = Annotated[int, Query(alias="from", ge=0, le=MAX_SAFE_INTEGER)]
NewSize = Annotated[int | None, Query(alias="to", ge=0, le=MAX_SAFE_INTEGER, description="default: the newest")]


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["logs"])
    _add_archive_logs(routes)
    _add_building_logs(routes)
    _add_captures(routes)
    return routes


def _add_archive_logs(routes: APIRouter) -> None:
    @routes.get("/logs")
    def list_logs(services: ServicesDep) -> LogsOut:
        """The archive's own streams, and how far they are anchored."""
        with services.database.reading() as session:
            return LogsOut(items=[log.describe(session) for log in archive_logs(services)])

    @routes.get("/logs/{stream}/checkpoint", response_class=Response)
    def get_checkpoint(stream: StreamPath, services: ServicesDep) -> Response:
        """The newest checkpoint. Source: C2SP tlog-checkpoint."""
        return _checkpoint(archive_log(services, stream))

    @routes.get("/logs/{stream}/tile/entries/{path:path}", response_class=Response)
    def get_entries(stream: StreamPath, path: TilePath, services: ServicesDep) -> Response:
        """A bundle of entries. Source: C2SP tlog-tiles."""
        return _bundle(archive_log(services, stream), path)

    @routes.get("/logs/{stream}/tile/{path:path}", response_class=Response)
    def get_tile(stream: StreamPath, path: TilePath, services: ServicesDep) -> Response:
        """A tile of hashes. Source: C2SP tlog-tiles."""
        return _tile(archive_log(services, stream), path)

    @routes.get("/logs/{stream}/entries/{index}/proof")
    def get_proof(stream: StreamPath, index: EntryPath, services: ServicesDep) -> ProofOut:
        """Proof that an entry is under the newest checkpoint."""
        return archive_log(services, stream).proof(index)

    @routes.get("/logs/{stream}/consistency")
    def get_consistency(
        stream: StreamPath, services: ServicesDep, old_size: OldSize, new_size: NewSize = None
    ) -> ConsistencyOut:
        """Proof that the log only grew from one size to another."""
        return archive_log(services, stream).consistency(old_size, new_size)


def _add_building_logs(routes: APIRouter) -> None:
    @routes.get("/buildings/{building_key}/logs")
    def list_building_logs(building_key: KeyPath, services: ServicesDep) -> LogsOut:
        """The streams of a building that something was reported into, and how far they are anchored."""
        with services.database.reading() as session:
            logs = BuildingStreams(session, services, hex32(building_key)).logs()
            return LogsOut(items=[log.describe(session) for log in logs])

    @routes.get("/buildings/{building_key}/logs/{stream}/checkpoint", response_class=Response)
    def get_building_checkpoint(building_key: KeyPath, stream: BuildingStreamPath, services: ServicesDep) -> Response:
        """The newest checkpoint. Source: C2SP tlog-checkpoint."""
        return _checkpoint(_building_log(services, building_key, stream))

    @routes.get("/buildings/{building_key}/logs/{stream}/tile/entries/{path:path}", response_class=Response)
    def get_building_entries(
        building_key: KeyPath, stream: BuildingStreamPath, path: TilePath, services: ServicesDep
    ) -> Response:
        """A bundle of entries. Source: C2SP tlog-tiles."""
        return _bundle(_building_log(services, building_key, stream), path)

    @routes.get("/buildings/{building_key}/logs/{stream}/tile/{path:path}", response_class=Response)
    def get_building_tile(
        building_key: KeyPath, stream: BuildingStreamPath, path: TilePath, services: ServicesDep
    ) -> Response:
        """A tile of hashes. Source: C2SP tlog-tiles."""
        return _tile(_building_log(services, building_key, stream), path)

    @routes.get("/buildings/{building_key}/logs/{stream}/entries/{index}/proof")
    def get_record_proof(
        building_key: KeyPath, stream: BuildingStreamPath, index: EntryPath, services: ServicesDep
    ) -> RecordProofOut:
        """Proof of a record: its entry under the newest checkpoint, and its path in what was sealed."""
        with services.database.reading() as session:
            key = BuildingStreams(session, services, hex32(building_key)).key(stream)
            return RecordProofs(services).at(session, key, index)

    @routes.get("/buildings/{building_key}/logs/{stream}/consistency")
    def get_building_consistency(
        building_key: KeyPath,
        stream: BuildingStreamPath,
        services: ServicesDep,
        old_size: OldSize,
        new_size: NewSize = None,
    ) -> ConsistencyOut:
        """Proof that the log only grew from one size to another."""
        return _building_log(services, building_key, stream).consistency(old_size, new_size)


def _add_captures(routes: APIRouter) -> None:
    @routes.get("/buildings/{building_key}/captures")
    def list_captures(
        building_key: KeyPath, services: ServicesDep, limit: LimitQuery = 50, cursor: CursorQuery = None
    ) -> Page[CaptureOut]:
        """What was reported about a building, capture by capture, newest first."""
        with services.database.reading() as session:
            return BuildingStreams(session, services, hex32(building_key)).captures(limit=limit, cursor=cursor)

    @routes.get("/buildings/{building_key}/captures/{capture_id}", response_class=Response)
    def get_capture(building_key: KeyPath, capture_id: KeyPath, services: ServicesDep) -> Response:
        """The sealed capture, byte for byte: canonical JSON. Source: docs/streams.md section 3."""
        with services.database.reading() as session:
            row = BuildingStreams(session, services, hex32(building_key)).capture(hex32(capture_id))
        return Response(capture_bytes(services, row), media_type="application/json", headers=_FOREVER)

    @routes.get("/buildings/{building_key}/captures/{capture_id}/places")
    def get_places(building_key: KeyPath, capture_id: KeyPath, services: ServicesDep) -> CaptureOut:
        """Where a capture's entries stand in the log."""
        with services.database.reading() as session:
            streams = BuildingStreams(session, services, hex32(building_key))
            return streams.describe(streams.capture(hex32(capture_id)))

    @routes.get("/buildings/{building_key}/captures/{capture_id}/promises")
    def get_promises(
        building_key: KeyPath,
        capture_id: KeyPath,
        services: ServicesDep,
        first: Annotated[int, Query(alias="from", ge=0, le=MAX_RECORDS, description="first record")] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> PromisesOut:
        """The log's signed word that the capture's entries stand where they stand for ever."""
        with services.database.reading() as session:
            row = BuildingStreams(session, services, hex32(building_key)).capture(hex32(capture_id))
            return promises(services, session, row, first=first, limit=limit)


def _building_log(services: Services, building_key: str, stream: str) -> LogReading:
    with services.database.reading() as session:
        return stream_log(services, BuildingStreams(session, services, hex32(building_key)).key(stream))


def _checkpoint(log: LogReading) -> Response:
    return Response(log.checkpoint(), media_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-cache"})


def _bundle(log: LogReading, path: str) -> Response:
    return Response(log.tile(f"entries/{path}", entries=True), media_type="application/octet-stream")


def _tile(log: LogReading, path: str) -> Response:
    return Response(log.tile(path, entries=False), media_type="application/octet-stream", headers=_IMMUTABLE)
