"""Records as one PROV-JSON document. Source: docs/data-chain.md section 4; the PROV-JSON W3C member submission.

Everything a record says is in the document, so that `prov_import` makes the same record of it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ledger.canonical import canonical_bytes
from ledger.fields import utc_text
from ledger.lineage import names
from ledger.lineage.prov_names import Prefixes, literal_of
from ledger.lineage.record import (
    ACTIVITY,
    DATASET,
    Activity,
    Attribute,
    DatasetRef,
    DatasetSource,
    DatasetVersion,
    Software,
    Source,
)

__all__ = ["entity_uri", "prov_bytes", "prov_document", "source_uri"]

_Members = dict[str, Any]


def entity_uri(ref: DatasetRef) -> str:
    """The URI of a version as a PROV entity."""
    return names.DATASET_NAMESPACE + ref.text


def source_uri(source: Source) -> str:
    """The URI of a source as a PROV entity."""
    return entity_uri(source.ref) if isinstance(source, DatasetSource) else source.uri


def prov_bytes(records: Iterable[DatasetVersion], *, status: Mapping[str, str] | None = None) -> bytes:
    """The document of `prov_document` in canonical JSON."""
    return canonical_bytes(prov_document(records, status=status))


def prov_document(records: Iterable[DatasetVersion], *, status: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Write records as PROV-JSON.

    Args:
        records: each version at most once; a source that is none of them is an entity without description.
        status: by entity URI, what else is to be said of such a source, such as `not_visible`.

    Returns:
        The document's members.
    """
    writer = _Writer()
    for record in records:
        writer.add(record)
    for uri, text in sorted((status or {}).items()):
        writer.entity(uri)["yunshang:status"] = text
        writer.prefixes.used["yunshang"] = names.OWN
    return writer.document()


class _Writer:
    def __init__(self) -> None:
        self.prefixes = Prefixes()
        self._kinds: dict[str, dict[str, _Members]] = {}

    def document(self) -> dict[str, Any]:
        return {"prefix": dict(sorted(self.prefixes.used.items())), **self._kinds}

    def entity(self, uri: str) -> _Members:
        return self._element("entity", uri)

    def add(self, record: DatasetVersion) -> None:
        uri = entity_uri(record.ref)
        self._describe(self.entity(uri), record)
        for role, code in (("Producer", record.producer), ("ResponsibleParty", record.responsible_party)):
            self._relate(
                "wasAttributedTo",
                {
                    "prov:entity": self.prefixes.name(uri),
                    "prov:agent": self._organisation(code),
                    "prov:type": self._type(names.OWN + role),
                },
            )
        activity = None
        if record.activity is not None:
            activity = self.prefixes.name(names.ACTIVITY_NAMESPACE + record.ref.text)
            self._add_activity(record, record.activity, activity)
        for source in record.derived_from:
            self.entity(source_uri(source))
            members = {
                "prov:generatedEntity": self.prefixes.name(uri),
                "prov:usedEntity": self.prefixes.name(source_uri(source)),
            }
            if activity is not None:
                members["prov:activity"] = activity
            if source.sha256 is not None:
                members["yunshang:sha256"] = source.sha256.hex()
            self._relate("wasDerivedFrom", members)
        for code in sorted(record.organisations):
            self._say(self._element("agent", names.ORGANISATION_NAMESPACE + code), record.attributes, of=code)

    def _describe(self, members: _Members, record: DatasetVersion) -> None:
        self.prefixes.used["yunshang"] = names.OWN
        members |= {
            "prov:label": record.title,
            "prov:type": self._type(names.OWN + "Dataset"),
            "yunshang:level": record.level,
            "yunshang:mediaType": record.media_type,
            "yunshang:sha256": record.sha256.hex(),
            "yunshang:size": {"$": str(record.size), "type": "xsd:nonNegativeInteger"},
        }
        if record.collected is not None:
            for name, time in (("Begin", record.collected.begin), ("End", record.collected.end)):
                members["yunshang:collected" + name] = {"$": utc_text(time), "type": "xsd:dateTime"}
        self._say(members, record.attributes, of=DATASET)

    def _add_activity(self, record: DatasetVersion, activity: Activity, name: str) -> None:
        members = self._element("activity", names.ACTIVITY_NAMESPACE + record.ref.text)
        members["prov:label"] = activity.what
        if activity.period is not None:
            members["prov:startTime"] = utc_text(activity.period.begin)
            members["prov:endTime"] = utc_text(activity.period.end)
        self._say(members, record.attributes, of=ACTIVITY)
        entity = self.prefixes.name(entity_uri(record.ref))
        self._relate("wasGeneratedBy", {"prov:entity": entity, "prov:activity": name})
        if activity.performed_by is not None:
            agent = self._organisation(activity.performed_by)
            self._relate("wasAssociatedWith", {"prov:activity": name, "prov:agent": agent})
        for software in activity.software:
            self._relate("wasAssociatedWith", {"prov:activity": name, "prov:agent": self._software(software)})

    def _organisation(self, code: str) -> str:
        uri = names.ORGANISATION_NAMESPACE + code
        members = self._element("agent", uri)
        if "prov:type" not in members:
            members["prov:type"] = self._type(names.PROV + "Organization")
        return self.prefixes.name(uri)

    def _software(self, software: Software) -> str:
        described = {"prov:label": software.name, "prov:type": self._type(names.PROV + "SoftwareAgent")}
        if software.version is not None:
            described["yunshang:softwareVersion"] = software.version
        own = names.software_uri(software.name, software.version)
        uri = software.uri or own
        if self._element("agent", uri) not in ({}, described):  # another record knows it by another name
            uri = own
        self._element("agent", uri).update(described)
        return self.prefixes.name(uri)

    def _element(self, kind: str, uri: str) -> _Members:
        return self._kinds.setdefault(kind, {}).setdefault(self.prefixes.name(uri), {})

    def _relate(self, kind: str, members: _Members) -> None:
        relations = self._kinds.setdefault(kind, {})
        relations[f"_:{kind}{len(relations) + 1}"] = members

    def _type(self, uri: str) -> Mapping[str, str]:
        return {"$": self.prefixes.name(uri), "type": "prov:QUALIFIED_NAME"}

    def _say(self, members: _Members, attributes: Iterable[Attribute], *, of: str) -> None:
        for attribute in attributes:
            if attribute.of != of:
                continue
            name = self.prefixes.name(attribute.name)
            value = literal_of(self.prefixes, attribute.value, attribute.type, attribute.language)
            present = members.setdefault(name, [])
            if not isinstance(present, list):
                present = members[name] = [present]
            if value not in present:
                present.append(value)
