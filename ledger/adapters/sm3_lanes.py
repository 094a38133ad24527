"""SM3 of eight documents side by side, by a library in C where it is built and the processor has the vectors for it.

`scripts/build_native.py` builds `ledger/native`. A library is used only if it was built from exactly these sources and
digests what it is asked at the start as `ledger.sm3` does; otherwise that does the work, one document after the other.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import struct
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Final, Protocol

from ledger.buffers import address_of
from ledger.cid import Buffer
from ledger.errors import NotFoundError
from ledger.sm3 import new_sm3

__all__ = [
    "LANES",
    "LIBRARY",
    "NO_VECTORS",
    "SOURCES",
    "SideBySide",
    "Sm3Lanes",
    "side_by_side",
    "sm3_of_all",
    "source_digest",
]

LANES: Final = 8
"""How many documents are digested side by side."""
NO_VECTORS: Final = "no_vectors"
"""The code of an error: the library is there, and the processor can't use it."""
SOURCES: Final = Path(__file__).resolve().parents[1] / "native"
LIBRARY: Final = SOURCES / "build" / "yunshang_sm3.so"

_BLOCK_BYTES: Final = 64
_LENGTH_BYTES: Final = 8
_WORDS: Final = 8
_INITIAL: Final = struct.unpack(
    ">8I", bytes.fromhex("7380166f4914b2b9172442d7da8a0600a96f30bc163138aae38dee4db0fb0e4e")
)
# By kind, from how many documents on: a lane is half as fast as a document by itself, or two thirds.
_WORTH_IT: Final = {1: 3, 2: 2}
# Ends of every kind, more documents than lanes, and lanes that end at different times.
_PROBE: Final = tuple(bytes(range(256))[: 200 - number] * (1 + number % 3) for number in range(2 * LANES + 3))

_log = logging.getLogger(__name__)


class Sm3Lanes:
    """The library.

    Args:
        library: the shared library.
        kind: with which instructions: 1 (AVX2), 2 (AVX-512) or, by default, the best the processor has.

    Raises:
        NotFoundError: there is none, or it wasn't built from these sources, or doesn't work here (code `native_sm3`);
            the processor lacks those instructions (code `no_vectors`).
    """

    def __init__(self, library: Path = LIBRARY, *, kind: int | None = None) -> None:
        try:
            loaded = ctypes.CDLL(str(library))
            loaded.yunshang_sm3_source.restype = ctypes.c_char_p
            built_from = loaded.yunshang_sm3_source().decode("ascii")
            self._run = loaded.yunshang_sm3_run
            best = loaded.yunshang_sm3_best()
        except (OSError, AttributeError) as error:
            raise NotFoundError(f"expected a library at {library}, got {error}", code="native_sm3") from error
        if built_from != source_digest():
            raise NotFoundError("expected a library built from these sources, got another", code="native_sm3")
        self._run.argtypes = (*(ctypes.c_void_p,) * 3, ctypes.c_size_t, ctypes.c_int)
        self._run.restype = None
        self.kind = best if kind is None else kind
        if not 0 < self.kind <= best:
            raise NotFoundError(f"expected a processor with vectors of kind 1, got {best}", code=NO_VECTORS)
        known = _OneByOne(len(_PROBE))
        known.update(_PROBE)
        if self.digest(_PROBE) != known.digests():
            raise NotFoundError("expected the digests of the probe, got others", code="native_sm3")

    def digest(self, documents: Sequence[Buffer]) -> list[bytes]:
        """Return the SM3 of each document, 32 bytes, in their order; other threads run meanwhile, nothing is copied.

        Raises:
            BufferError: a view that is not contiguous.
        """
        running = self.begin(len(documents))
        running.update(documents)
        return running.digests()

    def begin(self, count: int) -> SideBySide:
        """Begin the digests of as many documents."""
        return _InLanes(self, count)

    def take(self, states: ctypes.Array[ctypes.c_uint32], pieces: Sequence[Buffer]) -> None:
        """Take the whole blocks of each piece into its state.

        Args:
            states: eight words for each piece.
            pieces: of any length; what is behind the whole blocks of 64 bytes is not looked at.
        """
        addresses, blocks = (ctypes.c_void_p * len(pieces))(), (ctypes.c_size_t * len(pieces))()
        with ExitStack() as held:
            for index, piece in enumerate(pieces):
                addresses[index], length = held.enter_context(address_of(piece))
                blocks[index] = length // _BLOCK_BYTES
            self._run(states, addresses, blocks, len(pieces), self.kind)


class SideBySide(Protocol):
    """Running digests of several documents, for one thread at a time."""

    def update(self, pieces: Sequence[Buffer]) -> None:
        """Take the next bytes of every document; other threads run meanwhile, nothing is copied.

        Args:
            pieces: one for each document, empty where it has ended. Every piece but a document's last MUST be of whole
                blocks of 64 bytes.

        Raises:
            ValueError: bytes after a piece that was not of whole blocks.
            BufferError: a view that is not contiguous.
        """

    def digests(self) -> list[bytes]:
        """Return the digest of each document, 32 bytes; the object is used up."""


class _InLanes:
    def __init__(self, library: Sm3Lanes, count: int) -> None:
        self._library = library
        self._states = (ctypes.c_uint32 * (_WORDS * count))(*_INITIAL * count)
        self._lengths = [0] * count
        self._ends = [b""] * count

    def update(self, pieces: Sequence[Buffer]) -> None:
        if any(end and piece for end, piece in zip(self._ends, pieces, strict=True)):
            raise ValueError("expected no bytes after a document's last, got some")
        self._library.take(self._states, pieces)
        for index, piece in enumerate(pieces):
            self._lengths[index] += len(piece)
            if rest := len(piece) % _BLOCK_BYTES:
                self._ends[index] = bytes(memoryview(piece)[-rest:])

    def digests(self) -> list[bytes]:
        self._library.take(self._states, list(map(_padded, self._ends, self._lengths)))
        starts = range(0, len(self._states), _WORDS)
        return [struct.pack(">8I", *self._states[start : start + _WORDS]) for start in starts]


def _padded(end: bytes, length: int) -> bytes:
    """What is behind the whole blocks of a document, as one or two. Source: GB/T 32905-2016 section 5.2."""
    end += b"\x80"
    return end + bytes(-(len(end) + _LENGTH_BYTES) % _BLOCK_BYTES) + (8 * length).to_bytes(_LENGTH_BYTES, "big")


class _OneByOne:
    def __init__(self, count: int) -> None:
        self._running = [new_sm3() for _ in range(count)]
        self._has_ended = [False] * count

    def update(self, pieces: Sequence[Buffer]) -> None:
        if any(ended and piece for ended, piece in zip(self._has_ended, pieces, strict=True)):
            raise ValueError("expected no bytes after a document's last, got some")
        for index, piece in enumerate(pieces):
            self._running[index].update(piece)
            self._has_ended[index] |= len(piece) % _BLOCK_BYTES != 0

    def digests(self) -> list[bytes]:
        return [running.digest() for running in self._running]


def side_by_side(count: int) -> SideBySide:
    """Begin the digests of as many documents: side by side where that is faster, else one by one.

    Raises:
        PolicyError: no library here has SM3 (code `no_sm3`).
    """
    library = _usable() if count > 1 else None
    return _OneByOne(count) if library is None or count < _WORTH_IT[library.kind] else library.begin(count)


def sm3_of_all(documents: Sequence[Buffer]) -> list[bytes]:
    """Return the SM3 of each document, 32 bytes, in their order: side by side where that is faster, else one by one.

    Args:
        documents: buffers of bytes, best of about one length.

    Raises:
        BufferError: a view that is not contiguous.
        PolicyError: no library here has SM3 (code `no_sm3`).
    """
    running = side_by_side(len(documents))
    running.update(documents)
    return running.digests()


def source_digest() -> str:
    """Return the SHA-256 of the library's sources in hex: each name, length and content."""
    digest = hashlib.sha256()
    for path in sorted(path for ending in ("c", "h", "inc") for path in SOURCES.glob(f"*.{ending}")):
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


@cache
def _usable() -> Sm3Lanes | None:
    try:
        return Sm3Lanes()
    except NotFoundError as error:
        _log.info("SM3 of documents one by one: %s", error)
        return None
