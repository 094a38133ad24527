"""Findings about the records themselves: elements without one, elements that there are not, corrections."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from ledger.supply.facts import ACCEPTED, INSTALLED, SupplyFacts
from ledger.supply.findings.base import FindingContext, SupplyFinding, finding
from ledger.supply.mentions import mentions
from ledger.supply.reported import ReportedEvent
from ledger.supply.terms import step_of

__all__ = ["corrected_after_acceptance", "element_unknown", "element_without_record", "foreign_correction"]

_GOODS = frozenset({"epc", "class", "parent", "child", "input", "output", "input_class", "output_class"})


def _recorded(facts: SupplyFacts) -> dict[str, list[ReportedEvent]]:
    found: dict[str, list[ReportedEvent]] = {}
    for move in facts.moved(INSTALLED):
        for element in move.elements:
            found.setdefault(element, []).append(move.event)
    return found


def element_without_record(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """An element of a class that needs a record of what it was made of has none."""
    if context.model is None:
        return
    classes = {name.upper() for name in context.recorded_classes}
    recorded = _recorded(facts)
    for element, name in sorted(context.model.items()):
        if name.upper() in classes and element not in recorded:
            yield finding(
                "element_without_record",
                "模型构件{element}({name})没有所用材料的记录",
                "no event says what element {element} ({name}) was made of",
                [],
                element=element,
                name=name,
            )


def element_unknown(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """Goods were built into an element that the model does not have."""
    if context.model is None:
        return
    for element, events in sorted(_recorded(facts).items()):
        if element not in context.model:
            yield finding(
                "element_unknown",
                "所记录的构件{element}不在模型中",
                "element {element} is not in the model",
                events,
                element=element,
            )


def foreign_correction(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """Somebody declared an event wrong that another reported; it stands all the same."""
    for correction in facts.corrections:
        own = {event.hash_id for event in correction.annulled}
        others = [event for event in correction.events if event.hash_id not in own]
        if others:
            yield finding(
                "foreign_correction",
                "{reporter}声明他方上报的事件有误,该事件仍然有效",
                "{reporter} declared an event wrong that another party reported; it stands",
                [*others, correction.declaration],
                reporter=correction.declaration.reporter,
            )


def corrected_after_acceptance(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """An event about a lot was declared wrong after the lot, or the event itself, had been accepted or built in."""
    used: dict[str, ReportedEvent] = {}
    annulled = {event.hash_id for correction in facts.corrections for event in correction.annulled}
    for move in facts.moved(ACCEPTED, INSTALLED):
        for item in move.goods:
            used.setdefault(item.thing, move.event)
    for event in facts.all_events:  # an acceptance that was itself declared wrong had been relied on too
        if event.hash_id in annulled and not event.is_declaration and step_of(event.record) == "accepting":
            for mention in mentions(event.record):
                if mention.kind in _GOODS:
                    used.setdefault(mention.thing, event)
    for correction in facts.corrections:
        for event in correction.annulled:
            things = [mention.thing for mention in mentions(event.record) if mention.kind in _GOODS]
            hit = [
                used[thing]
                for thing in things
                if thing in used and used[thing].event_time < _known(correction.declaration, correction.declared_time)
            ]
            if hit:
                yield finding(
                    "corrected_after_acceptance",
                    "批次{lots}验收或使用之后,{reporter}声明有关事件有误",
                    "{reporter} declared an event of {lots} wrong after acceptance or building in",
                    [*hit, event],
                    lots=", ".join(sorted({thing for thing in things if thing in used})),
                    reporter=correction.declaration.reporter,
                )


def _known(declaration: ReportedEvent, declared: datetime) -> datetime:
    return declaration.recorded_time or declared
