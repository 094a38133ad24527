"""A building's money: added up from what was captured, for its members only."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

from archive_api.streams.sequencer import Sequencer
from ledger.supply.flow import money_flow
from ledger.supply.terms import EventKind
from ledger.types import Role

from .epcis_world import EpcisWorld, document_of, epcis_world
from .world import JSON, World


def _money() -> ModuleType:
    """The events of the unit tests, which this folder can't import by name."""
    path = Path(__file__).parents[1] / "unit" / "ledger" / "supply" / "money.py"
    spec = importlib.util.spec_from_file_location("tests_money", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


MONEY = _money()


@pytest.fixture
def building(world: World) -> EpcisWorld:
    return epcis_world(world)


def captured(building: EpcisWorld, records: list[JSON]) -> None:
    sent = building.send(document_of(records, **{"@context": records[0]["@context"]}), stream="funds")
    assert sent.status_code == 202, sent.text
    Sequencer(building.world.services).round(publish=True)


def flow(building: EpcisWorld, status: int = 200, **arguments: Any) -> Any:
    client = arguments.pop("client", building.world.client)
    response = client.get(f"/api/v1/buildings/{building.building}/funds/flow", **arguments)
    assert response.status_code == status, response.text
    return response


def test_adds_up_what_was_captured(building: EpcisWorld) -> None:
    assert flow(building).json()["contracts"] == []
    captured(building, MONEY.project())
    document = flow(building).json()
    assert document["totals"]["funded"] == "122000000.00"
    assert document["totals"]["paid"] == "55640000.25"
    assert document["currency"] == "CNY"
    expected = money_flow(MONEY.checked(MONEY.project())).to_json()
    assert document["contracts"] == expected["contracts"]
    assert document["fundings"] == expected["fundings"]


def test_draws_a_picture(building: EpcisWorld) -> None:
    captured(building, MONEY.project())
    response = flow(building, params={"format": "svg"})
    assert response.headers["content-type"].startswith("image/svg+xml")
    texts = "\n".join(element.text or "" for element in ElementTree.fromstring(response.text).iter())
    assert "资金流向" in texts
    assert "122,000,000.00 元" in texts


def test_another_building_has_none_of_it(building: EpcisWorld) -> None:
    captured(building, MONEY.project())
    assert flow(epcis_world(building.world)).json()["contracts"] == []


def test_a_correction_is_heeded(building: EpcisWorld) -> None:
    one, two = MONEY.code_of(1), MONEY.code_of(2)
    payment = MONEY.money(EventKind.PAYMENT, 1, one, two, 1, "90.00")
    captured(building, [payment])
    assert flow(building).json()["totals"]["paid"] == "90.00"
    said = {"declarationTime": "2026-06-01T00:00:00+08:00", "reason": "incorrect_data"}
    captured(building, [payment | {"errorDeclaration": said}])
    assert flow(building).json()["totals"]["paid"] == "0.00"


@pytest.mark.parametrize(
    ("grant", "status"),
    [
        ({"role": "auditor"}, 200),
        ({"role": "archivist_handler"}, 200),
        ({"role": "administrator"}, 403),
        (None, 401),
    ],
)
def test_is_for_the_buildings_members(building: EpcisWorld, grant: JSON | None, status: int) -> None:
    world = building.world
    flow(building, status, client=world.anonymous() if grant is None else world.person(grant))


def test_an_organisation_sees_the_money_of_its_own_buildings(building: EpcisWorld) -> None:
    world = building.world
    owner = world.parties[Role.OWNER]
    stranger = world.key_store(MONEY.code_of(77), "别家公司")
    for party, status in ((owner, 200), (stranger, 404)):
        grant = {"role": "party_operator", "organisation_code": party.certificate.organisation_code}
        flow(building, status, client=world.person(grant, organisation=party))
