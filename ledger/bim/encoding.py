"""The bytes of a value: enc(v). Source: docs/bim-fingerprint.md sections 1 and 4."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from struct import Struct
from typing import Final

from ledger.bim.schema import EntityRule
from ledger.bim.step import NULL, Binary, Enumeration, Missing, Octets, Reference, Typed, Value

__all__ = ["DERIVED_MARK", "ITSELF", "LEFT_OUT", "NULL_MARK", "Encoder", "counted", "length_prefixed", "u32"]

NULL_MARK: Final = b"N"
DERIVED_MARK: Final = b"D"
ITSELF: Final = b"Z"
LEFT_OUT: Final = b"X"
_UNORDERED: Final = frozenset("BS")
_REAL: Final = Struct(">cd")


def u32(number: int) -> bytes:
    """Return four bytes, big endian."""
    return number.to_bytes(4, "big")


def length_prefixed(text: str) -> bytes:
    """Return str(text): the length in bytes of its UTF-8 form, and these bytes."""
    data = text.encode()
    return u32(len(data)) + data


def counted(items: Sequence[bytes]) -> bytes:
    """Return u32(count) and the items one behind the other."""
    return u32(len(items)) + b"".join(items)


class Encoder:
    """Encodes values, with one way of encoding references.

    Args:
        types: aggregate kinds of defined types, see `SchemaTable.types`.
        reference: the encoding of a reference to the entity of a number.
    """

    __slots__ = ("_reference", "_types")

    def __init__(self, types: Mapping[str, str], reference: Callable[[int], bytes]) -> None:
        self._types = types
        self._reference = reference

    def parameters(self, parameters: Sequence[Value], rule: EntityRule | None) -> list[bytes]:
        """Encode each parameter of a record, by the table's rule where there is one."""
        if rule is None:
            return [self.value(value, ".") for value in parameters]
        attributes, known = rule.attributes, len(rule.attributes)
        return [
            DERIVED_MARK
            if value is NULL and index < known and attributes[index].derived
            else self.value(value, attributes[index].kind if index < known else ".")
            for index, value in enumerate(parameters)
        ]

    def value(self, value: Value, kind: str) -> bytes:
        """Encode a value.

        Args:
            value: nested at most 64 deep.
            kind: aggregate kinds from outside inwards and `r` or `.`, see `Attribute.kind`.
        """
        if isinstance(value, Reference):
            return self._reference(value.number)
        if isinstance(value, float):
            return _REAL.pack(b"R", value)
        if isinstance(value, tuple):
            return self._aggregate(value, kind)
        if isinstance(value, str):
            return b"S" + length_prefixed(value)
        if isinstance(value, Typed):
            inner = self.value(value.value, self._types.get(value.keyword, "."))
            return b"T" + length_prefixed(value.keyword) + inner
        return _simple(value, kind)

    def _aggregate(self, values: tuple[Value, ...], kind: str) -> bytes:
        if len(kind) == 1:  # deeper than the table says
            return b"L" + counted([self.value(value, ".") for value in values])
        inner = kind[1:]
        items = [self.value(value, inner) for value in values]
        return b"M" + counted(sorted(items)) if kind[0] in _UNORDERED else b"L" + counted(items)


def _simple(value: Missing | int | Octets | Enumeration | Binary, kind: str) -> bytes:
    match value:
        case Missing():
            return NULL_MARK if value is NULL else DERIVED_MARK
        case Enumeration(name):
            return b"E" + length_prefixed(name)
        case Octets(octets):
            return b"O" + u32(len(octets)) + octets
        case Binary(digits):
            return b"B" + length_prefixed(digits)
    return _REAL.pack(b"R", float(value)) if kind == "r" else b"I" + length_prefixed(str(value))
