"""The pages: plain HTML rendered on the server, Chinese first, English by `?lang=en`."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from inspect import isawaitable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from archive_api.errors import ApiError, MalformedError, TooLargeError, status_of
from archive_api.web.rendering import SECURITY_HEADERS, language_of, render
from archive_api.web.texts import Texts
from archive_api.web.uploads import Upload, read_uploads
from archive_api.web.views import PageSource, VerdictPage
from ledger.errors import LedgerError
from signing.errors import SigningError

__all__ = ["create_router", "error_page", "install"]

_LOG = logging.getLogger(__name__)
_BUNDLE_START: Final = re.compile(rb'\s*\{\s*"format"\s*:\s*"yunshang-(?:record-)?evidence/')
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SHOWN_STATUSES: Final = (400, 404, 500, 503)

SourceFor = Callable[[Request], PageSource]


def error_page(request: Request, status: int) -> HTMLResponse:
    """Say in the visitor's language what went wrong, without details of the system.

    Args:
        request: the request that failed.
        status: its HTTP status; the text is that of the nearest of 400, 404, 500, 503.
    """
    shown = status if status in _SHOWN_STATUSES else 400 if status < 500 else 500
    return render(request, "error.html", status=status, section="", page_status=shown)


class _PageRoute(APIRoute):
    """A route whose errors are pages, not problem documents."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_page(request: Request) -> Response:
            try:
                return await handle(request)
            except (MalformedError, RequestValidationError):
                # A cursor or key that cannot be read is a mistyped address.
                return error_page(request, HTTPStatus.NOT_FOUND)
            except (ApiError, LedgerError, SigningError) as error:
                status = status_of(error)
                if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    _LOG.warning("%s %s: %s", request.method, request.url.path, error)
                return error_page(request, status)
            except HTTPException as error:
                return error_page(request, error.status_code)

        return handle_page


class _StaticFiles(StaticFiles):
    """Static files with the pages' headers."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(SECURITY_HEADERS)
        response.headers["Cache-Control"] = "no-cache"
        return response


def _next_url(path: str, cursor: str | None, **query: str) -> str | None:
    if cursor is None:
        return None
    return f"{path}?{urlencode({name: value for name, value in query.items() if value} | {'cursor': cursor})}"


def _is_bundle(upload: Upload) -> bool:
    return upload.content is not None and _BUNDLE_START.match(upload.content) is not None


def _verify(source: PageSource, uploads: tuple[Upload, ...]) -> VerdictPage | None:
    """The verdict on a file, a bundle, or a bundle with its file; None where that is not what was sent."""
    bundles = [upload for upload in uploads if _is_bundle(upload)]
    files = [upload.file for upload in uploads if not _is_bundle(upload)]
    if len(bundles) == 1 and bundles[0].content is not None:
        return source.verify_bundle(bundles[0].content, files)
    if not bundles and len(files) == 1:
        return source.verify_file(files[0])
    return None


def create_router(source_for: SourceFor) -> APIRouter:
    """Build the pages over where they get what they show.

    Args:
        source_for: where they get what they show to whoever makes a request.
    """
    router = APIRouter(route_class=_PageRoute, include_in_schema=False)

    @router.get("/")
    def home(request: Request, q: str = "", cursor: str | None = None) -> HTMLResponse:
        query = q.strip()[:100]
        buildings = source_for(request).buildings(query, cursor)
        next_url = _next_url("/", buildings.next_cursor, q=query)
        return render(request, "home.html", buildings=buildings, query=query, next_url=next_url)

    @router.get("/buildings/{building_key}")
    def building(request: Request, building_key: str) -> HTMLResponse:
        return render(request, "building.html", page=source_for(request).building(building_key))

    @router.get("/submissions/{ref}")
    def submission(request: Request, ref: str, cursor: str | None = None) -> HTMLResponse:
        page = source_for(request).submission(ref, cursor)
        next_url = _next_url(f"/submissions/{ref}", page.documents.next_cursor)
        return render(request, "submission.html", page=page, next_url=next_url and f"{next_url}#documents")

    @router.get("/receipts/{submission_id}")
    def receipt(request: Request, submission_id: str) -> HTMLResponse:
        return render(request, "receipt.html", page=source_for(request).receipt(submission_id))

    @router.get("/documents/{submission_id}/{index}")
    def document(request: Request, submission_id: str, index: int) -> HTMLResponse:
        return render(request, "document.html", page=source_for(request).document(submission_id, index))

    @router.get("/verify")
    def verify(request: Request, sha256: str | None = None) -> HTMLResponse:
        if sha256 is None:
            return render(request, "verify.html", section="verify", error=None, digest_error=None)
        digest = sha256.strip().lower()
        if not _SHA256.fullmatch(digest):
            error = Texts(language_of(request))("verify.error.digest")
            return render(request, "verify.html", status=422, section="verify", error=None, digest_error=error)
        return render(request, "verdict.html", section="verify", page=source_for(request).verify_digest(digest))

    @router.post("/verify")
    async def verify_upload(request: Request) -> HTMLResponse:
        try:
            uploads = await read_uploads(request)
            problem = None if uploads else "nothing"
        except TooLargeError:
            problem = "too_many"
        except MalformedError:
            problem = "unreadable"
        if problem is None:
            page = await run_in_threadpool(_verify, source_for(request), uploads)
            if page is not None:
                return render(request, "verdict.html", section="verify", page=page)
            problem = "too_many"
        error = Texts(language_of(request))(f"verify.error.{problem}")
        return render(request, "verify.html", status=422, section="verify", error=error, digest_error=None)

    return router


def install(app: FastAPI, source_for: SourceFor) -> None:
    """Add the pages and their static files to an application, after its routes and error handlers.

    Addresses that nothing answers, and failures nobody expected, become pages for a browser; what lies under `/api/`
    keeps the handlers it has.

    Args:
        app: the application.
        source_for: where the pages get what they show to whoever makes a request.
    """
    app.mount("/static", _StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    app.include_router(create_router(source_for))
    for kind in (HTTPException, Exception):
        app.add_exception_handler(kind, _for_browsers(app.exception_handlers.get(kind)))


def _for_browsers(handle: Callable[[Request, Any], Any] | None) -> Callable[[Request, Exception], Any]:
    async def handle_error(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
        if handle is None or _is_for_browser(request):
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                _LOG.error("%s %s", request.method, request.url.path, exc_info=error)
            return error_page(request, status)
        answer = handle(request, error)
        response: Response = await answer if isawaitable(answer) else answer
        return response

    return handle_error


def _is_for_browser(request: Request) -> bool:
    return not request.url.path.startswith("/api/") and "text/html" in request.headers.get("accept", "")
