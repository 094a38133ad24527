"""The errors of the API and, in one table, the HTTP status each is answered with."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

__all__ = [
    "ApiError",
    "ConflictError",
    "MalformedError",
    "MismatchError",
    "NotFoundError",
    "PolicyError",
    "StorageFullError",
    "TooLargeError",
    "TransportError",
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


class TooLargeError(ApiError):
    """The body is larger than what was declared or allowed."""

    default_code = "too_large"


class StorageFullError(ApiError):
    """No room is left where content is kept."""

    default_code = "storage_full"


class TransportError(ApiError):
    """An engine could not be reached; the same request may succeed later."""

    default_code = "engine_unreachable"


STATUS_BY_ERROR: Final[Mapping[type[ApiError], HTTPStatus]] = {
    MalformedError: HTTPStatus(422),
    MismatchError: HTTPStatus.CONFLICT,
    ConflictError: HTTPStatus.CONFLICT,
    NotFoundError: HTTPStatus.NOT_FOUND,
    PolicyError: HTTPStatus(422),
    TooLargeError: HTTPStatus(413),
    StorageFullError: HTTPStatus.INSUFFICIENT_STORAGE,
    TransportError: HTTPStatus.SERVICE_UNAVAILABLE,
    ApiError: HTTPStatus.INTERNAL_SERVER_ERROR,
}


def status_of(error: ApiError) -> HTTPStatus:
    """The HTTP status of an error, by its nearest listed class.

    Args:
        error: any error of this package.

    Returns:
        The status; 500 for a class without an entry of its own.
    """
    for kind in type(error).__mro__:
        if kind in STATUS_BY_ERROR:
            return STATUS_BY_ERROR[kind]
    return HTTPStatus.INTERNAL_SERVER_ERROR
