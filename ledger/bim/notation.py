"""The readable notation: values and entities as text from which their encodings and digests follow again.

A tree of nodes, each with its encoding, is made by `ledger.bim.reader` from a model or by `ledger.bim.notation_parser`
from text; `render` writes it. No schema is needed to compute a digest: the notation itself says what is unordered,
derived or a real. Source: docs/bim-fingerprint.md section 10.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import Final

from ledger.bim.schema import Aspect
from ledger.texts import REFUSED_SIGNS

__all__ = [
    "DERIVED",
    "ITSELF",
    "LEFT_OUT",
    "NULL",
    "Aggregate",
    "AspectNode",
    "Atom",
    "Elided",
    "Entity",
    "Form",
    "Node",
    "Repeated",
    "Typed",
    "aggregate",
    "binary",
    "enumeration",
    "integer",
    "octets",
    "quoted",
    "real",
    "real_text",
    "render",
    "rooted",
    "text",
]

_ESCAPED: Final = re.compile(rf"['\\{REFUSED_SIGNS}]")
_SMALLEST_FIXED, _LARGEST_FIXED = -6, 21  # ECMAScript writes 1e-6 and 1e20 without an exponent


class Form(StrEnum):
    """How an entity enters a digest; the value is its letter."""

    ENTITY = "e"
    DESCRIBER = "i"
    RELATIONSHIP = "r"


@dataclass(frozen=True, slots=True)
class Atom:
    """A value without parts.

    Attributes:
        notation: its text.
        encoding: enc of section 4.
    """

    notation: str
    encoding: bytes

    @property
    def length(self) -> int:
        """Characters of the notation."""
        return len(self.notation)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An aggregate; make it with `aggregate`, which sorts an unordered one."""

    members: tuple[Node, ...]
    ordered: bool
    encoding: bytes
    length: int


@dataclass(frozen=True, slots=True)
class Typed:
    """A typed value such as `IFCLABEL('x')`."""

    keyword: str
    value: Node

    @property
    def encoding(self) -> bytes:
        """enc of section 4."""
        return b"T" + _keyword(self.keyword) + self.value.encoding

    @property
    def length(self) -> int:
        """Characters of the notation."""
        return len(self.keyword) + self.value.length + 2


@dataclass(frozen=True, slots=True)
class Elided:
    """An entity, a describer, a relationship or an aspect of which only the digest (32 bytes) is shown."""

    digest: bytes

    @property
    def encoding(self) -> bytes:
        """enc of section 4, where it is a value."""
        return b"H" + self.digest

    @property
    def length(self) -> int:
        """Characters of the notation."""
        return 65


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity shown in place.

    Attributes:
        records: keyword and parameters of each partial record, sorted by keyword; mostly one.
        inverses: what describes it, sorted by digest; none in a relationship.
        form: a resource entity (or a rooted one in its plain form), a describer of what stands before it, or a
            relationship with it.
        partial: whether it was written as partial records.
        digest: 32 bytes, computed.
        length: characters of the notation, computed.
    """

    records: tuple[tuple[str, tuple[Node, ...]], ...]
    inverses: tuple[Entity | Elided, ...] = ()
    form: Form = field(default=Form.ENTITY, kw_only=True)
    partial: bool = field(default=False, kw_only=True)
    digest: bytes = field(init=False, repr=False, compare=False)
    length: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = [b"i" if self.form is not Form.ENTITY else b"e"]
        if self.partial:
            parts.append(b"(" + _count(len(self.records)))
        length = 3 if self.partial else 1
        for keyword, parameters in self.records:
            parts.append(_keyword(keyword))
            parts.append(_count(len(parameters)))
            parts.extend([node.encoding for node in parameters])
            length += len(keyword) + _list_length(parameters)
        if self.form is not Form.RELATIONSHIP:
            parts.append(_count(len(self.inverses)))
            parts.extend([node.digest for node in self.inverses])
        else:
            length -= 1
        if self.inverses:
            length += _list_length(self.inverses)
        object.__setattr__(self, "digest", sha256(b"".join(parts)).digest())
        object.__setattr__(self, "length", length)

    @property
    def encoding(self) -> bytes:
        """enc of section 4, where it is a value."""
        return b"H" + self.digest

    @property
    def keyword(self) -> str:
        """The keyword; of several partial records the first."""
        return self.records[0][0]

    @property
    def parameters(self) -> tuple[Node, ...]:
        """The parameters; of several partial records those of the first."""
        return self.records[0][1]


@dataclass(frozen=True, slots=True)
class Repeated:
    """A reference to a rooted entity whose GlobalId occurs more than once: its plain form says which one is meant."""

    global_id: str
    plain: Entity | Elided

    @property
    def encoding(self) -> bytes:
        """enc of section 4."""
        return b"Q" + _string(self.global_id) + self.plain.digest

    @property
    def length(self) -> int:
        """Characters of the notation."""
        return 2 + len(quoted(self.global_id)) + self.plain.length


Node = Atom | Aggregate | Typed | Elided | Entity | Repeated


@dataclass(frozen=True, slots=True)
class AspectNode:
    """One aspect of an element.

    Attributes:
        aspect: which.
        keyword: the class in the aspect identity, else empty.
        attributes: index and value of each own attribute, in order.
        inverses: sorted by digest.
    """

    aspect: Aspect
    keyword: str
    attributes: tuple[tuple[int, Node], ...] = field(kw_only=True)
    inverses: tuple[Entity | Elided, ...] = field(default=(), kw_only=True)

    @property
    def digest(self) -> bytes:
        """The digest of section 6, 32 bytes."""
        parts = [b"a", bytes([self.aspect])]
        if self.aspect is Aspect.IDENTITY:
            parts.append(_string(self.keyword))
        parts.append(_count(len(self.attributes)))
        for index, node in self.attributes:
            parts.append(_count(index) + node.encoding)
        parts.append(_count(len(self.inverses)))
        parts.extend(node.digest for node in self.inverses)
        return sha256(b"".join(parts)).digest()

    def value(self, index: int) -> Node | None:
        """The value of an own attribute, None where it is not of this aspect."""
        return next((node for place, node in self.attributes if place == index), None)


NULL: Final = Atom("$", b"N")
DERIVED: Final = Atom("*", b"D")
ITSELF: Final = Atom("@", b"Z")
LEFT_OUT: Final = Atom("~", b"X")


def integer(digits: str) -> Atom:
    """An integer, from its decimal digits without leading zeros."""
    return Atom(digits, b"I" + _string(digits))


def real(value: float) -> Atom:
    """A real that is finite; −0 is 0."""
    return Atom(real_text(value), b"R" + struct.pack(">d", value + 0.0))


def text(value: str) -> Atom:
    """A text."""
    return Atom(quoted(value), b"S" + _string(value))


def octets(value: bytes) -> Atom:
    """A string whose bytes are not UTF-8."""
    return Atom(f"%{value.hex()}", b"O" + _count(len(value)) + value)


def enumeration(name: str) -> Atom:
    """An enumeration, logical or boolean, from its name without points."""
    return Atom(f".{name}.", b"E" + _string(name))


def binary(digits: str) -> Atom:
    """A binary, from its hex digits in upper case."""
    return Atom(f'"{digits}"', b"B" + _string(digits))


def rooted(global_id: str) -> Atom:
    """A reference to a rooted entity."""
    return Atom(f"#{quoted(global_id)}", b"G" + _string(global_id))


def aggregate(members: Iterable[Node], *, ordered: bool) -> Aggregate:
    """An aggregate; an unordered one is sorted by its members' encodings."""
    items = tuple(members) if ordered else tuple(sorted(members, key=lambda node: node.encoding))
    encoding = b"".join([b"L" if ordered else b"M", _count(len(items)), *(node.encoding for node in items)])
    return Aggregate(items, ordered, encoding, _list_length(items))


def quoted(value: str) -> str:
    """Write a text between apostrophes.

    Apostrophe and backslash are doubled; the signs that docs/formats.md section 1 refuses are written `\\u{hex}`.
    """
    return f"'{_ESCAPED.sub(_escape, value)}'" if _ESCAPED.search(value) else f"'{value}'"


def real_text(value: float) -> str:
    """Write a finite real: ECMAScript's shortest form with a point after the integer digits, and `E` for `e`."""
    shortest = repr(value + 0.0)
    if "e" not in shortest:
        return shortest[:-1] if shortest.endswith(".0") else shortest
    mantissa, exponent = shortest.split("e")
    sign = "-" if mantissa[0] == "-" else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits, power = whole + fraction, int(exponent)
    if power < _SMALLEST_FIXED or power >= _LARGEST_FIXED:
        return f"{sign}{whole}.{fraction}E{power:+d}"
    if power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{digits}"
    return f"{sign}{digits.ljust(power + 1, '0')}."


def render(node: Node | AspectNode) -> str:
    """Write a node or an aspect; what is read back from it has the same encoding."""
    out: list[str] = []
    if isinstance(node, AspectNode):
        out.append(f"{node.keyword}[")
        for place, (index, value) in enumerate(node.attributes):
            out.append(f",{index}:" if place else f"{index}:")
            _write(value, out.append)
        out.append("]")
        _write_inverses(node.inverses, out.append)
    else:
        _write(node, out.append)
    return "".join(out)


def _write(node: Node, put: Callable[[str], None]) -> None:
    if isinstance(node, Atom):
        put(node.notation)
    elif isinstance(node, Entity):
        put("" if node.form is Form.RELATIONSHIP else "#")
        put("(" if node.partial else "")
        for keyword, parameters in node.records:
            put(keyword)
            _write_list(parameters, "()", put)
        put(")" if node.partial else "")
        _write_inverses(node.inverses, put)
    elif isinstance(node, Typed):
        put(f"{node.keyword}(")
        _write(node.value, put)
        put(")")
    elif isinstance(node, Aggregate):
        _write_list(node.members, "()" if node.ordered else "{}", put)
    elif isinstance(node, Elided):
        put(f"#{node.digest.hex()}")
    else:
        put(f"#{quoted(node.global_id)}=")
        _write(node.plain, put)


def _write_inverses(inverses: Sequence[Node], put: Callable[[str], None]) -> None:
    if inverses:
        _write_list(inverses, "<>", put)


def _write_list(nodes: Sequence[Node], brackets: str, put: Callable[[str], None]) -> None:
    put(brackets[0])
    for place, node in enumerate(nodes):
        if place:
            put(",")
        _write(node, put)
    put(brackets[1])


def _escape(match: re.Match[str]) -> str:
    sign = match[0]
    return sign * 2 if sign in "'\\" else f"\\u{{{ord(sign):x}}}"


def _list_length(nodes: Sequence[Node]) -> int:
    return sum([node.length for node in nodes]) + max(len(nodes) - 1, 0) + 2


def _count(number: int) -> bytes:
    return number.to_bytes(4, "big")


@lru_cache(maxsize=2048)
def _keyword(value: str) -> bytes:
    return _string(value)


def _string(value: str) -> bytes:
    data = value.encode("utf-8")
    return len(data).to_bytes(4, "big") + data
