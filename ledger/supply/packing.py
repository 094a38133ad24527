"""What is packed in what: a container that is shipped or built in stands for what is in it at that time.

Source: EPCIS 2.0 section 7.4.3 (AggregationEvent) and 7.4.6 (AssociationEvent); docs/supply-profile.md section 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from ledger.errors import MalformedError
from ledger.supply.amounts import EXACT, PIECES, parse_quantity, unit_of
from ledger.supply.reported import Goods

__all__ = ["Packing", "goods_of"]


def goods_of(record: Mapping[str, Any], things: str, quantities: str) -> tuple[Goods, ...]:
    """Read goods out of two members of an event.

    Args:
        record: an EPCIS event.
        things: member with EPCs, such as `epcList`.
        quantities: member with quantities of classes or lots, such as `quantityList`.

    Returns:
        In the order written, an EPC once. A quantity that is missing, zero or negative is None: it adds to nothing,
        so that no event can lower a sum.
    """
    found = [
        Goods(item, Decimal(1), PIECES) for item in dict.fromkeys(record.get(things) or ()) if isinstance(item, str)
    ]
    for item in record.get(quantities) or ():
        found.append(Goods(item["epcClass"], _quantity(item.get("quantity")), unit_of(item.get("uom"))))
    return tuple(found)


def _quantity(value: Any) -> Decimal | None:
    if value is None:
        return None
    try:
        return parse_quantity(value)
    except MalformedError:
        return None


class Packing:
    """The contents of containers, as events in order of time change them."""

    def __init__(self) -> None:
        self._contents: dict[str, dict[tuple[str, str], Decimal | None]] = {}
        self._made: set[str] = set()

    def read(self, record: Mapping[str, Any]) -> None:
        """Take one event into account; events MUST come in order of time."""
        kind, action = record.get("type"), record.get("action")
        if kind == "ObjectEvent" and action == "ADD":
            self._made.update(item for item in record.get("epcList") or () if isinstance(item, str))
        if kind not in ("AggregationEvent", "AssociationEvent") or not isinstance(record.get("parentID"), str):
            return
        inside = goods_of(record, "childEPCs", "childQuantityList")
        contents = self._contents.setdefault(record["parentID"], {})
        if action == "ADD":
            for item in inside:
                _add(contents, item)
        elif action == "DELETE":
            if not inside:  # the standard: all of them
                contents.clear()
            for item in inside:
                _take(contents, item)

    def opened(self, goods: Iterable[Goods]) -> tuple[Goods, ...]:
        """Put the contents of containers in their places, through every layer.

        Args:
            goods: of an event.

        Returns:
            What is in containers, and what is none; a container that was made itself stays beside its contents. A
            container packed in itself is opened once.
        """
        if not self._contents:
            return tuple(goods)
        found: list[Goods] = []
        opened: set[str] = set()
        waiting = list(reversed(tuple(goods)))
        while waiting:
            item = waiting.pop()
            contents = self._contents.get(item.thing)
            if not contents or item.thing in opened:
                if item.thing not in opened:
                    found.append(item)
                continue
            opened.add(item.thing)
            if item.thing in self._made:
                found.append(item)
            waiting.extend(Goods(thing, quantity, unit) for (thing, unit), quantity in reversed(contents.items()))
        return tuple(found)


def _add(contents: dict[tuple[str, str], Decimal | None], item: Goods) -> None:
    key = (item.thing, item.unit)
    before = contents.get(key, Decimal(0))
    if item.quantity is None or before is None:
        contents[key] = None
    elif item.unit == PIECES and item.quantity == 1:  # an instance is there or not
        contents[key] = max(before, item.quantity)
    else:
        contents[key] = EXACT.add(before, item.quantity)


def _take(contents: dict[tuple[str, str], Decimal | None], item: Goods) -> None:
    key = (item.thing, item.unit)
    before = contents.get(key)
    if before is None or item.quantity is None or item.quantity >= before:
        contents.pop(key, None)
    else:
        contents[key] = EXACT.subtract(before, item.quantity)
