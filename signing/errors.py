"""The errors of the signing package: one base class and five kinds below it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = [
    "MalformedError",
    "MismatchError",
    "NotFoundError",
    "PolicyError",
    "SigningError",
    "TransportError",
]


class SigningError(Exception):
    """Something the signing package refuses or could not do.

    Args:
        message: lower-case English, "expected X, got Y", without secrets.
        code: a stable snake_case reason; the class's own by default.
        where: the place in the input, such as `certificate.key_usage`; empty: not known.
        expected: the value that was expected, or None.
        actual: the value that was met, or None.
        values: further values by name.
    """

    default_code = "signing_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        where: str = "",
        expected: object = None,
        actual: object = None,
        values: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.code = code or self.default_code
        self.where = where
        self.expected = expected
        self.actual = actual
        self.values: Mapping[str, object] = MappingProxyType(dict(values or {}))


class MalformedError(SigningError):
    """The bytes or values do not have the required form."""

    default_code = "malformed"


class MismatchError(SigningError):
    """Two well-formed values that must agree do not."""

    default_code = "mismatch"


class NotFoundError(SigningError):
    """What was asked for is not there."""

    default_code = "not_found"


class PolicyError(SigningError):
    """Well-formed and consistent, but a rule forbids it."""

    default_code = "refused"


class TransportError(SigningError):
    """A file, token or service could not be reached or used; trying again may help."""

    default_code = "transport"
