"""Where the bytes of a buffer lie, for libraries in C: without a copy, and of memory that can't be written too."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ledger.cid import Buffer

__all__ = ["address_of"]

_SIMPLE: Final = 0  # PyBUF_SIMPLE: contiguous bytes, which need not be writable


class _PyBuffer(ctypes.Structure):
    """`Py_buffer`, of the stable ABI since Python 3.11."""

    _fields_ = (
        ("start", ctypes.c_void_p),
        ("owner", ctypes.c_void_p),
        ("length", ctypes.c_ssize_t),
        ("item_bytes", ctypes.c_ssize_t),
        ("is_readonly", ctypes.c_int),
        ("dimensions", ctypes.c_int),
        ("format", ctypes.c_void_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


# By index: an attribute of `pythonapi` is shared with every other user, who would get our argument types.
_get_buffer = ctypes.pythonapi["PyObject_GetBuffer"]
_get_buffer.argtypes = (ctypes.py_object, ctypes.POINTER(_PyBuffer), ctypes.c_int)
_release_buffer = ctypes.pythonapi["PyBuffer_Release"]
_release_buffer.argtypes = (ctypes.POINTER(_PyBuffer),)
_release_buffer.restype = None


@contextmanager
def address_of(data: Buffer) -> Iterator[tuple[int, int]]:
    """Hold a buffer where it is until the block ends.

    Args:
        data: anything with a contiguous buffer.

    Returns:
        Address (0 may stand for no bytes) and length in bytes.

    Raises:
        BufferError: a view that is not contiguous.
        TypeError: it has no buffer.
    """
    buffer = _PyBuffer()
    _get_buffer(data, buffer, _SIMPLE)
    try:
        yield buffer.start or 0, buffer.length
    finally:
        _release_buffer(buffer)
