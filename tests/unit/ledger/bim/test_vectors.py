"""The published vectors against the reference, and the hand-made preimages against the vectors."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ledger.bim.reference import ReferenceKernel
from ledger.bim.schema import Aspect
from ledger.errors import MalformedError
from scripts.vectors_bim import documents, models, result

FOLDER = Path(__file__).parents[3] / "vectors" / "bim"
MODELS: dict[str, dict[str, Any]] = {
    model["name"]: model for model in json.loads((FOLDER / "models.json").read_text("ascii"))["models"]
}
REFUSED: list[dict[str, Any]] = json.loads((FOLDER / "refused.json").read_text("ascii"))["files"]
PREIMAGES: dict[str, Any] = json.loads((FOLDER / "preimages.json").read_text("ascii"))


def hashed(preimage: str) -> str:
    return sha256(bytes.fromhex(preimage)).hexdigest()


def test_files_are_as_generated() -> None:
    for name, document in documents().items():
        assert json.loads((FOLDER / name).read_text("ascii")) == document, name


@pytest.mark.parametrize("model", models(), ids=lambda model: model.name)
def test_models(model: Any) -> None:
    assert result(model) == MODELS[model.name]


@pytest.mark.parametrize("vector", REFUSED, ids=lambda vector: vector["name"])
def test_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(MalformedError) as caught:
        ReferenceKernel().scan(vector["step"].encode())
    assert (caught.value.code, caught.value.where) == (vector["code"], vector["where"])


def test_equal_where_said_and_nowhere_else() -> None:
    for model in MODELS.values():
        if twin := model.get("same_as"):
            assert (model["root"], model["content_root"]) == (MODELS[twin]["root"], MODELS[twin]["content_root"])
        if twin := model.get("same_content_as"):
            assert model["content_root"] == MODELS[twin]["content_root"]
    roots = Counter(model["root"] for model in MODELS.values() if "same_as" not in model)
    assert set(roots.values()) == {1}


def test_preimages_made_without_the_reference() -> None:
    model = MODELS[PREIMAGES["model"]]
    (leaf,) = model["leaves"]
    assert [hashed(aspect) for aspect in PREIMAGES["aspects"]] == [leaf["aspects"][aspect.label] for aspect in Aspect]
    assert PREIMAGES["leaf"] == leaf["leaf"]
    assert PREIMAGES["last_leaf"] == model["last_leaf"]
    assert hashed(PREIMAGES["root"]) == model["root"]
    assert hashed(PREIMAGES["content_root"]) == model["content_root"]
    assert [hashed(PREIMAGES["plain"])] == list(model["digests"].values())
    assert [hashed(PREIMAGES["colour"])] * 2 == leaf["colours"]


def test_every_code_but_those_of_size_is_among_the_refused() -> None:
    assert {vector["code"] for vector in REFUSED} == {
        "not_step",
        "truncated",
        "syntax",
        "sections",
        "schema_missing",
        "depth",
        "number_overflow",
        "string_encoding",
        "duplicate_entity",
        "dangling_reference",
        "global_id",
        "cycle",
    }
