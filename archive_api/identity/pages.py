"""The sign-in page, and the way to the city's unified identity and back."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import quote, unquote, urlencode

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import RedirectResponse

from archive_api.access.dependencies import note
from archive_api.errors import NotFoundError, TransportError, UnauthenticatedError, status_of
from archive_api.identity.oidc_accounts import open_oidc_session
from archive_api.identity.origins import told_origin
from archive_api.services import Services, ServicesDep
from archive_api.web.rendering import render

__all__ = ["oidc_router", "sign_in_pages"]

_CALLBACK: Final = "/api/v1/sign-in/oidc/callback"
_MAX_NEXT: Final = 500
_SHOWN_ERRORS: Final = frozenset(
    {"oidc_refused", "oidc_state", "oidc_unreachable", "person_disabled", "person_unknown"}
)
NextQuery = Annotated[str, Query(max_length=2_000, description="Path of this site to go to afterwards.")]


def sign_in_pages() -> APIRouter:
    """The page."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/sign-in")
    def sign_in(request: Request, services: ServicesDep, next: NextQuery = "/", done: bool = False) -> Response:
        """Sign in with a key file in the browser, or by unified identity."""
        return _page(request, services, target=local_path(next), done=done)

    return routes


def oidc_router() -> APIRouter:
    """The way to the city's unified identity and back; browsers go it, programs sign in with a certificate."""
    routes = APIRouter(tags=["identity"])

    @routes.get("/sign-in/oidc", status_code=303, response_class=Response)
    def begin_oidc(request: Request, services: ServicesDep, next: NextQuery = "/") -> Response:
        """Go to the unified identity; 404 where none is configured."""
        if services.oidc is None:
            raise NotFoundError("expected a unified identity, got none configured")
        beginning = services.oidc.begin(redirect_uri=_redirect_uri(request, services), now=services.now())
        response = RedirectResponse(beginning.url, 303)
        # Lax: the way back begins at another site.
        secure = services.settings.is_https
        for name, value in (("oidc", beginning.cookie), ("next", quote(local_path(next), safe=""))):
            response.set_cookie(
                _cookie(services, name), value, max_age=600, path="/", secure=secure, httponly=True, samesite="lax"
            )
        return response

    @routes.get("/sign-in/oidc/callback", status_code=303, response_class=Response)
    def finish_oidc(request: Request, services: ServicesDep) -> Response:
        """Come back from the unified identity, signed in or with a page that says why not."""
        if services.oidc is None:
            raise NotFoundError("expected a unified identity, got none configured")
        target = local_path(request.cookies.get(_cookie(services, "next"), "/"))
        try:
            opened, subject = open_oidc_session(
                services,
                dict(request.query_params),
                request.cookies.get(_cookie(services, "oidc"), ""),
                redirect_uri=_redirect_uri(request, services),
            )
        except (UnauthenticatedError, TransportError) as error:
            code = error.code if error.code in _SHOWN_ERRORS else "oidc_refused"
            return _page(request, services, target=target, error=code, status=status_of(error))
        note(request, subject=subject)
        # The session's cookie isn't sent along a way that began at another site: our own page leads on.
        response = RedirectResponse(f"/sign-in?{urlencode({'done': 'true', 'next': target})}", 303)
        services.sessions.set_cookie(response, opened)
        for name in ("oidc", "next"):
            response.delete_cookie(_cookie(services, name), path="/", secure=services.settings.is_https)
        return response

    return routes


def local_path(text: str) -> str:
    """A path of this site to go to, or `/`: nothing that a browser could take for another site's address."""
    path = unquote(text) if text.startswith("%2F") else text
    is_local = path.startswith("/") and path[1:2] not in ("/", "\\") and len(path) <= _MAX_NEXT
    return path if is_local and path.isprintable() and "\\" not in path else "/"


def _page(
    request: Request,
    services: Services,
    *,
    target: str,
    done: bool = False,
    error: str | None = None,
    status: int = 200,
) -> Response:
    settings = services.settings
    page = render(
        request,
        "sign_in.html",
        status=status,
        section="sign_in",
        target=target,
        done=done,
        error=error,
        origin=told_origin(request, settings),
        oidc_name=settings.oidc_name if services.oidc is not None else None,
    )
    # Its script asks this server; other pages ask nobody.
    page.headers["Content-Security-Policy"] += "; connect-src 'self'"
    page.headers["Cache-Control"] = "no-store"
    return page


def _redirect_uri(request: Request, services: Services) -> str:
    return told_origin(request, services.settings) + _CALLBACK


def _cookie(services: Services, name: str) -> str:
    return f"__Host-yunshang-{name}" if services.settings.is_https else f"yunshang-{name}"
