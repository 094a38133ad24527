"""What goes over the socket: frames of canonical JSON, each after its length as 4 bytes, big-endian.

    {"id": 0, "op": "hello", "format": FORMAT, "origin": …}            first, and answered first
    {"id": n, "op": "record", "access": PreparedAccess, "again": bool} {"id": n, "promise": Promise.to_text()}
    {"id": n, "op": "publish"} {"id": n, "op": "drain"}                 {"id": n, "count": size, or entries taken over}
    {"id": n, "op": "state"}                                            {"id": n, "state": LogState}
    {"id": 0, "op": "wake"}                                             no answer

A refusal is {"id": n, "refusal": {"code": …, "kind": "malformed" or "transport", "text": …}}.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ledger import fields
from ledger.canonical import canonical_bytes, parse_canonical
from ledger.errors import MalformedError

__all__ = ["FORMAT", "FRAME_LIMIT", "LogState", "frame", "read_frame", "short_name"]

FORMAT: Final = "yunshang-log-link/v1"
FRAME_LIMIT: Final = 512 << 10
"""Bytes of one frame at most: clear text and detail have 48 KiB each, which escapes can make five times longer."""
_LENGTH: Final = struct.Struct(">I")
_STATE: Final = ("is_writable", "open_streams", "streams_trouble", "trouble")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """How the process stands that writes the logs.

    Attributes:
        is_writable: whether an entry could be written now.
        trouble: why the access log cannot be written, taken over or anchored, or None.
        streams_trouble: the same of streams of records.
        open_streams: how many of these are open.
    """

    is_writable: bool
    trouble: str | None
    streams_trouble: str | None
    open_streams: int

    def to_json(self) -> dict[str, Any]:
        """The members that `from_json` reads."""
        return {name: getattr(self, name) for name in _STATE}

    @classmethod
    def from_json(cls, value: Any) -> LogState:
        """Read what `to_json` wrote.

        Raises:
            MalformedError: of another form.
        """
        read = fields.members(value, _STATE, "state")
        return cls(
            is_writable=read["is_writable"] is True,
            trouble=_text_or_none(read["trouble"]),
            streams_trouble=_text_or_none(read["streams_trouble"]),
            open_streams=fields.integer(read["open_streams"], "state.open_streams"),
        )


def _text_or_none(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise MalformedError("expected a text or null, got something else", where="state")
    return value


def frame(document: Mapping[str, Any]) -> bytes:
    """A document as it is sent.

    Raises:
        MalformedError: larger than `FRAME_LIMIT`, or no JSON.
    """
    body = canonical_bytes(document)
    if len(body) > FRAME_LIMIT:
        raise MalformedError(f"expected a frame of at most {FRAME_LIMIT} bytes, got {len(body)}")
    return _LENGTH.pack(len(body)) + body


def read_frame(connection: socket.socket) -> dict[str, Any] | None:
    """The next document; None where the other side has ended.

    Raises:
        OSError: the connection broke, ended within a frame, or waited longer than its time-out within one.
        MalformedError: what came is no frame.
    """
    head = _read(connection, _LENGTH.size, may_end=True)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > FRAME_LIMIT:
        raise MalformedError(f"expected a frame of at most {FRAME_LIMIT} bytes, got {length}")
    document = parse_canonical(_read(connection, length, may_end=False) or b"")
    if not isinstance(document, dict):
        raise MalformedError("expected an object, got something else")
    return document


def _read(connection: socket.socket, count: int, *, may_end: bool) -> bytes | None:
    data = bytearray()
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            if may_end and not data:
                return None
            raise ConnectionResetError("expected a whole frame, got an end")
        data += piece
    return bytes(data)


@contextlib.contextmanager
def short_name(path: Path) -> Iterator[str]:
    """A name of a socket that fits into the 107 bytes that Linux has for one, however deep its folder lies.

    Raises:
        OSError: there is no such folder.
    """
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
