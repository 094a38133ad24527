"""Traces written as JSON, GraphML and SVG: whole, well-formed, and read back by other tools."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as Tree

import networkx
import pytest

from ledger.supply.follow import TracedEvent
from ledger.supply.graph import Seed, SeedKind, TraceGraph, event_node_id, walk
from ledger.supply.graph_text import EVENT_TITLES, TRACE_FORMAT, graph_json, graphml
from ledger.supply.picture import MAX_DRAWN_EVENTS, picture
from ledger.supply.terms import EventKind

from .tracing import ELEMENT, Project, lot, whole_story

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "urn:x:<script>alert(1)</script>&\"'\x00\ufffe"


@pytest.fixture
def graph() -> TraceGraph:
    project = whole_story()
    installed = next(event for event in project.events if event.kind is EventKind.INSTALLATION)
    project.declare(installed)
    project.add(EventKind.INSTALLATION, lot(1), yunshang_elements=[{"yunshang:globalId": ELEMENT}])
    return walk(Seed(SeedKind.ELEMENT, ELEMENT), project.fetch)


def hostile() -> TraceGraph:
    project = Project()
    project.add(EventKind.ARRIVAL, HOSTILE, reporter=HOSTILE)
    return walk(Seed(SeedKind.LOT, HOSTILE), project.fetch)


def test_json_says_all_of_the_graph(graph: TraceGraph) -> None:
    document = json.loads(json.dumps(graph_json(graph)))
    assert document["format"] == TRACE_FORMAT
    assert document["seed"] == {"kind": "element", "name": ELEMENT}
    assert [item["hash_id"] for item in document["events"]] == [event.hash_id for event in graph.events]
    assert {item["id"] for item in document["events"] if item["annulled"]} == graph.annulled
    assert [item["kind"] for item in document["events"] if item["declares_error"]] == ["installation"]
    assert document["events"][0]["title_zh"] == "合同"
    assert len(document["things"]) == len(graph.things)
    assert len(document["edges"]) == len(graph.edges)
    assert all("proof" not in item for item in document["events"])


def test_json_has_a_proof_or_null_for_each_event(graph: TraceGraph) -> None:
    first = event_node_id(graph.events[0])
    events = graph_json(graph, proofs={first: {"index": 0}})["events"]
    assert [item["proof"] for item in events] == [{"index": 0}, *[None] * (len(events) - 1)]


def test_every_kind_of_event_has_a_title() -> None:
    assert EVENT_TITLES.keys() == set(EventKind)


def test_graphml_is_read_back_with_its_types(graph: TraceGraph) -> None:
    read = networkx.read_graphml(io.BytesIO(graphml(graph)), force_multigraph=True)
    assert set(read.nodes) == {event_node_id(event) for event in graph.events} | {
        thing.node_id for thing in graph.things
    }
    edges = {(source, target, data["kind"]) for source, target, data in read.edges(data=True)}
    assert edges == {(edge.source, edge.target, edge.kind.value) for edge in graph.edges}
    for event in graph.events:
        node: dict[str, Any] = read.nodes[event_node_id(event)]
        assert (node["index"], node["annulled"]) == (event.index, event_node_id(event) in graph.annulled)
        assert type(node["index"]) is int
        assert type(node["annulled"]) is bool


def _without_a_place(event: TracedEvent) -> TracedEvent:
    return replace(event, index=None)


def test_events_that_are_not_in_the_log_yet_have_no_index() -> None:
    project = whole_story()
    project.events = [_without_a_place(event) for event in project.events]
    graph = walk(Seed(SeedKind.ELEMENT, ELEMENT), project.fetch)
    read = networkx.read_graphml(io.BytesIO(graphml(graph)), force_multigraph=True)
    assert all("index" not in data for _, data in read.nodes(data=True))
    assert "未入日志" in picture(graph)


def test_the_picture_shows_every_event_and_every_lot(graph: TraceGraph) -> None:
    text = picture(graph, note="检查点 23")
    drawn = Tree.fromstring(text)
    titles = [item.text or "" for item in drawn.iter(f"{SVG}title")]
    for event in graph.events:
        assert any(event.hash_id in title for title in titles)
    assert lot(1) in titles
    shown = "".join(item.text or "" for item in drawn.iter(f"{SVG}text"))
    for words in ("合同", "使用安装", "更正声明", "已作废", "检查点 23", "材料批次", "付款审批"):
        assert words in shown


def test_boxes_of_a_picture_do_not_meet_and_lie_within_it(graph: TraceGraph) -> None:
    drawn = Tree.fromstring(picture(graph))
    width, height = float(drawn.attrib["width"]), float(drawn.attrib["height"])
    boxes = []
    for group in drawn.iter(f"{SVG}g"):
        box = group.find(f"{SVG}rect")
        assert box is not None
        boxes.append([float(box.attrib[name]) for name in ("x", "y", "width", "height")])
    assert len(boxes) > len(graph.events)
    for number, (x, y, w, h) in enumerate(boxes):
        assert 0 <= x <= x + w <= width
        assert 0 <= y <= y + h <= height
        for x2, y2, w2, h2 in boxes[number + 1 :]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


def test_a_picture_of_very_many_events_says_how_many_it_shows() -> None:
    project = Project()
    for _ in range(MAX_DRAWN_EVENTS + 5):
        project.add(EventKind.ARRIVAL, lot(1))
    text = picture(walk(Seed(SeedKind.LOT, lot(1)), project.fetch))
    assert f"共 {MAX_DRAWN_EVENTS + 5} 个事件" in text
    assert f"前 {MAX_DRAWN_EVENTS} 个" in text


def test_hostile_names_break_neither_picture_nor_graphml() -> None:
    graph = hostile()
    text = picture(graph)
    drawn = Tree.fromstring(text.encode())
    assert not [item for item in drawn.iter() if item.tag.lower().endswith("script")]
    assert not re.search(r"<script|\son\w+=|href", text)
    read = networkx.read_graphml(io.BytesIO(graphml(graph)), force_multigraph=True)
    assert read.number_of_nodes() == len(graph.events) + len(graph.things)


def test_a_picture_of_nothing_is_a_picture() -> None:
    empty = walk(Seed(SeedKind.LOT, lot(404)), whole_story().fetch)
    assert "共 0 个事件" in picture(empty)
    assert graph_json(empty)["events"] == []
    assert networkx.read_graphml(io.BytesIO(graphml(empty))).number_of_nodes() == 0
