"""What contains what: an aggregation that would put something into itself is refused.

An edge leads from a parent to a child for as long as it holds: from an ADD or OBSERVE until the DELETE that ends it.
A new edge closes a cycle where its child contains its parent at a time when both hold. The walk goes upwards, from the
parent to what contains it, since things have many children and few containers. Events that their own reporter declared
to be in error, and the declarations, count for nothing. AggregationEvents and AssociationEvents are looked at apart.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import exists, select, text
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from archive_api.db.lists import among
from archive_api.supply.models import SupplyEvent, SupplyMention
from ledger.errors import MalformedError

__all__ = ["Containment", "containment_of", "refuse_cycles"]

_TYPES: Final = ("AggregationEvent", "AssociationEvent")
_FOREVER: Final = 1 << 62
_MAX_LEVELS: Final = 64
_MAX_EVENTS: Final = 100_000
"""Read for one capture; one of 1,000 characters or more counts as several."""
_MAX_STEPS: Final = 5_000_000
_BATCH: Final = 500
_CONTAINED: Final = "SELECT DISTINCT thing FROM supply_mentions WHERE stream_id = :stream AND kind = 'child' AND thing"


class Containment(NamedTuple):
    """One event about what contains what. A tuple, as `NewEvent` is.

    Attributes:
        type: of the event.
        parent: what contains.
        children: what is contained; empty with DELETE: everything.
        is_end: whether it ends there.
        time: µs since 1970.
    """

    type: str
    parent: str
    children: tuple[str, ...]
    is_end: bool
    time: int


def containment_of(record: Mapping[str, Any], time: int) -> Containment | None:
    """What an event says about what contains what, or None."""
    parent = record.get("parentID")
    if record.get("type") not in _TYPES or not isinstance(parent, str) or "errorDeclaration" in record:
        return None
    quantities = record.get("childQuantityList") or ()
    children = [*(record.get("childEPCs") or ()), *(item.get("epcClass") for item in quantities)]
    named = tuple(child for child in children if isinstance(child, str))
    return Containment(str(record["type"]), parent, named, record.get("action") == "DELETE", time)


def refuse_cycles(session: Session, stream_id: int, new: Sequence[tuple[str, Containment]]) -> None:
    """Refuse a capture that puts something into itself, by its own events or with those captured before.

    Args:
        session: any; without a lock on the stream, what another capture adds meanwhile is not seen.
        stream_id: row number of the stream.
        new: of the capture's events, each with its pointer.

    Raises:
        MalformedError: code `aggregation_cycle`, `where` is the event's pointer; or `aggregation_too_deep`: more is
            contained in each other than is walked.
    """
    begun = [(pointer, found) for pointer, found in new if found.children and not found.is_end]
    contained = _contained(session, stream_id, {found.parent for _, found in begun})
    contained |= {child for _, found in begun for child in found.children}
    walks = {kind: _Walk(session, stream_id, kind, [other for _, other in new]) for kind in _TYPES}
    for pointer, found in begun:
        if found.parent in found.children or (found.parent in contained and walks[found.type].reaches(found)):
            raise MalformedError(
                f"expected a parent that none of its children contains, got {found.parent[:100]!r} in itself",
                code="aggregation_cycle",
                where=pointer,
            )


def _contained(session: Session, stream_id: int, things: Collection[str]) -> set[str]:
    """Those of some things that something captured before contains: most are in nothing, and need no walk."""
    one_of_them, value = among(session, "things", things)
    query = f"{_CONTAINED} {one_of_them}"
    return set(session.connection().scalars(text(query), {"stream": stream_id, "things": value}))


class _Walk:
    """Upwards from a parent, level by level, in what was captured before and in what is about to be.

    One for all of a capture, so that nothing is read twice and the steps of all its events are bounded together.
    """

    def __init__(self, session: Session, stream_id: int, kind: str, new: Iterable[Containment]) -> None:
        self._session = session
        self._stream_id = stream_id
        self._kind = kind
        self._new: dict[str, list[Containment]] = defaultdict(list)
        self._emptied: dict[str, list[Containment]] = defaultdict(list)
        for item in new:
            if item.type == kind:
                for child in item.children:
                    self._new[child].append(item)
                if item.is_end and not item.children:
                    self._emptied[item.parent].append(item)
        self._above: dict[str, list[tuple[str, str, int, int]]] = {}
        self._read = 0
        self._steps = 0

    def reaches(self, edge: Containment) -> bool:
        """Whether a child of a new edge contains its parent while both hold."""
        targets = frozenset(edge.children)
        # Each node with the spans in which it contains the edge's parent, from the edge's begin on.
        level = {edge.parent: [(edge.time, _FOREVER)]}
        seen: set[tuple[str, int, int]] = set()
        for _ in range(_MAX_LEVELS):
            above: dict[str, list[tuple[int, int]]] = defaultdict(list)
            for parent, child, begin, end in self._edges_above(level):
                for first, last in level[child]:
                    self._step(1)
                    span = (max(first, begin), min(last, end))
                    if span[0] >= span[1] or (parent, *span) in seen:
                        continue
                    if parent in targets and span[0] < self._end(edge, parent):
                        return True
                    seen.add((parent, *span))
                    above[parent].append(span)
            if not above:
                return False
            level = above
        raise self._too_deep()

    def _end(self, edge: Containment, child: str) -> int:
        """When the new edge to one of its children ends."""
        return next(
            (
                end
                for parent, _, begin, end in self._edges_above([child])
                if parent == edge.parent and begin <= edge.time < end
            ),
            _FOREVER,
        )

    def _edges_above(self, nodes: Collection[str]) -> Iterator[tuple[str, str, int, int]]:
        """Parent, child, begin and end of each edge whose child is one of some nodes."""
        if unread := {node for node in nodes if node not in self._above}:
            self._above.update((node, []) for node in unread)
            for edge in self._told(unread):
                self._above[edge[1]].append(edge)
        for node in nodes:
            yield from self._above[node]

    def _told(self, nodes: Collection[str]) -> Iterator[tuple[str, str, int, int]]:
        told: dict[tuple[str, str], list[tuple[int, bool]]] = defaultdict(list)
        whole: dict[str, list[int]] = defaultdict(list)
        for item in self._about(nodes):
            if item.is_end and not item.children:
                whole[item.parent].append(item.time)
            self._step(len(item.children))
            for child in item.children:
                if child in nodes:
                    told[item.parent, child].append((item.time, item.is_end))
        for (parent, child), moments in told.items():
            changes = sorted({*moments, *((time, True) for time in whole[parent])})
            begin = None
            for time, is_end in changes:
                if is_end and begin is not None:
                    yield parent, child, begin, time
                    begin = None
                elif not is_end and begin is None:
                    begin = time
            if begin is not None:
                yield parent, child, begin, _FOREVER

    def _about(self, children: Collection[str]) -> list[Containment]:
        """What says that these are contained somewhere, and what empties those places as a whole."""
        wanted = set(children)
        found = list({id(item): item for child in wanted for item in self._new.get(child, ())}.values())
        found += self._stored(wanted, "child")
        parents = {item.parent for item in found}
        found += [item for parent in parents for item in self._emptied.get(parent, ())]
        found += [item for item in self._stored(parents, "parent", ends_only=True) if not item.children]
        return found

    def _stored(self, things: Collection[str], kind: str, *, ends_only: bool = False) -> Iterator[Containment]:
        declaration = aliased(SupplyEvent)
        void = exists().where(
            col(declaration.stream_id) == self._stream_id,
            col(declaration.declares).is_not(None),
            col(declaration.event_hash) == col(SupplyEvent.event_hash),
            col(declaration.reporter) == col(SupplyEvent.reporter),  # nobody annuls another's
        )
        ordered = sorted(things)
        for first in range(0, len(ordered), _BATCH):
            named = select(col(SupplyMention.event_id)).where(
                col(SupplyMention.stream_id) == self._stream_id,
                col(SupplyMention.thing).in_(ordered[first : first + _BATCH]),
                col(SupplyMention.kind) == kind,
            )
            query = select(col(SupplyEvent.body), col(SupplyEvent.event_time)).where(
                col(SupplyEvent.id).in_(named), col(SupplyEvent.type) == self._kind, ~void
            )
            if ends_only:
                query = query.where(col(SupplyEvent.action) == "DELETE")
            for body, time in self._session.execute(query.limit(_MAX_EVENTS + 1)):
                self._read += 1 + len(body) // 1_000
                if self._read > _MAX_EVENTS:
                    raise self._too_deep()
                item = containment_of(json.loads(body), time)
                if item is not None:
                    yield item

    def _step(self, count: int) -> None:
        self._steps += count
        if self._steps > _MAX_STEPS:
            raise self._too_deep()

    def _too_deep(self) -> MalformedError:
        return MalformedError(
            f"expected at most {_MAX_LEVELS} levels and {_MAX_EVENTS} events of aggregation, got more",
            code="aggregation_too_deep",
            where="",
        )
