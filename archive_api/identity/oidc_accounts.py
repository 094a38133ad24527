"""Sessions for those whom the city's unified identity knows, as far as an administrator has added them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archive_api.errors import NotFoundError, UnauthenticatedError
from archive_api.identity.repository import PersonRepository
from archive_api.identity.sessions import OpenedSession
from archive_api.services import Services

__all__ = ["open_oidc_session"]


def open_oidc_session(
    services: Services, parameters: Mapping[str, str], cookie: str, *, redirect_uri: str
) -> tuple[OpenedSession, dict[str, Any]]:
    """Open a browser's session for an answer of the unified identity; three statements.

    Args:
        services: the server's, with a unified identity.
        parameters: the query of the callback.
        cookie: of the sign-in under way.
        redirect_uri: of the callback.

    Returns:
        The session, and who it is as the access log has it.

    Raises:
        NotFoundError: no unified identity is configured.
        UnauthenticatedError: the answer is not one to this browser, or its person may not sign in here.
        TransportError: the unified identity can't be reached.
    """
    if services.oidc is None:
        raise NotFoundError("expected a unified identity, got none configured")
    answer = services.oidc.finish(parameters, cookie, redirect_uri=redirect_uri, now=services.now())
    with services.database.transaction() as session:
        person = PersonRepository(session).by_oidc(answer.issuer, answer.subject)
        if person is None or person.id is None:
            raise UnauthenticatedError(
                "expected somebody known here, got an unknown identity; an administrator can add it",
                code="person_unknown",
            )
        if person.disabled_at is not None:
            raise UnauthenticatedError("expected a person who may sign in, got a disabled one", code="person_disabled")
        opened = services.sessions.open(
            session,
            person_pk=person.id,
            person_certificate_pk=None,
            challenge_sha256=answer.challenge_sha256,
            cookie=True,
        )
        subject = {
            "person_id": person.person_id,
            "name": person.name,
            "session_id": opened.session_id,
            "method": "oidc",
        }
    return opened, subject
