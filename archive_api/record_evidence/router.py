"""The routes of record evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Response

from archive_api.datasets.router import VersionPath
from archive_api.evidence.proofs import anchor_proof
from archive_api.http import KeyPath, hex32
from archive_api.record_evidence.service import RecordEvidenceService, RecordFound
from archive_api.services import Services, ServicesDep

__all__ = ["EventHashPath", "router"]

EventHashPath = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{64}$",
        description="The 64 digits of the event's CBV hash id; of an error declaration, the SHA-256 of its record.",
        openapi_examples={"hash": {"value": "d7" * 32}},
    ),
]


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["evidence"])

    @routes.get("/buildings/{building_key}/events/{event_hash}/evidence", response_class=Response)
    def get_event_evidence(building_key: KeyPath, event_hash: EventHashPath, services: ServicesDep) -> Response:
        """An event's evidence bundle, canonical JSON: check it with `yunshang-verify` and your own trust file."""
        with services.database.reading() as session:
            made = RecordEvidenceService(session, services).of_event(hex32(building_key), event_hash)
        return _file(services, made, f"event-{event_hash[:8]}")

    @routes.get("/datasets/{dataset_key}/versions/{version}/evidence", response_class=Response)
    def get_dataset_evidence(dataset_key: KeyPath, version: VersionPath, services: ServicesDep) -> Response:
        """The evidence bundle of a version of a data set, canonical JSON: check it as that of an event."""
        with services.database.reading() as session:
            made = RecordEvidenceService(session, services).of_dataset(hex32(dataset_key), version)
        return _file(services, made, f"dataset-{dataset_key[-64:][:8]}")

    return routes


def _file(services: Services, made: RecordFound, name: str) -> Response:
    proof, told = anchor_proof(services, made.block_hash, made.event)
    headers = {"Content-Disposition": f'attachment; filename="evidence-{name}.json"', **told}
    content = replace(made.evidence, anchor_proof=proof).to_bytes()
    return Response(content, media_type="application/json", headers=headers)
