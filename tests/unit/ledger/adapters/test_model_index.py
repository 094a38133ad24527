"""A stored fingerprint answers as the model itself does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.adapters.bim_native import best_kernel
from ledger.adapters.model_index import ElementFilter, ModelIndex
from ledger.adapters.model_index_build import build_model_index
from ledger.bim.element import ElementProof
from ledger.bim.fingerprint import Fingerprint
from ledger.bim.reader import ModelReader
from ledger.bim.schema import Aspect, table_for
from ledger.errors import MalformedError, NotFoundError, TransportError
from ledger.merkle import leaf_hash

MODELS = sorted((Path(__file__).resolve().parents[3] / "bim" / "models").glob("*.ifc"))


@dataclass(frozen=True)
class Pair:
    """A model, and the index of it."""

    path: Path
    fingerprint: Fingerprint
    reader: ModelReader
    index: ModelIndex


@pytest.fixture(scope="module", params=MODELS, ids=lambda path: path.stem)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    path: Path = request.param
    target = tmp_path_factory.mktemp("index") / "index"
    build_model_index(path, target)
    step = path.read_bytes()
    fingerprint = Fingerprint.of(best_kernel().scan(step))
    with ModelIndex(target) as index:
        yield Pair(target, fingerprint, ModelReader(step, fingerprint), index)


def test_knows_every_element_as_the_model_does(pair: Pair) -> None:
    assert (pair.index.schema, pair.index.root) == (pair.reader.schema, pair.reader.root)
    assert pair.index.elements == pair.fingerprint.elements > 0
    assert sum(pair.index.classes().values()) == pair.index.elements
    for position, global_id in enumerate(pair.fingerprint.scan.global_ids):
        assert pair.index.position(global_id) == position
        assert pair.index.view(position) == pair.reader.element(position)
        assert pair.index.aspect_digests(position) == pair.reader.aspect_digests(position)


def test_proves_every_element(pair: Pair) -> None:
    for position, global_id in enumerate(pair.fingerprint.scan.global_ids):
        path = pair.index.audit_path(position)
        assert path == pair.reader.audit_path(position)
        path.verify(leaf_hash(pair.fingerprint.leaf(position)), pair.index.root)
        proof = ElementProof.build(pair.index, global_id)
        assert proof.verify(pair.fingerprint.root).global_id == global_id


def test_shows_aspects_as_the_model_does_and_owners_by_digest(pair: Pair) -> None:
    for position in range(pair.index.elements):
        for aspect in set(Aspect) - {Aspect.GEOMETRY, Aspect.OWNERSHIP}:
            assert pair.index.aspect_notation(position, aspect) == pair.reader.aspect_notation(position, aspect)
        digest = pair.index.aspect_digests(position)[32 * Aspect.OWNERSHIP :]
        assert pair.index.aspect_notation(position, Aspect.OWNERSHIP) == f"#{digest.hex()}"


def test_walks_what_it_finds_in_the_order_of_the_leaves(pair: Pair) -> None:
    table = table_for(pair.index.schema)
    everything = range(pair.index.elements)
    assert pair.index.find(ElementFilter(ifc_class="ifcroot"), limit=10_000) == [
        position for position in everything if table.is_a(pair.index.view(position).keyword, "IFCROOT")
    ]
    walked: list[int] = []
    while batch := pair.index.find(ElementFilter(), after=walked[-1] if walked else -1, limit=3):
        walked += batch
    left_out = ("IFCRELATIONSHIP", "IFCPROPERTYDEFINITION", "IFCPROPERTYTEMPLATEDEFINITION")
    assert walked == [
        position
        for position in everything
        if not any(table.is_a(pair.index.view(position).keyword, ancestor) for ancestor in left_out)
    ]


def test_shares_every_global_id_with_itself(pair: Pair) -> None:
    assert pair.index.common_global_ids(pair.path) == pair.index.elements


def test_a_place_that_is_none_is_not_found(pair: Pair) -> None:
    assert pair.index.position("nobody") is None
    with pytest.raises(NotFoundError):
        pair.index.view(pair.index.elements)


def test_a_damaged_index_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "index").write_bytes(b"no database" * 100)
    for path in (tmp_path / "index", tmp_path / "none"):
        with pytest.raises(TransportError):
            ModelIndex(path)


def test_writes_nothing_for_a_model_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "broken.ifc"
    path.write_bytes(MODELS[0].read_bytes()[:-40])
    with pytest.raises(MalformedError):
        build_model_index(path, tmp_path / "index")
    assert list(tmp_path.iterdir()) == [path]
