"""SM3 behind one name, by libgcrypt where it is there and right, else by the OpenSSL behind Python.

libgcrypt has SM3 for AVX and BMI2; OpenSSL's is plain C. A library is used only if it is new enough to have that and
digests the standard's examples, and a longer input, as it must. Both give the same digests; docs/adr/0026.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import threading
from collections.abc import Callable
from typing import Final, Protocol

from ledger.buffers import address_of
from ledger.cid import Buffer
from ledger.errors import PolicyError

__all__ = ["Sm3", "gcrypt_engine", "new_sm3", "openssl_engine"]

_log = logging.getLogger(__name__)

_LIBRARY: Final = "libgcrypt.so.20"
_AT_LEAST: Final = b"1.10.0"
_SM3: Final = 326  # GCRY_MD_SM3
_INITIALIZATION_FINISHED: Final = 38  # GCRYCTL_INITIALIZATION_FINISHED
_DIGEST_BYTES: Final = 32
# As hashlib: for less, letting go of the interpreter costs more than the digest.
_ALONE_BYTES: Final = 2048
# GB/T 32905-2016, annexes A.1 and A.2; then more blocks than are done at a time.
_EXAMPLES: Final = (
    (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
    (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
    (bytes(range(256)) * 17, "82c1a0c73c03e5c82ebe4f7cab3dee37451ee8c50f03d8d5b15d0e24874d3843"),
)


class Sm3(Protocol):
    """A running digest. Methods may be called from any thread.

    `update` MUST take any contiguous buffer without copying it, and MUST let other threads run during long ones.
    """

    def update(self, data: Buffer, /) -> None:
        """Take the next bytes; not after `digest`."""

    def digest(self) -> bytes:
        """Return the digest of all bytes taken, 32 bytes."""


class _Gcrypt:
    """libgcrypt's functions; those of `PyDLL` keep the interpreter while they run.

    Raises:
        OSError: there is no such library.
        AttributeError: it lacks a function.
        PolicyError: it is too old.
    """

    def __init__(self) -> None:
        held, free = ctypes.PyDLL(_LIBRARY), ctypes.CDLL(_LIBRARY)
        held.gcry_check_version.argtypes = (ctypes.c_char_p,)
        held.gcry_check_version.restype = ctypes.c_char_p
        # This also initialises it, so it comes first; once finished, further calls change nothing.
        if held.gcry_check_version(_AT_LEAST) is None:
            raise PolicyError(f"expected libgcrypt {_AT_LEAST.decode()} or newer, got an older one", code="no_sm3")
        held.gcry_control(_INITIALIZATION_FINISHED, 0)
        self.open = held.gcry_md_open
        self.open.argtypes = (ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_uint)
        self.close = held.gcry_md_close
        self.close.argtypes = (ctypes.c_void_p,)
        self.close.restype = None
        self.read = held.gcry_md_read
        self.read.argtypes = (ctypes.c_void_p, ctypes.c_int)
        self.read.restype = ctypes.c_void_p
        self.write, self.write_alone = held.gcry_md_write, free.gcry_md_write
        for write in (self.write, self.write_alone):
            write.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
            write.restype = None


class _GcryptSm3:
    """SM3 by libgcrypt.

    Args:
        library: its functions.

    Raises:
        PolicyError: it refuses SM3, as in FIPS mode (code `no_sm3`).
    """

    __slots__ = ("_digest", "_handle", "_library", "_lock")

    def __init__(self, library: _Gcrypt) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._digest = b""
        self._handle = ctypes.c_void_p()
        if error := library.open(ctypes.byref(self._handle), _SM3, 0):
            raise PolicyError(f"expected a libgcrypt with SM3, got error {error}", code="no_sm3", actual=error)

    def __del__(self) -> None:
        self._library.close(self._handle)  # of nothing: does nothing

    def update(self, data: Buffer, /) -> None:
        """Take the next bytes.

        Raises:
            ValueError: after `digest`.
            BufferError: a view that is not contiguous.
        """
        with address_of(data) as (start, length), self._lock:
            if not self._handle:
                raise ValueError("expected no bytes after the digest, got some")
            write = self._library.write if length < _ALONE_BYTES else self._library.write_alone
            write(self._handle, start, length)

    def digest(self) -> bytes:
        """Return the digest, 32 bytes; every time the same."""
        with self._lock:
            if self._handle:
                self._digest = ctypes.string_at(self._library.read(self._handle, _SM3), _DIGEST_BYTES)
                self._library.close(self._handle)
                self._handle.value = None
            return self._digest


def gcrypt_engine() -> Callable[[], Sm3]:
    """Return what makes digests by libgcrypt, after comparing some with what they must be.

    Raises:
        PolicyError: there is none, or it is too old, without SM3, or wrong (code `no_sm3`).
    """
    try:
        library = _Gcrypt()
    except (OSError, AttributeError) as e:
        raise PolicyError(f"expected {_LIBRARY}, got: {e}", code="no_sm3") from e

    def make() -> Sm3:
        return _GcryptSm3(library)

    for data, expected in _EXAMPLES:
        made = make()
        made.update(data)
        if made.digest().hex() != expected:
            raise PolicyError("expected the SM3 of the standard's examples, got another", code="no_sm3")
    return make


def openssl_engine() -> Sm3:
    """Begin a digest by the OpenSSL behind Python.

    Raises:
        PolicyError: it has no SM3 (code `no_sm3`).
    """
    try:
        return hashlib.new("sm3")
    except ValueError as e:
        raise PolicyError("expected an OpenSSL with SM3, got one without", code="no_sm3") from e


def _best() -> Callable[[], Sm3]:
    try:
        return gcrypt_engine()
    except PolicyError as error:
        _log.debug("SM3 by OpenSSL: %s", error)
        return openssl_engine


_make: Final = _best()


def new_sm3() -> Sm3:
    """Begin a digest.

    Raises:
        PolicyError: neither library has SM3 (code `no_sm3`).
    """
    return _make()
