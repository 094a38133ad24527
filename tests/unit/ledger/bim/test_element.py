"""The proof of one element: what it shows, how short it is, and what it refuses."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ledger.bim.element import (
    ELEMENT_FORMAT,
    FULL_BYTES,
    MAX_ELEMENT_BYTES,
    SHORT_BYTES,
    ElementProof,
    UnknownFormatError,
)
from ledger.bim.fingerprint import Fingerprint
from ledger.bim.notation import Elided
from ledger.bim.reader import ModelReader
from ledger.bim.reference import ReferenceKernel
from ledger.bim.schema import Aspect
from ledger.canonical import canonical_bytes
from ledger.errors import LedgerError, MalformedError, MismatchError, NotFoundError, PolicyError
from ledger.merkle import AuditPath, MerkleTree
from scripts.sample_model import DOOR, MODEL, STOREY, WALL, fingerprint, reader

SHARED = ("SimpleWall.ifc", "TallBuilding.ifc", "AC20-FZK-Haus.ifc", "Duplex_A.ifc")
BUILDING_ELEMENTS = (
    "IfcDoor",
    "IfcWall",
    "IfcWallStandardCase",
    "IfcWindow",
    "IfcSlab",
    "IfcSpace",
    "IfcBuildingStorey",
)


@cache
def read(step: bytes) -> ModelReader:
    return ModelReader(step, Fingerprint.of(ReferenceKernel().scan(step)))


@pytest.fixture
def document() -> dict[str, Any]:
    return ElementProof.build(reader(), DOOR).to_json()


def parse(document: object) -> ElementProof:
    return ElementProof.parse(canonical_bytes(document))


def test_a_proof_shows_the_element_and_leads_to_the_root() -> None:
    proof = ElementProof.parse(ElementProof.build(reader(), DOOR).to_bytes())
    shown = proof.verify(fingerprint().root)
    assert (shown.class_name, shown.name, shown.global_id) == ("IfcDoor", "FM1021 甲级防火门", DOOR)
    assert ("Pset_DoorCommon", "FireRating", "甲1.50h", None) in shown.properties
    assert ("Pset_DoorCommon", "Thickness", "50", "mm") in shown.properties
    assert shown.materials == ("钢",)
    assert shown.types == ("0DoorType$$$$$$$$$$$$1",)
    assert ("IfcRelContainedInSpatialStructure", "RelatingStructure", STOREY) in shown.relations
    assert ("IfcLocalPlacement", "PlacementRelTo", STOREY) in shown.relations
    assert shown.hidden == {"geometry": -1, "ownership": -1}


def test_a_full_proof_hides_nothing() -> None:
    proof = ElementProof.build(reader(), DOOR, full=True)
    assert proof.verify(fingerprint().root).hidden == {}
    assert (
        proof.leaf == ElementProof.build(reader(), DOOR).leaf == fingerprint().leaf(fingerprint().position(DOOR) or 0)
    )
    assert "IFCCOLOURRGB($,0.8,0.1,0.1)" in proof.to_json()["aspects"]["geometry"]


def test_every_element_has_a_proof() -> None:
    source, root = reader(), fingerprint().root
    for global_id in fingerprint().scan.global_ids:
        for full in (False, True):
            proof = ElementProof.parse(ElementProof.build(source, global_id, full=full).to_bytes())
            assert proof.verify(root).global_id == global_id
            assert proof.leaf == fingerprint().leaf(source.position(global_id) or 0)


def test_an_unknown_global_id_is_named() -> None:
    with pytest.raises(NotFoundError, match="nobody"):
        ElementProof.build(reader(), "nobody")


def test_a_global_id_of_two_elements_gets_no_proof() -> None:
    with pytest.raises(PolicyError) as refused:
        ElementProof.build(reader(MODEL.replace(WALL.encode(), DOOR.encode())), DOOR)
    assert refused.value.code == "duplicate_global_id"


def test_the_root_of_another_model_is_refused() -> None:
    other = reader(MODEL.replace(b"2100.,900.", b"2100.,900.0000000000001"))
    with pytest.raises(MismatchError):
        ElementProof.build(reader(), DOOR).verify(other.root)


def test_another_element_is_not_proved_by_a_path() -> None:
    door, wall = (ElementProof.build(reader(), global_id) for global_id in (DOOR, WALL))
    forged = ElementProof(wall.schema, wall.global_id, aspects=wall.aspects, path=door.path)
    with pytest.raises(MismatchError):
        forged.verify(fingerprint().root)


def test_an_identity_that_states_another_global_id_is_refused() -> None:
    door = ElementProof.build(reader(), DOOR)
    forged = ElementProof(door.schema, WALL, aspects=door.aspects, path=AuditPath(()))
    from ledger.merkle import leaf_hash

    with pytest.raises(MismatchError) as refused:
        forged.verify(leaf_hash(forged.leaf))
    assert refused.value.code == "global_id_mismatch"


class Damaged:
    """A stored index with one wrong value."""

    def __init__(self, **wrong: Any) -> None:
        self._wrong = wrong

    def __getattr__(self, name: str) -> Any:
        return self._wrong.get(name, getattr(reader(), name))


@pytest.mark.parametrize(
    "wrong",
    [
        {"root": bytes(32)},
        {"schema": "IFC2X3"},
        {"aspect_digests": lambda position: bytes(256)},
        {"audit_path": lambda position: AuditPath(())},
    ],
)
def test_a_damaged_index_gives_no_proof(wrong: dict[str, Any]) -> None:
    with pytest.raises(MismatchError):
        ElementProof.build(Damaged(**wrong), DOOR)


def test_a_notation_that_is_not_the_elements_is_left_out() -> None:
    source = Damaged(aspect_notation=lambda position, aspect: "IFCDOOR[]" if aspect is Aspect.IDENTITY else "[]")
    shown = ElementProof.build(source, DOOR).verify(fingerprint().root)
    assert shown.class_name == ""
    assert shown.hidden["identity"] == -1


@pytest.mark.parametrize(
    "edit",
    [
        lambda document: document.pop("path"),
        lambda document: document.update(root="00" * 32),
        lambda document: document.update(format="yunshang-bim-element"),
        lambda document: document.update(schema=""),
        lambda document: document.update(schema=4),
        lambda document: document.update(global_id="ä"),
        lambda document: document.update(global_id="a" * 65),
        lambda document: document.update(global_id=""),
        lambda document: document.update(path=None),
        lambda document: document.update(path=["L" + "0" * 63]),
        lambda document: document.update(path=["l" + "0" * 64]),
        lambda document: document.update(path=["L" + "A" * 64]),
        lambda document: document.update(path=["L" + "0" * 64] * 65),
        lambda document: document["aspects"].pop("type"),
        lambda document: document["aspects"].update(colour="[]"),
        lambda document: document["aspects"].update(type=None),
        lambda document: document["aspects"].update(type=""),
        lambda document: document["aspects"].update(type="[] "),
        lambda document: document["aspects"].update(type="[0:'\n']"),
        lambda document: document["aspects"].update(identity=document["aspects"]["type"]),
    ],
)
def test_refuses_a_proof_of_another_form(document: dict[str, Any], edit: Any) -> None:
    edit(document)
    with pytest.raises(MalformedError):
        parse(document)


def test_refuses_what_is_not_canonical_json_or_too_large(document: dict[str, Any]) -> None:
    data = canonical_bytes(document)
    for other in (b"", b"[]", data + b"\n", data[:-1], data.replace(b":", b": ", 1), b"{" * 100_000):
        with pytest.raises(MalformedError):
            ElementProof.parse(other)
    with pytest.raises(MalformedError) as refused:
        ElementProof.parse(b" " * (MAX_ELEMENT_BYTES + 1))
    assert refused.value.code == "too_large"


def test_a_later_version_can_not_be_checked(document: dict[str, Any]) -> None:
    document["format"] = ELEMENT_FORMAT.replace("v1", "v2")
    with pytest.raises(UnknownFormatError):
        parse(document)


def test_every_value_of_a_proof_is_bound(document: dict[str, Any]) -> None:
    root = fingerprint().root
    data = canonical_bytes(document)
    for bit in range(0, len(data) * 8, 3):
        other = bytearray(data)
        other[bit // 8] ^= 1 << bit % 8
        with pytest.raises(LedgerError):
            ElementProof.parse(bytes(other)).verify(root)


def test_a_path_of_another_length_is_refused() -> None:
    proof, root = ElementProof.build(reader(), DOOR), fingerprint().root
    steps = proof.path.steps
    for other in (steps[:-1], steps[1:], (*steps, (True, bytes(32))), tuple(reversed(steps)), ()):
        with pytest.raises(MismatchError):
            ElementProof(proof.schema, DOOR, aspects=proof.aspects, path=AuditPath(other)).verify(root)


def test_a_node_of_the_tree_is_no_element() -> None:
    tree = MerkleTree(fingerprint().leaf_hashes)
    for position in range(tree.size):
        path = AuditPath.of(tree.proof(position))
        path.verify(fingerprint().leaf_hashes[position], tree.root)
        for left, digest in path.steps:
            with pytest.raises(MismatchError):
                AuditPath(path.steps[1:] or ((left, digest), (left, digest))).verify(
                    fingerprint().leaf_hashes[position], tree.root
                )


@pytest.mark.parametrize("name", SHARED)
def test_proofs_of_real_elements_are_short(shared_data: Path, name: str) -> None:
    source = read((shared_data / "ifc" / name).read_bytes())
    scan = Fingerprint.of(ReferenceKernel().scan((shared_data / "ifc" / name).read_bytes())).scan
    for position, global_id in enumerate(scan.global_ids):
        if position % 9 and source.class_name(position) not in BUILDING_ELEMENTS:
            continue
        data = ElementProof.build(source, global_id).to_bytes()
        shown = ElementProof.parse(data).verify(source.root)
        assert len(data) <= SHORT_BYTES, source.class_name(position)
        assert shown.class_name == source.class_name(position)
        assert shown.name == (source.name(position) or "")


def test_what_is_too_long_is_elided_from_the_largest_property_set_on(shared_data: Path) -> None:
    source = read((shared_data / "ifc" / "Duplex_A.ifc").read_bytes())
    proof = ElementProof.build(source, "1hOSvn6df7F8_7GcBWlRGQ")
    shown = proof.verify(source.root)
    assert shown.hidden["properties"] > 0
    assert len(shown.properties) > 10
    assert shown.relations
    whole = ElementProof.build(source, "1hOSvn6df7F8_7GcBWlRGQ", full=True)
    assert SHORT_BYTES < len(whole.to_bytes()) < FULL_BYTES
    assert whole.leaf == proof.leaf
    assert set(shown.properties) < set(whole.verify(source.root).properties)


def test_even_a_name_longer_than_the_room_is_proved() -> None:
    source = reader(MODEL.replace(b"'FM1021 ", b"'" + b"FM1021" * 5_000))
    proof = ElementProof.build(source, DOOR)
    shown = proof.verify(source.root)
    assert shown.name.startswith("FM1021FM1021")
    assert all(isinstance(node, Elided) for node in proof.aspects[1:])
