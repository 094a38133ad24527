"""The Merkle tree of RFC 9162: leaf hashes in; root, inclusion and consistency proofs out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from ledger.errors import MalformedError, MismatchError

__all__ = [
    "EMPTY_ROOT",
    "AuditPath",
    "Frontier",
    "InclusionProof",
    "MerkleTree",
    "consistency_ranges",
    "inclusion_proof",
    "inclusion_proofs",
    "inclusion_ranges",
    "leaf_hash",
    "node_hash",
    "path_length",
    "root_hash",
    "root_of_proof",
    "verify_consistency",
    "verify_inclusion",
]

_SIDED: Final = re.compile(r"[LR][0-9a-f]{64}\Z")
_MAX_HEIGHT: Final = 64

EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without leaves: SHA-256 of nothing, 32 bytes."""


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """The position of a leaf and the hashes from it up to the root.

    Attributes:
        leaf_index: from 0 to tree_size − 1.
        tree_size: number of leaves.
        path: sibling hashes of 32 bytes each, lowest first; as many as index and size imply.

    Raises:
        MalformedError: the index is not below the size, or the path has another length.
    """

    leaf_index: int
    tree_size: int
    path: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.leaf_index < self.tree_size:
            raise MalformedError(
                f"expected a leaf index below {self.tree_size}, got {self.leaf_index}",
                code="leaf_index_out_of_range",
                expected=self.tree_size,
                actual=self.leaf_index,
            )
        length = path_length(self.leaf_index, self.tree_size)
        if len(self.path) != length or any(len(item) != 32 for item in self.path):
            raise MalformedError(
                f"expected a path of {length} hashes of 32 bytes, got {len(self.path)} items",
                code="path_length",
                expected=length,
                actual=len(self.path),
            )


@dataclass(frozen=True, slots=True)
class AuditPath:
    """The hashes from a leaf up to the root, each with its side, where no one has sealed the size of the tree.

    Index and size of an `InclusionProof` only say which side each hash is on, and several sizes say the same; here the
    sides are given themselves, so that no value of a proof can be changed unnoticed.

    Attributes:
        steps: lowest first: whether the hash stands on the left, and the hash, 32 bytes.
    """

    steps: tuple[tuple[bool, bytes], ...]

    @classmethod
    def of(cls, proof: InclusionProof) -> AuditPath:
        """Return the path of a proof with index and size."""
        steps = []
        position, last, path = proof.leaf_index, proof.tree_size - 1, iter(proof.path)
        while last:
            if position % 2 or position < last:
                steps.append((position % 2 == 1, next(path)))
            position >>= 1
            last >>= 1
        return cls(tuple(steps))

    @classmethod
    def from_json(cls, value: Any, where: str) -> AuditPath:
        """Read an array of `L` (the hash stands on the left) or `R` and 64 lowercase hex digits.

        Raises:
            MalformedError: of another form, or longer than any tree is high.
        """
        if not isinstance(value, list) or len(value) > _MAX_HEIGHT:
            raise MalformedError(f"expected an array of at most {_MAX_HEIGHT} hashes with their sides", where=where)
        for index, item in enumerate(value):
            if not isinstance(item, str) or not _SIDED.match(item):
                raise MalformedError("expected L or R and 64 lowercase hex digits", where=f"{where}[{index}]")
        return cls(tuple((item[0] == "L", bytes.fromhex(item[1:])) for item in value))

    def to_json(self) -> list[str]:
        """Return the array that `from_json` reads."""
        return [f"{'L' if left else 'R'}{digest.hex()}" for left, digest in self.steps]

    def root(self, leaf: bytes) -> bytes:
        """Return the root, 32 bytes, that a leaf hash and this path lead to."""
        for left, digest in self.steps:
            leaf = node_hash(digest, leaf) if left else node_hash(leaf, digest)
        return leaf

    def verify(self, leaf: bytes, root: bytes) -> None:
        """Check that a leaf hash, computed oneself, is in the tree of the given root.

        Raises:
            MismatchError: leaf and path lead to another root.
        """
        computed = self.root(leaf)
        if computed != root:
            raise MismatchError(
                f"expected root {root.hex()}, got {computed.hex()}",
                code="root_mismatch",
                expected=root,
                actual=computed,
            )


def leaf_hash(leaf: bytes) -> bytes:
    """Hash the bytes of a leaf: SHA-256(0x00 ‖ leaf), 32 bytes. Source: RFC 9162 section 2.1.1."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two children: SHA-256(0x01 ‖ left ‖ right), 32 bytes."""
    return sha256(b"\x01" + left + right).digest()


class MerkleTree:
    """All levels of a tree, so that each proof costs its own length only.

    Pairing level by level and carrying an odd last node up unchanged gives the same tree as the
    recursive split at the largest power of two in RFC 9162 section 2.1.1.

    Args:
        leaf_hashes: 32 bytes each, in leaf order.
    """

    __slots__ = ("_levels",)

    def __init__(self, leaf_hashes: Sequence[bytes]) -> None:
        levels = [list(leaf_hashes)]
        while len(levels[-1]) > 1:
            below = levels[-1]
            level = [sha256(b"\x01" + below[i] + below[i + 1]).digest() for i in range(0, len(below) - 1, 2)]
            if len(below) % 2:
                level.append(below[-1])
            levels.append(level)
        self._levels = levels

    @property
    def size(self) -> int:
        """Number of leaves."""
        return len(self._levels[0])

    @property
    def root(self) -> bytes:
        """Root hash, 32 bytes; of the empty tree `EMPTY_ROOT`."""
        return self._levels[-1][0] if self.size else EMPTY_ROOT

    def proof(self, leaf_index: int) -> InclusionProof:
        """Prove one leaf.

        Args:
            leaf_index: from 0 to size − 1.

        Returns:
            Its proof.

        Raises:
            MalformedError: the index is not below the size.
        """
        path = []
        position = leaf_index
        if 0 <= leaf_index < self.size:
            for level in self._levels[:-1]:
                sibling = position ^ 1
                if sibling < len(level):
                    path.append(level[sibling])
                position >>= 1
        return InclusionProof(leaf_index, self.size, tuple(path))


def root_hash(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root, 32 bytes, of leaf hashes in leaf order."""
    return MerkleTree(leaf_hashes).root


def inclusion_proof(leaf_hashes: Sequence[bytes], leaf_index: int) -> InclusionProof:
    """Prove one leaf; for many proofs of one tree keep a `MerkleTree`."""
    return MerkleTree(leaf_hashes).proof(leaf_index)


def inclusion_proofs(leaf_hashes: Sequence[bytes]) -> Iterator[InclusionProof]:
    """Yield the proof of every leaf in leaf order, O(n log n) together."""
    tree = MerkleTree(leaf_hashes)
    return (tree.proof(index) for index in range(tree.size))


def path_length(leaf_index: int, tree_size: int) -> int:
    """Return how many hashes a proof has: one for each level at which the node has a sibling."""
    last = tree_size - 1
    length = 0
    while last:
        length += leaf_index % 2 == 1 or leaf_index < last
        leaf_index >>= 1
        last >>= 1
    return length


def root_of_proof(leaf: bytes, proof: InclusionProof) -> bytes:
    """Return the root, 32 bytes, that a leaf hash and its proof lead to.

    Source: RFC 9162 section 2.1.3.2.
    """
    position, last, computed = proof.leaf_index, proof.tree_size - 1, leaf
    path = iter(proof.path)
    while last:
        if position % 2:
            computed = node_hash(next(path), computed)
        elif position < last:
            computed = node_hash(computed, next(path))
        position >>= 1
        last >>= 1
    return computed


def verify_inclusion(leaf: bytes, proof: InclusionProof, root: bytes) -> None:
    """Check that a leaf hash is in the tree of the given root.

    Args:
        leaf: leaf hash, 32 bytes; hash the leaf's bytes oneself, never take its hash from others.
        proof: position and path.
        root: the root trusted, 32 bytes.

    Raises:
        MismatchError: leaf and path lead to another root.
    """
    computed = root_of_proof(leaf, proof)
    if computed != root:
        raise MismatchError(
            f"expected root {root.hex()}, got {computed.hex()}",
            code="root_mismatch",
            expected=root,
            actual=computed,
        )


class Frontier:
    """A growing tree, of which only the perfect subtrees at its right edge are kept.

    Args:
        size: number of leaves.
        nodes: roots of the perfect subtrees that the size's binary digits stand for, left to right, 32 bytes each.

    Raises:
        MalformedError: not as many nodes as the size has ones.
    """

    __slots__ = ("_nodes", "size")

    def __init__(self, size: int = 0, nodes: Sequence[bytes] = ()) -> None:
        if size.bit_count() != len(nodes):
            raise MalformedError(f"expected {size.bit_count()} nodes for {size} leaves, got {len(nodes)}")
        self.size = size
        self._nodes = list(nodes)

    def append(self, node: bytes, height: int = 0) -> None:
        """Add a leaf hash, or the root of a perfect subtree.

        Args:
            node: 32 bytes.
            height: of the subtree; the size MUST be a multiple of 2^height.
        """
        nodes, position = self._nodes, self.size >> height
        while position & 1:
            node = sha256(b"\x01" + nodes.pop() + node).digest()
            position >>= 1
        nodes.append(node)
        self.size += 1 << height

    @property
    def nodes(self) -> tuple[bytes, ...]:
        """The nodes, as the class takes them."""
        return tuple(self._nodes)

    @property
    def root(self) -> bytes:
        """Root hash, 32 bytes; of the empty tree `EMPTY_ROOT`."""
        if not self._nodes:
            return EMPTY_ROOT
        *left, root = self._nodes
        for node in reversed(left):
            root = node_hash(node, root)
        return root


def inclusion_ranges(leaf_index: int, tree_size: int) -> list[tuple[int, int]]:
    """Return the subtrees whose roots are the proof of a leaf, lowest first: first leaf, and the one after the last.

    Source: RFC 9162 section 2.1.3.1.

    Raises:
        MalformedError: the index is not below the size.
    """
    _check_order(leaf_index + 1, tree_size, low=1)
    ranges, first, end = [], 0, tree_size
    while end - first > 1:
        middle = first + _split(end - first)
        if leaf_index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((first, middle))
            first = middle
    return ranges[::-1]


def consistency_ranges(old_size: int, new_size: int) -> list[tuple[int, int]]:
    """Return the subtrees whose roots prove that a tree begins with an older one, in the order of the proof.

    Source: RFC 9162 section 2.1.4.1. Nothing has to be proved from the empty tree or to the same size.

    Raises:
        MalformedError: the old size is above the new one.
    """
    _check_order(old_size, new_size)
    if old_size in (0, new_size):
        return []
    ranges, first, end = [], 0, new_size
    while old_size != end:
        middle = first + _split(end - first)
        if old_size <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((first, middle))
            first = middle
    if first:
        ranges.append((first, end))
    return ranges[::-1]


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, *, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Check that a tree begins with all leaves of an older one, unchanged.

    Source: RFC 9162 section 2.1.4.2.

    Args:
        old_size: leaves of the older tree. 0: the root MUST be `EMPTY_ROOT`, and nothing else is to be checked.
        old_root: 32 bytes.
        new_size: leaves of the tree, not below `old_size`.
        new_root: 32 bytes.
        path: the proof, 32 bytes each; empty for equal sizes and for an empty older tree.

    Raises:
        MalformedError: sizes in the wrong order, or a proof of another length (code `path_length`).
        MismatchError: the trees are not consistent (code `inconsistent`).
    """
    _check_order(old_size, new_size)
    if len(path) != len(consistency_ranges(old_size, new_size)) or any(len(item) != 32 for item in path):
        raise MalformedError("expected a proof of the length that both sizes imply, got another", code="path_length")
    if old_size == new_size:
        agree = old_root == new_root
    elif old_size == 0:
        agree = old_root == EMPTY_ROOT
    else:
        agree = _roots_of_consistency(old_size, old_root, new_size, path) == (old_root, new_root)
    if not agree:
        raise MismatchError(
            f"expected a tree of {new_size} leaves that begins with that of {old_size}, got one that does not",
            code="inconsistent",
            expected=old_root,
            actual=new_root,
        )


def _roots_of_consistency(old_size: int, old_root: bytes, new_size: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    hashes = iter(path)
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    # A power of two is itself a subtree of the new tree: the proof leaves it out.
    old = new = old_root if old_size & (old_size - 1) == 0 else next(hashes)
    for node in hashes:
        if position & 1 or position == last:
            old, new = node_hash(node, old), node_hash(node, new)
            while position and not position & 1:
                position >>= 1
                last >>= 1
        else:
            new = node_hash(new, node)
        position >>= 1
        last >>= 1
    return old, new


def _split(count: int) -> int:
    """The largest power of two below a number of leaves."""
    return 1 << ((count - 1).bit_length() - 1)


def _check_order(old_size: int, new_size: int, *, low: int = 0) -> None:
    if not low <= old_size <= new_size:
        raise MalformedError(
            f"expected sizes in order from {low}, got {old_size} and {new_size}",
            code="sizes_out_of_order",
            expected=new_size,
            actual=old_size,
        )
