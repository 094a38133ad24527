"""Tiles: the hashes and entries of a log in files of 256, and their names. Source: C2SP tlog-tiles."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.errors import MalformedError

__all__ = [
    "ENTRIES",
    "HASH_BYTES",
    "MAX_ENTRY_BYTES",
    "TILE_HEIGHT",
    "TILE_WIDTH",
    "Tile",
    "encode_entries",
    "parse_entries",
    "tiles_of",
]

ENTRIES: Final = -1
"""The level of entry bundles, written `entries` in names."""
TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
HASH_BYTES: Final = 32
MAX_ENTRY_BYTES: Final = 0xFFFF
_MAX_LEVEL: Final = 7  # 256^8 leaves are more than a size can say
_NAME: Final = re.compile(r"(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*)([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?\Z", re.ASCII)
_NAME_LIMIT: Final = 64


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile, or a bundle of entries.

    Attributes:
        level: 0: leaf hashes; each further level: the roots of full tiles below; `ENTRIES`: the entries themselves.
        index: its place within the level, from 0.
        width: how many hashes or entries, 1 to 256; below 256 it is partial.

    Raises:
        MalformedError: a value out of range.
    """

    level: int
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if not (ENTRIES <= self.level <= _MAX_LEVEL and self.index >= 0 and 1 <= self.width <= TILE_WIDTH):
            raise MalformedError("expected a tile of a log, got values out of range", where="tile", code="tile_name")

    @property
    def first(self) -> int:
        """The first leaf below it."""
        return self.index << (TILE_HEIGHT * (max(self.level, 0) + 1))

    @property
    def name(self) -> str:
        """Its name after `tile/`, such as `0/x001/234.p/7`."""
        digits = f"{self.index:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[start : start + 3] for start in range(0, len(digits), 3)]
        path = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        level = "entries" if self.level == ENTRIES else str(self.level)
        return f"{level}/{path}" + ("" if self.width == TILE_WIDTH else f".p/{self.width}")

    @classmethod
    def parse(cls, name: str) -> Tile:
        """Read a name.

        Raises:
            MalformedError: not exactly as `name` writes it (code `tile_name`).
        """
        match = _NAME.match(name) if len(name) <= _NAME_LIMIT else None
        if match is not None:
            level, high, low, width = match.groups()
            number = int(high.replace("x", "").replace("/", "") + low)
            wide = int(width) if width else TILE_WIDTH
            if wide <= TILE_WIDTH and (level == "entries" or int(level) <= _MAX_LEVEL):
                tile = cls(ENTRIES if level == "entries" else int(level), number, wide)
                if tile.name == name:
                    return tile
        raise MalformedError("expected the name of a tile, got another", where="tile", code="tile_name", actual=name)

    def is_within(self, size: int) -> bool:
        """Whether a tree of this size has all of it."""
        return self.index * TILE_WIDTH + self.width <= size >> (TILE_HEIGHT * max(self.level, 0))


def tiles_of(level: int, size: int) -> Iterator[Tile]:
    """Yield the tiles of one level of a tree of a size, the partial one last."""
    count = size >> (TILE_HEIGHT * max(level, 0))
    for index in range(count // TILE_WIDTH):
        yield Tile(level, index)
    if count % TILE_WIDTH:
        yield Tile(level, count // TILE_WIDTH, count % TILE_WIDTH)


def encode_entries(entries: Sequence[bytes]) -> bytes:
    """Write entries as a bundle has them: each after its length, two bytes, big-endian.

    Raises:
        MalformedError: an empty entry, or one above 65,535 bytes (code `entry_length`).
    """
    for entry in entries:
        if not 1 <= len(entry) <= MAX_ENTRY_BYTES:
            raise MalformedError(
                f"expected an entry of 1 to {MAX_ENTRY_BYTES} bytes, got {len(entry)}", code="entry_length"
            )
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def parse_entries(bundle: bytes, count: int | None = None) -> list[bytes]:
    """Read a bundle.

    Args:
        bundle: at most 256 entries, and nothing after them.
        count: how many it must hold, or None.

    Raises:
        MalformedError: cut off, an empty entry, or another number of them (code `bundle_damaged`).
    """
    entries: list[bytes] = []
    position, end = 0, len(bundle)
    while position < end:
        start = position + 2
        position = start + int.from_bytes(bundle[position:start], "big")
        if position == start or position > end:
            raise MalformedError(
                f"expected an entry at {start - 2} of the bundle, got less", code="bundle_damaged", actual=len(entries)
            )
        entries.append(bundle[start:position])
    if len(entries) > TILE_WIDTH or (count is not None and len(entries) != count):
        raise MalformedError(
            f"expected a bundle of {count or TILE_WIDTH} entries, got {len(entries)}",
            code="bundle_damaged",
            expected=count,
            actual=len(entries),
        )
    return entries
