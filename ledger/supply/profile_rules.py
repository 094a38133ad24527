"""What a schema can't say of the profile's events: members that must agree with each other.

Source: docs/supply-profile.md section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from ledger.errors import MalformedError
from ledger.supply.amounts import EXACT, parse_amount, parse_quantity, unit_of
from ledger.supply.terms import PREFIX, EventKind, many, transactions_of

__all__ = ["RULES", "pointer", "refusal"]


def refusal(code: str, where: str, expected: str, actual: str) -> MalformedError:
    """Return the error of an event that does not fit; `where` is a JSON pointer within the event."""
    return MalformedError(
        f"expected {expected}, got {actual}", code=code, where=where, expected=expected, actual=actual
    )


def pointer(*parts: str | int) -> str:
    """Return a JSON pointer (RFC 6901) of members and indexes."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _number_belongs_to(word: str, member: str) -> Callable[[Mapping[str, Any]], None]:
    """Who gives a number stands in it: so nobody uses up another's numbers."""

    def check(event: Mapping[str, Any]) -> None:
        uri = transactions_of(event, word)[0]
        if uri.split(":")[3] != event[PREFIX + member]:
            where = next(
                index for index, item in enumerate(event["bizTransactionList"]) if item["bizTransaction"] == uri
            )
            raise refusal(
                "profile_reference",
                pointer("bizTransactionList", where, "bizTransaction"),
                f"the code of {PREFIX}{member} in the number",
                uri.split(":")[3],
            )

    return check


def _two_parties(first: str, second: str) -> Callable[[Mapping[str, Any]], None]:
    def check(event: Mapping[str, Any]) -> None:
        if event[PREFIX + first] == event[PREFIX + second]:
            raise refusal("profile_reference", pointer(PREFIX + second), f"another than {PREFIX}{first}", "the same")

    return check


def _check_contract(event: Mapping[str, Any]) -> None:
    parties = many(event["yunshang:parties"])
    buyers = [item["yunshang:code"] for item in parties if item["yunshang:role"] == "buyer"]
    if len(buyers) != 1 or all(item["yunshang:code"] == buyers[0] for item in parties):
        raise refusal("profile_reference", "/yunshang:parties", "one buyer and another party", f"{len(buyers)} buyers")
    number = transactions_of(event, "contract")[0]
    if number.split(":")[3] != buyers[0]:
        raise refusal("profile_reference", "/bizTransactionList", "the buyer's code in the contract's number", number)
    lines = many(event.get("yunshang:lines"))
    classes = [item["yunshang:class"] for item in lines]
    if len(set(classes)) != len(classes):
        raise refusal("profile_reference", "/yunshang:lines", "each class once", "one twice")
    quantities = {item["epcClass"] for item in event.get("quantityList") or ()}
    if set(classes) != quantities:
        raise refusal(
            "profile_reference",
            "/yunshang:lines",
            "a line for each class of quantityList and for no other",
            f"{len(classes)} lines for {len(quantities)} classes",
        )
    priced = any("yunshang:unitPrice" in item for item in lines)
    if (priced or "yunshang:amount" in event or "yunshang:advance" in event) and "yunshang:currency" not in event:
        raise refusal("profile_member", "/yunshang:currency", "member yunshang:currency beside amounts", "none")
    if "yunshang:advance" in event:
        where = "/yunshang:advance"
        if "yunshang:amount" not in event or parse_amount(event["yunshang:advance"], where) > parse_amount(
            event["yunshang:amount"]
        ):
            raise refusal("profile_reference", where, "an advance within the contract's amount", "more, or no amount")


def _check_possession(event: Mapping[str, Any]) -> None:
    source = next(item["source"] for item in event["sourceList"] if item.get("type") == "possessing_party")
    destination = next(
        item["destination"] for item in event["destinationList"] if item.get("type") == "possessing_party"
    )
    if source == destination:
        raise refusal("profile_reference", "/destinationList", "another party than the source", "the same")


def _check_installation(event: Mapping[str, Any]) -> None:
    available: dict[tuple[str, str], Decimal] = {}
    for item in event.get("quantityList") or ():
        key = (item["epcClass"], unit_of(item.get("uom")))
        available[key] = EXACT.add(available.get(key, Decimal(0)), parse_quantity(item["quantity"]))
    for epc in event.get("epcList") or ():
        available[epc, unit_of(None)] = Decimal(1)
    seen: set[str] = set()
    several = isinstance(event["yunshang:elements"], list)
    for index, element in enumerate(many(event["yunshang:elements"])):
        where: list[str | int] = ["yunshang:elements", *([index] if several else [])]
        if element["yunshang:globalId"] in seen:
            raise refusal("profile_reference", pointer(*where, "yunshang:globalId"), "each element once", "one twice")
        seen.add(element["yunshang:globalId"])
        for used in many(element.get("yunshang:used")):
            key = (used["yunshang:thing"], unit_of(used.get("yunshang:uom")))
            left = EXACT.subtract(available.get(key, Decimal(0)), parse_quantity(used["yunshang:quantity"]))
            if left < 0:
                raise refusal(
                    "profile_reference",
                    pointer(*where, "yunshang:used"),
                    "no more than the event's own quantity of the lot",
                    "more",
                )
            available[key] = left


_Check = Callable[[Mapping[str, Any]], None]
_PAYMENT: Final = _two_parties("payer", "payee")
RULES: Final[Mapping[EventKind, tuple[_Check, ...]]] = MappingProxyType(
    {
        EventKind.CONTRACT: (_check_contract,),
        EventKind.ORDER: (_two_parties("buyer", "supplier"), _number_belongs_to("order", "buyer")),
        EventKind.SHIPMENT: (_check_possession,),
        EventKind.ARRIVAL: (_check_possession,),
        EventKind.INSTALLATION: (_check_installation,),
        EventKind.FUNDING: (_PAYMENT, _number_belongs_to("funding", "payee")),
        EventKind.PAYMENT_APPLICATION: (_PAYMENT, _number_belongs_to("application", "payee")),
        EventKind.PAYMENT_APPROVAL: (
            _PAYMENT,
            _number_belongs_to("application", "payee"),
            _number_belongs_to("approval", "approver"),
        ),
        EventKind.PAYMENT: (_PAYMENT, _number_belongs_to("payment", "payer")),
        EventKind.SETTLEMENT: (_PAYMENT, _number_belongs_to("settlement", "payer")),
    }
)
"""Of each kind, what is checked after the schema; each raises MalformedError."""
