"""What routes are handed about who asks."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from archive_api.errors import UnauthenticatedError
from archive_api.identity.sessions import SignedIn
from archive_api.services import ServicesDep

__all__ = ["MaybeSignedInDep", "SignedInDep"]


def _maybe(request: Request, services: ServicesDep) -> SignedIn | None:
    known = getattr(request.state, "signed_in", None)  # the enforcement has asked already
    return known if isinstance(known, SignedIn) else services.sessions.authenticate(request)


MaybeSignedInDep = Annotated[SignedIn | None, Depends(_maybe)]
"""Who asks, or None where nobody is signed in."""


def _certainly(signed_in: MaybeSignedInDep) -> SignedIn:
    if signed_in is None:
        raise UnauthenticatedError("expected somebody signed in, got nobody; sign in")
    return signed_in


SignedInDep = Annotated[SignedIn, Depends(_certainly)]
"""Who asks; nobody: 401."""
