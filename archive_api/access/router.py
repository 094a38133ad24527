"""Routes of grants, and of the policy itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from archive_api.access.dependencies import PrincipalDep, note
from archive_api.access.policy import POLICY
from archive_api.access.roles import AccessRole
from archive_api.access.schemas import GrantIn, GrantOut, MatrixLine
from archive_api.access.service import GrantService
from archive_api.idempotency import CreationDep
from archive_api.pagination import Page
from archive_api.services import ServicesDep

__all__ = ["router"]


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["access"])

    @routes.get("/access/matrix", response_model=list[MatrixLine])
    def show_matrix() -> list[MatrixLine]:
        """The policy table: who may use which route."""
        return [
            MatrixLine(
                method=rule.method,
                path=rule.path,
                action=rule.action,
                scope=rule.scope,
                log=rule.log,
                roles=[role for role in AccessRole if role in rule.roles],
            )
            for rule in POLICY
        ]

    @routes.get("/access/grants", response_model=Page[GrantOut])
    def list_grants(
        services: ServicesDep,
        person_id: Annotated[str | None, Query(max_length=36, description="Only this person's.")] = None,
    ) -> Page[GrantOut]:
        """Who has which role, oldest first."""
        with services.database.reading() as session:
            return Page(items=GrantService(session, services).all(person_id), next_cursor=None)

    @routes.post("/access/grants", status_code=201, response_model=GrantOut)
    def give(
        body: GrantIn, request: Request, services: ServicesDep, principal: PrincipalDep, creation: CreationDep
    ) -> Response:
        """Give somebody a role; the same again changes nothing."""
        note(request, detail=body.model_dump(mode="json"))
        return creation.run(lambda session: GrantService(session, services).give(body, by=principal))

    @routes.delete("/access/grants/{grant_id}", response_model=GrantOut)
    def take(
        grant_id: Annotated[int, Path(ge=1, le=2**31 - 1)],
        request: Request,
        services: ServicesDep,
        principal: PrincipalDep,
    ) -> GrantOut:
        """Take a role back."""
        with services.database.transaction() as session:
            taken = GrantService(session, services).take(grant_id, by=principal)
        note(request, detail=taken.model_dump(mode="json", include={"person_id", "role", "unit_project_key"}))
        return taken

    return routes
