"""Findings about where goods were: gaps in custody, lots that other buildings have too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from ledger.supply.amounts import EXACT
from ledger.supply.facts import ACCEPTED, ARRIVED, COMMISSIONED, INSTALLED, SHIPPED, Move, SupplyFacts
from ledger.supply.findings.base import FindingContext, SupplyFinding, finding
from ledger.supply.findings.flows import mixed_classes
from ledger.supply.reported import Goods, ReportedEvent

__all__ = ["custody_gap", "lot_in_two_buildings"]

_ANYBODY: Final = "*"
_TEXTS: Final = {
    "made_twice": ("由不止一家单位生产", "was made by more than one party"),
    "never_held": ("由从未持有它的单位发出", "was shipped by a party that never had it"),
    "not_arrived": ("发出后没有进场记录", "was shipped and never arrived"),
    "not_shipped": ("进场而没有相应的发货记录", "arrived without having been shipped to there"),
    "above_made": ("发出的数量多于生产或收到的数量", "was shipped in a larger quantity than was made or had come"),
    "above_shipped": ("进场的数量多于发货的数量", "arrived in a larger quantity than was shipped"),
    "own_word": ("的进场由发货单位自己上报", "arrived by the word of the party that shipped it"),
    "owner": ("的所有权由并非所有者的单位转出", "was passed on by a party that did not own it"),
}


@dataclass(slots=True)
class _Lot:
    """Who had a lot, by party and unit."""

    makers: set[str] = field(default_factory=set)
    holders: set[str] = field(default_factory=set)
    owners: set[str] = field(default_factory=set)
    had: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    sent: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    sent_to: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    came_to: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    routes: set[tuple[str, str]] = field(default_factory=set)
    open: dict[str, list[ReportedEvent]] = field(default_factory=dict)


_Found = dict[tuple[str, str], list[ReportedEvent]]


def custody_gap(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """The chain of who had a lot is broken; docs/supply-profile.md section 7 says what counts as a gap."""
    mixed = mixed_classes(facts)
    lots: dict[str, _Lot] = {}
    found: _Found = {}
    steps: list[tuple[datetime, int, str, Move | None, tuple[Goods, ...], ReportedEvent]] = [
        (move.event.event_time, rank, move.event.hash_id, move, move.goods, move.event)
        for rank, what in enumerate((COMMISSIONED, SHIPPED, ARRIVED), 1)
        for move in facts.moved(what)
    ]
    for item in facts.transformations:
        last = item.events[-1]
        steps.append((last.event_time, 0, last.hash_id, None, item.outputs, last))
    for _, _, _, move, goods, event in sorted(steps, key=lambda step: step[:3]):
        for part in goods:
            lot = lots.setdefault(part.thing, _Lot())
            weighed = part.quantity is not None and facts.class_of(part.thing) not in mixed
            if move is None or move.what == COMMISSIONED:
                _made(lot, part, event, found=found, weighed=weighed)
            elif move.what == SHIPPED:
                _shipped(lot, part, move, found=found, weighed=weighed)
            else:
                _arrived(lot, part, move, found=found, weighed=weighed)
    _still_open(facts, context, lots, found=found)
    for (thing, reason), events in sorted(found.items()):
        zh, en = _TEXTS[reason]
        yield finding("custody_gap", f"批次{{lot}}{zh}", f"lot {{lot}} {en}", events, lot=thing, reason=reason)


def _add(sums: dict[tuple[str, str], Decimal], key: tuple[str, str], quantity: Decimal) -> Decimal:
    sums[key] = EXACT.add(sums.get(key, Decimal(0)), quantity)
    return sums[key]


def _made(lot: _Lot, part: Goods, event: ReportedEvent, *, found: _Found, weighed: bool) -> None:
    producer = event.record.get("yunshang:producer", event.reporter)
    if lot.makers and producer not in lot.makers:
        found.setdefault((part.thing, "made_twice"), []).append(event)
    lot.makers.add(producer)
    lot.holders.add(producer)
    lot.owners.add(producer)
    if weighed and part.quantity is not None:
        _add(lot.had, (producer, part.unit), part.quantity)


def _shipped(lot: _Lot, part: Goods, move: Move, *, found: _Found, weighed: bool) -> None:
    source, destination = move.source, move.destination
    if source is not None:
        if source not in lot.holders:
            found.setdefault((part.thing, "never_held"), []).append(move.event)
        elif weighed and part.quantity is not None and move.step == "shipping":
            key = (source, part.unit)
            if _add(lot.sent, key, part.quantity) > lot.had.get(key, Decimal(0)):
                found.setdefault((part.thing, "above_made"), []).append(move.event)
    _owner(lot, part, move, found=found)
    if destination is not None:
        lot.routes.update(((source or "", destination), (_ANYBODY, destination)))
        lot.open.setdefault(destination, []).append(move.event)
        if weighed and part.quantity is not None and move.step == "shipping":
            _add(lot.sent_to, (destination, part.unit), part.quantity)


def _arrived(lot: _Lot, part: Goods, move: Move, *, found: _Found, weighed: bool) -> None:
    source, destination = move.source, move.destination
    if destination is None:
        destination = move.event.reporter
    if source is not None and move.event.reporter == source:
        found.setdefault((part.thing, "own_word"), []).append(move.event)
    if lot.routes.isdisjoint(((source or _ANYBODY, destination), ("", destination))):
        found.setdefault((part.thing, "not_shipped"), []).append(move.event)
    elif weighed and part.quantity is not None and move.step == "arriving":
        key = (destination, part.unit)
        if _add(lot.came_to, key, part.quantity) > lot.sent_to.get(key, Decimal(0)):
            found.setdefault((part.thing, "above_shipped"), []).append(move.event)
    _owner(lot, part, move, found=found)
    lot.open.pop(destination, None)
    lot.holders.add(destination)
    if weighed and part.quantity is not None:
        _add(lot.had, (destination, part.unit), part.quantity)


def _owner(lot: _Lot, part: Goods, move: Move, *, found: _Found) -> None:
    if move.owner_from is not None and move.owner_from not in lot.owners:
        found.setdefault((part.thing, "owner"), []).append(move.event)
    if move.owner_to is not None:
        lot.owners.add(move.owner_to)


def _still_open(facts: SupplyFacts, context: FindingContext, lots: dict[str, _Lot], *, found: _Found) -> None:
    """A shipment is a gap once it has been on its way for too long."""
    if not facts.standing:
        return
    as_of = context.as_of or facts.standing[-1].event_time
    oldest = as_of - timedelta(seconds=context.transit_seconds)
    for thing, lot in lots.items():
        for events in lot.open.values():
            lost = [event for event in events if event.event_time < oldest]
            if lost:
                found.setdefault((thing, "not_arrived"), []).extend(lost)


def lot_in_two_buildings(facts: SupplyFacts, context: FindingContext) -> Iterator[SupplyFinding]:
    """A lot, or what it was made from, came to this building and is named in the events of another one too."""
    others = context.other_buildings
    if not others:
        return
    inherited: dict[str, frozenset[str]] = {}
    for item in facts.transformations:
        buildings = frozenset[str]()
        for part in item.inputs:
            buildings |= inherited.get(part.thing, frozenset()) | frozenset(others.get(part.thing, ()))
        if buildings:
            for part in item.outputs:
                inherited[part.thing] = inherited.get(part.thing, frozenset()) | buildings
    found: dict[str, list[ReportedEvent]] = {}
    for move in facts.moved(ARRIVED, ACCEPTED, INSTALLED):
        for part in move.goods:
            if part.thing in others or part.thing in inherited:
                found.setdefault(part.thing, []).append(move.event)
    for lot in sorted(found):
        buildings = frozenset(others.get(lot, ())) | inherited.get(lot, frozenset())
        yield finding(
            "lot_in_two_buildings",
            "批次{lot}同时出现在另一房屋建筑的记录中:{buildings}",
            "lot {lot} is in the records of another building too: {buildings}",
            found[lot],
            lot=lot,
            buildings=", ".join(sorted(buildings)),
        )
