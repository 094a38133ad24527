"""The route of a building's money."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Response

from archive_api.funds.service import FundsService
from archive_api.http import KeyPath, hex32
from archive_api.services import ServicesDep
from ledger.canonical import canonical_bytes
from ledger.fields import utc_text
from ledger.supply.flow_picture import flow_picture

__all__ = ["router"]

_SVG: Final = "image/svg+xml"
_FORMATS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Amounts are decimal text in yuan.",
        "content": {
            "application/json": {"schema": {"type": "object", "description": "yunshang-funds-flow/v1"}},
            _SVG: {"schema": {"type": "string"}},
        },
    }
}


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["funds"])

    @routes.get("/buildings/{building_key}/funds/flow", response_class=Response, responses=_FORMATS)
    def show_flow(
        building_key: KeyPath,
        services: ServicesDep,
        answer: Annotated[Literal["json", "svg"], Query(alias="format", description="`svg`: a picture.")] = "json",
    ) -> Response:
        """Where a building's money came from and went: by contract, what was contracted, applied, approved, paid."""
        with services.database.reading() as session:
            service = FundsService(session)
            key = hex32(building_key)
            flow, name = service.flow(key), service.name(key)
        if answer == "svg":
            note = f"截至 As of {utc_text(services.now())}"
            return Response(flow_picture(flow, title=name, note=note), media_type=_SVG)
        return Response(canonical_bytes(flow.to_json()), media_type="application/json")

    return routes
