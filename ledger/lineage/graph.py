"""Where a version came from: the whole derivation back to its sources. Source: docs/data-chain.md section 5.

A version is found by its name; whether it is the one that was used, its digest tells. What can't be found may be
unknown to the archive or not for whoever asks: both are `NOT_VISIBLE`, told apart by nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from ledger.errors import PolicyError
from ledger.lineage.prov_export import entity_uri, source_uri
from ledger.lineage.record import DatasetRef, DatasetSource, DatasetVersion

__all__ = [
    "LINEAGE_FORMAT",
    "MAX_NODES",
    "Edge",
    "FindVersion",
    "Lineage",
    "LineageFinding",
    "Node",
    "NodeStatus",
    "refuse_cycle",
    "trace",
]

LINEAGE_FORMAT: Final = "yunshang-lineage/v1"
MAX_NODES: Final = 10_000

FindVersion = Callable[[DatasetRef], DatasetVersion | None]
"""Gives a version by its name; None: unknown, or not for whoever asks."""


class NodeStatus(StrEnum):
    """What is known of a node."""

    REGISTERED = "registered"
    """Its record is there."""
    EXTERNAL = "external"
    """No archive registers it."""
    NOT_VISIBLE = "not_visible"
    """A data set of which nothing is known here: could not check."""

    @property
    def zh(self) -> str:
        """The Chinese name."""
        return _STATUS_ZH[self]


_STATUS_ZH: Final = {
    NodeStatus.REGISTERED: "已登记",
    NodeStatus.EXTERNAL: "外部来源",
    NodeStatus.NOT_VISIBLE: "不可见",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A version or another source.

    Attributes:
        uri: as a PROV entity.
        status: what is known of it.
        record: where it is registered.
        depth: the fewest derivations from the version that was asked for.
    """

    uri: str
    status: NodeStatus
    record: DatasetVersion | None
    depth: int


@dataclass(frozen=True, slots=True)
class Edge:
    """A derivation.

    Attributes:
        derived: URI of what was made.
        source: URI of what it was made from.
        sha256: of the bytes that were used, as the maker says, 32 bytes, or None.
    """

    derived: str
    source: str
    sha256: bytes | None


@dataclass(frozen=True, slots=True)
class LineageFinding:
    """Something in a derivation that does not hold.

    Attributes:
        rule: `source_differs`, `lineage_cycle` or `lineage_cut`.
        zh, en: what it means.
        edge: the derivation concerned, or None.
    """

    rule: str
    zh: str
    en: str
    edge: Edge | None = None

    def to_json(self) -> dict[str, Any]:
        """Return `{"derived", "en", "rule", "source", "zh"}`."""
        return {
            "derived": self.edge.derived if self.edge else None,
            "en": self.en,
            "rule": self.rule,
            "source": self.edge.source if self.edge else None,
            "zh": self.zh,
        }


@dataclass(frozen=True, slots=True)
class Lineage:
    """A derivation.

    Attributes:
        root: URI of the version that was asked for.
        nodes: the root first, then by depth and URI.
        edges: in the order of their nodes.
        findings: what does not hold; empty: nothing was found.
    """

    root: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    findings: tuple[LineageFinding, ...]

    @property
    def records(self) -> Iterator[DatasetVersion]:
        """The records of the registered nodes, the root's first."""
        return (node.record for node in self.nodes if node.record is not None)

    @property
    def is_whole(self) -> bool:
        """Whether every way back ends at a registered version without sources, or at an external one."""
        cut = any(finding.rule == "lineage_cut" for finding in self.findings)
        return not cut and all(node.status is not NodeStatus.NOT_VISIBLE for node in self.nodes)

    def status(self) -> dict[str, str]:
        """By URI, the status of nodes without a record, for a PROV document."""
        return {node.uri: node.status.value for node in self.nodes if node.record is None}


def trace(root: DatasetVersion, find: FindVersion, *, max_nodes: int = MAX_NODES) -> Lineage:
    """Follow a version back to its sources.

    Args:
        root: the version.
        find: gives versions by name.
        max_nodes: where more come up, the rest is left out and a finding says so.

    Returns:
        The derivation. A cycle is a finding (`lineage_cycle`), and so is a registered source whose bytes are not
        those that were used (`source_differs`); an unknown source is neither.
    """
    nodes = {entity_uri(root.ref): Node(entity_uri(root.ref), NodeStatus.REGISTERED, root, 0)}
    edges: list[Edge] = []
    findings: list[LineageFinding] = []
    waiting = deque([root])
    while waiting:
        record = waiting.popleft()
        derived = entity_uri(record.ref)
        for source in record.derived_from:
            uri = source_uri(source)
            if uri not in nodes and len(nodes) >= max_nodes:
                findings.append(_CUT)
                waiting.clear()
                break
            edge = Edge(derived, uri, source.sha256)
            edges.append(edge)
            if uri not in nodes:
                found = find(source.ref) if isinstance(source, DatasetSource) else None
                nodes[uri] = Node(uri, _status(source, found), found, nodes[derived].depth + 1)
                if found is not None:
                    waiting.append(found)
            known = nodes[uri].record
            if known is not None and source.sha256 != known.sha256:
                findings.append(_differs(edge))
    findings += [_cyclic(edge) for edge in _closing_edges(entity_uri(root.ref), edges)]
    order = sorted(nodes.values(), key=lambda node: (node.depth, node.uri))
    return Lineage(entity_uri(root.ref), tuple(order), tuple(edges), tuple(findings))


def refuse_cycle(record: DatasetVersion, find: FindVersion) -> None:
    """Refuse a version that would be its own source.

    Args:
        record: about to be registered.
        find: gives the versions that are.

    Raises:
        PolicyError: `lineage_cycle`.
    """
    own = entity_uri(record.ref)
    if any(edge.source == own for edge in trace(record, find).edges):
        raise PolicyError(
            f"expected sources that were there before, got {record.ref.text} among its own",
            code="lineage_cycle",
            where="dataset.derived_from",
        )


def _status(source: object, found: DatasetVersion | None) -> NodeStatus:
    if not isinstance(source, DatasetSource):
        return NodeStatus.EXTERNAL
    return NodeStatus.NOT_VISIBLE if found is None else NodeStatus.REGISTERED


def _closing_edges(root: str, edges: list[Edge]) -> list[Edge]:
    """The edges that lead back to where the way to them began: at least one of every cycle."""
    onward: dict[str, list[Edge]] = {}
    for each in edges:
        onward.setdefault(each.derived, []).append(each)
    closing: list[Edge] = []
    on_way, done = {root}, set[str]()
    way = [(root, iter(onward.get(root, ())))]
    while way:
        uri, rest = way[-1]
        edge = next(rest, None)
        if edge is None:
            way.pop()
            on_way.discard(uri)
            done.add(uri)
        elif edge.source in on_way:
            closing.append(edge)
        elif edge.source not in done:
            on_way.add(edge.source)
            way.append((edge.source, iter(onward.get(edge.source, ()))))
    return closing


_CUT: Final = LineageFinding(
    "lineage_cut", "来源过多，其余未列出", "there are more sources than are followed; the rest is left out"
)


def _differs(edge: Edge) -> LineageFinding:
    return LineageFinding(
        "source_differs",
        "所用数据与登记的版本不是同一文件",
        "the bytes that were used are not those of the registered version",
        edge,
    )


def _cyclic(edge: Edge) -> LineageFinding:
    return LineageFinding("lineage_cycle", "数据来源成环", "the version is among its own sources", edge)
