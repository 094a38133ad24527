"""For each rule, what is done to a generated project so that it shows that finding and no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from ledger.supply.amounts import EXACT, amount_text
from ledger.supply.reported import time_of
from ledger.supply.sample_events import CHINA, Draft
from ledger.supply.sample_money import accepted_worth
from ledger.supply.sample_plan import Chain

__all__ = ["FAULTS", "Known"]


@dataclass(slots=True)
class Known:
    """What the archive knows otherwise than in a project where everything agrees."""

    missing_documents: set[str] = field(default_factory=set)
    other_buildings: dict[str, tuple[str, ...]] = field(default_factory=dict)


def _copy(chain: Chain, name: str, **changes: Any) -> Draft:
    draft = chain.drafts[name]
    return Draft({**draft.record, "eventID": chain.event_id(), **changes}, draft.reporter)


def _quantity(chain: Chain, name: str, more: str) -> None:
    record = chain.drafts[name].record
    item = record["quantityList"][0]
    quantity = float(Decimal(repr(item["quantity"])) + Decimal(more))
    record["quantityList"] = [{**item, "quantity": quantity}]


def _moved(chain: Chain, name: str, after: str) -> None:
    later = time_of(chain.drafts[after].record["eventTime"]) + timedelta(hours=2)
    chain.drafts[name].record["eventTime"] = later.astimezone(CHINA).isoformat(timespec="seconds")


def _amount(chain: Chain, name: str, amount: Decimal) -> None:
    chain.drafts[name].record["yunshang:amount"] = amount_text(amount.quantize(Decimal("0.01"), context=EXACT))


def _installed_before_report(chain: Chain, known: Known) -> None:
    _moved(chain, "test_report:concrete:0", "installation:concrete:0")


def _report_of_other_lot(chain: Chain, known: Known) -> None:
    other = chain.drafts["test_report:concrete:1"].record["yunshang:report"]
    chain.drafts["acceptance:concrete:0"].record["yunshang:reports"] = [other]


def _report_unknown(chain: Chain, known: Known) -> None:
    known.missing_documents.add(chain.drafts["test_report:cable:0"].record["yunshang:report"])


def _report_without_sample(chain: Chain, known: Known) -> None:
    del chain.drafts["sampling:rebar:1"]


def _report_not_by_laboratory(chain: Chain, known: Known) -> None:
    draft = _copy(chain, "test_report:rebar:0", **{"yunshang:report": chain.digest()})
    draft.reporter = chain.codes["contractor"]
    chain.drafts["test_report:own"] = draft


def _installed_above_received(chain: Chain, known: Known) -> None:
    _quantity(chain, "installation:rebar:1", "0.3")


def _installed_above_ordered(chain: Chain, known: Known) -> None:
    record = chain.drafts["order:concrete"].record
    record["quantityList"] = [
        {**item, "quantity": 20} if item.get("uom") == "MTQ" else item for item in record["quantityList"]
    ]


def _accepted_above_received(chain: Chain, known: Known) -> None:
    _quantity(chain, "acceptance:concrete:2", "1.5")


def _output_above_input(chain: Chain, known: Known) -> None:
    record = chain.drafts["cutting"].record
    whole = record["inputQuantityList"][0]["quantity"]
    record["outputQuantityList"] = [{**record["outputQuantityList"][0], "quantity": whole + 2}]


def _unit_mixed(chain: Chain, known: Known) -> None:
    record = chain.drafts["shipment:rebar:1"].record
    item = record["quantityList"][0]
    record["quantityList"] = [{**item, "quantity": float(Decimal(repr(item["quantity"])) * 1000), "uom": "KGM"}]


def _not_on_roster(chain: Chain, known: Known) -> None:
    del chain.drafts["contract:laboratory"]


def _certificate_not_valid(chain: Chain, known: Known) -> None:
    chain.drafts["acceptance:rebar:0"].certificate_valid = False


def _reported_late(chain: Chain, known: Known) -> None:
    chain.drafts["sampling:fire-door:0"].late_days = 40


def _lot_in_two_buildings(chain: Chain, known: Known) -> None:
    known.other_buildings[chain.materials[1].lot(0)] = ("0x" + "5a" * 32,)


def _custody_gap(chain: Chain, known: Known) -> None:
    del chain.drafts["shipment:cable:1"]


def _paid_above_accepted(chain: Chain, known: Known) -> None:
    amount = accepted_worth(chain, "concrete") + Decimal("250000.00")
    for name in ("application", "approval", "payment"):
        _amount(chain, f"{name}:concrete", amount)


def _paid_above_approved(chain: Chain, known: Known) -> None:
    _amount(chain, "payment:concrete", accepted_worth(chain, "concrete") * Decimal("0.95"))


def _approved_above_applied(chain: Chain, known: Known) -> None:
    _amount(chain, "application:steel", accepted_worth(chain, "steel") * Decimal("0.8"))


def _number_twice(chain: Chain, known: Known) -> None:
    draft = _copy(chain, "approval:concrete", **{"yunshang:note": "补报"})
    chain.drafts["approval:again"] = draft
    _moved(chain, "approval:again", "approval:concrete")


def _element_without_record(chain: Chain, known: Known) -> None:
    chain.element("IfcDoor")


def _element_unknown(chain: Chain, known: Known) -> None:
    elements = chain.drafts["installation:concrete:1"].record["yunshang:elements"]
    del chain.model[elements[0]["yunshang:globalId"]]


def _declare(chain: Chain, name: str, reporter: str, corrective: tuple[str, ...]) -> None:
    draft = chain.drafts[name]
    declared = {"declarationTime": chain.later(days=1).isoformat(timespec="seconds"), "reason": "incorrect_data"}
    record = {**draft.record, "errorDeclaration": {**declared, "correctiveEventIDs": list(corrective)}}
    chain.drafts[f"declaration:{name}"] = Draft(record, reporter)


def _foreign_correction(chain: Chain, known: Known) -> None:
    _declare(chain, "test_report:rebar:0", chain.codes["contractor"], ())


def _corrected_after_acceptance(chain: Chain, known: Known) -> None:
    name = "commissioning:rebar:1"
    better = _copy(chain, name, **{"yunshang:note": "更正炉批号"})
    _declare(chain, name, chain.drafts[name].reporter, (better.record["eventID"],))
    chain.drafts["commissioning:corrected"] = better


Fault = Callable[[Chain, Known], None]
FAULTS: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        "installed_before_report": _installed_before_report,
        "report_of_other_lot": _report_of_other_lot,
        "report_unknown": _report_unknown,
        "report_without_sample": _report_without_sample,
        "report_not_by_laboratory": _report_not_by_laboratory,
        "installed_above_received": _installed_above_received,
        "installed_above_ordered": _installed_above_ordered,
        "accepted_above_received": _accepted_above_received,
        "output_above_input": _output_above_input,
        "unit_mixed": _unit_mixed,
        "not_on_roster": _not_on_roster,
        "certificate_not_valid": _certificate_not_valid,
        "reported_late": _reported_late,
        "lot_in_two_buildings": _lot_in_two_buildings,
        "custody_gap": _custody_gap,
        "paid_above_accepted": _paid_above_accepted,
        "paid_above_approved": _paid_above_approved,
        "approved_above_applied": _approved_above_applied,
        "number_twice": _number_twice,
        "element_without_record": _element_without_record,
        "element_unknown": _element_unknown,
        "foreign_correction": _foreign_correction,
        "corrected_after_acceptance": _corrected_after_acceptance,
    }
)
"""One for each rule of `ledger.supply.findings.RULES`."""
