"""The change record `yunshang-bim-change/v1`: what changed between two models, small enough to keep with a submission.

Canonical JSON, packed with gzip. Source: docs/bim-fingerprint.md section 9.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, TypeVar

from ledger import fields
from ledger.bim.difference import ChangedElement, ElementName, ModelDifference, ReissuedElement
from ledger.bim.fingerprint import Fingerprint
from ledger.bim.schema import Aspect
from ledger.canonical import canonical_bytes, parse_canonical
from ledger.entries import STAGES
from ledger.errors import MalformedError, PolicyError

__all__ = [
    "CHANGE_FORMAT",
    "MAX_CHANGE_BYTES",
    "ChangeRecord",
    "ModelState",
    "parse_change_record",
    "unpack_change_record",
]

CHANGE_FORMAT: Final = "yunshang-bim-change/v1"
MAX_CHANGE_BYTES: Final = 64 << 20
"""Largest record, unpacked and packed."""

_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
_TRAILER: Final = struct.Struct("<II")
_GLOBAL_ID: Final = re.compile(r"[\x21-\x7e]{1,64}")
_STATE: Final = ("file_sha256", "schema", "root", "content_root", "stage")
_ELEMENT: Final = ("global_id", "class", "name")
_LABELS: Final = {aspect.label: aspect for aspect in Aspect}

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class ModelState:
    """One of the two models.

    Attributes:
        file_sha256: digest of the file, 32 bytes.
        schema: FILE_SCHEMA as decoded text.
        root: fingerprint, 32 bytes.
        content_root: 32 bytes.
        stage: one of `ledger.entries.STAGES` or None.
    """

    file_sha256: bytes
    schema: str = field(kw_only=True)
    root: bytes = field(kw_only=True)
    content_root: bytes = field(kw_only=True)
    stage: str | None = field(default=None, kw_only=True)

    @classmethod
    def of(cls, fingerprint: Fingerprint, file_sha256: bytes, *, stage: str | None = None) -> ModelState:
        """Make the state of a model that was fingerprinted."""
        return cls(
            file_sha256,
            schema=fingerprint.schema,
            root=fingerprint.root,
            content_root=fingerprint.content_root,
            stage=stage,
        )

    @classmethod
    def from_json(cls, value: Any, where: str) -> ModelState:
        """Read what `to_json` gives or raise MalformedError."""
        state = fields.members(value, _STATE, where)
        stage = state["stage"]
        return cls(
            fields.hex_bytes(state["file_sha256"], f"{where}.file_sha256"),
            schema=_string(state["schema"], f"{where}.schema"),
            root=fields.hex_bytes(state["root"], f"{where}.root"),
            content_root=fields.hex_bytes(state["content_root"], f"{where}.content_root"),
            stage=None if stage is None else fields.one_of(stage, STAGES, f"{where}.stage"),
        )

    def to_json(self) -> dict[str, Any]:
        """Return every member; digests as plain hex."""
        return {
            "file_sha256": self.file_sha256.hex(),
            "schema": self.schema,
            "root": self.root.hex(),
            "content_root": self.content_root.hex(),
            "stage": self.stage,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRecord:
    """What changed between two models, and which two.

    Attributes:
        earlier: the first model (member `from`).
        later: the second one (member `to`).
        difference: what changed.
    """

    earlier: ModelState
    later: ModelState
    difference: ModelDifference

    def canonical(self) -> bytes:
        """Return the canonical JSON: what two records are compared by.

        Raises:
            PolicyError: larger than `MAX_CHANGE_BYTES` (code `change_record_too_large`).
        """
        document = {"format": CHANGE_FORMAT, "from": self.earlier.to_json(), "to": self.later.to_json()}
        content = canonical_bytes(document | self.difference.to_json())
        if len(content) > MAX_CHANGE_BYTES:
            raise PolicyError(
                f"expected a change record of at most {MAX_CHANGE_BYTES} bytes, got {len(content)}",
                code="change_record_too_large",
            )
        return content

    def packed(self) -> bytes:
        """Return the record as it is stored: gzip without time and name, so the same record gives the same bytes."""
        content = self.canonical()
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9)
        trailer = _TRAILER.pack(zlib.crc32(content), len(content))
        return _HEADER + packer.compress(content) + packer.flush() + trailer


def parse_change_record(packed: bytes) -> ChangeRecord:
    """Read a change record strictly.

    Args:
        packed: the gzip file.

    Raises:
        MalformedError: as `unpack_change_record`; not canonical JSON, or members missing, unknown, of another form or
            out of order.
    """
    document = fields.members(
        parse_canonical(unpack_change_record(packed)),
        ("format", "from", "to", "added", "deleted", "changed", "reissued", "resources_changed"),
        "",
    )
    fields.one_of(document["format"], (CHANGE_FORMAT,), "format")
    difference = ModelDifference(
        added=_items(document["added"], "added", _element, _first),
        deleted=_items(document["deleted"], "deleted", _element, _first),
        changed=_items(document["changed"], "changed", _changed, _first),
        reissued=_items(document["reissued"], "reissued", _reissued, lambda item: (item.old, item.new)),
        resources_changed=fields.integer(document["resources_changed"], "resources_changed"),
    )
    return ChangeRecord(
        earlier=ModelState.from_json(document["from"], "from"),
        later=ModelState.from_json(document["to"], "to"),
        difference=difference,
    )


def unpack_change_record(packed: bytes) -> bytes:
    """Return the JSON of a packed record; what it says isn't looked at.

    Raises:
        MalformedError: code `gzip`: not one gzip member with the header that records have, or with something behind
            it; `change_record_too_large`: it unpacks to more than `MAX_CHANGE_BYTES`.
    """
    if len(packed) > MAX_CHANGE_BYTES:
        raise _too_large()
    if packed[: len(_HEADER)] != _HEADER:
        raise _broken("a gzip file without name and time", "another header")
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = unpacker.decompress(packed[len(_HEADER) :], MAX_CHANGE_BYTES + 1)
    except zlib.error as e:
        raise _broken("deflated data", str(e)) from e
    if len(content) > MAX_CHANGE_BYTES:
        raise _too_large()
    if not unpacker.eof:
        raise _broken("the end of the packed data", "the end of the file")
    if unpacker.unused_data != _TRAILER.pack(zlib.crc32(content), len(content)):
        raise _broken("checksum and length at the end", "something else")
    return content


def _items(
    value: Any,
    where: str,
    reader: Callable[[Any, str], Item],
    order: Callable[[Item], tuple[str, ...]],
) -> tuple[Item, ...]:
    items = tuple(reader(item, f"{where}[{index}]") for index, item in enumerate(fields.sequence_of(value, where)))
    for index, (one, other) in enumerate(pairwise(items)):
        if order(one) > order(other):
            raise MalformedError("expected ascending order, got another", code="not_sorted", where=f"{where}[{index}]")
    return items


def _first(element: ElementName) -> tuple[str, ...]:
    return (element.global_id, element.class_name, element.name or "")


def _element(value: Any, where: str) -> ElementName:
    element = fields.members(value, _ELEMENT, where)
    return ElementName(
        _global_id(element["global_id"], f"{where}.global_id"),
        class_name=_string(element["class"], f"{where}.class"),
        name=fields.optional(element["name"], _string, f"{where}.name"),
    )


def _changed(value: Any, where: str) -> ChangedElement:
    element = fields.members(value, (*_ELEMENT, "aspects"), where)
    return ChangedElement(
        _global_id(element["global_id"], f"{where}.global_id"),
        class_name=_string(element["class"], f"{where}.class"),
        name=fields.optional(element["name"], _string, f"{where}.name"),
        aspects=_aspects(fields.sequence_of(element["aspects"], f"{where}.aspects"), f"{where}.aspects"),
    )


def _aspects(labels: Sequence[Any], where: str) -> tuple[Aspect, ...]:
    aspects = tuple(_LABELS[fields.one_of(label, tuple(_LABELS), where)] for label in labels)
    if not aspects or list(aspects) != sorted(set(aspects)):
        raise MalformedError("expected aspects in their order, each once, got others", code="not_sorted", where=where)
    return aspects


def _reissued(value: Any, where: str) -> ReissuedElement:
    element = fields.members(value, ("old", "new", "class"), where)
    return ReissuedElement(
        old=_global_id(element["old"], f"{where}.old"),
        new=_global_id(element["new"], f"{where}.new"),
        class_name=_string(element["class"], f"{where}.class"),
    )


def _global_id(value: Any, where: str) -> str:
    if not isinstance(value, str) or _GLOBAL_ID.fullmatch(value) is None:
        raise MalformedError("expected a GlobalId of 1 to 64 ASCII characters, got something else", where=where)
    return value


def _string(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise MalformedError("expected a string, got something else", where=where)
    return value


def _broken(expected: str, actual: str) -> MalformedError:
    return MalformedError(f"expected {expected}, got {actual}", code="gzip")


def _too_large() -> MalformedError:
    message = f"expected a change record of at most {MAX_CHANGE_BYTES} bytes, got more"
    return MalformedError(message, code="change_record_too_large")
