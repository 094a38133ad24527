"""A generated project: five parties, two suppliers, a laboratory, four materials, from contract to payment.

Everything follows from the seed; names and numbers are made up, organisation codes have valid check digits.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any, Final

from ledger.identifiers import check_digit
from ledger.supply.sample_events import CHINA, EPCIS_CONTEXT, Draft, goods_members, possession
from ledger.supply.sample_money import contract_of, fund, pay, supply_contract
from ledger.supply.sample_plan import PARTY_NAMES, Chain, Material
from ledger.supply.terms import EventKind

__all__ = ["build_chain", "cut_lot", "goods_of_lot"]

_ELEMENTS: Final = {"rebar": "IfcSlab", "concrete": "IfcColumn", "cable": "IfcCableSegment", "fire-door": "IfcDoor"}


def build_chain(seed: int) -> Chain:
    """Put together a project in which everything agrees.

    Args:
        seed: from which all quantities, times, numbers and codes are drawn.
    """
    random = Random(seed)  # noqa: S311 - a generated project is to be the same every time
    codes = {name: _code(random) for name in PARTY_NAMES}
    chain = Chain(random, datetime(2026, 3, 2, 8, tzinfo=CHINA), codes, _materials(random))
    chain.model_root = "0x" + random.randbytes(32).hex()
    fund(chain)
    for supplier in ("steel", "concrete"):
        supply_contract(chain, supplier)
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
        pay(chain, supplier)
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
