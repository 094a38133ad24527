"""Cyclic aggregation: something that is, over any number of steps, packed within itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from ledger.supply.event_model import spelled
from ledger.supply.times import instant

__all__ = ["cyclic_event"]

_KINDS: Final = ("AggregationEvent", "AssociationEvent")
_MAX_STEPS = 1_000_000

_Children = dict[str, set[str]]


def cyclic_event(events: Sequence[Mapping[str, Any]]) -> int | None:
    """Find the event that closes a cycle of parents and children.

    Events count in the order of their times, then of the document. ADD and OBSERVE say that the children are within
    the parent, DELETE that they no longer are. Aggregations and associations are looked at apart; an EPC URI and the
    Digital Link of the same thing are the same.

    Args:
        events: validated, such as those of a document.

    Returns:
        Index of the first event after which a thing is within itself, or None. Where so much was packed and unpacked
        that the question takes more than a million steps, the event at which that was so.
    """
    for kind in _KINDS:
        chosen = [(index, event) for index, event in enumerate(events) if event["type"] == kind and _key(event)]
        if chosen and _has_cycle([event for _, event in chosen]):
            found = _closing(sorted(chosen, key=lambda pair: (_time(pair[1]), pair[0])))
            if found is not None:
                return found
    return None


def _key(event: Mapping[str, Any]) -> str | None:
    parent = event.get("parentID")
    return spelled(parent) if parent else None


def _time(event: Mapping[str, Any]) -> datetime:
    return instant(event["eventTime"])


def _inside(event: Mapping[str, Any]) -> Iterator[str]:
    for child in event.get("childEPCs", ()):
        yield spelled(child)


def _has_cycle(events: Sequence[Mapping[str, Any]]) -> bool:
    """Whether there is a cycle if nothing was ever taken out: linear, and the answer for nearly every document."""
    children: _Children = {}
    waiting: dict[str, int] = {}
    for event in events:
        if event["action"] != "DELETE":
            parent = str(_key(event))
            within = children.setdefault(parent, set())
            waiting.setdefault(parent, 0)
            for child in _inside(event):
                if child not in within:
                    within.add(child)
                    waiting[child] = waiting.get(child, 0) + 1
    free = [name for name, count in waiting.items() if not count]
    seen = 0
    while free:
        seen += 1
        for child in children.get(free.pop(), ()):
            waiting[child] -= 1
            if not waiting[child]:
                free.append(child)
    return seen < len(waiting)


def _closing(events: Sequence[tuple[int, Mapping[str, Any]]]) -> int | None:
    children: _Children = {}
    steps = 0
    for index, event in events:
        parent = str(_key(event))
        within = children.setdefault(parent, set())
        named = set(_inside(event))
        if event["action"] == "DELETE":
            # Without children named, all of them. Source: EPCIS 2.0 section 7.4.3.
            within.difference_update(named or tuple(within))
            continue
        added = named - within
        within |= added
        below, seen = list(added), set(added)
        while below:
            name = below.pop()
            steps += 1
            if name == parent or steps > _MAX_STEPS:
                return index
            more = children.get(name, set()) - seen
            steps += len(more)
            seen |= more
            below.extend(more)
    return None
