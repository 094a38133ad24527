"""What routes get of the enforcement: who asks, what they may know of, and a word for the access log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Request

from archive_api.access.principal import Principal
from archive_api.access.visibility import Visibility

__all__ = ["PrincipalDep", "VisibilityDep", "note"]


# Not in a thread, as FastAPI runs what is no coroutine: each hop there and back costs more than these.
async def _principal(request: Request) -> Principal:
    return principal_of(request)


async def _visibility(request: Request) -> Visibility:
    return Visibility.of(principal_of(request))


def principal_of(request: Request) -> Principal:
    """Who makes a request."""
    principal = request.state.access.principal
    if not isinstance(principal, Principal):
        raise TypeError(f"expected a principal, got {type(principal).__name__}")
    return principal


PrincipalDep = Annotated[Principal, Depends(_principal)]
VisibilityDep = Annotated[Visibility, Depends(_visibility)]


def note(
    request: Request,
    *,
    subject: Mapping[str, Any] | None = None,
    search: str | None = None,
    object_id: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add to what the access log will say of this request; called from its route, before it answers.

    Args:
        request: the one at hand.
        subject: who it was, where only the route knows: a sign-in. Members as in `AccessEvent.subject`.
        search: what was looked for, where the address doesn't say.
        object_id: what came of it, such as the id of what was created.
        detail: further JSON members without personal data.
    """
    notes = request.state.access.notes
    given = {"subject": subject, "search": search, "object_id": object_id, "detail": detail}
    notes.update({name: value for name, value in given.items() if value is not None})
