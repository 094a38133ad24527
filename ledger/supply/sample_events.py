"""Builds events of the construction profile from plain values: for generated projects, demonstrations and tests.

Source: docs/supply-profile.md sections 2 and 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from ledger.supply.terms import CONTEXT, PARTY_URI, PREFIX, STEP_OF_KIND, TRANSACTION_TYPES, EventKind

__all__ = [
    "CHINA",
    "EPCIS_CONTEXT",
    "Draft",
    "amount_members",
    "goods_members",
    "number",
    "possession",
    "profile_event",
]

EPCIS_CONTEXT: Final = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
CHINA: Final = timezone(timedelta(hours=8))
_TRANSACTIONS: Final = frozenset(
    {
        EventKind.CONTRACT,
        EventKind.ORDER,
        EventKind.FUNDING,
        EventKind.PAYMENT_APPLICATION,
        EventKind.PAYMENT_APPROVAL,
        EventKind.PAYMENT,
        EventKind.SETTLEMENT,
    }
)


@dataclass(slots=True)
class Draft:
    """An event that is not sealed yet.

    Attributes:
        record: its members, complete but for `yunshang:coveredEvents`.
        reporter: organisation code of whoever will seal it.
        covers: names of the drafts whose hash ids `yunshang:coveredEvents` will be.
        late_days: days between the event and its record.
        certificate_valid: of the seal.
    """

    record: dict[str, Any]
    reporter: str
    covers: tuple[str, ...] = field(default=(), kw_only=True)
    late_days: int = field(default=0, kw_only=True)
    certificate_valid: bool = field(default=True, kw_only=True)


def number(word: str, code: str, text: str) -> str:
    """Return the URI of a contract, order, application and so on: `urn:yunshang:<word>:<code>:<number>`."""
    return f"urn:yunshang:{word}:{code}:{text}"


def goods_members(quantities: Iterable[tuple[str, float, str | None]] = (), epcs: Sequence[str] = ()) -> dict[str, Any]:
    """Return `quantityList` and `epcList`.

    Args:
        quantities: of each lot or class: URI, quantity, unit or None for pieces.
        epcs: instances.
    """
    listed = [
        {"epcClass": thing, "quantity": quantity, **({"uom": uom} if uom else {})}
        for thing, quantity, uom in quantities
    ]
    return {**({"quantityList": listed} if listed else {}), **({"epcList": list(epcs)} if epcs else {})}


def possession(source: str, destination: str) -> dict[str, Any]:
    """Return `sourceList` and `destinationList` of goods that go from one organisation to another."""
    return {
        "sourceList": [{"type": "possessing_party", "source": PARTY_URI + source}],
        "destinationList": [{"type": "possessing_party", "destination": PARTY_URI + destination}],
    }


def amount_members(amount: str, payer: str, payee: str) -> dict[str, str]:
    """Return the profile's members of money, without their prefix.

    Args:
        amount: yuan with two places.
        payer: organisation code.
        payee: organisation code.
    """
    return {"amount": amount, "currency": "CNY", "payer": payer, "payee": payee}


def profile_event(
    kind: EventKind,
    time: datetime,
    *,
    own: Mapping[str, Any],
    standard: Mapping[str, Any] | None = None,
    transactions: Iterable[tuple[str, str]] = (),
    event_id: str | None = None,
) -> dict[str, Any]:
    """Build one event of the profile, self-contained.

    Args:
        kind: which.
        time: when it happened.
        own: the profile's members, without their prefix.
        standard: further members of the standard.
        transactions: type (a word of `TRANSACTION_TYPES`) and URI of each business transaction.
        event_id: its `eventID`, or None.
    """
    listed = [{"type": TRANSACTION_TYPES[word], "bizTransaction": uri} for word, uri in transactions]
    is_transaction = kind in _TRANSACTIONS
    adds = is_transaction or kind is EventKind.COMMISSIONING
    record: dict[str, Any] = {
        "@context": [EPCIS_CONTEXT, dict(CONTEXT)],
        "type": "TransactionEvent" if is_transaction else "ObjectEvent",
        **({"eventID": event_id} if event_id else {}),
        "eventTime": time.astimezone(CHINA).isoformat(timespec="seconds"),
        "eventTimeZoneOffset": "+08:00",
        "action": "ADD" if adds else "OBSERVE",
        "bizStep": STEP_OF_KIND[kind],
        **({"bizTransactionList": listed} if listed else {}),
        **(standard or {}),
        **{PREFIX + name: value for name, value in own.items()},
    }
    if is_transaction and "quantityList" not in record:
        record["epcList"] = []
    return record
