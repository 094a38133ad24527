"""A derivation as a picture: sources on the left, what was made from them on the right; SVG, Chinese first."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

from ledger.lineage.graph import Edge, Lineage, Node, NodeStatus
from ledger.texts import visible

__all__ = ["MAX_DRAWN_NODES", "lineage_picture"]

MAX_DRAWN_NODES: Final = 200
"""A picture shows no more nodes, the nearest ones; the heading says how many there are."""

_WIDTH: Final = 250
_HEIGHT: Final = 64
_STEP_X: Final = 330
_STEP_Y: Final = 84
_LEFT: Final = 30
_TOP: Final = 80
_FONT: Final = "'Noto Sans CJK SC','Noto Sans SC','Microsoft YaHei','PingFang SC',sans-serif"
_FILLS: Final[Mapping[NodeStatus, tuple[str, str]]] = {
    NodeStatus.REGISTERED: ("#e3eef8", "#1f6fb2"),
    NodeStatus.EXTERNAL: ("#f3efe2", "#7a6a3a"),
    NodeStatus.NOT_VISIBLE: ("#eceff1", "#78868f"),
}
_LEVELS: Final[Mapping[str, str]] = {"public": "公开", "internal": "内部", "restricted": "限阅", "secret": "秘密"}
_BAD: Final = "#c62828"
_STYLE: Final = (
    "<style>.h{font-size:18px;font-weight:600;fill:#1d2730}.n{font-size:13px;font-weight:600;fill:#1d2730}"
    ".s{font-size:11px;fill:#5b6670}</style>"
)


def lineage_picture(lineage: Lineage) -> str:
    """Draw a derivation.

    Args:
        lineage: of `ledger.lineage.graph.trace`; its first `MAX_DRAWN_NODES` nodes are drawn.

    Returns:
        An SVG document without scripts, links and foreign content; the same for the same derivation.
    """
    nodes = lineage.nodes[:MAX_DRAWN_NODES]
    places = _places(nodes)
    width = max(x for x, _ in places.values()) + _WIDTH + _LEFT
    height = max(y for _, y in places.values()) + _HEIGHT + 40
    bad = {finding.edge for finding in lineage.findings if finding.edge is not None}
    root = nodes[0].record
    title = "" if root is None else f"{_shown(root.title, 30)} 的来源"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="{_FONT}">',
        _STYLE,
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text class="h" x="{_LEFT}" y="32">{escape(title)} Lineage</text>',
        f'<text class="s" x="{_LEFT}" y="54">{escape(_summary(lineage, len(nodes)))}</text>',
        *(_line(edge, places, is_bad=edge in bad) for edge in lineage.edges if edge.source in places),
        *(_box(node, places[node.uri]) for node in nodes),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _places(nodes: tuple[Node, ...]) -> dict[str, tuple[int, int]]:
    deepest = max(node.depth for node in nodes)
    rows: dict[int, int] = {}
    places = {}
    for node in nodes:
        row = rows.get(node.depth, 0)
        rows[node.depth] = row + 1
        places[node.uri] = (_LEFT + _STEP_X * (deepest - node.depth), _TOP + _STEP_Y * row)
    return places


def _summary(lineage: Lineage, drawn: int) -> str:
    texts = [f"{len(lineage.nodes)} 个节点 nodes"]
    if drawn < len(lineage.nodes):
        texts.append(f"图中为最近的 {drawn} 个 the nearest {drawn}")
    if not lineage.is_whole:
        texts.append("部分来源不可见 some sources are not visible")
    counts: dict[str, int] = {}
    for finding in lineage.findings:
        counts[finding.zh] = counts.get(finding.zh, 0) + 1
    texts += [f"{zh}：{count}" for zh, count in counts.items()]
    return "　".join(texts)


def _line(edge: Edge, places: Mapping[str, tuple[int, int]], *, is_bad: bool) -> str:
    (x1, y1), (x2, y2) = places[edge.source], places[edge.derived]
    x1, y1, y2 = x1 + _WIDTH, y1 + _HEIGHT // 2, y2 + _HEIGHT // 2
    bend = max((x2 - x1) // 2, 30)
    colour, width = (_BAD, 2.5) if is_bad else ("#8a98a5", 1.5)
    return (
        f'<path d="M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}" fill="none" stroke="{colour}" '
        f'stroke-width="{width}"/><path d="M{x2} {y2}l-7 -4v8z" fill="{colour}"/>'
    )


def _box(node: Node, place: tuple[int, int]) -> str:
    x, y = place
    fill, stroke = _FILLS[node.status]
    dash = ' stroke-dasharray="5 4"' if node.status is NodeStatus.NOT_VISIBLE else ""
    record = node.record
    if record is None:
        name = node.uri.removeprefix("urn:yunshang:dataset:")
        texts = (node.status.zh, _shown(name, 34), _EN[node.status])
    else:
        texts = (
            _shown(record.title, 17),
            _shown(record.ref.text, 34),
            f"{_LEVELS[record.level]}　{record.responsible_party}　{record.sha256.hex()[:8]}…",
        )
    lines = "".join(
        f'<text class="{style}" x="{x + 10}" y="{y + dy}">{escape(text)}</text>'
        for style, dy, text in zip("nss", (20, 38, 54), texts, strict=True)
    )
    return (
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6" fill="{fill}" stroke="{stroke}"{dash}/>'
        f"{lines}"
    )


_EN: Final[Mapping[NodeStatus, str]] = {
    NodeStatus.REGISTERED: "registered",
    NodeStatus.EXTERNAL: "external source",
    NodeStatus.NOT_VISIBLE: "not registered here, or not visible to you",
}


def _shown(text: str, signs: int) -> str:
    shown = visible(text)
    return shown if len(shown) <= signs else shown[: signs - 1] + "…"
