"""Values, units and properties as short texts for people and for looking elements up, from nodes of the notation."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from ledger.bim.notation import Aggregate, Atom, Elided, Entity, Node, Repeated, Typed, real_text
from ledger.bim.schema import SchemaTable, table_for
from ledger.bim.source import PropertyRow

__all__ = ["attribute", "property_rows", "rooted_reference", "text_of", "unit_text"]

_ROOT_ATTRIBUTES: Final = 4
_NAME: Final = 2
_MAX_NESTING: Final = 8
_LOGICAL: Final = {"T": "true", "F": "false", "U": "unknown"}
_PREFIXES: Final = {
    "EXA": "E",
    "PETA": "P",
    "TERA": "T",
    "GIGA": "G",
    "MEGA": "M",
    "KILO": "k",
    "HECTO": "h",
    "DECA": "da",
    "DECI": "d",
    "CENTI": "c",
    "MILLI": "m",
    "MICRO": "µ",
    "NANO": "n",
    "PICO": "p",
    "FEMTO": "f",
    "ATTO": "a",
}
_SI_UNITS: Final = {
    "AMPERE": "A",
    "BECQUEREL": "Bq",
    "CANDELA": "cd",
    "COULOMB": "C",
    "CUBIC_METRE": "m³",
    "DEGREE_CELSIUS": "°C",
    "FARAD": "F",
    "GRAM": "g",
    "GRAY": "Gy",
    "HENRY": "H",
    "HERTZ": "Hz",
    "JOULE": "J",
    "KELVIN": "K",
    "LUMEN": "lm",
    "LUX": "lx",
    "METRE": "m",
    "MOLE": "mol",
    "NEWTON": "N",
    "OHM": "Ω",
    "PASCAL": "Pa",
    "RADIAN": "rad",
    "SECOND": "s",
    "SIEMENS": "S",
    "SIEVERT": "Sv",
    "SQUARE_METRE": "m²",
    "STERADIAN": "sr",
    "TESLA": "T",
    "VOLT": "V",
    "WATT": "W",
    "WEBER": "Wb",
}
# The values of each kind of property, and what stands between two of them.
_VALUES: Final = {
    "IFCPROPERTYSINGLEVALUE": (("NominalValue",), ""),
    "IFCPROPERTYENUMERATEDVALUE": (("EnumerationValues",), ""),
    "IFCPROPERTYLISTVALUE": (("ListValues",), ""),
    "IFCPROPERTYBOUNDEDVALUE": (("LowerBoundValue", "UpperBoundValue"), " … "),
    "IFCPROPERTYTABLEVALUE": (("DefiningValues", "DefinedValues"), " → "),
    "IFCPROPERTYREFERENCEVALUE": (("PropertyReference",), ""),
    "IFCQUANTITYAREA": (("AreaValue",), ""),
    "IFCQUANTITYCOUNT": (("CountValue",), ""),
    "IFCQUANTITYLENGTH": (("LengthValue",), ""),
    "IFCQUANTITYNUMBER": (("NumberValue",), ""),
    "IFCQUANTITYTIME": (("TimeValue",), ""),
    "IFCQUANTITYVOLUME": (("VolumeValue",), ""),
    "IFCQUANTITYWEIGHT": (("WeightValue",), ""),
}
_MEMBERS: Final = ("HasProperties", "Quantities", "HasQuantities")


def text_of(node: Node | None) -> str:
    """Return a value as text: texts as they are, numbers in shortest digits, `true` and `false`, nothing for `$`.

    An entity in place is its name or its class, one that is only referred to its GlobalId, an elided one `…`.
    """
    text = ""
    match node:
        case Atom():
            text = _atom(node)
        case Typed():
            text = text_of(node.value)
        case Aggregate():
            text = ", ".join(filter(None, map(text_of, node.members)))
        case Entity():
            name = next((text_of(value) for value in node.parameters if value.encoding[:1] == b"S"), "")
            text = name or node.keyword
        case Elided():
            text = "…"
        case Repeated():
            text = node.global_id
    return text


def _atom(atom: Atom) -> str:
    kind, rest = atom.encoding[:1], atom.encoding[5:]
    if kind == b"R":
        return real_text(struct.unpack(">d", atom.encoding[1:])[0]).removesuffix(".")
    if kind in (b"S", b"G", b"I", b"B"):
        return rest.decode("utf-8")
    if kind == b"E":
        name = rest.decode("ascii")
        return _LOGICAL.get(name, name)
    return rest.hex() if kind == b"O" else ""


def rooted_reference(node: Node | None) -> str | None:
    """Return the GlobalId a reference names, None where the value is no reference to a rooted entity."""
    if isinstance(node, Repeated):
        return node.global_id
    if isinstance(node, Atom) and node.encoding[:1] == b"G":
        return text_of(node)
    return None


def attribute(entity: Entity, name: str, table: SchemaTable) -> Node | None:
    """Return the attribute of a name, None where schema or entity does not have it."""
    place = None if entity.partial else _place(table.name, entity.keyword, name)
    return entity.parameters[place] if place is not None and place < len(entity.parameters) else None


@lru_cache(maxsize=4096)
def _place(schema: str, keyword: str, name: str) -> int | None:
    rule = table_for(schema).entities.get(keyword)
    known = () if rule is None else rule.attributes
    return next((index for index, one in enumerate(known) if one.name == name), None)


def unit_text(node: Node | None, table: SchemaTable) -> str | None:
    """Return a unit as text, such as `mm`; None where there is none in place or it has no name."""
    if not isinstance(node, Entity):
        return None
    if node.keyword == "IFCSIUNIT":
        name, prefix = (text_of(attribute(node, member, table)) for member in ("Name", "Prefix"))
        return _PREFIXES.get(prefix, prefix) + _SI_UNITS.get(name, name.lower())
    return text_of(attribute(node, "Name", table)) or text_of(attribute(node, "UserDefinedType", table)) or None


def property_rows(definition: Entity, table: SchemaTable) -> Iterator[PropertyRow]:
    """Yield the rows of a property or quantity set, predefined ones included; what is elided gives no row.

    Args:
        definition: the set in its plain form.
        table: of its schema.
    """
    rule = table.entities.get(definition.keyword)
    if rule is None or len(definition.parameters) <= _NAME:
        return
    title = text_of(definition.parameters[_NAME]) or rule.name
    members = next((found for name in _MEMBERS if (found := attribute(definition, name, table)) is not None), None)
    if isinstance(members, Aggregate):
        yield from _rows(members, title, "", table=table, nesting=0)
        return
    for known, value in zip(rule.attributes[_ROOT_ATTRIBUTES:], definition.parameters[_ROOT_ATTRIBUTES:], strict=False):
        if value.encoding[:1] not in (b"N", b"D", b"H"):
            yield title, known.name, text_of(value), None


def _rows(members: Aggregate, title: str, prefix: str, *, table: SchemaTable, nesting: int) -> Iterator[PropertyRow]:
    for member in members.members:
        if not isinstance(member, Entity):
            continue
        name = prefix + text_of(attribute(member, "Name", table))
        parts = next((found for part in _MEMBERS if (found := attribute(member, part, table)) is not None), None)
        if isinstance(parts, Aggregate):
            if nesting < _MAX_NESTING:
                yield from _rows(parts, title, f"{name}.", table=table, nesting=nesting + 1)
        elif member.keyword in _VALUES:
            names, between = _VALUES[member.keyword]
            value = between.join(text_of(attribute(member, part, table)) for part in names)
            yield title, name, value, unit_text(attribute(member, "Unit", table), table)
