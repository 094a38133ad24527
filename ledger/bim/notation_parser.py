"""Reading the readable notation: strict, linear, of bounded depth, without a schema.

Only the canonical form is read: what `ledger.bim.notation.render` would write for the same tree, sign by sign.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final, NoReturn, TypeVar

from ledger.bim.notation import (
    DERIVED,
    ITSELF,
    LEFT_OUT,
    NULL,
    Aggregate,
    AspectNode,
    Atom,
    Elided,
    Entity,
    Form,
    Node,
    Repeated,
    Typed,
    aggregate,
    binary,
    enumeration,
    integer,
    octets,
    quoted,
    real,
    rooted,
    text,
)
from ledger.bim.schema import Aspect
from ledger.bim.step import MAX_DIGITS
from ledger.errors import MalformedError

__all__ = ["MAX_DEPTH", "parse_aspect", "parse_value"]

MAX_DEPTH: Final = 160
"""Brackets within brackets."""
_ROOT_PARAMETERS: Final = 4
_LONGEST_REAL: Final = 32
_END: Final = "\n"  # in no notation: texts write it as an escape

_KEYWORD: Final = re.compile(r"!?[A-Z_][A-Z0-9_]*")
_NAME: Final = re.compile(r"\.([A-Z0-9_]+)\.")
_NUMBER: Final = re.compile(r"(-?(?:0|[1-9][0-9]*))(\.[0-9]*(?:E[+-][0-9]+)?)?")
_QUOTED: Final = re.compile(r"'((?:[^'\\]|''|\\\\|\\u\{[0-9a-f]{1,4}\})*+)'")
_UNQUOTED: Final = re.compile(r"''|\\\\|\\u\{([0-9a-f]+)\}")
_BINARY: Final = re.compile(r'"([0-9A-F]*+)"')
_OCTETS: Final = re.compile(r"%((?:[0-9a-f]{2})*+)")
_DIGEST: Final = re.compile(r"#([0-9a-f]{64})")
_INDEX: Final = re.compile(r"(0|[1-9][0-9]{0,8}):")
_SIGNS: Final = {"$": NULL, "*": DERIVED, "@": ITSELF, "~": LEFT_OUT}
_CLOSING: Final = {"(": ")", "{": "}", "<": ">"}

_T = TypeVar("_T")


def parse_value(notation: str) -> Node:
    """Read a value or an entity.

    Args:
        notation: its text, without anything before or after.

    Raises:
        MalformedError: `notation`: not the canonical form; `depth`: nested more than `MAX_DEPTH` deep.
    """
    reader = _Reader(notation)
    return reader.whole(reader.value())


def parse_aspect(notation: str, aspect: Aspect) -> AspectNode | Elided:
    """Read an aspect of an element.

    Args:
        notation: its text, or `#` and 64 hex digits.
        aspect: which it is.

    Raises:
        MalformedError: see `parse_value`.
    """
    reader = _Reader(notation)
    return reader.whole(reader.elided() or reader.aspect(aspect))


class _Reader:
    """A place in a text, and how deep it is."""

    __slots__ = ("_at", "_depth", "_text")

    def __init__(self, notation: str) -> None:
        self._text = notation + _END  # so that there is always a sign to look at
        self._at = 0
        self._depth = 0

    def whole(self, result: _T) -> _T:
        if self._at != len(self._text) - 1:
            self._refuse("nothing more")
        return result

    def value(self) -> Node:
        read = _READERS.get(self._text[self._at])
        return self._typed() if read is None else read(self)

    def aspect(self, aspect: Aspect) -> AspectNode:
        keyword = self._keyword() if aspect is Aspect.IDENTITY else ""
        attributes: list[tuple[int, Node]] = []
        self._take("[")
        while not self._is("]"):
            if attributes:
                self._take(",")
            index = int(self._match(_INDEX, "an attribute index")[1])
            if attributes and index <= attributes[-1][0]:
                self._refuse("attributes in ascending order")
            attributes.append((index, self.value()))
        self._take("]")
        return AspectNode(aspect, keyword, attributes=tuple(attributes), inverses=self._inverses())

    def elided(self) -> Elided | None:
        match = _DIGEST.match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return Elided(bytes.fromhex(match[1]))

    def _reference(self) -> Node:
        if self._text.startswith("#'", self._at):
            self._at += 1
            global_id = self._string()
            if not self._is("="):
                return rooted(global_id)
            self._at += 1
            return Repeated(global_id, self.elided() or self._entity())
        return self.elided() or self._entity()

    def _entity(self) -> Entity:
        self._take("#")
        if not self._is("("):
            return Entity((self._record(self.value),), self._inverses())
        self._at += 1
        records = [self._record(self.value)]
        while not self._is(")"):
            records.append(self._record(self.value))
        self._at += 1
        if any(first[0] > second[0] for first, second in pairwise(records)):
            self._refuse("partial records in the order of their keywords")
        return Entity(tuple(records), self._inverses(), partial=True)

    def _inverse(self) -> Entity | Elided:
        if not self._is("#"):
            entity = Entity((self._record(self._parameter),), form=Form.RELATIONSHIP)
            if entity.parameters[:_ROOT_PARAMETERS] != (LEFT_OUT,) * _ROOT_PARAMETERS:
                self._refuse("a relationship without its first four parameters")
        elif (elided := self.elided()) is not None:
            return elided
        else:
            self._at += 1
            entity = Entity((self._record(self._parameter),), self._inverses(), form=Form.DESCRIBER)
            if LEFT_OUT in entity.parameters:
                self._refuse("a describer with all its parameters")
        if entity.parameters.count(ITSELF) != 1:
            self._refuse("exactly one @")
        return entity

    def _inverses(self) -> tuple[Entity | Elided, ...]:
        if not self._is("<"):
            return ()
        inverses = self._list("<", self._inverse)
        if not inverses or any(first.digest > second.digest for first, second in pairwise(inverses)):
            self._refuse("inverses in the order of their digests")
        return tuple(inverses)

    def _record(self, parameter: Callable[[], Node]) -> tuple[str, tuple[Node, ...]]:
        return self._keyword(), tuple(self._list("(", parameter))

    def _parameter(self) -> Node:
        """A parameter of an inverse form, which may be the described entity or left out."""
        return self._sign() if self._text[self._at] in "@~" else self.value()

    def _sign(self) -> Atom:
        self._at += 1
        return _SIGNS[self._text[self._at - 1]]

    def _text_value(self) -> Atom:
        return text(self._string())

    def _enumeration(self) -> Atom:
        return enumeration(self._match(_NAME, "an enumeration")[1])

    def _binary(self) -> Atom:
        return binary(self._match(_BINARY, "a binary")[1])

    def _octets(self) -> Atom:
        return octets(bytes.fromhex(self._match(_OCTETS, "hex digits")[1]))

    def _aggregate(self) -> Aggregate:
        opening = self._text[self._at]
        members = self._list(opening, self.value)
        if opening == "{" and any(first.encoding > second.encoding for first, second in pairwise(members)):
            self._refuse("members of an unordered aggregate in the order of their encodings")
        return aggregate(members, ordered=opening == "(")

    def _list(self, opening: str, member: Callable[[], _T]) -> list[_T]:
        closing, members = _CLOSING[opening], []
        self._enter(opening)
        if self._text[self._at] != closing:
            members.append(member())
            while self._text[self._at] == ",":
                self._at += 1
                members.append(member())
        self._leave(closing)
        return members

    def _typed(self) -> Typed:
        keyword = self._keyword()
        self._enter("(")
        value = self.value()
        self._leave(")")
        return Typed(keyword, value)

    def _number(self) -> Atom:
        match = self._match(_NUMBER, "a number")
        digits, fraction = match[1], match[2]
        if fraction is None:
            if digits == "-0" or len(digits.lstrip("-")) > MAX_DIGITS:
                self._refuse(f"an integer of at most {MAX_DIGITS} digits")
            return integer(digits)
        value = float(match[0]) if len(match[0]) <= _LONGEST_REAL else math.inf
        if not math.isfinite(value) or (atom := real(value)).notation != match[0]:
            self._refuse("a real in its shortest form")
        return atom

    def _string(self) -> str:
        match = self._match(_QUOTED, "a text between apostrophes")
        value = match[1] if "'" not in match[1] and "\\" not in match[1] else _UNQUOTED.sub(_unescape, match[1])
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            self._refuse("a text without lone surrogates")
        if quoted(value) != match[0]:
            self._refuse("a text in its shortest form, refused signs escaped")
        return value

    def _keyword(self) -> str:
        return self._match(_KEYWORD, "a keyword")[0]

    def _match(self, pattern: re.Pattern[str], expected: str) -> re.Match[str]:
        match = pattern.match(self._text, self._at)
        if match is None:
            self._refuse(expected)
        self._at = match.end()
        return match

    def _is(self, sign: str) -> bool:
        return self._text[self._at] == sign

    def _take(self, sign: str) -> None:
        if self._text[self._at] != sign:
            self._refuse(sign)
        self._at += 1

    def _enter(self, opening: str) -> None:
        self._take(opening)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise MalformedError(
                f"expected at most {MAX_DEPTH} brackets within brackets, got more", code="depth", where=self._where
            )

    def _leave(self, closing: str) -> None:
        self._take(closing)
        self._depth -= 1

    @property
    def _where(self) -> str:
        return f"character {self._at}"

    def _refuse(self, expected: str) -> NoReturn:
        met = self._text[self._at : self._at + 20].removesuffix(_END)
        raise MalformedError(f"expected {expected}, got {met!r}", code="notation", where=self._where)


def _unescape(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else match[0][0]


_READERS: Final[Mapping[str, Callable[[_Reader], Node]]] = {
    **dict.fromkeys("$*", _Reader._sign),
    **dict.fromkeys("({", _Reader._aggregate),
    **dict.fromkeys("-0123456789", _Reader._number),
    "'": _Reader._text_value,
    "#": _Reader._reference,
    ".": _Reader._enumeration,
    '"': _Reader._binary,
    "%": _Reader._octets,
}
