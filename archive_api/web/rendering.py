"""Turns view values into HTML: the template environment, its filters, and the headers of every page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Final
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from archive_api.web.texts import LANGUAGES, Language, Texts

__all__ = ["SECURITY_HEADERS", "format_size", "language_of", "local_time", "render", "slug"]

BEIJING: Final = timezone(timedelta(hours=8))
LANGUAGE_COOKIE: Final = "yunshang_language"
_YEAR_SECONDS: Final = 365 * 24 * 3600

# Nothing is loaded from elsewhere, no inline script or style runs, and no other site may frame a page.
SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def local_time(moment: datetime) -> str:
    """Show an aware time as Beijing time, to the second."""
    return moment.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_size(size_bytes: int) -> str:
    """Show a number of bytes in the unit that keeps it short (1 KB = 1,024 bytes)."""
    if size_bytes < 1024:
        return f"{size_bytes} B"
    value = float(size_bytes)
    for unit in ("KB", "MB", "GB"):
        value /= 1024
        if value < 1023.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} TB"


def slug(code: str) -> str:
    """Make a code fit for a CSS class name."""
    return re.sub(r"[^a-z0-9]+", "-", code.lower())


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("archive_api.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({"local_time": local_time, "iso": _iso, "size": format_size, "slug": slug})
    return environment


_ENVIRONMENT: Final = _environment()


def language_of(request: Request) -> Language:
    """Return the language asked for: `?lang=`, else the cookie, else Chinese."""
    for wish in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        for language in LANGUAGES:
            if wish == language:
                return language
    return "zh"


def _switch_url(request: Request, other: Language) -> str:
    """The same page in the other language; a page that answers a POST leads back to its form."""
    target = request.url.include_query_params(lang=other)
    return f"{target.path}?{target.query}"


def _csrf_query(request: Request) -> str:
    """What the address of a form carries: a page of another site can't know it."""
    return "?" + urlencode({"csrf_token": request.app.state.services.sessions.csrf_token(request)})


def render(
    request: Request, template: str, *, status: int = 200, section: str = "buildings", **values: object
) -> HTMLResponse:
    """Render a page in the visitor's language.

    Args:
        request: the request that is answered; `?lang=` in it is remembered in a cookie.
        template: file name below `templates/`.
        status: HTTP status.
        section: which entry of the navigation is current.
        values: what the template reads.
    """
    language = language_of(request)
    texts = Texts(language)
    other: Language = "en" if language == "zh" else "zh"
    signed_in = getattr(request.state, "signed_in", None)
    body = _ENVIRONMENT.get_template(template).render(
        t=texts,
        t_code=texts.code,
        section=section,
        switch_url=_switch_url(request, other),
        signed_in_name=signed_in.name if signed_in is not None else None,
        csrf_query=_csrf_query(request) if signed_in is not None and signed_in.cookie else "",
        **values,
    )
    response = HTMLResponse(body, status_code=status, headers=dict(SECURITY_HEADERS))
    response.headers["Content-Language"] = texts("html_lang")
    response.headers["Vary"] = "Cookie"
    response.headers["Cache-Control"] = "no-cache"
    if request.query_params.get("lang") == language:
        response.set_cookie(LANGUAGE_COOKIE, language, max_age=_YEAR_SECONDS, path="/", httponly=True, samesite="lax")
    return response
