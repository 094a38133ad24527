"""Making a proof short: which parts of an element are shown by their digests only, in a fixed order.

The order, each step only while the proof is too long:
1. the aspects geometry and ownership (always, unless everything was asked for);
2. representations and their items within the aspects relations, type, properties and material, the longest first;
3. relationships, property sets and attributes of the aspects relations and properties: the shortest that suffices,
   otherwise the longest;
4. these two aspects as a whole;
5. likewise parts, then the whole, of geometry and ownership (where they were asked for), placement, type, material;
6. entities within the aspect identity, which itself is always shown.
"""

from __future__ import annotations

import operator
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from ledger.bim.notation import Aggregate, AspectNode, Elided, Entity, Node, Repeated, Typed, aggregate, render
from ledger.bim.schema import Aspect, SchemaTable

__all__ = ["elide", "notation_bytes"]

_SHAPES: Final = (
    "IFCCONNECTIONGEOMETRY",
    "IFCPRODUCTREPRESENTATION",
    "IFCREPRESENTATION",
    "IFCREPRESENTATIONCONTEXT",
    "IFCREPRESENTATIONITEM",
    "IFCREPRESENTATIONMAP",
)
_SHAPED: Final = (Aspect.RELATIONS, Aspect.TYPE, Aspect.PROPERTIES, Aspect.MATERIAL)
_BULK: Final = (Aspect.RELATIONS, Aspect.PROPERTIES)
_REST: Final = (Aspect.GEOMETRY, Aspect.OWNERSHIP, Aspect.PLACEMENT, Aspect.TYPE, Aspect.MATERIAL)
_DIGEST_BYTES: Final = 65

Aspects = list[AspectNode | Elided]


def notation_bytes(node: Node | AspectNode) -> int:
    """How long a node is as a JSON string, its quotation marks left out."""
    notation = render(node)  # which has no control characters: only these two are escaped
    return len(notation.encode("utf-8")) + notation.count('"') + notation.count("\\")


def elide(aspects: Sequence[AspectNode | Elided], excess: int, *, table: SchemaTable) -> Aspects:
    """Return the aspects shortened in the order of the module, steps 2 to 6.

    Args:
        aspects: eight.
        excess: how many bytes have to go; where that can't be, all goes that may.
        table: of the schema, to know what is a representation.
    """
    shortened = list(aspects)
    shapes = [one for aspect in _SHAPED for one in _shapes(_parts(shortened[aspect]), table)]  # (2)
    excess = _take(shortened, shapes, excess, longest=True)
    for group in (_BULK, *((aspect,) for aspect in _REST)):
        parts = [part for aspect in group for part in _parts(shortened[aspect])]  # (3), (5)
        excess = _take(shortened, parts, excess)
        for aspect in group:  # (4), (5)
            node = shortened[aspect]
            if excess > 0 and isinstance(node, AspectNode):
                excess -= notation_bytes(node) - _DIGEST_BYTES
                shortened[aspect] = Elided(node.digest)
    _take(shortened, _parts(shortened[Aspect.IDENTITY]), excess)  # (6)
    return shortened


def _take(aspects: Aspects, parts: Iterable[Entity], excess: int, *, longest: bool = False) -> int:
    """Elide parts until nothing is too long; returns what still is."""
    gains = sorted(
        ((gain, part) for part in parts if (gain := notation_bytes(part) - _DIGEST_BYTES) > 0), key=lambda one: one[0]
    )
    chosen: set[int] = set()
    while excess > 0 and gains:
        place = len(gains) if longest else bisect_left(gains, excess, key=lambda one: one[0])
        gain, part = gains.pop(min(place, len(gains) - 1))
        excess -= gain
        chosen.add(id(part))
    if chosen:
        aspects[:] = [_without(node, chosen) if isinstance(node, AspectNode) else node for node in aspects]
    return excess


def _parts(node: AspectNode | Elided) -> list[Entity]:
    """The relationships, describers and entities that an aspect shows at its first level."""
    if isinstance(node, Elided):
        return []
    values = [found for _, value in node.attributes for found in _entities(value)]
    return [*values, *(inverse for inverse in node.inverses if isinstance(inverse, Entity))]


def _entities(node: Node) -> Iterator[Entity]:
    """The entities shown in a value, without those within them."""
    match node:
        case Entity():
            yield node
        case Typed():
            yield from _entities(node.value)
        case Repeated():
            yield from _entities(node.plain)
        case Aggregate():
            for member in node.members:
                yield from _entities(member)


def _shapes(parts: Iterable[Entity], table: SchemaTable) -> Iterator[Entity]:
    for part in parts:
        if any(table.is_a(part.keyword, shape) for shape in _SHAPES):
            yield part
            continue
        within = [found for _, parameters in part.records for value in parameters for found in _entities(value)]
        yield from _shapes([*within, *(one for one in part.inverses if isinstance(one, Entity))], table)


def _without(node: AspectNode, chosen: set[int]) -> AspectNode:
    return replace(
        node,
        attributes=tuple((index, _cut(value, chosen)) for index, value in node.attributes),
        inverses=tuple(_cut_entity(inverse, chosen) for inverse in node.inverses),
    )


def _cut(node: Node, chosen: set[int]) -> Node:
    """The node without what was chosen; what holds nothing of it stays the same object."""
    cut: Node = node
    match node:
        case Entity():
            cut = _cut_entity(node, chosen)
        case Typed():
            value = _cut(node.value, chosen)
            cut = node if value is node.value else Typed(node.keyword, value)
        case Repeated():
            plain = _cut_entity(node.plain, chosen)
            cut = node if plain is node.plain else Repeated(node.global_id, plain)
        case Aggregate():
            members = [_cut(member, chosen) for member in node.members]
            cut = node if _same(members, node.members) else aggregate(members, ordered=node.ordered)
    return cut


def _cut_entity(node: Entity | Elided, chosen: set[int]) -> Entity | Elided:
    if isinstance(node, Elided):
        return node
    if id(node) in chosen:
        return Elided(node.digest)
    records = [(keyword, [_cut(value, chosen) for value in values]) for keyword, values in node.records]
    inverses = [_cut_entity(inverse, chosen) for inverse in node.inverses]
    if _same(inverses, node.inverses) and all(
        _same(values, before) for (_, values), (_, before) in zip(records, node.records, strict=True)
    ):
        return node
    return replace(
        node, records=tuple((keyword, tuple(values)) for keyword, values in records), inverses=tuple(inverses)
    )


def _same(nodes: Sequence[Node], before: Sequence[Node]) -> bool:
    return all(map(operator.is_, nodes, before))
