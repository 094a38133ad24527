"""One entity of a PROV-JSON document as the record of a data set's version. Source: docs/data-chain.md section 4.

What the document says of the entity, of the activity that made it and of the organisations around it becomes a member
or an attribute of the record, or the document is refused (`prov_lost`): nothing is dropped in silence. What it says of
other entities belongs to their own records.

Steps: (1) the entity; (2) its activity; (3) its sources; (4) its organisations and programs; (5) everything else that
names it or its activity is refused; (6) attributes; (7) what the caller gives must agree, or fills in.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ledger.canonical import canonical_bytes
from ledger.errors import MalformedError, MismatchError
from ledger.fields import utc_text
from ledger.lineage import names
from ledger.lineage.prov_reading import Element, Literal, ProvDocument, Relation, type_uris
from ledger.lineage.record import ACTIVITY, DATASET, DATASET_FORMAT, DatasetRef, DatasetVersion

__all__ = ["read_prov"]

_ROLES: Final = {names.OWN + "Producer": "producer", names.OWN + "ResponsibleParty": "responsible_party"}
_LABEL: Final = names.PROV + "label"
_TYPE: Final = names.PROV + "type"
_SHA256: Final = names.OWN + "sha256"
_CODE: Final = names.OWN + "organisationCode"
_ORGANISATION: Final = names.PROV + "Organization"
_WRITTEN: Final = {DATASET: names.OWN + "Dataset", ACTIVITY: ""}
"""The type that every document of ours has, by what it is of."""
_HANDLED: Final = frozenset({"wasGeneratedBy", "wasDerivedFrom", "wasAttributedTo", "wasAssociatedWith", "used"})


def read_prov(
    data: bytes,
    *,
    entity: str | None = None,
    given: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> DatasetVersion:
    """Make the record of one entity.

    Args:
        data: PROV-JSON.
        entity: the entity's URI or qualified name; None: the only one that is derived, generated or attributed.
        given: members of the record, as JSON, that the caller knows, such as the size and digest of the file at hand.
        defaults: members that stand where neither the document nor `given` says anything.

    Returns:
        The record.

    Raises:
        MalformedError: not PROV-JSON, `prov_entity` (none, or several), `prov_lost` (it says what a record can't),
            or a record of another form; `where` is a JSON pointer, or a member of the record.
        MismatchError: `prov_differs`: document and caller say two things.
    """
    return _Import(ProvDocument(data), entity).record(dict(given or {}), dict(defaults or {}))


def _lost(where: str, what: str) -> MalformedError:
    return MalformedError(f"expected what a record can say, got {what}", code="prov_lost", where=where)


class _Import:
    def __init__(self, document: ProvDocument, entity: str | None) -> None:
        self._document = document
        self._attributes: list[dict[str, Any]] = []
        self._entity = self._find(entity)  # (1)
        self._activity = self._find_activity()  # (2)

    def record(self, given: dict[str, Any], defaults: dict[str, Any]) -> DatasetVersion:
        sources = self._sources()  # (3)
        parties = self._parties()  # (4)
        activity = self._read_activity()
        self._refuse_others({source.uri for source, _ in sources})  # (5)
        members = self._describe()  # (6)
        members |= {"activity": activity, "derived_from": sorted((item for _, item in sources), key=_source_order)}
        members |= parties
        return DatasetVersion.from_json(defaults | self._completed(members, given))  # (7)

    # Steps (1), (2): what it is about.

    def _find(self, wanted: str | None) -> Element:
        entities = self._document.entities
        if wanted is not None:
            uri = wanted if wanted in entities else self._document.names.uri(wanted, "entity")
            if uri not in entities:
                raise MalformedError(f"expected the entity {wanted[:80]!r}, got none", code="prov_entity")
            return entities[uri]
        subjects = {
            relation.arguments.get(name)
            for relation in self._document.relations
            for kind, name in (
                ("wasGeneratedBy", "entity"),
                ("wasDerivedFrom", "generatedEntity"),
                ("wasAttributedTo", "entity"),
            )
            if relation.kind == kind
        } & entities.keys()
        if len(subjects) != 1:
            raise MalformedError(
                f"expected one entity that was made, got {len(subjects)}: say which",
                code="prov_entity",
                where="/entity",
            )
        return entities[str(subjects.pop())]

    def _find_activity(self) -> str | None:
        found: set[str] = set()
        for relation in self._document.relations:
            subject = "entity" if relation.kind == "wasGeneratedBy" else "generatedEntity"
            if relation.kind not in ("wasGeneratedBy", "wasDerivedFrom") or not self._is_ours(relation, subject):
                continue
            if "activity" in relation.arguments:
                found.add(relation.arguments["activity"])
            elif relation.kind == "wasGeneratedBy":
                raise _lost(relation.where, "a generation by no activity")
            if len(found) > 1:
                raise _lost(relation.where, "a second activity")
            if relation.kind == "wasGeneratedBy":
                self._keep_attributes(DATASET, {}, relation, extra={"generatedAtTime": relation.arguments.get("time")})
        return found.pop() if found else None

    def _is_ours(self, relation: Relation, subject: str) -> bool:
        return relation.arguments.get(subject) == self._entity.uri

    # Step (3): sources.

    def _sources(self) -> list[tuple[Element, dict[str, Any]]]:
        found: dict[str, tuple[Element, dict[str, Any]]] = {}
        for relation in self._document.relations:
            if relation.kind != "wasDerivedFrom" or not self._is_ours(relation, "generatedEntity"):
                continue
            uri = relation.arguments.get("usedEntity", "")
            for name in ("generation", "usage"):
                if name in relation.arguments:
                    raise _lost(relation.where, f"a derivation with a {name}")
            self._only(relation, {_SHA256})
            source = self._document.entities.get(uri) or Element(uri, {}, relation.where)
            digests = {item.text for item in (*relation.attributes.get(_SHA256, ()),)}
            digests = digests or {item.text for item in source.attributes.get(_SHA256, ())}
            if uri in found or len(digests) > 1:
                raise _lost(relation.where, "the same source twice, or with two digests")
            found[uri] = (source, _source(uri, digests.pop() if digests else None, relation.where))
        return list(found.values())

    # Step (4): organisations and programs.

    def _parties(self) -> dict[str, str]:
        given = [
            (type_uris(relation.attributes), relation)
            for relation in self._document.relations
            if relation.kind == "wasAttributedTo" and self._is_ours(relation, "entity")
        ]
        parties: dict[str, str] = {}
        for types, relation in given:
            self._only(relation, {_TYPE})
            roles = [_ROLES[uri] for uri in types if uri in _ROLES]
            if not types and len(given) == 1:  # who else would answer for it
                roles = list(_ROLES.values())
            if not roles or types - _ROLES.keys():
                raise _lost(relation.where, "an attribution that is neither the producer's nor the responsible party's")
            code = self._organisation(relation.arguments.get("agent", ""), relation.where)
            for role in roles:
                if parties.setdefault(role, code) != code:
                    raise _lost(relation.where, f"a second {role}")
        return parties

    def _organisation(self, uri: str, where: str) -> str:
        agent = self._document.agents.get(uri) or Element(uri, {}, where)
        codes = [literal.text for literal in agent.attributes.get(_CODE, ())]
        own = uri.startswith(names.ORGANISATION_NAMESPACE)
        if own:
            codes.append(uri.removeprefix(names.ORGANISATION_NAMESPACE))
        if len(set(codes)) != 1:
            raise MalformedError(
                f"expected an agent with one yunshang:organisationCode, got {len(set(codes))}",
                code="prov_agent",
                where=agent.where,
            )
        self._keep(codes[0], agent, {_CODE}, extra={} if own else {"agent": uri})
        return codes[0]

    def _read_activity(self) -> dict[str, Any] | None:
        if self._activity is None:
            return None
        element = self._document.activities.get(self._activity)
        if element is None:
            raise MalformedError("expected the activity that is named, got none", code="prov", where="/activity")
        performers: list[str] = []
        software: list[dict[str, Any]] = []
        for relation in self._document.relations:
            if relation.kind != "wasAssociatedWith" or relation.arguments.get("activity") != self._activity:
                continue
            self._only(relation, set())
            if "plan" in relation.arguments:
                raise _lost(relation.where, "a plan")
            uri = relation.arguments.get("agent", "")
            agent = self._document.agents.get(uri)
            if agent is not None and names.PROV + "SoftwareAgent" in type_uris(agent.attributes):
                software.append(_software(agent))
            else:
                performers.append(self._organisation(uri, relation.where))
            if len(performers) > 1:
                raise _lost(relation.where, "a second organisation that did it")
        own = self._activity.startswith(names.ACTIVITY_NAMESPACE) or self._activity.startswith("_:")
        times = {names.PROV + "startTime", names.PROV + "endTime"}
        self._keep(ACTIVITY, element, {_LABEL, *times}, extra={} if own else {"activity": self._activity})
        return {
            "performed_by": performers[0] if performers else None,
            "period": _interval(element, names.PROV + "startTime", names.PROV + "endTime"),
            "software": sorted(software, key=_software_order),
            "what": _label(element),
        }

    # Step (5): the rest.

    def _refuse_others(self, sources: set[str]) -> None:
        ours = {self._entity.uri, self._activity} - {None}
        for relation in self._document.relations:
            named = ours & set(relation.arguments.values())
            if relation.kind not in _HANDLED:
                if named:
                    raise _lost(relation.where, f"a relation {relation.kind}")
            elif relation.kind == "used" and relation.arguments.get("activity") == self._activity is not None:
                if relation.arguments.get("entity") not in sources or "time" in relation.arguments:
                    raise _lost(relation.where, "a use that is no derivation, or with a time of its own")
                self._only(relation, set())

    def _only(self, relation: Relation, known: set[str]) -> None:
        for name in relation.attributes.keys() - known:
            raise _lost(relation.where, f"the attribute {name} of a {relation.kind}")

    # Step (6): attributes.

    def _describe(self) -> dict[str, Any]:
        entity = self._entity
        members: dict[str, Any] = {}
        single = {"level": "level", "mediaType": "media_type", "sha256": "sha256", "size": "size"}
        used = {_LABEL, *(names.OWN + name for name in (*single, "collectedBegin", "collectedEnd"))}
        label = _label(entity, required=False)
        if label is not None:
            members["title"] = label
        for name, member in single.items():
            value = _single(entity, names.OWN + name)
            if value is not None:
                members[member] = _size(value, entity) if member == "size" else value
        period = _interval(entity, names.OWN + "collectedBegin", names.OWN + "collectedEnd")
        if period is not None:
            members["collected"] = period
        own = entity.uri.startswith(names.DATASET_NAMESPACE)
        if own:
            ref = DatasetRef.parse(entity.uri.removeprefix(names.DATASET_NAMESPACE))
            members |= {"dataset": ref.dataset, "version": ref.version}
        self._keep(DATASET, entity, used, extra={} if own else {"entity": entity.uri})
        return members

    def _keep_attributes(
        self,
        of: str,
        attributes: Mapping[str, tuple[Literal, ...]],
        relation: Relation,
        *,
        extra: Mapping[str, str | None],
    ) -> None:
        self._only(relation, set())
        self._keep(of, Element("", attributes, relation.where), set(), extra=extra)

    def _keep(self, of: str, element: Element, used: set[str], *, extra: Mapping[str, str | None]) -> None:
        """Keep what no member of the record is for."""
        for name, literals in element.attributes.items():
            for literal in literals:
                is_label = name == _LABEL and (literal.language is not None or of not in (DATASET, ACTIVITY))
                if name in used and not is_label:
                    continue
                if name == _TYPE and literal == Literal(_WRITTEN.get(of, _ORGANISATION), names.QUALIFIED_NAME):
                    continue
                if name.startswith("_:") or literal.text.startswith("_:"):
                    raise _lost(element.where, "a name that counts in this document only")
                self._attributes.append(
                    {
                        "language": literal.language,
                        "name": name,
                        "of": of,
                        "type": literal.type,
                        "value": literal.text,
                    }
                )
        for name, value in extra.items():
            if value is not None:
                self._attributes.append(
                    {"language": None, "name": names.OWN + name, "of": of, "type": None, "value": value}
                )

    # Step (7): what is given.

    def _completed(self, members: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        for name, value in given.items():
            if members.setdefault(name, value) != value:
                raise MismatchError(
                    f"expected {value!r}, as was given, got {members[name]!r} in the document",
                    code="prov_differs",
                    where=f"dataset.{name}",
                    expected=value,
                    actual=members[name],
                )
        unique = {canonical_bytes(item): item for item in self._attributes}
        members["attributes"] = sorted(unique.values(), key=_attribute_order)
        members["format"] = DATASET_FORMAT
        members.setdefault("collected", None)
        return members


def _attribute_order(item: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(item[name] or "" for name in ("of", "name", "value", "type", "language"))


def _source_order(item: Mapping[str, Any]) -> tuple[int, str, str]:
    return (1, item["uri"], "") if "uri" in item else (0, item["dataset"], item["version"])


def _software_order(item: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(item[name] or "" for name in ("name", "version", "uri"))


def _source(uri: str, digest: str | None, where: str) -> dict[str, Any]:
    if not uri.startswith(names.DATASET_NAMESPACE):
        if uri.startswith("_:") or not uri:
            raise _lost(where, "a source without a name that counts elsewhere")
        return {"sha256": digest, "uri": uri}
    if digest is None:
        raise MalformedError("expected yunshang:sha256 of a data set that was used, got none", code="prov", where=where)
    ref = DatasetRef.parse(uri.removeprefix(names.DATASET_NAMESPACE))
    return {"dataset": ref.dataset, "sha256": digest, "version": ref.version}


def _software(agent: Element) -> dict[str, Any]:
    name, version = _label(agent), _single(agent, names.OWN + "softwareVersion")
    known = {_LABEL, _TYPE, names.OWN + "softwareVersion"}
    if agent.attributes.keys() - known or len(agent.attributes[_TYPE]) > 1 or len(agent.attributes[_LABEL]) > 1:
        raise _lost(agent.where, "more of a program than its name and version")
    own = agent.uri == names.software_uri(str(name), version)
    if agent.uri.startswith("_:"):
        raise _lost(agent.where, "a name that counts in this document only")
    return {"name": name, "uri": None if own else agent.uri, "version": version}


def _label(element: Element, *, required: bool = True) -> str | None:
    plain = [literal.text for literal in element.attributes.get(_LABEL, ()) if literal.is_plain]
    if len(plain) > 1 or (required and not plain):
        raise MalformedError(
            f"expected one prov:label without a language, got {len(plain)}", code="prov", where=element.where
        )
    return plain[0] if plain else None


def _single(element: Element, name: str) -> str | None:
    literals = element.attributes.get(name, ())
    if len(literals) > 1:
        raise MalformedError(f"expected {name} once, got {len(literals)}", code="prov", where=element.where)
    return literals[0].text if literals else None


def _size(text: str, element: Element) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 16):
        raise MalformedError(f"expected a size in bytes, got {text[:40]!r}", code="prov", where=element.where)
    return int(text)


def _interval(element: Element, begin: str, end: str) -> dict[str, str] | None:
    times = [_single(element, name) for name in (begin, end)]
    if times == [None, None]:
        return None
    if None in times:
        raise _lost(element.where, "a begin without an end, or an end without a begin")
    first, last = (_time(str(text), element.where) for text in times)
    return {"begin": first, "end": last}


def _time(text: str, where: str) -> str:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedError(f"expected a time, got {text[:40]!r}", code="prov", where=where) from error
    if time.tzinfo is None:
        raise MalformedError(f"expected a time with its offset, got {text[:40]!r}", code="prov", where=where)
    if time.microsecond:
        raise _lost(where, "a fraction of a second")
    return utc_text(time.astimezone(UTC))
