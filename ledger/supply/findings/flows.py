"""What several rules need to know of the flow of goods: what was made on site, and whose units do not agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ledger.supply.facts import ARRIVED, SupplyFacts, Transformation
from ledger.supply.findings.base import FindingContext, SupplyFinding, finding
from ledger.supply.reported import Goods, ReportedEvent

__all__ = ["mixed_classes", "on_site", "on_site_inputs", "unit_mixed"]


def on_site(facts: SupplyFacts) -> tuple[Transformation, ...]:
    """Return the transformations of which no output ever arrived: they took place where the goods are used."""
    arrived = {item.thing for move in facts.moved(ARRIVED) for item in move.goods}
    return tuple(item for item in facts.transformations if not any(output.thing in arrived for output in item.outputs))


def on_site_inputs(facts: SupplyFacts) -> Mapping[str, tuple[str, ...]]:
    """Return what each thing made on site was made from."""
    found: dict[str, dict[str, None]] = {}
    for item in on_site(facts):
        for output in item.outputs:
            found.setdefault(output.thing, {}).update((part.thing, None) for part in item.inputs)
    return {thing: tuple(parts) for thing, parts in found.items()}


def _units(facts: SupplyFacts) -> dict[str, dict[str, list[ReportedEvent]]]:
    units: dict[str, dict[str, list[ReportedEvent]]] = {}

    def note(goods: tuple[Goods, ...], event: ReportedEvent) -> None:
        for item in goods:
            if item.quantity is not None:
                units.setdefault(facts.class_of(item.thing), {}).setdefault(item.unit, []).append(event)

    for agreement in facts.agreements:
        note(agreement.goods, agreement.event)
    for move in facts.moves:
        note(move.goods, move.event)
    for item in facts.transformations:
        note((*item.inputs, *item.outputs), item.events[-1])
    return units


def mixed_classes(facts: SupplyFacts) -> frozenset[str]:
    """Return the classes whose quantities have more than one unit: nothing of theirs can be added up."""
    return frozenset(name for name, units in _units(facts).items() if len(units) > 1)


def unit_mixed(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """Quantities of one class are given in different units; the rules on quantities leave that class alone."""
    for name, units in sorted(_units(facts).items()):
        if len(units) > 1:
            events = [event for found in units.values() for event in found]
            yield finding(
                "unit_mixed",
                "类别{name}的数量使用了不同的计量单位:{units}",
                "quantities of class {name} are given in different units: {units}",
                sorted(events, key=lambda event: (event.event_time, event.hash_id)),
                name=name,
                units=", ".join(unit or "piece" for unit in sorted(units)),
            )
