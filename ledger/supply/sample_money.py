"""The money of a generated project: funding, contracts, orders; what is applied for, approved, paid and settled."""

from __future__ import annotations

from decimal import Decimal

from ledger.supply.amounts import EXACT, amount_text
from ledger.supply.sample_events import amount_members, goods_members, number
from ledger.supply.sample_plan import PARTY_NAMES, Chain, Material
from ledger.supply.terms import EventKind

__all__ = ["accepted_worth", "contract_of", "fund", "pay", "supply_contract"]


def _party(chain: Chain, role: str, name: str) -> dict[str, str]:
    return {"yunshang:role": role, "yunshang:code": chain.codes[name], "yunshang:name": PARTY_NAMES[name]}


def contract_of(chain: Chain, supplier: str) -> str:
    """Return the URI of the contract with a supplier."""
    return number("contract", chain.codes["contractor"], f"CG-2026-{supplier}")


def fund(chain: Chain) -> None:
    """Add the funding, the main contract and the laboratory's."""
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


def supply_contract(chain: Chain, supplier: str) -> None:
    """Add the contract with a supplier and its order."""
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


def accepted_worth(chain: Chain, supplier: str) -> Decimal:
    """Return what everything that came from a supplier is worth, in yuan."""
    total = Decimal(0)
    for material in chain.materials:
        if material.supplier == supplier:
            for quantity in material.quantities:
                total = EXACT.add(total, EXACT.multiply(quantity, Decimal(material.price)))
    return total.quantize(Decimal("0.01"), context=EXACT)


def pay(chain: Chain, supplier: str) -> None:
    """Add application, approval and payment of a supplier, and the settlement of one of them."""
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
