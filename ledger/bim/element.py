"""The proof of one element `yunshang-bim-element/v1`: its aspects in readable form, and the path to `root`.

Reading checks form only; `ElementProof.verify` says what is proved. Source: docs/bim-fingerprint.md section 11.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ledger import fields
from ledger.bim.description import ElementDescription, describe
from ledger.bim.elision import elide
from ledger.bim.notation import AspectNode, Elided, render
from ledger.bim.notation_parser import parse_aspect
from ledger.bim.salted import SALTED_FORMAT, salted_leaf
from ledger.bim.scan import FORMAT
from ledger.bim.schema import Aspect, table_for
from ledger.bim.source import ElementSource
from ledger.bim.values import text_of
from ledger.canonical import canonical_bytes, parse_canonical
from ledger.errors import MalformedError, MismatchError, NotFoundError
from ledger.merkle import AuditPath, leaf_hash

__all__ = [
    "ELEMENT_FORMAT",
    "FULL_BYTES",
    "MAX_ELEMENT_BYTES",
    "SALTED_ELEMENT_FORMAT",
    "SHORT_BYTES",
    "ElementProof",
    "UnknownFormatError",
]

ELEMENT_FORMAT: Final = "yunshang-bim-element/v1"
SALTED_ELEMENT_FORMAT: Final = "yunshang-bim-salted-element/v1"
MAX_ELEMENT_BYTES: Final = 1 << 20
SHORT_BYTES: Final = 4095
"""What a proof is kept to unless more is asked for."""
FULL_BYTES: Final = 700 * 1024
"""What a proof is kept to where everything is asked for: it still fits into a bundle of evidence."""
_FORMATS: Final = (ELEMENT_FORMAT, SALTED_ELEMENT_FORMAT)
_GLOBAL_ID: Final = re.compile(r"[!-~]{1,64}\Z")
_HIDDEN: Final = (Aspect.GEOMETRY, Aspect.OWNERSHIP)


class UnknownFormatError(MalformedError):
    """The proof has a version that this reader does not know: could not check."""

    default_code = "unknown_format"


@dataclass(frozen=True, slots=True)
class ElementProof:
    """That an element with these aspects is in a model.

    Attributes:
        schema: FILE_SCHEMA of the model.
        global_id: of the element.
        aspects: eight, in their order.
        path: from the element's leaf to `root`.
        salt: of the leaf, 32 bytes, where the model's leaves are salted; None where they aren't.
    """

    schema: str
    global_id: str
    aspects: tuple[AspectNode | Elided, ...] = field(kw_only=True)
    path: AuditPath = field(kw_only=True)
    salt: bytes | None = field(default=None, kw_only=True)

    @classmethod
    def build(cls, source: ElementSource, global_id: str, *, full: bool = False) -> ElementProof:
        """Prove one element.

        Args:
            source: the model or its stored index.
            global_id: of the element.
            full: show everything that `FULL_BYTES` have room for; otherwise geometry and ownership stay digests, and
                the whole is kept to `SHORT_BYTES` where that can be, see `ledger.bim.elision`.

        Raises:
            NotFoundError: the model has no element of this GlobalId.
            PolicyError: `duplicate_global_id`: it has several.
            MismatchError: what the source gave is not of its fingerprint: a damaged index.
        """
        position = source.position(global_id)
        if position is None:
            raise NotFoundError(
                f"expected an element with GlobalId {global_id}, got none in the model",
                code="element_not_found",
                expected=global_id,
            )
        digests = source.aspect_digests(position)
        aspects: list[AspectNode | Elided] = []
        for aspect in Aspect:
            digest = digests[32 * aspect : 32 * aspect + 32]
            hidden = aspect in _HIDDEN and not full
            node = Elided(digest) if hidden else parse_aspect(source.aspect_notation(position, aspect), aspect)
            aspects.append(node if node.digest == digest else Elided(digest))
        proof = cls(
            source.schema,
            global_id,
            aspects=tuple(aspects),
            path=source.audit_path(position),
            salt=source.salt(position),
        )
        excess = len(proof.to_bytes()) - (FULL_BYTES if full else SHORT_BYTES)
        if excess > 0:
            shorter = elide(proof.aspects, excess, table=table_for(proof.schema))
            proof = replace(proof, aspects=tuple(shorter))
        proof.verify(source.root)
        return proof

    @property
    def leaf(self) -> bytes:
        """The leaf that the aspects make, recomputed from what they show, with its salt if it has one."""
        leaf = b"".join(self._leaf())
        return leaf if self.salt is None else salted_leaf(self.salt, leaf)

    @property
    def version(self) -> str:
        """Version of the fingerprint that the proof leads to, as in the model entry."""
        return FORMAT if self.salt is None else SALTED_FORMAT

    def _leaf(self) -> Iterator[bytes]:
        yield b"l"
        for text in (FORMAT, self.schema, self.global_id):
            data = text.encode("utf-8")
            yield len(data).to_bytes(4, "big") + data
        for aspect in self.aspects:
            yield aspect.digest

    def verify(self, root: bytes) -> ElementDescription:
        """Check that the element is in the model of a root.

        Args:
            root: the root trusted, 32 bytes: never one that comes with the proof.

        Returns:
            What is proved of the element.

        Raises:
            MismatchError: aspects and path lead to another root, or the element states another GlobalId than its leaf.
        """
        self.path.verify(leaf_hash(self.leaf), root)
        identity = self.aspects[Aspect.IDENTITY]
        if isinstance(identity, AspectNode) and text_of(identity.value(0)) != self.global_id:
            raise MismatchError(
                f"expected GlobalId {self.global_id}, got {text_of(identity.value(0))!r} in the aspect identity",
                code="global_id_mismatch",
                expected=self.global_id,
            )
        return describe(self.schema, self.global_id, self.aspects)

    def to_json(self) -> dict[str, Any]:
        """Return the proof's JSON object."""
        salted = {} if self.salt is None else {"salt": self.salt.hex()}
        return {
            "format": SALTED_ELEMENT_FORMAT if salted else ELEMENT_FORMAT,
            **salted,
            "schema": self.schema,
            "global_id": self.global_id,
            "aspects": {aspect.label: render(self.aspects[aspect]) for aspect in Aspect},
            "path": self.path.to_json(),
        }

    def to_bytes(self) -> bytes:
        """Return the proof's canonical bytes."""
        return canonical_bytes(self.to_json())

    @classmethod
    def parse(cls, data: bytes) -> ElementProof:
        """Read a proof strictly.

        Args:
            data: canonical JSON, at most `MAX_ELEMENT_BYTES`.

        Raises:
            UnknownFormatError: a later version.
            MalformedError: not canonical JSON, a member missing or unknown, or a value of another form.
        """
        if len(data) > MAX_ELEMENT_BYTES:
            raise MalformedError(f"expected at most {MAX_ELEMENT_BYTES} bytes, got {len(data)}", code="too_large")
        return cls.from_json(parse_canonical(data))

    @classmethod
    def from_json(cls, value: Any, where: str = "element") -> ElementProof:
        """Read a proof out of a parsed document; see `parse`."""
        version = value.get("format") if isinstance(value, dict) else None
        families = tuple(known.partition("/")[0] + "/" for known in _FORMATS)
        if isinstance(version, str) and version.startswith(families) and version not in _FORMATS:
            raise UnknownFormatError(f"expected one of {_FORMATS}, got {version!r}", where=where, actual=version)
        salted = ("salt",) if version == SALTED_ELEMENT_FORMAT else ()
        proof = fields.members(value, ("format", *salted, "schema", "global_id", "aspects", "path"), where)
        fields.one_of(proof["format"], _FORMATS, f"{where}.format")
        labels = tuple(aspect.label for aspect in Aspect)
        aspects = fields.members(proof["aspects"], labels, f"{where}.aspects")
        global_id = proof["global_id"]
        if not isinstance(global_id, str) or not _GLOBAL_ID.match(global_id):
            raise MalformedError("expected 1 to 64 visible ASCII characters", where=f"{where}.global_id")
        return cls(
            fields.text(proof["schema"], f"{where}.schema"),
            global_id,
            aspects=tuple(
                parse_aspect(fields.text(aspects[aspect.label], f"{where}.aspects.{aspect.label}"), aspect)
                for aspect in Aspect
            ),
            path=AuditPath.from_json(proof["path"], f"{where}.path"),
            salt=fields.hex_bytes(proof["salt"], f"{where}.salt") if salted else None,
        )
