"""Evidence of one element: from the model in the store to the five seals."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib

import pytest

from archive_api.bim.indexer import ModelIndexer
from ledger.cli.seals import CadesSeals
from ledger.entries import ModelEntry
from ledger.evidence import EvidenceBundle
from ledger.manifest import bim_root
from ledger.report import Outcome
from ledger.verify import verify_bundle
from scripts.sample_model import BUILDING, DOOR, MODEL, WALL, entry

from .world import FILES, Prepared, World

MODEL_PATH, OTHER_PATH = "C5/竣工模型.ifc", "C5/重复标识.ifc"
TWICE = MODEL.replace(WALL.encode(), DOOR.encode())
CONTENTS = {**FILES, MODEL_PATH: MODEL, OTHER_PATH: TWICE}


@pytest.fixture(scope="module")
def handover(archive: World) -> Prepared:
    world = archive
    prepared = world.anchored(files=CONTENTS, models=[entry(), entry(TWICE, "twice")])
    body = world.acceptance(prepared, f"2026-{next(world.counter):06d}")
    world.post(f"/submissions/{prepared.ref}/acceptance", body, 202)
    world.settle()
    return prepared


def place(prepared: Prepared, path: str) -> str:
    return str(next(index for index, one in enumerate(prepared.entries) if one.path == path))


def address(world: World, prepared: Prepared, path: str) -> str:
    return f"/evidence/{world.show(prepared)['submission_id']}/{place(prepared, path)}"


def test_an_element_is_proved_up_to_the_five_seals(world: World, handover: Prepared) -> None:
    ModelIndexer(world.services).round()
    assert handover.statement.bim_root == bim_root(handover.manifest.models)
    response = world.client.get(f"/api/v1{address(world, handover, MODEL_PATH)}", params={"element": DOOR})
    assert response.status_code == 200, response.text
    report = verify_bundle(
        response.content, world.services.trust, seal_checker=CadesSeals(), now=datetime.datetime.now(datetime.UTC)
    )
    assert report.outcome is Outcome.PASSED, report.to_json()
    assert report.subject["element"]["name"] == "FM1021 甲级防火门"
    assert report.subject["document"]["sha256"] == hashlib.sha256(MODEL).hexdigest()
    sealed = next(model for model in handover.manifest.models if model.file_sha256 == hashlib.sha256(MODEL).digest())
    assert report.subject["model"]["stage"] == sealed.stage
    assert report.subject["model"]["counts"]["duplicate_global_ids"] == 0
    assert [step.name for step in report.steps][-2:] == ["model", "element"]


def test_without_an_element_the_bundle_is_as_ever(world: World, handover: Prepared) -> None:
    bundle = world.get(address(world, handover, MODEL_PATH))
    assert "element" not in [item["type"] for item in bundle["items"]]


def test_the_server_verifies_such_a_bundle_too(world: World, handover: Prepared) -> None:
    ModelIndexer(world.services).round()
    bundle = world.client.get(f"/api/v1{address(world, handover, MODEL_PATH)}", params={"element": WALL})
    report = world.call(
        "POST", "/verification/bundle", 200, content=bundle.content, headers={"Content-Type": "application/json"}
    )
    assert report["verdict"] == "PASSED"
    assert report["subject"]["element"]["class"] == "IfcWall"


def test_refuses_elements_that_can_not_be_proved(world: World, handover: Prepared) -> None:
    ModelIndexer(world.services).round()
    model, other = address(world, handover, MODEL_PATH), address(world, handover, OTHER_PATH)
    document = address(world, handover, next(iter(FILES)))
    world.refuse("GET", model, 404, "element_not_found", params={"element": "nobody"})
    world.refuse("GET", other, 422, "duplicate_global_id", params={"element": DOOR})
    assert world.get(other, params={"element": BUILDING})["items"][-1]["type"] == "element"
    world.refuse("GET", document, 409, "not_a_model", params={"element": DOOR})
    world.refuse("GET", model, 422, "malformed", params={"element": ""})
    world.refuse("GET", model, 422, "malformed", params={"element": "x" * 65})


def test_asks_to_come_again_before_the_index_is_made(world: World) -> None:
    step = MODEL.replace(b"FM1021 ", b"FM1099 ")
    prepared = world.anchored(files={**FILES, MODEL_PATH: step}, models=[entry(step, "new")])
    problem = world.refuse(
        "GET", address(world, prepared, MODEL_PATH), 503, "model_index_pending", params={"element": DOOR}
    )
    assert problem["detail"]
    ModelIndexer(world.services).round()
    assert world.get(address(world, prepared, MODEL_PATH), params={"element": DOOR})["items"][-1]["type"] == "element"


def test_no_element_is_proved_where_a_model_of_the_handover_can_not_be_read(world: World) -> None:
    broken = b"ISO-10303-21;"
    unread = ModelEntry("unknown", hashlib.sha256(broken).digest(), salt=bytes(32))
    prepared = world.anchored(files={**FILES, MODEL_PATH: MODEL, OTHER_PATH: broken}, models=[entry(), unread])
    assert prepared.statement.bim_root == bytes(32)
    world.refuse("GET", address(world, prepared, MODEL_PATH), 409, "model_unreadable", params={"element": DOOR})


def test_nothing_is_described_of_a_model_that_was_not_sealed(world: World, handover: Prepared) -> None:
    content = world.client.get(f"/api/v1{address(world, handover, MODEL_PATH)}", params={"element": DOOR}).content
    bundle = EvidenceBundle.parse(content)
    assert bundle.element is not None
    other = ModelEntry.from_json(bundle.element.model.to_json() | {"stage": "design"})
    forged = dataclasses.replace(bundle, element=dataclasses.replace(bundle.element, model=other))
    report = verify_bundle(
        forged.to_bytes(), world.services.trust, seal_checker=CadesSeals(), now=datetime.datetime.now(datetime.UTC)
    )
    assert report.outcome is Outcome.FAILED
    assert "element" not in report.subject
