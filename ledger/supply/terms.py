"""The words of the construction profile: namespace, kinds, steps, materials, and how they are read from an event.

Source: docs/supply-profile.md sections 1 and 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

__all__ = [
    "CONTEXT",
    "KINDS_OF_STREAM",
    "MATERIALS",
    "NAMESPACE",
    "PARTY_URI",
    "PREFIX",
    "STEP_OF_KIND",
    "TESTED_MATERIALS",
    "TRANSACTION_TYPES",
    "EventKind",
    "kind_of",
    "many",
    "party_code",
    "step_of",
    "transactions_of",
]

NAMESPACE: Final = "urn:yunshang:supply:"
PREFIX: Final = "yunshang:"
CONTEXT: Final[Mapping[str, str]] = MappingProxyType({"yunshang": NAMESPACE})
"""The member of an event's `@context` that gives the prefix its meaning."""
PARTY_URI: Final = "urn:yunshang:party:"
"""An organisation as an EPCIS source or destination: this, then its code."""
_STEP: Final = f"{NAMESPACE}step:"
_TRANSACTION: Final = f"{NAMESPACE}transaction:"
_CBV_STEPS: Final = ("https://ref.gs1.org/cbv/BizStep-", "urn:epcglobal:cbv:bizstep:", "cbv:BizStep-")

MATERIALS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "rebar": "钢筋",
        "concrete": "预拌混凝土",
        "cement": "水泥",
        "mortar": "砂浆",
        "steel": "钢结构用钢材",
        "masonry": "砌块",
        "waterproofing": "防水材料",
        "insulation": "保温材料",
        "cable": "电线电缆",
        "fire-door": "防火门",
        "window": "门窗",
        "pipe": "管材",
        "aggregate": "砂石",
    }
)
"""Words for materials, with their Chinese names; other words are allowed and mean what the contract says."""
TESTED_MATERIALS: Final = frozenset(
    {
        "rebar",
        "concrete",
        "cement",
        "mortar",
        "steel",
        "masonry",
        "waterproofing",
        "insulation",
        "cable",
        "fire-door",
        "window",
    }
)
"""Materials that may be built in only after a passing test report, where an archive sets nothing else."""


class EventKind(StrEnum):
    """The kinds of events of the profile, in the order in which a chain runs."""

    CONTRACT = "contract"
    ORDER = "order"
    COMMISSIONING = "commissioning"
    SHIPMENT = "shipment"
    ARRIVAL = "arrival"
    SAMPLING = "sampling"
    TEST_REPORT = "test_report"
    ACCEPTANCE = "acceptance"
    INSTALLATION = "installation"
    FUNDING = "funding"
    PAYMENT_APPLICATION = "payment_application"
    PAYMENT_APPROVAL = "payment_approval"
    PAYMENT = "payment"
    SETTLEMENT = "settlement"


STEP_OF_KIND: Final[Mapping[EventKind, str]] = MappingProxyType(
    {
        EventKind.CONTRACT: f"{_STEP}contracting",
        EventKind.ORDER: f"{_STEP}ordering",
        EventKind.COMMISSIONING: "commissioning",
        EventKind.SHIPMENT: "shipping",
        EventKind.ARRIVAL: "arriving",
        EventKind.SAMPLING: "sampling",
        EventKind.TEST_REPORT: f"{_STEP}test_reporting",
        EventKind.ACCEPTANCE: "accepting",
        EventKind.INSTALLATION: "installing",
        EventKind.FUNDING: f"{_STEP}funding",
        EventKind.PAYMENT_APPLICATION: f"{_STEP}payment_applying",
        EventKind.PAYMENT_APPROVAL: f"{_STEP}payment_approving",
        EventKind.PAYMENT: f"{_STEP}paying",
        EventKind.SETTLEMENT: f"{_STEP}settling",
    }
)
"""The bizStep of each kind: the word of the CBV where it has one."""
_KIND_OF_STEP: Final = {step: kind for kind, step in STEP_OF_KIND.items()}
_OWN_STEPS: Final = frozenset(kind for kind, step in STEP_OF_KIND.items() if step.startswith(_STEP))

_MONEY: Final = frozenset(
    {
        EventKind.FUNDING,
        EventKind.PAYMENT_APPLICATION,
        EventKind.PAYMENT_APPROVAL,
        EventKind.PAYMENT,
        EventKind.SETTLEMENT,
    }
)
KINDS_OF_STREAM: Final[Mapping[str, frozenset[EventKind]]] = MappingProxyType(
    {"supply": frozenset(EventKind) - _MONEY, "funds": _MONEY | {EventKind.CONTRACT}}
)
"""Which kinds a stream takes; a contract may stand in either."""

TRANSACTION_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "contract": f"{_TRANSACTION}contract",
        "order": "po",
        "application": f"{_TRANSACTION}application",
        "approval": f"{_TRANSACTION}approval",
        "funding": f"{_TRANSACTION}funding",
        "payment": f"{_TRANSACTION}payment",
        "settlement": f"{_TRANSACTION}settlement",
    }
)
"""Type of a business transaction by the word in its URI: `urn:yunshang:contract:<code>:<number>` and so on."""


def step_of(record: Mapping[str, Any]) -> str:
    """Return an event's bizStep, words of the CBV in their short form; empty: it has none.

    Args:
        record: an EPCIS event.
    """
    step = record.get("bizStep")
    if not isinstance(step, str):
        return ""
    if ":" in step:
        for start in _CBV_STEPS:
            if step.startswith(start):
                return step[len(start) :]
    return step


def kind_of(record: Mapping[str, Any]) -> EventKind | None:
    """Say which kind of the profile an event is of, by its bizStep; whether it fits is `check_profile`'s.

    Args:
        record: an EPCIS event.

    Returns:
        The kind. None: outside the profile. An event whose step is a word of the CBV is of the profile only with a
        member `yunshang:…`.
    """
    kind = _KIND_OF_STEP.get(step_of(record))
    if kind is None or kind in _OWN_STEPS:
        return kind
    for name in record:
        if name[:9] == PREFIX:
            return kind
    return None


def many(value: Any) -> list[Any]:
    """Return a member as a list: one value may stand alone, as XML has it; absent is empty."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def party_code(uri: Any) -> str | None:
    """Return the organisation code of a source or destination, or None if it is no `urn:yunshang:party:`."""
    return uri[len(PARTY_URI) :] if isinstance(uri, str) and uri.startswith(PARTY_URI) else None


def transactions_of(record: Mapping[str, Any], word: str) -> list[str]:
    """Return the business transactions of one type.

    Args:
        record: an EPCIS event.
        word: of `TRANSACTION_TYPES`.
    """
    wanted = TRANSACTION_TYPES[word]
    return [
        item["bizTransaction"]
        for item in record.get("bizTransactionList") or ()
        if isinstance(item, dict) and item.get("type") == wanted and isinstance(item.get("bizTransaction"), str)
    ]
