"""The errors of the API and, in one table, the HTTP status each is answered with."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from ledger import errors as ledger_errors
from signing import errors as signing_errors

__all__ = [
    "ApiError",
    "ConflictError",
    "ForbiddenError",
    "HouseError",
    "MalformedError",
    "MismatchError",
    "NotAcceptableError",
    "NotFoundError",
    "NotOfferedError",
    "PolicyError",
    "QuotaError",
    "StorageFullError",
    "TooLargeError",
    "TooManyError",
    "TransportError",
    "UnauthenticatedError",
    "UnsupportedMediaError",
    "status_of",
]


class ApiError(Exception):
    """Base of every error of `archive_api`.

    Args:
        text: lower-case English, "expected X, got Y", no secrets.
        code: stable snake_case code of the problem document.
        values: what was expected and what was met, JSON values only.
    """

    default_code = "internal_error"

    def __init__(self, text: str, *, code: str | None = None, **values: object) -> None:
        super().__init__(text)
        self.text = text
        self.code = code or self.default_code
        self.values: Mapping[str, object] = values


class MalformedError(ApiError):
    """The request cannot be read as what it claims to be."""

    default_code = "malformed"


class MismatchError(ApiError):
    """Two things that must agree do not."""

    default_code = "mismatch"


class ConflictError(ApiError):
    """The request is well-formed, but the state of the thing does not allow it."""

    default_code = "conflict"


class NotFoundError(ApiError):
    """Nothing is kept under this name."""

    default_code = "not_found"


class PolicyError(ApiError):
    """A rule of the archive refuses the request whatever the state."""

    default_code = "refused"


class UnauthenticatedError(ApiError):
    """Nobody is signed in, or no longer; signing in may help."""

    default_code = "not_signed_in"


class ForbiddenError(ApiError):
    """Whoever is signed in may not do this; signing in again does not help."""

    default_code = "forbidden"


class TooLargeError(ApiError):
    """The body is larger than what was declared or allowed."""

    default_code = "too_large"


class UnsupportedMediaError(ApiError):
    """The body is of a media type that is not read here."""

    default_code = "media_type"


class NotAcceptableError(ApiError):
    """The answer can't be given as it is asked for."""

    default_code = "not_acceptable"


class NotOfferedError(ApiError):
    """A part of a standard that is not offered here."""

    default_code = "not_offered"


class TooManyError(ApiError):
    """Too many requests at a time; `retry_after_seconds` says when the next one is taken."""

    default_code = "too_many_requests"


class QuotaError(ApiError):
    """More is under way than somebody is given."""

    default_code = "quota_exceeded"


class StorageFullError(ApiError):
    """No room is left where content is kept."""

    default_code = "storage_full"


class TransportError(ApiError):
    """An engine could not be reached; the same request may succeed later."""

    default_code = "engine_unreachable"


HouseError = ApiError | ledger_errors.LedgerError | signing_errors.SigningError

_UNPROCESSABLE: Final = HTTPStatus(422)
STATUS_BY_ERROR: Final[Mapping[type[Exception], HTTPStatus]] = {
    MalformedError: _UNPROCESSABLE,
    MismatchError: HTTPStatus.CONFLICT,
    ConflictError: HTTPStatus.CONFLICT,
    NotFoundError: HTTPStatus.NOT_FOUND,
    PolicyError: _UNPROCESSABLE,
    UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    TooLargeError: HTTPStatus(413),
    UnsupportedMediaError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    NotAcceptableError: HTTPStatus.NOT_ACCEPTABLE,
    NotOfferedError: HTTPStatus.NOT_IMPLEMENTED,
    TooManyError: HTTPStatus.TOO_MANY_REQUESTS,
    QuotaError: HTTPStatus(413),
    StorageFullError: HTTPStatus.INSUFFICIENT_STORAGE,
    TransportError: HTTPStatus.SERVICE_UNAVAILABLE,
    ledger_errors.MalformedError: _UNPROCESSABLE,
    ledger_errors.MismatchError: HTTPStatus.CONFLICT,
    ledger_errors.NotFoundError: HTTPStatus.NOT_FOUND,
    ledger_errors.PolicyError: _UNPROCESSABLE,
    ledger_errors.TransportError: HTTPStatus.SERVICE_UNAVAILABLE,
    signing_errors.MalformedError: _UNPROCESSABLE,
    signing_errors.MismatchError: HTTPStatus.CONFLICT,
    signing_errors.NotFoundError: _UNPROCESSABLE,
    signing_errors.PolicyError: _UNPROCESSABLE,
    signing_errors.TransportError: HTTPStatus.SERVICE_UNAVAILABLE,
}


def status_of(error: HouseError) -> HTTPStatus:
    """The HTTP status of an error, by its nearest listed class.

    Args:
        error: any error of the three packages.

    Returns:
        The status; 500 for a class without an entry of its own.
    """
    if error.code == "store_full":
        return HTTPStatus.INSUFFICIENT_STORAGE
    for kind in type(error).__mro__:
        if kind in STATUS_BY_ERROR:
            return STATUS_BY_ERROR[kind]
    return HTTPStatus.INTERNAL_SERVER_ERROR
