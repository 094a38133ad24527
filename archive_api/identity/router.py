"""Routes of sign-in, sessions and persons."""

from __future__ import annotations

import base64
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from sqlmodel import col

from archive_api.access.dependencies import note
from archive_api.guards import JSON_ONLY
from archive_api.idempotency import CreationDep
from archive_api.identity.dependencies import MaybeSignedInDep, SignedInDep
from archive_api.identity.models import PersonRow
from archive_api.identity.origins import server_origins, told_origin
from archive_api.identity.pages import oidc_router
from archive_api.identity.persons import PersonService
from archive_api.identity.repository import PersonRepository
from archive_api.identity.schemas import (
    CertificateAddition,
    ChallengeIn,
    ChallengeOut,
    CurrentSessionOut,
    OpenSessionOut,
    PersonChange,
    PersonIn,
    PersonOut,
    PersonSessionOut,
    SessionEnd,
    SessionIn,
)
from archive_api.identity.sign_in import SignInService
from archive_api.pagination import CursorQuery, LimitQuery, Page
from archive_api.services import ServicesDep
from signing.certificates import certificate_id

__all__ = ["router"]

_ID = "00000000-0000-4000-8000-000000000000"
PersonPath = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        openapi_examples={"id": {"value": _ID}},
    ),
]
CertificatePath = Annotated[str, Path(pattern="^[0-9a-f]{64}$", openapi_examples={"id": {"value": "5d" * 32}})]


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["identity"])
    _sign_in(routes)
    _persons(routes)
    routes.include_router(oidc_router())
    return routes


def _sign_in(routes: APIRouter) -> None:
    @routes.post("/sign-in/challenges", response_model=ChallengeOut, dependencies=[JSON_ONLY])
    def draw_challenge(body: ChallengeIn, request: Request, services: ServicesDep) -> ChallengeOut:
        """Draw a challenge for a certificate; nothing is stored, and nothing told about whose it is."""
        challenge = SignInService(services).challenge(body.certificate_id)
        return ChallengeOut(
            challenge=challenge.text,
            server_nonce=base64.b64encode(challenge.server_nonce).decode("ascii"),
            origin=told_origin(request, services.settings),
            expires_at=challenge.expires_at,
        )

    @routes.post("/sessions", status_code=201, response_model=OpenSessionOut, dependencies=[JSON_ONLY])
    def open_session(body: SessionIn, request: Request, response: Response, services: ServicesDep) -> OpenSessionOut:
        """Sign in with a signed challenge."""
        origins = server_origins(services.settings, request.scope)
        opened, person_id, name = SignInService(services).open(body, origins=origins)
        subject = {
            "person_id": person_id,
            "name": name,
            "certificate_id": certificate_id(base64.b64decode(body.certificate)).hex(),
            "session_id": opened.session_id,
            "method": "certificate",
        }
        note(request, subject=subject)
        if body.cookie:
            services.sessions.set_cookie(response, opened)
        return OpenSessionOut(
            session_id=opened.session_id,
            person_id=person_id,
            name=name,
            token=None if body.cookie else opened.token,
            csrf_token=opened.csrf_token if body.cookie else None,
            expires_at=opened.expires_at,
        )

    @routes.get("/sessions/current", response_model=CurrentSessionOut)
    def show_session(signed_in: SignedInDep, request: Request, services: ServicesDep) -> CurrentSessionOut:
        """Who asks."""
        return CurrentSessionOut(
            session_id=signed_in.session_id,
            person_id=signed_in.person_id,
            name=signed_in.name,
            organisation_code=signed_in.organisation_code,
            certificate_id=signed_in.certificate_id,
            method=signed_in.method,
            desk=signed_in.desk,
            csrf_token=services.sessions.csrf_token(request) if signed_in.cookie else None,
            expires_at=signed_in.expires_at,
        )

    @routes.delete("/sessions/current", response_model=SessionEnd)
    def end_session(signed_in: SignedInDep, response: Response, services: ServicesDep) -> SessionEnd:
        """Sign out."""
        with services.database.transaction() as session:
            ended = services.sessions.end(session, session_id=signed_in.session_id)
        if signed_in.cookie:
            services.sessions.clear_cookie(response)
        return SessionEnd(ended=ended)


def _persons(routes: APIRouter) -> None:
    @routes.get("/persons", response_model=Page[PersonOut])
    def list_persons(
        services: ServicesDep,
        q: Annotated[str | None, Query(max_length=64, description="Part of the name.")] = None,
        organisation: Annotated[str | None, Query(max_length=18, description="18-character code.")] = None,
        limit: LimitQuery = 50,
        cursor: CursorQuery = None,
    ) -> Page[PersonOut]:
        """Who may sign in, oldest first."""
        with services.database.reading() as session:
            query = PersonRepository(session).search(q, organisation)
            page = services.cursors.page(
                session, query, key=col(PersonRow.id), scope="persons", limit=limit, cursor=cursor
            )
            return page.map(PersonService(session, services).show)

    @routes.post("/persons", status_code=201, response_model=PersonOut)
    def add_person(body: PersonIn, services: ServicesDep, creation: CreationDep) -> Response:
        """Add somebody, by a personal certificate or by their name at the city's unified identity."""
        return creation.run(lambda session: PersonService(session, services).add(body))

    @routes.get("/persons/{person_id}", response_model=PersonOut)
    def show_person(person_id: PersonPath, services: ServicesDep) -> PersonOut:
        """One person."""
        with services.database.reading() as session:
            return PersonService(session, services).show(PersonRepository(session).get(person_id))

    @routes.patch("/persons/{person_id}", response_model=PersonOut, dependencies=[JSON_ONLY])
    def change_person(
        request: Request,
        person_id: PersonPath,
        body: PersonChange,
        services: ServicesDep,
        signed_in: MaybeSignedInDep,
    ) -> PersonOut:
        """Disable or enable somebody (their sessions are over at once), or set their unified identity."""
        by = signed_in.person_id if signed_in else None
        note(request, detail={"changed": sorted(body.model_fields_set)})
        with services.database.transaction() as session:
            return PersonService(session, services).change(person_id, body, by=by)

    @routes.post("/persons/{person_id}/certificates", status_code=201, response_model=PersonOut)
    def add_certificate(
        request: Request,
        person_id: PersonPath,
        body: CertificateAddition,
        services: ServicesDep,
        creation: CreationDep,
    ) -> Response:
        """Add a person's further certificate, such as the next one."""
        note(request, detail={"changed": ["certificates"]})
        return creation.run(
            lambda session: PersonService(session, services).add_certificate(person_id, body.certificate)
        )

    @routes.delete("/persons/{person_id}/certificates/{certificate_id}", response_model=PersonOut)
    def revoke_certificate(person_id: PersonPath, certificate_id: CertificatePath, services: ServicesDep) -> PersonOut:
        """Take a certificate from somebody, for ever; its sessions are over at once."""
        with services.database.transaction() as session:
            return PersonService(session, services).revoke_certificate(person_id, certificate_id)

    @routes.get("/persons/{person_id}/sessions", response_model=list[PersonSessionOut])
    def list_sessions(person_id: PersonPath, services: ServicesDep) -> list[PersonSessionOut]:
        """Somebody's open sessions, newest first."""
        with services.database.reading() as session:
            return PersonService(session, services).sessions(person_id)

    @routes.delete("/persons/{person_id}/sessions", response_model=SessionEnd)
    def end_sessions(person_id: PersonPath, services: ServicesDep) -> SessionEnd:
        """Sign somebody out everywhere."""
        with services.database.transaction() as session:
            return SessionEnd(ended=PersonService(session, services).end_sessions(person_id))
