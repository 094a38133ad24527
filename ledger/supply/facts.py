"""What reported events say: who had which goods when, what was tested, ordered, accepted, built in and paid.

`ledger.supply.reading` reads these facts out of events. Source: docs/supply-profile.md sections 5 and 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from ledger.supply.corrections import Correction
from ledger.supply.reported import Goods, ReportedEvent
from ledger.supply.terms import EventKind

__all__ = [
    "ACCEPTED",
    "ARRIVED",
    "COMMISSIONED",
    "INSTALLED",
    "SHIPPED",
    "Agreement",
    "Goods",
    "Line",
    "Money",
    "Move",
    "ReportedEvent",
    "Sampling",
    "SupplyFacts",
    "TestReport",
    "Transformation",
    "class_by_form",
]

COMMISSIONED: Final = "commissioned"
SHIPPED: Final = "shipped"
ARRIVED: Final = "arrived"
ACCEPTED: Final = "accepted"
INSTALLED: Final = "installed"


@dataclass(frozen=True, slots=True)
class Move:
    """Something happened to goods.

    Attributes:
        event: that says so.
        what: `commissioned`, `shipped`, `arrived`, `accepted` or `installed`.
        step: the bizStep, so that `arriving` and `receiving` of the same goods are not added up.
        goods: containers opened, see `ledger.supply.packing`.
        source: who had them before: a code or URI, or None.
        destination: who has them then.
        owner_from: owner before, where the event names one.
        owner_to: owner after.
        contract: its URI, or None.
        elements: GlobalIds they were built into.
        reports: digests of test reports it refers to.
    """

    event: ReportedEvent
    what: str
    step: str
    goods: tuple[Goods, ...]
    source: str | None = field(default=None, kw_only=True)
    destination: str | None = field(default=None, kw_only=True)
    owner_from: str | None = field(default=None, kw_only=True)
    owner_to: str | None = field(default=None, kw_only=True)
    contract: str | None = field(default=None, kw_only=True)
    elements: tuple[str, ...] = field(default=(), kw_only=True)
    reports: tuple[str, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True, slots=True)
class Line:
    """What a contract says of a class: the material's word, and the price of a unit in yuan or None."""

    material: str
    unit_price: Decimal | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """A contract or an order.

    Attributes:
        event: that reports it.
        number: its URI.
        contract: the contract's URI (its own number for a contract).
        buyer: organisation code.
        roles: roles of each party by its code.
        lines: by class; empty for an order.
        goods: quantities of classes.
        advance: yuan that may be paid before anything is accepted; zero: none.
    """

    event: ReportedEvent
    number: str
    contract: str
    buyer: str
    roles: Mapping[str, frozenset[str]]
    lines: Mapping[str, Line]
    goods: tuple[Goods, ...]
    advance: Decimal


@dataclass(frozen=True, slots=True)
class Sampling:
    """Samples were taken: `sample` names them, `lots` are what they were taken from."""

    event: ReportedEvent
    sample: str
    lots: frozenset[str]
    witness: str


@dataclass(frozen=True, slots=True)
class TestReport:
    """A laboratory's report: digest of the document, samples, the lots it covers, and whether they passed."""

    event: ReportedEvent
    sha256: str
    laboratory: str
    samples: tuple[str, ...]
    lots: frozenset[str]
    passed: bool


@dataclass(frozen=True, slots=True)
class Transformation:
    """Inputs became outputs; events of one transformationID are one transformation.

    Attributes:
        events: that report it, in order of time; the last one's time is its own.
        inputs: what was used up.
        outputs: what was made.
    """

    events: tuple[ReportedEvent, ...]
    inputs: tuple[Goods, ...]
    outputs: tuple[Goods, ...]


@dataclass(frozen=True, slots=True)
class Money:
    """Funding, application, approval, payment or settlement.

    Attributes:
        event: that reports it.
        kind: which of them.
        number: its own URI.
        contract: URI, or empty for funding.
        application: URI of the application it is about, or empty.
        approval: URI of the approval it is about, or empty.
        amount: yuan.
        payer: organisation code.
        payee: organisation code.
        approver: organisation code, or empty.
    """

    event: ReportedEvent
    kind: EventKind
    number: str
    contract: str
    application: str
    approval: str
    amount: Decimal
    payer: str
    payee: str
    approver: str


@dataclass(frozen=True, slots=True)
class SupplyFacts:
    """What stands, in order of time; nothing here depends on the order in which events were given.

    Attributes:
        all_events: given, each once.
        standing: neither declarations nor annulled.
        corrections: declarations with what they are about.
        moves: of goods.
        agreements: contracts and orders.
        samplings: samplings.
        reports: test reports, under whoever's seal.
        transformations: by the time of their last event.
        money: funding, applications, approvals, payments, settlements.
        classes: class of each commissioned thing.
        materials: words for the material of things and classes, from contracts, commissioning and what things were
            made from.
    """

    all_events: tuple[ReportedEvent, ...]
    standing: tuple[ReportedEvent, ...]
    corrections: tuple[Correction, ...]
    moves: tuple[Move, ...]
    agreements: tuple[Agreement, ...]
    samplings: tuple[Sampling, ...]
    reports: tuple[TestReport, ...]
    transformations: tuple[Transformation, ...]
    money: tuple[Money, ...]
    classes: Mapping[str, str]
    materials: Mapping[str, frozenset[str]]

    def moved(self, *what: str) -> list[Move]:
        """Return the moves of the given kinds, in order of time."""
        return [move for move in self.moves if move.what in what]

    def class_of(self, thing: str) -> str:
        """Return the class of a lot or instance: as commissioned, else by its form, else itself."""
        return self.classes.get(thing) or class_by_form(thing)

    def materials_of(self, thing: str) -> frozenset[str]:
        """Return the words for a thing's material; those of its class included."""
        own = self.materials.get(thing, frozenset())
        return own | self.materials.get(self.class_of(thing), frozenset())


def class_by_form(thing: str) -> str:
    """Return the class that the identifier of a lot or instance names by its own form.

    Args:
        thing: `urn:epc:class:lgtin:` and `urn:epc:id:sgtin:` give `urn:epc:idpat:sgtin:…*`; a GS1 Digital Link gives
            the part before `/10/` or `/21/`; `urn:yunshang:lot:<code>:<class>:<lot>` gives
            `urn:yunshang:class:<code>:<class>`.

    Returns:
        The class; the thing itself where the form says nothing.
    """
    if thing.startswith(("urn:epc:class:lgtin:", "urn:epc:id:sgtin:")):
        parts = thing.split(":", 4)[4].split(".", 2)
        return f"urn:epc:idpat:sgtin:{parts[0]}.{parts[1]}.*" if len(parts) == 3 else thing
    if thing.startswith("urn:yunshang:lot:"):
        parts = thing.split(":", 5)
        return f"urn:yunshang:class:{parts[3]}:{parts[4]}" if len(parts) == 6 else thing
    for mark in ("/10/", "/21/"):
        head, found, _ = thing.partition(mark)
        if found and "/01/" in head:
            return head
    return thing
