"""Digests of entities, aspects of leaves and the last leaf. Source: docs/bim-fingerprint.md sections 5 and 6."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Final

from ledger.bim.dependencies import Dependencies
from ledger.bim.encoding import DERIVED_MARK, ITSELF, LEFT_OUT, NULL_MARK, Encoder, counted, length_prefixed, u32
from ledger.bim.entities import OWNER_HISTORY, Entities, numbers_in
from ledger.bim.schema import Aspect, EntityRule
from ledger.bim.step import Typed, Value

__all__ = ["DigestTable", "aspect_digests", "loose_entities"]

_ROOT_ATTRIBUTES: Final = 4
_EMPTY: Final = frozenset({LEFT_OUT, NULL_MARK, DERIVED_MARK})


class DigestTable:
    """digest(x), plain(x) and inverse(x) of every entity, computed in the order of their dependencies.

    Args:
        entities: of a model.
        dependencies: of the same.

    Attributes:
        digests: 32 bytes each by entity index: digest(x), of rooted entities plain(x).
        inverses: inverse(x), 32 bytes, by entity index of the describer.
    """

    def __init__(self, entities: Entities, dependencies: Dependencies) -> None:
        self._entities = entities
        self._folded = dependencies.folded
        types = entities.table.types
        self.encoder = Encoder(types, self.reference)
        self.plain_encoder = Encoder(types, self._plain_reference)
        self.definition_encoder = Encoder(types, self._definition_reference)
        self.digests: list[bytes] = [b""] * len(entities.records)
        self.inverses: dict[int, bytes] = {}
        for node in dependencies.order:
            self._compute(node)

    def reference(self, number: int) -> bytes:
        """Encode a reference."""
        return self.reference_to(self._entities.index_of[number])

    def reference_to(self, index: int) -> bytes:
        """Encode a reference to an entity of an index."""
        name = self._entities.global_ids.get(index)
        if name is None:
            return b"H" + self.digests[index]
        if name in self._entities.repeated:
            return b"Q" + length_prefixed(name) + self.digests[index]
        return b"G" + length_prefixed(name)

    def folded_into(self, index: int) -> list[bytes]:
        """The inverse digests of what is folded into an entity, sorted."""
        return sorted(self.inverses[describer] for describer in self._folded.get(index, ()))

    def _plain_reference(self, number: int) -> bytes:
        index = self._entities.index_of[number]
        name = self._entities.global_ids.get(index)
        return b"H" + self.digests[index] if name is None else b"G" + length_prefixed(name)

    def _definition_reference(self, number: int) -> bytes:
        index = self._entities.index_of[number]
        rule = self._entities.rules[index]
        if rule is not None and rule.rooted and rule.property_definition:
            return b"H" + self.digests[index]
        return self.reference_to(index)

    def _compute(self, node: int) -> None:
        entities, count = self._entities, len(self._entities.records)
        index = node % count
        if node >= count:
            inverses = self.folded_into(index)
            self.inverses[index] = inverse_digest(entities, index, self.encoder, self.reference_to, inverses)
        elif index in entities.global_ids:
            self.digests[index] = self._plain(index)
        else:
            inverses = self.folded_into(index)
            self.digests[index] = entity_digest(entities, index, self.encoder, self.reference_to, inverses)

    def _plain(self, index: int) -> bytes:
        record = self._entities.records[index]
        parameters = self.plain_encoder.parameters(record.parameters, self._entities.rules[index])
        parameters[: OWNER_HISTORY + 1] = [NULL_MARK] * len(parameters[: OWNER_HISTORY + 1])
        return _hash(b"e", _record(record.keyword or "", parameters), counted([]))


def entity_digest(
    entities: Entities, index: int, encoder: Encoder, reference_to: Callable[[int], bytes], inverses: Sequence[bytes]
) -> bytes:
    """Return digest(x) of a resource entity, given how references are encoded and what is folded into it."""
    record = entities.records[index]
    if record.keyword is not None:
        parameters = encoded_parameters(entities, index, encoder, reference_to)
        return _hash(b"e", _record(record.keyword, parameters), counted(inverses))
    partials = [(keyword, _record(keyword, encoder.parameters(values, None))) for keyword, values in record.partials]
    return _hash(b"e(", counted([encoded for _, encoded in sorted(partials)]), counted(inverses))


def inverse_digest(
    entities: Entities, index: int, encoder: Encoder, reference_to: Callable[[int], bytes], inverses: Sequence[bytes]
) -> bytes:
    """Return inverse(x) of a describer."""
    record, describing = entities.records[index], entities.describing_attribute(index)
    parameters = encoded_parameters(entities, index, encoder, reference_to)
    if describing is not None:
        parameters[describing] = ITSELF
    return _hash(b"i", _record(record.keyword or "", parameters), counted(inverses))


def encoded_parameters(
    entities: Entities, index: int, encoder: Encoder, reference_to: Callable[[int], bytes]
) -> list[bytes]:
    """Return enc of each parameter, a parent placement resolved."""
    rule, owner = entities.rules[index], entities.parent_owner(index)
    parameters = encoder.parameters(entities.records[index].parameters, rule)
    if rule is not None and rule.parent_placement is not None and owner is not None:
        parameters[rule.parent_placement] = reference_to(owner)
    return parameters


def loose_entities(entities: Entities, dependencies: Dependencies) -> list[int]:
    """Return the entities of the last leaf, by index."""
    referred = bytearray(len(entities.records))
    for index in range(len(entities.records)):
        rule = entities.rules[index]
        passed = {entities.describing_attribute(index)}
        if rule is not None and entities.parent_owner(index) is not None:
            passed.add(rule.parent_placement)
        for attribute, target in entities.links(index):
            if attribute not in passed:
                referred[target] = 1
    folded = {describer for describers in dependencies.folded.values() for describer in describers}
    return [
        index
        for index in range(len(entities.records))
        if index not in entities.global_ids
        and (index in dependencies.kept_out or not (referred[index] or index in folded))
    ]


def aspect_digests(entities: Entities, table: DigestTable) -> dict[int, bytes]:
    """Return the eight aspect digests, 256 bytes, of each rooted entity by its index."""
    gathered: dict[int, dict[Aspect, list[bytes]]] = {index: {} for index in entities.global_ids}
    for index in entities.global_ids:
        rule = entities.rules[index]
        if rule is not None and rule.relationship:
            for targets, digest in _relationship_digests(entities, table, index, rule):
                for target in targets:
                    gathered[target].setdefault(rule.inverse_aspect, []).append(digest)
        if index in entities.describers:
            gathered[index].setdefault(Aspect.RELATIONS, []).extend(table.folded_into(index))
        for attribute, target in set(entities.links(index)):
            if target in entities.global_ids and entities.is_repeated(target):
                referrer = _hash(b"q", u32(attribute), length_prefixed(entities.global_ids[index]))
                gathered[target].setdefault(Aspect.RELATIONS, []).append(referrer)
    return {index: _leaf_aspects(entities, table, index, inverses) for index, inverses in gathered.items()}


def _leaf_aspects(entities: Entities, table: DigestTable, index: int, inverses: dict[Aspect, list[bytes]]) -> bytes:
    record, rule = entities.records[index], entities.rules[index]
    own: dict[Aspect, list[bytes]] = {aspect: [] for aspect in Aspect}
    usual = table.encoder.parameters(record.parameters, rule)
    with_definitions = table.definition_encoder.parameters(record.parameters, rule)
    for place in range(len(record.parameters)):
        aspect = _own_aspect(place, rule)
        encoded = with_definitions if aspect is Aspect.PROPERTIES else usual
        own[aspect].append(u32(place) + encoded[place])
    digests = []
    for aspect in Aspect:
        head = b"a" + bytes([aspect])
        if aspect is Aspect.IDENTITY:
            head += length_prefixed(record.keyword or "")
        digests.append(_hash(head, counted(own[aspect]), counted(sorted(inverses.get(aspect, [])))))
    return b"".join(digests)


def _own_aspect(place: int, rule: EntityRule | None) -> Aspect:
    if rule is None:
        return Aspect.OWNERSHIP if place == OWNER_HISTORY else Aspect.IDENTITY
    if place < len(rule.attributes):
        return rule.attributes[place].aspect
    return Aspect.RELATIONS if rule.relationship else Aspect.IDENTITY


def _relationship_digests(
    entities: Entities, table: DigestTable, index: int, rule: EntityRule
) -> Iterable[tuple[set[int], bytes]]:
    """Yield rel(q, j) of each attribute j that holds references to rooted entities, with these."""
    record = entities.records[index]
    related = [_rooted_in(entities, value) for value in record.parameters]
    if not any(related[_ROOT_ATTRIBUTES : len(rule.attributes)]):
        return
    encoder = table.encoder if rule.keeps_definition is None else table.definition_encoder
    encoded = encoder.parameters(record.parameters, rule)
    for place, value in enumerate(record.parameters):
        nested = bool(related[place]) and isinstance(value, tuple | Typed)
        if place < _ROOT_ATTRIBUTES or (nested and place != rule.keeps_definition):
            encoded[place] = LEFT_OUT
    for place in range(_ROOT_ATTRIBUTES, min(len(rule.attributes), len(encoded))):
        others = encoded[:place] + encoded[place + 1 :]
        if related[place] and not _EMPTY.issuperset(others):
            parameters = [*encoded[:place], ITSELF, *encoded[place + 1 :]]
            yield related[place], _hash(b"i", _record(record.keyword or "", parameters))


def _rooted_in(entities: Entities, value: Value) -> set[int]:
    indexes = (entities.index_of[number] for number in numbers_in(value))
    return {index for index in indexes if index in entities.global_ids}


def _record(keyword: str, parameters: Sequence[bytes]) -> bytes:
    return length_prefixed(keyword) + counted(parameters)


def _hash(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()
