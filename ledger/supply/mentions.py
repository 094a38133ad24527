"""What an event mentions: things, parties, documents and elements that it can be found by and traced along.

Every EPCIS event type is read, the profile's members included. This is on the path of capture, so one pass, no copies.
Source: docs/supply-profile.md section 8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.supply.terms import PARTY_URI, STEP_OF_KIND, EventKind, step_of, transactions_of

__all__ = ["MENTION_KINDS", "Mention", "mentioned", "mentions"]

MENTION_KINDS: Final = (
    "epc",
    "class",
    "parent",
    "child",
    "input",
    "output",
    "input_class",
    "output_class",
    "transaction",
    "element",
    "document",
    "party",
    "agreement",
    "under",
    "event",
)


@dataclass(frozen=True, slots=True)
class Mention:
    """One thing that an event mentions.

    Attributes:
        kind: of `MENTION_KINDS`. `class` is an EPC class or lot; children that are classes or lots are `child`.
        thing: the EPC, class or transaction as written; an element's GlobalId; a document's SHA-256, 64 hex digits;
            an organisation's code, or a source or destination as written where it is no organisation of the profile.
            `agreement` is the contract or order that the event itself makes, `under` the contract that an order is
            under, `event` the hash id of one it covers.
    """

    kind: str
    thing: str


_LISTS: Final = (
    ("epcList", "epc"),
    ("parentID", "parent"),
    ("childEPCs", "child"),
    ("inputEPCList", "input"),
    ("outputEPCList", "output"),
)
_QUANTITIES: Final = (
    ("quantityList", "class"),
    ("childQuantityList", "child"),
    ("inputQuantityList", "input_class"),
    ("outputQuantityList", "output_class"),
)
_PROFILE: Final[Mapping[str, str]] = {
    "yunshang:report": "document",
    "yunshang:reports": "document",
    "yunshang:documents": "document",
    "yunshang:acceptedBy": "party",
    "yunshang:approver": "party",
    "yunshang:buyer": "party",
    "yunshang:carrier": "party",
    "yunshang:laboratory": "party",
    "yunshang:payee": "party",
    "yunshang:payer": "party",
    "yunshang:producer": "party",
    "yunshang:sampler": "party",
    "yunshang:supplier": "party",
    "yunshang:witness": "party",
    "yunshang:coveredEvents": "event",
}
_AGREEMENTS: Final = {
    STEP_OF_KIND[EventKind.CONTRACT]: (("agreement", "contract"),),
    STEP_OF_KIND[EventKind.ORDER]: (("agreement", "order"), ("under", "contract")),
}
_INNER: Final[Mapping[str, tuple[str, str]]] = {
    "yunshang:elements": ("element", "yunshang:globalId"),
    "yunshang:parties": ("party", "yunshang:code"),
    "yunshang:lines": ("class", "yunshang:class"),
}


def mentions(record: Mapping[str, Any]) -> tuple[Mention, ...]:
    """Return what an event mentions, each once.

    Args:
        record: an EPCIS event of any type; members of another form than the standard's mention nothing.

    Returns:
        In a stable order: things, quantities, transactions, parties, then the profile's members by name.
    """
    return tuple([Mention(kind, thing) for kind, thing in mentioned(record)])


def mentioned(record: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The same as kinds and things: this is what capture keeps."""
    found: dict[tuple[str, str], None] = {}
    for name, kind in _LISTS:
        value = record.get(name)
        if value is not None:
            for thing in value if isinstance(value, list) else (value,):
                if isinstance(thing, str):
                    found[kind, thing] = None
    for name, kind in _QUANTITIES:
        value = record.get(name)
        if value is not None:
            _inner(found, value, kind, "epcClass")
    value = record.get("bizTransactionList")
    if value is not None:
        _inner(found, value, "transaction", "bizTransaction")
        for kind, word in _AGREEMENTS.get(step_of(record), ()):
            found |= dict.fromkeys([(kind, thing) for thing in transactions_of(record, word)])
    for name, member in (("sourceList", "source"), ("destinationList", "destination")):
        value = record.get(name)
        if value is not None:
            _parties(found, value, member)
    for name in sorted([name for name in record if name[:9] == "yunshang:"]):
        _own(found, name, record[name])
    return tuple(found)


def _inner(found: dict[tuple[str, str], None], value: Any, kind: str, member: str) -> None:
    for item in value if isinstance(value, list) else (value,):
        if isinstance(item, dict):
            thing = item.get(member)
            if isinstance(thing, str):
                found[kind, thing] = None


def _parties(found: dict[tuple[str, str], None], value: Any, member: str) -> None:
    for item in value if isinstance(value, list) else (value,):
        if isinstance(item, dict):
            thing = item.get(member)
            if isinstance(thing, str):
                found["party", thing.removeprefix(PARTY_URI)] = None


def _own(found: dict[tuple[str, str], None], name: str, value: Any) -> None:
    kind = _PROFILE.get(name)
    if kind is not None:
        for thing in value if isinstance(value, list) else (value,):
            if isinstance(thing, str):
                found[kind, thing] = None
    elif name in _INNER:
        kind, member = _INNER[name]
        _inner(found, value, kind, member)
