"""Model files on the disk: `.ifc` as they are, `.ifczip` unpacked within limits, both into memory of our own.

A file is read once; its SHA-256 is that of the very bytes that are fingerprinted. A memory map would cost the same
memory, but whoever changes the file meanwhile would have us hash one model and read another, or crash on a cut one.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final, Protocol

from ledger.adapters.bim_native import best_kernel
from ledger.bim.fingerprint import Fingerprint
from ledger.bim.scan import FingerprintKernel
from ledger.errors import MalformedError, MismatchError, NotFoundError, TransportError

__all__ = [
    "MAX_STEP_BYTES",
    "MAX_UNPACKING",
    "ModelFingerprint",
    "OpenModel",
    "fingerprint_file",
    "is_packed",
    "load_model",
    "open_model",
]

MAX_STEP_BYTES: Final = 2**32 - 1
"""Largest STEP file, unpacked. Source: docs/bim-fingerprint.md section 2."""

MAX_UNPACKING: Final = 200
"""An archive may unpack to at most this many times its own size; up to 64 MiB it may always."""

_FREE_BYTES: Final = 64 << 20
_PIECE_BYTES: Final = 1 << 20
_LOCAL_HEADER: Final = struct.Struct("<4s5H3L2H")
_LOCAL_SIGNATURE: Final = b"PK\x03\x04"
_ENCRYPTED: Final = 0x1 | 0x40 | 0x2000
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ZIP_ERRORS: Final = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    EOFError,
    LookupError,
    NotImplementedError,
    OverflowError,
    ValueError,
    struct.error,
)


class _Source(Protocol):
    def readinto(self, buffer: memoryview, /) -> int | None: ...


@dataclass(frozen=True, slots=True)
class OpenModel:
    """A model in memory.

    Attributes:
        step: the whole STEP file, unpacked.
        file_sha256: SHA-256 of the file as it was given, packed or not; 32 bytes.
    """

    step: memoryview | bytes
    file_sha256: bytes


@dataclass(frozen=True, slots=True)
class ModelFingerprint:
    """The fingerprint of a file.

    Attributes:
        fingerprint: of the model.
        file_sha256: SHA-256 of the file itself, 32 bytes.
        seconds: from opening the file to the roots.
    """

    fingerprint: Fingerprint
    file_sha256: bytes
    seconds: float


def is_packed(name: str) -> bool:
    """Whether a file of this name is a ZIP archive that holds a model."""
    return name.lower().endswith(".ifczip")


@contextmanager
def open_model(path: Path) -> Iterator[OpenModel]:
    """Read a model file into memory; what comes back is valid inside the `with` block.

    Args:
        path: a regular file; `.ifczip` (in any case) is unpacked, anything else is taken as a STEP file.

    Raises:
        NotFoundError: there is no such file.
        TransportError: it can't be read (code `unreadable`).
        MismatchError: it was changed while it was read (code `file_changed`).
        MalformedError: not a regular file (`not_a_file`), `too_large`, or of an archive: `zip_broken`, `zip_members`,
            `zip_encrypted`, `zip_method`, `zip_bomb`. Whether it is a STEP file isn't looked at here.
    """
    where = str(path)
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as e:
        raise NotFoundError("expected a model file, got nothing", where=where) from e
    except (OSError, ValueError) as e:
        raise _unreadable(e, where) from e
    try:
        before = os.fstat(file)
        if not stat.S_ISREG(before.st_mode):
            kind = "a folder" if stat.S_ISDIR(before.st_mode) else "a special file"
            raise MalformedError(f"expected a model file, got {kind}", code="not_a_file", where=where)
        with open(file, "rb", buffering=0, closefd=False) as source:
            model = load_model(source, size=before.st_size, packed=is_packed(path.name), where=where)
        _require_unchanged(before, os.fstat(file), where)
    except OSError as e:
        raise _unreadable(e, where) from e
    finally:
        os.close(file)
    yield model


def load_model(source: _Source, *, size: int, packed: bool, where: str) -> OpenModel:
    """Read a model from an open source, such as a content of a block store.

    Args:
        source: read from its place to its end.
        size: how many bytes there are.
        packed: whether it is a ZIP archive.
        where: a path for error texts.

    Raises:
        MismatchError: there are more or fewer bytes (code `file_changed`).
        MalformedError: as `open_model`.
        OSError: as the source raises it.
    """
    if size > MAX_STEP_BYTES:
        raise MalformedError(f"expected at most {MAX_STEP_BYTES} bytes, got {size}", code="too_large", where=where)
    digest = hashlib.sha256()
    buffer = memoryview(mmap.mmap(-1, size + 1))  # anonymous: no zeros written, returned to the system when released
    filled = 0
    while count := source.readinto(buffer[filled : min(filled + _PIECE_BYTES, size + 1)]):
        digest.update(buffer[filled : filled + count])
        filled += count
    if filled != size:
        raise _changed("size", size, f"more than {size}" if filled > size else filled, where)
    content = buffer[:size].toreadonly()
    return OpenModel(_unpack(content, where) if packed else content, digest.digest())


def fingerprint_file(
    path: Path,
    *,
    kernel: FingerprintKernel | None = None,
    renames: Mapping[str, str] | None = None,
) -> ModelFingerprint:
    """Compute the fingerprint of a model file.

    Args:
        path: see `open_model`.
        kernel: None: the fastest there is.
        renames: GlobalIds to be read as others.

    Raises:
        LedgerError: as `open_model`, or MalformedError as `FingerprintKernel.scan`.
    """
    chosen = kernel or best_kernel()
    started = time.perf_counter()
    with open_model(path) as model:
        fingerprint = Fingerprint.of(chosen.scan(model.step, renames=renames))
    return ModelFingerprint(fingerprint, model.file_sha256, time.perf_counter() - started)


def _unpack(archive: memoryview, where: str) -> memoryview:
    """Unpack the one model of an archive; sizes that the archive declares are compared, never trusted."""
    try:
        with zipfile.ZipFile(BytesIO(archive)) as opened:
            listed = opened.infolist()
    except _ZIP_ERRORS as e:
        raise _zip_error("zip_broken", f"expected a ZIP archive, got a broken one: {e}", where) from e
    if listed and bytes(archive[: len(_LOCAL_SIGNATURE)]) != _LOCAL_SIGNATURE:
        # With something before it, one file could be one model as an archive and another one as it is.
        raise _zip_error("zip_broken", "expected an archive from the first byte, got something before it", where)
    models = [member for member in listed if member.filename.lower().endswith(".ifc")]
    if len(models) != 1:
        message = f"expected exactly one member that ends in .ifc, got {len(models)}"
        raise _zip_error("zip_members", message, where)
    member = models[0]
    if member.flag_bits & _ENCRYPTED:
        raise _zip_error("zip_encrypted", "expected a member that anyone can read, got an encrypted one", where)
    if member.compress_type not in _METHODS:
        message = f"expected a stored or deflated member, got compression method {member.compress_type}"
        raise _zip_error("zip_method", message, where)
    packed = _packed_bytes(archive, member, where)
    limit = min(MAX_STEP_BYTES, max(_FREE_BYTES, MAX_UNPACKING * len(archive)))
    step = _inflate(packed, limit, where) if member.compress_type == zipfile.ZIP_DEFLATED else packed
    if len(step) != member.file_size or zlib.crc32(step) != member.CRC:
        message = f"expected {member.file_size} bytes with CRC {member.CRC:08x}, got {len(step)} with another"
        raise _zip_error("zip_broken", message, where)
    return step


def _packed_bytes(archive: memoryview, member: zipfile.ZipInfo, where: str) -> memoryview:
    start = member.header_offset
    try:
        signature, *_, name_bytes, extra_bytes = _LOCAL_HEADER.unpack_from(archive, start)
    except (struct.error, OverflowError) as e:
        raise _zip_error("zip_broken", f"expected a member at byte {start}, got the end", where) from e
    begin = start + _LOCAL_HEADER.size + name_bytes + extra_bytes
    packed = archive[begin : begin + member.compress_size]
    if signature != _LOCAL_SIGNATURE or len(packed) != member.compress_size:
        raise _zip_error("zip_broken", f"expected a whole member at byte {start}, got none", where)
    return packed


def _inflate(packed: memoryview, limit: int, where: str) -> memoryview:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    unpacked = bytearray()
    try:
        for begin in range(0, len(packed), _PIECE_BYTES):
            piece: bytes | memoryview = packed[begin : begin + _PIECE_BYTES]
            while len(piece) and not inflater.eof:
                unpacked += inflater.decompress(piece, _PIECE_BYTES)
                piece = inflater.unconsumed_tail
                if len(unpacked) > limit:
                    message = f"expected at most {limit} bytes out of {len(packed)} packed ones, got more"
                    raise _zip_error("zip_bomb", message, where)
            if inflater.eof and (inflater.unused_data or begin + _PIECE_BYTES < len(packed)):
                raise _zip_error("zip_broken", "expected the end of the packed data, got more", where)
        unpacked += inflater.flush()  # at most what a few last bits say: all input was taken
    except zlib.error as e:
        raise _zip_error("zip_broken", f"expected deflated data, got: {e}", where) from e
    if not inflater.eof:
        raise _zip_error("zip_broken", "expected the end of the deflated data, got the end of the member", where)
    return memoryview(unpacked).toreadonly()


def _require_unchanged(before: os.stat_result, after: os.stat_result, where: str) -> None:
    if after.st_size != before.st_size:
        raise _changed("size", before.st_size, after.st_size, where)
    if after.st_mtime_ns != before.st_mtime_ns:
        raise _changed("modification time", before.st_mtime_ns, after.st_mtime_ns, where)


def _changed(what: str, expected: object, actual: object, where: str) -> MismatchError:
    return MismatchError(
        f"expected {what} {expected}, got {actual}: the file was changed while it was read",
        code="file_changed",
        where=where,
        expected=expected,
        actual=actual,
    )


def _unreadable(error: OSError | ValueError, where: str) -> TransportError:
    reason = getattr(error, "strerror", None) or str(error)
    return TransportError(f"expected a readable file, got: {reason}", where=where, code="unreadable")


def _zip_error(code: str, message: str, where: str) -> MalformedError:
    return MalformedError(message, code=code, where=where)
