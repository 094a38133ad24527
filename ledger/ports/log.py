"""The port of logs: where one stream's entries, tiles and checkpoint are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ledger.log.tiles import Tile

__all__ = ["LogRecord", "LogStore", "TreeHead"]


@dataclass(frozen=True, slots=True)
class TreeHead:
    """Size and root (32 bytes) of a tree."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class LogRecord:
    """An entry and a note about it.

    Attributes:
        entry: what is hashed and kept for ever; 1 to 65,535 bytes.
        note: what must be as durable as the entry until somebody has taken it over, such as clear text for a database;
            empty: none.
    """

    entry: bytes
    note: bytes = b""


class LogStore(Protocol):
    """Keeps one log.

    An implementer MUST have made records durable before `append` returns, MUST NOT show a reader of tiles a hash that
    later changes, MUST refuse to open a log that is smaller than, or differs from, its own checkpoint (MismatchError),
    and MUST turn every error of the operating system into one of `ledger.errors`. One thread appends and publishes;
    any may read and take notes.
    """

    def append(self, records: Sequence[LogRecord]) -> TreeHead:
        """Add records, all or none of them acknowledged.

        Returns:
            The head after them; the first one stands at its size less their number.

        Raises:
            MalformedError: an entry of another length.
            TransportError: they could not be made durable.
        """
        ...

    def head(self) -> TreeHead:
        """Return size and root of all that was appended."""
        ...

    def read(self, tile: Tile) -> bytes:
        """Return a tile or bundle, cut to its width.

        Raises:
            NotFoundError: the log does not have all of it.
            TransportError: it could not be read.
        """
        ...

    def checkpoint(self) -> bytes | None:
        """Return the signed note published last, or None."""
        ...

    def publish(self, note: bytes, size: int) -> None:
        """Make the tiles of a size durable, then replace the checkpoint.

        Args:
            note: the signed note.
            size: of the tree it is about; at most the head's.

        Raises:
            TransportError: it could not be made durable.
        """
        ...

    def notes(self, limit: int) -> Sequence[tuple[int, bytes]]:
        """Return notes that nobody took over yet with the indices of their entries, in order, at most `limit`."""
        ...

    def forget_notes(self, below: int) -> None:
        """Drop the notes of entries below an index: somebody has them durably."""
        ...

    def close(self) -> None:
        """Let go of everything; what was appended is durable without it."""
        ...
