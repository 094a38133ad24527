"""Elements whose GlobalId was issued again: which deleted one is which added one.

What two models have in common by GlobalId is known, and taken as anchors. What is left is sorted into cells of
possible counterparts, and a cell is split by what its members are connected to, until nothing moves:

1. Cells are made by own colour: class and all own content, without GlobalId and owner.
2. Members are told apart by their neighbours: attribute, direction, and the neighbour's cell. A neighbour that has no
   counterpart is left out, so that one change doesn't reach everything around it. One left on each side is a pair.
3. What has no cell then gets a weaker one: Tag, Name, shape, or place with one of these, where it occurs once in its
   class in either model; property definitions by Name and relationships by class, if a paired neighbour says so. Then
   again (2).
4. What can't be told apart is paired in the order of GlobalIds, one at a time, each followed by (2): equal
   assemblies are paired as wholes. Then again (3), for what has become lonely.
5. Cells that hold more on one side, or members with different surroundings, are divided as well as may be.

Relationships and property definitions are often equal in all they hold: they are paired only where a neighbour is, or
where everything four steps around them (colour 4) is equal. Each element is looked at a bounded number of times.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ledger.bim.scan import ModelScan, Step
from ledger.bim.schema import Aspect, table_for
from ledger.bim.step import Reference, Value, read_entity

__all__ = ["Side", "pair_reissued"]

_MAX_LOOKS: Final = 24
_CODES: Final = 1 << 12


class _Facts(NamedTuple):
    """What an entity says of itself, where it does."""

    name: str | None
    tag: str | None
    has_shape: bool
    has_place: bool


@dataclass(slots=True, kw_only=True)
class Side:
    """One of two models, and what the pairing knows of it.

    Attributes:
        scan: of the model.
        step: the same model's bytes.
        left: positions without a counterpart of the same GlobalId, ascending.
    """

    scan: ModelScan
    step: Step
    left: Sequence[int]
    label: list[int] = field(init=False)
    settled: bytearray = field(init=False)
    structural: dict[str, bool] = field(init=False)
    near: dict[int, list[tuple[int, int]]] = field(init=False)
    looks: dict[int, int] = field(init=False)
    read: dict[int, _Facts] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.scan.rooted)
        self.label = [0] * count
        self.settled = bytearray(count)
        entities = table_for(self.scan.schema).entities
        self.structural = {
            keyword: (rule := entities.get(keyword)) is not None and (rule.relationship or rule.property_definition)
            for keyword in self.scan.keywords
        }
        near: dict[int, list[tuple[int, int]]] = {position: [] for position in self.left}
        references = self.scan.references
        for target, referrer, attribute in zip(references[::3], references[1::3], references[2::3], strict=True):
            if target in near:
                near[target].append((2 * attribute + 1, referrer))
            if referrer in near:
                near[referrer].append((2 * attribute, target))
        self.near = near
        self.looks = dict.fromkeys(self.left, 0)

    def keyword(self, position: int) -> str:
        return self.scan.keywords[self.scan.keyword_of[self.scan.rooted[position]]]

    def is_structural(self, position: int) -> bool:
        return self.structural[self.keyword(position)]

    def own_colour(self, position: int) -> bytes:
        return self.scan.own_colours[32 * position : 32 * position + 32]

    def colour(self, position: int) -> bytes:
        return self.scan.colours[32 * position : 32 * position + 32]

    def aspect(self, position: int, aspect: Aspect) -> bytes:
        start = 256 * position + 32 * aspect
        return self.scan.aspects[start : start + 32]

    def facts(self, position: int) -> _Facts:
        if (found := self.read.get(position)) is None:
            rule = table_for(self.scan.schema).entities.get(self.keyword(position))
            names = [attribute.name for attribute in rule.attributes] if rule else ["", "", "Name"]
            values = dict(zip(names, read_parameters(self.step, self.scan, position), strict=False))
            name, tag = (
                value if isinstance(value, str) and value else None for value in map(values.get, ("Name", "Tag"))
            )
            has_shape, has_place = (
                isinstance(value, Reference) for value in map(values.get, ("Representation", "ObjectPlacement"))
            )
            found = self.read[position] = _Facts(name, tag, has_shape, has_place)
        return found

    def surroundings(self, position: int) -> tuple[int, ...]:
        """What a member is told apart by: its neighbours that have counterparts, with attribute and direction."""
        label = self.label
        return tuple(sorted([label[other] * _CODES + code for code, other in self.near[position] if label[other]]))

    def evidence(self, position: int) -> list[int]:
        """The same of neighbours that are paired."""
        label, settled = self.label, self.settled
        return [label[other] * _CODES + code for code, other in self.near[position] if settled[other]]


@dataclass(slots=True, eq=False)
class _Cell:
    """Possible counterparts; members in descending order, so that the last is taken first."""

    old: dict[int, None]
    new: dict[int, None]
    structural: bool

    @property
    def is_single(self) -> bool:
        return len(self.old) == len(self.new) == 1


def read_parameters(step: Step, scan: ModelScan, position: int) -> tuple[Value, ...]:
    """Return the parameters of the entity at a leaf position."""
    return read_entity(step, scan.offsets[scan.rooted[position]]).parameters


def pair_reissued(old: Side, new: Side, anchors: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Find what was only issued again.

    Args:
        old: the earlier model.
        new: the later model.
        anchors: positions with the same GlobalId in both.

    Returns:
        Pairs of positions among `left`, ascending.
    """
    return _Pairing(old, new).run(anchors)


class _Pairing:
    def __init__(self, old: Side, new: Side) -> None:
        self._old, self._new = old, new
        self._labels = 0
        self._pairs: list[tuple[int, int]] = []
        self._cell_old: dict[int, _Cell] = {}
        self._cell_new: dict[int, _Cell] = {}
        self._dirty_old: dict[int, None] = {}
        self._dirty_new: dict[int, None] = {}
        self._open: tuple[deque[_Cell], deque[_Cell]] = (deque(), deque())
        self._uneven: deque[_Cell] = deque()

    def run(self, anchors: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        for one, other in anchors:
            self._settle(one, other)
        self._gather(self._old.left, self._new.left, Side.own_colour)  # (1)
        self._dirty_old, self._dirty_new = dict.fromkeys(self._old.left), dict.fromkeys(self._new.left)
        self._refine()  # (2)
        for last in (False, True, True):
            self._weaken()  # (3)
            self._refine()
            self._decide()  # (4)
            while last and self._uneven:  # (5)
                self._sort_out(self._uneven.popleft())
                self._refine()
                self._decide()
        return sorted(self._pairs)

    def _settle(self, one: int, other: int) -> None:
        """Take two as counterparts and have their neighbours looked at again."""
        self._labels += 1
        for side, position in ((self._old, one), (self._new, other)):
            side.label[position] = self._labels
            side.settled[position] = 1
        self._touch([one], [other])

    def _touch(self, olds: Sequence[int], news: Sequence[int]) -> None:
        for side, positions, cells, dirty in (
            (self._old, olds, self._cell_old, self._dirty_old),
            (self._new, news, self._cell_new, self._dirty_new),
        ):
            for position in positions:
                for _, neighbour in side.near.get(position, ()):
                    if neighbour in cells and side.looks[neighbour] < _MAX_LOOKS:
                        dirty[neighbour] = None

    def _pair(self, one: int, other: int) -> None:
        for cells, position in ((self._cell_old, one), (self._cell_new, other)):
            cell = cells.pop(position)
            (cell.old if cells is self._cell_old else cell.new).pop(position)
        self._pairs.append((one, other))
        self._settle(one, other)

    def _gather(self, olds: Sequence[int], news: Sequence[int], key: Callable[[Side, int], Hashable]) -> None:
        """Make a cell of the members of either side that share a key; a key of None is none."""
        groups: defaultdict[Hashable, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for which, side, positions in ((0, self._old, olds), (1, self._new, news)):
            for position in positions:
                if (found := key(side, position)) is not None:
                    groups[found][which].append(position)
        for old, new in groups.values():
            if old and new:
                self._make(old, new)

    def _make(self, old: Sequence[int], new: Sequence[int]) -> None:
        """Move members into a cell of their own; a pair where it is one."""
        cell = _Cell(dict.fromkeys(reversed(old)), dict.fromkeys(reversed(new)), self._old.is_structural(old[0]))
        self._labels += 1
        sides = ((self._old, old, self._cell_old), (self._new, new, self._cell_new))
        for side, members, cells in sides:
            for position in members:
                if (former := cells.get(position)) is not None:
                    (former.old if cells is self._cell_old else former.new).pop(position)
                cells[position] = cell
                side.label[position] = self._labels
        if cell.is_single and self._has_ground(old[0], new[0]):
            self._pair(old[0], new[0])
            return
        self._open[cell.structural].append(cell)
        self._touch(old, new)

    def _has_ground(self, one: int, other: int) -> bool:
        """Whether two members of a cell that can't be others may be paired."""
        if not self._old.is_structural(one) or self._old.colour(one) == self._new.colour(other):
            return True
        return not set(self._old.evidence(one)).isdisjoint(self._new.evidence(other))

    def _refine(self) -> None:
        """Split cells by the surroundings of those members whose neighbours have changed, until none has."""
        while self._dirty_old or self._dirty_new:
            touched: dict[_Cell, tuple[list[int], list[int]]] = {}
            for which, side, cells, dirty in (
                (0, self._old, self._cell_old, self._dirty_old),
                (1, self._new, self._cell_new, self._dirty_new),
            ):
                for position in sorted(dirty):
                    if position in cells:
                        side.looks[position] += 1
                        touched.setdefault(cells[position], ([], []))[which].append(position)
                dirty.clear()
            for cell, (old, new) in touched.items():
                self._split(cell, old, new)

    def _split(self, cell: _Cell, old: Sequence[int], new: Sequence[int]) -> None:
        groups: defaultdict[tuple[int, ...], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for which, side, members, kept in ((0, self._old, old, cell.old), (1, self._new, new, cell.new)):
            for position in members:
                if position in kept:
                    groups[side.surroundings(position)][which].append(position)
        for olds, news in groups.values():
            if not olds or len(olds) != len(news):
                continue
            if len(olds) < max(len(cell.old), len(cell.new)):
                self._make(olds, news)
            elif len(olds) == 1 and self._has_ground(olds[0], news[0]):
                self._pair(olds[0], news[0])
        if not cell.old or not cell.new:
            self._dissolve(cell)

    def _dissolve(self, cell: _Cell) -> None:
        """Let go of members that have no possible counterpart: nobody is told apart by them."""
        olds, news = list(cell.old), list(cell.new)
        for side, members, cells in ((self._old, olds, self._cell_old), (self._new, news, self._cell_new)):
            for position in members:
                del cells[position]
                side.label[position] = 0
        cell.old.clear()
        cell.new.clear()
        self._touch(olds, news)

    def _weaken(self) -> None:
        """Give what has no possible counterpart a weaker cell (3)."""
        olds = [p for p in self._old.left if p not in self._cell_old and not self._old.settled[p]]
        news = [p for p in self._new.left if p not in self._cell_new and not self._new.settled[p]]
        keywords = {self._old.keyword(p) for p in olds} & {self._new.keyword(p) for p in news}
        for key in (_tag, _name, _shape, _place_and_name, _place_and_shape):
            self._pair_rare(olds, news, keywords, key)
        self._gather(
            [p for p in olds if not self._old.settled[p]],
            [p for p in news if not self._new.settled[p]],
            _structural_key,
        )
        self._dirty_old |= dict.fromkeys(p for p in olds if p in self._cell_old)
        self._dirty_new |= dict.fromkeys(p for p in news if p in self._cell_new)

    def _pair_rare(
        self,
        olds: Sequence[int],
        news: Sequence[int],
        keywords: set[str],
        key: Callable[[Side, int], Hashable],
    ) -> None:
        """Pair elements by a key that occurs once in its class in either model."""
        found: list[dict[tuple[str, Hashable], int]] = []
        for side, left in ((self._old, olds), (self._new, news)):
            open_left = {p for p in left if not side.settled[p]}
            wanted = {side.keyword(p) for p in open_left if side.keyword(p) in keywords and not side.is_structural(p)}
            keys = [
                (position, (side.keyword(position), value))
                for position in range(len(side.scan.rooted))
                if side.keyword(position) in wanted and (value := key(side, position)) is not None
            ]
            counts = Counter(pair for _, pair in keys)
            found.append({pair: p for p, pair in keys if counts[pair] == 1 and p in open_left})
        for pair in sorted(found[0].keys() & found[1].keys(), key=found[0].__getitem__):
            one, other = found[0][pair], found[1][pair]
            self._make([one], [other])

    def _decide(self) -> None:
        """Pair members that can't be told apart, one at a time; elements before what is said of them (4)."""
        while any(self._open):
            cells = self._open[0] or self._open[1]
            if not self._pair_first(cells[0]):
                self._uneven.append(cells.popleft())
            self._refine()

    def _pair_first(self, cell: _Cell) -> bool:
        if not cell.old or len(cell.old) != len(cell.new):
            return False
        one, other = _last(cell.old), _last(cell.new)
        is_alike = self._old.surroundings(one) == self._new.surroundings(other)
        if is_alike and self._has_ground(one, other):
            self._pair(one, other)
            return True
        return False

    def _sort_out(self, cell: _Cell) -> None:
        """Divide a cell of different surroundings or numbers: equal ones first, then by what only two share (5)."""
        while self._pair_first(cell):
            self._refine()
        groups: defaultdict[tuple[int, ...], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for which, side, members in ((0, self._old, cell.old), (1, self._new, cell.new)):
            for position in sorted(members):
                groups[side.surroundings(position)][which].append(position)
        size = max(len(cell.old), len(cell.new))
        for old, new in groups.values():
            if 0 < (count := min(len(old), len(new))) < size:
                self._make(old[:count], new[:count])
        self._pair_by_evidence(cell)
        if not cell.structural:
            for one, other in zip(sorted(cell.old), sorted(cell.new), strict=False):
                self._pair(one, other)
        if bool(cell.old) != bool(cell.new):
            self._dissolve(cell)

    def _pair_by_evidence(self, cell: _Cell) -> None:
        places: defaultdict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for which, side, members in ((0, self._old, cell.old), (1, self._new, cell.new)):
            for position in sorted(members):
                for item in set(side.evidence(position)):
                    places[item][which].append(position)
        for _, (old, new) in sorted(places.items()):
            if len(old) == len(new) == 1 and old[0] in cell.old and new[0] in cell.new:
                self._pair(old[0], new[0])


def _last(members: dict[int, None]) -> int:
    """The member added last; put back behind those that were removed, which would have to be passed every time."""
    position, _ = members.popitem()
    members[position] = None
    return position


def _tag(side: Side, position: int) -> Hashable:
    return side.facts(position).tag


def _name(side: Side, position: int) -> Hashable:
    return side.facts(position).name


def _shape(side: Side, position: int) -> Hashable:
    return side.aspect(position, Aspect.GEOMETRY) if side.facts(position).has_shape else None


def _place(side: Side, position: int) -> Hashable:
    return side.aspect(position, Aspect.PLACEMENT) if side.facts(position).has_place else None


def _place_and_name(side: Side, position: int) -> Hashable:
    place, facts = _place(side, position), side.facts(position)
    return None if place is None else (place, facts.name, facts.tag)


def _place_and_shape(side: Side, position: int) -> Hashable:
    place, shape = _place(side, position), _shape(side, position)
    return None if place is None or shape is None else (place, shape)


def _structural_key(side: Side, position: int) -> Hashable:
    if not side.is_structural(position):
        return None
    keyword = side.keyword(position)
    rule = table_for(side.scan.schema).entities[keyword]
    return (keyword, None if rule.relationship else side.facts(position).name)
