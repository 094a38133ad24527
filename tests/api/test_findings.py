"""Every rule through the API: generated projects that show it and ones that don't, with real models and seals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import ifcopenshell
import pytest
from sqlalchemy import delete

from archive_api.bim.indexer import ModelIndexer
from archive_api.sample.model import write_model
from archive_api.seal_status.models import IssuerRevocationRow
from archive_api.seal_status.watch import RevocationWatch
from ledger.supply.findings import RECORDED_CLASSES, RULES, find_all
from ledger.supply.mentions import Mention, mentions
from ledger.supply.reported import ReportedEvent
from ledger.supply.sample import SampleProject, clean_project, project_with
from ledger.supply.terms import EventKind, kind_of
from signing.authority_services import AuthorityServices, record_revocation
from signing.revocation import Revocation, RevocationReason

from .epcis_world import EpcisWorld
from .houses import entry_of_model, model_of
from .simulated import Simulated
from .tracing_world import LONG_AGO, Captured, building_of, hold, in_order, report, reporters
from .world import JSON, World

FEW = ("unit_mixed", "paid_above_approved")
MOST = tuple(rule for rule in RULES if rule not in FEW)
MODEL_PATH = "D/竣工模型.ifc"

# Seeds of their own: parties, lots and elements must not come twice.
SHOWS_MOST = project_with(MOST[0], 70, *MOST[1:])
SHOWS_FEW = project_with(FEW[0], 71, *FEW[1:])
CLEAN = clean_project(72)

Found = set[tuple[str, frozenset[str]]]


@dataclass(frozen=True, slots=True)
class Shown:
    """What is found in a building with the project that shows most, and in one with the other two."""

    most: JSON
    few: JSON
    third: str
    """Key of a third building, that names a lot of the first."""


@pytest.fixture(scope="module")
def shown(archive: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    world = archive
    first = whole(world, SHOWS_MOST, folder=tmp_path_factory.mktemp("ca"))
    second = whole(world, SHOWS_FEW, CLEAN, folder=tmp_path_factory.mktemp("ca"))
    third = str(world.new_building()["building_key"])
    world.settle()
    for lot in SHOWS_MOST.context.other_buildings or {}:
        accepted = [event for event in SHOWS_MOST.events if kind_of(event.record) is EventKind.ACCEPTANCE]
        naming = [event for event in accepted if Mention("class", lot) in mentions(event.record)]
        report(world, third, naming, reporters(world, SHOWS_MOST))
    yield Shown(first.findings(), second.findings(), third)
    with world.services.database.transaction() as session:
        session.execute(delete(IssuerRevocationRow))


def whole(world: World, *projects: SampleProject, folder: Path) -> Captured:
    """A building with some projects: model as built, documents, events, and what became of the keys that sealed."""
    place = building_of(world, *projects)
    documents = [digest for project in projects for digest in project.context.documents or ()]
    model = model_of({item: name for project in projects for item, name in (project.context.model or {}).items()})
    entry = entry_of_model(model, MODEL_PATH, stage="as_built")
    hold(world, place.unit, documents, files={MODEL_PATH: model}, models=[entry])
    ModelIndexer(world.services).round()
    events = in_order(projects)
    lost = [event for event in events if event.certificate_valid is False]
    keys = {event.hash_id: world.key_store(event.reporter, "原证书", not_before=LONG_AGO) for event in lost}
    for key in keys.values():
        world.register(key.certificate.der)
    world.settle()
    report(world, place.building, events, reporters(world, *projects), sealed_otherwise=keys)
    for event in lost:
        compromised(world, folder, keys[event.hash_id].certificate.serial_number, event)
    return place


def compromised(world: World, folder: Path, serial_number: int, event: ReportedEvent) -> None:
    """The issuer publishes that a key was compromised before it sealed an event."""
    world.authority.save(folder, "secret")
    since = event.event_time - timedelta(days=4)
    revoked_at = world.clock.now().replace(microsecond=0) - timedelta(seconds=1)
    revocation = Revocation(revoked_at, RevocationReason.KEY_COMPROMISE, invalidity_time=since)
    record_revocation(folder, serial_number, revocation)
    RevocationWatch(world.services, Simulated(AuthorityServices(folder, "secret"), world)).round()
    world.settle()


def found(document: JSON) -> Found:
    return {(item["rule"], frozenset(event["hash_id"] for event in item["events"])) for item in document["findings"]}


def expected(project: SampleProject) -> Found:
    """What the rules alone say of a project."""
    return {(item.rule, frozenset(item.events)) for item in find_all(project.events, project.context)}


def test_every_rule_is_shown_and_nothing_else_is(shown: Shown) -> None:
    assert {rule for rule, _ in found(shown.most) | found(shown.few)} == set(RULES)
    assert found(shown.most) == expected(SHOWS_MOST)
    assert found(shown.few) == expected(SHOWS_FEW)
    assert shown.most["unchecked"] == shown.few["unchecked"] == []
    assert shown.most["events"] == len(SHOWS_MOST.events)
    assert shown.few["events"] == len(SHOWS_FEW.events) + len(CLEAN.events)


@pytest.mark.parametrize("rule", list(RULES))
def test_a_rule_is_shown_by_its_project_and_by_no_other(shown: Shown, rule: str) -> None:
    project, document, other = (
        (SHOWS_FEW, shown.few, shown.most) if rule in FEW else (SHOWS_MOST, shown.most, shown.few)
    )
    assert not [item for item in other["findings"] if item["rule"] == rule]
    items = [item for item in document["findings"] if item["rule"] == rule]
    assert items
    reported = {(event.hash_id, event.record_sha256, event.reporter) for event in project.events}
    for item in items:
        assert item["title_zh"]
        # That there is no event is what was found of elements without record.
        assert bool(item["events"]) is (rule != "element_without_record")
        assert item["events"] or item["detail"]["element"] in (project.context.model or {})
        for event in item["events"]:
            assert (event["hash_id"], event["record_sha256"], event["reporter"]) in reported
            assert event["index"] is not None


def test_the_other_building_is_named_in_both(archive: World, shown: Shown) -> None:
    (item,) = [item for item in shown.most["findings"] if item["rule"] == "lot_in_two_buildings"]
    assert item["detail"]["buildings"] == shown.third
    there = archive.get(f"/buildings/{shown.third}/findings")["findings"]
    (item,) = [item for item in there if item["rule"] == "lot_in_two_buildings"]
    assert item["detail"]["buildings"] == shown.most["building_key"]


# The model of the generated sample, as its own code reads and indexes it.


@pytest.fixture(scope="module")
def sample_model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("model") / "sample.ifc"
    write_model(path, building="1号楼", address="示例路1号", author="示例单位", seed=5)
    return path.read_bytes()


def needing_records(model: bytes) -> dict[str, str]:
    """Class by GlobalId of what needs a record, as IfcOpenShell reads the model."""
    read: Any = ifcopenshell.file.from_string(model.decode())
    return {item.GlobalId: item.is_a() for name in RECORDED_CLASSES for item in read.by_type(name)}


def installation(elements: list[str]) -> JSON:
    """An installation of the generated project, into these elements."""
    event: Any = next(event for event in clean_project(73).events if kind_of(event.record) is EventKind.INSTALLATION)
    parts = [{"yunshang:globalId": item, "yunshang:modelRoot": "0x" + "11" * 32} for item in elements]
    return {**event.record, "yunshang:elements": parts}


def element_findings(place: Captured) -> tuple[set[str], set[str], set[str]]:
    """GlobalIds without a record, GlobalIds unknown, and what was not checked."""
    document = place.findings()
    by_rule = {
        rule: {item["detail"]["element"] for item in document["findings"] if item["rule"] == rule}
        for rule in ("element_without_record", "element_unknown")
    }
    unchecked = {item["rule"] for item in document["unchecked"]}
    return by_rule["element_without_record"], by_rule["element_unknown"], unchecked


def test_elements_of_the_sample_model_lack_records_until_there_are_some(world: World, sample_model: bytes) -> None:
    place = building_of(world, clean_project(73))
    needed = needing_records(sample_model)
    assert set(needed.values()) >= {"IfcDoor", "IfcSlab"}
    assert element_findings(place) == (set(), set(), {"element_without_record", "element_unknown"})
    entry = entry_of_model(sample_model, MODEL_PATH, stage="as_built")
    hold(world, place.unit, [], files={MODEL_PATH: sample_model}, models=[entry])
    assert element_findings(place) == (set(), set(), {"element_without_record", "element_unknown"})  # not indexed yet
    ModelIndexer(world.services).round()
    assert element_findings(place) == (set(needed), set(), set())
    first, *others = sorted(needed)
    captured(world, place, installation([first, "0Nowhere$$$$$$$$$$$$$1"]))
    assert element_findings(place) == (set(others), {"0Nowhere$$$$$$$$$$$$$1"}, set())
    captured(world, place, {**installation(others), "eventID": "urn:uuid:8f0a4d43-4df5-4b2c-a4a0-5d2df0b90d11"})
    assert element_findings(place) == (set(), {"0Nowhere$$$$$$$$$$$$$1"}, set())


def captured(world: World, place: Captured, record: JSON) -> None:
    epcis = EpcisWorld(world, place.building)
    epcis.capture(record)
    epcis.sequencer.round(publish=True)


def test_a_design_model_needs_no_records(world: World, sample_model: bytes) -> None:
    place = building_of(world, clean_project(73))
    entry = entry_of_model(sample_model, MODEL_PATH, stage="design")
    hold(world, place.unit, [], files={MODEL_PATH: sample_model}, models=[entry])
    ModelIndexer(world.services).round()
    assert element_findings(place) == (set(), set(), {"element_without_record", "element_unknown"})
