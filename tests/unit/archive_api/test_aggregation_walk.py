"""The walk that looks for cycles of aggregation does its work once for all events of a capture."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlmodel import Session, create_engine

from archive_api.db.metadata import metadata
from archive_api.supply import aggregation
from archive_api.supply.aggregation import Containment, refuse_cycles
from ledger.errors import MalformedError

DEPTH = 50


@pytest.fixture
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    metadata().create_all(engine)
    with Session(engine) as session:
        yield session
    engine.dispose()


def deep(count: int) -> list[tuple[str, Containment]]:
    """A chain of containers, and many things put into the deepest one, one by one."""
    chain = [Containment("AggregationEvent", f"c{number}", (f"c{number + 1}",), False, 0) for number in range(DEPTH)]
    put = [Containment("AggregationEvent", f"c{DEPTH}", (f"x{number}",), False, 9) for number in range(count)]
    return [(f"/{number}", item) for number, item in enumerate([*chain, *put])]


def test_each_container_is_read_once(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[set[str]] = []
    told = aggregation._Walk._told

    def counted(walk: aggregation._Walk, nodes: set[str]) -> Iterator[tuple[str, str, int, int]]:
        asked.append(set(nodes))
        return told(walk, nodes)

    monkeypatch.setattr(aggregation._Walk, "_told", counted)
    refuse_cycles(session, 1, deep(300))
    assert len(asked) == DEPTH + 1
    assert sum(map(len, asked)) == DEPTH + 1


def test_what_takes_too_many_steps_is_refused(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregation, "_MAX_STEPS", 3_000)
    refuse_cycles(session, 1, deep(5))
    with pytest.raises(MalformedError) as refused:
        refuse_cycles(session, 1, deep(100))
    assert refused.value.code == "aggregation_too_deep"


def test_the_cycle_at_the_end_of_a_chain_is_found(session: Session) -> None:
    closing = Containment("AggregationEvent", f"c{DEPTH}", ("c0",), False, 10)
    with pytest.raises(MalformedError) as refused:
        refuse_cycles(session, 1, [*deep(3), ("/closing", closing)])
    assert refused.value.code == "aggregation_cycle"
