"""A STEP reader and writer of the tests' own, which shares no code with the one that is tested.

It keeps every value as it is spelled and where it stands, and trusts its input: sound models only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

TOKEN: Final = re.compile(
    rb"""(?P<space>[\x00-\x20]+|/\*.*?\*/)
    |(?P<string>'(?:[^']|'')*')
    |(?P<binary>"[0-9A-Fa-f]*")
    |(?P<reference>\#[0-9]+)
    |(?P<enumeration>\.[A-Za-z0-9_]+\.)
    |(?P<real>[+-]?[0-9]+(?:\.[0-9]*(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+))
    |(?P<integer>[+-]?[0-9]+)
    |(?P<keyword>!?[A-Za-z_][A-Za-z0-9_-]*)
    |(?P<mark>[$*(),;=])""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Value:
    """A parameter as it is spelled.

    Attributes:
        kind: `$`, `*`, `integer`, `real`, `string`, `enumeration`, `binary`, `reference`, `aggregate` or `typed`.
        raw: its bytes; without the marks around strings, enumerations and binaries; the keyword of a typed value.
        parts: members of an aggregate, the one parameter of a typed value.
        span: where it stands in the text it was read from.
    """

    kind: str
    raw: bytes = b""
    parts: tuple[Value, ...] = ()
    span: tuple[int, int] = (0, 0)

    @property
    def number(self) -> int:
        """The entity that a reference names."""
        return int(self.raw)


@dataclass(frozen=True, slots=True)
class Record:
    keyword: bytes
    parameters: tuple[Value, ...]
    span: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity; several records where it has several partial ones."""

    number: int
    records: tuple[Record, ...]
    span: tuple[int, int] = (0, 0)

    @property
    def keyword(self) -> str:
        """In upper case; empty where there are several records."""
        return self.records[0].keyword.decode("ascii").upper() if len(self.records) == 1 else ""

    @property
    def parameters(self) -> tuple[Value, ...]:
        return self.records[0].parameters if len(self.records) == 1 else ()

    def with_parameters(self, parameters: Iterable[Value]) -> Entity:
        return replace(self, records=(replace(self.records[0], parameters=tuple(parameters)),))


@dataclass(frozen=True, slots=True)
class StepText:
    """A model: the bytes up to the data, FILE_SCHEMA, the entities in their order."""

    header: bytes
    schema: str
    entities: tuple[Entity, ...]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    raw: bytes
    start: int
    end: int


def _tokens(text: bytes, start: int) -> Iterator[_Token]:
    position = start
    while position < len(text):
        found = TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            raise ValueError(f"no token at {position}: {text[position : position + 20]!r}")
        position = found.end()
        if found.lastgroup != "space":
            yield _Token(found.lastgroup, found.group(), found.start(), position)


def read(text: bytes) -> StepText:
    """Read a sound model; its DATA section begins on a line of its own."""
    data = re.search(rb"^DATA\s*;", text, re.MULTILINE)
    schema = re.search(rb"FILE_SCHEMA\s*\(\s*\(\s*'([^']*)'", text)
    if data is None or schema is None:
        raise ValueError("no data or no schema")
    tokens = _tokens(text, data.end())
    entities = []
    for first in tokens:
        if first.kind != "reference":
            break
        _expect(tokens, b"=")
        entities.append(_entity(first, tokens))
    return StepText(text[: data.end()], schema.group(1).decode("ascii"), tuple(entities))


def _expect(tokens: Iterator[_Token], raw: bytes) -> _Token:
    token = next(tokens)
    if token.raw != raw:
        raise ValueError(f"expected {raw!r}, got {token.raw!r} at {token.start}")
    return token


def _entity(first: _Token, tokens: Iterator[_Token]) -> Entity:
    token = next(tokens)
    records = []
    if token.raw == b"(":
        while (token := next(tokens)).raw != b")":
            records.append(_record(token, tokens))
    else:
        records.append(_record(token, tokens))
    end = _expect(tokens, b";").end
    return Entity(int(first.raw[1:]), tuple(records), (first.start, end))


def _record(keyword: _Token, tokens: Iterator[_Token]) -> Record:
    opening = _expect(tokens, b"(")
    aggregate = _value(opening, tokens)
    return Record(keyword.raw, aggregate.parts, (keyword.start, aggregate.span[1]))


def _value(token: _Token, tokens: Iterator[_Token]) -> Value:
    span = (token.start, token.end)
    match token.kind:
        case "string" | "enumeration" | "binary":
            return Value(token.kind, token.raw[1:-1], span=span)
        case "reference":
            return Value(token.kind, token.raw[1:], span=span)
        case "integer" | "real":
            return Value(token.kind, token.raw, span=span)
        case "keyword":
            inner = _value(_expect(tokens, b"("), tokens)
            return Value("typed", token.raw, inner.parts, (token.start, inner.span[1]))
    if token.raw in (b"$", b"*"):
        return Value(token.raw.decode("ascii"), span=span)
    if token.raw != b"(":
        raise ValueError(f"expected a value, got {token.raw!r} at {token.start}")
    parts = []
    token = next(tokens)
    while token.raw != b")":
        parts.append(_value(token, tokens))
        token = next(tokens)
        if token.raw == b",":
            token = next(tokens)
    return Value("aggregate", b"", tuple(parts), (span[0], token.end))


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a model is written.

    Attributes:
        space: what stands between two tokens, asked for each place.
        scalar: the spelling of a number or string: the value and its aggregate kind (`r` where the schema says REAL).
        keyword: the spelling of a keyword or enumeration.
        reference: the spelling of an entity's number.
    """

    space: Callable[[], bytes] = lambda: b""
    scalar: Callable[[Value, str], bytes] = lambda value, _kind: value.raw
    keyword: Callable[[bytes], bytes] = lambda raw: raw
    reference: Callable[[int], bytes] = lambda number: b"%d" % number


PLAIN: Final = Spelling()
Kinds = Callable[[str, int], str]


def no_kinds(_keyword: str, _index: int) -> str:
    return "."


def write(model: StepText, spelling: Spelling = PLAIN, *, kinds: Kinds = no_kinds, line_end: bytes = b"\n") -> bytes:
    """Write a model.

    Args:
        model: what to write.
        spelling: how.
        kinds: aggregate kinds by upper-case keyword and index; -1 asks for those of a defined type.
        line_end: what follows an entity.
    """
    out = [model.header, line_end]
    space = spelling.space
    for entity in model.entities:
        out += [b"#", spelling.reference(entity.number), space(), b"=", space()]
        if len(entity.records) > 1:
            out += [b"(", space()]
        for record in entity.records:
            keyword = record.keyword.decode("ascii").upper()
            out += [spelling.keyword(record.keyword), space(), b"(", space()]
            for index, value in enumerate(record.parameters):
                if index:
                    out += [space(), b",", space()]
                kind = kinds(keyword, index) if len(entity.records) == 1 else "."
                _write_value(value, kind, out, spelling, kinds)
            out += [space(), b")", space()]
        if len(entity.records) > 1:
            out += [b")", space()]
        out += [b";", space(), line_end]
    out += [b"ENDSEC;", line_end, space(), b"END-ISO-10303-21;", line_end, space()]
    return b"".join(out)


def _write_value(value: Value, kind: str, out: list[bytes], spelling: Spelling, kinds: Kinds) -> None:
    space = spelling.space
    match value.kind:
        case "$" | "*":
            out.append(value.kind.encode("ascii"))
        case "reference":
            out += [b"#", spelling.reference(value.number)]
        case "string":
            out += [b"'", spelling.scalar(value, kind), b"'"]
        case "enumeration":
            out += [b".", spelling.keyword(value.raw), b"."]
        case "binary":
            out += [b'"', spelling.keyword(value.raw), b'"']
        case "integer" | "real":
            out.append(spelling.scalar(value, kind))
        case _:
            inner = kind[1:] if len(kind) > 1 else "."
            if value.kind == "typed":
                out += [spelling.keyword(value.raw), space()]
                inner = kinds(value.raw.decode("ascii").upper(), -1)
            out += [b"(", space()]
            for index, part in enumerate(value.parts):
                if index:
                    out += [space(), b",", space()]
                _write_value(part, inner, out, spelling, kinds)
            out += [space(), b")"]


def references(value: Value) -> Iterator[Value]:
    """Every reference in a value, its own first."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if value.kind == "reference":
            yield value
        waiting.extend(reversed(value.parts))
