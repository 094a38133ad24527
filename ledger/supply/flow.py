"""The flow of a project's money: from who funds it through the owner to contractors and suppliers, by contract.

Sums are of `Decimal` and exact. An error declaration takes back what its own reporter reported (docs/supply-profile.md
section 5). A number (of a funding, application, approval, payment, settlement or contract) counts once: where several
events have it, the first that its own organisation reported, else the first in order of time; the others are named.
What is wrong with a flow is for the findings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from ledger.supply.amounts import CURRENCY, EXACT, amount_text, parse_amount
from ledger.supply.corrections import settle
from ledger.supply.reported import ReportedEvent
from ledger.supply.terms import EventKind, kind_of, many, transactions_of

__all__ = [
    "FLOW_FORMAT",
    "Amounts",
    "ContractFlow",
    "FundingFlow",
    "MoneyFlow",
    "PartyFlow",
    "money_flow",
]

FLOW_FORMAT: Final = "yunshang-funds-flow/v1"

_ZERO: Final = Decimal("0.00")
_WORDS: Final[Mapping[EventKind, str]] = MappingProxyType(
    {
        EventKind.CONTRACT: "contract",
        EventKind.FUNDING: "funding",
        EventKind.PAYMENT_APPLICATION: "application",
        EventKind.PAYMENT_APPROVAL: "approval",
        EventKind.PAYMENT: "payment",
        EventKind.SETTLEMENT: "settlement",
    }
)
_SUMS: Final[Mapping[EventKind, str]] = MappingProxyType(
    {
        EventKind.PAYMENT_APPLICATION: "applied",
        EventKind.PAYMENT_APPROVAL: "approved",
        EventKind.PAYMENT: "paid",
        EventKind.SETTLEMENT: "settled",
    }
)
# Whom a contract with several parties is with: who comes first here.
_COUNTERPARTIES: Final = (
    "contractor",
    "subcontractor",
    "supplier",
    "manufacturer",
    "consultant",
    "laboratory",
    "carrier",
    "buyer",
)


@dataclass(frozen=True, slots=True)
class Amounts:
    """Yuan, each at least zero."""

    contracted: Decimal = _ZERO
    applied: Decimal = _ZERO
    approved: Decimal = _ZERO
    paid: Decimal = _ZERO
    settled: Decimal = _ZERO

    def plus(self, other: Amounts) -> Amounts:
        """The sums, member by member."""
        return Amounts(*(EXACT.add(getattr(self, item.name), getattr(other, item.name)) for item in fields(self)))

    @property
    def largest(self) -> Decimal:
        """The largest of them."""
        return max(self.contracted, self.applied, self.approved, self.paid, self.settled)

    def to_json(self) -> dict[str, str]:
        """Return each as decimal text with two places."""
        return {item.name: amount_text(getattr(self, item.name)) for item in fields(self)}


@dataclass(frozen=True, slots=True)
class FundingFlow:
    """Money that came into the project.

    Attributes:
        source: `fiscal`, `special_bond`, `own`, `loan` or `other`.
        payer: organisation code.
        payee: organisation code.
        amount: yuan.
    """

    source: str
    payer: str
    payee: str
    amount: Decimal

    def to_json(self) -> dict[str, str]:
        """Return `{"amount", "payee", "payer", "source"}`."""
        return {"amount": amount_text(self.amount), "payee": self.payee, "payer": self.payer, "source": self.source}


@dataclass(frozen=True, slots=True)
class ContractFlow:
    """What flows under a contract from one party to another.

    Attributes:
        contract: the contract's URI.
        payer: organisation code.
        payee: organisation code.
        amounts: the sums.
        is_known: whether a contract of this number was reported.
    """

    contract: str
    payer: str
    payee: str
    amounts: Amounts
    is_known: bool

    def to_json(self) -> dict[str, Any]:
        """Return the members and the sums in one object."""
        return {
            "contract": self.contract,
            "is_known": self.is_known,
            "payee": self.payee,
            "payer": self.payer,
            **self.amounts.to_json(),
        }


@dataclass(frozen=True, slots=True)
class PartyFlow:
    """An organisation in the flow.

    Attributes:
        code: organisation code.
        name: as a contract has it, or None.
        funded: yuan that came to it as funding.
        received: yuan paid to it under contracts.
        spent: yuan it paid under contracts.
        given: yuan it gave as funding.
    """

    code: str
    name: str | None
    funded: Decimal = _ZERO
    received: Decimal = _ZERO
    spent: Decimal = _ZERO
    given: Decimal = _ZERO

    def to_json(self) -> dict[str, str | None]:
        """Return the members; amounts as decimal text."""
        return {
            "code": self.code,
            "funded": amount_text(self.funded),
            "given": amount_text(self.given),
            "name": self.name,
            "received": amount_text(self.received),
            "spent": amount_text(self.spent),
        }


@dataclass(frozen=True, slots=True)
class MoneyFlow:
    """A project's money.

    Attributes:
        fundings: by source, payer and payee.
        contracts: by contract, payer and payee.
        parties: by code.
        funded: yuan of all fundings.
        totals: of all contracts.
        repeated: hash ids of events whose number counted for another event.
    """

    fundings: tuple[FundingFlow, ...]
    contracts: tuple[ContractFlow, ...]
    parties: tuple[PartyFlow, ...]
    funded: Decimal
    totals: Amounts
    repeated: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return canonical members; every amount is decimal text in yuan."""
        return {
            "contracts": [item.to_json() for item in self.contracts],
            "currency": CURRENCY,
            "format": FLOW_FORMAT,
            "fundings": [item.to_json() for item in self.fundings],
            "parties": [item.to_json() for item in self.parties],
            "repeated": list(self.repeated),
            "totals": {"funded": amount_text(self.funded), **self.totals.to_json()},
        }

    def named(self, names: Mapping[str, str]) -> MoneyFlow:
        """The same with names for parties that no contract names."""
        return replace(
            self, parties=tuple(replace(item, name=item.name or names.get(item.code)) for item in self.parties)
        )


def money_flow(events: Iterable[ReportedEvent]) -> MoneyFlow:
    """Add up a project's money.

    Args:
        events: of one building, of the streams `funds` and `supply`, in any order; each record passed
            `check_profile`. An event given twice counts once.

    Raises:
        MalformedError: an amount of another form.
    """
    _, standing, _ = settle(events)
    sums = _Sums()
    # Else an event of the same number, said to be older, would take the place of what the number's owner reported.
    for event in sorted(standing, key=lambda event: not _is_of_its_number(event)):
        sums.read(event)
    return sums.flow()


def _is_of_its_number(event: ReportedEvent) -> bool:
    """Whether the organisation reported it that gives the event's number: its code is within."""
    kind = kind_of(event.record)
    if kind is None or kind not in _WORDS:
        return False
    return f":{event.reporter}:" in transactions_of(event.record, _WORDS[kind])[0]


@dataclass(slots=True)
class _Sums:
    fundings: dict[tuple[str, str, str], Decimal] = field(default_factory=dict)
    contracts: dict[tuple[str, str, str], Amounts] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)
    _seen: set[tuple[EventKind, str]] = field(default_factory=set)

    def read(self, event: ReportedEvent) -> None:
        kind = kind_of(event.record)
        if kind is None or kind not in _WORDS:
            return
        number = transactions_of(event.record, _WORDS[kind])[0]
        if kind is EventKind.CONTRACT:
            self._read_contract(event, number)
            return
        if not self._counts(event, kind, number):
            return
        amount = parse_amount(event.record["yunshang:amount"], "/yunshang:amount")
        payer, payee = event.record["yunshang:payer"], event.record["yunshang:payee"]
        if kind is EventKind.FUNDING:
            place = (event.record["yunshang:source"], payer, payee)
            self.fundings[place] = EXACT.add(self.fundings.get(place, _ZERO), amount)
        else:
            contract = transactions_of(event.record, "contract")[0]
            self._add((contract, payer, payee), replace(Amounts(), **{_SUMS[kind]: amount}))

    def flow(self) -> MoneyFlow:
        contracts = tuple(
            ContractFlow(contract, payer, payee, amounts, contract in self.known)
            for (contract, payer, payee), amounts in sorted(self.contracts.items())
        )
        totals = Amounts()
        for item in contracts:
            totals = totals.plus(item.amounts)
        fundings = tuple(FundingFlow(*place, amount) for place, amount in sorted(self.fundings.items()))
        return MoneyFlow(
            fundings,
            contracts,
            tuple(self._parties(fundings, contracts)),
            _total(item.amount for item in fundings),
            totals,
            tuple(self.repeated),
        )

    def _read_contract(self, event: ReportedEvent, number: str) -> None:
        record = event.record
        roles: dict[str, list[str]] = {}
        for party in many(record["yunshang:parties"]):
            roles.setdefault(party["yunshang:role"], []).append(party["yunshang:code"])
            self.names.setdefault(party["yunshang:code"], party["yunshang:name"])
        # A contract may be reported in both streams: with goods and without an amount in one of them.
        if "yunshang:amount" not in record:
            amounts = Amounts()
        elif self._counts(event, EventKind.CONTRACT, number):
            amounts = Amounts(contracted=parse_amount(record["yunshang:amount"], "/yunshang:amount"))
        else:
            return
        self.known.add(number)
        buyer = roles["buyer"][0]
        payee = next(
            code for role in _COUNTERPARTIES for code in sorted(roles.get(role, ())) if code != buyer or role == "buyer"
        )
        self._add((number, buyer, payee), amounts)

    def _counts(self, event: ReportedEvent, kind: EventKind, number: str) -> bool:
        if (kind, number) in self._seen:
            self.repeated.append(event.hash_id)
            return False
        self._seen.add((kind, number))
        return True

    def _add(self, place: tuple[str, str, str], amounts: Amounts) -> None:
        self.contracts[place] = self.contracts.get(place, Amounts()).plus(amounts)

    def _parties(self, fundings: tuple[FundingFlow, ...], contracts: tuple[ContractFlow, ...]) -> Iterator[PartyFlow]:
        found: dict[str, dict[str, Decimal]] = {}

        def add(code: str, member: str, amount: Decimal) -> None:
            sums = found.setdefault(code, {})
            sums[member] = EXACT.add(sums.get(member, _ZERO), amount)

        for funding in fundings:
            add(funding.payer, "given", funding.amount)
            add(funding.payee, "funded", funding.amount)
        for item in contracts:
            add(item.payer, "spent", item.amounts.paid)
            add(item.payee, "received", item.amounts.paid)
        for code, sums in sorted(found.items()):
            yield PartyFlow(code, self.names.get(code), **sums)


def _total(amounts: Iterable[Decimal]) -> Decimal:
    total = _ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total
