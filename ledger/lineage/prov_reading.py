"""A PROV-JSON document as elements and relations, every name resolved; nothing of it is judged but its form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.canonical import parse_record
from ledger.errors import MalformedError
from ledger.lineage import names
from ledger.lineage.prov_names import Names, pointer

__all__ = ["ELEMENTS", "MAX_PROV_BYTES", "RELATIONS", "Element", "Literal", "ProvDocument", "Relation", "type_uris"]

MAX_PROV_BYTES: Final = 4 << 20
ELEMENTS: Final = ("entity", "activity", "agent")
RELATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "wasGeneratedBy": ("entity", "activity", "time"),
    "used": ("activity", "entity", "time"),
    "wasInformedBy": ("informed", "informant"),
    "wasStartedBy": ("activity", "trigger", "starter", "time"),
    "wasEndedBy": ("activity", "trigger", "ender", "time"),
    "wasInvalidatedBy": ("entity", "activity", "time"),
    "wasDerivedFrom": ("generatedEntity", "usedEntity", "activity", "generation", "usage"),
    "wasAttributedTo": ("entity", "agent"),
    "wasAssociatedWith": ("activity", "agent", "plan"),
    "actedOnBehalfOf": ("delegate", "responsible", "activity"),
    "wasInfluencedBy": ("influencee", "influencer"),
    "specializationOf": ("specificEntity", "generalEntity"),
    "alternateOf": ("alternate1", "alternate2"),
    "hadMember": ("collection", "entity"),
    "mentionOf": ("specificEntity", "generalEntity", "bundle"),
}
"""Relations with their arguments in the namespace `prov`. Source: PROV-JSON section 3.2."""


@dataclass(frozen=True, slots=True, order=True)
class Literal:
    """An attribute's value: text, URI of its type (None: a string), language (None: none)."""

    text: str
    type: str | None = None
    language: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is a string without a language."""
        return self.type is None and self.language is None


@dataclass(frozen=True, slots=True)
class Element:
    """An entity, activity or agent: its URI, its attributes by URI, and where it stands."""

    uri: str
    attributes: Mapping[str, tuple[Literal, ...]]
    where: str


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation.

    Attributes:
        kind: such as `wasDerivedFrom`.
        arguments: URIs by name, a time as it is written.
        attributes: further ones by URI.
        where: JSON pointer.
    """

    kind: str
    arguments: Mapping[str, str]
    attributes: Mapping[str, tuple[Literal, ...]]
    where: str


class ProvDocument:
    """A document's elements and relations.

    Args:
        data: PROV-JSON, at most `MAX_PROV_BYTES`.

    Attributes:
        entities, activities, agents: by URI.
        relations: in the document's order.
        names: its prefixes.

    Raises:
        MalformedError: not JSON, too large, a bundle (`prov_bundle`), a member that PROV-JSON does not have
            (`prov_unknown`), or a value of another form; `where` is a JSON pointer.
    """

    def __init__(self, data: bytes) -> None:
        if len(data) > MAX_PROV_BYTES:
            raise MalformedError(f"expected at most {MAX_PROV_BYTES} bytes, got {len(data)}", code="too_large")
        document = parse_record(data)
        if not isinstance(document, dict):
            raise MalformedError("expected a PROV-JSON object, got something else", code="prov")
        if document.get("bundle"):
            raise MalformedError("expected no bundles, got one", code="prov_bundle", where="/bundle")
        for name in document:
            if name not in ELEMENTS and name not in RELATIONS and name not in ("prefix", "bundle"):
                raise MalformedError(
                    f"expected a member of PROV-JSON, got {name[:80]!r}", code="prov_unknown", where=pointer(name)
                )
        self.names = Names(document.get("prefix", {}))
        self.entities = self._elements(document, "entity")
        self.activities = self._elements(document, "activity")
        self.agents = self._elements(document, "agent")
        self.relations = tuple(
            self._relation(kind, members, where) for kind in RELATIONS for _, members, where in _items(document, kind)
        )

    def _elements(self, document: Mapping[str, Any], kind: str) -> dict[str, Element]:
        found: dict[str, Element] = {}
        for name, members, where in _items(document, kind):
            uri = self.names.uri(name, where)
            attributes = self._attributes(members, where)
            if uri in found:
                attributes = _merged(found[uri].attributes, attributes)
            found[uri] = Element(uri, attributes, where)
        return found

    def _relation(self, kind: str, members: Mapping[str, Any], where: str) -> Relation:
        arguments: dict[str, str] = {}
        rest = dict(members)
        for name in RELATIONS[kind]:
            value = rest.pop("prov:" + name, None)
            if value is None:
                continue
            place = where + pointer("prov:" + name)
            if name == "time":
                text, _, _ = self.names.literal(value, place)
                arguments[name] = text
            else:
                arguments[name] = self.names.uri(value, place)
        return Relation(kind, arguments, self._attributes(rest, where), where)

    def _attributes(self, members: Mapping[str, Any], where: str) -> dict[str, tuple[Literal, ...]]:
        found: dict[str, tuple[Literal, ...]] = {}
        for name, value in members.items():
            place = where + pointer(name)
            uri = self.names.uri(name, place)
            values = value if isinstance(value, list) else [value]
            literals = tuple(Literal(*self.names.literal(item, place)) for item in values)
            found = _merged(found, {uri: literals})
        return found


def _items(document: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    described = document.get(kind, {})
    if not isinstance(described, dict):
        raise MalformedError("expected an object, got something else", code="prov", where=pointer(kind))
    for name, value in described.items():
        for members in value if isinstance(value, list) else [value]:
            where = pointer(kind, name)
            if not isinstance(members, dict):
                raise MalformedError("expected an object, got something else", code="prov", where=where)
            yield name, members, where


def _merged(
    first: Mapping[str, tuple[Literal, ...]], second: Mapping[str, tuple[Literal, ...]]
) -> dict[str, tuple[Literal, ...]]:
    merged = dict(first)
    for name, literals in second.items():
        merged[name] = tuple(dict.fromkeys((*merged.get(name, ()), *literals)))
    return merged


def type_uris(attributes: Mapping[str, tuple[Literal, ...]]) -> frozenset[str]:
    """The URIs of the types (`prov:type`) among some attributes."""
    return frozenset(
        literal.text for literal in attributes.get(names.PROV + "type", ()) if literal.type == names.QUALIFIED_NAME
    )
