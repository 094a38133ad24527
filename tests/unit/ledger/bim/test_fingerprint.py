"""Leaves and roots, made of a scan."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from time import perf_counter

import pytest

from ledger.bim.fingerprint import Fingerprint, last_leaf
from ledger.bim.reference import ReferenceKernel
from ledger.bim.scan import ModelScan
from ledger.errors import PolicyError
from ledger.merkle import MerkleTree, leaf_hash
from scripts.vectors_bim import step_text

WALLS = [f"#{number}=IFCWALL('{name}',$,'{name}',$,$,$,$,$,$);" for number, name in ((1, "b"), (2, "a"), (3, "C"))]


def scan(*lines: str) -> ModelScan:
    return ReferenceKernel().scan(step_text(*lines).encode())


def test_the_tree_is_over_leaves_by_global_id_and_the_last_leaf() -> None:
    fingerprint = Fingerprint.of(scan(*WALLS, "#9=IFCA();"))
    assert fingerprint.scan.global_ids == ("C", "a", "b")
    leaves = [fingerprint.leaf(position) for position in range(3)]
    assert leaves[1].startswith(b"l\0\0\0\x0fyunshang-bim/v1\0\0\0\x04IFC4\0\0\0\x01a")
    assert [len(leaf) for leaf in leaves] == [1 + 19 + 8 + 5 + 256] * 3
    tree = MerkleTree([leaf_hash(leaf) for leaf in (*leaves, fingerprint.last_leaf)])
    assert fingerprint.root == tree.root
    assert fingerprint.leaf_hashes == [leaf_hash(leaf) for leaf in (*leaves, fingerprint.last_leaf)]
    colours = sorted(fingerprint.scan.colours[place : place + 32] for place in (0, 32, 64))
    content = [leaf_hash(b"k" + colour) for colour in colours]
    assert fingerprint.content_root == MerkleTree([*content, leaf_hash(fingerprint.last_leaf)]).root


def test_the_last_leaf() -> None:
    digest = sha256(b"e\0\0\0\4IFCA\0\0\0\0\0\0\0\0").digest()
    fingerprint = Fingerprint.of(scan("#9=IFCA();", "#8=IFCA();"))
    assert fingerprint.last_leaf == last_leaf("IFC4", digest * 2)
    assert fingerprint.last_leaf == b"z\0\0\0\x0fyunshang-bim/v1\0\0\0\4IFC4\0\0\0\2" + digest * 2
    assert fingerprint.root == leaf_hash(fingerprint.last_leaf)
    assert (fingerprint.entities, fingerprint.elements) == (2, 0)


def test_positions_and_keywords() -> None:
    fingerprint = Fingerprint.of(scan(*WALLS, "#4=IFCDOOR('d',$,$,$,$,$,$,$,$,$,$,$,$);"))
    assert [fingerprint.position(name) for name in ("C", "a", "b", "d", "x")] == [0, 1, 2, 3, None]
    assert [fingerprint.keyword(position) for position in range(4)] == ["IFCWALL"] * 3 + ["IFCDOOR"]
    assert (fingerprint.schema, fingerprint.duplicates) == ("IFC4", {})


def test_duplicates_are_counted_and_have_no_position() -> None:
    again = [line.replace("#1", "#7").replace("#2", "#8") for line in WALLS[:1] * 2]
    fingerprint = Fingerprint.of(scan(*WALLS, again[0], again[1].replace("#7", "#8")))
    assert fingerprint.duplicates == {"b": 3}
    assert fingerprint.elements == 5
    with pytest.raises(PolicyError) as caught:
        fingerprint.position("b")
    assert (caught.value.code, caught.value.actual) == ("duplicate_global_id", 3)
    assert fingerprint.position("a") == 1


def test_leaves_of_one_global_id_are_in_the_order_of_their_bytes() -> None:
    lines = [f"#{number}=IFCWALL('a',$,'{number}',$,$,$,$,$,$);" for number in range(6)]
    fingerprint = Fingerprint.of(scan(*lines))
    leaves = [fingerprint.leaf(position) for position in range(6)]
    assert leaves == sorted(leaves)
    turned = Fingerprint.of(scan(*(line.replace("#", "#1", 1) for line in lines[::-1])))
    assert turned.root == fingerprint.root


def test_equal_leaves_are_in_the_order_of_their_numbers() -> None:
    line = "#{}=IFCWALL('a',$,$,$,$,$,$,$,$);"
    fingerprint = Fingerprint.of(scan(line.format(7), line.format(3), line.format(5)))
    assert list(fingerprint.scan.rooted) == [0, 1, 2]
    assert len(set(fingerprint.leaf_hashes)) == 2


@pytest.mark.parametrize("field", ["root", "content_root"])
def test_the_schema_counts(field: str) -> None:
    as_ifc4, as_ifc4x3 = (
        Fingerprint.of(ReferenceKernel().scan(step_text(*WALLS, schema=schema).encode()))
        for schema in ("IFC4", "IFC4X1")
    )
    assert as_ifc4.scan.aspects == as_ifc4x3.scan.aspects
    assert getattr(as_ifc4, field) != getattr(as_ifc4x3, field)


def test_quick_for_many_leaves() -> None:
    one = scan(*WALLS)
    count = 300_000
    many = replace(
        one,
        global_ids=tuple(f"{number:022}" for number in range(count)),
        aspects=one.aspects[:256] * count,
        colours=one.colours[:32] * count,
    )
    start = perf_counter()
    fingerprint = Fingerprint.of(many)
    assert perf_counter() - start < 30
    assert len(fingerprint.leaf_hashes) == count + 1


@pytest.mark.parametrize(
    ("name", "schema", "entities", "elements"),
    [
        ("Duplex_A", "IFC2X3", 38_898, 3_893),
        ("AC20-FZK-Haus", "IFC4", 44_249, 1_304),
        ("TallBuilding", "IFC2X3", 9_925, 2_017),
        ("SimpleWall", "IFC2X3", 548, 142),
    ],
)
def test_real_models(shared_data: Path, name: str, schema: str, entities: int, elements: int) -> None:
    step = (shared_data / "ifc" / f"{name}.ifc").read_bytes()
    fingerprint = Fingerprint.of(ReferenceKernel().scan(memoryview(step)))
    assert (fingerprint.schema, fingerprint.entities, fingerprint.elements) == (schema, entities, elements)
    assert fingerprint.duplicates == {}
