"""Canonical JSON (RFC 8785) and a reader that refuses everything the formats refuse."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

import orjson
import rfc8785

from ledger.errors import MalformedError

__all__ = [
    "MAX_DEPTH",
    "MAX_SAFE_INTEGER",
    "canonical_bytes",
    "canonical_plain",
    "canonical_record",
    "parse_canonical",
    "parse_json",
    "parse_plain_record",
    "parse_record",
    "refuse_depth",
]

MAX_SAFE_INTEGER = 2**53 - 1
MAX_DEPTH = 64
_MAX_INTEGER_DIGITS = 17
_MAX_PIECES = 200_000
_PLAIN_LOW, _PLAIN_HIGH = 1e-4, 1e16
_EXPONENT_FROM = 1e21  # below it ECMAScript writes whole numbers digit by digit
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_NO_BRACKETS_OR_QUOTES = bytes(set(_NO_BRACKETS) - set(b'"'))
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)

# Without floats and with ASCII member names (sorted alike in every encoding) the standard library
# writes RFC 8785, ten times faster than `rfc8785`, which does the rest and judges this in tests. So does `orjson`, in a
# tenth of that time, but not everything that the standard library takes.
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def canonical_bytes(value: Any) -> bytes:
    """Serialise a JSON value canonically.

    Args:
        value: None, bool, int within ±(2^53−1), str, list, tuple or dict with str keys.

    Returns:
        UTF-8 bytes. Source: RFC 8785 section 3.2.

    Raises:
        MalformedError: a float, a lone surrogate, an integer out of range or another type.
    """
    try:
        if _checked_ascii_names(value):
            return _written(value)
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError) as error:
        raise MalformedError(f"expected a canonical JSON value, got {error}") from error


def _written(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # deep nesting, names that are a StrEnum: or what the other one refuses too
        return _encode(value).encode("utf-8")


def canonical_record(value: Any) -> bytes:
    """Serialise somebody else's JSON canonically: as `canonical_bytes`, with floats.

    The project's own formats have no floats; records of other standards (EPCIS quantities) do.

    Args:
        value: as for `canonical_bytes`, or with finite floats.

    Returns:
        UTF-8 bytes. Source: RFC 8785 section 3.2, numbers by section 3.2.2.3.

    Raises:
        MalformedError: NaN, infinity, and what `canonical_bytes` refuses besides floats.
    """
    try:
        if _checked_ascii_names(value, floats=True):
            return _encode(value).encode("utf-8")
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError) as error:
        raise MalformedError(f"expected a canonical JSON value, got {error}") from error


def canonical_plain(value: Any) -> bytes:
    """Serialise canonically what needs no looking through: as `canonical_record`, in a tenth of the time.

    Args:
        value: of which `parse_plain_record` said that it is plain, a part of it, or made of such parts and ASCII names.

    Returns:
        UTF-8 bytes.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def parse_plain_record(data: bytes) -> tuple[Any, bool]:
    """Read somebody else's JSON as `parse_record`, and say whether it is plain: `canonical_plain` may write it.

    Returns:
        The value, and whether every member name in it is ASCII and every float one that ECMAScript and other writers
        of shortest decimals write alike.

    Raises:
        MalformedError: as `parse_record`.
    """
    odd: list[str] = []

    def number(text: str) -> float | int:
        found = _number(text)
        if type(found) is float and not _is_written_alike(found):
            odd.append(text)
        return found

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = _unique_members(pairs)
        if not "".join(found).isascii():
            odd.extend(found)
        return found

    # In ASCII only an escape can bring another character.
    names_are_ascii = data.isascii() and b"\\u" not in data
    value = _parse(data, number, _unique_members if names_are_ascii else members)
    return value, not odd


def parse_record(data: bytes) -> Any:
    """Read somebody else's JSON: as `parse_json`, with decimals, as float or, where whole, as int.

    Raises:
        MalformedError: as `parse_json`; a decimal that is no finite double, or a whole one above 2^53−1 that would be
            written without an exponent.
    """
    return _parse(data, _number)


def parse_json(data: bytes) -> Any:
    """Read JSON strictly; white space and member order are free.

    Args:
        data: UTF-8 bytes without a byte order mark.

    Returns:
        The value: dict, list, str, int, bool or None.

    Raises:
        MalformedError: not JSON or not UTF-8, a duplicate member, a number that is not an integer
            within ±(2^53−1), NaN or Infinity, a lone surrogate, or nested more than `MAX_DEPTH` deep.
    """
    return _parse(data, _refuse_number)


def _parse(
    data: bytes,
    parse_float: Callable[[str], Any],
    members: Callable[[list[tuple[str, Any]]], dict[str, Any]] | None = None,
) -> Any:
    refuse_depth(data)
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=members or _unique_members,
            parse_float=parse_float,
            parse_int=_safe_integer,
            parse_constant=_refuse_number,
        )
    except ValueError as error:
        raise MalformedError(f"expected JSON in UTF-8, got {error}", code="not_json") from error
    if b"\\u" in data:  # no other way into strings that were strict UTF-8
        _refuse_surrogates(value)
    return value


def parse_canonical(data: bytes) -> Any:
    """Read JSON whose bytes are their own canonical serialisation.

    Args:
        data: the whole file.

    Returns:
        The value, as `parse_json` gives it.

    Raises:
        MalformedError: as `parse_json`, or the bytes differ from the re-serialisation.
    """
    value = parse_json(data)
    if canonical_bytes(value) != data:
        raise MalformedError("expected canonical JSON (RFC 8785), got another serialisation", code="not_canonical")
    return value


def refuse_depth(data: bytes) -> None:
    """Refuse deep nesting before a parser recurses: its own guard depends on the interpreter's settings.

    Args:
        data: JSON to be parsed.

    Raises:
        MalformedError: nested more than `MAX_DEPTH` deep.
    """
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return
    brackets = left = _brackets(data)
    for _ in range(MAX_DEPTH // 2):  # a round takes off two levels at most
        if not left:
            return
        left = left.replace(b"[]", b"").replace(b"{}", b"")
    depth = 0  # deep, or unbalanced: count exactly
    for bracket in brackets:
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise MalformedError(f"expected JSON at most {MAX_DEPTH} deep, got more", code="too_deep")


def _brackets(data: bytes) -> bytes:
    """The brackets that are not in strings, in their order."""
    if b"\\" not in data:
        # Quotation marks begin and end strings in turn; those of a string without brackets are neighbours now.
        rest = data.translate(None, _NO_BRACKETS_OR_QUOTES).replace(b'""', b"")
        if b'"' not in rest:
            return rest
    return _without_strings(data).translate(None, _NO_BRACKETS)


def _without_strings(data: bytes) -> bytes:
    """Leave out what stands in strings: brackets there, placed well, would cancel the real ones."""
    if data.count(b'"') > _MAX_PIECES:  # a list of that many pieces takes more memory than the expression takes time
        return _STRINGS.sub(b"", data)
    # Once the escapes are gone, quotation marks begin and end strings in turn.
    bare = data.replace(rb"\\", b"").replace(rb"\"", b"") if b"\\" in data else data
    return b"".join(bare.split(b'"')[::2])


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise MalformedError(f"expected each member once, got {name!r} twice", code="duplicate_member")
            seen.add(name)
    return members


def _safe_integer(text: str) -> int:
    if len(text) > _MAX_INTEGER_DIGITS or text == "-0" or abs(int(text)) > MAX_SAFE_INTEGER:
        _refuse_number(text)
    return int(text)


def _number(text: str) -> float | int:
    number = float(text)
    if not _is_writable(number):
        _refuse_number(text)
    if number.is_integer() and abs(number) <= MAX_SAFE_INTEGER:
        return int(number)
    return number


def _is_writable(number: float) -> bool:
    """Whether a float is one that, once written canonically, reads as itself: not as an integer out of range."""
    return math.isfinite(number) and not (number.is_integer() and MAX_SAFE_INTEGER < abs(number) < _EXPONENT_FROM)


def _is_written_alike(number: float) -> bool:
    """Whether ECMAScript and Python write a float alike. Whole ones are not: 5.0 is written 5."""
    return _PLAIN_LOW <= abs(number) < _PLAIN_HIGH and not number.is_integer()


def _refuse_number(text: str) -> NoReturn:
    raise MalformedError(f"expected an integer within ±(2^53−1), got {text[:40]}", code="number_out_of_range")


def _checked_ascii_names(value: Any, *, floats: bool = False) -> bool:
    """Refuse what no format has; say whether the standard library writes the rest canonically.

    It does where every member name is ASCII and every float is one that ECMAScript and Python write alike.
    """
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is int:
        if not -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
            _refuse_number(str(value))
        return True
    if isinstance(value, dict):
        plain = True
        for name, member in value.items():
            if not isinstance(name, str):
                raise MalformedError(f"expected member names as text, got {name!r}")
            plain &= name.isascii()
            if type(member) is not str:
                plain &= _checked_ascii_names(member, floats=floats)
        return plain
    if isinstance(value, (list, tuple)):
        plain = True
        for member in value:
            if type(member) is not str:
                plain &= _checked_ascii_names(member, floats=floats)
        return plain
    if floats and kind is float and _is_writable(value):
        return _is_written_alike(value)
    if isinstance(value, str):  # a StrEnum
        return True
    raise MalformedError(f"expected a JSON value without floats, got {kind.__name__}")


def _refuse_surrogates(value: Any) -> None:
    if isinstance(value, str):
        if not value.isascii():
            try:
                value.encode("utf-8")
            except UnicodeEncodeError as error:
                raise MalformedError("expected Unicode text, got a lone surrogate", code="lone_surrogate") from error
    elif isinstance(value, dict):
        for name, member in value.items():
            _refuse_surrogates(name)
            _refuse_surrogates(member)
    elif isinstance(value, list):
        for member in value:
            _refuse_surrogates(member)
