"""The journal of a log: what was appended, in whole checksummed records, until it is durable elsewhere.

A segment is named by the index of its first record. A record is 34 bytes of header (`YLOG`, index, lengths of entry and
note, the first 16 bytes of SHA-256 over the rest) and both texts. Only the last segment may end in a torn record: that
one was never acknowledged and is cut off.
"""

from __future__ import annotations

import hashlib
import os
import struct
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ledger.adapters.packs import os_error, sync_folder
from ledger.errors import MismatchError, TransportError
from ledger.ports.log import LogRecord

__all__ = ["Journal", "peek"]

_HEADER: Final = struct.Struct(">4sQHI16s")
_MAGIC: Final = b"YLOG"
_SUFFIX: Final = ".journal"


class Journal:
    """Segments in a folder; one thread writes.

    Args:
        folder: made if missing.

    Raises:
        OSError: the folder cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        self._firsts = sorted(int(path.stem) for path in folder.glob(f"*{_SUFFIX}"))
        self._file = -1
        self._position = 0
        self._end = 0
        self._is_broken = False
        self._lock = threading.Lock()  # over the list of segments: any thread may drop

    def replay(self) -> Iterator[tuple[int, LogRecord]]:
        """Yield every record with its index, and cut a torn tail off; then the journal can be appended to.

        Raises:
            MismatchError: a segment before the last one is damaged (code `log_damaged`).
            OSError: a segment cannot be read.
        """
        for first in tuple(self._firsts):
            data = self._path(first).read_bytes()
            position = 0
            for index, record, end in _records(data):
                yield index, record
                position, self._end = end, index + 1
            if position < len(data):
                if first != self._firsts[-1]:
                    raise MismatchError(
                        f"expected a whole journal, got a damaged record at {position}",
                        code="log_damaged",
                        where=str(self._path(first)),
                    )
                os.truncate(self._path(first), position)
            self._position = position
        if self._firsts:
            self._file = self._open(self._firsts[-1])

    def append(self, first: int, records: Sequence[LogRecord]) -> None:
        """Make records durable.

        Args:
            first: index of the first one.
            records: consecutive.

        Raises:
            TransportError: they could not be; nothing of them is left, unless the code is `log_unusable`.
        """
        data = b"".join(_encode(index, record) for index, record in enumerate(records, first))
        try:
            if self._is_broken:
                raise OSError(0, "an earlier write could not be made durable")
            if self._file < 0:
                self._begin(first)
            _write_all(self._file, data, self._position)
        except OSError as e:
            self._is_broken = self._is_broken or not self._cut()
            raise os_error(e, "appending to a log", self._folder) from e
        try:
            os.fdatasync(self._file)
        except OSError as e:
            # After a failed sync the kernel may have dropped the pages: nothing here can be believed any more.
            self._is_broken = True
            raise TransportError(
                f"expected to make entries durable, got: {e.strerror}", code="log_unusable", where=str(self._folder)
            ) from e
        self._position += len(data)
        self._end = first + len(records)

    def rotate(self) -> None:
        """End the present segment; the next record begins a new one."""
        with self._lock:
            self.close()

    def drop(self, below: int) -> None:
        """Delete ended segments of which every record is below an index.

        Args:
            below: what is below it is durable elsewhere.
        """
        with self._lock:
            ended = len(self._firsts) - (self._file >= 0)
            while ended and (self._firsts[1] if len(self._firsts) > 1 else self._end) <= below:
                self._path(self._firsts.pop(0)).unlink(missing_ok=True)
                ended -= 1

    def close(self) -> None:
        """Close the present segment."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _begin(self, first: int) -> None:
        with self._lock:
            self._file = self._open(first)
            self._position = 0
            self._firsts.append(first)
        sync_folder(self._folder)

    def _cut(self) -> bool:
        try:
            if self._file >= 0:
                os.ftruncate(self._file, self._position)
        except OSError:
            return False
        return True

    def _open(self, first: int) -> int:
        return os.open(self._path(first), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _path(self, first: int) -> Path:
        return self._folder / f"{first:020d}{_SUFFIX}"


def peek(folder: Path) -> Iterator[tuple[int, LogRecord]]:
    """Yield what a journal holds that another process may be writing; segments that vanish meanwhile are left out.

    Raises:
        OSError: it cannot be read.
    """
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue
        for index, record, _ in _records(data):
            yield index, record


def _encode(index: int, record: LogRecord) -> bytes:
    entry, note = record.entry, record.note
    lengths = struct.pack(">QHI", index, len(entry), len(note))
    checksum = hashlib.sha256(lengths + entry + note).digest()[:16]
    return _MAGIC + lengths + checksum + entry + note


def _records(data: bytes) -> Iterator[tuple[int, LogRecord, int]]:
    position = 0
    while position + _HEADER.size <= len(data):
        magic, index, entry_length, note_length, checksum = _HEADER.unpack_from(data, position)
        start = position + _HEADER.size
        middle, end = start + entry_length, start + entry_length + note_length
        body = data[position + 4 : start - 16] + data[start:end]
        if magic != _MAGIC or end > len(data) or hashlib.sha256(body).digest()[:16] != checksum:
            return
        yield index, LogRecord(data[start:middle], data[middle:end]), end
        position = end


def _write_all(file: int, data: bytes, position: int) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(file, data[done:], position + done)
