"""Which way leads on from an event: the rules of tracing, so that a trace is a story and not everything connected.

A *step* names a thing to look up and says how it was reached; `onward` says of an event found there whether it belongs
to the story, and which steps it leads to. Parties, places and products without a lot are shown but never followed.

Source: docs/tracing.md section 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Flag, StrEnum
from typing import Any, Final

from ledger.supply.mentions import Mention
from ledger.supply.terms import EventKind, many

__all__ = [
    "AGREEMENTS",
    "FUNDS",
    "INPUTS",
    "MATERIAL",
    "MENTIONED_AS",
    "TESTS",
    "Direction",
    "Look",
    "Step",
    "Thing",
    "TracedEvent",
    "is_followed",
    "lot_step",
    "names",
    "onward",
    "references",
]

MATERIAL: Final = frozenset({"epc", "class", "parent", "child", "input", "output", "input_class", "output_class"})
"""Kinds of mentions that name material: a lot, a piece, or a product without a lot."""
INPUTS: Final = frozenset({"input", "input_class"})
OUTPUTS: Final = frozenset({"output", "output_class"})
FUNDS: Final = "funds"
"""The stream whose events are about money."""

AGREEMENTS: Final = frozenset({EventKind.CONTRACT, EventKind.ORDER})
"""Kinds of events that make a transaction, which many others then name."""
TESTS: Final = frozenset({EventKind.SAMPLING, EventKind.TEST_REPORT})
"""Kinds of events that use nothing up, whatever they name as an input."""
_MONEY: Final = ("urn:yunshang:application:", "urn:yunshang:approval:", "urn:yunshang:payment:")
_PRODUCT_URNS: Final = ("urn:epc:idpat:", "urn:yunshang:class:")
_NOWHERE: Final = ("urn:epc:id:sgln:", "urn:epc:id:pgln:", "urn:epc:id:gdti:", "urn:epc:id:gsrn:", "geo:")
_GTIN_LINK: Final = re.compile(r"https?://[^?#]*/01/\d{8,14}(?P<rest>/[^?#]*)?")
_PLACE_LINK: Final = re.compile(r"https?://[^?#]*/(?:414|417|253|8017|8018)/")
_KEYS_OF_A_LOT: Final = re.compile(r"/(?:10|21|235)/")


class Direction(Flag):
    """Which way material is followed from a thing."""

    ABOUT = 0
    """Only what tells of the thing itself."""
    BACK = 1
    """To what it was made of and where it came from."""
    FORWARD = 2
    """To what it went into."""
    BOTH = BACK | FORWARD


class Look(StrEnum):
    """How a thing is looked up: which events name it in a way that counts."""

    LOT = "lot"
    """Any event that names this material."""
    ORIGIN = "origin"
    """The same without those that use it up: inputs of transformations and installations."""
    ELEMENT = "element"
    """Any event that names this BIM element."""
    DOCUMENT = "document"
    """Any event that names this document's digest."""
    REPORT = "report"
    """Test reports, and events of the stream `funds`, that name this document's digest."""
    AGREEMENT = "agreement"
    """The contract or order that made this transaction."""
    ORDER = "order"
    """The orders under this contract; they count only for products of the story's lots."""
    PAYMENT = "payment"
    """Events of the stream `funds` that name this application, approval or payment."""
    COVER = "cover"
    """Events of the stream `funds` that cover the event with this hash id."""
    EVENT = "event"
    """The event with this hash id or event id."""


MENTIONED_AS: Final[Mapping[Look, frozenset[str]]] = {
    Look.LOT: MATERIAL,
    Look.ORIGIN: MATERIAL,
    Look.ELEMENT: frozenset({"element"}),
    Look.DOCUMENT: frozenset({"document"}),
    Look.REPORT: frozenset({"document"}),
    Look.AGREEMENT: frozenset({"agreement"}),
    Look.ORDER: frozenset({"under"}),
    Look.PAYMENT: frozenset({"transaction"}),
    Look.COVER: frozenset({"event"}),
    Look.EVENT: frozenset(),
}
"""The kinds of mentions that a look-up goes by; an event itself is looked up by its ids."""


@dataclass(frozen=True, slots=True, order=True)
class Thing:
    """What a look-up asks for.

    Attributes:
        look: how.
        name: the thing's URI, GlobalId, digest or id, as events name it.
    """

    look: Look
    name: str


@dataclass(frozen=True, slots=True)
class TracedEvent:
    """An event as a trace needs it.

    Attributes:
        record: the event's record; never changed here.
        hash_id: CBV event hash id; an error declaration has that of the event it declares.
        record_sha256: digest of the record, hex: what tells a declaration from its event.
        reporter: organisation code of the seal it was captured under.
        stream: `supply` or `funds`.
        index: its place in the log, None while it has none.
        event_time: aware UTC.
        kind: of the construction profile, or None.
        mentions: what it names (`ledger.supply.mentions`).
    """

    record: Mapping[str, Any] = field(hash=False)
    hash_id: str
    record_sha256: str = field(kw_only=True)
    reporter: str = field(kw_only=True)
    stream: str = field(kw_only=True)
    index: int | None = field(kw_only=True)
    event_time: datetime = field(kw_only=True)
    kind: EventKind | None = field(kw_only=True)
    mentions: tuple[Mention, ...] = field(kw_only=True)

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from every other event: its stream and the digest of its record."""
        return self.stream, self.record_sha256

    @property
    def order(self) -> tuple[datetime, str, str]:
        """By time, then by digest: the order in which events are shown, and kept where there are too many."""
        return self.event_time, self.record_sha256, self.stream

    @property
    def is_declaration(self) -> bool:
        """Whether it declares another event to be in error."""
        return "errorDeclaration" in self.record

    @property
    def event_id(self) -> str | None:
        """The id that its reporter gave it."""
        value = self.record.get("eventID")
        return value if isinstance(value, str) else None

    @property
    def names(self) -> frozenset[str]:
        """What others call it by; of a declaration, what the event that it is about is called by."""
        return frozenset({self.hash_id, self.event_id or self.hash_id})

    @property
    def corrective_ids(self) -> tuple[str, ...]:
        """Ids of the events that correct the one declared to be in error."""
        declared = self.record.get("errorDeclaration")
        ids = declared.get("correctiveEventIDs", ()) if isinstance(declared, Mapping) else ()
        return tuple(value for value in ids if isinstance(value, str)) if isinstance(ids, Sequence) else ()

    def roles(self, name: str, kinds: frozenset[str] = MATERIAL) -> frozenset[str]:
        """How it names a thing."""
        return frozenset(item.kind for item in self.mentions if item.thing == name and item.kind in kinds)

    def named(self, *kinds: str) -> Iterable[str]:
        """What it names in one of some ways."""
        return dict.fromkeys(item.thing for item in self.mentions if item.kind in kinds)

    @property
    def products(self) -> frozenset[str]:
        """Products that it names as such, whatever their URIs look like."""
        named = [self.record.get("yunshang:class")]
        named += [line.get("yunshang:class") for line in _objects(self.record.get("yunshang:lines"))]
        return frozenset(name for name in named if isinstance(name, str))

    def used_by(self, element: str) -> frozenset[str] | None:
        """What went into one of its elements, by `yunshang:used`; None: it does not say, so that all of it may have."""
        used: set[str] = set()
        for item in _objects(self.record.get("yunshang:elements")):
            if item.get("yunshang:globalId") != element:
                continue
            things = [one.get("yunshang:thing") for one in _objects(item.get("yunshang:used"))]
            if not things:
                return None
            used |= {thing for thing in things if isinstance(thing, str)}
        return frozenset(used) or None

    def takes(self, name: str) -> bool:
        """Whether material of this name is used up in it: an input, or built in."""
        if self.kind is EventKind.INSTALLATION:
            return True
        return self.kind not in TESTS and bool(self.roles(name) & INPUTS)


@dataclass(frozen=True, slots=True)
class Step:
    """A thing to be looked up, and how it was reached.

    Attributes:
        thing: what to look up.
        direction: which way material is followed from here.
        is_seed: whether the trace starts here.
        is_carrier: whether this holds the material for a while, so that only what happens to the whole counts.
        since, until: when it did, both inclusive; None: from the first, to the last event.
    """

    thing: Thing
    direction: Direction = Direction.ABOUT
    is_seed: bool = field(default=False, kw_only=True)
    is_carrier: bool = field(default=False, kw_only=True)
    since: datetime | None = field(default=None, kw_only=True)
    until: datetime | None = field(default=None, kw_only=True)

    def covers(self, event: TracedEvent) -> bool:
        """Whether an event lies within its time."""
        early = self.since is not None and event.event_time < self.since
        late = self.until is not None and event.event_time > self.until
        return not early and not late


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in many(value) if isinstance(item, Mapping)]


def is_followed(name: str) -> bool:
    """Whether material of this name is one lot or piece: no product of which there are many lots, and no place.

    Source: EPC Tag Data Standard 2.0 (URNs), GS1 Digital Link 1.2 (keys 01 with 10, 21 or 235).
    """
    if name.startswith(_PRODUCT_URNS):
        return False
    if name.startswith(_NOWHERE) or _PLACE_LINK.match(name):
        return False
    product = _GTIN_LINK.match(name)
    return product is None or _KEYS_OF_A_LOT.search(product["rest"] or "") is not None


def lot_step(name: str, direction: Direction, **members: Any) -> Step:
    """The step to a lot or piece."""
    look = Look.LOT if Direction.FORWARD in direction else Look.ORIGIN
    return Step(Thing(look, name), direction, **members)


def onward(event: TracedEvent, step: Step) -> frozenset[Step] | None:
    """Where an event leads that was found by a step.

    Args:
        event: found.
        step: by which.

    Returns:
        The steps from it, carriers left out (`ledger.supply.graph` knows their time); None: the event is no part of
        the story.
    """
    if not step.covers(event) or not names(event, step.thing):
        return None
    match step.thing.look:
        case Look.LOT | Look.ORIGIN:
            return _from_lot(event, step)
        case Look.ELEMENT:
            return _from_element(event, step)
        case Look.DOCUMENT:
            return _from_document(event)
        case _:
            return references(event)


def names(event: TracedEvent, thing: Thing) -> bool:
    """Whether a look-up for a thing is to find an event."""
    if thing.look is Look.EVENT:
        return thing.name in (event.hash_id, event.event_id)
    if not event.roles(thing.name, MENTIONED_AS[thing.look]):
        return False
    match thing.look:
        case Look.ORIGIN:
            return not event.takes(thing.name)
        case Look.REPORT:
            return event.stream == FUNDS or event.kind is EventKind.TEST_REPORT
        case Look.PAYMENT | Look.COVER:
            return event.stream == FUNDS
        case _:
            return True


def references(event: TracedEvent) -> frozenset[Step]:
    """The steps that every event of a story leads to: agreements, reports, money, corrections."""
    steps = {Step(Thing(Look.EVENT, name)) for name in event.corrective_ids}
    for name in event.named("transaction"):
        if name.startswith(_MONEY):
            steps.add(Step(Thing(Look.PAYMENT, name)))
        else:
            steps.add(Step(Thing(Look.AGREEMENT, name)))
            if event.kind not in AGREEMENTS:
                steps.add(Step(Thing(Look.ORDER, name)))
    if event.stream != FUNDS and event.kind not in AGREEMENTS:
        steps |= {Step(Thing(Look.REPORT, name)) for name in event.named("document")}
        steps.add(Step(Thing(Look.COVER, event.hash_id)))
    return frozenset(steps)


def _from_lot(event: TracedEvent, step: Step) -> frozenset[Step] | None:
    roles = event.roles(step.thing.name)
    if step.is_carrier and roles == {"parent"}:
        return None
    if event.stream == FUNDS or event.kind in AGREEMENTS:
        return references(event)
    if event.takes(step.thing.name):
        wanted, kinds, direction = Direction.FORWARD, OUTPUTS, Direction.FORWARD
    elif event.kind not in TESTS and roles & OUTPUTS:
        wanted, kinds, direction = Direction.BACK, INPUTS, Direction.BACK
    elif "parent" in roles and step.direction:
        wanted, kinds, direction = Direction.ABOUT, frozenset({"child"}), step.direction
    else:
        return references(event)
    return references(event) | _lots(event, kinds, direction) if wanted in step.direction else None


def _from_element(event: TracedEvent, step: Step) -> frozenset[Step] | None:
    if not event.roles(step.thing.name, frozenset({"element"})):
        return None
    if event.kind is EventKind.INSTALLATION:
        used = event.used_by(step.thing.name)
        lots = _lots(event, MATERIAL, Direction.BACK)
        return references(event) | {lot for lot in lots if used is None or lot.thing.name in used}
    return references(event)


def _from_document(event: TracedEvent) -> frozenset[Step]:
    if event.stream == FUNDS or event.kind in AGREEMENTS:
        return references(event)
    return references(event) | _lots(event, MATERIAL, Direction.BOTH)


def _lots(event: TracedEvent, kinds: frozenset[str], direction: Direction) -> frozenset[Step]:
    products = event.products
    return frozenset(
        lot_step(name, direction) for name in event.named(*kinds) if name not in products and is_followed(name)
    )
