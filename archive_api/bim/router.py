"""Routes of models, their elements and their line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from archive_api.bim.elements import element_detail, element_out
from archive_api.bim.repository import StagedModel
from archive_api.bim.schemas import ElementDetail, ElementOut, LineModelOut, ModelOut
from archive_api.bim.service import ModelService, change_document
from archive_api.http import KeyPath
from archive_api.outbox.repository import number
from archive_api.pagination import CursorQuery, LimitQuery, Page
from archive_api.services import Services, ServicesDep
from archive_api.submissions.router import RefPath
from ledger.adapters.model_index import ElementFilter

__all__ = ["router"]

ModelIndexPath = Annotated[int, Path(ge=0, le=1_000_000, description="Index among the manifest's models.")]
_Text = Annotated[str | None, Query(max_length=400)]


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["models"])
    _add_models(routes)
    _add_elements(routes)
    return routes


def _add_models(routes: APIRouter) -> None:
    @routes.get("/unit-projects/{unit_project_key}/models", response_model=Page[LineModelOut])
    def list_line(
        unit_project_key: KeyPath, services: ServicesDep, limit: LimitQuery = 50, cursor: CursorQuery = None
    ) -> Page[LineModelOut]:
        """The line of a unit project's models: planning, design, construction, as_built, each by sequence."""
        with services.database.reading() as session:
            service = ModelService(session, services)
            line = service.line(unit_project_key)
            page = _page(services, line, f"models:{unit_project_key[-64:]}", limit=limit, cursor=cursor)
            return page.map(lambda model: service.staged(model, line))

    @routes.get("/submissions/{ref}/models", response_model=Page[ModelOut])
    def list_models(ref: RefPath, services: ServicesDep) -> Page[ModelOut]:
        """The models of a submission in the manifest's order; none of a draft."""
        with services.database.reading() as session:
            return Page(items=ModelService(session, services).of_submission(ref), next_cursor=None)

    @routes.get("/submissions/{ref}/models/{index}", response_model=ModelOut)
    def show_model(ref: RefPath, index: ModelIndexPath, services: ServicesDep) -> ModelOut:
        """One model, as it was sealed."""
        with services.database.reading() as session:
            return ModelService(session, services).model(ref, index)

    @routes.get("/submissions/{ref}/models/{index}/changes")
    def show_changes(
        ref: RefPath,
        index: ModelIndexPath,
        services: ServicesDep,
        earlier: Annotated[
            str | None,
            Query(
                alias="from", max_length=100, description="`submission:index` of another model; default: predecessor."
            ),
        ] = None,
    ) -> dict[str, Any]:
        """The change record from the predecessor, or from another model, to this one."""
        with services.database.reading() as session:
            pair = ModelService(session, services).pair(ref, index, earlier)
        return change_document(services.models.change_record(*pair))


def _add_elements(routes: APIRouter) -> None:
    @routes.get("/submissions/{ref}/models/{index}/elements", response_model=Page[ElementOut])
    def list_elements(
        *,
        ref: RefPath,
        index: ModelIndexPath,
        services: ServicesDep,
        ifc_class: Annotated[
            str | None, Query(alias="class", max_length=100, description="Such as IfcDoor; subtypes too.")
        ] = None,
        name: Annotated[str | None, Query(max_length=400, description="A part of the name.")] = None,
        storey: _Text = None,
        property_name: Annotated[
            str | None,
            Query(alias="property", max_length=400, description="Such as FireRating or Pset_DoorCommon.FireRating."),
        ] = None,
        value: Annotated[str | None, Query(max_length=4000, description="The property's value as text.")] = None,
        limit: LimitQuery = 50,
        cursor: CursorQuery = None,
    ) -> Page[ElementOut]:
        """Elements of a model; without a class, relationships and property sets are left out."""
        with services.database.reading() as session:
            key = ModelService(session, services).index_key(ref, index)
        scope = f"elements:{key}"
        after = -1 if cursor is None else services.cursors.read(scope, cursor)
        wanted = ElementFilter(ifc_class=ifc_class, name=name, storey=storey, property_name=property_name, value=value)
        with services.models.index(key) as model:
            found = model.find(wanted, after=after, limit=limit + 1)
            items = [element_out(model, position) for position in found[:limit]]
        following = services.cursors.write(scope, found[limit - 1]) if len(found) > limit else None
        return Page(items=items, next_cursor=following)

    @routes.get("/submissions/{ref}/models/{index}/elements/{global_id:path}", response_model=ElementDetail)
    def show_element(
        ref: RefPath,
        index: ModelIndexPath,
        global_id: Annotated[str, Path(max_length=64, description="GlobalId, URL-encoded.")],
        services: ServicesDep,
    ) -> ElementDetail:
        """One element with its aspects in readable form, its properties and the proof that it is in the model."""
        with services.database.reading() as session:
            key = ModelService(session, services).index_key(ref, index)
        with services.models.index(key) as model:
            return element_detail(model, global_id)


def _page(
    services: Services, line: Sequence[StagedModel], scope: str, *, limit: int, cursor: str | None
) -> Page[StagedModel]:
    begin = 0
    if cursor is not None:
        last = services.cursors.read(scope, cursor)
        begin = next((place + 1 for place, model in enumerate(line) if model.row.id == last), len(line))
    items = list(line[begin : begin + limit])
    more = begin + limit < len(line)
    return Page(items=items, next_cursor=services.cursors.write(scope, number(items[-1].row.id)) if more else None)
