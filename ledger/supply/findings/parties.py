"""Findings about who reports: not on the roster nor appointed, a certificate that was not valid, late reports."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby

from ledger.supply.facts import COMMISSIONED, SHIPPED, Agreement, SupplyFacts
from ledger.supply.findings.base import FindingContext, SupplyFinding, finding
from ledger.supply.reported import ReportedEvent
from ledger.supply.terms import EventKind

__all__ = ["certificate_not_valid", "effective", "not_on_roster", "reported_late"]

_LABORATORY = "laboratory"
_ZH = {
    "reporter": "上报单位",
    _LABORATORY: "检测机构",
    "producer": "生产单位",
    "supplier": "供货单位",
    "payee": "收款单位",
    "witness": "见证单位",
}


def effective(facts: SupplyFacts, context: FindingContext) -> dict[str, Agreement]:
    """Return the contracts and orders that count, by number.

    Only what its buyer or an organisation of the roster sealed counts, and the first event of a number.
    """
    found: dict[str, Agreement] = {}
    for agreement in facts.agreements:
        if agreement.event.reporter == agreement.buyer or agreement.event.reporter in context.roster:
            found.setdefault(agreement.number, agreement)
    return found


def _appointed(facts: SupplyFacts, context: FindingContext) -> dict[tuple[str, str], datetime]:
    """Since when an organisation is appointed, in any role (empty) and as a laboratory."""
    since: dict[tuple[str, str], datetime] = {}
    for agreement in facts.agreements:
        if agreement.number == agreement.contract and agreement.event.reporter in context.roster:
            for code, roles in agreement.roles.items():
                since.setdefault((code, ""), agreement.event.event_time)
                if _LABORATORY in roles:
                    since.setdefault((code, _LABORATORY), agreement.event.event_time)
    return since


def _claims(facts: SupplyFacts) -> Iterator[tuple[str, str, ReportedEvent]]:
    for event in facts.standing:
        yield event.reporter, "reporter", event
    for report in facts.reports:
        yield report.laboratory, _LABORATORY, report.event
    for sampling in facts.samplings:
        yield sampling.witness, "witness", sampling.event
    for move in facts.moved(COMMISSIONED):
        if "yunshang:producer" in move.event.record:
            yield move.event.record["yunshang:producer"], "producer", move.event
    for move in facts.moved(SHIPPED):
        if move.source is not None:
            yield move.source, "supplier", move.event
    for money in facts.money:
        if money.kind is EventKind.PAYMENT:
            yield money.payee, "payee", money.event


def not_on_roster(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """Somebody acts who is neither of the five parties nor appointed by a contract that one of them sealed before.

    A laboratory is appointed by a contract that names it as one; being on the roster does not make a laboratory.
    """
    since = _appointed(facts, context)
    found: dict[str, dict[str, list[ReportedEvent]]] = {}
    for code, role, event in _claims(facts):
        if code in context.roster and role != _LABORATORY:
            continue
        start = since.get((code, _LABORATORY if role == _LABORATORY else ""))
        if start is None or start > event.event_time:
            found.setdefault(code, {}).setdefault(role, []).append(event)
    for code in sorted(found):
        roles = sorted(found[code])
        events = [event for role in roles for event in found[code][role]]
        yield finding(
            "not_on_roster",
            "{code}({roles_zh})不在五方责任主体名册中,事前也没有经五方签章的合同委托",
            "{code} ({roles}) is not on the roster, nor appointed before by a contract that a party of it sealed",
            sorted(events, key=lambda event: (event.event_time, event.hash_id)),
            code=code,
            roles=", ".join(roles),
            roles_zh="、".join(_ZH[role] for role in roles),
        )


def certificate_not_valid(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """An event was sealed under a certificate that was not valid at the time."""
    events = sorted(
        (event for event in facts.all_events if event.certificate_valid is False), key=lambda event: event.reporter
    )
    for reporter, group in groupby(events, key=lambda event: event.reporter):
        yield finding(
            "certificate_not_valid",
            "{reporter}上报时所用的签章证书无效",
            "{reporter} sealed under a certificate that was not valid at the time",
            group,
            reporter=reporter,
        )


def reported_late(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """An event is said to have happened long before it was recorded, or after: its time can't be relied on."""
    late = timedelta(seconds=context.late_seconds)
    for event in facts.standing:
        if event.recorded_time is None:
            continue
        if event.recorded_time - event.event_time > late:
            zh, en = "事件时间{time}早于登记时间{recorded}过多", "an event of {time} was recorded only at {recorded}"
        elif event.event_time - event.recorded_time > timedelta(hours=1):
            zh, en = "事件时间{time}晚于登记时间{recorded}", "an event of {time} was recorded before it, at {recorded}"
        else:
            continue
        yield finding(
            "reported_late",
            zh,
            en,
            [event],
            time=event.event_time.isoformat(),
            recorded=event.recorded_time.isoformat(),
        )
