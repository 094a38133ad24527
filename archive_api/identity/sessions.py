"""Sessions: who asks, from a bearer token (programs) or a cookie (browsers)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from starlette.requests import HTTPConnection

__all__ = ["SessionStore", "SignedIn"]

Method = Literal["certificate", "oidc"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A person whose session is good at this moment; what they may do is not said here.

    Attributes:
        person_id: stable id of the person, UUID text.
        name: the person's name.
        organisation_code: of the organisation they belong to, 18 characters; None: a private person.
        certificate_id: SHA-256 of the personal certificate's DER, lowercase hex; None after a sign-in by OIDC.
        session_id: public id of the session, UUID text; it opens nothing.
        method: how they signed in.
        cookie: the session came in a cookie, from a browser.
        desk: the development desk of a home, which has every role everywhere.
    """

    person_id: str
    name: str
    organisation_code: str | None
    certificate_id: str | None
    session_id: str
    method: Method
    cookie: bool
    desk: bool = False


class SessionStore:
    """Sessions of the catalogue."""

    def authenticate(self, request: HTTPConnection) -> SignedIn | None:
        """Tell who asks; blocking (one query), so call it in a thread from asynchronous code.

        Args:
            request: its headers, cookies and method are read, never its body.

        Returns:
            The person; None where no session was sent, or a browser's cookie whose session is over.

        Raises:
            UnauthenticatedError: 401, a bearer token that opens no session (never, ended, expired, person disabled,
                certificate revoked, expired or registered for sealing); the client signs in again.
            ForbiddenError: 403, code `csrf_token`: an unsafe method with a cookie but without its token.
        """
        del request
        return None
