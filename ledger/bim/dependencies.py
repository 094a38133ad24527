"""In which order digests are computed, what is folded into what, and cycles. Source: docs/bim-fingerprint.md section 5.

A *node* is an entity index x for digest(x), or plain(x) of a rooted entity, and `count + x` for inverse(x) of a
describer. No recursion: a file decides how deep dependencies go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ledger.bim.entities import OWNER_HISTORY, Entities
from ledger.bim.tokens import step_error

__all__ = ["Dependencies", "resolve_dependencies"]


@dataclass(frozen=True, slots=True)
class Dependencies:
    """How the digests of a model depend on each other.

    Attributes:
        order: every node, behind those it depends on.
        nodes: what each node depends on, by node; for inverse forms only those of describers.
        folded: the describers folded into an entity, by entity index.
        kept_out: describers that were kept out of a target.
    """

    order: Sequence[int]
    nodes: Mapping[int, Sequence[int]]
    folded: Mapping[int, Sequence[int]] = field(kw_only=True)
    kept_out: frozenset[int] = field(kw_only=True)


def resolve_dependencies(entities: Entities) -> Dependencies:
    """Find out what is folded into what, and an order.

    Raises:
        MalformedError: a cycle remains.
    """
    count = len(entities.records)
    on_cycle = _parent_cycles(entities.parents)
    folded: Mapping[int, Sequence[int]] = entities.describers
    kept_out: set[int] = set()
    nodes = _nodes(entities, folded)
    order, component = _components(nodes)
    if _on_cycles(nodes, component):
        kept: dict[int, list[int]] = {}
        for target, describers in folded.items():
            own = set() if target in entities.global_ids else {component[target], component.get(count + target)}
            for describer in describers:
                if component[count + describer] in own:
                    kept_out.add(describer)
                else:
                    kept.setdefault(target, []).append(describer)
        folded = kept
        nodes = _nodes(entities, folded)
        order, component = _components(nodes)
        on_cycle |= {node % count for node in _on_cycles(nodes, component)}
    if on_cycle:
        record = entities.records[min(on_cycle)]
        raise step_error("cycle", record.offset, "entities that don't refer back to themselves", f"#{record.number}")
    return Dependencies(order, nodes, folded=folded, kept_out=frozenset(kept_out))


def _nodes(entities: Entities, folded: Mapping[int, Sequence[int]]) -> dict[int, tuple[int, ...]]:
    """What each node depends on, with the describers given folded into their targets."""
    count = len(entities.records)
    nodes: dict[int, tuple[int, ...]] = {}
    for index in range(count):
        if index in entities.global_ids:
            nodes[index] = tuple(
                target
                for attribute, target in entities.links(index)
                if attribute > OWNER_HISTORY and target not in entities.global_ids
            )
            continue
        describing = entities.describing_attribute(index)
        inverses = tuple(count + describer for describer in folded.get(index, ()))
        held, described = _held(entities, index, describing)
        nodes[index] = (*held, *described, *inverses)
        if describing is not None:
            nodes[count + index] = (*held, *inverses)
    return nodes


def _held(entities: Entities, index: int, describing: int | None) -> tuple[list[int], list[int]]:
    """The digests that an entity's encoding needs: outside its describing attribute, and in it."""
    rule, owner = entities.rules[index], entities.parent_owner(index)
    replaced = rule.parent_placement if rule is not None and owner is not None else None
    held: list[int] = []
    described: list[int] = []
    for attribute, target in entities.links(index):
        node = owner if owner is not None and attribute == replaced else target
        if node not in entities.global_ids or entities.is_repeated(node):
            (described if attribute == describing else held).append(node)
    return held, described


def _components(nodes: Mapping[int, Sequence[int]]) -> tuple[list[int], dict[int, int]]:
    """Return the nodes, each behind those it depends on (cycles aside), and the strongly connected component of each.

    Tarjan's algorithm with its stack of calls as a list.
    """
    order: list[int] = []
    component: dict[int, int] = {}
    lowest: dict[int, int] = {}
    entered: dict[int, int] = {}
    waiting: list[int] = []
    for root in nodes:
        if root in entered:
            continue
        calls = [(root, iter(nodes[root]))]
        entered[root] = lowest[root] = len(entered)
        waiting.append(root)
        while calls:
            node, successors = calls[-1]
            for successor in successors:
                if successor not in entered:
                    entered[successor] = lowest[successor] = len(entered)
                    waiting.append(successor)
                    calls.append((successor, iter(nodes[successor])))
                    break
                if successor not in component:
                    lowest[node] = min(lowest[node], entered[successor])
            else:
                calls.pop()
                order.append(node)
                if calls:
                    caller = calls[-1][0]
                    lowest[caller] = min(lowest[caller], lowest[node])
                if lowest[node] == entered[node]:
                    member = -1
                    while member != node:
                        member = waiting.pop()
                        component[member] = entered[node]
    return order, component


def _on_cycles(nodes: Mapping[int, Sequence[int]], component: Mapping[int, int]) -> set[int]:
    """Return the nodes from which one comes back to them: those with an edge within their component."""
    return {node for node, successors in nodes.items() if any(component[node] == component[s] for s in successors)}


def _parent_cycles(parents: Mapping[int, int]) -> set[int]:
    """Return the entities whose parent placements lead back to them."""
    on_cycle: set[int] = set()
    seen: dict[int, int] = {}  # by which start
    for start in parents:
        index: int | None = start
        while index is not None and index not in seen:
            seen[index] = start
            index = parents.get(index)
        if index is not None and seen[index] == start and index not in on_cycle:
            while index is not None and index not in on_cycle:
                on_cycle.add(index)
                index = parents.get(index)
    return on_cycle
