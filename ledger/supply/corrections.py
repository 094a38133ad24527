"""Error declarations: what stands after them, and what they did. Source: docs/supply-profile.md section 5."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ledger.supply.reported import ReportedEvent, time_of
from ledger.supply.terms import step_of

__all__ = ["Correction", "settle", "time_order"]


@dataclass(frozen=True, slots=True)
class Correction:
    """An error declaration with what it is about.

    Attributes:
        declaration: the event with `errorDeclaration`.
        events: of that hash or `eventID`, under whoever's seal.
        annulled: those of them that the declaration's own reporter reported; nobody annuls another's.
        declared_time: its `declarationTime`, UTC.
        replaced_by: its `correctiveEventIDs`.
    """

    declaration: ReportedEvent
    events: tuple[ReportedEvent, ...]
    annulled: tuple[ReportedEvent, ...]
    declared_time: datetime
    replaced_by: tuple[str, ...]


# At one and the same time, what permits comes before what uses it.
_RANKS: Final[Mapping[str, int]] = {
    name: rank
    for rank, names in enumerate(
        (
            ("urn:yunshang:supply:step:contracting", "urn:yunshang:supply:step:funding"),
            ("urn:yunshang:supply:step:ordering",),
            ("commissioning", "creating_class_instance"),
            ("packing",),
            ("shipping", "departing"),
            ("arriving", "receiving"),
            ("unpacking",),
            ("sampling",),
            ("urn:yunshang:supply:step:test_reporting",),
            ("accepting",),
            ("",),
            ("installing",),
            ("urn:yunshang:supply:step:payment_applying",),
            ("urn:yunshang:supply:step:payment_approving",),
            ("urn:yunshang:supply:step:settling",),
            ("urn:yunshang:supply:step:paying",),
        )
    )
    for name in names
}


def time_order(event: ReportedEvent) -> tuple[datetime, int, str]:
    """Key that puts events in order of time, whatever order they came in."""
    return event.event_time, _RANKS.get(step_of(event.record), _RANKS[""]), event.hash_id


def settle(
    events: Iterable[ReportedEvent],
) -> tuple[tuple[ReportedEvent, ...], tuple[ReportedEvent, ...], tuple[Correction, ...]]:
    """Say what stands after corrections.

    Args:
        events: in any order.

    Returns:
        All events, each once; those that stand, in order of time; the corrections in order of time. Where two
        reports hold the same event (one hash), the first recorded counts.
    """
    first: dict[tuple[bool, str], ReportedEvent] = {}
    for event in events:
        key = (event.is_declaration, event.record_sha256 if event.is_declaration else event.hash_id)
        before = first.get(key)
        if before is None or _precedence(event) < _precedence(before):
            first[key] = event
    given = tuple(sorted(first.values(), key=time_order))
    by_name: dict[str, list[ReportedEvent]] = {}
    for event in given:
        if not event.is_declaration:
            for name in {event.hash_id, event.event_id or event.hash_id}:
                by_name.setdefault(name, []).append(event)
    corrections = tuple(_correction(event, by_name) for event in given if event.is_declaration)
    annulled = {event.hash_id for item in corrections for event in item.annulled}
    standing = tuple(event for event in given if not event.is_declaration and event.hash_id not in annulled)
    return given, standing, corrections


def _precedence(event: ReportedEvent) -> tuple[bool, int, str, str, str]:
    return event.index is None, event.index or 0, event.stream, event.reporter, event.record_sha256


def _correction(declaration: ReportedEvent, by_name: Mapping[str, list[ReportedEvent]]) -> Correction:
    found = {event.hash_id: event for event in by_name.get(declaration.hash_id, ())}
    if declaration.event_id:
        found.update((event.hash_id, event) for event in by_name.get(declaration.event_id, ()))
    about = tuple(sorted(found.values(), key=time_order))
    said = declaration.record["errorDeclaration"]
    return Correction(
        declaration,
        about,
        tuple(event for event in about if event.reporter == declaration.reporter),
        time_of(said.get("declarationTime"), "/errorDeclaration/declarationTime"),
        tuple(said.get("correctiveEventIDs") or ()),
    )
