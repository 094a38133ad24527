"""The leaves: entries of documents and of models, as they are hashed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ledger import fields
from ledger.canonical import canonical_bytes, parse_canonical
from ledger.errors import MalformedError
from ledger.identifiers.uscc import validate_uscc
from ledger.merkle import leaf_hash

__all__ = [
    "ENTRY_MEMBERS",
    "RETENTIONS",
    "SECURITY_LEVELS",
    "STAGES",
    "DocumentEntry",
    "ModelEntry",
]

STAGES = ("planning", "design", "construction", "as_built")
RETENTIONS = ("permanent", "long_term", "short_term")
SECURITY_LEVELS = ("public", "internal", "restricted", "secret")

ENTRY_MEMBERS = (
    "path",
    "title",
    "category",
    "media_type",
    "size",
    "sha256",
    "sm3",
    "cid",
    "document_number",
    "responsible_party",
    "document_date",
    "page_count",
    "originating_system",
    "stage",
    "retention",
    "security_level",
    "existing_signatures",
    "source_entry",
    "encryption",
    "extensions",
    "salt",
)
"""Members of a document entry. Source: docs/formats.md section 2."""

_MODEL_MEMBERS = (
    "type",
    "version",
    "schema",
    "stage",
    "file_sha256",
    "root",
    "content_root",
    "counts",
    "salt",
)


_EMPTY = b"{}"


def _json_object(value: Any, where: str) -> bytes:
    if not isinstance(value, Mapping):
        raise MalformedError(f"expected an object, got {value!r}", where=where)
    return canonical_bytes(dict(value)) if value else _EMPTY


def _json_objects(value: Any, where: str) -> bytes:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, dict) for item in value):
        raise MalformedError(f"expected an array of objects, got {value!r}", where=where)
    return canonical_bytes(list(value))


def _thaw(value: bytes | None) -> Any:
    if value is None:
        return None
    return parse_canonical(value) if value != _EMPTY else {}


@dataclass(frozen=True, slots=True)
class DocumentEntry:
    """One document of a handover: what its leaf hash commits to.

    Build it with `DocumentEntry.create` or `from_json`; both check every member.

    Attributes:
        path: safe relative path, see `fields.document_path`.
        title: 题名.
        media_type: IANA media type.
        size: bytes of the content.
        sha256: digest of the content, 32 bytes.
        sm3: digest of the content, 32 bytes.
        cid: CIDv1 of the content, base32.
        salt: 32 random bytes.
        category: 分类号 such as `C5`.
        document_number: 文件编号.
        responsible_party: organisation code of the 责任者.
        document_date: `YYYY-MM-DD`.
        page_count: pages.
        originating_system: what produced the file.
        stage: one of `STAGES`.
        retention: one of `RETENTIONS` (保管期限).
        security_level: one of `SECURITY_LEVELS` (密级).
        existing_signatures: canonical JSON of an array of objects; None: not examined.
        source_entry: leaf hash, 32 bytes, of the entry this one was derived from.
        encryption: canonical JSON of an object, or None.
        extensions: canonical JSON of an object, `{}` if none.
    """

    path: str
    title: str
    media_type: str = field(kw_only=True)
    size: int = field(kw_only=True)
    sha256: bytes = field(kw_only=True)
    sm3: bytes = field(kw_only=True)
    cid: str = field(kw_only=True)
    salt: bytes = field(kw_only=True)
    category: str | None = field(default=None, kw_only=True)
    document_number: str | None = field(default=None, kw_only=True)
    responsible_party: str | None = field(default=None, kw_only=True)
    document_date: str | None = field(default=None, kw_only=True)
    page_count: int | None = field(default=None, kw_only=True)
    originating_system: str | None = field(default=None, kw_only=True)
    stage: str | None = field(default=None, kw_only=True)
    retention: str | None = field(default=None, kw_only=True)
    security_level: str | None = field(default=None, kw_only=True)
    existing_signatures: bytes | None = field(default=None, kw_only=True)
    source_entry: bytes | None = field(default=None, kw_only=True)
    encryption: bytes | None = field(default=None, kw_only=True)
    extensions: bytes = field(default=b"{}", kw_only=True)
    _canonical: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_canonical", canonical_bytes(self.to_json()))

    @classmethod
    def create(cls, **values: Any) -> DocumentEntry:
        """Build an entry from the members' JSON values; members left out are null.

        Args:
            **values: as in docs/formats.md section 2, digests and salt as lowercase hex.

        Raises:
            MalformedError: a member unknown or of another form.
        """
        return cls.from_json(dict.fromkeys(ENTRY_MEMBERS) | {"extensions": {}} | values)

    @classmethod
    def from_json(cls, value: Any, where: str = "entry") -> DocumentEntry:
        """Read an entry strictly.

        Args:
            value: an object as the JSON reader gives it.
            where: place for error texts.

        Raises:
            MalformedError: a member missing, unknown or of another form.
        """
        entry = fields.members(value, ENTRY_MEMBERS, where)

        def optional(name: str, reader: Any) -> Any:
            return fields.optional(entry[name], reader, f"{where}.{name}")

        def among(choices: tuple[str, ...]) -> Any:
            return lambda item, place: fields.one_of(item, choices, place)

        return cls(
            fields.document_path(entry["path"], f"{where}.path"),
            fields.text(entry["title"], f"{where}.title"),
            media_type=fields.text(entry["media_type"], f"{where}.media_type"),
            size=fields.integer(entry["size"], f"{where}.size"),
            sha256=fields.hex_bytes(entry["sha256"], f"{where}.sha256"),
            sm3=fields.hex_bytes(entry["sm3"], f"{where}.sm3"),
            cid=fields.cid_text(entry["cid"], f"{where}.cid"),
            salt=fields.hex_bytes(entry["salt"], f"{where}.salt"),
            category=optional("category", fields.text),
            document_number=optional("document_number", fields.text),
            responsible_party=optional("responsible_party", validate_uscc),
            document_date=optional("document_date", fields.calendar_date),
            page_count=optional("page_count", fields.integer),
            originating_system=optional("originating_system", fields.text),
            stage=optional("stage", among(STAGES)),
            retention=optional("retention", among(RETENTIONS)),
            security_level=optional("security_level", among(SECURITY_LEVELS)),
            existing_signatures=optional("existing_signatures", _json_objects),
            source_entry=optional("source_entry", fields.hex_bytes),
            encryption=optional("encryption", _json_object),
            extensions=_json_object(entry["extensions"], f"{where}.extensions"),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the entry's JSON object with every member."""
        return {
            "path": self.path,
            "title": self.title,
            "category": self.category,
            "media_type": self.media_type,
            "size": self.size,
            "sha256": self.sha256.hex(),
            "sm3": self.sm3.hex(),
            "cid": self.cid,
            "document_number": self.document_number,
            "responsible_party": self.responsible_party,
            "document_date": self.document_date,
            "page_count": self.page_count,
            "originating_system": self.originating_system,
            "stage": self.stage,
            "retention": self.retention,
            "security_level": self.security_level,
            "existing_signatures": _thaw(self.existing_signatures),
            "source_entry": None if self.source_entry is None else self.source_entry.hex(),
            "encryption": _thaw(self.encryption),
            "extensions": _thaw(self.extensions),
            "salt": self.salt.hex(),
        }

    def canonical(self) -> bytes:
        """Return the canonical JSON bytes: the leaf."""
        return self._canonical

    @property
    def leaf_hash(self) -> bytes:
        """SHA-256(0x00 ‖ canonical entry), 32 bytes."""
        return leaf_hash(self._canonical)


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One BIM model of a handover.

    Attributes:
        schema: IFC schema such as `IFC4`.
        file_sha256: digest of the model file, 32 bytes.
        version: version of the fingerprint rules, None while there is none.
        stage: one of `STAGES` or None.
        root: fingerprint root, 32 bytes; None: not computed.
        content_root: content root, 32 bytes, or None.
        counts: canonical JSON of an object, or None.
        salt: 32 random bytes.
    """

    schema: str
    file_sha256: bytes
    salt: bytes = field(kw_only=True)
    version: str | None = field(default=None, kw_only=True)
    stage: str | None = field(default=None, kw_only=True)
    root: bytes | None = field(default=None, kw_only=True)
    content_root: bytes | None = field(default=None, kw_only=True)
    counts: bytes | None = field(default=None, kw_only=True)

    @classmethod
    def from_json(cls, value: Any, where: str = "model") -> ModelEntry:
        """Read a model entry strictly; `type` must be `ifc`.

        Raises:
            MalformedError: a member missing, unknown or of another form.
        """
        model = fields.members(value, _MODEL_MEMBERS, where)
        fields.one_of(model["type"], ("ifc",), f"{where}.type")
        stage = model["stage"]
        return cls(
            fields.text(model["schema"], f"{where}.schema"),
            fields.hex_bytes(model["file_sha256"], f"{where}.file_sha256"),
            salt=fields.hex_bytes(model["salt"], f"{where}.salt"),
            version=fields.optional(model["version"], fields.text, f"{where}.version"),
            stage=None if stage is None else fields.one_of(stage, STAGES, f"{where}.stage"),
            root=fields.optional(model["root"], fields.hex_bytes, f"{where}.root"),
            content_root=fields.optional(model["content_root"], fields.hex_bytes, f"{where}.content_root"),
            counts=fields.optional(model["counts"], _json_object, f"{where}.counts"),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the model entry's JSON object with every member."""
        return {
            "type": "ifc",
            "version": self.version,
            "schema": self.schema,
            "stage": self.stage,
            "file_sha256": self.file_sha256.hex(),
            "root": None if self.root is None else self.root.hex(),
            "content_root": None if self.content_root is None else self.content_root.hex(),
            "counts": _thaw(self.counts),
            "salt": self.salt.hex(),
        }

    def canonical(self) -> bytes:
        """Return the canonical JSON bytes: the leaf of the BIM tree."""
        return canonical_bytes(self.to_json())

    @property
    def leaf_hash(self) -> bytes:
        """SHA-256(0x00 ‖ canonical model entry), 32 bytes."""
        return leaf_hash(self.canonical())
