"""Salted leaves: proofs lead to a root of their own, and siblings can't be confirmed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger.bim.element import ElementProof, UnknownFormatError
from ledger.bim.fingerprint import Fingerprint
from ledger.bim.item import ElementItem
from ledger.bim.reference import ReferenceKernel
from ledger.bim.salted import SALTED_FORMAT, SaltingKey, file_commitment, salted_leaf
from ledger.bim.salted_model import SaltedModel
from ledger.canonical import canonical_bytes
from ledger.entries import ModelEntry
from ledger.errors import MalformedError, MismatchError
from ledger.merkle import AuditPath, leaf_hash, root_hash
from scripts.sample_model import DOOR, MODEL, fingerprint, reader

KEY = SaltingKey(bytes(range(32)))


@pytest.fixture(scope="module")
def model() -> SaltedModel:
    return SaltedModel(MODEL, Fingerprint.of(ReferenceKernel().scan(MODEL)), KEY)


@pytest.fixture(scope="module")
def proof(model: SaltedModel) -> ElementProof:
    return ElementProof.build(model, DOOR)


def test_the_root_follows_from_leaves_and_salts_alone(model: SaltedModel) -> None:
    plain = fingerprint()
    leaves = [plain.leaf(position) for position in range(plain.elements)] + [plain.last_leaf]
    salted = [leaf_hash(salted_leaf(KEY.leaf_salt(position), leaf)) for position, leaf in enumerate(leaves)]
    assert model.root == root_hash(salted)
    assert model.root != plain.root


def test_a_proof_shows_the_element_and_survives_reading(model: SaltedModel, proof: ElementProof) -> None:
    read = ElementProof.parse(proof.to_bytes())
    assert read == proof
    assert read.version == SALTED_FORMAT
    assert read.verify(model.root).global_id == DOOR


def test_no_hash_of_the_path_is_that_of_an_unsalted_leaf(proof: ElementProof) -> None:
    plain = fingerprint()
    guesses = set(plain.leaf_hashes)
    assert guesses.isdisjoint(digest for _, digest in proof.path.steps)


def test_the_salt_told_confirms_no_sibling(proof: ElementProof) -> None:
    plain = fingerprint()
    told = proof.salt or b""
    guesses = {leaf_hash(salted_leaf(told, plain.leaf(position))) for position in range(plain.elements)}
    assert guesses.isdisjoint(digest for _, digest in proof.path.steps)


@pytest.mark.parametrize("index", range(32))
def test_any_other_salt_is_refused(model: SaltedModel, proof: ElementProof, index: int) -> None:
    salt = bytearray(proof.salt or b"")
    salt[index] ^= 1
    with pytest.raises(MismatchError):
        replace(proof, salt=bytes(salt)).verify(model.root)


def test_a_proof_without_its_salt_is_refused(model: SaltedModel, proof: ElementProof) -> None:
    with pytest.raises(MismatchError):
        replace(proof, salt=None).verify(model.root)
    with pytest.raises(MismatchError):
        ElementProof.build(reader(), DOOR).verify(model.root)


def test_format_and_salt_belong_together(proof: ElementProof) -> None:
    document = proof.to_json()
    for broken in (
        {**document, "format": "yunshang-bim-element/v1"},
        {name: value for name, value in document.items() if name != "salt"},
        {**document, "salt": "00"},
    ):
        with pytest.raises(MalformedError):
            ElementProof.parse(canonical_bytes(broken))
    with pytest.raises(UnknownFormatError):
        ElementProof.parse(canonical_bytes({**document, "format": "yunshang-bim-salted-element/v2"}))


def test_a_salting_key_has_32_bytes_and_is_not_shown() -> None:
    with pytest.raises(MalformedError):
        SaltingKey(bytes(31))
    assert "0102" not in repr(KEY)


def test_the_model_entry_commits_to_the_file_by_its_salt(model: SaltedModel, proof: ElementProof) -> None:
    digest = b"\x07" * 32
    entry = ModelEntry(
        "unknown",
        file_commitment(KEY.file_salt, digest),
        salt=bytes(32),
        version=SALTED_FORMAT,
        root=model.root,
    )
    item = ElementItem(entry, AuditPath(()), proof, KEY.file_salt)
    assert ElementItem.from_json(item.to_json()) == item
    assert item.is_of_file(digest)
    assert not item.is_of_file(b"\x08" * 32)
    assert not replace(item, file_salt=bytes(32)).is_of_file(digest)
    for broken in (replace(item, file_salt=None), replace(item, model=replace(entry, version="yunshang-bim/v1"))):
        with pytest.raises(MalformedError):
            ElementItem.from_json(broken.to_json())
