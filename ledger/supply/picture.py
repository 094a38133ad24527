"""A trace as a picture: time runs from left to right, each kind of event and of thing has a lane of its own.

Every event has its own column, so that the line which joins it to lots, elements and documents belongs to it alone; a
lot is a bar over the time in which something was reported of it. Texts are Chinese first.

Source: docs/tracing.md section 5; SVG 1.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Final

from ledger.supply.follow import AGREEMENTS, FUNDS, TracedEvent
from ledger.supply.graph import Edge, EdgeKind, NodeKind, SeedKind, TraceGraph, event_node_id
from ledger.supply.graph_text import event_title, xml_text
from ledger.supply.terms import EventKind

__all__ = ["MAX_DRAWN_EVENTS", "picture"]

MAX_DRAWN_EVENTS: Final = 300
"""A picture shows no more events; the heading says how many there are."""

_PITCH: Final = 76
_BOX: Final = (138, 50)
_BAR: Final = 22
_BAR_STEP: Final = 30
_LEFT: Final = 128
_TOP: Final = 84
_LANE_GAP: Final = 14
_FONT: Final = "'Noto Sans CJK SC','Noto Sans SC','Microsoft YaHei','PingFang SC',sans-serif"
_SHOWN_NAME: Final = 26
_SEEDS: Final = {
    SeedKind.ELEMENT: ("构件", "element"),
    SeedKind.LOT: ("批次", "lot"),
    SeedKind.DOCUMENT: ("文件", "document"),
}


@dataclass(frozen=True, slots=True)
class _Lane:
    zh: str
    en: str
    colour: str
    kinds: frozenset[EventKind | None] = frozenset()
    thing: NodeKind | None = None


_LANES: Final = (
    _Lane("合同订单", "Agreements", "#6a4fa3", frozenset({EventKind.CONTRACT, EventKind.ORDER})),
    _Lane(
        "生产运输",
        "Making, transport",
        "#1f6fb2",
        frozenset({EventKind.COMMISSIONING, EventKind.SHIPMENT, EventKind.ARRIVAL, None}),
    ),
    _Lane("材料批次", "Lots", "#40566b", thing=NodeKind.LOT),
    _Lane(
        "检测验收",
        "Tests, acceptance",
        "#0f7f78",
        frozenset({EventKind.SAMPLING, EventKind.TEST_REPORT, EventKind.ACCEPTANCE}),
    ),
    _Lane("文件", "Documents", "#7a6a3a", thing=NodeKind.DOCUMENT),
    _Lane("使用安装", "Installation", "#b4561b", frozenset({EventKind.INSTALLATION})),
    _Lane("构件", "Elements", "#8c3b2b", thing=NodeKind.ELEMENT),
    _Lane(
        "资金",
        "Money",
        "#2f7d32",
        frozenset(
            {
                EventKind.FUNDING,
                EventKind.PAYMENT_APPLICATION,
                EventKind.PAYMENT_APPROVAL,
                EventKind.PAYMENT,
                EventKind.SETTLEMENT,
            }
        ),
    ),
)
_LINES: Final = {  # colour and dash of what joins two events
    EdgeKind.COVERS: ("#2f7d32", "6 4"),
    EdgeKind.DECLARES_ERROR: ("#c62828", "none"),
    EdgeKind.CORRECTS: ("#c62828", "2 3"),
    EdgeKind.TRANSACTION: ("#6a4fa3", "3 4"),
}
_NEAREST: Final = (
    "urn:yunshang:approval:",
    "urn:yunshang:application:",
    "urn:yunshang:order:",
    "urn:yunshang:contract:",
)
"""Of the transactions that an event names, a line comes from the nearest."""
_ERROR: Final = "#c62828"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a box is: middle of its width, and its upper edge."""

    x: float
    y: float
    lane: _Lane


@dataclass(frozen=True, slots=True)
class _Bar:
    left: float
    right: float
    y: float


def picture(graph: TraceGraph, *, note: str = "") -> str:
    """Draw a trace.

    Args:
        graph: the trace; its first `MAX_DRAWN_EVENTS` events are drawn.
        note: a line for the heading, such as the checkpoint that the proofs lead to.

    Returns:
        An SVG document without scripts, links and foreign content.
    """
    return _Drawing(graph).render(note)


class _Drawing:
    def __init__(self, graph: TraceGraph) -> None:
        self._graph = graph
        self._events = graph.events[:MAX_DRAWN_EVENTS]
        self._ids = {event_node_id(event) for event in self._events}
        self._lane_of = {event_node_id(event): _lane_of(event) for event in self._events}
        self._near: dict[str, list[str]] = {}
        for edge in graph.edges:
            self._near.setdefault(edge.source, []).append(edge.target)
            self._near.setdefault(edge.target, []).append(edge.source)
        self._columns = self._place_columns()
        self._width: float = _LEFT + _PITCH * (max(self._columns.values(), default=0) + 2) + _BOX[0] // 2
        self._tops: dict[str, float] = {}
        self._heights: dict[str, float] = {}
        self._bars: dict[str, _Bar] = {}
        self._height = self._place_lanes()

    def render(self, note: str) -> str:
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self._width:.0f}" height="{self._height:.0f}" '
            f'viewBox="0 0 {self._width:.0f} {self._height:.0f}" font-family="{_FONT}">',
            "<style>.s{font-size:10px;fill:#5b6670}.t{font-size:13px;font-weight:600;fill:#fff}.d{font-size:10px;"
            "fill:#fff}.n{font-size:11px;fill:#fff}</style>",
            f'<rect width="{self._width:.0f}" height="{self._height:.0f}" fill="#fff"/>',
            *self._heading(note),
            *self._lanes(),
            *self._stems(),
            *self._things(),
            *self._between(),
            *map(self._box, self._events),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    # Places

    def _place_columns(self) -> dict[str, int]:
        """A column for each event in the order of time; two boxes of one lane never meet."""
        columns: dict[str, int] = {}
        last: dict[str, int] = {}
        column = -1
        for event in self._events:
            node_id = event_node_id(event)
            lane = self._lane_of[node_id].en
            column = max(column + 1, last.get(lane, -2) + 2)
            columns[node_id] = last[lane] = column
        return columns

    def _x(self, node_id: str) -> float:
        return _LEFT + _BOX[0] / 2 + 8 + _PITCH * self._columns[node_id]

    def _place_lanes(self) -> float:
        y = float(_TOP)
        for lane in _LANES:
            rows = self._place_bars(lane, y) if lane.thing else 1
            used = rows if lane.thing else lane in self._lane_of.values()
            if not used:
                continue
            self._tops[lane.en] = y
            self._heights[lane.en] = rows * _BAR_STEP + 8.0 if lane.thing else _BOX[1] + 16.0
            y += self._heights[lane.en] + _LANE_GAP
        return y + 8

    def _place_bars(self, lane: _Lane, top: float) -> int:
        """Bars in as few rows as they need; returns how many."""
        spans = []
        for thing in self._graph.things:
            ends = [self._x(node_id) for node_id in self._linked(thing.node_id)]
            if thing.kind is lane.thing and ends:
                left = min(ends) - 14
                spans.append((left, max(max(ends) + 14, left + 7.2 * len(_short(thing.name)) + 16), thing.node_id))
        rows: list[float] = []
        for left, right, node_id in sorted(spans):
            row = next((number for number, end in enumerate(rows) if end + 8 < left), len(rows))
            rows[row : row + 1] = [right]
            self._bars[node_id] = _Bar(left, right, top + 8 + row * _BAR_STEP)
            self._width = max(self._width, right + 16)
        return len(rows)

    def _linked(self, node_id: str) -> list[str]:
        return [other for other in self._near.get(node_id, ()) if other in self._ids]

    def _place(self, node_id: str) -> _Place:
        lane = self._lane_of[node_id]
        return _Place(self._x(node_id), self._tops[lane.en] + 8, lane)

    # Drawing

    def _heading(self, note: str) -> Iterable[str]:
        zh, en = _SEEDS[self._graph.seed.kind]
        count, drawn = len(self._graph.events), len(self._events)
        more = "" if drawn == count else f"，图中为前 {drawn} 个 (the first {drawn} are drawn)"
        cut = "；未追溯完，已达上限 (cut short by a limit)" if self._graph.truncated else ""
        yield _text(16, 30, f"材料追溯 Trace · {zh} {en} {self._graph.seed.name}", "font-size:18px;font-weight:700")
        yield _text(16, 52, f"共 {count} 个事件 events{more}{cut}", "font-size:12px;fill:#40566b")
        yield _text(16, 70, note, "font-size:11px;fill:#5b6670") if note else ""

    def _lanes(self) -> Iterable[str]:
        for number, lane in enumerate(lane for lane in _LANES if lane.en in self._tops):
            y, height = self._tops[lane.en], self._heights[lane.en]
            fill = "#f4f6f8" if number % 2 else "#fafbfc"
            yield f'<rect x="0" y="{y:.0f}" width="{self._width:.0f}" height="{height:.0f}" fill="{fill}"/>'
            yield f'<rect x="0" y="{y:.0f}" width="5" height="{height:.0f}" fill="{lane.colour}"/>'
            yield _text(14, y + height / 2, lane.zh, f"font-size:14px;font-weight:600;fill:{lane.colour}")
            yield _text(14, y + height / 2 + 15, lane.en, f"font-size:10px;fill:{lane.colour}")

    def _stems(self) -> Iterable[str]:
        """From each event one line up or down to the bars it names, with a dot on each."""
        for event in self._events:
            node_id = event_node_id(event)
            place = self._place(node_id)
            named = [self._bars[other] for other in self._near.get(node_id, ()) if other in self._bars]
            middle = place.y + _BOX[1] / 2
            ends = {min([middle, *(bar.y for bar in named)]), max([middle, *(bar.y for bar in named)])}
            for y in sorted(ends):
                if y != middle:
                    yield (
                        f'<path d="M{place.x:.1f} {middle:.1f}V{y:.1f}" stroke="{place.lane.colour}" '
                        f'stroke-width="1.6" stroke-opacity="0.55" fill="none"/>'
                    )

    def _things(self) -> Iterable[str]:
        colours = {lane.thing: lane.colour for lane in _LANES if lane.thing}
        for thing in self._graph.things:
            bar = self._bars.get(thing.node_id)
            if bar is None:
                continue
            is_seed = thing.name == self._graph.seed.name
            frame = ' stroke="#f0a500" stroke-width="3"' if is_seed else ""
            yield (
                f'<g><title>{escape(xml_text(thing.name))}</title><rect x="{bar.left:.1f}" y="{bar.y:.1f}" '
                f'width="{bar.right - bar.left:.1f}" height="{_BAR}" rx="11" fill="{colours[thing.kind]}"{frame}/>'
                f"{_text(bar.left + 10, bar.y + 15, _short(thing.name), kind='n')}</g>"
            )
            for node_id in self._linked(thing.node_id):
                place = self._place(node_id)
                edge = bar.y if place.y < bar.y else bar.y + _BAR
                yield (
                    f'<circle cx="{place.x:.1f}" cy="{edge:.1f}" r="4" fill="#fff" '
                    f'stroke="{place.lane.colour}" stroke-width="2"/>'
                )

    def _between(self) -> Iterable[str]:
        for edge in [*self._graph.edges, *_agreements(self._events)]:
            if edge.source in self._ids and edge.target in self._ids and edge.source != edge.target:
                colour, dash = _LINES[edge.kind]
                start, end = self._place(edge.source), self._place(edge.target)
                down = start.y < end.y
                y1 = start.y + (_BOX[1] if down else 0)
                y2 = end.y + (0 if down else _BOX[1])
                if start.y == end.y:
                    y1 = y2 = start.y
                bend = -18 if start.y == end.y else (y2 - y1) / 2
                other = bend if start.y == end.y else -bend
                yield (
                    f'<path d="M{start.x:.1f} {y1:.1f}C{start.x:.1f} {y1 + bend:.1f} {end.x:.1f} {y2 + other:.1f} '
                    f'{end.x:.1f} {y2:.1f}" stroke="{colour}" stroke-width="1.4" stroke-dasharray="{dash}" '
                    'fill="none"/>'
                )

    def _box(self, event: TracedEvent) -> str:
        node_id = event_node_id(event)
        place = self._place(node_id)
        zh, en = event_title(event)
        annulled = node_id in self._graph.annulled
        if event.is_declaration:
            zh, en = f"更正声明·{zh}", "Error declared"
        elif annulled:
            zh, en = f"{zh}（已作废）", "Annulled"
        colour = _ERROR if event.is_declaration else place.lane.colour
        look = f'fill="{colour}"' if not annulled else f'fill="#9aa3ab" stroke="{_ERROR}" stroke-dasharray="4 3"'
        where = "未入日志" if event.index is None else f"{'资金' if event.stream == FUNDS else '供应链'}#{event.index}"
        left = place.x - _BOX[0] / 2
        tip = f"{zh} {en}\n{event.event_time.isoformat()}\n{event.reporter}\n{event.hash_id}"
        return (
            f'<g><title>{escape(xml_text(tip))}</title><rect x="{left:.1f}" y="{place.y:.1f}" width="{_BOX[0]}" '
            f'height="{_BOX[1]}" rx="6" {look}/>{_text(left + 8, place.y + 17, zh, kind="t")}'
            f"{_text(left + 8, place.y + 31, f'{en} · {where}', kind='d')}"
            f"{_text(left + 8, place.y + 44, f'{event.event_time:%Y-%m-%d %H:%M}', kind='d')}</g>"
        )


def _lane_of(event: TracedEvent) -> _Lane:
    return next(lane for lane in _LANES if event.kind in lane.kinds)


def _agreements(events: Iterable[TracedEvent]) -> Iterable[Edge]:
    """Lines from contracts to orders and applications, from orders to deliveries, along the way of the money."""
    makers: dict[str, str] = {}
    for event in events:
        node_id = event_node_id(event)
        if event.kind not in (EventKind.ACCEPTANCE, EventKind.CONTRACT):
            for start in _NEAREST:
                found = [
                    makers[name] for name in event.named("transaction") if name.startswith(start) and name in makers
                ]
                if found:
                    yield from (Edge(maker, node_id, EdgeKind.TRANSACTION) for maker in found)
                    break
        own = event.named("agreement") if event.kind in AGREEMENTS else event.named("transaction")
        for name in own:
            if event.kind in AGREEMENTS or name.startswith(_NEAREST[:2]):
                makers.setdefault(name, node_id)


def _short(name: str) -> str:
    """The end of a name, where names of one kind differ; the beginning of a digest."""
    text = xml_text(name)
    if len(text) <= _SHOWN_NAME:
        return text
    return text[: _SHOWN_NAME - 6] + "…" if ":" not in text else "…" + text[1 - _SHOWN_NAME :]


def _text(x: float, y: float, text: str, style: str = "", *, kind: str = "") -> str:
    attributes: Mapping[str, str] = {"class": kind, "style": style}
    given = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items() if value)
    return f'<text x="{x:.1f}" y="{y:.1f}"{given}>{escape(xml_text(text))}</text>'
