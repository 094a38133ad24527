"""Traces: the events that lead to a lot, an element or a document and on from it, found level by level.

Pure: where events come from is the caller's business. Which way leads on is said in `ledger.supply.follow`.

Source: docs/tracing.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from ledger.errors import MalformedError
from ledger.supply.facts import class_by_form
from ledger.supply.follow import (
    MATERIAL,
    Direction,
    Look,
    Step,
    Thing,
    TracedEvent,
    is_followed,
    lot_step,
    names,
    onward,
    references,
)
from ledger.supply.mentions import Mention
from ledger.supply.terms import EventKind

__all__ = [
    "Edge",
    "EdgeKind",
    "Limits",
    "NodeKind",
    "Seed",
    "SeedKind",
    "ThingNode",
    "TraceGraph",
    "walk",
]

MAX_NAME_CHARACTERS: Final = 1_000


class SeedKind(StrEnum):
    """What a trace can start from."""

    ELEMENT = "element"
    LOT = "lot"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Seed:
    """Where a trace starts.

    Attributes:
        kind: what it is.
        name: GlobalId, URI of a lot or piece, or SHA-256 in lowercase hex.

    Raises:
        MalformedError: no such name; a product without a lot (code `trace_not_a_lot`).
    """

    kind: SeedKind
    name: str

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= MAX_NAME_CHARACTERS:
            raise MalformedError(f"expected 1 to {MAX_NAME_CHARACTERS} characters, got {len(self.name)}", where="seed")
        if self.kind is SeedKind.DOCUMENT and (len(self.name) != 64 or not set(self.name) <= set("0123456789abcdef")):
            raise MalformedError("expected SHA-256 as 64 lowercase hex digits, got another text", where="seed")
        if self.kind is SeedKind.LOT and not is_followed(self.name):
            raise MalformedError(
                f"expected a lot or a piece, got {self.name[:80]!r}, of which there are many",
                code="trace_not_a_lot",
                where="seed",
            )

    @property
    def step(self) -> Step:
        """The first step."""
        match self.kind:
            case SeedKind.ELEMENT:
                return Step(Thing(Look.ELEMENT, self.name), Direction.BACK, is_seed=True)
            case SeedKind.LOT:
                return lot_step(self.name, Direction.BOTH, is_seed=True)
            case SeedKind.DOCUMENT:
                return Step(Thing(Look.DOCUMENT, self.name), Direction.BOTH, is_seed=True)


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a trace goes; where it stops short it says so.

    Attributes:
        max_events: in the graph.
        max_fetched: events looked at, those left out included.
        max_levels: look-ups one after the other.
    """

    max_events: int = 2_000
    max_fetched: int = 20_000
    max_levels: int = 64


class NodeKind(StrEnum):
    """Kinds of things in a graph."""

    LOT = "lot"
    PRODUCT = "product"
    ELEMENT = "element"
    DOCUMENT = "document"
    TRANSACTION = "transaction"
    PARTY = "party"


@dataclass(frozen=True, slots=True, order=True)
class ThingNode:
    """A thing in a graph.

    Attributes:
        kind: what it is.
        name: as events name it.
    """

    kind: NodeKind
    name: str

    @property
    def node_id(self) -> str:
        """Its id in the graph."""
        return f"{self.kind}:{self.name}"


class EdgeKind(StrEnum):
    """What an edge says; material flows along `input`, `output`, `child`, `parent` and `observed`."""

    OBSERVED = "observed"
    INPUT = "input"
    OUTPUT = "output"
    CHILD = "child"
    PARENT = "parent"
    ELEMENT = "element"
    DOCUMENT = "document"
    TRANSACTION = "transaction"
    PARTY = "party"
    DECLARES_ERROR = "declares_error"
    CORRECTS = "corrects"
    COVERS = "covers"
    REPORTED_BY = "reported_by"


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """An edge.

    Attributes:
        source, target: ids of nodes.
        kind: what it says.
    """

    source: str
    target: str
    kind: EdgeKind


@dataclass(frozen=True, slots=True)
class TraceGraph:
    """What a trace found.

    Attributes:
        seed: where it started.
        events: by time, then by digest.
        things: by kind, then by name.
        edges: sorted.
        annulled: ids of the event nodes that their own reporter declared to be in error.
        left_out: by id of an event's node, how many things it names that are no part of the story.
        truncated: whether there may be more: a limit was met.
    """

    seed: Seed
    events: tuple[TracedEvent, ...]
    things: tuple[ThingNode, ...]
    edges: tuple[Edge, ...]
    annulled: frozenset[str] = field(kw_only=True)
    left_out: Mapping[str, int] = field(kw_only=True)
    truncated: bool = field(kw_only=True)


Fetch = Callable[[Sequence[Thing]], Iterable[TracedEvent]]
"""Gives every event that one of some things leads to (see `Look`) and the declarations about it, in any order.

More do no harm, as long as what declares them to be in error is among them.
"""

_EDGES: Final[Mapping[str, tuple[EdgeKind, bool]]] = {  # and whether the edge comes from the thing
    "epc": (EdgeKind.OBSERVED, True),
    "class": (EdgeKind.OBSERVED, True),
    "input": (EdgeKind.INPUT, True),
    "input_class": (EdgeKind.INPUT, True),
    "child": (EdgeKind.CHILD, True),
    "output": (EdgeKind.OUTPUT, False),
    "output_class": (EdgeKind.OUTPUT, False),
    "parent": (EdgeKind.PARENT, False),
    "element": (EdgeKind.ELEMENT, False),
    "document": (EdgeKind.DOCUMENT, False),
    "transaction": (EdgeKind.TRANSACTION, False),
    "party": (EdgeKind.PARTY, False),
}


def event_node_id(event: TracedEvent) -> str:
    """The id of an event's node: `event:`, its stream and the digest of its record."""
    return f"event:{event.stream}:{event.record_sha256}"


def walk(seed: Seed, fetch: Fetch, limits: Limits = Limits()) -> TraceGraph:
    """Trace.

    Args:
        seed: where to start.
        fetch: gives events; asked once for each thing, all things of a level at once.
        limits: how far to go.

    Returns:
        The graph; the same whatever the order in which events are given.
    """
    return _Walk(seed, fetch, limits).run()


_Led = dict[tuple[str, str], set[Step]]
"""Where events lead, by their keys."""


class _Walk:
    def __init__(self, seed: Seed, fetch: Fetch, limits: Limits) -> None:
        self._seed = seed
        self._fetch = fetch
        self._limits = limits
        self._found: dict[Thing, list[TracedEvent]] = {}
        self._known: dict[tuple[str, str], TracedEvent] = {}
        self._kept: dict[tuple[str, str], TracedEvent] = {}
        self._declared: dict[str, list[TracedEvent]] = {}
        self._orders: dict[tuple[str, str], TracedEvent] = {}
        self._steps: set[Step] = set()
        self._truncated = False

    def run(self) -> TraceGraph:
        steps = {self._seed.step}
        for _ in range(self._limits.max_levels):
            if self._truncated or not steps:
                break
            self._look_up(step.thing for step in steps)
            self._steps |= steps
            steps = (self._take(steps) or self._take_orders()) - self._steps
        self._truncated |= bool(steps)
        return self._graph()

    def _look_up(self, things: Iterable[Thing]) -> None:
        wanted = sorted(set(things) - self._found.keys())
        if not wanted:
            return
        room = self._limits.max_fetched - len(self._known)
        given = {event.key: event for event in self._fetch(wanted)}
        fresh = [event for event in given.values() if event.key not in self._known]
        if len(fresh) > room:
            self._truncated = True
            dropped = {event.key for event in sorted(fresh, key=lambda event: event.order)[room:]}
            given = {key: event for key, event in given.items() if key not in dropped}
        for key in given.keys() - self._known.keys():
            if given[key].is_declaration:
                for name in given[key].names:
                    self._declared.setdefault(name, []).append(given[key])
        self._known |= given
        by_name: dict[str, dict[tuple[str, str], TracedEvent]] = {}
        for key, event in given.items():
            for name in {*event.names, *(mention.thing for mention in event.mentions)}:
                by_name.setdefault(name, {})[key] = event
        for thing in wanted:
            self._found[thing] = [event for event in by_name.get(thing.name, {}).values() if names(event, thing)]

    def _take(self, steps: Iterable[Step]) -> set[Step]:
        """Keep what belongs to the story, and say where it leads."""
        led: _Led = {}
        for step in map(self._emptied, steps):
            for event in self._found[step.thing]:
                if step.thing.look is Look.ORDER:
                    self._orders[event.key] = event
                    continue
                following = onward(event, step)
                if following is not None:
                    self._lead(led, event, following | self._carriers(event, step))
        return self._keep(led) - self._steps

    def _take_orders(self) -> set[Step]:
        """At the end, the orders under the story's contracts for those of its products whose order nobody named."""
        named = [event for event in self._kept.values() if event.kind is EventKind.ORDER]
        products = self._products().difference(*(event.named(*MATERIAL) for event in named))
        led: _Led = {}
        for event in self._orders.values():
            if not products.isdisjoint(event.named(*MATERIAL)):
                self._lead(led, event, references(event))
        return self._keep(led)

    def _lead(self, led: _Led, event: TracedEvent, following: frozenset[Step]) -> None:
        led.setdefault(event.key, set()).update(following)
        for declaration in self._about(event):
            led.setdefault(declaration.key, set()).update(references(declaration))

    def _keep(self, led: _Led) -> set[Step]:
        """Keep events as far as there is room for them; returns where those that are kept lead."""
        fresh = sorted((self._known[key] for key in led if key not in self._kept), key=lambda event: event.order)
        room = self._limits.max_events - len(self._kept)
        if len(fresh) > room:
            self._truncated = True
            fresh = fresh[:room]
        self._kept |= {event.key: event for event in fresh}
        return {
            step
            for key in led.keys() & self._kept.keys()
            for step in led[key]
            if step.thing.look is Look.EVENT or self._counts(key)
        }

    def _products(self) -> set[str]:
        """The products of the story's lots: by their form, and as those who made them say."""
        lots = {step.thing.name for step in self._steps if step.thing.look in (Look.LOT, Look.ORIGIN)}
        made = [event for event in self._kept.values() if event.kind is EventKind.COMMISSIONING]
        said = {name for event in made if self._counts(event.key) for name in event.products}
        return {class_by_form(name) for name in lots} | said

    def _carriers(self, event: TracedEvent, step: Step) -> frozenset[Step]:
        """The steps to what holds a lot, for as long as it does."""
        if step.thing.look not in (Look.LOT, Look.ORIGIN) or "child" not in event.roles(step.thing.name):
            return frozenset()
        steps = set()
        for carrier in event.named("parent"):
            if is_followed(carrier) and event.record.get("action") != "DELETE":
                since, until = self._held(event, step, carrier)
                step_up = lot_step(carrier, step.direction, is_carrier=True, since=since, until=until)
                steps.add(step_up)
        return frozenset(steps)

    def _held(self, event: TracedEvent, step: Step, carrier: str) -> tuple[datetime, datetime | None]:
        """From an event that puts a lot into a carrier to the one that takes it out again."""
        since = event.event_time if step.since is None else max(step.since, event.event_time)
        ends = [
            other.event_time
            for other in self._found[step.thing]
            if other.event_time > event.event_time
            and other.record.get("action") == "DELETE"
            and carrier in other.named("parent")
            and "child" in other.roles(step.thing.name)
            and not self._is_annulled(other.key)
        ]
        if step.until is not None:
            ends.append(step.until)
        return since, min(ends, default=None)

    def _emptied(self, step: Step) -> Step:
        """A step to a carrier ends where the carrier is emptied without saying of what."""
        if not step.is_carrier:
            return step
        ends = [
            event.event_time
            for event in self._found[step.thing]
            if event.roles(step.thing.name) == {"parent"}
            and event.record.get("action") == "DELETE"
            and not any(event.named("child"))
            and (step.since is None or event.event_time > step.since)
            and not self._is_annulled(event.key)
        ]
        return replace(step, until=min([*ends, *([step.until] if step.until else [])], default=None))

    def _counts(self, key: tuple[str, str]) -> bool:
        """Whether what an event says is followed: a declaration repeats what it takes back."""
        return not self._known[key].is_declaration and not self._is_annulled(key)

    def _is_annulled(self, key: tuple[str, str]) -> bool:
        """Whether an event's own reporter declared it to be in error; nobody else can take it out of a story."""
        event = self._known[key]
        return any(_annuls(declaration, event) for declaration in self._about(event))

    def _about(self, event: TracedEvent) -> Iterable[TracedEvent]:
        """What declares an event to be in error."""
        if event.is_declaration:
            return ()
        return {other.key: other for name in event.names for other in self._declared.get(name, ())}.values()

    def _graph(self) -> TraceGraph:
        events = tuple(sorted(self._kept.values(), key=lambda event: event.order))
        lots = {step.thing.name for step in self._steps if step.thing.look in (Look.LOT, Look.ORIGIN)}
        shown = _Shown(lots, self._seed)
        edges: set[Edge] = set()
        things: dict[str, ThingNode] = {}
        left_out: dict[str, int] = {}
        for event in events:
            node_id = event_node_id(event)
            for mention in event.mentions:
                if mention.kind not in _EDGES:
                    continue
                thing = shown.node(event, mention)
                if thing is None:
                    left_out[node_id] = left_out.get(node_id, 0) + 1
                    continue
                things[thing.node_id] = thing
                kind, inward = _EDGES[mention.kind]
                ends = (thing.node_id, node_id) if inward else (node_id, thing.node_id)
                edges.add(Edge(*ends, kind))
            reporter = ThingNode(NodeKind.PARTY, event.reporter)
            things[reporter.node_id] = reporter
            edges.add(Edge(node_id, reporter.node_id, EdgeKind.REPORTED_BY))
        return TraceGraph(
            self._seed,
            events,
            tuple(sorted(things.values())),
            tuple(sorted(edges | set(_between(events)))),
            annulled=frozenset(event_node_id(event) for event in events if self._is_annulled(event.key)),
            left_out=left_out,
            truncated=self._truncated,
        )


class _Shown:
    """Which of the things that an event names are nodes."""

    def __init__(self, lots: set[str], seed: Seed) -> None:
        self._lots = lots
        self._seed = seed

    def node(self, event: TracedEvent, mention: Mention) -> ThingNode | None:
        name = mention.thing
        if mention.kind in MATERIAL:
            if name in self._lots:
                return ThingNode(NodeKind.LOT, name)
            alone = self._lots.isdisjoint(event.named(*MATERIAL))
            return ThingNode(NodeKind.PRODUCT, name) if alone and not is_followed(name) else None
        if mention.kind == "element" and not self._shows_element(event, name):
            return None
        return ThingNode(NodeKind(mention.kind), name)

    def _shows_element(self, event: TracedEvent, name: str) -> bool:
        """The element asked for, or one that a lot of the story went into."""
        if self._seed.kind is SeedKind.ELEMENT:
            return name == self._seed.name
        used = event.used_by(name)
        return used is None or not self._lots.isdisjoint(used)


def _annuls(declaration: TracedEvent, event: TracedEvent) -> bool:
    return declaration.reporter == event.reporter and declaration.stream == event.stream


def _between(events: Sequence[TracedEvent]) -> Iterator[Edge]:
    """Edges between events: declarations and what corrects, payments and what they cover."""
    by_id: dict[str, list[str]] = {}
    for event in events:
        if not event.is_declaration:
            for name in event.names:
                by_id.setdefault(name, []).append(event_node_id(event))
    for event in events:
        own = event_node_id(event)
        for name in event.named("event"):
            yield from (Edge(own, covered, EdgeKind.COVERS) for covered in by_id.get(name, ()))
        if event.is_declaration:
            for declared in sorted({node for name in event.names for node in by_id.get(name, ())}):
                yield Edge(own, declared, EdgeKind.DECLARES_ERROR)
                for name in event.corrective_ids:
                    yield from (Edge(corrective, declared, EdgeKind.CORRECTS) for corrective in by_id.get(name, ()))
