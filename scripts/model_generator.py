#!/usr/bin/env python3
"""Make large models out of a real one: its entities again and again, with other numbers and other GlobalIds.

Usage: model_generator.py MODEL OUT --megabytes N. The first copy keeps its numbers and GlobalIds; each further one gets
numbers after those and GlobalIds of its own, drawn from a fixed seed, so the same call gives the same bytes.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ledger.bim.schema import table_for

_TOKEN: Final = re.compile(rb"'(?:[^']|'')*+'|/\*.*?\*/|#(\d+)", re.DOTALL)
_ENTITY: Final = re.compile(rb"#\d+\s*=\s*(\w+)\s*\(\s*'([0-9A-Za-z_$]{22})'")
_SCHEMA: Final = re.compile(rb"FILE_SCHEMA\s*\(\s*\(\s*'([^']*)'")
_DIGITS: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_$"
_TO_DIGITS: Final = bytes(_DIGITS[value % 64] for value in range(256))
_TO_FIRST: Final = bytes(_DIGITS[value % 4] for value in range(256))


def new_global_id(source: random.Random) -> bytes:
    """Draw a GlobalId: 22 characters, the first of them 0 to 3."""
    drawn = source.randbytes(22)
    return drawn[:1].translate(_TO_FIRST) + drawn[1:].translate(_TO_DIGITS)


@dataclass(frozen=True, slots=True)
class Template:
    """A STEP file taken apart where numbers and GlobalIds stand.

    Attributes:
        head: everything up to and with `DATA;`.
        texts: what stands between the places, one more than those.
        places: entity numbers, or -1 - index of a GlobalId.
        global_ids: of rooted entities, in the order of the file.
        tail: from the `ENDSEC;` of the data on.
    """

    head: bytes
    texts: list[bytes]
    places: list[int]
    global_ids: list[bytes]
    tail: bytes

    @classmethod
    def of(cls, step: bytes) -> Self:
        """Take a sound STEP file apart."""
        begin = step.index(b"DATA;", step.index(b"ENDSEC;")) + 5
        end = step.rindex(b"ENDSEC;")
        data = step[begin:end]
        found = _SCHEMA.search(step)
        entities = table_for(found[1].decode() if found else "").entities
        rooted = {rule.keyword.encode() for rule in entities.values() if rule.rooted}
        starts = {match.start(2): match[2] for match in _ENTITY.finditer(data) if match[1].upper() in rooted}
        texts, places, global_ids, last = [], [], [], 0
        for match in _TOKEN.finditer(data):
            if match[1]:
                texts.append(data[last : match.start(1)])
                places.append(int(match[1]))
            elif match.start() + 1 in starts:
                texts.append(data[last : match.start() + 1])
                global_ids.append(starts[match.start() + 1])
                places.append(-len(global_ids))
                last = match.end() - 1
                continue
            else:
                continue
            last = match.end()
        return cls(step[:begin], [*texts, data[last:]], places, global_ids, step[end:])

    @property
    def largest(self) -> int:
        """The largest entity number."""
        return max(self.places)

    def data(
        self, *, number: Callable[[int], int] | None = None, global_id: Callable[[bytes], bytes] | None = None
    ) -> bytes:
        """Put the entities together again.

        Args:
            number: new entity number for an old one.
            global_id: new GlobalId for an old one.
        """
        ids = [global_id(old) for old in self.global_ids] if global_id else self.global_ids
        pieces = [b""] * (2 * len(self.places) + 1)
        pieces[::2] = self.texts
        pieces[1::2] = [
            ids[-1 - place] if place < 0 else b"%d" % (number(place) if number else place) for place in self.places
        ]
        return b"".join(pieces)

    def repeated(self, copies: int, *, seed: int = 1) -> bytes:
        """Return the model this many times in one file."""
        source = random.Random(seed)
        parts = [self.head]
        for copy in range(copies):
            offset = copy * self.largest
            parts.append(
                self.data(
                    number=(lambda old, offset=offset: old + offset) if copy else None,
                    global_id=(lambda _: new_global_id(source)) if copy else None,
                )
            )
        return b"".join([*parts, self.tail])


def shuffled(step: bytes, *, seed: int = 1, reissue: float = 0.0) -> bytes:
    """Return the same model with other numbers, other order of lines and, for a share of them, other GlobalIds.

    Args:
        step: a STEP file that has one entity a line.
        seed: of what is drawn.
        reissue: share of the GlobalIds that are issued again, 0 to 1.
    """
    template, source = Template.of(step), random.Random(seed)
    numbers = sorted({place for place in template.places if place > 0})
    drawn = dict(zip(numbers, source.sample(range(1, 4 * len(numbers)), len(numbers)), strict=True))
    data = template.data(
        number=drawn.__getitem__,
        global_id=lambda old: new_global_id(source) if source.random() < reissue else old,
    )
    entities = re.split(rb"(?<=;)\s*\n\s*(?=#\d+\s*=)", data.strip())
    source.shuffle(entities)
    return b"\n".join([template.head, *entities, template.tail])


def main() -> int:
    """Write a model of at least the given size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--megabytes", type=float, default=10.0)
    options = parser.parse_args()
    step = options.model.read_bytes()
    copies = max(1, -int(-options.megabytes * 1e6 // len(step)))
    options.out.write_bytes(Template.of(step).repeated(copies))
    return 0


if __name__ == "__main__":
    sys.exit(main())
