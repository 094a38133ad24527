"""What changed from one model to another. Source: docs/bim-fingerprint.md section 9.

1. Equal roots: nothing.
2. Elements belong together by GlobalId; where it isn't unique, equal leaves do, then those of one class, in order.
3. Of what is left on both sides, `ledger.bim.reissue` says what was only issued again.
4. The later model is scanned again with the old GlobalIds, so that a reference to such an element is no change. By
   what is equal then, (3) may find more; this is done twice at most. Then aspects are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ledger.bim.fingerprint import Fingerprint
from ledger.bim.reissue import Side, pair_reissued, read_parameters
from ledger.bim.scan import FingerprintKernel, ModelScan, Step
from ledger.bim.schema import Aspect, table_for

__all__ = [
    "ChangedElement",
    "ComparedModel",
    "ElementName",
    "ModelDifference",
    "ReissuedElement",
    "class_name",
    "compare",
]

_LEAF_BYTES: Final = 32 * len(Aspect)
_NAME: Final = 2
_ROUNDS: Final = 2


@dataclass(frozen=True, slots=True)
class ElementName:
    """An element as people know it.

    Attributes:
        global_id: its GlobalId.
        class_name: as in the schema, such as `IfcDoor`; the keyword where the schema doesn't have it.
        name: attribute Name, None where it has no text.
    """

    global_id: str
    class_name: str = field(kw_only=True)
    name: str | None = field(kw_only=True)

    def to_json(self) -> dict[str, Any]:
        """Return `global_id`, `class` and `name`."""
        return {"global_id": self.global_id, "class": self.class_name, "name": self.name}


@dataclass(frozen=True, slots=True)
class ChangedElement(ElementName):
    """An element that is in both models, under the later one's GlobalId, class and name.

    Attributes:
        aspects: those that differ, in their order; not empty.
    """

    aspects: tuple[Aspect, ...] = field(kw_only=True)

    def to_json(self) -> dict[str, Any]:
        """Return the members of a name, and `aspects`."""
        # Not super(): with slots the decorated class isn't the one this method was compiled in.
        return ElementName.to_json(self) | {"aspects": [aspect.label for aspect in self.aspects]}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReissuedElement:
    """An element whose GlobalId was issued again.

    Attributes:
        old: GlobalId in the earlier model.
        new: GlobalId in the later one.
        class_name: class in the later one.
    """

    old: str
    new: str
    class_name: str

    def to_json(self) -> dict[str, Any]:
        """Return `old`, `new` and `class`."""
        return {"old": self.old, "new": self.new, "class": self.class_name}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDifference:
    """What changed; each list in the order of its GlobalIds (of `reissued`, the old ones).

    Attributes:
        added: in the later model only.
        deleted: in the earlier model only.
        changed: in both, with the aspects that differ; those issued again too, if anything else of them changed.
        reissued: in both, under another GlobalId.
        resources_changed: loose resource entities (the last leaf) that only one of the models has.
    """

    added: tuple[ElementName, ...] = ()
    deleted: tuple[ElementName, ...] = ()
    changed: tuple[ChangedElement, ...] = ()
    reissued: tuple[ReissuedElement, ...] = ()
    resources_changed: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed."""
        return not (self.added or self.deleted or self.changed or self.reissued or self.resources_changed)

    def to_json(self) -> dict[str, Any]:
        """Return the five members."""
        return {
            "added": [element.to_json() for element in self.added],
            "deleted": [element.to_json() for element in self.deleted],
            "changed": [element.to_json() for element in self.changed],
            "reissued": [element.to_json() for element in self.reissued],
            "resources_changed": self.resources_changed,
        }


@dataclass(frozen=True, slots=True)
class ComparedModel:
    """A model and its fingerprint.

    Attributes:
        step: the whole STEP file, unpacked.
        fingerprint: of these bytes.
    """

    step: Step
    fingerprint: Fingerprint

    @property
    def scan(self) -> ModelScan:
        """What the fingerprint was made from."""
        return self.fingerprint.scan


@dataclass(frozen=True, slots=True, kw_only=True)
class _Alignment:
    """Positions that belong together, and those left over; all ascending."""

    pairs: list[tuple[int, int]]
    deleted: list[int]
    added: list[int]


def compare(old: ComparedModel, new: ComparedModel, *, kernel: FingerprintKernel) -> ModelDifference:
    """Say what changed from one model to another.

    Time and memory are linear in the sizes of the models, but for sorting.

    Args:
        old: the earlier model.
        new: the later one.
        kernel: scans the later one again if GlobalIds were issued again.
    """
    if old.fingerprint.root == new.fingerprint.root:  # (1)
        return ModelDifference()
    before, after = old.scan, new.scan
    aligned = _align(before, after)  # (2)
    renames: dict[str, str] = {}
    for _ in range(_ROUNDS):
        found = _renames(before, after, aligned, (old.step, new.step))  # (3)
        if not found:
            break
        renames |= found
        after = kernel.scan(new.step, renames=renames)  # (4)
        aligned = _align(before, after)
    by_entity = dict(zip(new.scan.rooted, new.scan.global_ids, strict=True))
    original = tuple(by_entity[entity] for entity in after.rooted)
    classes = {name: class_name(after.schema, name) for name in after.keywords}
    current = {name: position for position, name in enumerate(original)}
    return ModelDifference(
        added=_names(new.step, after, aligned.added, original),
        deleted=_names(old.step, before, aligned.deleted, before.global_ids),
        changed=tuple(sorted(_changes(before, after, aligned.pairs, new.step, original), key=_order)),
        reissued=tuple(
            ReissuedElement(old=name, new=renamed, class_name=classes[_keyword(after, current[renamed])])
            for renamed, name in sorted(renames.items(), key=lambda item: (item[1], item[0]))
        ),
        resources_changed=_loose_changes(before.loose, after.loose),
    )


def class_name(schema: str, keyword: str) -> str:
    """Return the name of a class as its schema has it, such as `IfcDoor`; the keyword where no table has it."""
    rule = table_for(schema).entities.get(keyword)
    return rule.name if rule else keyword


def _keyword(scan: ModelScan, position: int) -> str:
    return scan.keywords[scan.keyword_of[scan.rooted[position]]]


def _aspects(scan: ModelScan, position: int) -> bytes:
    return scan.aspects[_LEAF_BYTES * position : _LEAF_BYTES * (position + 1)]


def _align(before: ModelScan, after: ModelScan) -> _Alignment:
    olds, news = _positions(before.global_ids), _positions(after.global_ids)
    pairs: list[tuple[int, int]] = []
    deleted, added = [], []
    for name, old in olds.items():
        new = news.pop(name, [])
        if len(old) == len(new) == 1:
            pairs.append((old[0], new[0]))
        elif not new:
            deleted += old
        else:
            found = _align_duplicates(before, after, old, new)
            pairs += found.pairs
            deleted += found.deleted
            added += found.added
    for left in news.values():
        added += left
    return _Alignment(pairs=sorted(pairs), deleted=sorted(deleted), added=sorted(added))


def _positions(global_ids: Sequence[str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for position, name in enumerate(global_ids):
        places.setdefault(name, []).append(position)
    return places


def _align_duplicates(before: ModelScan, after: ModelScan, old: Sequence[int], new: Sequence[int]) -> _Alignment:
    """Align elements of one GlobalId: equal ones, then those of a class, then whatever is left, in order."""
    pairs: list[tuple[int, int]] = []
    left_old, left_new = list(old), list(new)
    for key in (_aspects, _keyword, lambda _scan, _position: None):
        waiting: dict[object, list[int]] = {}
        for position in reversed(left_new):
            waiting.setdefault(key(after, position), []).append(position)
        unpaired = []
        for position in left_old:
            if candidates := waiting.get(key(before, position)):
                pairs.append((position, candidates.pop()))
            else:
                unpaired.append(position)
        left_old, left_new = unpaired, sorted(position for some in waiting.values() for position in some)
    return _Alignment(pairs=pairs, deleted=left_old, added=left_new)


def _renames(before: ModelScan, after: ModelScan, aligned: _Alignment, steps: tuple[Step, Step]) -> dict[str, str]:
    """Old GlobalIds of what was issued again, by their new ones."""
    if not aligned.deleted or not aligned.added:
        return {}
    pairs = pair_reissued(
        Side(scan=before, step=steps[0], left=aligned.deleted),
        Side(scan=after, step=steps[1], left=aligned.added),
        aligned.pairs,
    )
    known = set(before.global_ids)
    count = Counter(after.global_ids[position] for position in aligned.added)
    named = ((after.global_ids[later], before.global_ids[earlier]) for earlier, later in pairs)
    return {renamed: name for renamed, name in named if count[renamed] == 1 and renamed not in known}


def _changes(
    before: ModelScan, after: ModelScan, pairs: Sequence[tuple[int, int]], step: Step, original: Sequence[str]
) -> Iterator[ChangedElement]:
    for earlier, later in pairs:
        one, other = _aspects(before, earlier), _aspects(after, later)
        if one == other:
            continue
        aspects = tuple(a for a in Aspect if one[32 * a : 32 * a + 32] != other[32 * a : 32 * a + 32])
        yield ChangedElement(
            original[later],
            class_name=class_name(after.schema, _keyword(after, later)),
            name=_name(step, after, later),
            aspects=aspects,
        )


def _names(step: Step, scan: ModelScan, positions: Sequence[int], global_ids: Sequence[str]) -> tuple[ElementName, ...]:
    named = (
        ElementName(
            global_ids[position],
            class_name=class_name(scan.schema, _keyword(scan, position)),
            name=_name(step, scan, position),
        )
        for position in positions
    )
    return tuple(sorted(named, key=_order))


def _name(step: Step, scan: ModelScan, position: int) -> str | None:
    parameters = read_parameters(step, scan, position)
    name = parameters[_NAME] if len(parameters) > _NAME else None
    return name if isinstance(name, str) else None


def _order(element: ElementName) -> tuple[str, str, str]:
    return (element.global_id, element.class_name, element.name or "")


def _loose_changes(old: bytes, new: bytes) -> int:
    if old == new:
        return 0
    one, other = (Counter(some[at : at + 32] for at in range(0, len(some), 32)) for some in (old, new))
    return ((one - other) + (other - one)).total()
