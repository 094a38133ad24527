"""Small projects for tests of tracing, written down event by event."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from ledger.canonical import canonical_record
from ledger.supply.follow import Thing, TracedEvent, names
from ledger.supply.mentions import mentions
from ledger.supply.terms import CONTEXT, STEP_OF_KIND, TRANSACTION_TYPES, EventKind, kind_of

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
BUYER = "91440101MA5000001X"
SUPPLIER = "91440101MA5000002Y"
CONTRACT = f"urn:yunshang:contract:{BUYER}:HT-1"
ORDER = f"urn:yunshang:order:{BUYER}:DD-1"
APPLICATION = f"urn:yunshang:application:{SUPPLIER}:SQ-1"
APPROVAL = f"urn:yunshang:approval:{BUYER}:SP-1"
PAYMENT = f"urn:yunshang:payment:{BUYER}:FK-1"
REPORT = "ab" * 32
ELEMENT = "0000000000000000000001"
OTHER_ELEMENT = "0000000000000000000002"


def lot(number: int) -> str:
    """A lot of one product."""
    return f"urn:epc:class:lgtin:6901234.000001.L{number}"


PRODUCT = "urn:epc:idpat:sgtin:6901234.000001.*"


class Project:
    """Events in the order in which they are added, an hour apart."""

    def __init__(self) -> None:
        self.events: list[TracedEvent] = []

    def add(
        self, kind: EventKind | None, *lots: str, stream: str = "supply", reporter: str = BUYER, **members: Any
    ) -> TracedEvent:
        """Add an event."""
        record: dict[str, Any] = {"@context": ["x", dict(CONTEXT)], "type": "ObjectEvent", "action": "OBSERVE"}
        time = START + timedelta(hours=len(self.events))
        record |= {"eventTime": time.isoformat(), "number": len(self.events)}
        if kind is not None:
            record |= {"bizStep": STEP_OF_KIND[kind], "yunshang:note": "x"}
        if lots:
            record["quantityList"] = [{"epcClass": name, "quantity": 1} for name in lots]
        record |= {name.replace("yunshang_", "yunshang:"): value for name, value in members.items()}
        digest = sha256(canonical_record(record)).hexdigest()
        return self._append(record, f"ni:///sha-256;{digest}?ver=CBV2.0", digest, reporter, stream, time)

    def declare(
        self, event: TracedEvent, *, reporter: str | None = None, corrected_by: Sequence[str] = ()
    ) -> TracedEvent:
        """Declare an event to be in error."""
        record = dict(event.record) | {"errorDeclaration": {"correctiveEventIDs": list(corrected_by)}}
        digest = sha256(canonical_record(record)).hexdigest()
        return self._append(record, event.hash_id, digest, reporter or event.reporter, event.stream, event.event_time)

    def _append(
        self, record: dict[str, Any], hash_id: str, digest: str, reporter: str, stream: str, time: datetime
    ) -> TracedEvent:
        event = TracedEvent(
            record,
            hash_id,
            record_sha256=digest,
            reporter=reporter,
            stream=stream,
            index=len(self.events),
            event_time=time,
            kind=kind_of(record),
            mentions=mentions(record),
        )
        self.events.append(event)
        return event

    def fetch(self, things: Sequence[Thing]) -> Iterable[TracedEvent]:
        """What a store gives."""
        found = [event for event in self.events if any(names(event, thing) for thing in things)]
        return found + self.declarations(found)

    def declarations(self, found: Iterable[TracedEvent]) -> list[TracedEvent]:
        """What declares some events to be in error."""
        known = {name for event in found for name in event.names}
        return [event for event in self.events if event.is_declaration and not known.isdisjoint(event.names)]


def transactions(**given: str) -> list[dict[str, str]]:
    """A bizTransactionList."""
    return [{"type": TRANSACTION_TYPES[word], "bizTransaction": name} for word, name in given.items()]


def whole_story() -> Project:
    """One lot from its contract to its element and its payment, beside others that have nothing to do with it."""
    project = Project()
    add = project.add
    add(EventKind.CONTRACT, type="TransactionEvent", bizTransactionList=transactions(contract=CONTRACT))
    add(
        EventKind.ORDER,
        PRODUCT,
        type="TransactionEvent",
        bizTransactionList=transactions(contract=CONTRACT, order=ORDER),
    )
    for number in (1, 2):
        name = lot(number)
        add(EventKind.COMMISSIONING, name, action="ADD", reporter=SUPPLIER, yunshang_class=PRODUCT)
        add(EventKind.SHIPMENT, name, reporter=SUPPLIER, bizTransactionList=transactions(order=ORDER))
        add(EventKind.ARRIVAL, name, bizTransactionList=transactions(order=ORDER))
        add(EventKind.SAMPLING, name, yunshang_sample=f"S{number}")
        add(EventKind.TEST_REPORT, name, yunshang_report=REPORT if number == 1 else "cd" * 32)
        add(
            EventKind.ACCEPTANCE,
            name,
            yunshang_reports=[REPORT if number == 1 else "cd" * 32],
            bizTransactionList=transactions(contract=CONTRACT),
        )
        add(
            EventKind.INSTALLATION,
            name,
            yunshang_elements=[{"yunshang:globalId": ELEMENT if number == 1 else OTHER_ELEMENT}],
        )
    accepted = next(event for event in project.events if event.kind is EventKind.ACCEPTANCE)
    money = {"type": "TransactionEvent", "stream": "funds"}
    add(
        EventKind.PAYMENT_APPLICATION,
        **money,
        reporter=SUPPLIER,
        yunshang_coveredEvents=[accepted.hash_id],
        bizTransactionList=transactions(contract=CONTRACT, application=APPLICATION),
    )
    add(
        EventKind.PAYMENT_APPROVAL,
        **money,
        bizTransactionList=transactions(contract=CONTRACT, application=APPLICATION, approval=APPROVAL),
    )
    add(
        EventKind.PAYMENT,
        **money,
        bizTransactionList=transactions(contract=CONTRACT, approval=APPROVAL, payment=PAYMENT),
    )
    add(
        EventKind.PAYMENT_APPLICATION,
        **money,
        reporter=SUPPLIER,
        yunshang_coveredEvents=["ni:///sha-256;" + "0" * 64 + "?ver=CBV2.0"],
        bizTransactionList=transactions(contract=CONTRACT, application=APPLICATION + "0"),
    )
    return project
