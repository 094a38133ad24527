"""The tree against the recursive definitions of RFC 9162 and Certificate Transparency's known roots."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError, MismatchError
from ledger.merkle import (
    EMPTY_ROOT,
    AuditPath,
    InclusionProof,
    MerkleTree,
    inclusion_proof,
    inclusion_proofs,
    leaf_hash,
    root_hash,
    verify_inclusion,
)
from scripts.vectors_merkle import inclusion_path, tree_hash

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/merkle/trees.json").read_text(encoding="ascii"))
LEAVES = st.lists(st.binary(max_size=3), min_size=1, max_size=70)


def test_known_roots_of_certificate_transparency() -> None:
    hashes = [leaf_hash(bytes.fromhex(leaf)) for leaf in VECTORS["leaves"]]
    assert root_hash(hashes).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert root_hash(hashes[:7]).hex() == "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"
    assert root_hash([]) == EMPTY_ROOT == sha256(b"").digest()


def test_vectors() -> None:
    hashes = [leaf_hash(bytes.fromhex(leaf)) for leaf in VECTORS["leaves"]]
    assert [root_hash(hashes[:size]).hex() for size in range(9)] == VECTORS["roots"]
    for vector in VECTORS["proofs"]:
        path = tuple(bytes.fromhex(item) for item in vector["path"])
        proof = InclusionProof(vector["leaf_index"], vector["tree_size"], path)
        assert inclusion_proof(hashes[: proof.tree_size], proof.leaf_index) == proof
        verify_inclusion(hashes[proof.leaf_index], proof, bytes.fromhex(VECTORS["roots"][proof.tree_size]))


@given(LEAVES)
def test_every_leaf_agrees_with_the_recursive_definition(leaves: list[bytes]) -> None:
    hashes = [leaf_hash(leaf) for leaf in leaves]
    root = tree_hash(leaves)
    assert root_hash(hashes) == root
    for index, proof in enumerate(inclusion_proofs(hashes)):
        assert list(proof.path) == inclusion_path(index, leaves)
        verify_inclusion(hashes[index], proof, root)


@given(LEAVES.filter(lambda leaves: len(leaves) > 1), st.data())
def test_any_bit_flipped_is_refused(leaves: list[bytes], data: st.DataObject) -> None:
    hashes = [leaf_hash(leaf) for leaf in leaves]
    tree = MerkleTree(hashes)
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = tree.proof(index)
    place = data.draw(st.integers(-2, len(proof.path) - 1))
    bit = data.draw(st.integers(0, 255))

    def flip(value: bytes) -> bytes:
        return (int.from_bytes(value, "big") ^ 1 << bit).to_bytes(32, "big")

    leaf, root, path = hashes[index], tree.root, list(proof.path)
    if place == -2:
        leaf = flip(leaf)
    elif place == -1:
        root = flip(root)
    else:
        path[place] = flip(path[place])
    with pytest.raises(MismatchError):
        verify_inclusion(leaf, replace(proof, path=tuple(path)), root)


@given(st.integers(2, 70), st.data())
def test_rejects_the_proof_at_another_index(size: int, data: st.DataObject) -> None:
    hashes = [leaf_hash(bytes([index])) for index in range(size)]
    index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(hashes, index)
    if index == other:
        return
    with pytest.raises((MalformedError, MismatchError)):
        verify_inclusion(hashes[index], replace(proof, leaf_index=other), root_hash(hashes))


def test_rejects_index_equal_to_size_and_an_empty_tree() -> None:
    for index, size in ((1, 1), (-1, 4), (0, 0)):
        with pytest.raises(MalformedError) as caught:
            InclusionProof(index, size, ())
        assert caught.value.code == "leaf_index_out_of_range"
    with pytest.raises(MalformedError):
        MerkleTree([]).proof(0)


def test_rejects_a_path_of_another_length() -> None:
    hashes = [leaf_hash(bytes([index])) for index in range(5)]
    proof = inclusion_proof(hashes, 4)
    assert len(proof.path) == 1
    for path in ((), (*proof.path, bytes(32)), (proof.path[0][:31],)):
        with pytest.raises(MalformedError) as caught:
            InclusionProof(4, 5, path)
        assert caught.value.code == "path_length"


def test_an_inner_node_is_no_leaf() -> None:
    hashes = [leaf_hash(bytes([index])) for index in range(4)]
    tree = MerkleTree(hashes)
    inner = hashes[0] + hashes[1]
    with pytest.raises(MismatchError):  # offered as the first of two leaves, its bytes are hashed as a leaf's
        verify_inclusion(leaf_hash(inner), InclusionProof(0, 2, (tree.proof(0).path[1],)), tree.root)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13])
def test_a_path_with_sides_leads_to_the_same_root(size: int) -> None:
    tree = MerkleTree([leaf_hash(bytes([number])) for number in range(size)])
    for index in range(size):
        path = AuditPath.from_json(AuditPath.of(tree.proof(index)).to_json(), "path")
        path.verify(leaf_hash(bytes([index])), tree.root)
        for place, (left, digest) in enumerate(path.steps):
            for step in ((not left, digest), (left, bytes(32))):
                other = AuditPath((*path.steps[:place], step, *path.steps[place + 1 :]))
                with pytest.raises(MismatchError):
                    other.verify(leaf_hash(bytes([index])), tree.root)


@pytest.mark.parametrize(
    "value", [None, {}, [""], ["L"], ["L" + "0" * 63], ["X" + "0" * 64], ["L" + "0" * 64] * 65, [1]]
)
def test_refuses_a_path_of_another_form(value: object) -> None:
    with pytest.raises(MalformedError):
        AuditPath.from_json(value, "path")
