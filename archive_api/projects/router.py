"""Routes of buildings, unit projects and rosters."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlmodel import col

from archive_api.http import KeyPath, answered, hex32
from archive_api.idempotency import CreationDep
from archive_api.pagination import CursorQuery, LimitQuery, Page
from archive_api.projects.models import Building, RosterRow, UnitProject
from archive_api.projects.repository import ProjectRepository
from archive_api.projects.schemas import (
    AliasIn,
    AliasOut,
    BuildingIn,
    BuildingOut,
    RosterIn,
    RosterOut,
    UnitProjectIn,
    UnitProjectOut,
)
from archive_api.projects.service import ProjectService
from archive_api.services import ServicesDep

__all__ = ["router"]


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["projects"])

    @routes.post("/buildings", status_code=201, response_model=BuildingOut)
    def add_building(body: BuildingIn, services: ServicesDep, creation: CreationDep) -> Response:
        """Register a building under its electronic id."""
        return creation.run(lambda session: ProjectService(session, services).add_building(body))

    @routes.get("/buildings", response_model=Page[BuildingOut])
    def list_buildings(
        services: ServicesDep,
        q: Annotated[str | None, Query(max_length=200, description="Part of a name or identifier.")] = None,
        limit: LimitQuery = 50,
        cursor: CursorQuery = None,
    ) -> Response:
        """Buildings, newest first."""
        with services.database.reading() as session:
            query = ProjectRepository(session).buildings(q, services.seen.buildings())
            page = services.cursors.page(
                session, query, key=col(Building.id).desc(), scope="buildings", limit=limit, cursor=cursor
            )
            return answered(page.map(ProjectService(session, services).show_building))

    @routes.get("/buildings/{building_key}", response_model=BuildingOut)
    def show_building(building_key: KeyPath, services: ServicesDep) -> Response:
        """One building by its key or the key of an alias."""
        with services.database.reading() as session:
            return answered(ProjectService(session, services).building(hex32(building_key)))

    @routes.post("/buildings/{building_key}/aliases", status_code=201, response_model=AliasOut)
    def add_alias(building_key: KeyPath, body: AliasIn, services: ServicesDep, creation: CreationDep) -> Response:
        """Give a building a further identifier."""
        return creation.run(lambda session: ProjectService(session, services).add_alias(hex32(building_key), body))

    @routes.post("/buildings/{building_key}/unit-projects", status_code=201, response_model=UnitProjectOut)
    def add_unit_project(
        building_key: KeyPath, body: UnitProjectIn, services: ServicesDep, creation: CreationDep
    ) -> Response:
        """Register a unit project of a building."""
        return creation.run(
            lambda session: ProjectService(session, services).add_unit_project(hex32(building_key), body)
        )

    @routes.get("/buildings/{building_key}/unit-projects", response_model=Page[UnitProjectOut])
    def list_unit_projects(
        building_key: KeyPath, services: ServicesDep, limit: LimitQuery = 50, cursor: CursorQuery = None
    ) -> Page[UnitProjectOut]:
        """The unit projects of a building, oldest first."""
        with services.database.reading() as session:
            projects = ProjectRepository(session)
            query = projects.unit_projects(projects.building(hex32(building_key)), services.seen.unit_projects())
            page = services.cursors.page(
                session, query, key=col(UnitProject.id), scope="unit-projects", limit=limit, cursor=cursor
            )
            return page.map(ProjectService(session, services).show_unit_project)

    @routes.get("/unit-projects/{unit_project_key}", response_model=UnitProjectOut)
    def show_unit_project(unit_project_key: KeyPath, services: ServicesDep) -> UnitProjectOut:
        """One unit project."""
        with services.database.reading() as session:
            return ProjectService(session, services).unit_project(hex32(unit_project_key))

    @routes.post("/unit-projects/{unit_project_key}/rosters", status_code=201, response_model=RosterOut)
    def set_roster(unit_project_key: KeyPath, body: RosterIn, services: ServicesDep, creation: CreationDep) -> Response:
        """Set the five parties as a new version; the current one again changes nothing."""
        return creation.run(lambda session: ProjectService(session, services).set_roster(hex32(unit_project_key), body))

    @routes.get("/unit-projects/{unit_project_key}/rosters", response_model=Page[RosterOut])
    def list_rosters(
        unit_project_key: KeyPath, services: ServicesDep, limit: LimitQuery = 50, cursor: CursorQuery = None
    ) -> Page[RosterOut]:
        """All versions of a roster, newest first."""
        with services.database.reading() as session:
            projects = ProjectRepository(session)
            unit_project = projects.unit_project(hex32(unit_project_key))
            page = services.cursors.page(
                session,
                projects.rosters(unit_project),
                key=col(RosterRow.id).desc(),
                scope="rosters",
                limit=limit,
                cursor=cursor,
            )
            service = ProjectService(session, services)
            return page.map(lambda row: service.show_roster(row, unit_project))

    return routes
