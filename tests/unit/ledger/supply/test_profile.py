"""The construction profile: what fits, and where the refusal points when something does not."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, meta

from ledger.canonical import canonical_record
from ledger.errors import MalformedError
from ledger.supply.document import read_event
from ledger.supply.profile import check_profile, profile_schema
from ledger.supply.sample import SampleProject, clean_project
from ledger.supply.terms import CONTEXT, KINDS_OF_STREAM, STEP_OF_KIND, EventKind, kind_of, step_of

GS1 = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
OTHER_CODE = "91440101MA5000001X"  # wrong check digit


@pytest.fixture(scope="module")
def project() -> SampleProject:
    return clean_project(7)


def sample_of(project: SampleProject, kind: EventKind) -> dict[str, Any]:
    return copy.deepcopy(dict(next(record for record in project.records if kind_of(record) is kind)))


def refusal(record: dict[str, Any]) -> MalformedError:
    with pytest.raises(MalformedError) as caught:
        check_profile(record)
    return caught.value


def test_the_schema_is_one_of_draft_2020_12() -> None:
    meta.validate(dict(profile_schema()))


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_kind_fits_and_is_an_epcis_event(project: SampleProject, kind: EventKind) -> None:
    record = sample_of(project, kind)
    check_profile(record)
    assert dict(read_event(canonical_record(record)).record) == record
    assert Draft202012Validator(dict(profile_schema())).is_valid(record)
    assert step_of(record) == STEP_OF_KIND[kind]


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_required_member_is_missed(project: SampleProject, kind: EventKind) -> None:
    whole = sample_of(project, kind)
    required = [name for name in profile_schema()["$defs"][kind.value]["required"] if name != "bizStep"]
    for name in required:
        record = {key: value for key, value in whole.items() if key != name}
        if kind in (EventKind.SHIPMENT, EventKind.ARRIVAL, EventKind.ACCEPTANCE, EventKind.INSTALLATION):
            record["yunshang:note"] = "still of the profile"
        error = refusal(record)
        assert (error.code, error.where) == ("profile_member", f"/{name}")


@pytest.mark.parametrize("kind", list(EventKind))
def test_a_member_that_is_none_of_the_kind_is_refused(project: SampleProject, kind: EventKind) -> None:
    error = refusal({**sample_of(project, kind), "yunshang:surprise": "x"})
    assert (error.code, error.where) == ("profile_member", "/yunshang:surprise")


@pytest.mark.parametrize("kind", list(EventKind))
def test_another_event_type_or_action_is_refused(project: SampleProject, kind: EventKind) -> None:
    assert refusal({**sample_of(project, kind), "type": "AssociationEvent"}).where == "/type"
    assert refusal({**sample_of(project, kind), "action": "DELETE"}).where == "/action"


def test_each_stream_takes_its_kinds_and_a_contract_may_stand_in_either() -> None:
    assert KINDS_OF_STREAM["supply"] | KINDS_OF_STREAM["funds"] == frozenset(EventKind)
    assert KINDS_OF_STREAM["supply"] & KINDS_OF_STREAM["funds"] == {EventKind.CONTRACT}


def test_the_examples_of_the_standard_are_outside_the_profile(shared_data: Path) -> None:
    seen = 0
    for path in sorted((shared_data / "epcis" / "examples").glob("*.jsonld")):
        document = json.loads(path.read_text("utf-8"))
        for event in document["epcisBody"]["eventList"]:
            record = {"@context": document["@context"], **event}
            check_profile(record)
            assert kind_of(record) is None
            seen += 1
    assert seen >= 12


def test_an_event_with_a_word_of_the_cbv_and_no_own_member_is_outside(project: SampleProject) -> None:
    record = {
        name: value
        for name, value in sample_of(project, EventKind.INSTALLATION).items()
        if not name.startswith("yunshang:")
    }
    assert kind_of(record) is None
    check_profile(record)


Change = Callable[[dict[str, Any]], None]


def put(*path: str | int, value: Any) -> Change:
    def change(record: dict[str, Any]) -> None:
        place: Any = record
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value

    return change


CASES: list[tuple[EventKind, Change, str, str]] = [
    (EventKind.PAYMENT, put("yunshang:amount", value="1e6"), "profile_amount", "/yunshang:amount"),
    (EventKind.PAYMENT, put("yunshang:amount", value="1000.005"), "profile_amount", "/yunshang:amount"),
    (EventKind.PAYMENT, put("yunshang:amount", value="-5.00"), "profile_amount", "/yunshang:amount"),
    (EventKind.PAYMENT, put("yunshang:amount", value=1000.25), "profile_amount", "/yunshang:amount"),
    (EventKind.PAYMENT, put("yunshang:currency", value="USD"), "profile_amount", "/yunshang:currency"),
    (EventKind.PAYMENT, put("yunshang:payee", value=OTHER_CODE), "profile_code", "/yunshang:payee"),
    (
        EventKind.CONTRACT,
        put("yunshang:parties", 1, "yunshang:code", value=OTHER_CODE),
        "profile_code",
        "/yunshang:parties/1/yunshang:code",
    ),
    (
        EventKind.CONTRACT,
        put("yunshang:parties", 1, "yunshang:role", value="friend"),
        "profile_value",
        "/yunshang:parties/1/yunshang:role",
    ),
    (
        EventKind.CONTRACT,
        put("yunshang:parties", 1, "yunshang:role", value="buyer"),
        "profile_reference",
        "/yunshang:parties",
    ),
    (EventKind.CONTRACT, put("yunshang:advance", value="99999999.00"), "profile_reference", "/yunshang:advance"),
    (
        EventKind.COMMISSIONING,
        put("quantityList", 0, "quantity", value=-2),
        "profile_quantity",
        "/quantityList/0/quantity",
    ),
    (
        EventKind.COMMISSIONING,
        put("quantityList", 0, "quantity", value=0),
        "profile_quantity",
        "/quantityList/0/quantity",
    ),
    (EventKind.COMMISSIONING, put("quantityList", value=[]), "profile_value", "/quantityList"),
    (EventKind.COMMISSIONING, put("yunshang:producer", value="9144"), "profile_value", "/yunshang:producer"),
    (
        EventKind.SHIPMENT,
        put("sourceList", 0, "source", value="urn:epc:id:pgln:4012345.00225"),
        "profile_value",
        "/sourceList",
    ),
    (
        EventKind.SHIPMENT,
        put("sourceList", 0, "source", value=f"urn:yunshang:party:{OTHER_CODE}"),
        "profile_code",
        "/sourceList/0/source",
    ),
    (EventKind.TEST_REPORT, put("yunshang:report", value="AB" * 32), "profile_value", "/yunshang:report"),
    (EventKind.TEST_REPORT, put("yunshang:result", value="maybe"), "profile_value", "/yunshang:result"),
    (EventKind.ACCEPTANCE, put("yunshang:reports", value=["ab"]), "profile_value", "/yunshang:reports/0"),
    (EventKind.ACCEPTANCE, put("bizTransactionList", value=[]), "profile_value", "/bizTransactionList"),
    (
        EventKind.INSTALLATION,
        put("yunshang:elements", 0, "yunshang:globalId", value="9" * 22),
        "profile_value",
        "/yunshang:elements/0/yunshang:globalId",
    ),
    (
        EventKind.INSTALLATION,
        put("yunshang:elements", 0, "yunshang:globalId", value="0" * 21),
        "profile_value",
        "/yunshang:elements/0/yunshang:globalId",
    ),
    (
        EventKind.INSTALLATION,
        put("yunshang:elements", 0, "yunshang:modelRoot", value="ab" * 32),
        "profile_value",
        "/yunshang:elements/0/yunshang:modelRoot",
    ),
    (
        EventKind.INSTALLATION,
        put("yunshang:elements", 0, "yunshang:used", value={"yunshang:thing": "urn:x:y", "yunshang:quantity": "1"}),
        "profile_reference",
        "/yunshang:elements/0/yunshang:used",
    ),
    (
        EventKind.INSTALLATION,
        put("yunshang:elements", 0, "yunshang:size", value="1"),
        "profile_member",
        "/yunshang:elements/0/yunshang:size",
    ),
    (
        EventKind.PAYMENT_APPLICATION,
        put("yunshang:coveredEvents", value=["urn:uuid:1"]),
        "profile_value",
        "/yunshang:coveredEvents/0",
    ),
    (EventKind.CONTRACT, put("bizStep", value="urn:yunshang:supply:step:dreaming"), "profile_step", "/bizStep"),
    (EventKind.CONTRACT, put("bizStep", value="yunshang:step:contracting"), "profile_step", "/bizStep"),
    (EventKind.ARRIVAL, put("bizStep", value="storing"), "profile_step", "/bizStep"),
    (EventKind.ARRIVAL, put("bizStep", value="https://ref.gs1.org/cbv/BizStep-arriving"), "profile_value", "/bizStep"),
    (EventKind.ARRIVAL, put("@context", value=[GS1]), "profile_context", "/@context"),
    (EventKind.ARRIVAL, put("@context", 1, "y", value="urn:yunshang:supply:"), "profile_context", "/@context/1/y"),
    (EventKind.ARRIVAL, put("@context", 1, "y", value="urn:yunshang:"), "profile_context", "/@context/1/y"),
    (EventKind.ARRIVAL, put("@context", 1, "yunshang", value="urn:x:"), "profile_context", "/@context/1/yunshang"),
    (
        EventKind.ARRIVAL,
        put("@context", 1, "lots", value={"@id": "urn:yunshang:supply:elements"}),
        "profile_context",
        "/@context/1/lots",
    ),
    (
        EventKind.ARRIVAL,
        put("urn:yunshang:supply:note", value="x"),
        "profile_context",
        "/urn:yunshang:supply:note",
    ),
]


@pytest.mark.parametrize(("kind", "change", "code", "where"), CASES)
def test_what_does_not_fit_is_refused_with_its_place(
    project: SampleProject, kind: EventKind, change: Change, code: str, where: str
) -> None:
    record = sample_of(project, kind)
    change(record)
    error = refusal(record)
    assert (error.code, error.where) == (code, where)


def test_a_number_belongs_to_whoever_gives_it(project: SampleProject) -> None:
    for kind in (EventKind.ORDER, EventKind.PAYMENT_APPLICATION, EventKind.PAYMENT, EventKind.FUNDING):
        record = sample_of(project, kind)
        stranger = project.parties["designer"]
        for item in record["bizTransactionList"]:
            parts = item["bizTransaction"].split(":")
            item["bizTransaction"] = ":".join([*parts[:3], stranger, *parts[4:]])
        assert refusal(record).code == "profile_reference"


def test_nobody_pays_himself(project: SampleProject) -> None:
    record = sample_of(project, EventKind.PAYMENT)
    record["yunshang:payee"] = record["yunshang:payer"]
    assert refusal(record).where == "/yunshang:payee"


def test_contract_lines_and_quantities_name_the_same_classes(project: SampleProject) -> None:
    record = next(copy.deepcopy(dict(item)) for item in project.records if "yunshang:lines" in item)
    record["yunshang:lines"] = record["yunshang:lines"][:1]
    assert refusal(record).where == "/yunshang:lines"
    del record["yunshang:lines"], record["quantityList"]
    record["epcList"] = []
    check_profile(record)


def test_prices_need_their_currency(project: SampleProject) -> None:
    record = next(copy.deepcopy(dict(item)) for item in project.records if "yunshang:lines" in item)
    del record["yunshang:currency"]
    assert refusal(record).where == "/yunshang:currency"


def test_one_value_may_stand_alone_as_in_xml(project: SampleProject) -> None:
    record = sample_of(project, EventKind.TEST_REPORT)
    record["yunshang:samples"] = record["yunshang:samples"][0]
    check_profile(record)


def test_goods_may_not_go_from_somebody_to_himself(project: SampleProject) -> None:
    record = sample_of(project, EventKind.SHIPMENT)
    record["destinationList"][0]["destination"] = record["sourceList"][0]["source"]
    assert refusal(record).where == "/destinationList"


def test_an_event_of_another_prefix_keeps_it(project: SampleProject) -> None:
    record = sample_of(project, EventKind.ARRIVAL)
    record["@context"] = [GS1, {**CONTEXT, "example": "https://example.org/"}]
    record["example:temperature"] = "20"
    check_profile(record)


def test_an_error_declaration_is_checked_like_the_event(project: SampleProject) -> None:
    record = sample_of(project, EventKind.ARRIVAL)
    record["errorDeclaration"] = {"declarationTime": "2026-06-01T08:00:00+08:00"}
    check_profile(record)
    del record["destinationList"]
    assert refusal(record).where == "/destinationList"
