"""One change at a time, at every place of a small model, and what each of them must do to the fingerprint."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from ledger.bim.schema import EntityRule, SchemaTable, table_for

from .rewriting import decoded, is_rooted, kinds_of
from .step_text import Entity, Record, StepText, Value, references

SAME = {
    "set order": "members of a SET in another order",
    "equal members": "two members of a LIST exchanged that are equal",
    "equal content": "a reference to another resource entity of the same content and the same describers",
    "derived": "`*` for `$` where the schema derives the value",
    "integer as real": "an integer where the schema says REAL",
    "described once": "a describing attribute names its target twice",
}
"""What legitimately leaves `root` as it was; `meaning` has to agree in each case."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """A changed text.

    Attributes:
        where: entity, attribute and place in it.
        what: what was done.
        text: the whole model.
        same: the entry of `SAME` that may apply, empty if the root must change.
    """

    where: str
    what: str
    text: bytes
    same: str


@dataclass(frozen=True, slots=True)
class _Change:
    where: str
    what: str
    span: tuple[int, int]
    new: bytes
    same: str = ""


class Mutator:
    """Every change of one model.

    Args:
        text: the model.
        model: the same, read.
        targets: how many other entities of the same class each reference is turned to.
    """

    def __init__(self, text: bytes, model: StepText, *, targets: int = 2) -> None:
        self.text, self.model, self.targets = text, model, targets
        self.table: SchemaTable = table_for(model.schema)
        self.kinds = kinds_of(model.schema)
        self.of_class: dict[str, list[int]] = defaultdict(list)
        self.keyword_of = {entity.number: entity.keyword for entity in model.entities}
        for entity in model.entities:
            self.of_class[entity.keyword].append(entity.number)

    def all(self) -> Iterator[Mutation]:
        for entity in self.model.entities:
            yield from self.of(entity)

    def of(self, entity: Entity) -> Iterator[Mutation]:
        """Every change of one entity."""
        for change in self._of_entity(entity):
            start, end = change.span
            if self.text[start:end] == change.new:
                continue
            text = self.text[:start] + change.new + self.text[end:]
            yield Mutation(change.where, change.what, text, change.same)

    def _of_entity(self, entity: Entity) -> Iterator[_Change]:
        for record in entity.records:
            keyword = record.keyword.decode("ascii").upper()
            rule = self.table.entities.get(keyword) if len(entity.records) == 1 else None
            where = f"#{entity.number}={keyword}"
            yield from self._of_record(record, where, rule)
            for index, value in enumerate(record.parameters):
                known = rule is not None and index < len(rule.attributes)
                attribute = rule.attributes[index] if rule is not None and known else None
                name = attribute.name if attribute is not None else str(index)
                kind = attribute.kind if attribute is not None else "."
                describes = rule is not None and rule.describes == index
                if attribute is not None and attribute.derived and value.kind in "$*":
                    other = b"*" if value.kind == "$" else b"$"
                    yield _Change(f"{where}.{name}", "derived", value.span, other, "derived")
                yield from self._of_value(value, kind, f"{where}.{name}", entity.number, describes)

    def _of_record(self, record: Record, where: str, rule: EntityRule | None) -> Iterator[_Change]:
        start, end = record.span
        after = start + len(record.keyword)
        yield _Change(where, "unknown class", (start, after), record.keyword + b"X")
        if rule is not None:
            like = [
                keyword
                for keyword, other in self.table.entities.items()
                if keyword != rule.keyword
                and (len(other.attributes), other.rooted) == (len(rule.attributes), rule.rooted)
            ]
            yield from (
                _Change(where, f"class {keyword}", (start, after), keyword.encode("ascii"))
                for keyword in sorted(like, key=lambda keyword: (keyword < rule.keyword, keyword))[:2]
            )
        yield _Change(where, "parameter more", (end - 1, end), b",$)" if record.parameters else b"$)")
        if record.parameters:
            last = record.parameters[-1].span
            begin = record.parameters[-2].span[1] if len(record.parameters) > 1 else last[0]
            yield _Change(where, "parameter less", (begin, last[1]), b"")

    def _of_value(self, value: Value, kind: str, where: str, number: int, describes: bool) -> Iterator[_Change]:
        match value.kind:
            case "$" | "*":
                for what, new in (("text", b"'x'"), ("integer", b"7"), ("enumeration", b".F."), ("empty", b"()")):
                    yield _Change(where, f"null to {what}", value.span, new)
                yield _Change(where, "null to reference", value.span, b"#%d" % self._other(number, ""))
                return
            case "reference":
                yield from self._of_reference(value, where, number)
            case "aggregate":
                yield from self._of_aggregate(value, kind, where, number, describes)
            case "typed":
                keyword = value.raw.decode("ascii").upper()
                end = value.span[0] + len(value.raw)
                for other in ("IFCTEXT", "IFCREAL", "IFCUNKNOWNTYPE"):
                    if other != keyword:
                        yield _Change(where, f"type {other}", (value.span[0], end), other.encode("ascii"))
                yield _Change(where, "type taken off", value.span, self._raw(value.parts[0]))
                yield from self._of_value(value.parts[0], self.kinds(keyword, -1), where + "()", number, False)
            case _:
                yield from self._of_scalar(value, kind, where)
        yield _Change(where, "to null", value.span, b"$")
        yield _Change(where, "put in a list", value.span, b"(%s)" % self._raw(value))

    def _raw(self, value: Value) -> bytes:
        return self.text[value.span[0] : value.span[1]]

    def _other(self, number: int, keyword: str) -> int:
        """An entity of another class; itself if there is none."""
        others = (other for other, theirs in self.keyword_of.items() if other != number and theirs != keyword)
        return next(others, number)

    def _of_reference(self, value: Value, where: str, number: int) -> Iterator[_Change]:
        keyword = self.keyword_of[value.number]
        alike = self.of_class[keyword]
        place = alike.index(value.number)
        for other in (alike[place + 1 :] + alike[:place])[: self.targets]:
            yield _Change(where, f"to #{other} of the same class", value.span, b"#%d" % other, "equal content")
        other = self._other(number, keyword)
        yield _Change(where, f"to #{other} of another class", value.span, b"#%d" % other)
        yield _Change(where, "to a text", value.span, b"'%d'" % value.number)

    def _of_aggregate(self, value: Value, kind: str, where: str, number: int, describes: bool) -> Iterator[_Change]:
        inner = kind[1:] if len(kind) > 1 else "."
        unordered = kind[0] in "SB" and len(kind) > 1
        parts = [self._raw(part) for part in value.parts]
        end = value.span[1]
        yield _Change(where, "null added", (end - 1, end), b",$)" if parts else b"$)")
        for index, part in enumerate(value.parts):
            place = f"{where}[{index}]"
            rest = parts[:index] + parts[index + 1 :]
            named = "described once" if describes and parts[index] in rest else ""
            yield _Change(place, "removed", value.span, b"(%s)" % b",".join(rest), named)
            twice = [*parts[: index + 1], *parts[index:]]
            yield _Change(place, "twice", value.span, b"(%s)" % b",".join(twice), "described once" if describes else "")
            if index:
                swapped = [*parts[: index - 1], parts[index], parts[index - 1], *parts[index + 1 :]]
                same = "set order" if unordered else "equal members"
                yield _Change(place, "exchanged", value.span, b"(%s)" % b",".join(swapped), same)
            yield from self._of_value(part, inner, place, number, describes)

    def _of_scalar(self, value: Value, kind: str, where: str) -> Iterator[_Change]:
        raw, span = value.raw, value.span
        match value.kind:
            case "real":
                number = float(raw)
                for what, towards in (("up", math.inf), ("down", -math.inf)):
                    yield _Change(where, f"one step {what}", span, spelled(math.nextafter(number, towards)))
                if number:
                    yield _Change(where, "sign", span, spelled(-number))
                if number.is_integer() and abs(number) < 2**53:
                    same = "integer as real" if kind == "r" else ""
                    yield _Change(where, "integer", span, b"%d" % int(number), same)
            case "integer":
                yield _Change(where, "one more", span, b"%d" % (int(raw) + 1))
                same = "integer as real" if kind == "r" else ""
                yield _Change(where, "real", span, raw + b".", same)
                yield _Change(where, "text", span, b"'%s'" % raw)
            case "string":
                yield _Change(where, "one character more", span, b"'%s '" % raw)
                yield _Change(where, "in front", span, b"'x%s'" % raw)
                if raw and raw[-1:] not in b"\\'":
                    yield _Change(where, "one bit", span, b"'%s%c'" % (raw[:-1], raw[-1] ^ 1))
                    yield _Change(where, "one character less", span, b"'%s'" % raw[:-1])
                if raw.isalnum():
                    yield _Change(where, "enumeration", span, b".%s." % raw)
            case "enumeration":
                for other in (b".T.", b".F.", b".USERDEFINED.", b".%sX." % raw):
                    if other[1:-1] != raw:
                        yield _Change(where, other.decode("ascii"), span, other)
                yield _Change(where, "text", span, b"'%s'" % raw)
            case "binary":
                yield _Change(where, "one digit more", span, b'"%s0"' % raw)
                yield _Change(where, "one digit", span, b'"%s%X"' % (raw[:-1], int(raw[-1:], 16) ^ 1))


def spelled(number: float) -> bytes:
    """A real in the form of a STEP file, all its digits."""
    text = repr(number).upper()
    mantissa, letter, exponent = text.partition("E")
    return (mantissa + ("" if "." in mantissa else ".") + letter + exponent).encode("ascii")


# -- an oracle --------------------------------------------------------------------------------------------------------


class Meaning:
    """What the page calls the same, found in another way: by refinement of classes of equal entities.

    Two models are equal if rooted entities with the same GlobalId and the unreferenced rest fall into the same classes.
    Only for small models without duplicate GlobalIds.
    """

    def __init__(self, *models: StepText) -> None:
        self.classes: list[dict[int, int]] = []
        self._views = [_View(model) for model in models]
        self.classes = [dict.fromkeys(view.entities, 0) for view in self._views]
        found = 0
        while True:
            names: dict[object, int] = {}
            self.classes = [
                {number: names.setdefault(view.signature(number, classes), len(names)) for number in view.entities}
                for view, classes in zip(self._views, self.classes, strict=True)
            ]
            if len(names) == found:
                break
            found = len(names)

    def summary(self, index: int) -> object:
        """The rooted entities and the loose rest of a model, comparable with another of the same object."""
        view, classes = self._views[index], self.classes[index]
        rooted = sorted((gid, classes[number]) for number, gid in view.rooted.items())
        loose = sorted(classes[number] for number in view.entities if number not in view.held)
        return view.model.schema, rooted, loose


def same_meaning(first: StepText, second: StepText) -> bool:
    meaning = Meaning(first, second)
    return meaning.summary(0) == meaning.summary(1)


class _View:
    def __init__(self, model: StepText) -> None:
        self.model = model
        self.table = table_for(model.schema)
        self.kinds = kinds_of(model.schema)
        self.entities = {entity.number: entity for entity in model.entities}
        self.rooted: dict[int, str] = {}
        self.describers: dict[int, set[int]] = defaultdict(set)
        self.held: set[int] = set()
        owners: dict[int, list[int]] = defaultdict(list)
        for entity in model.entities:
            rule = self.table.entities.get(entity.keyword)
            if is_rooted(entity, rule):
                self.rooted[entity.number] = decoded(entity.parameters[0].raw) or ""
                for attribute, value in zip(
                    rule.attributes if rule is not None else (), entity.parameters, strict=False
                ):
                    if attribute.name == "ObjectPlacement" and value.kind == "reference":
                        owners[value.number].append(entity.number)
        self.owner = {placement: holders[0] for placement, holders in owners.items() if len(holders) == 1}
        self.held |= self.rooted.keys()
        for entity in model.entities:
            rule = self.table.entities.get(entity.keyword)
            for record in entity.records:
                for index, value in enumerate(record.parameters):
                    targets = {reference.number for reference in references(value)}
                    if rule is not None and rule.describes == index and self._is_sound(value, rule):
                        for target in targets:
                            self.describers[target].add(entity.number)
                        self.held.add(entity.number)
                    elif not (rule is not None and rule.parent_placement == index and targets <= self.owner.keys()):
                        self.held |= targets

    @staticmethod
    def _is_sound(value: Value, rule: EntityRule) -> bool:
        one = len(rule.attributes[rule.describes or 0].kind) == 1
        if one:
            return value.kind == "reference"
        return value.kind == "aggregate" and bool(value.parts) and all(part.kind == "reference" for part in value.parts)

    def signature(self, number: int, classes: dict[int, int]) -> object:
        entity = self.entities[number]
        rule = self.table.entities.get(entity.keyword)
        records = tuple(
            (
                record.keyword.upper(),
                tuple(
                    self._meaning(entity, index, value, rule, classes) for index, value in enumerate(record.parameters)
                ),
            )
            for record in entity.records
        )
        if len(records) > 1:
            records = tuple(sorted(records, key=repr))
        describing = sorted(self._inverse(describer, classes, ()) for describer in self.describers[number])
        return records, tuple(describing)

    def _inverse(self, number: int, classes: dict[int, int], above: tuple[int, ...]) -> str:
        entity = self.entities[number]
        rule = self.table.entities[entity.keyword]
        parameters = [
            "Z" if index == rule.describes else repr(self._meaning(entity, index, value, rule, classes))
            for index, value in enumerate(entity.parameters)
        ]
        further = sorted(
            self._inverse(describer, classes, (*above, number))
            for describer in self.describers[number]
            if describer not in above
        )
        return repr((entity.keyword, parameters, further))

    def _meaning(
        self, entity: Entity, index: int, value: Value, rule: EntityRule | None, classes: dict[int, int]
    ) -> object:
        attribute = rule.attributes[index] if rule is not None and index < len(rule.attributes) else None
        if attribute is not None and attribute.derived and value.kind == "$":
            return "*", b""
        if (
            rule is not None
            and rule.parent_placement == index
            and value.kind == "reference"
            and value.number in self.owner
        ):
            return "G", self.rooted[self.owner[value.number]]
        return self._of_value(value, attribute.kind if attribute is not None else ".", classes)

    def _of_value(self, value: Value, kind: str, classes: dict[int, int]) -> object:
        match value.kind:
            case "reference" if value.number in self.rooted:
                return "G", self.rooted[value.number]
            case "reference":
                return "H", classes[value.number]
            case "integer" if kind != "r":
                return "I", int(value.raw)
            case "integer" | "real":
                return "R", float(value.raw) + 0.0
            case "string":
                text = decoded(value.raw)
                return "S", value.raw if text is None else text
            case "aggregate":
                inner = kind[1:] if len(kind) > 1 else "."
                parts = [self._of_value(part, inner, classes) for part in value.parts]
                if kind[0] in "SB" and len(kind) > 1:
                    return "M", tuple(sorted(parts, key=repr))
                return "L", tuple(parts)
            case "typed":
                keyword = value.raw.upper()
                return "T", keyword, self._of_value(value.parts[0], self.kinds(keyword.decode("ascii"), -1), classes)
        return value.kind, value.raw.upper()
