"""Findings about quantities: accepted or built in above what came, above what was ordered, made above what went in.

Everything is added in order of time, so that something that arrives later mends nothing. Things are counted lot by lot
and unit by unit; classes with mixed units are left to `unit_mixed`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from ledger.supply.amounts import EXACT, quantity_text
from ledger.supply.facts import ACCEPTED, ARRIVED, INSTALLED, Agreement, Move, SupplyFacts, Transformation
from ledger.supply.findings.base import FindingContext, SupplyFinding, finding
from ledger.supply.findings.flows import mixed_classes, on_site
from ledger.supply.findings.parties import effective
from ledger.supply.reported import Goods, ReportedEvent

__all__ = ["accepted_above_received", "installed_above_ordered", "installed_above_received", "output_above_input"]

_Key = tuple[str, str]
_NONE = Decimal(0)


@dataclass(slots=True)
class _Account:
    """What came and went of one lot in one unit; arriving and receiving tell of the same goods, the larger counts."""

    arrived: dict[str, Decimal] = field(default_factory=dict)
    made: Decimal = _NONE
    accepted: Decimal = _NONE
    used: Decimal = _NONE
    events: list[ReportedEvent] = field(default_factory=list)
    over_accepted: tuple[Decimal, Decimal] | None = None
    over_used: tuple[Decimal, Decimal] | None = None

    @property
    def received(self) -> Decimal:
        return EXACT.add(max(self.arrived.values(), default=_NONE), self.made)


def _balance(facts: SupplyFacts) -> dict[_Key, _Account]:
    """Add up lot by lot, in order of time; where a bound is broken first, the values are kept."""
    mixed = mixed_classes(facts)
    accepted = {
        (item.thing, item.unit) for move in facts.moved(ACCEPTED) for item in move.goods if item.quantity is not None
    }
    steps: list[Move | Transformation] = [*facts.moved(ARRIVED, ACCEPTED, INSTALLED), *on_site(facts)]
    steps.sort(key=_when)
    accounts: dict[_Key, _Account] = {}
    for step in steps:
        if isinstance(step, Transformation):
            _transform(accounts, step, [item for item in step.inputs if facts.class_of(item.thing) not in mixed])
            continue
        for item in step.goods:
            if item.quantity is None or facts.class_of(item.thing) in mixed:
                continue
            account = _account(accounts, item, step.event)
            if step.what == ARRIVED:
                account.arrived[step.step] = EXACT.add(account.arrived.get(step.step, _NONE), item.quantity)
            elif step.what == ACCEPTED:
                account.accepted = EXACT.add(account.accepted, item.quantity)
                if account.accepted > account.received:
                    account.over_accepted = (account.accepted, account.received)
            else:
                _use(account, item.quantity, accepted=(item.thing, item.unit) in accepted)
    return accounts


def _when(step: Move | Transformation) -> tuple[object, int, str]:
    if isinstance(step, Transformation):
        return step.events[-1].event_time, 2, step.events[-1].hash_id
    return step.event.event_time, {ARRIVED: 0, ACCEPTED: 1, INSTALLED: 3}[step.what], step.event.hash_id


def _account(accounts: dict[_Key, _Account], item: Goods, event: ReportedEvent) -> _Account:
    account = accounts.setdefault((item.thing, item.unit), _Account())
    account.events.append(event)
    return account


def _use(account: _Account, quantity: Decimal, *, accepted: bool) -> None:
    account.used = EXACT.add(account.used, quantity)
    limit = account.received
    if accepted and not account.made:
        limit = min(limit, account.accepted)
    if account.used > limit:
        account.over_used = (account.used, limit)


def _transform(accounts: dict[_Key, _Account], step: Transformation, inputs: list[Goods]) -> None:
    for item in inputs:
        if item.quantity is not None:
            _use(_account(accounts, item, step.events[-1]), item.quantity, accepted=False)
    # Outputs of inputs that nobody weighed are outputs of nothing: else a name could be made up for anything.
    if all(item.quantity is not None for item in step.inputs) and step.inputs:
        for item in step.outputs:
            if item.quantity is not None:
                account = _account(accounts, item, step.events[-1])
                account.made = EXACT.add(account.made, item.quantity)


def _unit(unit: str) -> str:
    return unit or "piece"


def installed_above_received(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """More of a lot was built in, or used up on site, than had come (and, where asked for, been accepted) by then."""
    for (lot, unit), account in sorted(_balance(facts).items()):
        if account.over_used:
            used, limit = account.over_used
            yield finding(
                "installed_above_received",
                "批次{lot}已使用{used} {unit},而当时验收进场的只有{limit} {unit}",
                "{used} {unit} of lot {lot} were built in, and {limit} had been received by then",
                account.events,
                lot=lot,
                used=quantity_text(used),
                limit=quantity_text(limit),
                unit=_unit(unit),
            )


def accepted_above_received(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """More of a lot was accepted than had come by then."""
    for (lot, unit), account in sorted(_balance(facts).items()):
        if account.over_accepted:
            accepted, limit = account.over_accepted
            yield finding(
                "accepted_above_received",
                "批次{lot}已验收{accepted} {unit},而当时进场的只有{limit} {unit}",
                "{accepted} {unit} of lot {lot} were accepted, and {limit} had arrived by then",
                account.events,
                lot=lot,
                accepted=quantity_text(accepted),
                limit=quantity_text(limit),
                unit=_unit(unit),
            )


def installed_above_ordered(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """More of a class was built in than is ordered; of a class without orders, than its contracts say.

    What was made on site counts as what it was made from.
    """
    mixed = mixed_classes(facts)
    made = {item.thing for step in on_site(facts) for item in step.outputs}
    used: dict[_Key, Decimal] = {}
    events: dict[_Key, list[ReportedEvent]] = {}

    def use(item: Goods, event: ReportedEvent) -> None:
        name = facts.class_of(item.thing)
        if item.quantity is not None and item.thing not in made and name not in mixed:
            key = (name, item.unit)
            used[key] = EXACT.add(used.get(key, _NONE), item.quantity)
            events.setdefault(key, []).append(event)

    for move in facts.moved(INSTALLED):
        for item in move.goods:
            use(item, move.event)
    for step in on_site(facts):
        for item in step.inputs:
            use(item, step.events[-1])
    ordered, agreements = _ordered(facts, context)
    for key in sorted(used):
        if used[key] > ordered.get(key, _NONE):
            yield finding(
                "installed_above_ordered",
                "类别{name}已使用{used} {unit},而订购的只有{ordered} {unit}",
                "{used} {unit} of class {name} were built in, and {ordered} are ordered",
                [*(item.event for item in agreements.get(key, ())), *events[key]],
                name=key[0],
                used=quantity_text(used[key]),
                ordered=quantity_text(ordered.get(key, _NONE)),
                unit=_unit(key[1]),
            )


def _ordered(facts: SupplyFacts, context: FindingContext) -> tuple[dict[_Key, Decimal], dict[_Key, list[Agreement]]]:
    orders: dict[_Key, Decimal] = {}
    contracts: dict[_Key, Decimal] = {}
    agreements: dict[_Key, list[Agreement]] = {}
    for agreement in effective(facts, context).values():
        sums = contracts if agreement.number == agreement.contract else orders
        for item in agreement.goods:
            if item.quantity is not None:
                key = (item.thing, item.unit)
                sums[key] = EXACT.add(sums.get(key, _NONE), item.quantity)
                agreements.setdefault(key, []).append(agreement)
    return {**contracts, **orders}, agreements


def output_above_input(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """More came out of a transformation on site than went in; asked where all of it has one unit."""
    for step in on_site(facts):
        units = {item.unit for item in (*step.inputs, *step.outputs)}
        if len(units) != 1 or not step.inputs:
            continue
        into, out = _NONE, _NONE
        for item in step.inputs:
            into = EXACT.add(into, item.quantity or _NONE)
        for item in step.outputs:
            out = EXACT.add(out, item.quantity or _NONE)
        if out > into and units != {""}:
            yield finding(
                "output_above_input",
                "现场加工投入{into} {unit},产出却有{out} {unit}",
                "{into} {unit} went into a transformation on site, and {out} came out",
                step.events,
                into=quantity_text(into),
                out=quantity_text(out),
                unit=_unit(units.pop()),
            )
