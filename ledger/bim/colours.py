"""The colours of rooted entities: what they are without GlobalIds. Source: docs/bim-fingerprint.md section 7."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from ledger.bim.dependencies import Dependencies
from ledger.bim.digests import DigestTable, entity_digest, inverse_digest
from ledger.bim.encoding import LEFT_OUT, Encoder, counted, length_prefixed, u32
from ledger.bim.entities import OWNER_HISTORY, Entities

__all__ = ["ROUNDS", "ColourTable"]

ROUNDS: Final = 5


class ColourTable:
    """Colours of rooted entities and content digests, refined by rounds 0 to 4.

    A content digest is the digest where nothing that it depends on refers to a rooted entity; only the others are
    computed for each round.

    Attributes:
        first: colour(r, 0), 32 bytes, by entity index.
        last: colour(r, 4).
        digests: content digests of round 4, 32 bytes, by entity index of resource entities.
    """

    def __init__(self, entities: Entities, dependencies: Dependencies, table: DigestTable) -> None:
        self._entities = entities
        self._folded = dependencies.folded
        self._encoder = Encoder(entities.table.types, self._reference)
        self.digests: list[bytes] = list(table.digests)
        self._inverses: dict[int, bytes] = dict(table.inverses)
        self._colours: Mapping[int, bytes] = dict.fromkeys(entities.global_ids, bytes(32))
        changing = _depending_on_rooted(entities, dependencies)
        referrers = _referrers(entities)
        for turn in range(ROUNDS):
            for node in changing:
                self._compute(node)
            colours = {}
            for index in entities.global_ids:
                back = [] if turn == 0 else [u32(j) + self._colours[q] for q, j in referrers.get(index, ())]
                colours[index] = self._colour(index, back)
            self._colours = colours
            if turn == 0:
                self.first: Mapping[int, bytes] = colours
        self.last = self._colours

    def _reference(self, number: int) -> bytes:
        return self._reference_to(self._entities.index_of[number])

    def _reference_to(self, index: int) -> bytes:
        colour = self._colours.get(index)
        return b"H" + self.digests[index] if colour is None else b"W" + colour

    def _folded_into(self, index: int) -> list[bytes]:
        return sorted(self._inverses[describer] for describer in self._folded.get(index, ()))

    def _compute(self, node: int) -> None:
        count = len(self._entities.records)
        index = node % count
        inverses = self._folded_into(index)
        if node < count:
            self.digests[index] = entity_digest(self._entities, index, self._encoder, self._reference_to, inverses)
        else:
            self._inverses[index] = inverse_digest(self._entities, index, self._encoder, self._reference_to, inverses)

    def _colour(self, index: int, back: list[bytes]) -> bytes:
        record = self._entities.records[index]
        parameters = self._encoder.parameters(record.parameters, self._entities.rules[index])
        parameters[: OWNER_HISTORY + 1] = [LEFT_OUT] * len(parameters[: OWNER_HISTORY + 1])
        parts = (
            b"k",
            length_prefixed(record.keyword or ""),
            counted(parameters),
            counted(self._folded_into(index)),
            counted(sorted(back)),
        )
        return sha256(b"".join(parts)).digest()


def _referrers(entities: Entities) -> dict[int, list[tuple[int, int]]]:
    """Return which rooted entity refers to a rooted one by which attribute, each once."""
    referrers: dict[int, list[tuple[int, int]]] = {}
    for index in entities.global_ids:
        for attribute, target in dict.fromkeys(entities.links(index)):
            if target in entities.global_ids:
                referrers.setdefault(target, []).append((index, attribute))
    return referrers


def _depending_on_rooted(entities: Entities, dependencies: Dependencies) -> list[int]:
    """Return the nodes of resource entities that refer to rooted ones or depend on such, in order."""
    count = len(entities.records)
    found: set[int] = set()
    changing = []
    for node in dependencies.order:
        index = node % count
        if index in entities.global_ids:
            continue
        direct = any(target in entities.global_ids for _, target in entities.links(index))
        if direct or entities.parent_owner(index) is not None or not found.isdisjoint(dependencies.nodes[node]):
            found.add(node)
            changing.append(node)
    return changing
