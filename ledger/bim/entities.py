"""The entities of a model and who refers to whom, checked. Source: docs/bim-fingerprint.md sections 2, 3 and 8.

Numbers of the file are replaced by entity indexes: 0 for the smallest number.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

from ledger.bim.scan import Step
from ledger.bim.schema import Aspect, EntityRule, SchemaTable, table_for
from ledger.bim.step import NULL, Record, Reference, Typed, Value, read_entities, read_header
from ledger.bim.tokens import REFERENCE, Tokens, step_error

__all__ = ["Entities", "numbers_in", "read_model"]

OWNER_HISTORY: Final = 1
_SOUND_GLOBAL_ID: Final = re.compile(r"[!-~]{1,64}")
_LIKE_GLOBAL_ID: Final = re.compile(r"[0-9A-Za-z_$]{22}")
_UNKNOWN_ROOTED_PARAMETERS: Final = 4


@dataclass(frozen=True, slots=True)
class Entities:
    """The entities of a model.

    Attributes:
        schema: FILE_SCHEMA as decoded text.
        table: what is known of the schema.
        records: by entity index.
        rules: by entity index; None where the table knows nothing.
        index_of: entity index by number.
        global_ids: GlobalId of each rooted entity, by entity index in ascending order; renamed where asked.
        repeated: GlobalIds that occur more than once.
        described: what each describer describes: entity indexes, each once.
        describers: what describes an entity: entity indexes, ascending.
        parents: the entity that an entity's parent placement names, by entity index.
        owners: the only rooted entity whose ObjectPlacement an entity is, by entity index.
    """

    schema: str
    table: SchemaTable
    records: Sequence[Record]
    rules: Sequence[EntityRule | None]
    index_of: Mapping[int, int]
    global_ids: Mapping[int, str]
    repeated: frozenset[str] = field(kw_only=True)
    described: Mapping[int, tuple[int, ...]] = field(kw_only=True)
    describers: Mapping[int, Sequence[int]] = field(kw_only=True)
    parents: Mapping[int, int] = field(kw_only=True)
    owners: Mapping[int, int] = field(kw_only=True)

    def parent_owner(self, index: int) -> int | None:
        """The rooted entity that stands for an entity's parent placement, None where that is encoded as it is."""
        parent = self.parents.get(index)
        return None if parent is None else self.owners.get(parent)

    def is_repeated(self, index: int) -> bool:
        """Whether the GlobalId of a rooted entity occurs more than once."""
        return self.global_ids[index] in self.repeated

    def describing_attribute(self, index: int) -> int | None:
        """Index of the attribute by which an entity describes others, None where it describes nothing."""
        rule = self.rules[index]
        return rule.describes if rule is not None and index in self.described else None

    def links(self, index: int) -> Iterator[tuple[int, int]]:
        """Yield each reference as attribute index (−1 in partial records) and the index of the entity referred to."""
        record, index_of = self.records[index], self.index_of
        for attribute, value in enumerate(record.parameters):
            for number in numbers_in(value):
                yield attribute, index_of[number]
        for _, parameters in record.partials:
            for number in numbers_in(parameters):
                yield -1, index_of[number]


def numbers_in(value: Value) -> list[int]:
    """Return the numbers that a value refers to, in order, as often as they stand there."""
    if isinstance(value, Reference):
        return [value.number]
    if isinstance(value, Typed):
        return numbers_in(value.value)
    if isinstance(value, tuple):
        return [number for item in value if isinstance(item, Reference | tuple | Typed) for number in numbers_in(item)]
    return []


def read_model(step: Step, renames: Mapping[str, str]) -> Entities:
    """Read a whole model.

    Args:
        step: the STEP file.
        renames: GlobalIds to be read as others.

    Raises:
        MalformedError: what sections 2 and 3 refuse.
    """
    header = read_header(step)
    table = table_for(header.schema)
    in_file = list(read_entities(step, header))
    records = sorted(in_file, key=lambda record: record.number)
    _refuse_duplicates(records)
    index_of = {record.number: index for index, record in enumerate(records)}
    _refuse_dangling(step, in_file, index_of)
    rules = [table.entities.get(record.keyword) if record.keyword else None for record in records]
    rooted = {index: record for index, record in enumerate(records) if _is_rooted(record, rules[index])}
    global_ids = _global_ids(rooted, renames)
    for index, name in global_ids.items() if renames else ():
        records[index] = replace(records[index], parameters=(name, *records[index].parameters[1:]))
    described = {
        index: targets
        for index, record in enumerate(records)
        if (rule := rules[index]) is not None and (targets := _described(record, rule, index_of))
    }
    describers: dict[int, list[int]] = {}
    for index, targets in described.items():
        for target in targets:
            describers.setdefault(target, []).append(index)
    return Entities(
        header.schema,
        table,
        records,
        rules,
        index_of,
        global_ids,
        repeated=frozenset(name for name, count in Counter(global_ids.values()).items() if count > 1),
        described=described,
        describers=describers,
        parents=_parents(records, rules, index_of),
        owners=_owners(rooted, rules, index_of),
    )


def _refuse_duplicates(records: Sequence[Record]) -> None:
    """Find the first second occurrence; records are sorted by number, those of one number by offset."""
    pairs = pairwise(records)
    offsets = [after.offset for before, after in pairs if before.number == after.number]
    if offsets:
        raise step_error("duplicate_entity", min(offsets), "each entity number once", "one that was there before")


def _refuse_dangling(step: Step, in_file: Sequence[Record], index_of: Mapping[int, int]) -> None:
    for record in in_file:
        numbers = [*numbers_in(record.parameters)]
        for _, parameters in record.partials:
            numbers += numbers_in(parameters)
        for number in numbers:
            if number not in index_of:
                offset = _offset_of(step, record.offset, number)
                raise step_error("dangling_reference", offset, "a reference to an entity", f"#{number}")


def _offset_of(step: Step, entity: int, number: int) -> int:
    """Find the first reference to a number in an entity that has one."""
    tokens = Tokens(step, entity)
    tokens.token()
    while True:
        kind, start, text = tokens.token()
        if kind == REFERENCE and int(text.lstrip(b"0") or b"0") == number:
            return start


def _is_rooted(record: Record, rule: EntityRule | None) -> bool:
    if rule is not None:
        return rule.rooted
    if len(record.parameters) < _UNKNOWN_ROOTED_PARAMETERS:
        return False
    first, second = record.parameters[:2]
    looks = isinstance(first, str) and _LIKE_GLOBAL_ID.fullmatch(first) is not None
    return looks and (second is NULL or isinstance(second, Reference))


def _global_ids(rooted: Mapping[int, Record], renames: Mapping[str, str]) -> dict[int, str]:
    names: dict[int, str] = {}
    refused: list[int] = []
    for index, record in rooted.items():
        first = record.parameters[0] if record.parameters else None
        name = renames.get(first, first) if isinstance(first, str) else ""
        if _SOUND_GLOBAL_ID.fullmatch(name) is None:
            refused.append(record.offset)
        names[index] = name
    if refused:
        raise step_error("global_id", min(refused), "a GlobalId of 1 to 64 ASCII characters", "something else")
    return names


def _described(record: Record, rule: EntityRule, index_of: Mapping[int, int]) -> tuple[int, ...]:
    """What an entity describes: nothing where its attribute is not of the form that the table says."""
    if rule.describes is None or rule.describes >= len(record.parameters):
        return ()
    value = record.parameters[rule.describes]
    aggregates = len(rule.attributes[rule.describes].kind) - 1
    values = (value,) if aggregates == 0 else value if aggregates == 1 and isinstance(value, tuple) else ()
    numbers = [item.number for item in values if isinstance(item, Reference)]
    return tuple(dict.fromkeys(index_of[number] for number in numbers)) if len(numbers) == len(values) else ()


def _parents(
    records: Sequence[Record], rules: Sequence[EntityRule | None], index_of: Mapping[int, int]
) -> dict[int, int]:
    parents: dict[int, int] = {}
    for index, rule in enumerate(rules):
        if rule is not None and rule.parent_placement is not None:
            value = records[index].parameters[rule.parent_placement : rule.parent_placement + 1]
            if value and isinstance(value[0], Reference):
                parents[index] = index_of[value[0].number]
    return parents


def _owners(
    rooted: Mapping[int, Record], rules: Sequence[EntityRule | None], index_of: Mapping[int, int]
) -> dict[int, int]:
    owners: dict[int, list[int]] = {}
    for index, record in rooted.items():
        rule = rules[index]
        if rule is not None:
            for value, attribute in zip(record.parameters, rule.attributes, strict=False):
                if attribute.aspect is Aspect.PLACEMENT and isinstance(value, Reference):
                    owners.setdefault(index_of[value.number], []).append(index)
    return {placement: found[0] for placement, found in owners.items() if len(found) == 1}
