"""What a party could try in order to hide something, and that it does not help."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from ledger.supply.amounts import amount_text
from ledger.supply.findings import SupplyFinding, find_all
from ledger.supply.reported import time_of
from ledger.supply.sample import SampleProject, sealed_project
from ledger.supply.sample_chain import build_chain, cut_lot, goods_of_lot
from ledger.supply.sample_events import (
    CHINA,
    EPCIS_CONTEXT,
    Draft,
    amount_members,
    goods_members,
    number,
    possession,
    profile_event,
)
from ledger.supply.sample_faults import Known
from ledger.supply.sample_money import accepted_worth, contract_of
from ledger.supply.sample_plan import Chain
from ledger.supply.terms import EventKind


@pytest.fixture
def chain() -> Chain:
    return build_chain(21)


def sealed(chain: Chain) -> SampleProject:
    return sealed_project(chain, Known())


def findings(chain: Chain) -> list[SupplyFinding]:
    project = sealed(chain)
    return list(find_all(project.events, project.context))


def rules(chain: Chain) -> set[str]:
    return {item.rule for item in findings(chain)}


def reasons(found: Iterable[SupplyFinding]) -> set[str]:
    return {item.detail["reason"] for item in found if item.rule == "custody_gap"}


def quantity(chain: Chain, name: str, factor: str) -> None:
    record = chain.drafts[name].record
    item = record["quantityList"][0]
    record["quantityList"] = [{**item, "quantity": float(Decimal(repr(item["quantity"])) * Decimal(factor))}]


def plain(chain: Chain, reporter: str, **members: Any) -> Draft:
    """An EPCIS event without a member of the profile, now."""
    chain.later(hours=1)
    time = chain.clock.isoformat(timespec="seconds")
    record = {"@context": [EPCIS_CONTEXT], "eventTime": time, "eventTimeZoneOffset": "+08:00", **members}
    return Draft(record, chain.codes[reporter])


def move(chain: Chain, name: str, after: str, **delta: int) -> None:
    later = time_of(chain.drafts[after].record["eventTime"]) + timedelta(**delta)
    chain.drafts[name].record["eventTime"] = later.astimezone(CHINA).isoformat(timespec="seconds")


# Quantities


def test_an_installation_without_the_profiles_members_counts_too(chain: Chain) -> None:
    lot = chain.materials[0].lot(1)
    chain.drafts["hidden"] = plain(
        chain,
        "contractor",
        type="ObjectEvent",
        action="OBSERVE",
        bizStep="https://ref.gs1.org/cbv/BizStep-installing",
        quantityList=[{"epcClass": lot, "quantity": 5, "uom": "TNE"}],
    )
    assert "installed_above_received" in rules(chain)


def test_a_lot_under_an_invented_name_was_never_received(chain: Chain) -> None:
    record = chain.drafts["installation:concrete:0"].record
    record["quantityList"] = [{**record["quantityList"][0], "epcClass": chain.materials[2].lot(7)}]
    assert "installed_above_received" in rules(chain)


def test_nothing_negative_lowers_a_sum(chain: Chain) -> None:
    quantity(chain, "installation:rebar:1", "1.05")
    lot = chain.materials[0].lot(1)
    chain.drafts["minus"] = plain(
        chain,
        "contractor",
        type="ObjectEvent",
        action="OBSERVE",
        bizStep="installing",
        quantityList=[{"epcClass": lot, "quantity": -50, "uom": "TNE"}],
    )
    assert rules(chain) == {"installed_above_received"}


def test_arriving_and_receiving_the_same_goods_are_not_added_up(chain: Chain) -> None:
    arrival = chain.drafts["arrival:rebar:1"]
    chain.drafts["receiving"] = Draft(
        {
            name: value
            for name, value in {**arrival.record, "bizStep": "receiving", "eventID": chain.event_id()}.items()
            if not name.startswith("yunshang:")
        },
        arrival.reporter,
    )
    assert rules(chain) == set()
    quantity(chain, "installation:rebar:1", "1.05")
    assert rules(chain) == {"installed_above_received"}


def test_what_arrives_later_mends_nothing(chain: Chain) -> None:
    move(chain, "arrival:rebar:1", "installation:rebar:1", hours=1)
    move(chain, "acceptance:rebar:1", "installation:rebar:1", hours=2)
    assert "installed_above_received" in rules(chain)


def test_a_rejected_part_may_not_be_built_in(chain: Chain) -> None:
    quantity(chain, "acceptance:rebar:1", "0.8")
    assert "installed_above_received" in rules(chain)


def test_a_container_stands_for_what_is_in_it(chain: Chain) -> None:
    pallet = chain.drafts["packing:cable:0"].record["parentID"]
    goods = chain.drafts["installation:cable:0"].record
    del goods["quantityList"]
    goods["epcList"] = [pallet]
    assert rules(chain) == set()
    again = plain(chain, "contractor", type="ObjectEvent", action="OBSERVE", bizStep="installing", epcList=[pallet])
    chain.drafts["again"] = again
    assert "installed_above_received" in rules(chain)


def test_containers_within_each_other_in_a_circle_come_to_an_end(chain: Chain) -> None:
    for parent, child in (("urn:box:1", "urn:box:2"), ("urn:box:2", "urn:box:1")):
        chain.drafts[parent] = plain(
            chain, "contractor", type="AggregationEvent", action="ADD", parentID=parent, childEPCs=[child]
        )
    chain.drafts["ship"] = plain(
        chain, "contractor", type="ObjectEvent", action="OBSERVE", bizStep="installing", epcList=["urn:box:1"]
    )
    assert rules(chain) == set()


def test_more_orders_by_the_supplier_do_not_raise_what_was_ordered(chain: Chain) -> None:
    quantity(chain, "order:concrete", "0.2")
    order = chain.drafts["order:concrete"]
    more = copy.deepcopy(order.record)
    more["eventID"] = chain.event_id()
    for item in more["bizTransactionList"]:
        item["bizTransaction"] = item["bizTransaction"].replace("DD-2026", "DD-2027")
    chain.drafts["order:more"] = Draft(more, chain.codes["concrete"])
    assert "installed_above_ordered" in rules(chain)


# Transformation


def test_a_new_name_for_a_lot_needs_the_report_of_the_old(chain: Chain) -> None:
    del chain.drafts["test_report:rebar:0"]
    chain.drafts["acceptance:rebar:0"].record.pop("yunshang:reports")
    found = findings(chain)
    assert [(item.rule, item.detail["lot"]) for item in found] == [("installed_before_report", cut_lot(chain))]


def test_calling_it_another_material_does_not_help(chain: Chain) -> None:
    del chain.drafts["test_report:rebar:0"]
    chain.drafts["acceptance:rebar:0"].record.pop("yunshang:reports")
    declared = copy.deepcopy(chain.drafts["commissioning:rebar:0"])
    quantities = chain.drafts["cutting"].record["outputQuantityList"]
    declared.record.update({"eventID": chain.event_id(), "yunshang:material": "ornament", "quantityList": quantities})
    declared.record["yunshang:producer"] = declared.reporter = chain.codes["contractor"]
    chain.drafts["renamed"] = declared
    assert "installed_before_report" in rules(chain)


def test_outputs_of_inputs_that_nobody_weighed_come_from_nothing(chain: Chain) -> None:
    record = chain.drafts["cutting"].record
    record["inputQuantityList"] = [{"epcClass": record["inputQuantityList"][0]["epcClass"]}]
    assert "installed_above_received" in rules(chain)


def test_a_transformation_in_two_events_is_one(chain: Chain) -> None:
    whole = chain.drafts.pop("cutting")
    for name in ("input", "output"):
        record = {key: value for key, value in whole.record.items() if not key.startswith(("input", "output"))}
        record.update({"transformationID": "urn:yunshang:cut:1", "eventID": chain.event_id()})
        record[f"{name}QuantityList"] = whole.record[f"{name}QuantityList"]
        chain.drafts[f"cutting:{name}"] = Draft(record, whole.reporter)
    assert rules(chain) == set()
    del chain.drafts["cutting:input"]
    assert rules(chain) == {"installed_above_received"}


def test_a_long_chain_of_names_is_followed_without_recursion(chain: Chain) -> None:
    lot, unit = cut_lot(chain), "TNE"
    amount = chain.drafts["cutting"].record["outputQuantityList"][0]["quantity"]
    installation = chain.drafts.pop("installation:rebar:0")
    for step in range(3_000):
        following = f"urn:yunshang:lot:{chain.codes['contractor']}:cut-rebar:N{step}"
        chain.drafts[f"step:{step}"] = plain(
            chain,
            "contractor",
            type="TransformationEvent",
            inputQuantityList=[{"epcClass": lot, "quantity": amount, "uom": unit}],
            outputQuantityList=[{"epcClass": following, "quantity": amount, "uom": unit}],
        )
        lot = following
    chain.later(hours=1)
    installation.record["eventTime"] = chain.clock.isoformat(timespec="seconds")
    installation.record["quantityList"] = [{"epcClass": lot, "quantity": amount, "uom": unit}]
    chain.drafts["installation:rebar:0"] = installation
    # Longer than anybody cuts: not followed to its end, and so not taken for covered.
    assert "installed_before_report" in rules(chain)


def test_a_lot_of_another_building_is_known_under_its_new_name(chain: Chain) -> None:
    known = Known()
    known.other_buildings[chain.materials[0].lot(0)] = ("0x01",)
    project = sealed_project(chain, known)
    lots = {item.detail["lot"] for item in find_all(project.events, project.context)}
    assert lots == {chain.materials[0].lot(0), cut_lot(chain)}


# Test reports


def test_a_failed_report_is_none_and_its_retest_is_one(chain: Chain) -> None:
    report = chain.drafts["test_report:concrete:0"]
    report.record["yunshang:result"] = "fail"
    assert rules(chain) == {"installed_before_report"}
    retest = copy.deepcopy(report.record)
    retest.update({"eventID": chain.event_id(), "yunshang:result": "pass", "yunshang:report": chain.digest()})
    chain.drafts["retest"] = Draft(retest, report.reporter)
    move(chain, "retest", "test_report:concrete:0", hours=1)
    assert rules(chain) == set()


def test_a_pass_is_over_once_a_later_test_fails(chain: Chain) -> None:
    report = chain.drafts["test_report:concrete:0"]
    second = copy.deepcopy(report.record)
    second.update({"eventID": chain.event_id(), "yunshang:result": "fail", "yunshang:report": chain.digest()})
    chain.drafts["second"] = Draft(second, report.reporter)
    move(chain, "second", "test_report:concrete:0", hours=1)
    assert rules(chain) == {"installed_before_report"}


def test_a_contractor_is_no_laboratory_though_on_the_roster(chain: Chain) -> None:
    report = chain.drafts["test_report:concrete:0"]
    report.record["yunshang:laboratory"] = report.reporter = chain.codes["contractor"]
    assert rules(chain) == {"not_on_roster"}


def test_a_sample_of_another_lot_is_none_of_this_one(chain: Chain) -> None:
    sampling = chain.drafts["sampling:concrete:0"].record
    sampling["quantityList"] = [{"epcClass": chain.materials[2].lot(1)}]
    assert rules(chain) == {"report_of_other_lot"}


def test_a_back_dated_report_is_shown_by_its_record(chain: Chain) -> None:
    chain.drafts["test_report:concrete:0"].late_days = 30
    assert rules(chain) == {"reported_late"}


def test_an_event_of_the_future_is_shown(chain: Chain) -> None:
    chain.drafts["test_report:concrete:0"].late_days = -2
    assert "reported_late" in rules(chain)


def test_a_report_that_nobody_reported_is_unknown_even_if_the_archive_has_the_file(chain: Chain) -> None:
    chain.drafts["acceptance:concrete:0"].record["yunshang:reports"] = [chain.digest()]
    assert rules(chain) == {"report_unknown"}


# Parties


def test_a_contract_of_the_supplier_alone_appoints_nobody(chain: Chain) -> None:
    chain.drafts["contract:concrete"].reporter = chain.codes["concrete"]
    assert {"not_on_roster", "paid_above_accepted"} <= rules(chain)


def test_a_contract_after_the_event_appoints_too_late(chain: Chain) -> None:
    move(chain, "contract:laboratory", "test_report:rebar:0", hours=1)
    assert rules(chain) == {"not_on_roster"}


# Corrections


def declare(chain: Chain, name: str, *, reporter: str | None = None) -> None:
    draft = chain.drafts[name]
    said = {"declarationTime": chain.later(days=1).isoformat(timespec="seconds"), "reason": "did_not_occur"}
    chain.drafts[f"declared:{name}"] = Draft(
        {**draft.record, "errorDeclaration": said}, chain.codes[reporter] if reporter else draft.reporter
    )


def test_nobody_annuls_a_failed_report_of_the_laboratory(chain: Chain) -> None:
    chain.drafts["test_report:concrete:0"].record["yunshang:result"] = "fail"
    declare(chain, "test_report:concrete:0", reporter="contractor")
    assert rules(chain) == {"installed_before_report", "foreign_correction"}


def test_the_laboratory_annuls_its_own_report_and_it_is_shown(chain: Chain) -> None:
    declare(chain, "test_report:concrete:0")
    assert {"installed_before_report", "corrected_after_acceptance"} <= rules(chain)


def test_an_annulled_arrival_no_longer_counts(chain: Chain) -> None:
    declare(chain, "arrival:concrete:0")
    assert {"installed_above_received", "corrected_after_acceptance"} <= rules(chain)


def test_an_event_with_the_same_event_id_does_not_save_anothers(chain: Chain) -> None:
    stolen = chain.drafts["installation:concrete:0"].record["eventID"]
    other = plain(
        chain, "surveyor", type="ObjectEvent", action="OBSERVE", bizStep="storing", epcList=["urn:x:1"], eventID=stolen
    )
    chain.drafts["other"] = other
    declare(chain, "installation:concrete:0")
    found = rules(chain)
    assert {"foreign_correction", "element_without_record"} <= found


# Custody


def test_a_shipment_by_somebody_who_never_had_the_lot(chain: Chain) -> None:
    record = chain.drafts["shipment:concrete:0"].record
    record.update(possession(chain.codes["steel"], chain.codes["contractor"]))
    chain.drafts["arrival:concrete:0"].record.update(possession(chain.codes["steel"], chain.codes["contractor"]))
    assert reasons(findings(chain)) == {"never_held"}


def test_an_arrival_from_somebody_else_than_shipped(chain: Chain) -> None:
    chain.drafts["arrival:concrete:0"].record.update(possession(chain.codes["steel"], chain.codes["contractor"]))
    assert reasons(findings(chain)) == {"not_shipped"}


def test_more_shipped_than_made_and_more_arrived_than_shipped(chain: Chain) -> None:
    quantity(chain, "shipment:concrete:0", "2")
    assert reasons(findings(chain)) == {"above_made"}
    quantity(chain, "arrival:concrete:0", "3")
    assert reasons(findings(chain)) == {"above_made", "above_shipped"}


def test_an_arrival_by_the_suppliers_own_word(chain: Chain) -> None:
    chain.drafts["arrival:concrete:0"].reporter = chain.codes["concrete"]
    assert reasons(findings(chain)) == {"own_word"}


def test_a_shipment_that_never_arrived_is_a_gap_once_it_is_overdue(chain: Chain) -> None:
    material = chain.materials[0]
    contractor = chain.codes["contractor"]
    goods = goods_members([("urn:epc:class:lgtin:1234567.012345.LOST", 3.5, "TNE")])
    steel = chain.codes["steel"]
    chain.clock = time_of(chain.drafts["commissioning:rebar:0"].record["eventTime"]).astimezone(CHINA)
    own = {"class": material.class_uri, "material": "rebar", "producer": steel}
    chain.add("made", EventKind.COMMISSIONING, "steel", own=own, standard=goods)
    chain.later(hours=1)
    chain.add(
        "lost",
        EventKind.SHIPMENT,
        "steel",
        own={"delivery": "SH-9"},
        standard={**goods, **possession(steel, contractor)},
    )
    assert reasons(findings(chain)) == {"not_arrived"}


def test_a_lot_of_two_makers(chain: Chain) -> None:
    again = copy.deepcopy(chain.drafts["commissioning:concrete:0"])
    again.record.update({"eventID": chain.event_id(), "yunshang:producer": chain.codes["contractor"]})
    again.reporter = chain.codes["contractor"]
    chain.drafts["again"] = again
    assert reasons(findings(chain)) == {"made_twice"}


def test_somebody_passes_on_what_he_does_not_own(chain: Chain) -> None:
    record = chain.drafts["shipment:concrete:0"].record
    party = "urn:yunshang:party:"
    record["sourceList"] = [
        *record["sourceList"],
        {"type": "owning_party", "source": party + chain.codes["designer"]},
    ]
    assert reasons(findings(chain)) == {"owner"}


# Money


def payment(chain: Chain, supplier: str, amount: Decimal, *, text: str, approval: str | None = None) -> Draft:
    chain.later(hours=1)
    contractor, payee = chain.codes["contractor"], chain.codes[supplier]
    record = profile_event(
        EventKind.PAYMENT,
        chain.clock,
        own=amount_members(amount_text(amount), contractor, payee),
        transactions=(
            ("contract", contract_of(chain, supplier)),
            ("approval", approval or number("approval", contractor, f"SP-{supplier}-001")),
            ("payment", number("payment", contractor, text)),
        ),
    )
    return Draft(record, contractor)


def test_a_payment_reported_twice_under_one_number_counts_twice(chain: Chain) -> None:
    chain.drafts["again"] = payment(chain, "concrete", Decimal("900.00"), text="FK-concrete-001")
    assert rules(chain) == {"paid_above_approved", "number_twice"}


def test_an_approval_by_the_payee_is_none(chain: Chain) -> None:
    draft = chain.drafts["approval:concrete"]
    draft.record["yunshang:approver"] = draft.reporter = chain.codes["concrete"]
    assert "paid_above_approved" in rules(chain)


def test_an_approval_under_anothers_seal_is_none(chain: Chain) -> None:
    chain.drafts["approval:concrete"].reporter = chain.codes["supervisor"]
    assert "paid_above_approved" in rules(chain)


def test_an_application_by_the_payer_is_none(chain: Chain) -> None:
    chain.drafts["application:concrete"].reporter = chain.codes["contractor"]
    assert rules(chain) == {"approved_above_applied"}


def test_a_payment_before_its_approval_is_above_it(chain: Chain) -> None:
    move(chain, "payment:concrete", "application:concrete", hours=1)
    assert rules(chain) == {"paid_above_approved"}


def test_a_payment_before_acceptance_needs_an_advance(chain: Chain) -> None:
    for name in ("application", "approval", "payment"):
        move(chain, f"{name}:concrete", "order:concrete", hours={"application": 1, "approval": 2, "payment": 3}[name])
    chain.drafts["application:concrete"].covers = ()
    assert rules(chain) == {"paid_above_accepted"}
    worth = amount_text(accepted_worth(chain, "concrete"))
    chain.drafts["contract:concrete"].record.update({"yunshang:advance": worth, "yunshang:amount": worth})
    assert rules(chain) == set()


def test_a_settlement_ends_the_advance(chain: Chain) -> None:
    worth = accepted_worth(chain, "steel")
    advanced = {"yunshang:advance": amount_text(worth), "yunshang:amount": amount_text(worth)}
    chain.drafts["contract:steel"].record.update(advanced)
    for name in ("application:steel", "approval:steel"):
        chain.drafts[name].record["yunshang:amount"] = amount_text(worth * 2)
    chain.drafts["more"] = payment(chain, "steel", worth, text="FK-more")
    assert rules(chain) == {"paid_above_accepted"}


def test_a_payment_without_a_contract_is_above_nothing(chain: Chain) -> None:
    del chain.drafts["contract:concrete"]
    assert "paid_above_accepted" in rules(chain)


def test_a_second_contract_of_one_number_changes_nothing_and_is_shown(chain: Chain) -> None:
    dear = copy.deepcopy(chain.drafts["contract:concrete"].record)
    dear["eventID"] = chain.event_id()
    for line in dear["yunshang:lines"]:
        line["yunshang:unitPrice"] = "99999.00"
    chain.drafts["contract:dear"] = Draft(dear, chain.codes["contractor"])
    move(chain, "contract:dear", "contract:concrete", hours=1)
    for name in ("application", "approval", "payment"):
        chain.drafts[f"{name}:concrete"].record["yunshang:amount"] = "9999999.00"
    assert rules(chain) == {"number_twice", "paid_above_accepted"}


def test_a_higher_price_by_the_supplier_alone_does_not_count(chain: Chain) -> None:
    dear = copy.deepcopy(chain.drafts["contract:concrete"].record)
    dear["eventID"] = chain.event_id()
    for line in dear["yunshang:lines"]:
        line["yunshang:unitPrice"] = "99999.00"
    chain.drafts["contract:dear"] = Draft(dear, chain.codes["concrete"])
    move(chain, "contract:dear", "contract:concrete", hours=1)
    for name in ("application", "approval", "payment"):
        chain.drafts[f"{name}:concrete"].record["yunshang:amount"] = "9999999.00"
    assert "paid_above_accepted" in rules(chain)


def test_sums_of_money_are_exact(chain: Chain) -> None:
    """Ten payments of a tenth of a yuan are one yuan: with floats they would be a little less."""
    approved = Decimal(chain.drafts["approval:concrete"].record["yunshang:amount"])
    chain.drafts["payment:concrete"].record["yunshang:amount"] = amount_text(approved - 1)
    for index in range(10):
        chain.drafts[f"tenth:{index}"] = payment(chain, "concrete", Decimal("0.10"), text=f"FK-T{index}")
    assert rules(chain) == set()
    chain.drafts["fen"] = payment(chain, "concrete", Decimal("0.01"), text="FK-fen")
    assert rules(chain) == {"paid_above_approved"}


def test_goods_of_the_generator_are_as_its_events_say(chain: Chain) -> None:
    assert goods_of_lot(chain.materials[0], 1)["quantityList"][0]["uom"] == "TNE"
