"""Routes of data sets."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from sqlmodel import col

from archive_api.access.dependencies import PrincipalDep, note
from archive_api.datasets.models import DatasetVersionRow
from archive_api.datasets.schemas import RECORD_EXAMPLE, DatasetVersionOut, LineageOut
from archive_api.datasets.service import DatasetService, register
from archive_api.guards import require_json
from archive_api.http import KeyPath, hex32
from archive_api.pagination import CursorQuery, LimitQuery, Page
from archive_api.services import Services, ServicesDep
from archive_api.streams.service import capture_bytes
from archive_api.supply.capturing import read_seal
from ledger.lineage.picture import lineage_picture
from ledger.lineage.prov_export import prov_bytes
from ledger.lineage.record import DatasetRef, DatasetVersion

__all__ = ["PROV_JSON", "router"]

PROV_JSON: Final = "application/prov+json"
_SVG: Final = "image/svg+xml"
VersionPath = Annotated[
    str,
    Path(pattern="^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$", openapi_examples={"version": {"value": "2026.1"}}),
]
FormatQuery = Annotated[
    Literal["json", "prov", "svg"],
    Query(alias="format", description="`prov`: W3C PROV-JSON of all versions that may be known of; `svg`: a picture."),
]
ProofsQuery = Annotated[bool, Query(description="With a proof for each registered version.")]
SealHeader = Annotated[
    str | None,
    Header(
        alias="Yunshang-Capture-Seal",
        max_length=24_000,
        description="The responsible party's seal: base64 of canonical JSON `{certificate, signature, signing_time}`.",
    ),
]
_REQUEST: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object", "description": "yunshang-dataset/v1, in RFC 8785"},
                "example": RECORD_EXAMPLE,
            }
        },
    }
}
_FORMATS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "model": LineageOut,
        "content": {
            PROV_JSON: {"schema": {"type": "object"}},
            _SVG: {"schema": {"type": "string"}},
        },
    }
}


async def _body(request: Request) -> bytes:
    require_json(request)
    return await request.body()


BodyDep = Annotated[bytes, Depends(_body)]


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["data sets"])
    _add_versions(routes)
    _add_lineage(routes)
    return routes


def _add_versions(routes: APIRouter) -> None:
    @routes.post(
        "/datasets",
        status_code=201,
        response_model=DatasetVersionOut,
        responses={200: {"model": DatasetVersionOut, "description": "The same record was registered before."}},
        openapi_extra=_REQUEST,
    )
    def register_version(
        *,
        request: Request,
        response: Response,
        body: BodyDep,
        services: ServicesDep,
        principal: PrincipalDep,
        seal: SealHeader = None,
    ) -> DatasetVersionOut:
        """Register a version: its record, sealed by the responsible party, goes into the stream `datasets`."""
        record = DatasetVersion.parse(body)
        row_id, is_new = register(services, record, read_seal(seal), sent_by=principal.person_id or "")
        note(request, object_id=record.ref.text)
        response.status_code = 201 if is_new else 200
        with services.database.reading() as session:
            return DatasetService(session, services).show_number(row_id)

    @routes.get("/datasets", response_model=Page[DatasetVersionOut])
    def list_versions(
        *,
        services: ServicesDep,
        q: Annotated[str | None, Query(max_length=200, description="Part of a name or title.")] = None,
        dataset: Annotated[str | None, Query(max_length=128, description="Name of the data set.")] = None,
        sha256: Annotated[
            str | None, Query(pattern="^[0-9a-f]{64}$", description="SHA-256 of a version's bytes, hex.")
        ] = None,
        limit: LimitQuery = 50,
        cursor: CursorQuery = None,
    ) -> Page[DatasetVersionOut]:
        """Versions of data sets, newest first."""
        key = None if dataset is None else "0x" + DatasetRef.key_of(dataset).hex()
        return _page(services, limit=limit, cursor=cursor, text=q, dataset_key=key, sha256=sha256)

    @routes.get("/datasets/{dataset_key}/versions", response_model=Page[DatasetVersionOut])
    def list_versions_of(
        dataset_key: KeyPath, services: ServicesDep, limit: LimitQuery = 50, cursor: CursorQuery = None
    ) -> Page[DatasetVersionOut]:
        """The versions of one data set, newest first."""
        key = hex32(dataset_key)
        with services.database.reading() as session:
            DatasetService(session, services).get(key)
        return _page(services, limit=limit, cursor=cursor, dataset_key=key)

    @routes.get("/datasets/{dataset_key}/versions/{version}", response_model=DatasetVersionOut)
    def show_version(dataset_key: KeyPath, version: VersionPath, services: ServicesDep) -> DatasetVersionOut:
        """One version."""
        with services.database.reading() as session:
            service = DatasetService(session, services)
            return service.show(service.get(hex32(dataset_key), version)[0])

    @routes.get("/datasets/{dataset_key}/versions/{version}/capture", response_class=Response)
    def get_capture(dataset_key: KeyPath, version: VersionPath, services: ServicesDep) -> Response:
        """The sealed capture of a version, byte for byte: canonical JSON. Source: docs/streams.md section 3."""
        with services.database.reading() as session:
            service = DatasetService(session, services)
            capture = service.capture(service.get(hex32(dataset_key), version)[0])
        return Response(capture_bytes(services, capture), media_type="application/json")


def _add_lineage(routes: APIRouter) -> None:
    @routes.get("/datasets/{dataset_key}/lineage", responses=_FORMATS)
    def show_newest_lineage(
        dataset_key: KeyPath, services: ServicesDep, answer: FormatQuery = "json", proofs: ProofsQuery = True
    ) -> Response:
        """Where a data set's newest version came from."""
        return _lineage(services, hex32(dataset_key), None, answer, proofs=proofs)

    @routes.get("/datasets/{dataset_key}/versions/{version}/lineage", responses=_FORMATS)
    def show_lineage(
        *,
        dataset_key: KeyPath,
        version: VersionPath,
        services: ServicesDep,
        answer: FormatQuery = "json",
        proofs: ProofsQuery = True,
    ) -> Response:
        """Where a version came from: the whole derivation back to its sources."""
        return _lineage(services, hex32(dataset_key), version, answer, proofs=proofs)


def _page(
    services: Services, *, limit: int, cursor: str | None, dataset_key: str | None, **wanted: str | None
) -> Page[DatasetVersionOut]:
    with services.database.reading() as session:
        service = DatasetService(session, services)
        page = services.cursors.page(
            session,
            service.versions.search(dataset_key=dataset_key, **wanted),
            key=col(DatasetVersionRow.id).desc(),
            scope=f"datasets:{(dataset_key or '')[-64:]}",
            limit=limit,
            cursor=cursor,
        )
        shown = [service.show(row) for row in page.items if service.is_known(row)]
        return Page(items=shown, next_cursor=page.next_cursor)


def _lineage(services: Services, dataset_key: str, version: str | None, answer: str, *, proofs: bool) -> Response:
    with services.database.reading() as session:
        service = DatasetService(session, services)
        lineage = service.lineage(service.get(dataset_key, version)[1])
        if answer == "prov":
            return Response(prov_bytes(lineage.records, status=lineage.status()), media_type=PROV_JSON)
        if answer == "svg":
            return Response(lineage_picture(lineage), media_type=_SVG)
        shown = service.show_lineage(lineage, with_proofs=proofs)
    return Response(shown.model_dump_json(), media_type="application/json")
