"""Findings: where the events of a supply chain do not agree with each other or with the archive.

Each rule is a function of its own with a stable code; none depends on the order in which the events are given.
Source: docs/supply-profile.md section 7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from ledger.supply.facts import SupplyFacts
from ledger.supply.findings import custody, flows, money, parties, quantities, records, testing
from ledger.supply.findings.base import RECORDED_CLASSES, FindingContext, SupplyFinding, Unchecked
from ledger.supply.reading import read_facts
from ledger.supply.reported import ReportedEvent

__all__ = [
    "RECORDED_CLASSES",
    "RULES",
    "RULE_TITLES",
    "FindingContext",
    "SupplyFinding",
    "Unchecked",
    "find_all",
    "find_in",
    "unchecked",
]

_Rule = Callable[[SupplyFacts, FindingContext], Iterator[SupplyFinding]]

RULES: Final[Mapping[str, _Rule]] = MappingProxyType(
    {
        "installed_before_report": testing.installed_before_report,
        "report_of_other_lot": testing.report_of_other_lot,
        "report_unknown": testing.report_unknown,
        "report_without_sample": testing.report_without_sample,
        "report_not_by_laboratory": testing.report_not_by_laboratory,
        "installed_above_received": quantities.installed_above_received,
        "installed_above_ordered": quantities.installed_above_ordered,
        "accepted_above_received": quantities.accepted_above_received,
        "output_above_input": quantities.output_above_input,
        "unit_mixed": flows.unit_mixed,
        "not_on_roster": parties.not_on_roster,
        "certificate_not_valid": parties.certificate_not_valid,
        "reported_late": parties.reported_late,
        "lot_in_two_buildings": custody.lot_in_two_buildings,
        "custody_gap": custody.custody_gap,
        "paid_above_accepted": money.paid_above_accepted,
        "paid_above_approved": money.paid_above_approved,
        "approved_above_applied": money.approved_above_applied,
        "number_twice": money.number_twice,
        "element_without_record": records.element_without_record,
        "element_unknown": records.element_unknown,
        "foreign_correction": records.foreign_correction,
        "corrected_after_acceptance": records.corrected_after_acceptance,
    }
)
"""Every rule by its code, in the order in which findings are given."""

RULE_TITLES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "installed_before_report": ("先使用后检测", "Built in before its test report"),
        "report_of_other_lot": ("检测报告张冠李戴", "Test report of another lot"),
        "report_unknown": ("检测报告不在档案中", "Test report unknown to the archive"),
        "report_without_sample": ("检测报告缺少见证取样", "Test report without witnessed sampling"),
        "report_not_by_laboratory": ("检测报告非检测机构签章", "Test report not sealed by its laboratory"),
        "installed_above_received": ("使用量超过进场量", "More built in than received"),
        "installed_above_ordered": ("使用量超过订购量", "More built in than ordered"),
        "accepted_above_received": ("验收量超过进场量", "More accepted than arrived"),
        "output_above_input": ("现场加工产出超过投入", "More made on site than went in"),
        "unit_mixed": ("计量单位不一致", "Units of one class differ"),
        "not_on_roster": ("单位不在名册且未受委托", "Party not on the roster nor appointed"),
        "certificate_not_valid": ("签章证书当时无效", "Certificate not valid at the time"),
        "reported_late": ("事件时间与登记时间不符", "Time of the event and of its record apart"),
        "lot_in_two_buildings": ("同一批次用于两处建筑", "Lot in two buildings"),
        "custody_gap": ("流转记录有缺口", "Gap in custody"),
        "paid_above_accepted": ("付款超过验收价值", "Paid above accepted quantity"),
        "paid_above_approved": ("付款超过审批", "Paid above approval"),
        "approved_above_applied": ("审批超过申请", "Approved above application"),
        "number_twice": ("编号重复使用", "Number used twice"),
        "element_without_record": ("构件缺少材料记录", "Model element without record"),
        "element_unknown": ("构件不在模型中", "Element not in the model"),
        "foreign_correction": ("更正他方事件", "Correction of another's event"),
        "corrected_after_acceptance": ("验收后更正", "Corrected after acceptance"),
    }
)
"""Chinese and English title of each rule."""


def find_all(events: Sequence[ReportedEvent], context: FindingContext) -> tuple[SupplyFinding, ...]:
    """Ask every rule.

    Args:
        events: all of one building's, of the streams `supply` and `funds`, in any order.
        context: what is known besides.

    Returns:
        In the order of `RULES`, then of lots, numbers or codes. The same events in another order give the same.

    Raises:
        MalformedError: an event that `check_profile` refuses, or without a time zone.
    """
    return find_in(read_facts(events), context)


def find_in(facts: SupplyFacts, context: FindingContext) -> tuple[SupplyFinding, ...]:
    """Ask every rule of facts that were read already."""
    return tuple(found for rule in RULES.values() for found in rule(facts, context))


def unchecked(events: Sequence[ReportedEvent], context: FindingContext) -> tuple[Unchecked, ...]:
    """Say which rules could not be asked, and of which events: that is neither passed nor found.

    Args:
        events: as for `find_all`.
        context: likewise.
    """
    found: list[Unchecked] = []
    unknown = tuple(sorted({event.hash_id for event in events if event.certificate_valid is None}))
    if unknown:
        found.append(Unchecked("certificate_not_valid", "证书状态未知", "the certificate's status is unknown", unknown))
    untimed = tuple(sorted({event.hash_id for event in events if event.recorded_time is None}))
    if untimed:
        found.append(Unchecked("reported_late", "登记时间未知", "the time of record is unknown", untimed))
    if context.documents is None:
        found.append(Unchecked("report_unknown", "档案文件无法查询", "the archive's documents could not be asked", ()))
    if context.other_buildings is None:
        zh, en = "其他建筑的记录无法查询", "the records of other buildings could not be asked"
        found.append(Unchecked("lot_in_two_buildings", zh, en, ()))
    if context.model is None:
        zh, en = "没有可查询的模型", "there is no model to ask"
        found.extend(Unchecked(rule, zh, en, ()) for rule in ("element_without_record", "element_unknown"))
    return tuple(found)
