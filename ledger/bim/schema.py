"""What the fingerprint knows of an IFC schema. Source: docs/bim-fingerprint.md sections 3 and 8."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from importlib.resources import files
from typing import Any, Final

__all__ = ["Aspect", "Attribute", "EntityRule", "SchemaTable", "table_for"]


class Aspect(IntEnum):
    """The aspects of an element in the order of its leaf."""

    IDENTITY = 0
    TYPE = 1
    PLACEMENT = 2
    GEOMETRY = 3
    PROPERTIES = 4
    MATERIAL = 5
    RELATIONS = 6
    OWNERSHIP = 7

    @property
    def label(self) -> str:
        """The aspect's name in JSON, such as `identity`."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of an entity.

    Attributes:
        name: as in the schema, such as `ObjectPlacement`.
        kind: aggregate kinds from outside inwards (`A` array, `B` bag, `L` list, `S` set), then `r` for REAL
            or `.` for anything else.
        derived: whether the entity derives it.
        aspect: the aspect it belongs to in a rooted entity.
    """

    name: str
    kind: str
    derived: bool = field(default=False, kw_only=True)
    aspect: Aspect = field(default=Aspect.IDENTITY, kw_only=True)


@dataclass(frozen=True, slots=True)
class EntityRule:
    """What is known of one entity.

    Attributes:
        name: as in the schema, such as `IfcWall`.
        attributes: in the order of the file, inherited ones first.
        supertypes: upper-case names, nearest first.
        rooted: a subtype of IfcRoot.
        relationship: a subtype of IfcRelationship.
        property_definition: a property definition, whose content enters the aspect `properties`.
        describes: index of the attribute that names what it describes, or None.
        parent_placement: index of PlacementRelTo, or None.
        inverse_aspect: the aspect of the related elements that a relationship's inverse digest enters.
        keeps_definition: index of RelatingPropertyDefinition in IfcRelDefinesByProperties, or None.
    """

    name: str
    attributes: tuple[Attribute, ...]
    supertypes: tuple[str, ...] = field(kw_only=True)
    rooted: bool = field(kw_only=True)
    relationship: bool = field(kw_only=True)
    property_definition: bool = field(kw_only=True)
    describes: int | None = field(kw_only=True)
    parent_placement: int | None = field(kw_only=True)
    inverse_aspect: Aspect = field(kw_only=True)
    keeps_definition: int | None = field(kw_only=True)

    @property
    def keyword(self) -> str:
        """The name in upper case, as in a STEP file."""
        return self.name.upper()


@dataclass(frozen=True, slots=True)
class SchemaTable:
    """The table of one schema.

    Attributes:
        name: `IFC2X3`, `IFC4` or `IFC4X3_ADD2`; empty for the table that knows nothing.
        entities: rules by upper-case keyword.
        types: aggregate kinds of defined types by upper-case keyword; `.` where absent.
    """

    name: str
    entities: Mapping[str, EntityRule]
    types: Mapping[str, str]

    def is_a(self, keyword: str, ancestor: str) -> bool:
        """Whether an entity is of a class or one of its subtypes; both upper case."""
        if keyword == ancestor:
            return True
        rule = self.entities.get(keyword)
        return rule is not None and ancestor in rule.supertypes


_DESCRIBES: Final = {
    "IfcStyledItem": ("Item",),
    "IfcPresentationLayerAssignment": ("AssignedItems",),
    "IfcMaterialProperties": ("Material",),
    "IfcMaterialDefinitionRepresentation": ("RepresentedMaterial",),
    "IfcMaterialClassificationRelationship": ("ClassifiedMaterial",),
    "IfcMaterialRelationship": ("RelatingMaterial",),
    "IfcProfileProperties": ("ProfileDefinition",),
    "IfcExternalReferenceRelationship": ("RelatedResourceObjects",),
    "IfcResourceApprovalRelationship": ("RelatedResourceObjects",),
    "IfcResourceConstraintRelationship": ("RelatedResourceObjects",),
    "IfcPropertyDependencyRelationship": ("DependantProperty",),
    "IfcPropertyConstraintRelationship": ("RelatedProperties",),
    "IfcApprovalPropertyRelationship": ("ApprovedProperties",),
    "IfcApprovalActorRelationship": ("Approval",),
    "IfcApprovalRelationship": ("RelatingApproval",),
    "IfcConstraintRelationship": ("RelatingConstraint",),
    "IfcConstraintAggregationRelationship": ("RelatingConstraint",),
    "IfcConstraintClassificationRelationship": ("ClassifiedConstraint",),
    "IfcTimeSeriesReferenceRelationship": ("ReferencedTimeSeries",),
    "IfcAppliedValueRelationship": ("ComponentOfTotal",),
    "IfcReferencesValueDocument": ("ReferencingValues",),
    "IfcCurrencyRelationship": ("RelatingMonetaryUnit",),
    "IfcClassificationItemRelationship": ("RelatingItem",),
    "IfcDocumentInformationRelationship": ("RelatingDocument",),
    "IfcOrganizationRelationship": ("RelatingOrganization",),
    "IfcShapeAspect": ("PartOfProductDefinitionShape",),
    "IfcCoordinateOperation": ("SourceCRS",),
    "IfcWellKnownText": ("CoordinateReferenceSystem",),
    "IfcIndexedColourMap": ("MappedTo",),
    "IfcTextureMap": ("MappedTo",),
    "IfcIndexedTextureMap": ("MappedTo",),
    "IfcDraughtingCalloutRelationship": ("RelatingDraughtingCallout",),
}
_OWN_ASPECTS: Final = {
    "OwnerHistory": Aspect.OWNERSHIP,
    "ObjectPlacement": Aspect.PLACEMENT,
    **dict.fromkeys(
        (
            "Representation",
            "RepresentationMaps",
            "RepresentationContexts",
            "ConnectionGeometry",
            "UAxes",
            "VAxes",
            "WAxes",
        ),
        Aspect.GEOMETRY,
    ),
    **dict.fromkeys(("HasProperties", "Quantities", "HasPropertySets", "HasPropertyTemplates"), Aspect.PROPERTIES),
}
_INVERSE_ASPECTS: Final = {
    "IfcRelDefinesByType": Aspect.TYPE,
    "IfcRelDefinesByProperties": Aspect.PROPERTIES,
    "IfcRelAssociatesMaterial": Aspect.MATERIAL,
}
_FAMILIES: Final = (("IFC4X3", "IFC4X3_ADD2"), ("IFC2X3", "IFC2X3"), ("IFC4", "IFC4"))
_ROOT_ATTRIBUTES: Final = 4


def table_for(file_schema: str) -> SchemaTable:
    """Return the table for a FILE_SCHEMA, the empty table where none is known.

    Args:
        file_schema: the name as written, such as `IFC4` or `IFC4X3_ADD2 { 1 0 }`.
    """
    words = file_schema.split()
    name = words[0].upper() if words else ""
    for beginning, table in _FAMILIES:
        if name.startswith(beginning):
            return _load(table)
    return SchemaTable("", {}, {})


@cache
def _load(name: str) -> SchemaTable:
    document = json.loads((files("ledger.bim") / "schemas" / f"{name}.json").read_bytes())
    entities: dict[str, Any] = document["entities"]
    return SchemaTable(
        name,
        {key.upper(): _rule(key, entities) for key in entities},
        {key.upper(): kind for key, kind in document["types"].items()},
    )


def _rule(name: str, entities: dict[str, Any]) -> EntityRule:
    line = [name]
    while (supertype := entities[line[-1]]["supertype"]) is not None:
        line.append(supertype)
    rooted, relationship = "IfcRoot" in line, "IfcRelationship" in line
    derived = set(entities[name]["derived"])
    named = [pair for ancestor in reversed(line) for pair in entities[ancestor]["attributes"]]
    attributes = tuple(
        Attribute(
            attribute,
            kind,
            derived=index in derived,
            aspect=_own_aspect(attribute, index, relationship) if rooted else Aspect.IDENTITY,
        )
        for index, (attribute, kind) in enumerate(named)
    )
    names = [attribute.name for attribute in attributes]
    describing = [
        names.index(attribute)
        for ancestor in line
        for attribute in _DESCRIBES.get(ancestor, ())
        if attribute in names and not rooted
    ]
    by_properties = "IfcRelDefinesByProperties" in line
    return EntityRule(
        name,
        attributes,
        supertypes=tuple(ancestor.upper() for ancestor in line[1:]),
        rooted=rooted,
        relationship=relationship,
        property_definition="IfcPropertyDefinition" in line,
        describes=describing[0] if describing else None,
        parent_placement=names.index("PlacementRelTo")
        if "IfcObjectPlacement" in line and "PlacementRelTo" in names
        else None,
        inverse_aspect=next((_INVERSE_ASPECTS[a] for a in line if a in _INVERSE_ASPECTS), Aspect.RELATIONS),
        keeps_definition=names.index("RelatingPropertyDefinition") if by_properties else None,
    )


def _own_aspect(attribute: str, index: int, relationship: bool) -> Aspect:
    if attribute in _OWN_ASPECTS:
        return _OWN_ASPECTS[attribute]
    return Aspect.RELATIONS if relationship and index >= _ROOT_ATTRIBUTES else Aspect.IDENTITY
