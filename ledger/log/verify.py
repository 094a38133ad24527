"""Reads a whole log again and holds it against everything that was ever said about it.

Two trees are computed at once: that of the entries, and that of the leaf hashes in the tiles. Where they differ, a head
that only one of them leads to tells which was changed, and so the index.

 1. every entry bundle is whole, and every entry is what the stream's own rules say
 2. its entries hash to the leaf hashes in the tiles
 3. the tiles above hold the roots of those below
 4. at the size of every known head (the checkpoint, those anchored, one that somebody kept), the root is the head's
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeAlias

from ledger.errors import LedgerError, MalformedError, NotFoundError
from ledger.log.proofs import TileReader
from ledger.log.tiles import ENTRIES, HASH_BYTES, TILE_HEIGHT, TILE_WIDTH, Tile, parse_entries, tiles_of
from ledger.merkle import Frontier, leaf_hash, root_hash

__all__ = ["Examine", "Finding", "KnownHead", "LogReport", "Run", "accept_all", "verify_log"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it must be.

    Attributes:
        code: stable snake_case.
        index: of the entry concerned, or None.
        last_index: with `index`: it is one of these, or all; None: just that one.
        text: what was expected and what was met.
    """

    code: str
    text: str
    index: int | None = field(default=None, kw_only=True)
    last_index: int | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class KnownHead:
    """Size and root (32 bytes) of a head, and who says so."""

    size: int
    root: bytes
    source: str


@dataclass(frozen=True, slots=True)
class LogReport:
    """What came of reading a log.

    Attributes:
        size: entries read.
        findings: what is wrong, in the order met; none: everything agrees.
        heads: known heads that the entries lead to.
        facts: what the examination of each bundle gave, in order.
    """

    size: int
    findings: tuple[Finding, ...]
    heads: tuple[KnownHead, ...]
    facts: tuple[Any, ...]


class Examine(Protocol):
    """Looks at the entries of one bundle by the rules of its stream. MUST be picklable where `Run` uses processes."""

    def __call__(self, first: int, entries: Sequence[bytes], beside: Any, /) -> tuple[Sequence[Finding], Any]:
        """Return what is wrong, and facts for the report.

        Args:
            first: index of the first entry.
            entries: at most 256.
            beside: what is kept about them elsewhere, such as rows.
        """
        ...


Run: TypeAlias = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""Applies a function to many values and yields the results in order: `map`, or the same in processes."""


@dataclass(frozen=True, slots=True)
class _Job:
    index: int
    width: int
    bundle: bytes | None
    tile: bytes | None
    beside: Any


@dataclass(frozen=True, slots=True)
class _Checked:
    width: int
    entries: bytes
    tile: bytes
    entries_root: bytes
    tile_root: bytes
    findings: tuple[Finding, ...]
    facts: Any


def accept_all(first: int, entries: Sequence[bytes], beside: Any, /) -> tuple[Sequence[Finding], Any]:
    """An `Examine` for entries of any form."""
    del first, entries, beside
    return (), None


def verify_log(
    tiles: TileReader,
    heads: Sequence[KnownHead],
    *,
    size: int,
    examine: Examine = accept_all,
    beside: Callable[[int, int], Any] = lambda first, count: None,
    run: Run = map,
    progress: Callable[[int], None] = lambda count: None,
) -> LogReport:
    """Read a log and compare it with all heads.

    Args:
        tiles: where the log is read from.
        heads: what is known, in any order; one above `size` is a finding.
        size: of the newest checkpoint, whose own head MUST be among the heads.
        examine: the rules of the stream.
        beside: what is kept elsewhere about so many entries from an index on.
        run: how bundles are worked off.
        progress: called with the number of entries read.

    Raises:
        TransportError: something could not be read; that is not a finding.
    """
    reading = _Reading(size, sorted(heads, key=lambda head: head.size))
    jobs = (_read(tiles, tile, beside) for tile in tiles_of(ENTRIES, size))
    for checked in run(partial(_check, examine=examine), jobs):
        reading.take(checked)
        progress(checked.width)
        if not checked.tile and not checked.entries:
            break
    reading.finish()
    return LogReport(
        reading.entries.size,
        (*reading.findings, *_check_levels(tiles, size, reading.tile_roots)),
        tuple(reading.confirmed),
        tuple(reading.facts),
    )


class _Reading:
    """Both trees as far as they were read."""

    def __init__(self, size: int, heads: Sequence[KnownHead]) -> None:
        self.size = size
        self.entries = Frontier()
        self.tiles = Frontier()
        self.findings: list[Finding] = []
        self.confirmed: list[KnownHead] = []
        self.facts: list[Any] = []
        self.tile_roots: list[bytes] = []
        self._heads = list(heads)
        self._differing: list[int] = []

    def take(self, checked: _Checked) -> None:
        first = self.entries.size
        self.findings += checked.findings
        self.facts.append(checked.facts)
        self._differing += [finding.index for finding in checked.findings if finding.index is not None]
        while self._heads and self._heads[0].size < first + checked.width:
            head = self._heads.pop(0)
            count = (head.size - first) * HASH_BYTES
            self._compare(head, _grown(self.entries, checked.entries[:count]), _grown(self.tiles, checked.tile[:count]))
        if checked.width == TILE_WIDTH:
            self.entries.append(checked.entries_root, TILE_HEIGHT)
            self.tiles.append(checked.tile_root, TILE_HEIGHT)
            self.tile_roots.append(checked.tile_root)
        else:
            self.entries = _grown(self.entries, checked.entries)
            self.tiles = _grown(self.tiles, checked.tile)

    def finish(self) -> None:
        for head in self._heads:
            if head.size == self.entries.size:
                self._compare(head, self.entries, self.tiles)
            elif head.size > self.size:
                text = f"expected the {head.size} entries of the head {head.source}, got {self.size}"
                self.findings.append(Finding("entries_removed", text, index=self.size, last_index=head.size - 1))

    def _compare(self, head: KnownHead, entries: Frontier, tiles: Frontier) -> None:
        if entries.root == head.root:
            self.confirmed.append(head)
            return
        text = f"expected the root of the head {head.source} over {head.size} entries, got another"
        if tiles.root == head.root:
            # The tiles are as they were: the entries named by step (2) are those that were changed.
            found = min((index for index in self._differing if index < head.size), default=None)
            self.findings.append(Finding("entry_altered", text, index=found))
        else:
            # Behind the last smaller head that agrees. One of this size may be a rewritten log's own.
            good = max((known.size for known in self.confirmed if known.size < head.size), default=0)
            self.findings.append(Finding("history_rewritten", text, index=good, last_index=head.size - 1))


def _grown(frontier: Frontier, leaves: bytes) -> Frontier:
    grown = Frontier(frontier.size, frontier.nodes)
    for start in range(0, len(leaves), HASH_BYTES):
        grown.append(leaves[start : start + HASH_BYTES])
    return grown


def _read(tiles: TileReader, tile: Tile, beside: Callable[[int, int], Any]) -> _Job:
    return _Job(
        tile.index,
        tile.width,
        _or_none(tiles, tile),
        _or_none(tiles, Tile(0, tile.index, tile.width)),
        beside(tile.first, tile.width),
    )


def _or_none(tiles: TileReader, tile: Tile) -> bytes | None:
    try:
        return tiles.read(tile)
    except NotFoundError:
        return None


def _check(job: _Job, *, examine: Examine) -> _Checked:
    first = job.index * TILE_WIDTH
    findings: list[Finding] = []
    facts = None
    leaves = b""
    name = Tile(ENTRIES, job.index, job.width).name
    try:
        if job.bundle is None:
            raise NotFoundError(f"expected the bundle {name}, got none")
        entries = parse_entries(job.bundle, job.width)  # (1)
        leaves = b"".join(map(leaf_hash, entries))
        found, facts = examine(first, entries, job.beside)
        findings += found
    except LedgerError as error:
        place = first + (error.actual if isinstance(error, MalformedError) and isinstance(error.actual, int) else 0)
        last = first + job.width - 1
        findings.append(Finding("bundle_damaged", str(error), index=min(place, last), last_index=last))
    tile = job.tile if job.tile is not None and len(job.tile) == job.width * HASH_BYTES else b""
    if not tile:
        text = f"expected the tile {Tile(0, job.index, job.width).name}, got none of its width"
        findings.append(Finding("tile_missing", text, index=first, last_index=first + job.width - 1))
    findings += [] if not tile or not leaves else _differences(first, leaves, tile)  # (2)
    # What is not there is stood in for by what is, so that later heads can still be looked at.
    return _Checked(
        job.width, leaves or tile, tile or leaves, _root(leaves or tile), _root(tile or leaves), tuple(findings), facts
    )


def _differences(first: int, leaves: bytes, tile: bytes) -> list[Finding]:
    if leaves == tile:
        return []
    return [
        Finding(
            "leaf_mismatch",
            f"expected leaf hash {tile[start : start + HASH_BYTES].hex()} as the tile has it, got another",
            index=first + start // HASH_BYTES,
        )
        for start in range(0, len(leaves), HASH_BYTES)
        if leaves[start : start + HASH_BYTES] != tile[start : start + HASH_BYTES]
    ]


def _root(leaves: bytes) -> bytes:
    return root_hash([leaves[start : start + HASH_BYTES] for start in range(0, len(leaves), HASH_BYTES)])


def _check_levels(tiles: TileReader, size: int, roots: list[bytes]) -> Iterator[Finding]:
    level = 1  # (3)
    while size >> (TILE_HEIGHT * level):
        above: list[bytes] = []
        for tile in tiles_of(level, size):
            expected = b"".join(roots[tile.index * TILE_WIDTH : tile.index * TILE_WIDTH + tile.width])
            if _or_none(tiles, tile) != expected:
                text = f"expected the roots of the tiles below in tile {tile.name}, got others"
                yield Finding("tile_altered", text, index=tile.first)
            if tile.width == TILE_WIDTH:
                above.append(_root(expected))
        roots, level = above, level + 1
