"""Events of money for tests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ledger.canonical import canonical_record
from ledger.identifiers import check_digit
from ledger.supply.profile import check_profile
from ledger.supply.reported import ReportedEvent
from ledger.supply.terms import CONTEXT, STEP_OF_KIND, TRANSACTION_TYPES, EventKind

JSON = dict[str, Any]
EPCIS = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def code_of(number: int) -> str:
    prefix = f"91440101MA5{number:06d}"
    return prefix + check_digit(prefix)


def number_of(word: str, owner: str, number: object) -> str:
    return f"urn:yunshang:{word}:{owner}:{number}"


def record_of(kind: EventKind, numbers: Mapping[str, str], *, day: int = 0, **members: Any) -> JSON:
    """An event of the profile; `numbers` are its business transactions by word."""
    time = (BEGIN + timedelta(days=day)).isoformat()
    return {
        "@context": [EPCIS, dict(CONTEXT)],
        "type": "TransactionEvent",
        "action": "ADD",
        "eventTime": time,
        "eventTimeZoneOffset": "+08:00",
        "bizStep": STEP_OF_KIND[kind],
        "epcList": [],
        "bizTransactionList": [
            {"type": TRANSACTION_TYPES[word], "bizTransaction": number} for word, number in numbers.items()
        ],
        **{f"yunshang:{name}": value for name, value in members.items()},
    }


def event_of(record: JSON, *, reporter: str = "", stream: str = "funds", declares: str = "") -> ReportedEvent:
    """A record as it was reported; `declares`: the hash id of what it declares wrong."""
    data = canonical_record(record)
    digest = hashlib.sha256(data).hexdigest()
    return ReportedEvent(
        record=record,
        hash_id=declares or f"ni:///sha-256;{digest}?ver=CBV2.0",
        record_sha256=digest,
        reporter=reporter or code_of(1),
        certificate_valid=True,
        stream=stream,
        index=None,
        event_time=datetime.fromisoformat(record["eventTime"]),
    )


def contract(buyer: str, number: object, other: str, amount: str | None, **members: Any) -> JSON:
    parties = [
        {"yunshang:role": "buyer", "yunshang:code": buyer, "yunshang:name": f"甲方{buyer[-3:]}"},
        {"yunshang:role": "contractor", "yunshang:code": other, "yunshang:name": f"乙方{other[-3:]}"},
    ]
    money = {} if amount is None else {"amount": amount, "currency": "CNY"}
    numbers = {"contract": number_of("contract", buyer, number)}
    return record_of(EventKind.CONTRACT, numbers, parties=parties, **money, **members)


def funding(payer: str, payee: str, number: object, amount: str, source: str = "fiscal", **members: Any) -> JSON:
    numbers = {"funding": number_of("funding", payee, number)}
    money = {"amount": amount, "currency": "CNY", "payer": payer, "payee": payee, "source": source}
    return record_of(EventKind.FUNDING, numbers, **money, **members)


def money(
    kind: EventKind, contract_number: object, payer: str, payee: str, number: object, amount: str, **members: Any
) -> JSON:
    numbers = {"contract": number_of("contract", payer, contract_number)}
    number = f"{contract_number}.{number}"
    given: JSON = {"amount": amount, "currency": "CNY", "payer": payer, "payee": payee, "documents": "00" * 32}
    if kind in (EventKind.PAYMENT_APPLICATION, EventKind.PAYMENT_APPROVAL):
        numbers["application"] = number_of("application", payee, number)
    if kind in (EventKind.PAYMENT_APPROVAL, EventKind.PAYMENT):
        numbers["approval"] = number_of("approval", payer, number)
    if kind is EventKind.PAYMENT_APPROVAL:
        given["approver"] = payer
    if kind is EventKind.PAYMENT:
        numbers["payment"] = number_of("payment", payer, number)
    if kind is EventKind.SETTLEMENT:
        numbers["settlement"] = number_of("settlement", payer, number)
    return record_of(kind, numbers, **given, **members)


def declared(event: ReportedEvent, *, reporter: str | None = None) -> ReportedEvent:
    """That an event is wrong."""
    said = {"declarationTime": "2026-06-01T00:00:00+08:00", "reason": "incorrect_data"}
    record = dict(event.record) | {"errorDeclaration": said}
    return event_of(record, reporter=reporter or event.reporter, declares=event.hash_id)


def project() -> list[JSON]:
    """A school: fiscal money and a loan, a general contractor, two suppliers, a supervisor."""
    city, bank, owner, builder, steel, concrete, supervisor = (code_of(number) for number in range(1, 8))
    apply, approve, pay, settle = (
        EventKind.PAYMENT_APPLICATION,
        EventKind.PAYMENT_APPROVAL,
        EventKind.PAYMENT,
        EventKind.SETTLEMENT,
    )
    return [
        funding(city, owner, "2026-1", "80000000.00"),
        funding(city, owner, "2026-2", "12000000.00", "special_bond"),
        funding(bank, owner, "2026-3", "30000000.00", "loan"),
        contract(owner, "ZB-1", builder, "98600000.00"),
        contract(owner, "JL-1", supervisor, "2150000.00"),
        contract(builder, "GJ-7", steel, "21400000.50"),
        contract(builder, "HNT-2", concrete, "16800000.00"),
        money(apply, "ZB-1", owner, builder, 1, "50000000.00", day=30),
        money(approve, "ZB-1", owner, builder, 1, "46000000.00", day=31),
        money(pay, "ZB-1", owner, builder, 1, "46000000.00", day=35),
        money(apply, "JL-1", owner, supervisor, 1, "800000.00", day=30),
        money(approve, "JL-1", owner, supervisor, 1, "800000.00", day=31),
        money(pay, "JL-1", owner, supervisor, 1, "640000.00", day=36),
        money(apply, "GJ-7", builder, steel, 1, "9000000.25", day=40),
        money(approve, "GJ-7", builder, steel, 1, "9000000.25", day=41),
        money(pay, "GJ-7", builder, steel, 1, "9000000.25", day=42),
        money(apply, "HNT-2", builder, concrete, 1, "7000000.00", day=40),
        money(approve, "HNT-2", builder, concrete, 1, "5000000.00", day=41),
        money(settle, "HNT-2", builder, concrete, 1, "16500000.00", day=90),
    ]


def checked(records: Sequence[JSON], **members: Any) -> list[ReportedEvent]:
    """Events of records, each of which fits the profile."""
    for record in records:
        check_profile(record)
    return [event_of(record, **members) for record in records]
