"""Transformations of a STEP text that change nothing of what it says.

Every one takes a model and a source of randomness and gives a model, or a spelling. None of them is written with the
code that is tested; of `ledger.bim` they know only the schema tables: which aggregates are unordered, which numbers
are REAL, which attribute describes something.

What is left out, because the format says that it counts:
- placements of elements are neither shared nor repeated: a parent placement enters as the element that owns it, and a
  copy of it has no owner;
- an entity that something describes is repeated together with what describes it, and never merged with another;
- describing entities are repeated with their target only; two entities that nothing refers to stay two.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from itertools import count
from random import Random
from typing import Final

from ledger.bim.schema import EntityRule, SchemaTable, table_for

from .step_text import Entity, Kinds, Record, Spelling, StepText, Value, references

Transformation = Callable[[StepText, Random], StepText]


def kinds_of(schema: str) -> Kinds:
    """Aggregate kinds of the attributes and defined types of a schema."""
    table = table_for(schema)

    def kinds(keyword: str, index: int) -> str:
        if index < 0:
            return table.types.get(keyword, ".")
        rule = table.entities.get(keyword)
        return rule.attributes[index].kind if rule is not None and index < len(rule.attributes) else "."

    return kinds


def mapped(value: Value, change: Callable[[Value], Value]) -> Value:
    """A value with its parts changed first, then itself."""
    if value.parts:
        value = replace(value, parts=tuple(mapped(part, change) for part in value.parts))
    return change(value)


def _each_value(model: StepText, change: Callable[[Value], Value]) -> StepText:
    return replace(
        model,
        entities=tuple(
            replace(
                entity,
                records=tuple(
                    replace(record, parameters=tuple(mapped(value, change) for value in record.parameters))
                    for record in entity.records
                ),
            )
            for entity in model.entities
        ),
    )


# -- order and numbers ------------------------------------------------------------------------------------------------


def shuffled(model: StepText, random: Random) -> StepText:
    """Entities in another order."""
    entities = list(model.entities)
    random.shuffle(entities)
    return replace(model, entities=tuple(entities))


def renumbered(model: StepText, random: Random) -> StepText:
    """Entities under other numbers: dense, with gaps, or huge."""
    many = len(model.entities)
    first, ceiling = random.choice(((0, many), (1, 3 * many), (1, 1000 * many), (2**64 - 10 * many, 2**64)))
    numbers = [first + number for number in random.sample(range(ceiling - first), many)]
    new = {entity.number: number for entity, number in zip(model.entities, numbers, strict=True)}

    def change(value: Value) -> Value:
        return replace(value, raw=b"%d" % new[value.number]) if value.kind == "reference" else value

    changed = _each_value(model, change)
    return replace(changed, entities=tuple(replace(entity, number=new[entity.number]) for entity in changed.entities))


def _permuted(value: Value, kind: str, kinds: Kinds, random: Random) -> Value:
    if value.kind not in ("aggregate", "typed"):
        return value
    inner = kind[1:] if len(kind) > 1 else "."
    if value.kind == "typed":
        inner = kinds(value.raw.decode("ascii").upper(), -1)
    parts = [_permuted(part, inner, kinds, random) for part in value.parts]
    if value.kind == "aggregate" and kind[0] in "SB" and len(kind) > 1:
        random.shuffle(parts)
    return replace(value, parts=tuple(parts))


def with_permuted_sets(model: StepText, random: Random) -> StepText:
    """Members of SETs and BAGs in another order."""
    kinds = kinds_of(model.schema)
    return replace(
        model,
        entities=tuple(
            entity.with_parameters(
                _permuted(value, kinds(entity.keyword, index), kinds, random)
                for index, value in enumerate(entity.parameters)
            )
            if len(entity.records) == 1
            else replace(entity, records=tuple(random.sample(entity.records, len(entity.records))))
            for entity in model.entities
        ),
    )


def is_rooted(entity: Entity, rule: EntityRule | None) -> bool:
    """Whether an entity has a GlobalId, also where the schema doesn't know it."""
    if rule is not None:
        return rule.rooted
    if len(entity.parameters) < 4 or entity.parameters[1].kind not in ("$", "reference"):
        return False
    return bool(re.fullmatch("[0-9A-Za-z_$]{22}", decoded(entity.parameters[0].raw) or ""))


# -- sharing ----------------------------------------------------------------------------------------------------------


class Uses:
    """Who refers to, and who describes, each entity of a model."""

    def __init__(self, model: StepText) -> None:
        self.table: SchemaTable = table_for(model.schema)
        self.entities = {entity.number: entity for entity in model.entities}
        self.referrers: dict[int, list[int]] = defaultdict(list)
        self.describers: dict[int, list[int]] = defaultdict(list)
        for entity in model.entities:
            described = self.described(entity)
            for record in entity.records:
                for index, value in enumerate(record.parameters):
                    targets = self.describers if index == described else self.referrers
                    for reference in references(value):
                        targets[reference.number].append(entity.number)

    def described(self, entity: Entity) -> int | None:
        """The index of the attribute that names what an entity describes."""
        rule = self.table.entities.get(entity.keyword)
        return None if rule is None else rule.describes

    def is_free(self, entity: Entity) -> bool:
        """Whether it is a resource entity that is referred to, describes nothing, and is no placement of elements."""
        keyword = entity.keyword
        rule = self.table.entities.get(keyword)
        placed = self.table.is_a(keyword, "IFCOBJECTPLACEMENT")
        return (
            not is_rooted(entity, rule)
            and not placed
            and self.described(entity) is None
            and bool(self.referrers[entity.number])
        )


def shared(model: StepText, _random: Random) -> StepText:
    """Equal resource entities made one."""
    uses = Uses(model)
    first: dict[object, int] = {}
    one: dict[int, int] = {}

    def resolve(value: Value) -> Value:
        if value.kind == "reference" and value.number in one:
            return Value("reference", b"%d" % one[value.number])
        return replace(value, span=(0, 0))

    kept = []
    for entity in _children_first(model, uses):
        records = tuple(
            Record(record.keyword, tuple(mapped(value, resolve) for value in record.parameters))
            for record in entity.records
        )
        if uses.is_free(entity) and not uses.describers[entity.number]:
            number = one[entity.number] = first.setdefault(records, entity.number)
            if number != entity.number:
                continue
        kept.append(entity)
    return _each_value(replace(model, entities=tuple(kept)), resolve)


def _children_first(model: StepText, uses: Uses) -> Iterable[Entity]:
    """Resource entities after those that they refer to; the rest in the order of the file."""
    done: set[int] = set()
    for start in model.entities:
        waiting = [(start, False)]
        while waiting:
            entity, ready = waiting.pop()
            if ready:
                yield entity
            elif entity.number not in done:
                done.add(entity.number)
                waiting.append((entity, True))
                waiting.extend(
                    (uses.entities[reference.number], False)
                    for record in entity.records
                    for value in record.parameters
                    for reference in references(value)
                    if reference.number not in done
                )


def repeated(model: StepText, random: Random) -> StepText:
    """Some shared resource entities repeated for one of those that refer to them, with what describes them."""
    uses = Uses(model)
    free = [
        entity
        for entity in model.entities
        if uses.is_free(entity)
        and len(set(uses.referrers[entity.number])) > 1
        and all(_follows(uses, uses.entities[number]) for number in uses.describers[entity.number])
        and not set(uses.describers[entity.number]) & set(uses.referrers[entity.number])
    ]
    chosen = random.sample(free, min(len(free), max(3, len(free) // 3)))
    numbers = (number for number in count(1) if number not in uses.entities)
    moved: dict[tuple[int, int], int] = {}
    added: list[Entity] = []
    for entity in chosen:
        number = next(numbers)
        moved[random.choice(uses.referrers[entity.number]), entity.number] = number
        added.append(replace(entity, number=number))
        for describer in map(uses.entities.__getitem__, dict.fromkeys(uses.describers[entity.number])):
            described = uses.described(describer)
            value = describer.parameters[described or 0]
            copy = Value("reference", b"%d" % number)
            parameters = list(describer.parameters)
            parameters[described or 0] = copy if value.kind == "reference" else Value("aggregate", b"", (copy,))
            added.append(replace(describer.with_parameters(parameters), number=next(numbers)))
    entities = [_moved(entity, moved) for entity in model.entities]
    return replace(model, entities=(*entities, *added))


def _follows(uses: Uses, describer: Entity) -> bool:
    """Whether an entity can be repeated for a copy of what it describes: nothing else hangs on it."""
    number = describer.number
    return not uses.referrers[number] and not uses.describers[number]


def _moved(entity: Entity, moved: dict[tuple[int, int], int]) -> Entity:
    def change(value: Value) -> Value:
        if value.kind == "reference" and (entity.number, value.number) in moved:
            return Value("reference", b"%d" % moved[entity.number, value.number])
        return value

    return replace(
        entity,
        records=tuple(
            replace(record, parameters=tuple(mapped(value, change) for value in record.parameters))
            for record in entity.records
        ),
    )


# -- spelling ---------------------------------------------------------------------------------------------------------

DIRECTIVE: Final = re.compile(
    rb"\\\\|\\X\\([0-9A-Fa-f]{2})|\\X2\\((?:[0-9A-Fa-f]{4})*)\\X0\\|\\X4\\((?:[0-9A-Fa-f]{8})*)\\X0\\|\\P([A-I])\\"
    rb"|\\S\\([ -~])|''|\r\n?"
)


def decoded(raw: bytes) -> str | None:
    """The text of a string; None where its bytes aren't UTF-8."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    page = "iso8859_1"
    out: list[str] = []
    position = 0
    for found in DIRECTIVE.finditer(raw):
        out.append(raw[position : found.start()].decode("utf-8"))
        position = found.end()
        hexadecimal, units, points, letter, character = found.groups()
        if hexadecimal is not None:
            out.append(chr(int(hexadecimal, 16)))
        elif units is not None:
            out.append(bytes.fromhex(units.decode()).decode("utf-16-be"))
        elif points is not None:
            out.append(bytes.fromhex(points.decode()).decode("utf-32-be"))
        elif letter is not None:
            page = f"iso8859_{letter[0] - 64}"
        elif character is not None:
            out.append(bytes([character[0] + 128]).decode(page))
        else:
            out.append({b"\\\\": "\\", b"''": "'"}.get(found.group(), "\n"))
    out.append(raw[position:].decode("utf-8"))
    return "".join(out)


def respelled_string(text: str, random: Random) -> bytes:
    """A text in a mixture of encodings."""
    page = 1
    out: list[bytes] = []
    position = 0
    while position < len(text):
        run = text[position : position + random.randint(1, 6)]
        position += len(run)
        way = random.choice(("raw", "X", "X2", "X4", "S", "raw"))
        if way == "X2":
            out.append(b"\\X2\\%s\\X0\\" % _cased(run.encode("utf-16-be").hex(), random))
        elif way == "X4":
            out.append(b"\\X4\\%s\\X0\\" % _cased(run.encode("utf-32-be").hex(), random))
        else:
            for character in run:
                encoded, page = _character(character, way, page, random)
                out.append(encoded)
    return b"".join(out)


def _cased(hexadecimal: str, random: Random) -> bytes:
    return (hexadecimal.upper() if random.random() < 0.7 else hexadecimal).encode("ascii")


def _character(character: str, way: str, page: int, random: Random) -> tuple[bytes, int]:
    if way == "X" and ord(character) < 256:
        return b"\\X\\%s" % _cased(f"{ord(character):02x}", random), page
    if way == "S":
        for number in (page, *random.sample(range(1, 10), 9)):
            try:
                byte = character.encode(f"iso8859_{number}")[0]
            except UnicodeEncodeError:
                continue
            if 0xA0 <= byte <= 0xFE:
                change = b"" if number == page else b"\\P%c\\" % (64 + number)
                return change + b"\\S\\" + (b"''" if byte == 0xA7 else bytes([byte - 128])), number
    if character == "\n":
        return random.choice((b"\n", b"\r\n", b"\\X\\0A")), page
    if character == "\r":
        return b"\\X\\0D", page
    return {"'": b"''", "\\": b"\\\\"}.get(character, character.encode("utf-8")), page


def respelled_number(raw: bytes, kind: str, random: Random) -> bytes:
    """A number in other digits: `kind` is `r` where an integer may stand for a real and the other way round."""
    value = Decimal(raw.decode("ascii"))
    sign = b"-" if value.is_signed() else random.choice((b"", b"+", b""))
    is_real = any(mark in raw for mark in b".eE")
    whole = value == value.to_integral_value() and abs(value) < 10**15
    if (is_real and not (kind == "r" and whole and random.random() < 0.2)) or (kind == "r" and random.random() < 0.5):
        return sign + _respelled_real(abs(value), random)
    zeros = b"0" * random.choice((0, 0, 1, 3, 30))
    return sign + zeros + b"%d" % abs(int(value))


def _respelled_real(value: Decimal, random: Random) -> bytes:
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise TypeError(f"expected a finite number, got {value}")
    text = "0" * random.choice((0, 0, 2)) + "".join(map(str, digits))
    trailing = random.choice((0, 0, 1, 4))
    text, exponent = text + "0" * trailing, exponent - trailing
    if -40 < exponent <= 0 and random.random() < 0.5:  # no exponent
        text = text.rjust(1 - exponent, "0")
        spelled = f"{text[: len(text) + exponent]}.{text[len(text) + exponent :]}"
    else:
        point = random.randint(1, len(text))
        exponent += len(text) - point
        letter, plus = random.choice("eE"), random.choice(("", "+", "0", "+00")) if exponent >= 0 else ""
        fraction = text[point:]
        dot = "." if fraction or random.random() < 0.5 else ""
        spelled = f"{text[:point]}{dot}{fraction}{letter}{plus}{exponent}"
    return spelled.encode("ascii")


SPACES: Final = (
    b"", b"", b"", b" ", b"\t", b"\n", b"\r\n", b"\r", b"  \n\t", b"/**/", b"/* #1=IFCWALL('it''s, ENDSEC; */",
    b"/***\n*'*(*/ ", b" /* \xff\x00 */\x0b", "/* 注释 */".encode(),
)  # fmt: skip


def respelling(random: Random) -> Spelling:
    """White space, comments, cases of letters, numbers and strings, all in another way."""

    def scalar(value: Value, kind: str) -> bytes:
        if value.kind == "string":
            text = decoded(value.raw)
            return value.raw if text is None else respelled_string(text, random)
        return respelled_number(value.raw, kind, random)

    def keyword(raw: bytes) -> bytes:
        return random.choice((raw, raw.upper(), raw.lower(), raw.swapcase()))

    return Spelling(
        space=lambda: random.choice(SPACES),
        scalar=scalar,
        keyword=keyword,
        reference=lambda number: b"0" * random.choice((0, 0, 0, 1, 25)) + b"%d" % number,
    )


def other_header(schema: str, random: Random) -> bytes:
    """Another header with the same FILE_SCHEMA."""
    records = [
        b"FILE_DESCRIPTION(('ViewDefinition [X]','it''s #1=; DATA; ENDSEC; /* '),'2;1');",
        b"FILE_NAME('\\X2\\4E91\\X0\\','2026-01-01T00:00:%02d',('a','b'),(''),'','',$);" % random.randrange(60),
    ]
    random.shuffle(records)
    spelled = random.choice((schema.encode("ascii"), respelled_string(schema, random)))
    records.insert(random.randint(0, 2), b"FILE_SCHEMA( ( '%s'/**/) ) ;" % spelled)
    if random.random() < 0.3:
        records.append("FILE_POPULATION('云',(),$);".encode("gbk"))
    separator = random.choice((b"", b"\n", b"\r\n", b" /* DATA; */ "))
    return separator.join((b"ISO-10303-21;", b"HEADER;", *records, b"ENDSEC;", b"DATA;"))
