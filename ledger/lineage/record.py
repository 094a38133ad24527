"""Versions of data sets, `yunshang-dataset/v1`: what a responsible party seals. Source: docs/data-chain.md section 2.

A record says which bytes (size and SHA-256), whose, of which level, and what they were made from by whom. It is checked
for its form; whether what it says is so stays the word of the party that seals it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import sha256 as digest_of
from typing import Any, Final

from ledger import fields
from ledger.canonical import canonical_bytes, parse_canonical
from ledger.errors import MalformedError
from ledger.identifiers.uscc import validate_uscc
from ledger.lineage.parts import (
    ACTIVITY,
    DATASET,
    Activity,
    Attribute,
    DatasetRef,
    DatasetSource,
    ExternalSource,
    Interval,
    Software,
    Source,
    in_order,
    matched,
    read_ref,
    read_source,
)

__all__ = [
    "ACTIVITY",
    "DATASET",
    "DATASET_FORMAT",
    "LEVELS",
    "Activity",
    "Attribute",
    "DatasetRef",
    "DatasetSource",
    "DatasetVersion",
    "ExternalSource",
    "Interval",
    "Software",
    "Source",
]

DATASET_FORMAT: Final = "yunshang-dataset/v1"
LEVELS: Final = ("public", "internal", "restricted", "secret")
"""公开, 内部, 限阅, 秘密."""

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\Z")
_MEMBERS: Final = (
    "activity",
    "attributes",
    "collected",
    "dataset",
    "derived_from",
    "format",
    "level",
    "media_type",
    "producer",
    "responsible_party",
    "sha256",
    "size",
    "title",
    "version",
)


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """One version of a data set. Source: docs/data-chain.md section 2.

    Attributes:
        ref: its name.
        title: for people, Chinese first.
        producer: code of the organisation that made it.
        responsible_party: code of the organisation that answers for it, and seals the record.
        level: one of `LEVELS`; of the record as of the data.
        media_type: of the bytes.
        size: of the bytes.
        sha256: of the bytes, 32 bytes.
        collected: when the facts in it were collected; None: it was computed.
        derived_from: in the order of `Source.order`.
        activity: what made it, or None.
        attributes: in the order of `Attribute.order`.

    Raises:
        MalformedError: an attribute of somebody whom the record does not name (`where` says which).
    """

    ref: DatasetRef
    title: str = field(kw_only=True)
    producer: str = field(kw_only=True)
    responsible_party: str = field(kw_only=True)
    level: str = field(kw_only=True)
    media_type: str = field(kw_only=True)
    size: int = field(kw_only=True)
    sha256: bytes = field(kw_only=True)
    collected: Interval | None = field(default=None, kw_only=True)
    derived_from: tuple[Source, ...] = field(default=(), kw_only=True)
    activity: Activity | None = field(default=None, kw_only=True)
    attributes: tuple[Attribute, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        known = {DATASET, *self.organisations} | ({ACTIVITY} if self.activity else set())
        for index, attribute in enumerate(self.attributes):
            if attribute.of not in known:
                raise MalformedError(
                    f"expected dataset, activity or an organisation of this record, got {attribute.of!r}",
                    code="attribute_of",
                    where=f"dataset.attributes[{index}].of",
                )

    @property
    def organisations(self) -> frozenset[str]:
        """Codes of all organisations that the record names."""
        named = {self.producer, self.responsible_party}
        if self.activity is not None and self.activity.performed_by is not None:
            named.add(self.activity.performed_by)
        return frozenset(named)

    @property
    def record_sha256(self) -> bytes:
        """SHA-256 of the canonical bytes, 32 bytes: what the stream's entry has."""
        return digest_of(self.canonical()).digest()

    def to_json(self) -> dict[str, Any]:
        """Return the members as they are sealed."""
        return {
            "activity": None if self.activity is None else self.activity.to_json(),
            "attributes": [attribute.to_json() for attribute in self.attributes],
            "collected": None if self.collected is None else self.collected.to_json(),
            "dataset": self.ref.dataset,
            "derived_from": [source.to_json() for source in self.derived_from],
            "format": DATASET_FORMAT,
            "level": self.level,
            "media_type": self.media_type,
            "producer": self.producer,
            "responsible_party": self.responsible_party,
            "sha256": self.sha256.hex(),
            "size": self.size,
            "title": self.title,
            "version": self.ref.version,
        }

    def canonical(self) -> bytes:
        """Return the record's bytes, RFC 8785."""
        return canonical_bytes(self.to_json())

    @classmethod
    def parse(cls, data: bytes) -> DatasetVersion:
        """Read a record.

        Args:
            data: canonical JSON.

        Raises:
            MalformedError: not canonical, or a member missing, unknown or of another form; `where` says which.
        """
        return cls.from_json(parse_canonical(data))

    @classmethod
    def from_json(cls, value: Any) -> DatasetVersion:
        """Read a record's members; raises as `parse`."""
        read = fields.members(value, _MEMBERS, "dataset")
        if read["format"] != DATASET_FORMAT:
            raise MalformedError(f"expected {DATASET_FORMAT}, got another format", where="dataset.format")
        sources = tuple(
            read_source(item, f"dataset.derived_from[{index}]")
            for index, item in enumerate(fields.sequence_of(read["derived_from"], "dataset.derived_from"))
        )
        attributes = tuple(
            Attribute.from_json(item, f"dataset.attributes[{index}]")
            for index, item in enumerate(fields.sequence_of(read["attributes"], "dataset.attributes"))
        )
        ref = read_ref(read, "dataset")
        if any(isinstance(source, DatasetSource) and source.ref == ref for source in sources):
            raise MalformedError(
                "expected sources other than the version itself", code="lineage_cycle", where="dataset.derived_from"
            )
        return cls(
            ref,
            title=fields.text(read["title"], "dataset.title"),
            producer=validate_uscc(read["producer"], "dataset.producer"),
            responsible_party=validate_uscc(read["responsible_party"], "dataset.responsible_party"),
            level=fields.one_of(read["level"], LEVELS, "dataset.level"),
            media_type=matched(read["media_type"], _MEDIA_TYPE, "a media type", "dataset.media_type"),
            size=fields.integer(read["size"], "dataset.size"),
            sha256=fields.hex_bytes(read["sha256"], "dataset.sha256"),
            collected=fields.optional(read["collected"], Interval.from_json, "dataset.collected"),
            derived_from=in_order(sources, [source.order for source in sources], "dataset.derived_from"),
            activity=fields.optional(read["activity"], Activity.from_json, "dataset.activity"),
            attributes=in_order(attributes, [attribute.order for attribute in attributes], "dataset.attributes"),
        )
