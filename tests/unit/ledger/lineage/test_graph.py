"""Where a version came from: every way back, however many, and what does not hold on it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import PolicyError
from ledger.lineage.graph import NodeStatus, refuse_cycle, trace
from ledger.lineage.record import DatasetRef, DatasetVersion

from .versions import digest, version


def finder(*records: DatasetVersion) -> Callable[[DatasetRef], DatasetVersion | None]:
    known = {record.ref: record for record in records}
    return known.get


def uri(text: str) -> str:
    return f"urn:yunshang:dataset:{text}"


def test_follows_every_way_back_to_its_sources() -> None:
    raw = version("raw", "1", "https://example.org/scan")
    left, right = version("left", "1", "raw@1"), version("right", "1", "raw@1")
    figure = version("figure", "3", "left@1", "right@1")
    found = trace(figure, finder(raw, left, right))
    assert [(node.uri, node.status, node.depth) for node in found.nodes] == [
        (uri("figure@3"), NodeStatus.REGISTERED, 0),
        (uri("left@1"), NodeStatus.REGISTERED, 1),
        (uri("right@1"), NodeStatus.REGISTERED, 1),
        (uri("raw@1"), NodeStatus.REGISTERED, 2),
        ("https://example.org/scan", NodeStatus.EXTERNAL, 3),
    ]
    assert len(found.edges) == 5
    assert found.findings == ()
    assert found.is_whole
    assert [record.ref.dataset for record in found.records] == ["figure", "left", "right", "raw"]


def test_a_source_that_is_not_known_could_not_be_checked() -> None:
    found = trace(version("figure", "1", "hidden@1"), finder())
    assert found.nodes[1].status is NodeStatus.NOT_VISIBLE
    assert found.findings == ()
    assert not found.is_whole
    assert found.status() == {uri("hidden@1"): "not_visible"}


def test_a_source_of_other_bytes_is_found() -> None:
    raw = version("raw", "1", sha256=digest("another file"))
    found = trace(version("figure", "1", "raw@1"), finder(raw))
    assert [finding.rule for finding in found.findings] == ["source_differs"]
    assert found.findings[0].to_json()["source"] == uri("raw@1")
    assert found.is_whole


def test_a_source_that_is_external_by_no_digest_differs_from_nothing() -> None:
    found = trace(version("figure", "1", "https://example.org/scan"), finder())
    assert found.findings == ()


def test_a_cycle_is_found_and_ends() -> None:
    a, b, c = version("a", "1", "c@1"), version("b", "1", "a@1"), version("c", "1", "b@1", "d@1")
    found = trace(a, finder(a, b, c, version("d")))
    assert {finding.rule for finding in found.findings} == {"lineage_cycle"}
    assert len(found.nodes) == 4


def test_ways_that_meet_are_no_cycle() -> None:
    records = [version("d"), version("c", "1", "d@1"), version("b", "1", "c@1", "d@1"), version("a", "1", "b@1", "c@1")]
    assert trace(records[-1], finder(*records)).findings == ()


def test_refuses_a_version_that_would_be_its_own_source() -> None:
    b, c = version("b", "1", "c@1"), version("c", "1", "a@1")
    with pytest.raises(PolicyError) as caught:
        refuse_cycle(version("a", "1", "b@1"), finder(b, c))
    assert caught.value.code == "lineage_cycle"
    refuse_cycle(version("a", "2", "b@1"), finder(b, c))


def test_says_so_where_there_are_more_than_are_followed() -> None:
    wide = version("wide", "1", *(f"s{number:03d}@1" for number in range(50)))
    found = trace(wide, finder(), max_nodes=10)
    assert len(found.nodes) == 10
    assert found.findings[-1].rule == "lineage_cut"
    assert not found.is_whole


def test_a_long_way_takes_time_linear_in_its_length() -> None:
    records = [version("v0")] + [version(f"v{number}", "1", f"v{number - 1}@1") for number in range(1, 5_000)]
    begun = time.perf_counter()
    found = trace(records[-1], finder(*records))
    assert len(found.nodes) == 5_000
    assert time.perf_counter() - begun < 20


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda pair: pair[0] != pair[1]), max_size=25))
def test_finds_a_cycle_exactly_where_there_is_one(pairs: list[tuple[int, int]]) -> None:
    sources: dict[int, set[int]] = {number: set() for number in range(8)}
    for derived, source in pairs:
        sources[derived].add(source)
    records = [
        version(f"n{number}", "1", *(f"n{source}@1" for source in sorted(found))) for number, found in sources.items()
    ]
    reached = _reachable(sources, 0) | {0}
    expected = any(number in _reachable(sources, number) for number in reached)
    found = trace(records[0], finder(*records))
    assert {node.uri for node in found.nodes} == {uri(f"n{number}@1") for number in reached}
    assert any(finding.rule == "lineage_cycle" for finding in found.findings) == expected


def _reachable(sources: dict[int, set[int]], start: int) -> set[int]:
    seen: set[int] = set()
    waiting = list(sources[start])
    while waiting:
        number = waiting.pop()
        if number not in seen:
            seen.add(number)
            waiting += sources[number]
    return seen
