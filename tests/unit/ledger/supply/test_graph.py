"""Traces: what belongs to the story of a thing, whatever the order in which events come, and nothing besides."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from ledger.supply.follow import Thing, TracedEvent, is_followed
from ledger.supply.graph import EdgeKind, Limits, NodeKind, Seed, SeedKind, TraceGraph, event_node_id, walk
from ledger.supply.terms import EventKind

from .tracing import (
    CONTRACT,
    ELEMENT,
    ORDER,
    OTHER_ELEMENT,
    PRODUCT,
    REPORT,
    START,
    SUPPLIER,
    Project,
    lot,
    transactions,
    whole_story,
)

NO_LIMIT = Limits()
PALLET = "urn:epc:id:sscc:6901234.0000000001"
PANEL = "urn:epc:id:sgtin:6901234.000002.1"


def trace(project: Project, kind: SeedKind, name: str, limits: Limits = NO_LIMIT) -> TraceGraph:
    return walk(Seed(kind, name), project.fetch, limits)


def kinds(graph: TraceGraph) -> list[str | None]:
    return [event.kind for event in graph.events]


def things(graph: TraceGraph, kind: NodeKind) -> list[str]:
    return [thing.name for thing in graph.things if thing.kind is kind]


WHOLE = [
    "contract",
    "order",
    "commissioning",
    "shipment",
    "arrival",
    "sampling",
    "test_report",
    "acceptance",
    "installation",
    "payment_application",
    "payment_approval",
    "payment",
]


@pytest.mark.parametrize(
    ("kind", "name"), [(SeedKind.ELEMENT, ELEMENT), (SeedKind.LOT, lot(1)), (SeedKind.DOCUMENT, REPORT)]
)
def test_leads_from_the_contract_to_the_payment_whatever_it_starts_from(kind: SeedKind, name: str) -> None:
    graph = trace(whole_story(), kind, name)
    assert kinds(graph) == WHOLE
    assert things(graph, NodeKind.LOT) == [lot(1)]
    assert things(graph, NodeKind.ELEMENT) == [ELEMENT]
    assert things(graph, NodeKind.PRODUCT) == [PRODUCT]
    assert not graph.truncated


def test_joins_payments_to_what_they_cover() -> None:
    graph = trace(whole_story(), SeedKind.LOT, lot(1))
    covers = [edge for edge in graph.edges if edge.kind is EdgeKind.COVERS]
    names = {event_node_id(event): event.kind for event in graph.events}
    assert [(names[edge.source], names[edge.target]) for edge in covers] == [("payment_application", "acceptance")]


def test_every_edge_joins_nodes_of_the_graph() -> None:
    graph = trace(whole_story(), SeedKind.LOT, lot(1))
    nodes = {thing.node_id for thing in graph.things} | {event_node_id(event) for event in graph.events}
    assert all(edge.source in nodes and edge.target in nodes for edge in graph.edges)
    assert nodes == {node for edge in graph.edges for node in (edge.source, edge.target)}


def test_a_contract_does_not_pull_in_what_else_was_bought_under_it() -> None:
    project = whole_story()
    for number in range(10, 60):
        project.add(EventKind.ACCEPTANCE, lot(number), bizTransactionList=transactions(contract=CONTRACT))
        project.add(
            EventKind.ORDER,
            PRODUCT,
            bizTransactionList=transactions(contract=CONTRACT, order=f"{ORDER}{number}"),
        )
    assert kinds(trace(project, SeedKind.ELEMENT, ELEMENT)) == WHOLE


def test_where_nobody_names_an_order_those_for_the_product_under_the_contract_are_shown() -> None:
    other = "urn:epc:idpat:sgtin:6901234.000777.*"
    project = Project()
    project.add(EventKind.CONTRACT, bizTransactionList=transactions(contract=CONTRACT))
    for product, number in ((PRODUCT, "A"), (other, "B")):
        project.add(EventKind.ORDER, product, bizTransactionList=transactions(contract=CONTRACT, order=ORDER + number))
    project.add(EventKind.ORDER, PRODUCT, bizTransactionList=transactions(contract=CONTRACT + "9", order=ORDER + "C"))
    project.add(EventKind.ACCEPTANCE, lot(1), bizTransactionList=transactions(contract=CONTRACT))
    assert [event.index for event in trace(project, SeedKind.LOT, lot(1)).events] == [0, 1, 4]


def test_a_product_does_not_pull_in_its_other_lots() -> None:
    project = whole_story()
    for number in range(10, 40):
        project.add(EventKind.COMMISSIONING, lot(number), PRODUCT, yunshang_class=PRODUCT)
    assert kinds(trace(project, SeedKind.LOT, lot(1))) == WHOLE


def test_lots_of_one_delivery_do_not_pull_in_each_other() -> None:
    project = Project()
    shipped = project.add(EventKind.SHIPMENT, *(lot(number) for number in range(30)))
    for number in range(30):
        project.add(EventKind.ACCEPTANCE, lot(number))
    graph = trace(project, SeedKind.LOT, lot(3))
    assert kinds(graph) == ["shipment", "acceptance"]
    assert graph.left_out[event_node_id(shipped)] == 29


def test_from_an_element_other_elements_of_its_lot_are_left_out() -> None:
    project = Project()
    for number in range(20):
        project.add(EventKind.INSTALLATION, lot(1), yunshang_elements=[{"yunshang:globalId": f"{number:022d}"}])
    graph = trace(project, SeedKind.ELEMENT, f"{3:022d}")
    assert (len(graph.events), things(graph, NodeKind.ELEMENT)) == (1, [f"{3:022d}"])
    assert len(trace(project, SeedKind.LOT, lot(1)).events) == 20


def test_follows_what_an_element_says_it_used_and_nothing_else() -> None:
    project = Project()
    project.add(EventKind.ARRIVAL, lot(1))
    project.add(EventKind.ARRIVAL, lot(2))
    used = [{"yunshang:thing": lot(1), "yunshang:quantity": "1"}]
    other = [{"yunshang:thing": lot(2), "yunshang:quantity": "1"}]
    project.add(
        EventKind.INSTALLATION,
        lot(1),
        lot(2),
        yunshang_elements=[
            {"yunshang:globalId": ELEMENT, "yunshang:used": used},
            {"yunshang:globalId": OTHER_ELEMENT, "yunshang:used": other},
        ],
    )
    assert things(trace(project, SeedKind.ELEMENT, ELEMENT), NodeKind.LOT) == [lot(1)]
    assert things(trace(project, SeedKind.LOT, lot(2)), NodeKind.ELEMENT) == [OTHER_ELEMENT]


def test_goes_back_through_transformations_and_on_through_them() -> None:
    project = Project()
    inputs = [{"epcClass": lot(1), "quantity": 1}, {"epcClass": lot(2), "quantity": 1}]
    project.add(EventKind.TEST_REPORT, lot(1))
    project.add(EventKind.TEST_REPORT, lot(2))
    project.add(
        None,
        type="TransformationEvent",
        inputQuantityList=inputs,
        outputQuantityList=[{"epcClass": lot(9), "quantity": 1}],
    )
    project.add(EventKind.INSTALLATION, lot(9), yunshang_elements=[{"yunshang:globalId": ELEMENT}])
    assert kinds(trace(project, SeedKind.ELEMENT, ELEMENT)) == ["test_report", "test_report", None, "installation"]
    forward = trace(project, SeedKind.LOT, lot(1))
    assert kinds(forward) == ["test_report", None, "installation"]
    assert things(forward, NodeKind.LOT) == [lot(1), lot(9)]


def _packed(project: Project, action: str, *children: str) -> TracedEvent:
    return project.add(
        None, type="AggregationEvent", action=action, parentID=PALLET, childEPCs=[*children], quantityList=None
    )


def test_what_happens_to_a_carrier_counts_while_it_holds_the_lot() -> None:
    project = Project()
    project.add(None, epcList=[PALLET])  # 0: before
    _packed(project, "ADD", lot(1), lot(2))
    project.add(EventKind.SHIPMENT, epcList=[PALLET])
    _packed(project, "DELETE", lot(1))
    project.add(EventKind.ARRIVAL, epcList=[PALLET])  # 4: lot 2 only
    _packed(project, "DELETE")
    project.add(EventKind.SHIPMENT, epcList=[PALLET])  # 6: empty
    assert [event.index for event in trace(project, SeedKind.LOT, lot(1)).events] == [1, 2, 3]
    assert [event.index for event in trace(project, SeedKind.LOT, lot(2)).events] == [1, 2, 4]


def test_an_assembly_is_traced_down_to_its_parts() -> None:
    project = Project()
    project.add(EventKind.ARRIVAL, lot(1))
    project.add(None, type="AssociationEvent", action="ADD", parentID=PANEL, childEPCs=[lot(1)])
    project.add(EventKind.INSTALLATION, epcList=[PANEL], yunshang_elements=[{"yunshang:globalId": ELEMENT}])
    assert kinds(trace(project, SeedKind.ELEMENT, ELEMENT)) == ["arrival", None, "installation"]
    assert kinds(trace(project, SeedKind.LOT, lot(1))) == ["arrival", None, "installation"]


def test_a_place_that_holds_things_is_not_followed() -> None:
    project = Project()
    site = "urn:epc:id:sgln:6901234.00001.0"
    for number in range(9):
        project.add(None, type="AssociationEvent", action="ADD", parentID=site, childEPCs=[lot(number)])
    assert len(trace(project, SeedKind.LOT, lot(3)).events) == 1


def test_cyclic_aggregations_end() -> None:
    project = Project()
    for parent, child in ((lot(1), lot(2)), (lot(2), lot(3)), (lot(3), lot(1)), (lot(1), lot(1))):
        project.add(None, type="AggregationEvent", action="ADD", parentID=parent, childEPCs=[child])
    graph = trace(project, SeedKind.LOT, lot(1))
    assert len(graph.events) == 4
    assert not graph.truncated


def test_shows_the_report_that_an_acceptance_relies_on_though_it_covers_another_lot() -> None:
    project = Project()
    project.add(EventKind.TEST_REPORT, lot(2), yunshang_report=REPORT)
    project.add(EventKind.ACCEPTANCE, lot(2), yunshang_reports=[REPORT])
    project.add(EventKind.ACCEPTANCE, lot(1), yunshang_reports=[REPORT])
    graph = trace(project, SeedKind.LOT, lot(1))
    assert [event.index for event in graph.events] == [0, 2]
    assert things(graph, NodeKind.LOT) == [lot(1)]


def test_what_was_declared_in_error_is_shown_and_not_followed() -> None:
    project = Project()
    wrong = project.add(EventKind.INSTALLATION, lot(1), yunshang_elements=[{"yunshang:globalId": ELEMENT}])
    right = project.add(EventKind.INSTALLATION, lot(2), yunshang_elements=[{"yunshang:globalId": ELEMENT}])
    declaration = project.declare(wrong, corrected_by=[right.hash_id])
    project.add(EventKind.ARRIVAL, lot(1))
    project.add(EventKind.ARRIVAL, lot(2))
    graph = trace(project, SeedKind.ELEMENT, ELEMENT)
    assert {event.key for event in graph.events} == {e.key for e in (wrong, right, declaration, project.events[-1])}
    assert graph.annulled == {event_node_id(wrong)}
    assert things(graph, NodeKind.LOT) == [lot(2)]
    between = {(edge.source, edge.target, edge.kind) for edge in graph.edges if edge.source.startswith("event:")}
    assert (event_node_id(declaration), event_node_id(wrong), EdgeKind.DECLARES_ERROR) in between
    assert (event_node_id(right), event_node_id(wrong), EdgeKind.CORRECTS) in between


def test_nobody_else_can_take_an_event_out_of_a_story() -> None:
    project = whole_story()
    installed = next(event for event in project.events if event.kind is EventKind.INSTALLATION)
    project.declare(installed, reporter=SUPPLIER)
    graph = trace(project, SeedKind.ELEMENT, ELEMENT)
    assert sorted(filter(None, kinds(graph))) == sorted([*WHOLE, "installation"])
    assert not graph.annulled


def test_a_correction_that_names_other_things_is_found_by_its_id() -> None:
    project = Project()
    wrong = project.add(EventKind.ARRIVAL, lot(1))
    right = project.add(EventKind.ARRIVAL, lot(7), eventID="urn:uuid:00000000-0000-4000-8000-000000000001")
    project.add(EventKind.ACCEPTANCE, lot(7))
    project.declare(wrong, corrected_by=[right.event_id or ""])
    assert [event.index for event in trace(project, SeedKind.LOT, lot(1)).events] == [0, 3, 1]


@pytest.mark.parametrize("limit", [1, 2, 5, 11])
def test_says_when_there_are_more_events_than_allowed(limit: int) -> None:
    graph = trace(whole_story(), SeedKind.ELEMENT, ELEMENT, Limits(max_events=limit))
    assert len(graph.events) <= limit
    assert graph.truncated
    fetched = trace(whole_story(), SeedKind.ELEMENT, ELEMENT, Limits(max_fetched=limit))
    assert len(fetched.events) <= limit
    assert fetched.truncated
    assert not trace(whole_story(), SeedKind.ELEMENT, ELEMENT, Limits(max_events=12)).truncated


def test_says_when_it_would_have_to_go_further() -> None:
    project = Project()
    for number in range(100):
        project.add(
            None,
            type="TransformationEvent",
            inputQuantityList=[{"epcClass": lot(number), "quantity": 1}],
            outputQuantityList=[{"epcClass": lot(number + 1), "quantity": 1}],
        )
    assert trace(project, SeedKind.LOT, lot(100), Limits(max_levels=10)).truncated
    whole = trace(project, SeedKind.LOT, lot(100), Limits(max_levels=200))
    assert (len(whole.events), whole.truncated) == (100, False)


def test_of_what_nobody_named_there_is_nothing() -> None:
    graph = trace(whole_story(), SeedKind.LOT, lot(404))
    assert (graph.events, graph.things, graph.edges, graph.truncated) == ((), (), (), False)


def _shuffled(project: Project, seed: int) -> Callable[[Sequence[Thing]], Iterable[TracedEvent]]:
    draw = random.Random(seed)

    def fetch(things: Sequence[Thing]) -> Iterable[TracedEvent]:
        found = list(project.fetch(things))
        more = draw.sample(project.events, draw.randrange(len(project.events)))  # does no harm
        found += more + project.declarations(more)
        draw.shuffle(found)
        return found

    return fetch


_LOTS = st.integers(0, 5).map(lot)


@st.composite
def _projects(draw: st.DrawFn) -> Project:
    """Events of all sorts about a few lots, some declared in error."""
    project = Project()
    for _ in range(draw(st.integers(1, 25))):
        one, other = draw(_LOTS), draw(_LOTS)
        match draw(st.integers(0, 6)):
            case 0:
                quantities = {"inputQuantityList": [{"epcClass": one}], "outputQuantityList": [{"epcClass": other}]}
                project.add(None, type="TransformationEvent", **quantities)
            case 1:
                action = draw(st.sampled_from(["ADD", "DELETE", "OBSERVE"]))
                project.add(None, type="AggregationEvent", action=action, parentID=one, childEPCs=[other])
            case 2:
                element = draw(st.sampled_from([ELEMENT, OTHER_ELEMENT]))
                project.add(EventKind.INSTALLATION, one, other, yunshang_elements=[{"yunshang:globalId": element}])
            case 3:
                project.add(
                    EventKind.TEST_REPORT, one, yunshang_report=REPORT, bizTransactionList=transactions(order=ORDER)
                )
            case 4:
                project.add(EventKind.ORDER, PRODUCT, bizTransactionList=transactions(contract=CONTRACT, order=ORDER))
            case 5:
                covered = [event.hash_id for event in project.events[-3:]]
                project.add(EventKind.PAYMENT_APPLICATION, stream="funds", yunshang_coveredEvents=covered)
            case _:
                declared = {event.hash_id for event in project.events if event.is_declaration}
                free = [event for event in project.events if event.hash_id not in declared]
                project.declare(draw(st.sampled_from(free or [project.add(EventKind.ARRIVAL, one)])))
    return project


_SEEDS = st.one_of(
    _LOTS.map(lambda name: Seed(SeedKind.LOT, name)),
    st.sampled_from([Seed(SeedKind.ELEMENT, ELEMENT), Seed(SeedKind.DOCUMENT, REPORT)]),
)


@given(project=_projects(), seed=_SEEDS, order=st.integers(), limit=st.integers(1, 30))
def test_the_graph_is_the_same_whatever_the_order_of_events(
    project: Project, seed: Seed, order: int, limit: int
) -> None:
    limits = Limits(max_events=limit)
    graph = walk(seed, project.fetch, limits)
    assert walk(seed, _shuffled(project, order), limits) == graph
    assert len(graph.events) <= limit


@given(project=_projects(), seed=_SEEDS, number=st.integers(0, 5))
def test_what_is_added_about_other_things_changes_nothing(project: Project, seed: Seed, number: int) -> None:
    graph = walk(seed, project.fetch)
    project.add(EventKind.ACCEPTANCE, lot(900 + number), PRODUCT, bizTransactionList=transactions(contract=CONTRACT))
    project.add(EventKind.SHIPMENT, lot(950), bizTransactionList=transactions(order=ORDER))
    assert walk(seed, project.fetch) == graph


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("urn:epc:class:lgtin:4012345.012345.998877", True),
        ("urn:epc:id:sgtin:4012345.011111.987", True),
        ("urn:epc:id:sscc:4012345.1234567890", True),
        ("urn:epc:idpat:sgtin:4012345.012345.*", False),
        ("https://id.gs1.org/01/09521321000010", False),
        ("https://id.gs1.org/01/09521321000010/10/LOT1", True),
        ("https://id.gs1.org/01/09521321000010/21/1", True),
        ("https://example.org/01/09521321000010", False),
        ("https://id.gs1.org/414/9521321000010", False),
        ("https://id.gs1.org/00/195213210000000001", True),
        ("urn:epc:id:sgln:0614141.00777.0", False),
        ("urn:epc:id:pgln:0614141.00777", False),
    ],
)
def test_lots_and_pieces_are_followed_and_products_and_places_are_not(name: str, expected: bool) -> None:
    assert is_followed(name) is expected


@pytest.mark.parametrize(
    ("kind", "name", "code"),
    [
        (SeedKind.LOT, PRODUCT, "trace_not_a_lot"),
        (SeedKind.LOT, "", "malformed"),
        (SeedKind.ELEMENT, "x" * 1001, "malformed"),
        (SeedKind.DOCUMENT, REPORT.upper(), "malformed"),
        (SeedKind.DOCUMENT, REPORT[1:], "malformed"),
    ],
)
def test_refuses_seeds_that_are_none(kind: SeedKind, name: str, code: str) -> None:
    with pytest.raises(MalformedError) as refused:
        Seed(kind, name)
    assert refused.value.code == code


def test_events_of_one_time_come_in_the_order_of_their_digests() -> None:
    project = whole_story()
    graph = trace(project, SeedKind.LOT, lot(1))
    assert list(graph.events) == sorted(graph.events, key=lambda event: event.order)
    assert graph.events[0].event_time - START < timedelta(hours=1)
