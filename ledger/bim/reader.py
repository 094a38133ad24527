"""Reading single elements out of a model: names, storeys, properties, and aspects in the readable notation.

Nothing is read before it is asked for. What is read is of the file that was fingerprinted, so its form is sound.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from ledger.bim.fingerprint import Fingerprint
from ledger.bim.notation import AspectNode, Atom, Elided, Entity, Node, Typed, render
from ledger.bim.scan import Step
from ledger.bim.schema import Aspect
from ledger.bim.showing import Shower, pairs_of
from ledger.bim.source import ElementView, PropertyRow
from ledger.bim.step import Reference, Value
from ledger.bim.step import Typed as TypedValue
from ledger.bim.values import property_rows, text_of
from ledger.kept import Kept
from ledger.merkle import AuditPath, MerkleTree

__all__ = ["DEFAULT_LIMIT", "ModelReader"]

DEFAULT_LIMIT: Final = 1 << 15
_NAME: Final = 2
_KEPT: Final = 4096
# Relationships that lead towards the storey: the attribute that holds the part, the one that holds the whole.
_UPWARDS: Final = {
    "IFCRELCONTAINEDINSPATIALSTRUCTURE": ("RelatedElements", "RelatingStructure"),
    "IFCRELFILLSELEMENT": ("RelatedBuildingElement", "RelatingOpeningElement"),
    "IFCRELVOIDSELEMENT": ("RelatedOpeningElement", "RelatingBuildingElement"),
    "IFCRELPROJECTSELEMENT": ("RelatedFeatureElement", "RelatingElement"),
    "IFCRELDECOMPOSES": ("RelatedObjects", "RelatingObject"),
}


class ModelReader:
    """A model at hand; an `ElementSource`.

    Not safe for use by several threads at once. Records, relationships and property sets read last are kept, so that
    reading element after element costs a shared property set once.

    Args:
        step: the whole STEP file, unpacked; it must outlive the reader.
        fingerprint: of these bytes.
        limit: about how many bytes of the file are shown in place for each own attribute, relationship, describer and
            property set of an aspect's notation; what goes beyond is elided to its digest.
    """

    def __init__(self, step: Step, fingerprint: Fingerprint, *, limit: int = DEFAULT_LIMIT) -> None:
        self._fingerprint = fingerprint
        self._scan = fingerprint.scan
        self._shower = Shower(step, fingerprint, limit=limit)
        self._tree: MerkleTree | None = None
        self._rows: Kept[int, tuple[PropertyRow, ...]] = Kept(_KEPT)
        self._wholes: dict[tuple[int, str], int | None] = {}
        self._definitions: dict[int, tuple[int, ...]] = {}
        self._paths: Kept[int, tuple[int, ...]] = Kept(_KEPT)

    @property
    def schema(self) -> str:
        """FILE_SCHEMA as decoded text."""
        return self._scan.schema

    @property
    def root(self) -> bytes:
        """`root` of the fingerprint, 32 bytes."""
        return self._fingerprint.root

    def position(self, global_id: str) -> int | None:
        """Return the leaf position of a GlobalId, None where the model does not have it.

        Raises:
            PolicyError: `duplicate_global_id`: it occurs more than once.
        """
        return self._fingerprint.position(global_id)

    def name(self, position: int) -> str | None:
        """Return the attribute Name of a rooted entity; None where it has none."""
        parameters = self._shower.record(self._scan.rooted[position]).parameters
        name = parameters[_NAME] if len(parameters) > _NAME else None
        return name if isinstance(name, str) and name else None

    def class_name(self, position: int) -> str:
        """Return the class as in the schema, such as `IfcDoor`; the keyword where the schema does not have it."""
        entity = self._scan.rooted[position]
        rule = self._shower.rule(entity)
        return self._shower.keyword(entity) if rule is None else rule.name

    def storey(self, position: int) -> str | None:
        """Return the name (else the GlobalId) of the storey an element is in, None where it is in none."""
        for place in reversed(self.spatial_path(position)):
            if self._is_a(place, "IFCBUILDINGSTOREY"):
                return self.name(place) or self._scan.global_ids[place]
        return None

    def spatial_path(self, position: int) -> tuple[int, ...]:
        """Return the leaf positions from the project down to what holds an element, itself left out.

        Parts, fillings and openings are where the whole is, which is among them.
        """
        above = self._above(position)
        return () if above is None else self._paths.get(above, lambda: self._path_to(above))

    def properties(self, position: int) -> list[PropertyRow]:
        """Return properties and quantities of an element as rows, those of its type included.

        An own property hides that of the type in a set of the same name. Sorted by set and name.
        """
        rows: dict[tuple[str, str], PropertyRow] = {}
        for definition in (*self._types_definitions(position), *self._own_definitions(position)):
            for row in self._rows.get(definition, partial(self._rows_of, definition)):
                rows[row[:2]] = row
        return sorted(rows.values(), key=lambda row: row[:2])

    def element(self, position: int) -> ElementView:
        """Return all of this for one element."""
        identity = self._shower.aspect(position, Aspect.IDENTITY)
        rule = self._shower.rule(self._scan.rooted[position])
        return ElementView(
            self._scan.global_ids[position],
            position,
            keyword=identity.keyword,
            class_name=self.class_name(position),
            name=self.name(position),
            storey=self.storey(position),
            spatial_path=self.spatial_path(position),
            attributes=tuple(
                (rule.attributes[index].name, text_of(value))
                for index, value in identity.attributes
                if index and rule is not None and index < len(rule.attributes) and _is_plain(value)
            ),
            properties=tuple(self.properties(position)),
        )

    def aspect_digests(self, position: int) -> bytes:
        """Return the eight aspect digests of a leaf, 256 bytes."""
        return self._scan.aspects[256 * position : 256 * position + 256]

    def aspect(self, position: int, aspect: Aspect) -> AspectNode | Elided:
        """Return an aspect as a node of the notation; where what is shown has another digest, elided."""
        node = self._shower.aspect(position, aspect)
        start = 256 * position + 32 * aspect
        digest = self._scan.aspects[start : start + 32]
        return node if node.digest == digest else Elided(digest)

    def aspect_notation(self, position: int, aspect: Aspect) -> str:
        """Return an aspect in the readable notation; its length is bounded as the class says."""
        return render(self.aspect(position, aspect))

    def audit_path(self, position: int) -> AuditPath:
        """Return the path from a leaf to `root`."""
        if self._tree is None:
            self._tree = MerkleTree(self._fingerprint.leaf_hashes)
        return AuditPath.of(self._tree.proof(position))

    def salt(self, position: int) -> bytes | None:
        """Return None: leaves have no salts here; see `ledger.bim.salted`."""
        return None

    # Relations

    def _is_a(self, position: int, ancestor: str) -> bool:
        return self._shower.table.is_a(self._shower.keyword(self._scan.rooted[position]), ancestor)

    def _attribute(self, entity: int, name: str) -> Value | None:
        """An attribute of a rooted entity by its name."""
        rule = self._shower.rule(entity)
        if rule is None:
            return None
        parameters = self._shower.record(entity).parameters
        places = range(min(len(rule.attributes), len(parameters)))
        return next((parameters[place] for place in places if rule.attributes[place].name == name), None)

    def _referred(self, value: Value | None) -> Iterator[int]:
        """The entities that a value refers to."""
        if isinstance(value, Reference):
            yield self._shower.index_of(value.number)
        elif isinstance(value, TypedValue):
            yield from self._referred(value.value)
        elif isinstance(value, tuple):
            for item in value:
                yield from self._referred(item)

    def _relating(self, position: int, ancestor: str, part: str) -> Iterator[int]:
        """The relationships of a class (entities) that name an element in an attribute."""
        for referrer, index in pairs_of(self._scan.references, 3, position):
            entity = self._scan.rooted[referrer]
            rule = self._shower.rule(entity)
            if rule is None or not (rule.keyword == ancestor or ancestor in rule.supertypes):
                continue
            if index < len(rule.attributes) and rule.attributes[index].name == part:
                yield entity

    def _whole(self, relationship: int, attribute: str) -> int | None:
        """The leaf position that a relationship names in an attribute."""
        key = (relationship, attribute)
        if key not in self._wholes:
            found = next(self._referred(self._attribute(relationship, attribute)), None)
            self._wholes[key] = None if found is None else self._shower.positions.get(found)
        return self._wholes[key]

    def _above(self, position: int) -> int | None:
        for ancestor, (part, whole) in _UPWARDS.items():
            for relationship in self._relating(position, ancestor, part):
                above = self._whole(relationship, whole)
                if above is not None:
                    return above
        return None

    def _path_to(self, position: int) -> tuple[int, ...]:
        path = [position]
        met = {position}
        while (above := self._above(path[-1])) is not None and above not in met:  # a file may lead in circles
            path.append(above)
            met.add(above)
        return tuple(reversed(path))

    # Properties

    def _own_definitions(self, position: int) -> Iterator[int]:
        for relationship in self._relating(position, "IFCRELDEFINESBYPROPERTIES", "RelatedObjects"):
            if relationship not in self._definitions:
                value = self._attribute(relationship, "RelatingPropertyDefinition")
                self._definitions[relationship] = tuple(self._referred(value))
            yield from self._definitions[relationship]

    def _types_definitions(self, position: int) -> Iterator[int]:
        for relationship in self._relating(position, "IFCRELDEFINESBYTYPE", "RelatedObjects"):
            type_position = self._whole(relationship, "RelatingType")
            if type_position is None:
                continue
            entity = self._scan.rooted[type_position]
            if entity not in self._definitions:
                self._definitions[entity] = tuple(self._referred(self._attribute(entity, "HasPropertySets")))
            yield from self._definitions[entity]

    def _rows_of(self, definition: int) -> tuple[PropertyRow, ...]:
        if definition in self._shower.positions and isinstance(node := self._shower.plain(definition), Entity):
            return tuple(property_rows(node, self._shower.table))
        return ()


def _is_plain(value: Node) -> bool:
    """Whether a value is worth a line: set, and no reference."""
    if isinstance(value, Typed):
        return _is_plain(value.value)
    return isinstance(value, Atom) and value.encoding[:1] in (b"I", b"R", b"S", b"E", b"O", b"B")
