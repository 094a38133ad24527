"""Findings about money: paid above what was accepted or approved, approved above what was applied for.

What permits (contracts, applications, approvals, settlements) counts under the seal of whoever may permit, the first of
each number; what uses (payments) counts every time. All sums are decimals.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from ledger.supply.amounts import EXACT, amount_text
from ledger.supply.facts import ACCEPTED, Agreement, Money, Move, SupplyFacts
from ledger.supply.findings.base import FindingContext, SupplyFinding, finding
from ledger.supply.findings.flows import mixed_classes
from ledger.supply.findings.parties import effective
from ledger.supply.reported import ReportedEvent
from ledger.supply.terms import EventKind

__all__ = ["approved_above_applied", "number_twice", "paid_above_accepted", "paid_above_approved"]

_NONE = Decimal(0)
_FEN = Decimal("0.01")


def _total(amounts: Iterator[Decimal]) -> Decimal:
    total = _NONE
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


def _first_of(facts: SupplyFacts, kind: EventKind) -> dict[str, Money]:
    """By number, the first that counts: under the seal of whoever may say so; nobody approves what is paid to him."""
    found: dict[str, Money] = {}
    for money in facts.money:
        says = {
            EventKind.PAYMENT_APPLICATION: money.payee,
            EventKind.PAYMENT_APPROVAL: money.approver,
            EventKind.SETTLEMENT: money.payer,
        }
        if money.kind is kind and money.event.reporter == says[kind]:
            if kind is EventKind.PAYMENT_APPROVAL and money.approver == money.payee:
                continue
            found.setdefault(money.number, money)
    return found


def number_twice(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """Two events that stand give one number to a contract, order, application, approval, payment and so on."""
    events: dict[str, list[ReportedEvent]] = {}
    numbered: list[Agreement | Money] = [*facts.agreements, *facts.money]
    for item in numbered:
        events.setdefault(item.number, []).append(item.event)
    for number, found in sorted(events.items()):
        if len(found) > 1:
            yield finding(
                "number_twice",
                "编号{number}被用于多个事件",
                "the number {number} is that of several events",
                sorted(found, key=lambda event: (event.event_time, event.hash_id)),
                number=number,
            )


def approved_above_applied(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """The approvals of an application, together, are above what it applied for."""
    applications = _first_of(facts, EventKind.PAYMENT_APPLICATION)
    approvals: dict[str, list[Money]] = {}
    for money in _first_of(facts, EventKind.PAYMENT_APPROVAL).values():
        approvals.setdefault(money.application, []).append(money)
    for number in sorted(approvals):
        approved = _total(item.amount for item in approvals[number])
        application = applications.get(number)
        applied = application.amount if application else _NONE
        if approved > applied:
            yield finding(
                "approved_above_applied",
                "付款申请{number}获批{approved}元,而申请的只有{applied}元",
                "{approved} yuan were approved of application {number}, which applied for {applied}",
                [*([application.event] if application else []), *(item.event for item in approvals[number])],
                number=number,
                approved=amount_text(approved),
                applied=amount_text(applied),
            )


def _payments(facts: SupplyFacts) -> dict[str, list[Money]]:
    payments: dict[str, list[Money]] = {}
    for money in facts.money:
        if money.kind is EventKind.PAYMENT:
            payments.setdefault(money.contract, []).append(money)
    return payments


def paid_above_approved(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """More was paid on a contract than had been approved by then, or on an approval than it approved."""
    approvals = sorted(_first_of(facts, EventKind.PAYMENT_APPROVAL).values(), key=lambda item: item.event.event_time)
    by_contract: dict[str, list[Money]] = {}
    for money in approvals:
        by_contract.setdefault(money.contract, []).append(money)
    for contract, payments in sorted(_payments(facts).items()):
        waiting = list(reversed(by_contract.get(contract, [])))
        approved, paid = _NONE, _NONE
        known: dict[str, Decimal] = {}
        used: dict[str, Decimal] = {}
        over: list[ReportedEvent] = []
        values = (_NONE, _NONE)
        for payment in payments:
            while waiting and waiting[-1].event.event_time <= payment.event.event_time:
                item = waiting.pop()
                approved = EXACT.add(approved, item.amount)
                known[item.approval] = item.amount
            paid = EXACT.add(paid, payment.amount)
            used[payment.approval] = EXACT.add(used.get(payment.approval, _NONE), payment.amount)
            if paid > approved or used[payment.approval] > known.get(payment.approval, _NONE):
                over.append(payment.event)
                values = (paid, approved)
        if over:
            yield finding(
                "paid_above_approved",
                "合同{contract}已付{paid}元,当时获批的为{approved}元,付款超出所依据的审批",
                "{paid} yuan were paid on contract {contract} and {approved} approved by then: above their approvals",
                [*(item.event for item in by_contract.get(contract, ())), *over],
                contract=contract,
                paid=amount_text(values[0]),
                approved=amount_text(values[1]),
            )


def paid_above_accepted(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """More was paid on a contract with prices than what was accepted by then is worth, its advance included.

    From its settlement on the advance is used up, and the settled amount is a bound too. A payment on a number of which
    no contract counts is above nothing.
    """
    contracts = effective(facts, context)
    accepted: dict[str, list[Move]] = {}
    for move in facts.moved(ACCEPTED):
        accepted.setdefault(move.contract or "", []).append(move)
    settled: dict[str, Money] = {}
    for money in _first_of(facts, EventKind.SETTLEMENT).values():
        settled.setdefault(money.contract, money)
    mixed = mixed_classes(facts)
    for number, payments in sorted(_payments(facts).items()):
        contract = contracts.get(number)
        if contract is not None and not any(line.unit_price is not None for line in contract.lines.values()):
            continue
        if contract is not None and not mixed.isdisjoint(contract.lines):
            continue
        worths = _worths(facts, contract, accepted.get(number, []))
        over, values = _overpaid(contract, payments, worths, settlement=settled.get(number))
        if over:
            yield finding(
                "paid_above_accepted",
                "合同{contract}已付{paid}元,而当时已验收数量按合同单价可付{limit}元",
                "{paid} yuan were paid on contract {contract}, and what had been accepted allows {limit}",
                [*([contract.event] if contract else []), *(move.event for move in accepted.get(number, [])), *over],
                contract=number,
                paid=amount_text(values[0]),
                limit=amount_text(values[1]),
            )


def _worths(facts: SupplyFacts, contract: Agreement | None, moves: list[Move]) -> list[tuple[datetime, Decimal]]:
    """What each acceptance is worth at the contract's prices, in order of time, not yet rounded."""
    if contract is None:
        return []
    units = {item.thing: item.unit for item in contract.goods}
    found = []
    for move in moves:
        worth = _NONE
        for item in move.goods:
            line = contract.lines.get(name := facts.class_of(item.thing))
            if line and line.unit_price is not None and item.quantity is not None and units.get(name) == item.unit:
                worth = EXACT.add(worth, EXACT.multiply(item.quantity, line.unit_price))
        found.append((move.event.event_time, worth))
    return found


def _overpaid(
    contract: Agreement | None,
    payments: list[Money],
    worths: list[tuple[datetime, Decimal]],
    *,
    settlement: Money | None,
) -> tuple[list[ReportedEvent], tuple[Decimal, Decimal]]:
    waiting = list(reversed(worths))
    worth, paid = _NONE, _NONE
    over: list[ReportedEvent] = []
    values = (_NONE, _NONE)
    for payment in payments:
        while waiting and waiting[-1][0] <= payment.event.event_time:
            worth = EXACT.add(worth, waiting.pop()[1])
        limit = worth.quantize(_FEN, rounding=ROUND_HALF_UP, context=EXACT)
        if settlement is not None and settlement.event.event_time <= payment.event.event_time:
            limit = min(limit, settlement.amount)
        elif contract is not None:
            limit = EXACT.add(limit, contract.advance)
        paid = EXACT.add(paid, payment.amount)
        if paid > limit:
            over.append(payment.event)
            values = (paid, limit)
    return over, values
