"""The route of evidence bundles."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Response

from archive_api.documents.router import IndexPath
from archive_api.evidence.proofs import anchor_proof
from archive_api.evidence.service import EvidenceService
from archive_api.http import KeyPath
from archive_api.services import ServicesDep

__all__ = ["router"]


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["evidence"])

    @routes.get("/evidence/{submission_id}/{index}", response_class=Response)
    def get_evidence(
        submission_id: KeyPath,
        index: IndexPath,
        services: ServicesDep,
        element: Annotated[
            str | None,
            Query(
                min_length=1,
                max_length=64,
                description="GlobalId of an element to prove, of a document that is a model.",
            ),
        ] = None,
    ) -> Response:
        """One document's evidence bundle, canonical JSON: check it with `yunshang-verify` and your own trust file.

        The header `Yunshang-Anchor-Proof` is `included` where the bundle proves its block offline, else says why not.
        """
        with services.database.reading() as session:
            service = EvidenceService(session, services)
            bundle, block_hash = service.bundle(submission_id, index, element=element)
        proof, told = anchor_proof(services, block_hash, service.event(bundle))
        name = f"evidence-{submission_id[-64:][:8]}-{index}.json"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', **told}
        content = replace(bundle, anchor_proof=proof).to_bytes()
        return Response(content, media_type="application/json", headers=headers)

    return routes
