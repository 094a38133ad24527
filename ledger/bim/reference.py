"""The readable implementation of the format: `ReferenceKernel`. Source: docs/bim-fingerprint.md.

Reading is in `ledger.bim.entities`, the order of digests in `ledger.bim.dependencies`, sections 5 and 6 in
`ledger.bim.digests`, section 7 in `ledger.bim.colours`.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence

from ledger.bim.colours import ColourTable
from ledger.bim.dependencies import Dependencies, resolve_dependencies
from ledger.bim.digests import DigestTable, aspect_digests, loose_entities
from ledger.bim.entities import Entities, read_model
from ledger.bim.scan import ModelScan, Step

__all__ = ["ReferenceKernel"]

_OWNER_HISTORY_CLASS = "IFCOWNERHISTORY"


class ReferenceKernel:
    """A `FingerprintKernel` in plain Python."""

    name: str = "python"

    def scan(self, step: Step, *, renames: Mapping[str, str] | None = None) -> ModelScan:
        """Digest a model; see `FingerprintKernel.scan`."""
        entities = read_model(step, renames or {})
        dependencies = resolve_dependencies(entities)
        table = DigestTable(entities, dependencies)
        colours = ColourTable(entities, dependencies, table)
        aspects = aspect_digests(entities, table)
        names = entities.global_ids
        rooted = sorted(names, key=lambda index: (names[index], aspects[index], index))
        keywords, keyword_of = _keywords(entities)
        loose = loose_entities(entities, dependencies)
        content = [index for index in loose if entities.records[index].keyword != _OWNER_HISTORY_CLASS]
        return ModelScan(
            schema=entities.schema,
            numbers=array("Q", [record.number for record in entities.records]),
            offsets=array("Q", [record.offset for record in entities.records]),
            keywords=keywords,
            keyword_of=keyword_of,
            digests=b"".join(table.digests),
            rooted=array("I", rooted),
            global_ids=tuple(names[index] for index in rooted),
            aspects=b"".join(aspects[index] for index in rooted),
            own_colours=b"".join(colours.first[index] for index in rooted),
            colours=b"".join(colours.last[index] for index in rooted),
            references=_references(entities, rooted),
            describers=_describers(dependencies),
            loose=b"".join(sorted(table.digests[index] for index in loose)),
            content_loose=b"".join(sorted(colours.digests[index] for index in content)),
        )


def _keywords(entities: Entities) -> tuple[tuple[str, ...], array[int]]:
    words = [record.keyword or "" for record in entities.records]
    keywords = tuple(sorted(set(words)))
    places = {word: place for place, word in enumerate(keywords)}
    return keywords, array("I", [places[word] for word in words])


def _references(entities: Entities, rooted: Sequence[int]) -> array[int]:
    position_of = {index: position for position, index in enumerate(rooted)}
    found = {
        (position_of[target], position_of[index], attribute)
        for index in rooted
        for attribute, target in entities.links(index)
        if target in position_of
    }
    return array("I", [number for triple in sorted(found) for number in triple])


def _describers(dependencies: Dependencies) -> array[int]:
    pairs = ((target, describer) for target, found in dependencies.folded.items() for describer in found)
    return array("I", [number for pair in sorted(pairs) for number in pair])
