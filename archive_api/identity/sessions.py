"""Sessions: who asks, from a bearer token (programs) or a cookie (browsers).

A token is 32 random bytes; the catalogue has its digest alone. A session ends when it is told to, when it was not used
for `session_seconds`, `session_max_seconds` after it began, or as soon as its person is disabled or its certificate is
expired, revoked (here or by its issuer) or registered for sealing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Executable, bindparam, delete, exists, update
from sqlalchemy import select as columns_of
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col
from starlette.requests import HTTPConnection
from starlette.responses import Response

from archive_api.certificates.models import CertificateRow
from archive_api.db.engine import Database
from archive_api.errors import ForbiddenError, UnauthenticatedError
from archive_api.identity.challenges import derived_key
from archive_api.identity.models import (
    PersonCertificateRow,
    PersonCertificateStatusRow,
    PersonRow,
    SessionRow,
)
from archive_api.settings import Settings

__all__ = ["CSRF_HEADER", "CSRF_PARAMETER", "OpenedSession", "SessionStore", "SignedIn"]

Method = Literal["certificate", "oidc"]
CSRF_HEADER: Final = "Yunshang-CSRF-Token"
CSRF_PARAMETER: Final = "csrf_token"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_TOKEN_CHARACTERS: Final = 43
# A session is prolonged when less than this part of its time is left: most requests write nothing.
_PROLONGED_BELOW: Final = 0.5
# Longer than any challenge can be answered: until then its digest must be known.
_KEPT: Final = timedelta(days=1)


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
        expires_at: when the session ends unless it is used, aware UTC.
        desk: the development desk of a home, which has every role everywhere.
    """

    person_id: str
    name: str
    organisation_code: str | None
    certificate_id: str | None
    session_id: str
    method: Method
    cookie: bool
    expires_at: datetime
    desk: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSession:
    """A new session; `token` is told once and to its holder alone."""

    token: str
    csrf_token: str
    session_id: str
    expires_at: datetime


class SessionStore:
    """Sessions of the catalogue.

    Args:
        database: the catalogue.
        settings: the server's.
        now: the present time, aware UTC.
    """

    def __init__(self, database: Database, settings: Settings, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._lifetime = timedelta(seconds=settings.session_seconds)
        self._longest = timedelta(seconds=settings.session_max_seconds)
        self._csrf_key = derived_key(settings.secret.get_secret_value().encode(), "csrf token")
        self._secure = settings.is_https
        self._desk = settings.desk_certificate_id

    @property
    def cookie_name(self) -> str:
        """The cookie's name; with the prefix that binds it to this host where browsers can be held to it."""
        return "__Host-yunshang-session" if self._secure else "yunshang-session"

    def authenticate(self, request: HTTPConnection) -> SignedIn | None:
        """Tell who asks; blocking (one query), so call it in a thread from asynchronous code.

        Args:
            request: its headers, cookies, query and method are read, never its body.

        Returns:
            The person; None where no session was sent, or a browser's cookie whose session is over.

        Raises:
            UnauthenticatedError: 401, a bearer token that opens no session (never, ended, expired, person disabled,
                certificate revoked, expired or registered for sealing); the client signs in again.
            ForbiddenError: 403, code `csrf_token`: an unsafe method with a cookie but without its token.
        """
        given = request.headers.get("authorization")
        if given is not None:
            scheme, _, token = given.partition(" ")
            signed_in = self._find(token.strip(), cookie=False) if scheme.lower() == "bearer" else None
            if signed_in is None:
                raise UnauthenticatedError("expected a session that is open, got none; sign in", code="session_over")
            return signed_in
        token = request.cookies.get(self.cookie_name, "")
        signed_in = self._find(token, cookie=True) if token else None
        if signed_in is not None and request.scope.get("method") not in _SAFE_METHODS:
            self._check_csrf(request, token)
        return signed_in

    def csrf_token(self, request: HTTPConnection) -> str | None:
        """What pages send back with unsafe methods: told to pages of this site alone; None without a cookie."""
        token = request.cookies.get(self.cookie_name, "")
        return self._csrf_token(token) if token else None

    def open(
        self,
        session: Session,
        *,
        person_pk: int,
        person_certificate_pk: int | None,
        challenge_sha256: str,
        cookie: bool,
    ) -> OpenedSession:
        """Open a session in the caller's transaction; two statements.

        Args:
            session: writing.
            person_pk, person_certificate_pk: row numbers; no certificate after a sign-in by OIDC.
            challenge_sha256: of what was answered, so that it is not answered twice.
            cookie: the token travels in a cookie.

        Raises:
            UnauthenticatedError: `challenge_used`: the challenge was answered before.
        """
        now = self._now()
        token = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii").rstrip("=")
        row = SessionRow(
            session_id=str(uuid.uuid4()),
            token_sha256=_digest(token),
            challenge_sha256=challenge_sha256,
            person_pk=person_pk,
            person_certificate_pk=person_certificate_pk,
            cookie=cookie,
            created_at=now,
            expires_at=now + self._lifetime,
            last_possible_at=now + self._longest,
        )
        session.connection().execute(delete(SessionRow).where(col(SessionRow.expires_at) < now - _KEPT))
        session.add(row)
        try:
            session.flush()
        except IntegrityError as error:
            raise UnauthenticatedError(
                "expected a challenge that was not answered yet, got one that was; ask for a new one",
                code="challenge_used",
            ) from error
        return OpenedSession(
            token=token,
            csrf_token=self._csrf_token(token),
            session_id=row.session_id,
            expires_at=row.expires_at,
        )

    def end(self, session: Session, *, session_id: str | None = None, person_pk: int | None = None) -> int:
        """End a session, or all of a person, in the caller's transaction; returns how many were open."""
        now = self._now()
        query = update(SessionRow).where(col(SessionRow.ended_at).is_(None), col(SessionRow.expires_at) > now)
        if session_id is not None:
            query = query.where(col(SessionRow.session_id) == session_id)
        if person_pk is not None:
            query = query.where(col(SessionRow.person_pk) == person_pk)
        return int(session.connection().execute(query.values(ended_at=now)).rowcount)

    def set_cookie(self, response: Response, opened: OpenedSession) -> None:
        """Hand a token to a browser: for this host alone, hidden from scripts, never sent from other sites."""
        response.set_cookie(
            self.cookie_name, opened.token, path="/", secure=self._secure, httponly=True, samesite="strict"
        )

    def clear_cookie(self, response: Response) -> None:
        """Have a browser forget its token."""
        response.delete_cookie(self.cookie_name, path="/", secure=self._secure, httponly=True, samesite="strict")

    def _find(self, token: str, *, cookie: bool) -> SignedIn | None:
        if len(token) != _TOKEN_CHARACTERS or not token.isascii():
            return None
        now = self._now()
        found = self._database.ask(_OPEN_SESSION, {"token_sha256": _digest(token), "cookie": cookie, "now": now})
        if found is None or (found.person_certificate_pk is not None and found.certificate_id is None):
            return None
        return SignedIn(
            person_id=found.person_id,
            name=found.name,
            organisation_code=found.organisation_code,
            certificate_id=found.certificate_id,
            session_id=found.session_id,
            method="oidc" if found.certificate_id is None else "certificate",
            cookie=cookie,
            expires_at=self._prolonged(found, now),
            desk=found.certificate_id is not None and found.certificate_id == self._desk,
        )

    def _prolonged(self, row: Any, now: datetime) -> datetime:
        expires_at: datetime = row.expires_at
        until: datetime = min(now + self._lifetime, row.last_possible_at)
        if expires_at - now > self._lifetime * _PROLONGED_BELOW or until <= expires_at:
            return expires_at
        with self._database.transaction() as session:
            session.connection().execute(
                update(SessionRow)
                .where(col(SessionRow.id) == row.id, col(SessionRow.ended_at).is_(None))
                .values(expires_at=until)
            )
        return until

    def _check_csrf(self, request: HTTPConnection, token: str) -> None:
        given = request.headers.get(CSRF_HEADER) or request.query_params.get(CSRF_PARAMETER) or ""
        if not hmac.compare_digest(given.encode(), self._csrf_token(token).encode()):
            raise ForbiddenError(
                "expected the token that pages of this site send along, got another; load the page again",
                code="csrf_token",
            )

    def _csrf_token(self, token: str) -> str:
        return hmac.new(self._csrf_key, token.encode(), hashlib.sha256).hexdigest()


def _open_session() -> Executable:
    """A session that is open, its person, and the certificate that it was opened with if that still opens one.

    Built once, since every request asks it: building it takes longer than asking it.
    """
    now = bindparam("now", type_=SessionRow.__table__.c.expires_at.type)  # type: ignore[attr-defined]
    for_sealing = exists().where(col(CertificateRow.public_key) == col(PersonCertificateRow.public_key))
    by_issuer = exists().where(
        col(PersonCertificateStatusRow.person_certificate_pk) == col(PersonCertificateRow.id),
        col(PersonCertificateStatusRow.revoked_at).is_not(None),
    )
    columns = (
        SessionRow.id,
        SessionRow.session_id,
        SessionRow.person_certificate_pk,
        SessionRow.expires_at,
        SessionRow.last_possible_at,
        PersonRow.person_id,
        PersonRow.name,
        PersonRow.organisation_code,
        PersonCertificateRow.certificate_id,
    )
    return (
        columns_of(*map(col, columns))
        .join(PersonRow, col(PersonRow.id) == col(SessionRow.person_pk))
        .outerjoin(
            PersonCertificateRow,
            (col(PersonCertificateRow.id) == col(SessionRow.person_certificate_pk))
            & col(PersonCertificateRow.revoked_at).is_(None)
            & (col(PersonCertificateRow.not_after) >= now)
            & ~for_sealing
            & ~by_issuer,
        )
        .where(
            col(SessionRow.token_sha256) == bindparam("token_sha256"),
            col(SessionRow.cookie) == bindparam("cookie"),  # a cookie's token is none of a program's, and the reverse
            col(SessionRow.ended_at).is_(None),
            col(SessionRow.expires_at) > now,
            col(PersonRow.disabled_at).is_(None),
        )
    )


_OPEN_SESSION: Final = _open_session()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("ascii")).hexdigest()
