"""A model at hand whose leaves are salted. Source: docs/bim-fingerprint.md section 12."""

from __future__ import annotations

from ledger.bim.fingerprint import Fingerprint
from ledger.bim.reader import ModelReader
from ledger.bim.salted import SaltingKey, salted_leaf
from ledger.bim.scan import Step
from ledger.bim.schema import Aspect
from ledger.merkle import AuditPath, MerkleTree, leaf_hash

__all__ = ["SaltedModel"]


class SaltedModel:
    """A model at hand with salted leaves; an `ElementSource`.

    Args:
        step: the whole STEP file, unpacked; it must outlive the model.
        fingerprint: of these bytes.
        key: of this model.
    """

    def __init__(self, step: Step, fingerprint: Fingerprint, key: SaltingKey) -> None:
        self._reader = ModelReader(step, fingerprint)
        self._key = key
        leaves = [fingerprint.leaf(position) for position in range(fingerprint.elements)]
        leaves.append(fingerprint.last_leaf)
        self._tree = MerkleTree(
            [leaf_hash(salted_leaf(key.leaf_salt(position), leaf)) for position, leaf in enumerate(leaves)]
        )

    @property
    def schema(self) -> str:
        """FILE_SCHEMA as decoded text."""
        return self._reader.schema

    @property
    def root(self) -> bytes:
        """Root of the tree over the salted leaves, 32 bytes."""
        return self._tree.root

    def position(self, global_id: str) -> int | None:
        """Return the leaf position of a GlobalId; see `ModelReader.position`."""
        return self._reader.position(global_id)

    def aspect_digests(self, position: int) -> bytes:
        """Return the eight aspect digests of a leaf, 256 bytes."""
        return self._reader.aspect_digests(position)

    def aspect_notation(self, position: int, aspect: Aspect) -> str:
        """Return an aspect in the readable notation."""
        return self._reader.aspect_notation(position, aspect)

    def audit_path(self, position: int) -> AuditPath:
        """Return the path from a salted leaf to `root`."""
        return AuditPath.of(self._tree.proof(position))

    def salt(self, position: int) -> bytes | None:
        """Return the salt of a leaf, 32 bytes."""
        return self._key.leaf_salt(position)
