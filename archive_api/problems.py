"""Every refusal as problem+json (RFC 9457), with a stable code and a text in Chinese and in English."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from archive_api.errors import ApiError, HouseError, StorageFullError, TooManyError, UnauthenticatedError, status_of
from archive_api.supply.exceptions import standard_refusal
from archive_api.texts import title_of
from ledger.errors import LedgerError
from signing.errors import SigningError

__all__ = ["PROBLEM_RESPONSES", "Problem", "add_problem_handlers", "problem_response"]

_LOG = logging.getLogger(__name__)
_SHOWN_CHARACTERS = 500
# Of what the framework and the upload library refuse by themselves.
_CODE_BY_STATUS: Final[Mapping[int, str]] = {
    400: "malformed",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "too_slow",
    409: "conflict",
    410: "upload_gone",
    412: "upload_version",
    413: "too_large",
    415: "media_type",
    423: "upload_busy",
    429: "too_many_requests",
    507: "storage_full",
}


class Problem(BaseModel):
    """A refusal. Source: RFC 9457."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:yunshang:problem:not_found",
                    "title": "没有找到 / Not found",
                    "title_zh": "没有找到",
                    "title_en": "Not found",
                    "status": 404,
                    "code": "not_found",
                    "detail": "expected a building, got none with this key",
                    "instance": "/api/v1/buildings/00",
                    "values": {},
                }
            ]
        }
    )

    type: str
    title: str
    title_zh: str
    title_en: str
    status: int
    code: str = Field(description="Stable: programs may rely on it.")
    detail: str
    instance: str
    values: dict[str, Any] = Field(description="What was expected and what was met, and where.")


PROBLEM_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": Problem, "description": text}
    for status, text in {
        400: "The body can't be read as what it is said to be, or the host is not this server's.",
        401: "Nobody is signed in, or the session is over.",
        403: "Who is signed in may not do this, or a page of another site asked.",
        404: "Nothing is kept under this name, for whoever asks.",
        408: "The body came too slowly.",
        409: "The state does not allow it, or two values disagree.",
        413: "Larger than allowed, or a quota is used up.",
        414: "The address is too long.",
        415: "Another media type than the one expected.",
        422: "Malformed, or refused by a rule.",
        429: "Too many requests; Retry-After says when to ask again.",
        431: "The headers are too large.",
        503: "An engine could not be reached; Retry-After says when to ask again.",
        507: "No room is left on the disk.",
    }.items()
}


class _ProblemResponse(JSONResponse):
    """A problem may quote what was sent, lone surrogates included: those are written as JSON escapes."""

    media_type = "application/problem+json"

    def render(self, content: Any) -> bytes:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "backslashreplace")


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""
    for kind in (ApiError, LedgerError, SigningError):
        app.add_exception_handler(kind, _house_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(OSError, _os_error)
    app.add_exception_handler(Exception, _unexpected)


def problem_response(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    values: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Build the answer.

    Args:
        request: what is answered.
        status: HTTP status.
        code: stable code.
        detail: what was expected and what was met.
        values: the same as JSON values.
        headers: further headers.
    """
    status, kind, more = standard_refusal(request.url.path, status, code)
    zh, en = title_of(code, status)
    document = Problem(
        type=kind or f"urn:yunshang:problem:{code}",
        title=f"{zh} / {en}",
        title_zh=zh,
        title_en=en,
        status=status,
        code=code,
        detail=detail,
        instance=request.url.path,
        values=dict(values or {}),
    )
    return _ProblemResponse(document.model_dump(), status_code=status, headers={**(headers or {}), **more})


def _house_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HouseError):
        raise error
    status = status_of(error)
    if status >= 500:
        _LOG.warning("%s %s: %s", request.method, request.url.path, error)
    headers = {"Retry-After": "2"} if status == 503 else None
    if isinstance(error, UnauthenticatedError):
        headers = {"WWW-Authenticate": 'Bearer realm="yunshang"'}  # RFC 9110 section 11.6.1
    if isinstance(error, TooManyError):
        headers = {"Retry-After": str(error.values["retry_after_seconds"])}
    return problem_response(request, status, error.code, str(error), values=_shown_values(error), headers=headers)


def _shown_values(error: HouseError) -> dict[str, Any]:
    values = {name: _shown(value) for name, value in error.values.items()}
    if isinstance(error, ApiError):
        return values
    named = {"where": error.where, "expected": error.expected, "actual": error.actual}
    return {name: _shown(value) for name, value in named.items() if value not in (None, "")} | values


def _shown(value: object) -> Any:
    """A JSON value for what an error carries: hex for bytes, texts cut."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, Mapping):
        return {str(name): _shown(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_shown(item) for item in value][:50]
    return str(value)[:_SHOWN_CHARACTERS]


def _http_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    code = _CODE_BY_STATUS.get(error.status_code, f"http_{error.status_code}")
    return problem_response(request, error.status_code, code, str(error.detail), headers=error.headers)


def _validation_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    found = [{"where": ".".join(str(part) for part in item["loc"]), "reason": item["msg"]} for item in error.errors()]
    detail = "; ".join(f"{item['where']}: {item['reason']}" for item in found[:10])
    return problem_response(request, 422, "malformed", detail, values={"errors": found[:50]})


def _os_error(request: Request, error: Exception) -> JSONResponse:
    if getattr(error, "errno", None) in (28, 122):  # ENOSPC, EDQUOT
        return _house_error(request, StorageFullError(f"expected room on the disk, got: {error}"))
    return _unexpected(request, error)


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    _LOG.error("%s %s", request.method, request.url.path, exc_info=error)
    return problem_response(request, 500, "internal_error", "an unexpected error; it is in the server's log")
