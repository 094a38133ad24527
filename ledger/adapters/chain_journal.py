"""The embedded node's blocks, written down one by one as they are mined: what makes a block final between two dumps.

A block's record holds its transactions as they were signed, its time, and its hash. The node derives all else from
these and from the state before, so a node that is given them again over the same state makes the same blocks, and the
hash tells whether it did (docs/adr/0004-embedded-node.md).

A record is a line: the SHA-256 of what follows in hex, a space, JSON. A file `blocks-N.journal` begins with block N or
holds nothing yet; one is begun after each start and after each dump. A line that was cut off by a crash or a full disk
was never acknowledged: it is passed over, and its block's number begins the next file. What a start reads is synced
before it counts: its writer may have been killed between writing and syncing.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ledger.adapters.chain_dumps import set_aside, sync_directory
from ledger.errors import MalformedError, TransportError

__all__ = ["BlockJournal", "JournalledBlock", "first_block"]

_DIGEST_CHARACTERS = 64

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JournalledBlock:
    """What a node needs to make a block again, and what tells whether it did.

    Args:
        number: the block's number.
        block_hash: its hash, 32 bytes.
        timestamp: its time, Unix seconds.
        transactions: signed ones as they were sent, in the block's order.
    """

    number: int
    block_hash: bytes
    timestamp: int
    transactions: Sequence[bytes]


class BlockJournal:
    """The records of blocks in one folder, for one writer.

    Args:
        path: an existing folder; nothing but this class writes `blocks-*.journal` in it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._size = 0

    @property
    def size(self) -> int:
        """The bytes of what `after` yielded last, and `append` took since, up to the last `begin_anew`."""
        return self._size

    def after(self, number: int) -> Iterator[JournalledBlock]:
        """Yield the blocks above a number, ascending and without a gap.

        Raises:
            MalformedError: a block is missing or damaged, and later ones are there.
            TransportError: a file could not be read.
        """
        self._size = 0
        for path in self._files():
            _sync(path)
            for block, length in _read(path):
                if block.number <= number:
                    continue
                if block.number != number + 1:
                    raise MalformedError(
                        f"expected block {number + 1} in the journal, got {block.number}", where=str(path)
                    )
                number = block.number
                self._size += length
                yield block

    def append(self, block: JournalledBlock) -> None:
        """Write a block durably.

        Raises:
            TransportError: the disk refused (code `disk`); the block is not in the journal.
        """
        line = _line(block)
        try:
            if self._descriptor is None:
                self._descriptor = self._begin(block.number)
            _append(self._descriptor, line)
        except OSError as error:
            with suppress(OSError):
                self.close()
            raise TransportError(
                f"expected to write block {block.number} down, got {error.strerror}",
                code="disk",
                where=str(self._path),
                values={"errno": error.errno},
            ) from error
        self._size += len(line)

    def begin_anew(self, *, kept_from: int) -> None:
        """Go on in another file, once a dump holds all that is in the journal.

        Args:
            kept_from: the block of the oldest dump that is kept; files with nothing above it are removed.
        """
        self.close()
        self._size = 0
        files = self._files()
        for path, following in pairwise(files):
            if first_block(following) <= kept_from + 1:
                path.unlink(missing_ok=True)

    def set_aside(self, reason: Exception) -> None:
        """Take all records out of use without deleting them."""
        _log.error("the journal of blocks is unusable and set aside: %s", reason)
        self.close()
        for path in self._files():
            set_aside(path)
        sync_directory(self._path)

    def newest(self) -> int | None:
        """Return the number of the newest block in the journal, or None; for a process that does not run the node."""
        for path in reversed(self._files()):
            numbers = [block.number for block, _ in _read(path)]
            if numbers:
                return numbers[-1]
        return None

    def close(self) -> None:
        """Let go of the file; the next block begins another."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _begin(self, number: int) -> int:
        path = self._path / f"blocks-{number:012d}.journal"
        # There may be one of this name: with a line that was cut off, and nothing else; or with damaged ones.
        if path.exists() and b"\n" in path.read_bytes():
            set_aside(path)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            sync_directory(self._path)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _files(self) -> list[Path]:
        return sorted(self._path.glob("blocks-*.journal"))


def first_block(path: Path) -> int:
    """The block that a file of a journal begins with, by its name."""
    return int(path.stem.removeprefix("blocks-"))


def _line(block: JournalledBlock) -> bytes:
    record = {
        "number": block.number,
        "hash": "0x" + block.block_hash.hex(),
        "timestamp": block.timestamp,
        "transactions": ["0x" + raw.hex() for raw in block.transactions],
    }
    body = json.dumps(record).encode("ascii")
    return hashlib.sha256(body).hexdigest().encode("ascii") + b" " + body + b"\n"


def _read(path: Path) -> Iterator[tuple[JournalledBlock, int]]:
    """The whole records of a file, each with its length in bytes."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TransportError(f"expected a readable journal, got {error.strerror}", where=str(path)) from error
    for place, line in enumerate(content.splitlines(keepends=True), 1):
        digest, body = line[:_DIGEST_CHARACTERS], line[_DIGEST_CHARACTERS + 1 : -1]
        if not line.endswith(b"\n"):
            _log.warning("line %d of %s was cut off and is passed over", place, path.name)
            continue
        if hashlib.sha256(body).hexdigest().encode("ascii") != digest:
            _log.error("line %d of %s is damaged and passed over: a block that was final", place, path.name)
            continue
        record = json.loads(body)
        block = JournalledBlock(
            record["number"],
            bytes.fromhex(record["hash"][2:]),
            record["timestamp"],
            [bytes.fromhex(raw[2:]) for raw in record["transactions"]],
        )
        yield block, len(line)


def _append(descriptor: int, line: bytes) -> None:
    start = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except OSError:
        # Linux calls pages clean that it could not write: what is left here would be read back, and synced in vain.
        with suppress(OSError):
            os.ftruncate(descriptor, start)
        raise


def _sync(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(path.parent)
    except OSError as error:
        raise TransportError(f"expected to sync {path.name}, got {error.strerror}", code="disk") from error
