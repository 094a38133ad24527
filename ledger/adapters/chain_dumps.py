"""State dumps of the embedded node: written whole or not at all, two generations kept.

A dump file is a header line of JSON, the node's state, and the SHA-256 of everything before it. It is written to a new
file, synced, renamed, and its folder synced; so a file under its final name is complete, and one that is not (a disk
that lost bytes) is noticed by its digest and the previous generation is used.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import MalformedError, TransportError

__all__ = ["DumpFolder", "StateDump", "newest_block", "set_aside", "sync_directory", "write_durably"]

_FORMAT = "yunshang-chain-dump/v1"
_GENERATIONS = 2
_DIGEST_BYTES = 32
_HEADER_LIMIT_BYTES = 4096

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StateDump:
    """A node's state as of one block.

    Args:
        block_number: the newest block within the state.
        block_hash: its hash, 32 bytes.
        state: what `anvil_dumpState` answered, decoded from hex (gzip).
    """

    block_number: int
    block_hash: bytes
    state: bytes


def sync_directory(path: Path) -> None:
    """Make the names within a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, *parts: bytes) -> None:
    """Replace a file as a whole: new file, fsync, rename, fsync of the folder.

    Args:
        path: the final name.
        parts: the content, in order.

    Raises:
        TransportError: the disk refused (full, read-only); the old file, if any, is untouched.
    """
    new = path.with_name(path.name + ".new")
    try:
        try:
            with open(new, "wb", opener=_private) as file:
                for part in parts:
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            new.rename(path)
        except OSError:
            new.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)
    except OSError as error:
        raise TransportError(
            f"expected to write {path.name}, got {error.strerror}",
            code="disk",
            where=str(path),
            values={"errno": error.errno},
        ) from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class DumpFolder:
    """The generations of a node's state dumps in one folder.

    Args:
        path: an existing folder; nothing but this class writes `state-*.dump` in it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, dump: StateDump) -> int:
        """Add a generation durably, then remove all but the newest two.

        Args:
            dump: the state to keep.

        Returns:
            The newest block within the oldest generation that is kept; 0 where its header cannot be read, or where
            there is no other: a start without this one begins at the genesis block.

        Raises:
            TransportError: the disk refused; the generations there were are untouched.
        """
        names = self._names()
        generation = int(names[0].stem.removeprefix("state-")) + 1 if names else 1
        header = json.dumps(
            {"format": _FORMAT, "block_number": dump.block_number, "block_hash": "0x" + dump.block_hash.hex()}
        ).encode("ascii")
        digest = hashlib.sha256(header + b"\n")
        digest.update(dump.state)
        write_durably(self._path / f"state-{generation:012d}.dump", header, b"\n", dump.state, digest.digest())
        names = self._names()
        for old in names[_GENERATIONS:]:
            old.unlink(missing_ok=True)
        return newest_block(names[_GENERATIONS - 1]) if len(names) >= _GENERATIONS else 0

    def newest_first(self) -> Iterator[tuple[Path, StateDump]]:
        """Yield the readable generations, the newest first; unreadable ones are set aside.

        A file whose digest does not match is renamed to `*.corrupt` and logged.

        Raises:
            MalformedError: there are dumps but none can be read; starting from nothing would lose blocks silently.
            TransportError: the folder could not be read.
        """
        damaged = self._damaged()
        found = False
        for path in self._names():
            try:
                dump = _parse(path.read_bytes(), where=str(path))
            except MalformedError as error:
                self.set_aside(path, error)
                damaged += 1
                continue
            except OSError as error:
                raise TransportError(f"expected a readable dump, got {error.strerror}", where=str(path)) from error
            found = True
            yield path, dump
        if damaged and not found:
            raise MalformedError("expected a readable state dump, got only damaged ones", where=str(self._path))

    def set_aside(self, path: Path, reason: Exception) -> None:
        """Take a generation out of use without deleting it.

        Args:
            path: as yielded by `newest_first`.
            reason: why, for the log.
        """
        _log.error("state dump %s is unusable and set aside: %s", path.name, reason)
        set_aside(path)

    def _names(self) -> list[Path]:
        return sorted(self._path.glob("state-*.dump"), reverse=True)

    def _damaged(self) -> int:
        return sum(1 for _ in self._path.glob("state-*.corrupt"))


def _parse(content: bytes, *, where: str) -> StateDump:
    body, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise MalformedError("expected the dump's own digest at its end, got another", where=where)
    header, _, state = body.partition(b"\n")
    number, block_hash = _parse_header(header + b"\n", where=where)
    return StateDump(number, block_hash, state)


def set_aside(path: Path) -> None:
    """Give a file a name `*.corrupt` that no file has, with a number where there is one already."""
    aside, number = path.with_suffix(".corrupt"), 1
    while aside.exists():
        number += 1
        aside = path.with_suffix(f".{number}.corrupt")
    path.rename(aside)


def newest_block(path: Path) -> int:
    """The newest block within a dump; 0 where its header is none."""
    with path.open("rb") as file:
        try:
            return _parse_header(file.readline(_HEADER_LIMIT_BYTES), where=str(path))[0]
        except MalformedError:
            return 0


def _parse_header(line: bytes, *, where: str) -> tuple[int, bytes]:
    try:
        header = json.loads(line)
        number, block_hash = header["block_number"], bytes.fromhex(header["block_hash"].removeprefix("0x"))
        if header["format"] != _FORMAT or not line.endswith(b"\n") or not isinstance(number, int):
            raise ValueError(header["format"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedError("expected the header of a state dump, got something else", where=where) from error
    return number, block_hash
