"""Reads every block of an embedded store again, pack by pack in the order of the disk, and compares it with its CID.

Beside a writer: the index says what was acknowledged, and only that is looked at. Reading is in groups of some MiB,
hashing in threads (SHA-256 lets the interpreter go), so that it costs what `sha256sum` over the packs costs.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.adapters.packs import HEADER_BYTES, record_header
from ledger.cid import Cid
from ledger.errors import NotFoundError, TransportError

__all__ = ["BlockProblem", "ReadBlock", "check_packs"]

_GROUP_BYTES: Final = 4 << 20
_GROUP_BLOCKS: Final = 4096

ReadBlock = Callable[[bytes, memoryview], None]
"""Told digest and bytes of each block that is whole; from several threads."""


@dataclass(frozen=True, slots=True)
class BlockProblem:
    """A block that is not as it was stored.

    Attributes:
        cid: its CID.
        code: `damaged_block`: other bytes; `damaged_header`: its header is not the block's; `missing_bytes`: the pack
            ends before it, or is gone; `unreadable_block`: the disk refused.
        pack: number of the pack.
        offset: first byte of the block in the pack.
        length: bytes of the block.
        detail: what was met.
    """

    cid: Cid
    code: str
    pack: int
    offset: int
    length: int
    detail: str = ""

    @property
    def where(self) -> str:
        """Pack and bytes, as a person finds them."""
        return f"{self.pack:08d}.pack bytes {self.offset}-{self.offset + self.length - 1} {self.cid}"


@dataclass(frozen=True, slots=True)
class _Place:
    digest: bytes
    codec: int
    offset: int
    length: int


def check_packs(
    folder: Path,
    *,
    workers: int = 2,
    on_block: ReadBlock = lambda digest, block: None,
    progress: Callable[[int], None] = lambda count: None,
) -> Iterator[BlockProblem]:
    """Check every block that the index of a store names.

    Args:
        folder: the store's.
        workers: threads that read and hash.
        on_block: see `ReadBlock`.
        progress: called with numbers of bytes.

    Yields:
        What is wrong, in the order of the packs.

    Raises:
        NotFoundError: there is no store.
        TransportError: its index cannot be read.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="fsck") as pool:
        waiting: deque[Future[list[BlockProblem]]] = deque()
        for pack, group in _groups(folder):
            waiting.append(pool.submit(_check_group, folder, pack, group, on_block))
            progress(sum(place.length for place in group))
            if len(waiting) > 2 * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _groups(folder: Path) -> Iterator[tuple[int, list[_Place]]]:
    index_path = folder / "index.db"
    if not index_path.is_file():
        raise NotFoundError("expected a block store, got no index", where=str(folder))
    try:
        index = sqlite3.connect(f"{index_path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)
        try:
            packs = [row[0] for row in index.execute("SELECT DISTINCT pack FROM blocks ORDER BY pack")]
            query = "SELECT digest, codec, offset, length FROM blocks WHERE pack = ? ORDER BY offset"
            for pack in packs:
                group: list[_Place] = []
                size = 0
                for digest, codec, offset, length in index.execute(query, (pack,)).fetchall():
                    group.append(_Place(digest, codec, offset, length))
                    size += HEADER_BYTES + length
                    if size >= _GROUP_BYTES or len(group) >= _GROUP_BLOCKS:
                        yield pack, group
                        group, size = [], 0
                if group:
                    yield pack, group
        finally:
            index.close()
    except sqlite3.Error as error:
        raise TransportError(
            f"expected a usable index of the block store, got: {error}", code="store_unusable", where=str(index_path)
        ) from error


def _check_group(folder: Path, pack: int, group: Sequence[_Place], on_block: ReadBlock) -> list[BlockProblem]:
    path = folder / "packs" / f"{pack:08d}.pack"
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        return [_problem(place, pack, "missing_bytes", error.strerror or "") for place in group]
    found: list[BlockProblem] = []
    try:
        start = group[0].offset - HEADER_BYTES
        end = group[-1].offset + group[-1].length
        whole: memoryview | None = None
        if end - start <= 2 * _GROUP_BYTES:  # else something lies between them
            try:
                whole = memoryview(_read(file, start, end - start))
            except OSError:
                whole = None  # one by one, so that only what the disk refuses is lost
        for place in group:
            found += _check(file, pack, place, on_block, whole=whole, start=start)
    finally:
        os.close(file)
    return found


def _read(file: int, start: int, length: int) -> bytes:
    pieces = []
    while length and (piece := os.pread(file, length, start)):
        pieces.append(piece)
        start, length = start + len(piece), length - len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _check(
    file: int, pack: int, place: _Place, on_block: ReadBlock, *, whole: memoryview | None, start: int
) -> list[BlockProblem]:
    at = place.offset - HEADER_BYTES
    if whole is None:
        try:
            record = memoryview(_read(file, at, HEADER_BYTES + place.length))
        except OSError as error:
            return [_problem(place, pack, "unreadable_block", error.strerror or "")]
    else:
        record = whole[at - start : at - start + HEADER_BYTES + place.length]
    block = record[HEADER_BYTES:]
    if len(block) < place.length:
        return [_problem(place, pack, "missing_bytes", f"{len(block)} of {place.length}")]
    if hashlib.sha256(block).digest() != place.digest:
        return [_problem(place, pack, "damaged_block", "")]
    on_block(place.digest, block)
    # The codec in the header is that of the CID under which the block came first.
    expected = record_header(Cid(place.codec, place.digest), place.length)
    if bytes(record[:HEADER_BYTES]) != expected:
        return [_problem(place, pack, "damaged_header", "the block itself is whole")]
    return []


def _problem(place: _Place, pack: int, code: str, detail: str) -> BlockProblem:
    return BlockProblem(Cid(place.codec, place.digest), code, pack, place.offset, place.length, detail)
