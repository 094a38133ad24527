"""Strict readers of single JSON values: what passes here is never questioned again."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from ledger.canonical import MAX_SAFE_INTEGER
from ledger.errors import MalformedError
from ledger.paths import check_paths
from ledger.texts import has_refused_sign

__all__ = [
    "base64_bytes",
    "base64_text",
    "calendar_date",
    "cid_text",
    "document_path",
    "hex_bytes",
    "integer",
    "members",
    "one_of",
    "optional",
    "prefixed_bytes",
    "prefixed_hex",
    "sequence_of",
    "text",
    "utc_text",
    "utc_time",
]

_HEX = re.compile(r"[0-9a-f]*\Z")
# 0x01, raw or dag-pb, 0x1220 fill 6.4 digits and 36 bytes 57.6: the last digit's two spare bits are zero.
_CID = re.compile(r"b(?:afkrei|afybei)[a-h][a-z2-7]{50}[aeimquy4]\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_UTC = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z\Z")


def _refuse(expected: str, value: object, where: str, *, code: str | None = None) -> MalformedError:
    shown = repr(value)
    if len(shown) > 80:
        shown = shown[:77] + "…"
    return MalformedError(f"expected {expected}, got {shown}", code=code, where=where, expected=expected, actual=value)


def members(value: Any, names: Sequence[str], where: str) -> Mapping[str, Any]:
    """Read an object that has exactly the given members.

    Args:
        value: what the JSON reader gave.
        names: every member's name; none may be missing, no other present.
        where: place for the error text.

    Returns:
        The object.

    Raises:
        MalformedError: not an object, or a member missing (`missing_member`) or unknown
            (`unknown_member`).
    """
    if not isinstance(value, dict):
        raise _refuse("an object", value, where)
    if value.keys() != set(names):
        unknown = sorted(value.keys() - set(names))
        if unknown:
            raise MalformedError(
                f"expected only {', '.join(names)}, got {unknown[0]!r}",
                code="unknown_member",
                where=where,
                actual=unknown[0],
            )
        missing = next(name for name in names if name not in value)
        raise MalformedError(
            f"expected member {missing!r}, got none",
            code="missing_member",
            where=where,
            expected=missing,
        )
    return value


def sequence_of(value: Any, where: str, *, length: int | None = None) -> list[Any]:
    """Read an array, of exactly `length` values if given, or raise MalformedError."""
    if not isinstance(value, list) or (length is not None and len(value) != length):
        raise _refuse("an array" if length is None else f"an array of {length}", value, where)
    return value


def text(value: Any, where: str, *, lines: bool = False) -> str:
    """Read a text that is not empty.

    Args:
        value: what the JSON reader gave.
        where: place for the error text.
        lines: newline and tab are allowed.

    Raises:
        MalformedError: not a string, or empty; `control_character`: it holds a control character, a bidirectional
            control or a lone surrogate.
    """
    if not isinstance(value, str) or not value:
        raise _refuse("a non-empty string", value, where)
    if has_refused_sign(value, lines=lines):
        expected = "text without control characters, bidirectional controls and lone surrogates"
        raise _refuse(expected, value, where, code="control_character")
    return value


def integer(value: Any, where: str, *, low: int = 0, high: int = MAX_SAFE_INTEGER) -> int:
    """Read an integer from `low` to `high`, both included, or raise MalformedError."""
    if type(value) is not int or not low <= value <= high:
        raise _refuse(f"an integer from {low} to {high}", value, where)
    return value


def one_of(value: Any, choices: Sequence[str], where: str) -> str:
    """Read one of the given strings or raise MalformedError."""
    if not isinstance(value, str) or value not in choices:
        raise _refuse(" / ".join(choices), value, where)
    return value


def optional(value: Any, reader: Any, where: str) -> Any:
    """Read null as None, anything else with `reader(value, where)`."""
    return None if value is None else reader(value, where)


def hex_bytes(value: Any, where: str, *, length: int = 32) -> bytes:
    """Read lowercase hex without 0x of `length` bytes or raise MalformedError."""
    if not isinstance(value, str) or len(value) != 2 * length or not _HEX.match(value):
        raise _refuse(f"{2 * length} lowercase hex digits", value, where)
    return bytes.fromhex(value)


def prefixed_bytes(value: Any, where: str, *, length: int | None = 32) -> bytes:
    """Read 0x and lowercase hex of `length` bytes (None: any) or raise MalformedError."""
    size_fits = isinstance(value, str) and (len(value) % 2 == 0 if length is None else len(value) == 2 + 2 * length)
    if not size_fits or value[:2] != "0x" or not _HEX.match(value[2:]):
        digits = "an even number of" if length is None else str(2 * length)
        raise _refuse(f"0x and {digits} lowercase hex digits", value, where)
    return bytes.fromhex(value[2:])


def prefixed_hex(value: bytes) -> str:
    """Write bytes as 0x and lowercase hex."""
    return "0x" + value.hex()


def base64_bytes(value: Any, where: str, *, length: int | None = None) -> bytes:
    """Read padded standard base64 that re-encodes to itself, of `length` bytes if given.

    Raises:
        MalformedError: `base64_not_canonical` where stray bits or characters hide a second text
            for the same bytes; `malformed` otherwise.
    """
    if not isinstance(value, str) or not value.isascii():
        raise _refuse("base64", value, where)
    try:
        decoded = base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise _refuse("padded standard base64", value, where) from error
    if base64.b64encode(decoded).decode("ascii") != value:
        raise MalformedError(
            "expected base64 that re-encodes to itself, got another text for the same bytes",
            code="base64_not_canonical",
            where=where,
            actual=value,
        )
    if length is not None and len(decoded) != length:
        raise _refuse(f"base64 of {length} bytes", value, where)
    return decoded


def base64_text(value: bytes) -> str:
    """Write bytes as padded standard base64. Source: RFC 4648 section 4."""
    return base64.b64encode(value).decode("ascii")


def calendar_date(value: Any, where: str) -> str:
    """Read a date as YYYY-MM-DD or raise MalformedError."""
    if not isinstance(value, str) or not _DATE.match(value):
        raise _refuse("a date YYYY-MM-DD", value, where)
    try:
        date.fromisoformat(value)
    except ValueError as error:
        raise _refuse("a date of the calendar", value, where) from error
    return value


def utc_time(value: Any, where: str) -> datetime:
    """Read `YYYY-MM-DDTHH:MM:SSZ` as an aware UTC datetime or raise MalformedError."""
    parts = _UTC.match(value) if isinstance(value, str) else None
    if parts is None:
        raise _refuse("a UTC time YYYY-MM-DDTHH:MM:SSZ", value, where)
    year, month, day, hour, minute, second = map(int, parts.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise _refuse("a UTC time of the calendar", value, where) from error


def utc_text(value: datetime) -> str:
    """Write an aware datetime as `YYYY-MM-DDTHH:MM:SSZ`; fractions of a second are dropped."""
    return f"{value.astimezone(UTC).isoformat()[:19]}Z"


def cid_text(value: Any, where: str) -> str:
    """Read a CIDv1 (raw or dag-pb, SHA-256) in lowercase base32 or raise MalformedError."""
    if not isinstance(value, str) or not _CID.match(value):
        raise _refuse("a CIDv1 with SHA-256 in base32", value, where)
    return value


def document_path(value: Any, where: str) -> str:
    """Read a safe path: relative, `/`-separated, NFC, no control characters or backslashes.

    Raises:
        MalformedError: `unsafe_path`, whatever the rule broken.
    """
    if not isinstance(value, str) or not value:
        raise _refuse("a path", value, where)
    problems = check_paths([value])
    if problems:
        raise MalformedError(
            f"expected a safe relative path, got {problems[0].shown!r}, which {problems[0].problem.en}",
            code="unsafe_path",
            where=where,
            actual=value,
        )
    return value
