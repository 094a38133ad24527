"""The flow of a project's money adds up, to the fen, however the events come in."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal, getcontext, localcontext
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import MalformedError
from ledger.supply.flow import MoneyFlow, money_flow
from ledger.supply.flow_picture import MAX_DRAWN_LINKS, MAX_ROWS, flow_picture, yuan
from ledger.supply.terms import EventKind

from .money import checked, code_of, contract, declared, event_of, funding, money, project

JSON = dict[str, Any]
SUMS = {
    EventKind.PAYMENT_APPLICATION: "applied",
    EventKind.PAYMENT_APPROVAL: "approved",
    EventKind.PAYMENT: "paid",
    EventKind.SETTLEMENT: "settled",
}


def fen(text: str) -> int:
    return int(text.replace(".", ""))


def test_adds_up_a_project() -> None:
    flow = money_flow(checked(project()))
    totals = flow.to_json()["totals"]
    assert totals == {
        "funded": "122000000.00",
        "contracted": "138950000.50",
        "applied": "66800000.25",
        "approved": "60800000.25",
        "paid": "55640000.25",
        "settled": "16500000.00",
    }
    parties = {item.code: item for item in flow.parties}
    owner, builder = parties[code_of(3)], parties[code_of(4)]
    assert (owner.funded, owner.received, owner.spent) == (Decimal("122000000.00"), 0, Decimal("46640000.00"))
    assert (builder.received, builder.spent) == (Decimal("46000000.00"), Decimal("9000000.25"))
    assert owner.name == f"甲方{code_of(3)[-3:]}"
    assert parties[code_of(1)].given == Decimal("92000000.00")
    assert flow.repeated == ()
    assert all(item.is_known for item in flow.contracts)


def test_amounts_are_text_with_two_places() -> None:
    def leaves(value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [leaf for member in value.values() for leaf in leaves(member)]
        if isinstance(value, list):
            return [leaf for member in value for leaf in leaves(member)]
        return [value]

    assert {type(leaf) for leaf in leaves(money_flow(checked(project())).to_json())} <= {str, bool, type(None)}


def test_a_correction_takes_back_what_its_own_reporter_reported() -> None:
    wrong, right = (money(EventKind.PAYMENT, 1, code_of(1), code_of(2), n, a) for n, a in ((1, "90.00"), (2, "9.00")))
    events = checked([wrong, right])
    assert money_flow([*events, declared(events[0])]).totals.paid == Decimal("9.00")
    assert money_flow([*events, declared(events[0], reporter=code_of(5))]).totals.paid == Decimal("99.00")


def test_a_number_counts_once_and_the_repeated_one_is_named() -> None:
    first = money(EventKind.PAYMENT, 1, code_of(1), code_of(2), 1, "90.00")
    again = money(EventKind.PAYMENT, 1, code_of(1), code_of(2), 1, "95.00", day=1)
    events = checked([again, first])
    flow = money_flow(events)
    assert flow.totals.paid == Decimal("90.00")
    assert flow.repeated == (events[0].hash_id,)


def test_nobody_takes_the_number_of_another() -> None:
    # A payment, and one of the same number that somebody else reports, said to be of the day before.
    payer, payee, other = (code_of(number) for number in (1, 2, 3))
    own = money(EventKind.PAYMENT, 1, payer, payee, 1, "90.00", day=1)
    taken = money(EventKind.PAYMENT, 1, payer, payee, 1, "0.01")
    agreed, forged = contract(payer, 1, payee, "100.00", day=1), contract(payer, 1, payee, "1.00")
    events = [*checked([own, agreed], reporter=payer), *checked([taken, forged], reporter=other)]
    flow = money_flow(events)
    assert (flow.totals.paid, flow.totals.contracted) == (Decimal("90.00"), Decimal("100.00"))
    assert set(flow.repeated) == {event.hash_id for event in events[2:]}
    assert "2 个事件的编号重复，未计入" in flow_picture(flow)
    assert "编号重复" not in flow_picture(money_flow(events[:2]))


def test_an_event_in_two_reports_counts_once() -> None:
    events = checked(project())
    assert money_flow(events + checked(project(), stream="supply")) == money_flow(events)


def test_a_contract_with_goods_only_and_one_with_the_amount_are_one_contract() -> None:
    owner, other = code_of(1), code_of(2)
    events = checked([contract(owner, 1, other, None), contract(owner, 1, other, "100.00", note="资金")])
    flow = money_flow(events)
    assert len(flow.contracts) == 1
    assert flow.totals.contracted == Decimal("100.00")
    assert flow.repeated == ()


def test_money_under_a_contract_that_nobody_reported_is_marked() -> None:
    flow = money_flow(checked([money(EventKind.PAYMENT, 9, code_of(1), code_of(2), 1, "1.00")]))
    assert not flow.contracts[0].is_known
    assert "合同未登记" in flow_picture(flow)


def test_names_are_filled_in_where_no_contract_has_them() -> None:
    flow = money_flow(checked([funding(code_of(1), code_of(2), 1, "5.00")]))
    named = flow.named({code_of(1): "财政局"})
    assert [item.name for item in named.parties] == ["财政局", None]


def test_refuses_an_amount_that_is_a_number() -> None:
    record = money(EventKind.PAYMENT, 1, code_of(1), code_of(2), 1, "1.00") | {"yunshang:amount": 1.0}
    with pytest.raises(MalformedError) as caught:
        money_flow([event_of(record)])
    assert caught.value.code == "profile_amount"


def test_sums_do_not_depend_on_the_precision_in_force() -> None:
    records = [
        money(EventKind.PAYMENT, 1, code_of(1), code_of(2), number, "999999999999999.99") for number in range(50)
    ]
    events = checked(records)
    with localcontext() as context:
        context.prec = 5
        assert money_flow(events).to_json()["totals"]["paid"] == "49999999999999999.50"
    assert getcontext().prec > 5


_AMOUNTS = st.integers(0, 10**17 - 1).map(lambda fen: f"{fen // 100}.{fen % 100:02d}")
_PAIRS = st.tuples(st.integers(1, 5), st.integers(1, 5)).filter(lambda pair: pair[0] != pair[1])


@st.composite
def ledgers(draw: st.DrawFn) -> list[tuple[str, str, str, str, JSON]]:
    """Events with what each says: what, who pays, whom, how much."""
    found = []
    for number in range(draw(st.integers(0, 25))):
        payer, payee = (code_of(item) for item in draw(_PAIRS))
        amount = draw(_AMOUNTS)
        what = draw(st.sampled_from(["funded", "contracted", *SUMS.values()]))
        if what == "funded":
            source = draw(st.sampled_from(["fiscal", "loan"]))
            record = funding(payer, payee, number, amount, source)
        elif what == "contracted":
            record = contract(payer, number, payee, amount)
        else:
            kind = next(kind for kind, name in SUMS.items() if name == what)
            record = money(kind, draw(st.integers(0, 3)), payer, payee, number, amount)
        found.append((what, payer, payee, amount, record))
    return found


@settings(max_examples=150)
@given(ledgers(), st.randoms(use_true_random=False))
def test_every_node_and_the_totals_agree_with_a_plain_reckoning(
    ledger: list[tuple[str, str, str, str, JSON]], shuffle: random.Random
) -> None:
    events = checked([record for *_, record in ledger])
    shuffle.shuffle(events)
    flow = money_flow(events)
    totals: Counter[str] = Counter()
    nodes: Counter[tuple[str, str]] = Counter()
    for what, payer, payee, amount, _ in ledger:
        totals[what] += fen(amount)
        if what in ("funded", "paid"):
            nodes[payer, "given" if what == "funded" else "spent"] += fen(amount)
            nodes[payee, "funded" if what == "funded" else "received"] += fen(amount)
    document = flow.to_json()
    assert {name: fen(text) for name, text in document["totals"].items()} == {
        name: totals[name] for name in ("funded", "contracted", *SUMS.values())
    }
    for party in document["parties"]:
        for name in ("funded", "received", "spent", "given"):
            assert fen(party[name]) == nodes[party["code"], name], name
    assert sum(fen(item["received"]) for item in document["parties"]) == totals["paid"]
    assert sum(fen(item["spent"]) for item in document["parties"]) == totals["paid"]
    assert sum(fen(item["given"]) for item in document["parties"]) == totals["funded"]


# The picture


def texts(picture: str) -> str:
    return "\n".join(element.text or "" for element in ElementTree.fromstring(picture).iter())


def test_the_picture_shows_parties_and_amounts() -> None:
    flow = money_flow(checked(project()))
    shown = texts(flow_picture(flow, title="第一小学", note="截至 2026-06-01"))
    for text in ("第一小学 资金流向", "财政资金 Fiscal", "122,000,000.00 元", f"甲方{code_of(3)[-3:]}", "GJ-7"):
        assert text in shown
    assert flow_picture(flow) == flow_picture(money_flow(checked(list(reversed(project())))))


def heights(flow: MoneyFlow) -> list[Decimal]:
    root = ElementTree.fromstring(flow_picture(flow))
    paths = [path.get("d", "") for path in root.iter("{http://www.w3.org/2000/svg}path")]
    return [Decimal(path.split("V")[1].split("C")[0]) - Decimal(path.split("C")[1].split("V")[0].split()[-1])
            for path in paths]  # fmt: skip


def test_widths_are_proportional() -> None:
    one, two, three = code_of(1), code_of(2), code_of(3)
    flow = money_flow(checked([funding(one, two, 1, "75.00"), funding(three, two, 2, "25.00", "loan")]))
    widths = heights(flow)
    assert len(widths) == 4  # each once as the largest amount, once as what was paid
    assert widths[0] == 3 * widths[2]


def test_empty_money_is_a_picture_too() -> None:
    assert "资金流向" in texts(flow_picture(money_flow([])))


def test_a_circle_of_payments_is_drawn() -> None:
    ring = [money(EventKind.PAYMENT, 1, code_of(a), code_of(b), a, "10.00") for a, b in ((1, 2), (2, 3), (3, 1))]
    flow = money_flow(checked(ring))
    assert flow.totals.paid == Decimal("30.00")
    assert len(heights(flow)) == 6


def test_only_the_largest_of_many_are_drawn() -> None:
    many = [contract(code_of(1), number, code_of(2), f"{number + 1}.00") for number in range(MAX_DRAWN_LINKS + 30)]
    picture = flow_picture(money_flow(checked(many)))
    assert picture.count("<g><title>") == MAX_DRAWN_LINKS
    assert f"共 {MAX_DRAWN_LINKS + 30} 笔" in texts(picture)
    assert f"另有 {MAX_DRAWN_LINKS + 30 - MAX_ROWS} 笔未列出" in texts(picture)


def test_names_never_become_markup() -> None:
    flow = money_flow(checked([funding(code_of(1), code_of(2), 1, "5.00")])).named({code_of(1): "<script>\u202e&\x1b"})
    picture = flow_picture(flow)
    assert "<script" not in picture
    assert "\u202e" not in picture
    assert "\x1b" not in picture
    ElementTree.fromstring(picture)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("0.00", "0.00"), ("999.99", "999.99"), ("1000.00", "1,000.00"), ("1234567.50", "1,234,567.50")],
)
def test_writes_thousands_separators(amount: str, shown: str) -> None:
    assert yuan(Decimal(amount)) == shown
