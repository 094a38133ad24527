"""The fingerprint of a model: its leaves, its two roots. Source: docs/bim-fingerprint.md sections 6 and 7."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256

from ledger.bim.encoding import counted, length_prefixed
from ledger.bim.scan import FORMAT, ModelScan
from ledger.errors import PolicyError
from ledger.merkle import leaf_hash, root_hash

__all__ = ["Fingerprint", "last_leaf"]

_ASPECT_BYTES = 256
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What one model is, made from a scan.

    Attributes:
        scan: what it is made from.
        leaf_hashes: RFC 9162 leaf hashes in the order of the tree, 32 bytes each; that of the last leaf included.
        root: of the tree over them, 32 bytes.
        content_root: of the tree without GlobalIds and ownership, 32 bytes; it never decides a verdict.
        duplicates: GlobalIds that occur more than once, and how often.
    """

    scan: ModelScan
    leaf_hashes: list[bytes] = field(repr=False)
    root: bytes
    content_root: bytes
    duplicates: dict[str, int]
    _positions: dict[str, int] = field(repr=False, compare=False)

    @classmethod
    def of(cls, scan: ModelScan) -> Fingerprint:
        """Make the fingerprint of a scan."""
        # Hundreds of thousands of leaves: `leaf_hash` is written out.
        head, aspects = b"\x00" + _leaf_head(scan.schema), scan.aspects
        leaf_hashes = [
            sha256(b"%b%b%b" % (head, length_prefixed(name), aspects[start : start + _ASPECT_BYTES])).digest()
            for name, start in zip(scan.global_ids, range(0, len(aspects), _ASPECT_BYTES), strict=True)
        ]
        leaf_hashes.append(leaf_hash(last_leaf(scan.schema, scan.loose)))
        content = [sha256(b"\x00k" + colour).digest() for colour in sorted(_digests(scan.colours))]
        content.append(leaf_hash(last_leaf(scan.schema, scan.content_loose)))
        positions = {name: position for position, name in enumerate(scan.global_ids)}
        counts = Counter(scan.global_ids) if len(positions) < len(scan.global_ids) else Counter()
        return cls(
            scan=scan,
            leaf_hashes=leaf_hashes,
            root=root_hash(leaf_hashes),
            content_root=root_hash(content),
            duplicates={name: count for name, count in counts.items() if count > 1},
            _positions=positions,
        )

    @property
    def schema(self) -> str:
        """FILE_SCHEMA as decoded text."""
        return self.scan.schema

    @property
    def entities(self) -> int:
        """Number of entities of the DATA section."""
        return len(self.scan.numbers)

    @property
    def elements(self) -> int:
        """Number of rooted entities."""
        return len(self.scan.rooted)

    @property
    def last_leaf(self) -> bytes:
        """Bytes of the last leaf."""
        return last_leaf(self.scan.schema, self.scan.loose)

    def leaf(self, position: int) -> bytes:
        """Return the bytes of an element's leaf.

        Args:
            position: leaf position, below `elements`.
        """
        name = self.scan.global_ids[position]
        start = position * _ASPECT_BYTES
        return _leaf_head(self.schema) + length_prefixed(name) + self.scan.aspects[start : start + _ASPECT_BYTES]

    def position(self, global_id: str) -> int | None:
        """Return the leaf position of a GlobalId, None where the model does not have it.

        Raises:
            PolicyError: `duplicate_global_id`: it occurs more than once, so no element is proved by it.
        """
        if global_id in self.duplicates:
            raise PolicyError(
                f"expected a GlobalId that occurs once, got {global_id}",
                code="duplicate_global_id",
                expected=1,
                actual=self.duplicates[global_id],
            )
        return self._positions.get(global_id)

    def keyword(self, position: int) -> str:
        """Return an element's class in upper case, such as `IFCDOOR`."""
        return self.scan.keywords[self.scan.keyword_of[self.scan.rooted[position]]]


def last_leaf(schema: str, loose: bytes) -> bytes:
    """Return the bytes of a tree's last leaf.

    Args:
        schema: FILE_SCHEMA as decoded text.
        loose: digests of the loose entities, 32 bytes each, sorted.
    """
    return b"z" + length_prefixed(FORMAT) + length_prefixed(schema) + counted(_digests(loose))


def _leaf_head(schema: str) -> bytes:
    return b"l" + length_prefixed(FORMAT) + length_prefixed(schema)


def _digests(joined: bytes) -> list[bytes]:
    return [joined[start : start + _DIGEST_BYTES] for start in range(0, len(joined), _DIGEST_BYTES)]
