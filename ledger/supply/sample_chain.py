"""A generated project: five parties, two suppliers, a laboratory, four materials, from contract to payment.

Everything follows from the seed; names and numbers are made up, organisation codes have valid check digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final
from uuid import UUID

from ledger.identifiers import check_digit
from ledger.supply.amounts import EXACT, amount_text
from ledger.supply.sample_events import (
    CHINA,
    EPCIS_CONTEXT,
    Draft,
    amount_members,
    goods_members,
    number,
    possession,
    profile_event,
)
from ledger.supply.terms import EventKind

__all__ = ["PARTY_NAMES", "Chain", "Material", "build_chain"]

PARTY_NAMES: Final[Mapping[str, str]] = {
    "owner": "云上城建投资有限公司",
    "surveyor": "岭南岩土勘察设计院有限公司",
    "designer": "珠江建筑设计院有限公司",
    "contractor": "南粤第一建筑工程有限公司",
    "supervisor": "正衡工程监理有限公司",
    "steel": "粤北钢铁电缆有限公司",
    "concrete": "番禺混凝土门业有限公司",
    "laboratory": "诚测建设工程检测有限公司",
    "treasury": "市财政局",
}
_ROSTER: Final = ("owner", "surveyor", "designer", "contractor", "supervisor")
_GLOBAL_ID: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_$"
_ELEMENTS: Final = {"rebar": "IfcSlab", "concrete": "IfcColumn", "cable": "IfcCableSegment", "fire-door": "IfcDoor"}


@dataclass(frozen=True, slots=True)
class Material:
    """One material of the generated project.

    Attributes:
        word: of the profile's list.
        supplier: name of the party that makes and sells it.
        item: GTIN company prefix and item reference, as in `urn:epc:class:lgtin:`.
        uom: unit; None: pieces, each with an EPC of its own.
        price: yuan a unit.
        quantities: of each lot; for pieces, how many.
    """

    word: str
    supplier: str
    item: str
    uom: str | None
    price: str
    quantities: tuple[Decimal, ...]

    @property
    def class_uri(self) -> str:
        """The class in contracts and orders."""
        return f"urn:epc:idpat:sgtin:{self.item}.*"

    def lot(self, index: int) -> str:
        """The URI of one lot."""
        return f"urn:epc:class:lgtin:{self.item}.L{index + 1:03}"

    def pieces(self, index: int) -> list[str]:
        """The EPCs of the pieces of one delivery."""
        return [f"urn:epc:id:sgtin:{self.item}.{index + 1}{piece:03}" for piece in range(int(self.quantities[index]))]


@dataclass(slots=True)
class Chain:
    """A project that is being put together: its drafts by name, in the order in which things happen."""

    random: Random
    clock: datetime
    codes: dict[str, str]
    materials: tuple[Material, ...]
    drafts: dict[str, Draft] = field(default_factory=dict)
    model: dict[str, str] = field(default_factory=dict)
    documents: set[str] = field(default_factory=set)
    model_root: str = ""

    @property
    def roster(self) -> frozenset[str]:
        """Codes of the five parties."""
        return frozenset(self.codes[name] for name in _ROSTER)

    def later(self, **delta: int) -> datetime:
        """Let time pass, and a few minutes more."""
        self.clock += timedelta(minutes=self.random.randint(1, 50), **delta)
        return self.clock

    def digest(self) -> str:
        """Draw the SHA-256 of a document that the archive holds."""
        drawn = self.random.randbytes(32).hex()
        self.documents.add(drawn)
        return drawn

    def element(self, name: str) -> str:
        """Draw an element of a class and put it into the model."""
        drawn = self.random.choice("0123") + "".join(self.random.choice(_GLOBAL_ID) for _ in range(21))
        self.model[drawn] = name
        return drawn

    def add(
        self,
        name: str,
        kind: EventKind,
        reporter: str,
        *,
        own: Mapping[str, Any],
        standard: Mapping[str, Any] | None = None,
        transactions: tuple[tuple[str, str], ...] = (),
        covers: tuple[str, ...] = (),
    ) -> None:
        """Add an event of the profile, which happens now, reported by a named party."""
        event = profile_event(
            kind, self.clock, own=own, standard=standard, transactions=transactions, event_id=self.event_id()
        )
        self.drafts[name] = Draft(event, self.codes[reporter], covers=covers)

    def event_id(self) -> str:
        """Draw an `eventID`."""
        return f"urn:uuid:{UUID(bytes=self.random.randbytes(16), version=4)}"


def build_chain(seed: int) -> Chain:
    """Put together a project in which everything agrees.

    Args:
        seed: from which all quantities, times, numbers and codes are drawn.
    """
    random = Random(seed)  # noqa: S311 - a generated project is to be the same every time
    codes = {name: _code(random) for name in PARTY_NAMES}
    chain = Chain(random, datetime(2026, 3, 2, 8, tzinfo=CHINA), codes, _materials(random))
    chain.model_root = "0x" + random.randbytes(32).hex()
    _funding(chain)
    for supplier in ("steel", "concrete"):
        _supply_contract(chain, supplier)
    for material in chain.materials:
        for index in range(len(material.quantities)):
            _deliver(chain, material, index)
            _test(chain, material, index)
            _accept(chain, material, index)
    _cut(chain)
    for material in chain.materials:
        for index in range(len(material.quantities)):
            _install(chain, material, index)
    for supplier in ("steel", "concrete"):
        _pay(chain, supplier)
    return chain


def _code(random: Random) -> str:
    prefix = "91440101" + "".join(random.choice("0123456789ABCDEFGHJKLMNPQRTUWXY") for _ in range(9))
    return prefix + check_digit(prefix)


def _materials(random: Random) -> tuple[Material, ...]:
    company = random.randint(1_000_000, 9_999_999)

    def lots(count: int, low: int, high: int) -> tuple[Decimal, ...]:
        return tuple(Decimal(random.randint(low, high)) / 10 for _ in range(count))

    return (
        Material("rebar", "steel", f"{company}.012345", "TNE", "3850.00", lots(2, 200, 600)),
        Material("cable", "steel", f"{company}.023456", "MTR", "86.50", lots(2, 3000, 9000)),
        Material("concrete", "concrete", f"{company + 1}.034567", "MTQ", "465.00", lots(3, 80, 120)),
        Material("fire-door", "concrete", f"{company + 1}.045678", None, "1980.00", (Decimal(random.randint(3, 6)),)),
    )


def _party(chain: Chain, role: str, name: str) -> dict[str, str]:
    return {"yunshang:role": role, "yunshang:code": chain.codes[name], "yunshang:name": PARTY_NAMES[name]}


def contract_of(chain: Chain, supplier: str) -> str:
    """Return the URI of the contract with a supplier."""
    return number("contract", chain.codes["contractor"], f"CG-2026-{supplier}")


def _funding(chain: Chain) -> None:
    owner = chain.codes["owner"]
    chain.later()
    chain.add(
        "funding",
        EventKind.FUNDING,
        "owner",
        own={"source": "fiscal", **amount_members("20000000.00", chain.codes["treasury"], owner)},
        transactions=(("funding", number("funding", owner, "ZJ-2026-001")),),
    )
    chain.later(days=1)
    chain.add(
        "contract:main",
        EventKind.CONTRACT,
        "owner",
        own={
            "parties": [_party(chain, "buyer", "owner"), _party(chain, "contractor", "contractor")],
            "amount": "18000000.00",
            "currency": "CNY",
            "documents": [chain.digest()],
            "note": "施工总承包合同",
        },
        transactions=(("contract", number("contract", owner, "SG-2026-001")),),
    )
    chain.later(days=1)
    chain.add(
        "contract:laboratory",
        EventKind.CONTRACT,
        "owner",
        own={
            "parties": [_party(chain, "buyer", "owner"), _party(chain, "laboratory", "laboratory")],
            "amount": "120000.00",
            "currency": "CNY",
            "documents": [chain.digest()],
            "note": "见证检测委托合同",
        },
        transactions=(("contract", number("contract", owner, "JC-2026-001")),),
    )


def _ordered(material: Material) -> float:
    """A tenth more is ordered than comes."""
    total = sum(material.quantities, Decimal(0))
    return float(total) if material.uom is None else float(total * Decimal("1.1"))


def _supply_contract(chain: Chain, supplier: str) -> None:
    materials = [material for material in chain.materials if material.supplier == supplier]
    goods = goods_members((item.class_uri, _ordered(item), item.uom) for item in materials)
    contract = contract_of(chain, supplier)
    chain.later(days=1)
    chain.add(
        f"contract:{supplier}",
        EventKind.CONTRACT,
        "contractor",
        own={
            "parties": [_party(chain, "buyer", "contractor"), _party(chain, "supplier", supplier)],
            "lines": [
                {"yunshang:class": item.class_uri, "yunshang:material": item.word, "yunshang:unitPrice": item.price}
                for item in materials
            ],
            "currency": "CNY",
            "documents": [chain.digest()],
        },
        standard=goods,
        transactions=(("contract", contract),),
    )
    chain.later(days=1)
    chain.add(
        f"order:{supplier}",
        EventKind.ORDER,
        "contractor",
        own={"buyer": chain.codes["contractor"], "supplier": chain.codes[supplier]},
        standard=goods,
        transactions=(
            ("order", number("order", chain.codes["contractor"], f"DD-2026-{supplier}")),
            ("contract", contract),
        ),
    )


def goods_of_lot(material: Material, index: int) -> dict[str, Any]:
    """Return the goods of one delivery as members of an event."""
    if material.uom is None:
        return goods_members(epcs=material.pieces(index))
    return goods_members([(material.lot(index), float(material.quantities[index]), material.uom)])


def _deliver(chain: Chain, material: Material, index: int) -> None:
    supplier, contractor = chain.codes[material.supplier], chain.codes["contractor"]
    name = f"{material.word}:{index}"
    goods = goods_of_lot(material, index)
    chain.later(hours=5)
    chain.add(
        f"commissioning:{name}",
        EventKind.COMMISSIONING,
        material.supplier,
        own={"class": material.class_uri, "material": material.word, "producer": supplier},
        standard=goods,
    )
    shipped = goods
    if material.word == "cable":  # drums on a pallet: it is the pallet that is shipped
        pallet = f"urn:epc:id:sscc:{material.item.split('.')[0]}.{index + 1:010}"
        chain.later(hours=1)
        chain.drafts[f"packing:{name}"] = Draft(
            {
                "@context": [EPCIS_CONTEXT],
                "type": "AggregationEvent",
                "eventID": chain.event_id(),
                "eventTime": chain.clock.isoformat(timespec="seconds"),
                "eventTimeZoneOffset": "+08:00",
                "action": "ADD",
                "bizStep": "packing",
                "parentID": pallet,
                "childQuantityList": goods["quantityList"],
            },
            supplier,
        )
        shipped = goods_members(epcs=[pallet])
    delivery = {"delivery": f"SH-{material.word}-{index + 1:03}"}
    for kind, reporter in ((EventKind.SHIPMENT, material.supplier), (EventKind.ARRIVAL, "contractor")):
        chain.later(hours=3)
        standard = {**shipped, **possession(supplier, contractor)}
        chain.add(f"{kind.value}:{name}", kind, reporter, own=delivery, standard=standard)


def _test(chain: Chain, material: Material, index: int) -> None:
    name = f"{material.word}:{index}"
    lots = goods_of_lot(material, index)
    if "quantityList" in lots:
        lots = {"quantityList": [{"epcClass": material.lot(index)}]}
    sample = f"YP-{material.word}-{index + 1:03}"
    chain.later(hours=2)
    chain.add(
        f"sampling:{name}",
        EventKind.SAMPLING,
        "contractor",
        own={"sample": sample, "sampler": chain.codes["contractor"], "witness": chain.codes["supervisor"]},
        standard=lots,
    )
    chain.later(days=3)
    chain.add(
        f"test_report:{name}",
        EventKind.TEST_REPORT,
        "laboratory",
        own={
            "report": chain.digest(),
            "laboratory": chain.codes["laboratory"],
            "samples": [sample],
            "result": "pass",
            "reportNumber": f"检字第{sample}号",
        },
        standard=lots,
    )


def _accept(chain: Chain, material: Material, index: int) -> None:
    name = f"{material.word}:{index}"
    chain.later(hours=8)
    chain.add(
        f"acceptance:{name}",
        EventKind.ACCEPTANCE,
        "supervisor",
        own={
            "acceptedBy": [chain.codes["contractor"], chain.codes["supervisor"]],
            "reports": [chain.drafts[f"test_report:{name}"].record["yunshang:report"]],
        },
        standard=goods_of_lot(material, index),
        transactions=(("contract", contract_of(chain, material.supplier)),),
    )


def cut_lot(chain: Chain) -> str:
    """Return the lot that is cut and bent on site from the first lot of rebar."""
    return f"urn:yunshang:lot:{chain.codes['contractor']}:cut-rebar:JG-001"


def _cut(chain: Chain) -> None:
    rebar = chain.materials[0]
    whole = rebar.quantities[0]
    chain.later(days=1)
    chain.drafts["cutting"] = Draft(
        {
            "@context": [EPCIS_CONTEXT],
            "type": "TransformationEvent",
            "eventID": chain.event_id(),
            "eventTime": chain.clock.isoformat(timespec="seconds"),
            "eventTimeZoneOffset": "+08:00",
            "bizStep": "assembling",
            "inputQuantityList": [{"epcClass": rebar.lot(0), "quantity": float(whole), "uom": rebar.uom}],
            "outputQuantityList": [
                {"epcClass": cut_lot(chain), "quantity": float(whole - Decimal("0.5")), "uom": rebar.uom}
            ],
        },
        chain.codes["contractor"],
    )


def _install(chain: Chain, material: Material, index: int) -> None:
    goods = goods_of_lot(material, index)
    if material.word == "rebar" and index == 0:
        quantity = float(material.quantities[0] - Decimal("0.5"))
        goods = goods_members([(cut_lot(chain), quantity, material.uom)])
    count = len(goods.get("epcList", ())) or chain.random.randint(1, 3)
    elements: list[dict[str, Any]] = [
        {"yunshang:globalId": chain.element(_ELEMENTS[material.word]), "yunshang:modelRoot": chain.model_root}
        for _ in range(count)
    ]
    for element, epc in zip(elements, goods.get("epcList", ()), strict=False):
        element["yunshang:used"] = [{"yunshang:thing": epc, "yunshang:quantity": "1"}]
    chain.later(hours=6)
    chain.add(
        f"installation:{material.word}:{index}",
        EventKind.INSTALLATION,
        "contractor",
        own={"elements": elements},
        standard=goods,
    )


def accepted_worth(chain: Chain, supplier: str) -> Decimal:
    """Return what everything that came from a supplier is worth, in yuan."""
    total = Decimal(0)
    for material in chain.materials:
        if material.supplier == supplier:
            for quantity in material.quantities:
                total = EXACT.add(total, EXACT.multiply(quantity, Decimal(material.price)))
    return total.quantize(Decimal("0.01"), context=EXACT)


def _pay(chain: Chain, supplier: str) -> None:
    contractor, payee = chain.codes["contractor"], chain.codes[supplier]
    worth = accepted_worth(chain, supplier)
    approved = (worth * Decimal("0.9")).quantize(Decimal("0.01"), context=EXACT)
    contract = ("contract", contract_of(chain, supplier))
    application = ("application", number("application", payee, "SQ-001"))
    approval = ("approval", number("approval", contractor, f"SP-{supplier}-001"))
    covers = tuple(
        f"acceptance:{material.word}:{index}"
        for material in chain.materials
        if material.supplier == supplier
        for index in range(len(material.quantities))
    )
    chain.later(days=2)
    chain.add(
        f"application:{supplier}",
        EventKind.PAYMENT_APPLICATION,
        supplier,
        own=amount_members(amount_text(worth), contractor, payee),
        transactions=(contract, application),
        covers=covers,
    )
    chain.later(days=2)
    chain.add(
        f"approval:{supplier}",
        EventKind.PAYMENT_APPROVAL,
        "contractor",
        own={"approver": contractor, **amount_members(amount_text(approved), contractor, payee)},
        transactions=(contract, application, approval),
    )
    chain.later(days=2)
    chain.add(
        f"payment:{supplier}",
        EventKind.PAYMENT,
        "contractor",
        own={"purpose": "progress", **amount_members(amount_text(approved), contractor, payee)},
        transactions=(contract, approval, ("payment", number("payment", contractor, f"FK-{supplier}-001"))),
    )
    if supplier == "steel":
        chain.later(days=5)
        chain.add(
            "settlement:steel",
            EventKind.SETTLEMENT,
            "contractor",
            own={"documents": [chain.digest()], **amount_members(amount_text(worth), contractor, payee)},
            transactions=(contract, ("settlement", number("settlement", contractor, "JS-steel"))),
            covers=covers,
        )
