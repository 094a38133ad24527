"""Reads typed facts out of reported events, once, in one order of time whatever order they came in.

Corrections are taken into account, packing (AggregationEvent) and transformation are followed.
Source: docs/supply-profile.md section 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from ledger.errors import MalformedError
from ledger.supply.amounts import PIECES
from ledger.supply.corrections import settle
from ledger.supply.facts import (
    ACCEPTED,
    ARRIVED,
    COMMISSIONED,
    INSTALLED,
    SHIPPED,
    Agreement,
    Line,
    Money,
    Move,
    Sampling,
    SupplyFacts,
    TestReport,
    Transformation,
    class_by_form,
)
from ledger.supply.packing import Packing, goods_of
from ledger.supply.reported import Goods, ReportedEvent
from ledger.supply.terms import EventKind, kind_of, many, party_code, step_of, transactions_of

__all__ = ["read_facts"]

# Events outside the profile count too: leaving the profile's members out hides nothing.
_MOVES: Final[Mapping[str, str]] = {
    "commissioning": COMMISSIONED,
    "creating_class_instance": COMMISSIONED,
    "shipping": SHIPPED,
    "departing": SHIPPED,
    "arriving": ARRIVED,
    "receiving": ARRIVED,
    "accepting": ACCEPTED,
    "installing": INSTALLED,
}


def read_facts(events: Iterable[ReportedEvent]) -> SupplyFacts:
    """Read the facts out of reported events.

    Args:
        events: of one building, of the streams `supply` and `funds`, in any order; each record passed
            `check_profile`. An event given twice counts once.

    Raises:
        MalformedError: a record that `check_profile` refuses.
    """
    given, standing, corrections = settle(events)
    reader = _Reader()
    for event in standing:
        reader.read(event)
    transformations = reader.transformations()
    return SupplyFacts(
        given,
        standing,
        corrections,
        tuple(reader.moves),
        tuple(reader.agreements),
        tuple(reader.samplings),
        tuple(reader.reports),
        transformations,
        tuple(reader.money),
        reader.classes,
        _with_inputs(reader.materials, transformations),
    )


class _Reader:
    """Collects facts, event by event, in order of time."""

    def __init__(self) -> None:
        self.packing = Packing()
        self.moves: list[Move] = []
        self.agreements: list[Agreement] = []
        self.samplings: list[Sampling] = []
        self.reports: list[TestReport] = []
        self.money: list[Money] = []
        self.classes: dict[str, str] = {}
        self.materials: dict[str, set[str]] = {}
        self._transformed: dict[str, list[ReportedEvent]] = {}

    def read(self, event: ReportedEvent) -> None:
        record = event.record
        kind = kind_of(record)
        if record.get("type") == "TransformationEvent":
            self._transformed.setdefault(record.get("transformationID") or event.hash_id, []).append(event)
        self.packing.read(record)
        what = _MOVES.get(step_of(record))
        try:
            if what is not None:
                self._move(event, what)
            if kind is not None:
                self._of_kind(event, kind)
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise MalformedError(
                f"expected an event of the profile, got one without {error}", code="profile_member", where=event.hash_id
            ) from error

    def _move(self, event: ReportedEvent, what: str) -> None:
        record = event.record
        goods = self.packing.opened(goods_of(record, "epcList", "quantityList"))
        if "parentID" in record:
            inside = goods_of(record, "childEPCs", "childQuantityList")
            goods = self.packing.opened(inside or (Goods(record["parentID"], Decimal(1), PIECES),))
        contract = transactions_of(record, "contract")
        self.moves.append(
            Move(
                event,
                what,
                step_of(record),
                goods,
                source=_party(record, "source", "possessing_party"),
                destination=_party(record, "destination", "possessing_party"),
                owner_from=_party(record, "source", "owning_party"),
                owner_to=_party(record, "destination", "owning_party"),
                contract=contract[0] if contract else None,
                elements=tuple(
                    item["yunshang:globalId"]
                    for item in many(record.get("yunshang:elements"))
                    if isinstance(item, dict) and "yunshang:globalId" in item
                ),
                reports=tuple(many(record.get("yunshang:reports"))),
            )
        )
        if what == COMMISSIONED and kind_of(record) is EventKind.COMMISSIONING:
            for item in goods:
                self.classes.setdefault(item.thing, record["yunshang:class"])
                for name in (item.thing, record["yunshang:class"]):
                    self.materials.setdefault(name, set()).add(record["yunshang:material"])

    def _of_kind(self, event: ReportedEvent, kind: EventKind) -> None:
        record = event.record
        if kind in (EventKind.CONTRACT, EventKind.ORDER):
            self.agreements.append(agreement := _agreement(event, kind))
            for name, line in agreement.lines.items():
                self.materials.setdefault(name, set()).add(line.material)
        elif kind is EventKind.SAMPLING:
            lots = self._lots(record)
            self.samplings.append(Sampling(event, record["yunshang:sample"], lots, record["yunshang:witness"]))
        elif kind is EventKind.TEST_REPORT:
            self.reports.append(
                TestReport(
                    event,
                    record["yunshang:report"],
                    record["yunshang:laboratory"],
                    tuple(many(record["yunshang:samples"])),
                    self._lots(record),
                    record["yunshang:result"] == "pass",
                )
            )
        elif "yunshang:amount" in record:
            self.money.append(_money(event, kind))

    def _lots(self, record: Mapping[str, Any]) -> frozenset[str]:
        goods = goods_of(record, "epcList", "quantityList")
        return frozenset(item.thing for item in (*goods, *self.packing.opened(goods)))

    def transformations(self) -> tuple[Transformation, ...]:
        made = [
            Transformation(
                tuple(events),
                tuple(item for event in events for item in goods_of(event.record, "inputEPCList", "inputQuantityList")),
                tuple(
                    item for event in events for item in goods_of(event.record, "outputEPCList", "outputQuantityList")
                ),
            )
            for events in self._transformed.values()
        ]
        return tuple(sorted(made, key=lambda item: (item.events[-1].event_time, item.events[-1].hash_id)))


def _party(record: Mapping[str, Any], member: str, kind: str) -> str | None:
    for item in record.get(f"{member}List") or ():
        if str(item.get("type")).endswith(kind):
            uri = item.get(member)
            return party_code(uri) or uri
    return None


def _agreement(event: ReportedEvent, kind: EventKind) -> Agreement:
    record = event.record
    contract = transactions_of(record, "contract")[0]
    roles: dict[str, set[str]] = {}
    for party in many(record.get("yunshang:parties")):
        roles.setdefault(party["yunshang:code"], set()).add(party["yunshang:role"])
    if kind is EventKind.ORDER:
        roles = {record["yunshang:buyer"]: {"buyer"}, record["yunshang:supplier"]: {"supplier"}}
    return Agreement(
        event,
        transactions_of(record, "order")[0] if kind is EventKind.ORDER else contract,
        contract,
        next(code for code, names in roles.items() if "buyer" in names),
        {code: frozenset(names) for code, names in roles.items()},
        {
            line["yunshang:class"]: Line(
                line["yunshang:material"],
                Decimal(line["yunshang:unitPrice"]) if "yunshang:unitPrice" in line else None,
            )
            for line in many(record.get("yunshang:lines"))
        },
        goods_of(record, "epcList", "quantityList"),
        Decimal(record.get("yunshang:advance", "0.00")),
    )


_OWN_NUMBER: Final[Mapping[EventKind, str]] = {
    EventKind.FUNDING: "funding",
    EventKind.PAYMENT_APPLICATION: "application",
    EventKind.PAYMENT_APPROVAL: "approval",
    EventKind.PAYMENT: "payment",
    EventKind.SETTLEMENT: "settlement",
}


def _money(event: ReportedEvent, kind: EventKind) -> Money:
    record = event.record
    return Money(
        event,
        kind,
        _first(record, _OWN_NUMBER[kind]),
        _first(record, "contract"),
        _first(record, "application"),
        _first(record, "approval"),
        Decimal(record["yunshang:amount"]),
        record["yunshang:payer"],
        record["yunshang:payee"],
        record.get("yunshang:approver", ""),
    )


def _first(record: Mapping[str, Any], word: str) -> str:
    found = transactions_of(record, word)
    return found[0] if found else ""


def _with_inputs(
    materials: Mapping[str, set[str]], transformations: Sequence[Transformation]
) -> Mapping[str, frozenset[str]]:
    """What is made of a material is of it too, where nobody said what it is: a new name hides no material."""
    found = {thing: frozenset(words) for thing, words in materials.items()}
    for item in transformations:
        inherited: frozenset[str] = frozenset()
        for part in item.inputs:
            inherited |= found.get(part.thing) or found.get(class_by_form(part.thing), frozenset())
        for part in item.outputs:
            if part.thing not in materials and class_by_form(part.thing) not in materials:
                found[part.thing] = found.get(part.thing, frozenset()) | inherited
    return found
