"""The flow of a project's money as a Sankey picture: SVG, Chinese first, the same for the same flow.

Widths are proportional to amounts. Under a contract the light band is the largest of its amounts, the middle one what
was approved, the dark one what was paid. Positions are decimals too, in tenths of a pixel: no float ever has an amount.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import Final

from ledger.supply.amounts import EXACT, amount_text
from ledger.supply.flow import ContractFlow, MoneyFlow
from ledger.texts import visible

__all__ = ["MAX_DRAWN_LINKS", "MAX_ROWS", "flow_picture", "yuan"]

MAX_DRAWN_LINKS: Final = 120
"""So many contracts are drawn, the largest ones; the heading says how many there are."""
MAX_ROWS: Final = 60
"""So many contracts are in the table below."""

_LEFT: Final = Decimal(40)
_TOP: Final = Decimal(112)
_COLUMN: Final = Decimal(330)
_NODE: Final = Decimal(16)
_LABEL: Final = Decimal(46)
_TALLEST: Final = Decimal(420)
_ROW: Final = 24
_FONT: Final = "'Noto Sans CJK SC','Noto Sans SC','Microsoft YaHei','PingFang SC',sans-serif"
_SOURCES: Final[Mapping[str, tuple[str, str]]] = {
    "fiscal": ("财政资金", "Fiscal"),
    "special_bond": ("专项债券", "Special bond"),
    "own": ("自有资金", "Own funds"),
    "loan": ("银行贷款", "Loan"),
    "other": ("其他资金", "Other"),
}
_FUNDING: Final = "#2f7d32"
_COLOURS: Final = ("#1f6fb2", "#b4561b", "#6a4fa3", "#0f7f78", "#8c3b2b")
_COLUMNS: Final = (
    ("合同与付款方向", "Contract, payer to payee", 0),
    ("合同额", "Contracted", 620),
    ("申请", "Applied", 760),
    ("批准", "Approved", 900),
    ("已付", "Paid", 1040),
    ("结算", "Settled", 1180),
)
_TABLE_WIDTH: Final = 1260
_STYLE: Final = (
    "<style>.h{font-size:20px;font-weight:600;fill:#1d2730}.s{font-size:12px;fill:#5b6670}.n{font-size:14px;"
    "font-weight:600;fill:#1d2730}.l{font-size:11px;fill:#1d2730}.t{font-size:12px;fill:#1d2730}"
    ".n,.d,.l{paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}.d{font-size:12px;fill:#5b6670}"
    "</style>"
)

_Node = tuple[str, str]
"""`("fund", source and code)` or `("party", code)`."""


@dataclass(frozen=True, slots=True)
class _Link:
    source: _Node
    target: _Node
    size: Decimal
    approved: Decimal
    paid: Decimal
    text: str
    is_funding: bool


@dataclass(slots=True)
class _Box:
    x: Decimal
    y: Decimal
    height: Decimal
    left: Decimal
    right: Decimal


def yuan(amount: Decimal) -> str:
    """An amount with thousands separators and two places, such as `1,234.50`."""
    whole, _, fen = amount_text(amount).partition(".")
    groups: list[str] = []
    while len(whole) > 3:
        whole, last = whole[:-3], whole[-3:]
        groups.insert(0, last)
    return ",".join([whole, *groups]) + "." + fen


def flow_picture(flow: MoneyFlow, *, title: str = "", note: str = "") -> str:
    """Draw a flow.

    Args:
        flow: the money.
        title: of what, such as the building's name.
        note: a line for the heading, such as the time up to which the records are.

    Returns:
        An SVG document without scripts, links and foreign content.
    """
    return _Drawing(flow).render(title, note)


class _Drawing:
    def __init__(self, flow: MoneyFlow) -> None:
        self._flow = flow
        self._names = {item.code: item.name or item.code for item in flow.parties}
        self._links = _links(flow)
        self._columns = _columns(self._links)
        self._scale = self._find_scale()
        self._boxes = self._place()

    def render(self, title: str, note: str) -> str:
        width = max(_LEFT + _COLUMN * (max(self._columns.values(), default=0) + 1), Decimal(_TABLE_WIDTH) + 2 * _LEFT)
        bottom = max((box.y + box.height for box in self._boxes.values()), default=_TOP) + 40
        rows = self._flow.contracts[:MAX_ROWS]
        height = bottom + _ROW * (len(rows) + 4)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="{_FONT}">',
            _STYLE,
            f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff"/>',
            *self._heading(title, note),
            *(self._band(link) for link in self._links),
            *self._nodes(),
            *self._table(bottom, rows),
            "</svg>\n",
        ]
        return "\n".join(parts)

    # Layout

    def _find_scale(self) -> Decimal:
        """Pixels for a yuan: the fullest column is as tall as a picture may be."""
        heights: dict[int, Decimal] = {}
        for node, column in self._columns.items():
            heights[column] = EXACT.add(heights.get(column, Decimal(0)), self._through(node))
        tallest = max(heights.values(), default=Decimal(0))
        return EXACT.divide(_TALLEST, tallest) if tallest else Decimal(0)

    def _through(self, node: _Node) -> Decimal:
        into = sum((link.size for link in self._links if link.target == node), Decimal(0))
        out = sum((link.size for link in self._links if link.source == node), Decimal(0))
        return max(into, out)

    def _place(self) -> dict[_Node, _Box]:
        boxes: dict[_Node, _Box] = {}
        lowest: dict[int, Decimal] = {}
        order = sorted(self._columns, key=lambda node: (self._columns[node], -self._through(node), node))
        for node in order:
            column = self._columns[node]
            y = lowest.get(column, _TOP) + _LABEL
            height = max(_tenths(EXACT.multiply(self._through(node), self._scale)), Decimal(2))
            boxes[node] = _Box(_LEFT + _COLUMN * column, y, height, y, y)
            lowest[column] = y + height
        return boxes

    # Parts

    def _heading(self, title: str, note: str) -> Iterator[str]:
        flow = self._flow
        name = f"{_shown(title, 40)} 资金流向" if title else "资金流向"
        yield _text("h", _LEFT, 36, name + " Flow of funds")
        totals = flow.totals
        yield _text(
            "s",
            _LEFT,
            60,
            f"资金来源 Funded {yuan(flow.funded)} 元　合同额 Contracted {yuan(totals.contracted)} 元　"
            f"批准 Approved {yuan(totals.approved)} 元　已付 Paid {yuan(totals.paid)} 元　"
            f"结算 Settled {yuan(totals.settled)} 元",
        )
        drawn = sum(not link.is_funding for link in self._links)
        if drawn < len(flow.contracts):
            note = f"共 {len(flow.contracts)} 笔，图中为最大的 {drawn} 笔 The {drawn} largest of all.　{note}"
        if flow.repeated:
            note = f"{len(flow.repeated)} 个事件的编号重复，未计入 Not counted: a number given twice.　{note}"
        yield _text("s", _LEFT, 80, _shown(note, 160))
        legend = (("0.25", "合同额等最大值 largest amount"), ("0.5", "批准 approved"), ("0.9", "已付 paid"))
        for index, (opacity, text) in enumerate(legend):
            x = _LEFT + 230 * index
            yield f'<rect x="{x}" y="92" width="22" height="12" fill="{_COLOURS[0]}" fill-opacity="{opacity}"/>'
            yield _text("s", x + 30, 103, text)

    def _band(self, link: _Link) -> str:
        source, target = self._boxes[link.source], self._boxes[link.target]
        colour = _FUNDING if link.is_funding else _COLOURS[self._columns[link.source] % len(_COLOURS)]
        x1, x2 = source.x + _NODE, target.x
        y1, y2 = source.right, target.left
        size = self._pixels(link.size)
        source.right += size
        target.left += size
        shapes = []
        for amount, opacity in ((link.size, "0.25"), (link.approved, "0.5"), (link.paid, "0.9")):
            if amount:
                height = self._pixels(amount)
                shapes.append(f'<path d="{_ribbon(x1, y1, x2, y2, height)}" fill="{colour}" fill-opacity="{opacity}"/>')
        label = ""
        if size >= 16:
            label = _text("l", x1 + 8, y1 + size / 2 + 4, link.text)
        return f"<g><title>{escape(visible(link.text))}</title>{''.join(shapes)}{label}</g>"

    def _nodes(self) -> Iterator[str]:
        parties = {item.code: item for item in self._flow.parties}
        for node, box in self._boxes.items():
            kind, text = node
            if kind == "fund":
                source, _, code = text.partition(":")
                zh, en = _SOURCES.get(source, (source, source))
                name = f"{zh} {en}"
                detail = f"{_shown(self._names[code], 18)}　{yuan(sum_of(self._links, node))} 元"
            else:
                party = parties[text]
                name = _shown(self._names[text], 20)
                incoming = EXACT.add(party.funded, party.received)
                detail = f"入 In {yuan(incoming)}　出 Out {yuan(party.spent)} 元"
            yield f'<rect x="{box.x}" y="{box.y}" width="{_NODE}" height="{box.height}" fill="#40566b"/>'
            yield _text("n", box.x, box.y - 24, name)
            yield _text("d", box.x, box.y - 8, detail)

    def _table(self, top: Decimal, rows: Sequence[ContractFlow]) -> Iterator[str]:
        y = top + _ROW
        for zh, en, x in _COLUMNS:
            yield _text("s", _LEFT + x, y, f"{zh} {en}", is_end=x > 0)
        yield f'<line x1="{_LEFT}" x2="{_LEFT + _TABLE_WIDTH}" y1="{y + 8}" y2="{y + 8}" stroke="#b8c2cc"/>'
        for item in rows:
            y += _ROW
            payer, payee = self._names[item.payer], self._names[item.payee]
            mark = "" if item.is_known else "（合同未登记 no such contract）"
            yield _text(
                "t",
                _LEFT,
                y,
                f"{_shown(_number(item.contract), 22)}　{_shown(payer, 12)} → {_shown(payee, 12)}{mark}",
            )
            amounts = item.amounts
            given = (amounts.contracted, amounts.applied, amounts.approved, amounts.paid, amounts.settled)
            for (_, _, x), amount in zip(_COLUMNS[1:], given, strict=True):
                yield _text("t", _LEFT + x, y, yuan(amount), is_end=True)
        if len(rows) < len(self._flow.contracts):
            rest = len(self._flow.contracts) - len(rows)
            yield _text("s", _LEFT, y + _ROW, f"另有 {rest} 笔未列出 {rest} more")

    def _pixels(self, amount: Decimal) -> Decimal:
        return max(_tenths(EXACT.multiply(amount, self._scale)), Decimal("0.5")) if amount else Decimal(0)


def sum_of(links: Sequence[_Link], source: _Node) -> Decimal:
    """What leaves a node."""
    return sum((link.size for link in links if link.source == source), Decimal("0.00"))


def _links(flow: MoneyFlow) -> list[_Link]:
    funding = [
        _Link(
            ("fund", f"{item.source}:{item.payer}"),
            ("party", item.payee),
            item.amount,
            Decimal(0),
            item.amount,
            f"{_SOURCES.get(item.source, (item.source, ''))[0]} {yuan(item.amount)} 元",
            True,
        )
        for item in flow.fundings
    ]
    largest = sorted(flow.contracts, key=lambda item: (-item.amounts.largest, item.contract, item.payer, item.payee))
    contracts = [
        _Link(
            ("party", item.payer),
            ("party", item.payee),
            item.amounts.largest,
            item.amounts.approved,
            item.amounts.paid,
            f"{_shown(_number(item.contract), 18)}　已付 {yuan(item.amounts.paid)} / {yuan(item.amounts.largest)} 元",
            False,
        )
        for item in largest[:MAX_DRAWN_LINKS]
    ]
    return funding + contracts


def _columns(links: Sequence[_Link]) -> dict[_Node, int]:
    """The column of each node: funds, whom they fund, and on by the fewest payments; what nothing leads to is early."""
    onward: dict[_Node, list[_Node]] = {}
    nodes: dict[_Node, None] = {}
    for link in links:
        onward.setdefault(link.source, []).append(link.target)
        nodes |= {link.source: None, link.target: None}
    paid = {link.target for link in links}
    columns = {node: 0 for node in nodes if node[0] == "fund"}
    columns |= {node: 1 for node in nodes if node not in paid and node not in columns}
    waiting = list(columns) or list(nodes)[:1]
    for node in [*waiting, *nodes]:  # what is on a circle that nothing leads to comes at the end
        if node not in columns:
            columns[node] = 1
        reached = [node]
        while reached:
            current = reached.pop(0)
            for target in sorted(onward.get(current, ())):
                if target not in columns:
                    columns[target] = columns[current] + 1
                    reached.append(target)
    return columns


def _ribbon(x1: Decimal, y1: Decimal, x2: Decimal, y2: Decimal, height: Decimal) -> str:
    middle = _tenths((x1 + x2) / 2)
    return (
        f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}V{y2 + height}"
        f"C{middle} {y2 + height} {middle} {y1 + height} {x1} {y1 + height}Z"
    )


def _tenths(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.1"), context=EXACT)


def _number(uri: str) -> str:
    return uri.rpartition(":")[2]


def _shown(text: str, signs: int) -> str:
    shown = visible(text)
    return shown if len(shown) <= signs else shown[: signs - 1] + "…"


def _text(style: str, x: Decimal | int, y: Decimal | int, text: str, *, is_end: bool = False) -> str:
    anchor = ' text-anchor="end"' if is_end else ""
    return f'<text class="{style}" x="{x}" y="{y}"{anchor}>{escape(visible(text))}</text>'
