"""Nodes of the readable notation out of a model.

A file decides how entities refer to each other, so what is shown in place is bounded: by a length for each own
attribute, relationship, describer and property set, and by a depth. What lies beyond is shown by the digest that the
kernel computed. Source: docs/bim-fingerprint.md sections 4 to 6 and 10.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Final

from ledger.bim.fingerprint import Fingerprint
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
    real,
    rooted,
    text,
)
from ledger.bim.scan import Step
from ledger.bim.schema import Aspect, EntityRule, SchemaTable, table_for
from ledger.bim.step import (
    Binary,
    Enumeration,
    Missing,
    Octets,
    Record,
    Reference,
    Value,
    read_entity,
)
from ledger.bim.step import Typed as TypedValue
from ledger.errors import MalformedError
from ledger.kept import Kept

__all__ = ["Shower", "pairs_of"]

_MAX_DEPTH: Final = 48
_MAX_HEIGHT: Final = 96  # with 64 aggregates in one entity still below what the parser takes
_MAX_LEVEL: Final = 2
_ROOT_ATTRIBUTES: Final = 4
_KEPT: Final = 4096

_Refer = Callable[[int, int], Node]
_by_digest = attrgetter("digest")


@dataclass(slots=True)
class _Room:
    """What is left of a length, and within how many describers of describers."""

    left: int
    level: int = 0


@dataclass(frozen=True, slots=True)
class _Unit:
    """A node that is shown whole or not at all, with the brackets within it."""

    node: Entity
    height: int


class Shower:
    """Makes nodes of one model's entities. An *entity* is an entity index of the scan.

    Args:
        step: the whole STEP file, unpacked.
        fingerprint: of these bytes.
        limit: about how many bytes of the file are shown for each unit.
    """

    def __init__(self, step: Step, fingerprint: Fingerprint, *, limit: int) -> None:
        self._step = memoryview(step)
        self._fingerprint = fingerprint
        self._scan = fingerprint.scan
        self._limit = limit
        self.table: SchemaTable = table_for(self._scan.schema)
        self.positions: dict[int, int] = {entity: place for place, entity in enumerate(self._scan.rooted)}
        """Leaf position of each rooted entity."""
        self._owners: dict[int, int] | None = None
        self._records: Kept[int, Record] = Kept(_KEPT)
        self._plain: Kept[int, _Unit | None] = Kept(_KEPT)
        self._relationships: Kept[tuple[int, int], _Unit | None] = Kept(_KEPT)
        self._describers: Kept[tuple[int, int], _Unit] = Kept(_KEPT)
        self._inverse_digests: dict[int, bytes] = {}

    # Entities

    def keyword(self, entity: int) -> str:
        """The keyword, empty for several partial records."""
        return self._scan.keywords[self._scan.keyword_of[entity]]

    def rule(self, entity: int) -> EntityRule | None:
        """What the schema knows of an entity."""
        return self.table.entities.get(self.keyword(entity))

    def index_of(self, number: int) -> int:
        """The entity of a number."""
        return bisect_left(self._scan.numbers, number)

    def record(self, entity: int) -> Record:
        """The record of a rooted entity; those read last are kept."""
        return self._records.get(entity, lambda: read_entity(self._step, self._scan.offsets[entity]))

    def entity(self, entity: int) -> Entity | Elided:
        """A resource entity in place."""
        return self._entity(entity, 0, _Room(self._limit))

    def plain(self, entity: int) -> Entity | Elided:
        """A rooted entity in its plain form."""
        unit = self._plain_unit(entity)
        return Elided(self._digest(entity)) if unit is None else unit.node

    def aspect(self, position: int, aspect: Aspect) -> AspectNode:
        """An aspect of an element."""
        entity = self._scan.rooted[position]
        record, rule = self.record(entity), self.rule(entity)
        definitions = aspect is Aspect.PROPERTIES
        attributes = []
        for index, value in enumerate(record.parameters):
            if _aspect_of(rule, index) is aspect:
                room = _Room(self._limit)
                refer = partial(self._refer, room, definitions=definitions)
                attributes.append((index, self._parameter(rule, index, value, 1, refer)))
        inverses: list[Entity | Elided] = []
        for referrer, index in pairs_of(self._scan.references, 3, position):
            unit = self._relationship(referrer, index, aspect)
            if unit is not None:
                inverses.append(unit.node)
        if aspect is Aspect.RELATIONS:
            inverses.extend(self._describing(entity, 1, _Room(self._limit)))
        keyword = (record.keyword or "") if aspect is Aspect.IDENTITY else ""
        return AspectNode(
            aspect, keyword, attributes=tuple(attributes), inverses=tuple(sorted(inverses, key=_by_digest))
        )

    def owners(self) -> dict[int, int]:
        """Leaf position of the rooted entity whose ObjectPlacement an entity is; −1 where several have it."""
        if self._owners is None:
            self._owners = {}
            places: dict[str, int | None] = {}
            for position, entity in enumerate(self._scan.rooted):
                keyword = self.keyword(entity)
                if keyword not in places:
                    places[keyword] = _placement_index(self.table.entities.get(keyword))
                index = places[keyword]
                if index is None:
                    continue
                parameters = read_entity(self._step, self._scan.offsets[entity]).parameters
                if index < len(parameters) and isinstance(value := parameters[index], Reference):
                    placement = self.index_of(value.number)
                    self._owners[placement] = -1 if placement in self._owners else position
        return self._owners

    # References

    def _refer(self, room: _Room, entity: int, depth: int, *, definitions: bool = False) -> Node:
        position = self.positions.get(entity)
        if position is None:
            return self._entity(entity, depth, room)
        if definitions and (rule := self.rule(entity)) is not None and rule.property_definition:
            return self._fitted(self._plain_unit(entity), self._digest(entity), depth, room)
        return self._rooted(position, depth, room)

    def _rooted(self, position: int, depth: int, room: _Room) -> Node:
        global_id = self._scan.global_ids[position]
        if global_id not in self._fingerprint.duplicates:
            return rooted(global_id)
        entity = self._scan.rooted[position]
        unit = self._plain_unit(entity) if depth < _MAX_DEPTH and room.left > 0 and room.level < _MAX_LEVEL else None
        return Repeated(global_id, self._fitted(unit, self._digest(entity), depth, room))

    def _refer_plainly(self, room: _Room, entity: int, depth: int) -> Node:
        """A reference within a plain form: rooted entities are always named by their GlobalIds."""
        position = self.positions.get(entity)
        return self._entity(entity, depth, room) if position is None else rooted(self._scan.global_ids[position])

    def _entity(self, entity: int, depth: int, room: _Room) -> Entity | Elided:
        elided = Elided(self._digest(entity))
        if depth > _MAX_DEPTH or room.left <= 0:
            return elided
        record = self._record_within(entity, room.left)
        count = sum(1 for _ in pairs_of(self._scan.describers, 2, entity))
        if record is None or count * elided.length > room.left:
            return elided
        refer = partial(self._refer, room)
        if record.keyword is None:
            rule = None
            partials = sorted(record.partials, key=lambda one: one[0])
        else:
            rule = self.rule(entity)
            partials = [(record.keyword, record.parameters)]
        room.left -= sum(_size(parameters) + len(keyword) for keyword, parameters in partials)
        records = tuple(
            (
                keyword,
                tuple(self._parameter(rule, index, value, depth + 1, refer) for index, value in enumerate(values)),
            )
            for keyword, values in partials
        )
        shown = Entity(records, self._describing(entity, depth, room), partial=record.keyword is None)
        return shown if shown.digest == elided.digest else elided

    def _plain_unit(self, entity: int) -> _Unit | None:
        return self._plain.get(entity, lambda: self._make_plain(entity))

    def _make_plain(self, entity: int) -> _Unit | None:
        record = self._record_within(entity, self._limit)
        if record is None:
            return None
        refer = partial(self._refer_plainly, _Room(self._limit, _MAX_LEVEL))
        rule = self.rule(entity)
        parameters = [
            NULL if index < 2 else self._parameter(rule, index, value, 1, refer)
            for index, value in enumerate(record.parameters)
        ]
        node = Entity(((record.keyword or "", tuple(parameters)),))
        return _Unit(node, _height(node)) if node.digest == self._digest(entity) else None

    def _fitted(self, unit: _Unit | None, digest: bytes, depth: int, room: _Room) -> Entity | Elided:
        """A unit where it fits, else its digest."""
        if unit is None or depth + unit.height > _MAX_HEIGHT or room.left <= 0:
            return Elided(digest)
        room.left -= unit.node.length
        return unit.node

    # Inverse forms

    def _describing(self, entity: int, depth: int, room: _Room) -> tuple[Entity | Elided, ...]:
        shown: list[Entity | Elided] = []
        for (describer,) in pairs_of(self._scan.describers, 2, entity):
            if room.level >= _MAX_LEVEL:
                shown.append(Elided(self._inverse_digest(describer)))
            else:
                unit = self._describer(describer, room.level)
                shown.append(self._fitted(unit, unit.node.digest, depth, room))
        return tuple(sorted(shown, key=_by_digest))

    def _describer(self, entity: int, level: int) -> _Unit:
        return self._describers.get((entity, level), lambda: self._make_describer(entity, level))

    def _make_describer(self, entity: int, level: int) -> _Unit:
        room = _Room(self._limit, level + 1)
        inverses = self._describing(entity, 1, room)
        node = self._inverse(entity, inverses, partial(self._refer, room))
        return _Unit(node, _height(node))

    def _inverse(self, entity: int, inverses: tuple[Entity | Elided, ...], refer: _Refer) -> Entity:
        record, rule = self.record(entity), self.rule(entity)
        describes = None if rule is None else rule.describes
        parameters = tuple(
            ITSELF if index == describes else self._parameter(rule, index, value, 1, refer)
            for index, value in enumerate(record.parameters)
        )
        return Entity(((record.keyword or "", parameters),), inverses, form=Form.DESCRIBER)

    def _inverse_digest(self, entity: int) -> bytes:
        """The inverse digest of a describer, without recursion: a file may have describers of describers of …"""
        pending = [entity]
        while pending:
            describers = [found for (found,) in pairs_of(self._scan.describers, 2, pending[-1])]
            missing = [found for found in describers if found not in self._inverse_digests]
            if missing:
                pending.extend(missing)
                continue
            described = pending.pop()
            inverses = sorted((Elided(self._inverse_digests[found]) for found in describers), key=_by_digest)
            refer = partial(self._refer, _Room(0, _MAX_LEVEL))
            self._inverse_digests[described] = self._inverse(described, tuple(inverses), refer).digest
        return self._inverse_digests[entity]

    def _relationship(self, referrer: int, index: int, aspect: Aspect) -> _Unit | None:
        rule = self.rule(self._scan.rooted[referrer])
        if rule is None or not rule.relationship or rule.inverse_aspect is not aspect:
            return None
        if not _ROOT_ATTRIBUTES <= index < len(rule.attributes):
            return None
        return self._relationships.get((referrer, index), lambda: self._make_relationship(referrer, index, rule))

    def _make_relationship(self, referrer: int, index: int, rule: EntityRule) -> _Unit | None:
        record = self.record(self._scan.rooted[referrer])
        keeps = rule.keeps_definition
        refer = partial(self._refer, _Room(self._limit), definitions=keeps is not None)
        parameters: list[Node] = []
        for place, value in enumerate(record.parameters):
            if place == index:
                parameters.append(ITSELF)
            elif place < _ROOT_ATTRIBUTES or (place != keeps and self._names_rooted(value)):
                parameters.append(LEFT_OUT)
            else:
                parameters.append(self._parameter(rule, place, value, 2, refer))
        if all(node in (ITSELF, LEFT_OUT, NULL, DERIVED) for node in parameters):
            return None
        node = Entity(((rule.keyword, tuple(parameters)),), form=Form.RELATIONSHIP)
        return _Unit(node, _height(node))

    def _names_rooted(self, value: Value) -> bool:
        """Whether a value holds a reference to a rooted entity inside an aggregate or a typed value."""
        if not isinstance(value, (tuple, TypedValue)):
            return False
        return any(self.index_of(number) in self.positions for number in _references(value))

    # Values

    def _parameter(self, rule: EntityRule | None, index: int, value: Value, depth: int, refer: _Refer) -> Node:
        if rule is None or index >= len(rule.attributes):
            return self._value(value, ".", depth, refer)
        known = rule.attributes[index]
        if value is Missing.NULL and known.derived:
            return DERIVED
        if index == rule.parent_placement and isinstance(value, Reference):
            owner = self.owners().get(self.index_of(value.number), -1)
            if owner >= 0:
                return refer(self._scan.rooted[owner], depth)
        return self._value(value, known.kind, depth, refer)

    def _value(self, value: Value, kind: str, depth: int, refer: _Refer) -> Node:
        match value:
            case Reference():
                return refer(self.index_of(value.number), depth)
            case tuple():
                ordered, inner = (kind[0] not in "SB", kind[1:]) if kind[0] in "ABLS" else (True, ".")
                return aggregate([self._value(item, inner, depth + 1, refer) for item in value], ordered=ordered)
            case TypedValue():
                inner = self.table.types.get(value.keyword, ".")
                return Typed(value.keyword, self._value(value.value, inner, depth + 1, refer))
        return _atom(value, kind)

    def _record_within(self, entity: int, length: int) -> Record | None:
        """The record of an entity that is not longer; None: it is, and was not read to its end."""
        offset = self._scan.offsets[entity]
        try:
            return read_entity(self._step[offset : offset + length], 0)
        except MalformedError:  # cut off: the whole was read when it was fingerprinted
            return None

    def _digest(self, entity: int) -> bytes:
        return self._scan.digests[32 * entity : 32 * entity + 32]


def pairs_of(rows: array[int], width: int, target: int) -> Iterator[tuple[int, ...]]:
    """Yield what stands beside a target in a table of the scan.

    Args:
        rows: rows of `width` numbers each, ascending.
        width: 2 or 3.
        target: first number of the rows wanted.
    """
    place = bisect_left(range(len(rows) // width), target, key=lambda row: rows[width * row]) * width
    while place < len(rows) and rows[place] == target:
        yield tuple(rows[place + 1 : place + width])
        place += width


def _aspect_of(rule: EntityRule | None, index: int) -> Aspect:
    if rule is None:
        return Aspect.OWNERSHIP if index == 1 else Aspect.IDENTITY
    return rule.attributes[index].aspect if index < len(rule.attributes) else Aspect.IDENTITY


def _placement_index(rule: EntityRule | None) -> int | None:
    if rule is None or not rule.rooted:
        return None
    return next((index for index, known in enumerate(rule.attributes) if known.name == "ObjectPlacement"), None)


def _atom(value: Missing | str | float | int | Enumeration | Binary | Octets, kind: str) -> Atom:
    atom = NULL if value is Missing.NULL else DERIVED
    match value:
        case str():
            atom = text(value)
        case float():
            atom = real(value)
        case int():
            atom = real(float(value)) if kind == "r" else integer(str(value))
        case Enumeration():
            atom = enumeration(value.name)
        case Binary():
            atom = binary(value.digits)
        case Octets():
            atom = octets(value.octets)
    return atom


def _references(value: Value) -> Iterator[int]:
    if isinstance(value, Reference):
        yield value.number
    elif isinstance(value, TypedValue):
        yield from _references(value.value)
    elif isinstance(value, tuple):
        for item in value:
            yield from _references(item)


def _size(value: Value) -> int:
    """About how long a value is in the notation, what it refers to left out."""
    match value:
        case str():
            return len(value) + 3
        case tuple():
            return sum(map(_size, value)) + 2
        case TypedValue():
            return len(value.keyword) + _size(value.value) + 3
        case Octets():
            return 2 * len(value.octets) + 2
        case Binary():
            return len(value.digits) + 3
    return 8


def _height(node: Node) -> int:
    """Brackets within brackets."""
    match node:
        case Entity():
            parts = [part for _, parameters in node.records for part in parameters]
            return 1 + max(map(_height, (*parts, *node.inverses)), default=0)
        case Aggregate():
            return 1 + max(map(_height, node.members), default=0)
        case Typed():
            return 1 + _height(node.value)
        case Repeated():
            return _height(node.plain)
    return 0
