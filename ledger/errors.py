"""The errors of the ledger package: one base class and five kinds below it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = [
    "LedgerError",
    "MalformedError",
    "MismatchError",
    "NotFoundError",
    "PolicyError",
    "TransportError",
]


class LedgerError(Exception):
    """Something the ledger refuses or could not do.

    Args:
        message: lower-case English, "expected X, got Y", without secrets.
        code: a stable snake_case reason (or a contract's error name); the class's own by default.
        where: the place in the input, such as `items[3].signature` or a path; empty: not known.
        expected: the value that was expected, or None.
        actual: the value that was met, or None.
        values: further values by name.
    """

    default_code = "ledger_error"

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


class MalformedError(LedgerError):
    """The bytes or values do not have the required form."""

    default_code = "malformed"


class MismatchError(LedgerError):
    """Two well-formed values that must agree do not."""

    default_code = "mismatch"


class NotFoundError(LedgerError):
    """What was asked for is not there."""

    default_code = "not_found"


class PolicyError(LedgerError):
    """Well-formed and consistent, but a rule forbids it (a contract's refusal included)."""

    default_code = "refused"


class TransportError(LedgerError):
    """A node, store or disk could not be reached or used; trying again may help."""

    default_code = "transport"
