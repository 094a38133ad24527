"""Traces: the walk of `ledger.supply.graph` over a building's rows, with proofs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlmodel import Session

from archive_api.errors import NotFoundError
from archive_api.projects.repository import ProjectRepository
from archive_api.services import Services
from archive_api.tracing.lookup import EventLookup
from archive_api.tracing.proofs import TraceProofs
from ledger.supply.graph import Limits, Seed, TraceGraph, walk
from ledger.supply.graph_text import graph_json, graphml
from ledger.supply.picture import picture

__all__ = ["LIMITS", "Trace", "trace"]

LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace with what it stands on.

    Attributes:
        building_key: 0x-hex.
        graph: what was found.
        checkpoints: of the building's streams, by name; see `TraceProofs`.
        proofs: by id of an event's node; None: not asked for.
    """

    building_key: str
    graph: TraceGraph
    checkpoints: dict[str, dict[str, Any]]
    proofs: dict[str, dict[str, Any] | None] | None

    def to_json(self) -> dict[str, Any]:
        """The document of docs/tracing.md section 4."""
        document = graph_json(self.graph, proofs=self.proofs)
        return document | {"building_key": self.building_key, "checkpoints": self.checkpoints}

    def to_graphml(self) -> bytes:
        """GraphML, UTF-8."""
        return graphml(self.graph)

    def to_svg(self) -> bytes:
        """A picture, UTF-8."""
        heads = "；".join(
            f"{'资金' if name == 'funds' else '供应链'}日志检查点 {name} {head['size']} 条，根 {head['root'][:16]}…"
            for name, head in sorted(self.checkpoints.items(), reverse=True)
        )
        return picture(self.graph, note=f"建筑 {self.building_key[:18]}…　{heads}").encode()


def trace(
    session: Session, services: Services, building_key: str, seed: Seed, *, proofs: bool = True, limits: Limits = LIMITS
) -> Trace:
    """Trace a lot, an element or a document of a building.

    Args:
        session: over one snapshot.
        services: the server's.
        building_key: its key, or that of an alias.
        seed: where to start.
        proofs: whether each event comes with its proof.
        limits: how far to go.

    Raises:
        NotFoundError: no such building, or no event of it names this (code `trace_nothing`).
        MismatchError: see `TraceProofs.of`.
    """
    key = ProjectRepository(session).building(building_key).building_key
    lookup = EventLookup(session, key, max_events=limits.max_fetched)
    graph = walk(seed, lookup, limits)
    if not graph.events:
        raise NotFoundError(
            f"expected an event that names the {seed.kind} {seed.name[:200]!r}, got none", code="trace_nothing"
        )
    proved = TraceProofs(session, services, key)
    given = proved.of(graph.events, lookup.places) if proofs else None
    return Trace(key, graph, proved.checkpoints, given)
