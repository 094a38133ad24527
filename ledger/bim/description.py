"""What a proof shows of an element, for people: only what the notation says, nothing looked up elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.bim.notation import Aggregate, AspectNode, Atom, Elided, Entity, Form, Node, Repeated, Typed
from ledger.bim.schema import Aspect, SchemaTable, table_for
from ledger.bim.source import PropertyRow
from ledger.bim.values import attribute, property_rows, rooted_reference, text_of

__all__ = ["ElementDescription", "describe"]


@dataclass(frozen=True, slots=True)
class ElementDescription:
    """What is proved of an element, as texts of the model.

    Attributes:
        schema: FILE_SCHEMA of the model.
        global_id: its GlobalId.
        class_name: class as in the schema; the keyword where the schema does not have it; empty: not shown.
        name: attribute Name, empty where it has none or it is not shown.
        attributes: name and value of each own attribute of the aspect identity that is set, GlobalId excepted.
        types: GlobalIds of its types.
        materials: materials, with the thickness of layers as the model gives it.
        properties: rows of property and quantity sets.
        relations: class of the relationship, attribute and GlobalId of each element it is related to, and the element
            its placement is relative to (class `IfcLocalPlacement`).
        hidden: for each aspect how many parts are shown by digest only; −1: the whole aspect.
    """

    schema: str
    global_id: str
    class_name: str = field(kw_only=True)
    name: str = field(kw_only=True)
    attributes: tuple[tuple[str, str], ...] = field(kw_only=True)
    types: tuple[str, ...] = field(kw_only=True)
    materials: tuple[str, ...] = field(kw_only=True)
    properties: tuple[PropertyRow, ...] = field(kw_only=True)
    relations: tuple[tuple[str, str, str], ...] = field(kw_only=True)
    hidden: dict[str, int] = field(kw_only=True)

    def to_json(self) -> dict[str, Any]:
        """Return the description's JSON object."""
        return {
            "schema": self.schema,
            "global_id": self.global_id,
            "class": self.class_name,
            "name": self.name,
            "attributes": dict(self.attributes),
            "types": list(self.types),
            "materials": list(self.materials),
            "properties": [
                {"set": title, "name": name, "value": value, "unit": unit}
                for title, name, value, unit in self.properties
            ],
            "relations": [
                {"relationship": relationship, "attribute": role, "global_id": other}
                for relationship, role, other in self.relations
            ],
            "hidden": dict(self.hidden),
        }


def describe(schema: str, global_id: str, aspects: Sequence[AspectNode | Elided]) -> ElementDescription:
    """Describe an element.

    Args:
        schema: FILE_SCHEMA, for names of attributes.
        global_id: of the element.
        aspects: eight, verified.
    """
    table = table_for(schema)
    identity, relations = aspects[Aspect.IDENTITY], aspects[Aspect.RELATIONS]
    keyword = identity.keyword if isinstance(identity, AspectNode) else ""
    rule = table.entities.get(keyword)
    named = {}
    if isinstance(identity, AspectNode) and rule is not None:
        named = {
            rule.attributes[index].name: text_of(value)
            for index, value in identity.attributes
            if index and index < len(rule.attributes) and text_of(value)
        }
    return ElementDescription(
        schema,
        global_id,
        class_name=keyword if rule is None else rule.name,
        name=named.get("Name", ""),
        attributes=tuple(named.items()),
        types=tuple(other for _, _, other in _related(_inverses(aspects[Aspect.TYPE]), table)),
        materials=tuple(_materials(_inverses(aspects[Aspect.MATERIAL]), table)),
        properties=tuple(sorted(_rows(aspects[Aspect.PROPERTIES], table), key=lambda row: row[:2])),
        relations=(
            *_related(_inverses(relations), table),
            *_own_relations(relations, keyword, table),
            *_placed(aspects[Aspect.PLACEMENT], table),
        ),
        hidden={
            aspect.label: -1 if isinstance(node, Elided) else count
            for aspect, node in zip(Aspect, aspects, strict=True)
            if isinstance(node, Elided) or (count := sum(1 for part in _walk(node) if isinstance(part, Elided)))
        },
    )


def _inverses(node: AspectNode | Elided) -> list[Entity]:
    return [] if isinstance(node, Elided) else [one for one in node.inverses if isinstance(one, Entity)]


def _related(inverses: Sequence[Entity], table: SchemaTable) -> Iterator[tuple[str, str, str]]:
    for relationship in inverses:
        rule = table.entities.get(relationship.keyword)
        for index, value in enumerate(relationship.parameters):
            other = rooted_reference(value)
            if other is not None:
                known = rule is not None and index < len(rule.attributes)
                role = rule.attributes[index].name if rule is not None and known else str(index)
                yield (relationship.keyword if rule is None else rule.name), role, other


def _own_relations(node: AspectNode | Elided, keyword: str, table: SchemaTable) -> Iterator[tuple[str, str, str]]:
    """What a relationship itself relates."""
    rule = table.entities.get(keyword)
    if isinstance(node, Elided) or rule is None:
        return
    for index, value in node.attributes:
        for part in value.members if isinstance(value, Aggregate) else (value,):
            other = rooted_reference(part)
            if other is not None and index < len(rule.attributes):
                yield rule.name, rule.attributes[index].name, other


def _placed(node: AspectNode | Elided, table: SchemaTable) -> Iterator[tuple[str, str, str]]:
    if isinstance(node, Elided):
        return
    for _, value in node.attributes:
        if isinstance(value, Entity):
            rule = table.entities.get(value.keyword)
            parent = rooted_reference(attribute(value, "PlacementRelTo", table))
            if rule is not None and parent is not None:
                yield rule.name, "PlacementRelTo", parent


def _rows(node: AspectNode | Elided, table: SchemaTable) -> Iterator[PropertyRow]:
    if isinstance(node, AspectNode):
        for part in _walk(node):
            if isinstance(part, Entity) and part.form is Form.ENTITY:
                rule = table.entities.get(part.keyword)
                if rule is not None and rule.property_definition:
                    yield from property_rows(part, table)


def _materials(inverses: Sequence[Entity], table: SchemaTable) -> Iterator[str]:
    within: list[Node] = list(reversed(inverses))
    while within:
        part = within.pop()
        if not isinstance(part, Entity) or part.form is Form.DESCRIBER:
            continue
        if table.is_a(part.keyword, "IFCMATERIALLAYER"):
            name = text_of(attribute(part, "Material", table)) or "—"
            yield f"{name} · {text_of(attribute(part, 'LayerThickness', table))}"
        elif part.keyword == "IFCMATERIAL":
            yield text_of(attribute(part, "Name", table))
        else:
            for value in reversed(part.parameters):
                within.extend(reversed(value.members) if isinstance(value, Aggregate) else (value,))


def _walk(node: AspectNode) -> Iterator[Node]:
    """All nodes within an aspect that are not atoms, in the order of the notation."""
    pending: list[Node] = [*(value for _, value in node.attributes), *node.inverses]
    pending.reverse()
    while pending:
        part = pending.pop()
        parts: Sequence[Node] = ()
        match part:
            case Atom():
                continue
            case Entity():
                parts = [*(value for _, values in part.records for value in values), *part.inverses]
            case Typed():
                parts = (part.value,)
            case Repeated():
                parts = (part.plain,)
            case Aggregate():
                parts = part.members
        yield part
        pending.extend([one for one in reversed(parts) if type(one) is not Atom])
