"""The manifest `yunshang-manifest/v1` of a handover and the commitments computed from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from typing import Any

from ledger import fields
from ledger.canonical import canonical_bytes, parse_canonical
from ledger.entries import DocumentEntry, ModelEntry
from ledger.errors import MalformedError, MismatchError
from ledger.merkle import root_hash
from ledger.types import BuildingIdentifier, Roster, UnitProject

__all__ = [
    "MANIFEST_FORMAT",
    "CommitmentSet",
    "Manifest",
    "ManifestCheck",
    "ManifestEntry",
    "Relation",
    "bim_root",
    "build_manifest",
    "documents_root",
]

MANIFEST_FORMAT = "yunshang-manifest/v1"
RELATION_KINDS = ("supplements", "corrects", "replaces")
_MEMBERS = (
    "format",
    "building",
    "unit_project",
    "roster",
    "sequence",
    "previous",
    "relation",
    "entries",
    "models",
    "checks",
)


@dataclass(frozen=True, slots=True)
class Relation:
    """What a submission does to an earlier one.

    Attributes:
        kind: `supplements`, `corrects` or `replaces`.
        submission: id of the earlier one, 32 bytes.
    """

    kind: str
    submission: bytes


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """A leaf in the manifest: hashes only, never a title or path.

    Attributes:
        leaf_hash: 32 bytes.
        entry_cid: CIDv1 of the canonical entry.
        content_cid: CIDv1 of the document's content.
    """

    leaf_hash: bytes
    entry_cid: str
    content_cid: str


@dataclass(frozen=True, slots=True)
class ManifestCheck:
    """A check the parties made before sealing: its name, the tool and the result."""

    check: str
    tool: str
    result: str


@dataclass(frozen=True, slots=True)
class CommitmentSet:
    """Everything a Submission commits to that follows from the manifest alone; 32 bytes each.

    Attributes:
        building_key: key of the building.
        unit_project_key: key of the unit project.
        roster_hash: keccak256 over the five codes.
        manifest_sha256: digest of the manifest's canonical bytes.
        documents_root: RFC 9162 root over the leaf hashes.
        document_count: number of leaves, at least 1.
        bim_root: see `bim_root`.
    """

    building_key: bytes
    unit_project_key: bytes
    roster_hash: bytes
    manifest_sha256: bytes
    documents_root: bytes
    document_count: int
    bim_root: bytes


@dataclass(frozen=True, slots=True)
class Manifest:
    """The list of what is handed over. Source: docs/formats.md section 4.

    Attributes:
        unit_project: the unit project and, in it, the building.
        roster: the five parties.
        sequence: from 1 within the unit project.
        previous: id of the last anchored submission, 32 bytes, or None for the first.
        relation: what this one supplements, corrects or replaces, or None.
        entries: one for each document in path order, at least one.
        models: strictly ordered by file_sha256.
        checks: checks made.

    Raises:
        MalformedError: no entry, models out of order or twice, or a sequence below 1.
    """

    unit_project: UnitProject
    roster: Roster
    sequence: int = field(kw_only=True)
    previous: bytes | None = field(kw_only=True)
    entries: tuple[ManifestEntry, ...] = field(kw_only=True)
    models: tuple[ModelEntry, ...] = field(default=(), kw_only=True)
    relation: Relation | None = field(default=None, kw_only=True)
    checks: tuple[ManifestCheck, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        if not self.entries:
            raise MalformedError("expected at least one document, got none", code="empty", where="manifest.entries")
        fields.integer(self.sequence, "manifest.sequence", low=1)
        if (self.previous is None) != (self.sequence == 1):
            raise MalformedError(
                "expected no previous submission for sequence 1 and one for every later sequence, "
                f"got sequence {self.sequence}",
                code="previous",
                where="manifest.previous",
            )
        digests = [model.file_sha256 for model in self.models]
        if any(first >= second for first, second in pairwise(digests)):
            raise MalformedError("expected each model once, ordered by file_sha256", where="manifest.models")

    def canonical(self) -> bytes:
        """Return the manifest's canonical bytes, the content of `manifest.json`."""
        return canonical_bytes(self.to_json())

    def commitments(self) -> CommitmentSet:
        """Compute what a statement commits to."""
        return CommitmentSet(
            building_key=self.unit_project.building.key,
            unit_project_key=self.unit_project.key,
            roster_hash=self.roster.hash,
            manifest_sha256=sha256(self.canonical()).digest(),
            documents_root=root_hash([entry.leaf_hash for entry in self.entries]),
            document_count=len(self.entries),
            bim_root=bim_root(self.models),
        )

    def check_entries(self, entries: Sequence[DocumentEntry]) -> None:
        """Check that the entries are exactly the manifest's, in its order.

        Args:
            entries: computed from the files by whoever is about to seal.

        Raises:
            MismatchError: `document_count`, or `leaf_hash` or `content_cid` naming the entry.
        """
        if len(entries) != len(self.entries):
            raise MismatchError(
                f"expected {len(self.entries)} documents, got {len(entries)}",
                code="document_count",
                expected=len(self.entries),
                actual=len(entries),
            )
        for index, (listed, entry) in enumerate(zip(self.entries, entries, strict=True)):
            for name, expected, actual in (
                ("content_cid", listed.content_cid, entry.cid),
                ("leaf_hash", listed.leaf_hash.hex(), entry.leaf_hash.hex()),
            ):
                if expected != actual:
                    raise MismatchError(
                        f"expected {name} {expected}, got {actual} for {entry.path!r}",
                        code=name,
                        where=f"entries[{index}]",
                        expected=expected,
                        actual=actual,
                        values={"path": entry.path},
                    )

    def to_json(self) -> dict[str, Any]:
        """Return the manifest's JSON object."""
        relation = self.relation
        return {
            "format": MANIFEST_FORMAT,
            "building": self.unit_project.building.to_json(),
            "unit_project": {"code": self.unit_project.code},
            "roster": self.roster.to_json(),
            "sequence": self.sequence,
            "previous": None if self.previous is None else fields.prefixed_hex(self.previous),
            "relation": relation and {"kind": relation.kind, "submission": fields.prefixed_hex(relation.submission)},
            "entries": [
                {
                    "leaf_hash": entry.leaf_hash.hex(),
                    "entry_cid": entry.entry_cid,
                    "content_cid": entry.content_cid,
                }
                for entry in self.entries
            ],
            "models": [model.to_json() for model in self.models],
            "checks": [{"check": made.check, "tool": made.tool, "result": made.result} for made in self.checks],
        }

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """Read the canonical bytes of a manifest.

        Raises:
            MalformedError: not canonical, or a member missing, unknown or of another form.
            PolicyError: `joint_appointment`.
        """
        return cls.from_json(parse_canonical(data))

    @classmethod
    def from_json(cls, value: Any) -> Manifest:
        """Read a manifest's JSON object strictly; raises as `parse`."""
        root = fields.members(value, _MEMBERS, "manifest")
        fields.one_of(root["format"], (MANIFEST_FORMAT,), "manifest.format")
        building = fields.members(root["building"], ("scheme", "value"), "manifest.building")
        unit = fields.members(root["unit_project"], ("code",), "manifest.unit_project")
        return cls(
            UnitProject(BuildingIdentifier(building["scheme"], building["value"]), unit["code"]),
            Roster.from_json(root["roster"], "manifest.roster"),
            sequence=fields.integer(root["sequence"], "manifest.sequence", low=1),
            previous=fields.optional(root["previous"], fields.prefixed_bytes, "manifest.previous"),
            relation=fields.optional(root["relation"], _relation, "manifest.relation"),
            entries=tuple(
                _manifest_entry(item, f"manifest.entries[{index}]")
                for index, item in enumerate(fields.sequence_of(root["entries"], "manifest.entries"))
            ),
            models=tuple(
                ModelEntry.from_json(item, f"manifest.models[{index}]")
                for index, item in enumerate(fields.sequence_of(root["models"], "manifest.models"))
            ),
            checks=tuple(
                _check(item, f"manifest.checks[{index}]")
                for index, item in enumerate(fields.sequence_of(root["checks"], "manifest.checks"))
            ),
        )


def build_manifest(
    unit_project: UnitProject,
    roster: Roster,
    *,
    sequence: int,
    previous: bytes | None,
    documents: Sequence[tuple[DocumentEntry, str]],
    models: Sequence[ModelEntry] = (),
    relation: Relation | None = None,
    checks: Sequence[ManifestCheck] = (),
) -> Manifest:
    """Build the manifest of a handover.

    Args:
        unit_project: the unit project and its building.
        roster: the five parties.
        sequence: from 1 within the unit project.
        previous: id of the last anchored submission, 32 bytes, or None.
        documents: entries, each with the CID of its canonical bytes, in any order.
        models: model entries in any order.
        relation: what this one supplements, corrects or replaces.
        checks: checks made.

    Returns:
        The manifest, documents in the order of their paths' UTF-8 bytes.

    Raises:
        MalformedError: no document, or one path twice (`duplicate_path`).
    """
    ordered = sorted(documents, key=lambda document: document[0].path.encode("utf-8"))
    require_path_order([entry for entry, _ in ordered])
    return Manifest(
        unit_project,
        roster,
        sequence=sequence,
        previous=previous,
        relation=relation,
        entries=tuple(ManifestEntry(entry.leaf_hash, entry_cid, entry.cid) for entry, entry_cid in ordered),
        models=tuple(sorted(models, key=lambda model: model.file_sha256)),
        checks=tuple(checks),
    )


def require_path_order(entries: Sequence[DocumentEntry]) -> None:
    """Check that entries are strictly in the order of their paths' UTF-8 bytes.

    Raises:
        MalformedError: `duplicate_path` or `path_order`.
    """
    paths = [entry.path.encode("utf-8") for entry in entries]
    for index, (first, second) in enumerate(pairwise(paths)):
        if first >= second:
            raise MalformedError(
                f"expected paths unique and in order, got {entries[index + 1].path!r}",
                code="duplicate_path" if first == second else "path_order",
                where=f"entries[{index + 1}]",
                actual=entries[index + 1].path,
            )


def documents_root(entries: Sequence[DocumentEntry]) -> bytes:
    """Return the documents root, 32 bytes, of entries in path order.

    Raises:
        MalformedError: `duplicate_path` or `path_order`.
    """
    require_path_order(entries)
    return root_hash([entry.leaf_hash for entry in entries])


def bim_root(models: Sequence[ModelEntry]) -> bytes:
    """Return the root over model entries, 32 bytes, ordered by file_sha256.

    Returns:
        The RFC 9162 root; without models that of the empty tree; 32 zero bytes where the
        fingerprint of any model was not computed.
    """
    if any(model.root is None for model in models):
        return bytes(32)
    ordered = sorted(models, key=lambda model: model.file_sha256)
    return root_hash([model.leaf_hash for model in ordered])


def _relation(value: Any, where: str) -> Relation:
    relation = fields.members(value, ("kind", "submission"), where)
    return Relation(
        fields.one_of(relation["kind"], RELATION_KINDS, f"{where}.kind"),
        fields.prefixed_bytes(relation["submission"], f"{where}.submission"),
    )


def _manifest_entry(value: Any, where: str) -> ManifestEntry:
    entry = fields.members(value, ("leaf_hash", "entry_cid", "content_cid"), where)
    return ManifestEntry(
        fields.hex_bytes(entry["leaf_hash"], f"{where}.leaf_hash"),
        fields.cid_text(entry["entry_cid"], f"{where}.entry_cid"),
        fields.cid_text(entry["content_cid"], f"{where}.content_cid"),
    )


def _check(value: Any, where: str) -> ManifestCheck:
    made = fields.members(value, ("check", "tool", "result"), where)
    return ManifestCheck(
        fields.text(made["check"], f"{where}.check"),
        fields.text(made["tool"], f"{where}.tool"),
        fields.text(made["result"], f"{where}.result"),
    )
