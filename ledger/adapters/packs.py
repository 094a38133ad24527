"""Pack files: blocks one after another, each behind a header that says what it is.

A record is 44 bytes of header (`YBLK`, codec, three zero bytes, length as 32 bits big-endian, SHA-256) and the block.
A pack is only ever appended to, so a record that was once whole stays whole, and everything about the store can be
told again from its packs alone.
"""

from __future__ import annotations

import errno
import hashlib
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.cid import CODEC_DAG_PB, CODEC_RAW, Buffer, Cid
from ledger.errors import TransportError
from ledger.ports.blobs import BLOCK_BYTES_LIMIT

__all__ = ["HEADER_BYTES", "Place", "Record", "os_error", "record_header", "scan", "sync_folder", "write_record"]

_HEADER: Final = struct.Struct(">4sB3xI32s")
_MAGIC: Final = b"YBLK"
HEADER_BYTES: Final = _HEADER.size
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block lies.

    Args:
        codec: its CID's codec when it was first put.
        pack: number of the pack.
        offset: first byte of the block in the pack, behind its header.
        length: bytes of the block.
    """

    codec: int
    pack: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Record:
    """A record met while scanning.

    Args:
        cid: what the header says.
        offset: first byte of the block.
        length: bytes of the block.
        is_whole: whether the bytes have that digest.
    """

    cid: Cid
    offset: int
    length: int
    is_whole: bool


def os_error(error: OSError, doing: str, path: Path) -> TransportError:
    """Turn an error of the operating system into ours; `store_full` where there is no room left."""
    if error.errno in _NO_ROOM:
        return TransportError(f"expected room on the disk while {doing}, got none", code="store_full", where=str(path))
    return TransportError(f"expected to be {doing}, got: {error.strerror}", code="store_unusable", where=str(path))


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def record_header(cid: Cid, length: int) -> bytes:
    """Return the header of a record: 44 bytes.

    Args:
        cid: of the block.
        length: bytes of the block.
    """
    return _HEADER.pack(_MAGIC, cid.codec, length, cid.digest)


def write_record(file: int, position: int, cid: Cid, block: Buffer) -> int:
    """Write a record at a position.

    Args:
        file: descriptor of the pack.
        position: where the record starts.
        cid: the CID of the bytes.
        block: the bytes.

    Returns:
        The position behind it.

    Raises:
        OSError: it could not be written; the pack is cut back to `position`.
    """
    header = record_header(cid, len(block))
    total = HEADER_BYTES + len(block)
    try:
        done = os.pwritev(file, [header, block], position)
        while done < total:
            rest = (header + bytes(block))[done:]
            done += os.pwrite(file, rest, position + done)
    except OSError:
        os.ftruncate(file, position)
        raise
    return position + total


def scan(path: Path, start: int) -> Iterator[Record]:
    """Yield the records of a pack from a position on, checking each; ends where no further record can be told.

    Args:
        path: the pack.
        start: first byte of a record.

    Raises:
        OSError: it could not be read.
    """
    with path.open("rb", buffering=1 << 20) as file:
        file.seek(start)
        position = start
        while len(header := file.read(HEADER_BYTES)) == HEADER_BYTES:
            magic, codec, length, digest = _HEADER.unpack(header)
            if magic != _MAGIC or codec not in (CODEC_RAW, CODEC_DAG_PB) or length > BLOCK_BYTES_LIMIT:
                return
            block = file.read(length)
            if len(block) < length:
                return
            is_whole = hashlib.sha256(block).digest() == digest
            yield Record(Cid(codec, digest), position + HEADER_BYTES, length, is_whole)
            position += HEADER_BYTES + length
