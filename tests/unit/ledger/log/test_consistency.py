"""Consistency proofs and growing trees against the recursive definitions of RFC 9162."""

from __future__ import annotations

import pytest

from ledger.errors import LedgerError, MalformedError, MismatchError
from ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_ranges,
    inclusion_proof,
    inclusion_ranges,
    leaf_hash,
    root_hash,
    verify_consistency,
)

LEAVES = [leaf_hash(bytes([index])) for index in range(40)]
SIZES = [(old, new) for new in range(41) for old in range(new + 1)]


def recursive_proof(old: int, leaves: list[bytes], known: bool = True) -> list[bytes]:
    """SUBPROOF of section 2.1.4.1, word for word."""
    if old == len(leaves):
        return [] if known else [root_hash(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if old <= k:
        return [*recursive_proof(old, leaves[:k], known), root_hash(leaves[k:])]
    return [*recursive_proof(old - k, leaves[k:], False), root_hash(leaves[:k])]


def proof(old: int, new: int) -> list[bytes]:
    return [root_hash(LEAVES[first:end]) for first, end in consistency_ranges(old, new)]


def check(
    old: int, new: int, path: list[bytes], *, old_root: bytes | None = None, new_root: bytes | None = None
) -> None:
    verify_consistency(
        old, old_root or root_hash(LEAVES[:old]), new, new_root=new_root or root_hash(LEAVES[:new]), path=path
    )


@pytest.mark.parametrize(("old", "new"), [pair for pair in SIZES if pair[0] > 0])
def test_ranges_are_the_recursive_proof(old: int, new: int) -> None:
    assert proof(old, new) == recursive_proof(old, LEAVES[:new])
    check(old, new, proof(old, new))


def test_ranges_of_inclusion_are_the_audit_path() -> None:
    for size in range(1, 41):
        for index in range(size):
            path = [root_hash(LEAVES[first:end]) for first, end in inclusion_ranges(index, size)]
            assert tuple(path) == inclusion_proof(LEAVES[:size], index).path


def test_every_other_root_and_path_is_refused() -> None:
    other = b"\x07" * 32
    for old, new in SIZES:
        path = proof(old, new)
        with pytest.raises(MismatchError):
            check(old, new, path, old_root=other)
        if old:
            with pytest.raises(MismatchError):
                check(old, new, path, new_root=other)
        for index in range(len(path)):
            with pytest.raises(MismatchError):
                check(old, new, [*path[:index], other, *path[index + 1 :]])
            with pytest.raises(MalformedError):
                check(old, new, [*path[:index], path[index][:31], *path[index + 1 :]])
            with pytest.raises(MalformedError):
                check(old, new, path[:index] + path[index + 1 :])
        with pytest.raises(MalformedError):
            check(old, new, [*path, other])


def test_a_rewritten_leaf_has_no_proof() -> None:
    for position in range(9):
        rewritten = [*LEAVES[:position], leaf_hash(b"rewritten"), *LEAVES[position + 1 : 20]]
        path = [root_hash(rewritten[first:end]) for first, end in consistency_ranges(9, 20)]
        with pytest.raises(MismatchError, match="begins with"):
            check(9, 20, path, new_root=root_hash(rewritten))


def test_sizes_in_the_wrong_order_are_refused() -> None:
    for old, new in ((5, 4), (1, 0), (-1, 4)):
        with pytest.raises(LedgerError, match="sizes in order"):
            consistency_ranges(old, new)
    with pytest.raises(MalformedError):
        inclusion_ranges(4, 4)


def test_the_empty_tree_is_the_beginning_of_every_tree() -> None:
    check(0, 7, [])
    with pytest.raises(MismatchError):
        check(0, 7, [], old_root=root_hash(LEAVES[:1]))


def test_a_frontier_has_the_root_of_each_size() -> None:
    frontier = Frontier()
    assert frontier.root == EMPTY_ROOT
    for size, leaf in enumerate(LEAVES, 1):
        frontier.append(leaf)
        assert (frontier.size, frontier.root) == (size, root_hash(LEAVES[:size]))
        assert Frontier(size, frontier.nodes).root == frontier.root


def test_a_frontier_takes_perfect_subtrees() -> None:
    frontier = Frontier()
    for first in range(0, 40, 8):
        frontier.append(root_hash(LEAVES[first : first + 8]), 3)
    assert frontier.root == root_hash(LEAVES)
    with pytest.raises(MalformedError, match="nodes"):
        Frontier(3, frontier.nodes[:1])
