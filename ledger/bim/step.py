"""Reading STEP files (ISO 10303-21): values, header, entities. Source: docs/bim-fingerprint.md section 2."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from ledger.bim.scan import Step
from ledger.bim.strings import decode_string
from ledger.bim.tokens import (
    BINARY,
    ENUMERATION,
    INTEGER,
    KEYWORD,
    MAX_ENTITY_BYTES,
    POINT,
    REAL,
    REFERENCE,
    STRING,
    Tokens,
    step_error,
)

__all__ = [
    "DERIVED",
    "MAX_DEPTH",
    "MAX_DIGITS",
    "MAX_ENTITY_BYTES",
    "MAX_FILE_BYTES",
    "MAX_NUMBER",
    "NULL",
    "Binary",
    "Enumeration",
    "Header",
    "Missing",
    "Octets",
    "Record",
    "Reference",
    "Typed",
    "Value",
    "read_entities",
    "read_entity",
    "read_header",
]

MAX_DEPTH: Final = 64
MAX_DIGITS: Final = 308
MAX_FILE_BYTES: Final = (1 << 32) - 1
MAX_NUMBER: Final = (1 << 64) - 1


class Missing(Enum):
    """A parameter without a value: `$` (not given) or `*` (derived)."""

    NULL = "$"
    DERIVED = "*"


NULL: Final = Missing.NULL
DERIVED: Final = Missing.DERIVED


@dataclass(frozen=True, slots=True)
class Octets:
    """A string that isn't UTF-8: its bytes, apostrophes and line ends resolved."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Enumeration:
    """An enumeration, logical or boolean: its name in upper case, without points."""

    name: str


@dataclass(frozen=True, slots=True)
class Binary:
    """A binary: hex digits in upper case, the first tells the unused bits."""

    digits: str


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference to the entity of a number."""

    number: int


@dataclass(frozen=True, slots=True)
class Typed:
    """A value of a named type, such as `IFCLABEL('x')`; the keyword in upper case."""

    keyword: str
    value: Value


Value = Missing | int | float | str | Octets | Enumeration | Binary | Reference | Typed | tuple["Value", ...]
"""A parameter; a tuple is an aggregate. Reals are finite and never −0."""


@dataclass(frozen=True, slots=True)
class Header:
    """What counts of the header.

    Attributes:
        schema: the one name of FILE_SCHEMA, decoded.
        data_offset: the byte behind `DATA;`.
    """

    schema: str
    data_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One entity.

    Attributes:
        number: from 0 to 2^64 − 1.
        offset: of its `#`.
        keyword: in upper case; None for several partial records.
        parameters: in the order of the file; empty for several partial records.
        partials: keyword and parameters of each partial record, in the order of the file.
    """

    number: int
    offset: int
    keyword: str | None
    parameters: tuple[Value, ...] = ()
    partials: tuple[tuple[str, tuple[Value, ...]], ...] = ()


_MISSING: Final = {b"$": NULL, b"*": DERIVED}
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def read_header(step: Step) -> Header:
    """Read a file's beginning up to `DATA;`.

    Raises:
        MalformedError: too large, not a STEP file, or a header that the format refuses.
    """
    if len(step) > MAX_FILE_BYTES:
        raise step_error("too_large", MAX_FILE_BYTES, f"a file of at most {MAX_FILE_BYTES} bytes", f"{len(step)}")
    tokens = Tokens(step, len(_BYTE_ORDER_MARK) if bytes(step[:3]) == _BYTE_ORDER_MARK else 0)
    tokens.first_word()
    tokens.point(b";", "sections")
    tokens.section_word(b"HEADER")
    schema = ""
    while True:
        kind, start, text = tokens.token()
        if kind != KEYWORD:
            raise tokens.unexpected("a record of the header or ENDSEC", start)
        if (keyword := text.upper()) == b"ENDSEC":
            break
        tokens.open_window(start)
        tokens.point(b"(")
        parameters = _Parameters(tokens, converts=keyword == b"FILE_SCHEMA").read()
        tokens.point(b";")
        tokens.close_window()
        if keyword == b"FILE_SCHEMA":
            if schema:
                raise step_error("schema_missing", start, "one FILE_SCHEMA", "another")
            schema = _schema_name(parameters, start)
    if not schema:
        raise step_error("schema_missing", start, "FILE_SCHEMA in the header", "none")
    tokens.point(b";", "sections")
    tokens.section_word(b"DATA")
    return Header(schema, tokens.position)


def _schema_name(parameters: tuple[Value, ...], offset: int) -> str:
    match parameters:
        case ((str() as name,),) if name:
            return name
    raise step_error("schema_missing", offset, "FILE_SCHEMA with one name", "something else")


def read_entities(step: Step, header: Header) -> Iterator[Record]:
    """Yield every entity of the DATA section in the order of the file, then check the file's end.

    Args:
        step: the whole file.
        header: of the same file.

    Raises:
        MalformedError: a token that can't stand where it stands. Duplicate numbers and dangling references aren't
            looked for.
    """
    tokens = Tokens(step, header.data_offset)
    while tokens.before_number():
        yield _entity(tokens)
    kind, start, text = tokens.token()
    if kind != KEYWORD or text.upper() != b"ENDSEC":
        raise tokens.unexpected("an entity or ENDSEC", start)
    tokens.point(b";", "sections")
    tokens.last_word()
    tokens.point(b";", "sections")
    tokens.nothing_more()


def read_entity(step: Step, offset: int) -> Record:
    """Read the entity whose `#` stands at an offset.

    Raises:
        MalformedError: there is no sound entity.
    """
    return _entity(Tokens(step, offset))


def _entity(tokens: Tokens) -> Record:
    offset = tokens.position
    tokens.open_window(offset)
    kind, start, text = tokens.token()
    if kind != REFERENCE:
        raise tokens.unexpected("an entity's number", start)
    parameters = _Parameters(tokens)
    number = parameters.number(text, start)
    tokens.point(b"=")
    kind, start, text = tokens.token()
    if kind == KEYWORD:
        tokens.point(b"(")
        record = Record(number=number, offset=offset, keyword=_upper(text), parameters=parameters.read())
    elif kind == POINT and text == b"(":
        record = Record(number=number, offset=offset, keyword=None, partials=_partials(tokens, parameters))
    else:
        raise tokens.unexpected("a keyword", start)
    tokens.point(b";")
    tokens.close_window()
    return record


def _partials(tokens: Tokens, parameters: _Parameters) -> tuple[tuple[str, tuple[Value, ...]], ...]:
    partials: list[tuple[str, tuple[Value, ...]]] = []
    while True:
        kind, start, text = tokens.token()
        if kind == POINT and text == b")" and partials:
            return tuple(partials)
        if kind != KEYWORD:
            raise tokens.unexpected("a partial record", start)
        tokens.point(b"(")
        partials.append((_upper(text), parameters.read()))


class _Parameters:
    """Reads parameter lists.

    Args:
        tokens: to read from.
        converts: whether numbers and strings are converted; if not, other values stand for them.
    """

    __slots__ = ("_converts", "_tokens")

    def __init__(self, tokens: Tokens, *, converts: bool = True) -> None:
        self._tokens = tokens
        self._converts = converts

    def read(self) -> tuple[Value, ...]:
        """Read from behind the opening parenthesis to behind the closing one."""
        outer: list[tuple[list[Value], str | None]] = []
        items: list[Value] = []
        keyword: str | None = None  # of the typed value that is being read; None in aggregates and the list itself
        while True:
            kind, start, text = self._tokens.token()
            if kind == KEYWORD or (kind == POINT and text == b"("):
                outer.append((items, keyword))
                items, keyword = [], _upper(text) if kind == KEYWORD else None
                if kind == KEYWORD:
                    start = self._tokens.point(b"(")
                if len(outer) > MAX_DEPTH:
                    raise step_error("depth", start, f"at most {MAX_DEPTH} parentheses in each other", "another")
                continue
            if kind == POINT and text == b")" and not items and keyword is None:
                closes = True
            else:
                items.append(self._value(kind, start, text))
                closes = self._closes(keyword)
            while closes:
                if not outer:
                    return tuple(items)
                value: Value = tuple(items) if keyword is None else Typed(keyword, items[0])
                items, keyword = outer.pop()
                items.append(value)
                closes = self._closes(keyword)

    def _closes(self, keyword: str | None) -> bool:
        """Read what stands behind a value: whether it is a parenthesis, not a comma."""
        kind, start, text = self._tokens.token()
        if kind == POINT:
            if text == b")":
                return True
            if text == b"," and keyword is None:
                return False
        raise self._tokens.unexpected("')'" if keyword else "',' or ')'", start)

    def _value(self, kind: int, start: int, text: bytes) -> Value:
        value: Value
        if kind == REFERENCE:
            value = Reference(self.number(text, start))
        elif kind == REAL:
            value = self._real(text, start)
        elif kind == STRING:
            value = self._string(text, start)
        elif kind == ENUMERATION:
            value = Enumeration(_upper(text))
        elif kind == INTEGER:
            value = self._integer(text, start)
        elif kind == BINARY:
            value = Binary(_upper(text))
        elif text in _MISSING:
            value = _MISSING[text]
        else:
            raise self._tokens.unexpected("a parameter", start)
        return value

    def number(self, digits: bytes, start: int) -> int:
        """Convert the number of an entity."""
        significant = digits.lstrip(b"0")
        if len(significant) <= 20 and (number := int(significant or b"0")) <= MAX_NUMBER:
            return number
        if self._converts:
            raise self._tokens.unexpected(f"a number up to {MAX_NUMBER}", start, "number_overflow")
        return 0

    def _integer(self, text: bytes, start: int) -> int:
        significant = text.lstrip(b"+-").lstrip(b"0")
        if len(significant) <= MAX_DIGITS:
            magnitude = int(significant or b"0")
            return -magnitude if text.startswith(b"-") else magnitude
        if self._converts:
            raise self._tokens.unexpected(f"an integer of at most {MAX_DIGITS} digits", start, "number_overflow")
        return 0

    def _real(self, text: bytes, start: int) -> float:
        value = float(text)
        if math.isinf(value):
            if self._converts:
                raise self._tokens.unexpected("a real of binary64", start, "number_overflow")
            return 0.0
        return value + 0.0  # which makes −0 to 0

    def _string(self, text: bytes, start: int) -> str | Octets:
        raw = self._tokens.string(start, text)
        if not self._converts:
            return ""
        try:
            value = decode_string(raw)
        except ValueError as error:
            raise self._tokens.unexpected(f"a sound string ({error})", start, "string_encoding") from None
        return value if isinstance(value, str) else Octets(value)


def _upper(text: bytes) -> str:
    return text.upper().decode("ascii")
