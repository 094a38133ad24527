"""What a handover's manifest says of a model, and what was computed from its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Final

from ledger import fields
from ledger.bim.scan import FORMAT
from ledger.canonical import canonical_bytes
from ledger.entries import ModelEntry

__all__ = [
    "MODEL_SUFFIXES",
    "PACKED_SUFFIX",
    "UNKNOWN_SCHEMA",
    "ModelFacts",
    "is_model_path",
    "model_differences",
    "model_entry",
    "recomputed_entry",
]

PACKED_SUFFIX: Final = ".ifczip"
MODEL_SUFFIXES: Final = (".ifc", PACKED_SUFFIX)
UNKNOWN_SCHEMA: Final = "unknown"
"""The schema in the entry of a model that cannot be read."""

_MEMBERS: Final = ("schema", "file_sha256", "root", "content_root", "entities", "elements", "duplicate_global_ids")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """The outcome of fingerprinting one file. Source: docs/bim-fingerprint.md.

    Attributes:
        schema: FILE_SCHEMA, a text as in docs/formats.md section 1.
        file_sha256: digest of the file, 32 bytes.
        root: fingerprint, 32 bytes.
        content_root: the same without GlobalIds, 32 bytes.
        entities: entities of the DATA section.
        elements: rooted ones among them.
        duplicate_global_ids: how many GlobalIds occur more than once.

    Raises:
        MalformedError: a schema that may not stand in an entry.
    """

    schema: str
    file_sha256: bytes
    root: bytes
    content_root: bytes
    entities: int
    elements: int
    duplicate_global_ids: int

    def __post_init__(self) -> None:
        fields.text(self.schema, "FILE_SCHEMA")

    @property
    def counts(self) -> dict[str, int]:
        """The counts of a model entry."""
        return {
            "entities": self.entities,
            "elements": self.elements,
            "duplicate_global_ids": self.duplicate_global_ids,
        }

    def to_json(self) -> dict[str, Any]:
        """Return all members; digests as hex."""
        return {
            "schema": self.schema,
            "file_sha256": self.file_sha256.hex(),
            "root": self.root.hex(),
            "content_root": self.content_root.hex(),
        } | self.counts

    @classmethod
    def from_json(cls, value: Any, where: str = "facts") -> ModelFacts:
        """Read what `to_json` writes.

        Raises:
            MalformedError: unknown or missing members, or one of another form.
        """
        facts = fields.members(value, _MEMBERS, where)

        def digest(name: str) -> bytes:
            return fields.hex_bytes(facts[name], f"{where}.{name}")

        def count(name: str) -> int:
            return fields.integer(facts[name], f"{where}.{name}")

        return cls(
            schema=fields.text(facts["schema"], f"{where}.schema"),
            file_sha256=digest("file_sha256"),
            root=digest("root"),
            content_root=digest("content_root"),
            entities=count("entities"),
            elements=count("elements"),
            duplicate_global_ids=count("duplicate_global_ids"),
        )


def is_model_path(path: str) -> bool:
    """Whether a file's name says that it is an IFC model, as a STEP file or packed as `.ifczip`."""
    return PurePosixPath(path).suffix.lower() in MODEL_SUFFIXES


def model_entry(file_sha256: bytes, facts: ModelFacts | None, *, stage: str | None, salt: bytes) -> ModelEntry:
    """The model entry of a file.

    Args:
        file_sha256: digest of the file, 32 bytes.
        facts: what was computed; None: the model cannot be read, its root is null ("not computed").
        stage: one of `ledger.entries.STAGES` or None.
        salt: 32 random bytes.
    """
    return recomputed_entry(ModelEntry(UNKNOWN_SCHEMA, file_sha256, stage=stage, salt=salt), facts)


def recomputed_entry(stated: ModelEntry, facts: ModelFacts | None) -> ModelEntry:
    """A model entry with everything that follows from the file put in; stage and salt stay as they are stated."""
    if facts is None:
        return replace(stated, schema=UNKNOWN_SCHEMA, version=None, root=None, content_root=None, counts=None)
    return replace(
        stated,
        schema=facts.schema,
        version=FORMAT,
        root=facts.root,
        content_root=facts.content_root,
        counts=canonical_bytes(facts.counts),
    )


def model_differences(stated: ModelEntry, computed: ModelEntry) -> Mapping[str, tuple[str, str]]:
    """The members of a model entry that disagree with the file: by name what was computed and what is stated."""
    theirs, ours = stated.to_json(), computed.to_json()
    return {name: (str(ours[name]), str(theirs[name])) for name in ours if ours[name] != theirs[name]}
