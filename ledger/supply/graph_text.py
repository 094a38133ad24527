"""Traces written down: JSON for programs, GraphML for tools that draw and measure graphs.

Source: docs/tracing.md section 4; GraphML 1.0 (http://graphml.graphdrawing.org).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ledger import fields
from ledger.supply.follow import TracedEvent
from ledger.supply.graph import TraceGraph, event_node_id
from ledger.supply.terms import EventKind

__all__ = ["EVENT_TITLES", "TRACE_FORMAT", "event_title", "graph_json", "graphml", "xml_text"]

TRACE_FORMAT: Final = "yunshang-trace/v1"

EVENT_TITLES: Final[Mapping[EventKind, tuple[str, str]]] = {
    EventKind.CONTRACT: ("合同", "Contract"),
    EventKind.ORDER: ("订单", "Order"),
    EventKind.COMMISSIONING: ("生产批次", "Commissioning"),
    EventKind.SHIPMENT: ("发货", "Shipment"),
    EventKind.ARRIVAL: ("进场", "Arrival"),
    EventKind.SAMPLING: ("见证取样", "Sampling"),
    EventKind.TEST_REPORT: ("检测报告", "Test report"),
    EventKind.ACCEPTANCE: ("进场验收", "Acceptance"),
    EventKind.INSTALLATION: ("使用安装", "Installation"),
    EventKind.FUNDING: ("资金来源", "Funding"),
    EventKind.PAYMENT_APPLICATION: ("付款申请", "Application"),
    EventKind.PAYMENT_APPROVAL: ("付款审批", "Approval"),
    EventKind.PAYMENT: ("付款", "Payment"),
    EventKind.SETTLEMENT: ("结算", "Settlement"),
}
"""The kinds of events in Chinese and English."""

_TYPES: Final[Mapping[str, tuple[str, str]]] = {
    "AggregationEvent": ("装箱组合", "Aggregation"),
    "AssociationEvent": ("装配关联", "Association"),
    "ObjectEvent": ("其他事件", "Object event"),
    "TransactionEvent": ("业务关联", "Transaction"),
    "TransformationEvent": ("加工转化", "Transformation"),
}
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def event_title(event: TracedEvent) -> tuple[str, str]:
    """What an event is, in Chinese and English: its kind, or its EPCIS type where it is outside the profile."""
    if event.kind is not None:
        return EVENT_TITLES[event.kind]
    named = event.record.get("type")
    return _TYPES.get(named, ("其他事件", "Event")) if isinstance(named, str) else ("其他事件", "Event")


def xml_text(text: str) -> str:
    """Text with a replacement character for everything that XML 1.0 can't hold."""
    return _NO_XML.sub("\ufffd", text)


def graph_json(graph: TraceGraph, *, proofs: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Write a trace as JSON members.

    Args:
        graph: the trace.
        proofs: by id of an event's node; None: events have no member `proof`. An event without one gets null.

    Returns:
        The object of docs/tracing.md section 4, without what the server adds.
    """
    return {
        "format": TRACE_FORMAT,
        "seed": {"kind": graph.seed.kind.value, "name": graph.seed.name},
        "truncated": graph.truncated,
        "events": [_event(graph, event, proofs) for event in graph.events],
        "things": [{"id": thing.node_id, "kind": thing.kind.value, "name": thing.name} for thing in graph.things],
        "edges": [{"source": edge.source, "target": edge.target, "kind": edge.kind.value} for edge in graph.edges],
    }


def _event(graph: TraceGraph, event: TracedEvent, proofs: Mapping[str, Any] | None) -> dict[str, Any]:
    node_id = event_node_id(event)
    zh, en = event_title(event)
    members = {
        "id": node_id,
        "hash_id": event.hash_id,
        "event_id": event.event_id,
        "record_sha256": event.record_sha256,
        "stream": event.stream,
        "index": event.index,
        "kind": None if event.kind is None else event.kind.value,
        "title_zh": zh,
        "title_en": en,
        "time": fields.utc_text(event.event_time.replace(microsecond=0)),
        "reporter": event.reporter,
        "declares_error": event.is_declaration,
        "annulled": node_id in graph.annulled,
        "left_out": graph.left_out.get(node_id, 0),
        "record": dict(event.record),
    }
    return members if proofs is None else members | {"proof": proofs.get(node_id)}


def graphml(graph: TraceGraph) -> bytes:
    """Write a trace as GraphML: a directed multigraph whose attributes are typed.

    Returns:
        UTF-8. Nodes have `node` (`event` or `thing`), `kind`, `label` and, of events, `time`, `reporter`, `hash_id`,
        `record_sha256`, `stream`, `annulled`, `declares_error` and `index` where it has one; edges have `kind`.
    """
    import networkx

    drawn = networkx.MultiDiGraph(name=f"{graph.seed.kind}:{xml_text(graph.seed.name)}", truncated=graph.truncated)
    for event in graph.events:
        node_id = event_node_id(event)
        place = {} if event.index is None else {"index": event.index}
        drawn.add_node(
            node_id,
            node="event",
            kind=event.kind.value if event.kind else "event",
            label="{} {}".format(*event_title(event)),
            time=fields.utc_text(event.event_time.replace(microsecond=0)),
            reporter=xml_text(event.reporter),
            hash_id=xml_text(event.hash_id),
            record_sha256=event.record_sha256,
            stream=event.stream,
            annulled=node_id in graph.annulled,
            declares_error=event.is_declaration,
            **place,
        )
    for thing in graph.things:
        drawn.add_node(xml_text(thing.node_id), node="thing", kind=thing.kind.value, label=xml_text(thing.name))
    for edge in graph.edges:
        drawn.add_edge(xml_text(edge.source), xml_text(edge.target), key=edge.kind.value, kind=edge.kind.value)
    text = "\n".join(networkx.generate_graphml(drawn))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()
