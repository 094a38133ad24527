"""Content as an HTTP answer: streamed from the store, with single ranges."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from archive_api.protection.headers import CONTENT_POLICY
from ledger.cid import Cid
from ledger.dag import BlobReader
from ledger.entries import DocumentEntry
from ledger.ports.blobs import BlobStore

__all__ = ["CONTENT_RESPONSES", "content_response"]

_AT_ONCE_BYTES: Final = 256 << 10
_MEDIA_TYPE: Final = "application/octet-stream"
_BYTES: Final[dict[str, Any]] = {_MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}
CONTENT_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The whole content.", "content": _BYTES},
    206: {"description": "The range asked for.", "content": _BYTES},
    416: {"description": "The range lies outside the content."},
}

_RANGE: Final = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})")


def content_response(request: Request, store: BlobStore, entry: DocumentEntry, cid: Cid) -> Response:
    """Stream a document's content; each block is compared with its CID on the way.

    It is always a file to keep, of no type that a browser would show: what somebody uploaded never becomes a page here.

    Args:
        request: its Range header, a single range of bytes, is honoured; any other form gives the whole.
        store: where the content is.
        entry: the document; of an encrypted one this is the envelope.
        cid: where its content begins.
    """
    blob = store.open(cid)
    name = entry.path.rpartition("/")[2] + (".envelope" if entry.encryption is not None else "")
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": CONTENT_POLICY,
        "X-Content-Type-Options": "nosniff",
        "ETag": f'"{cid}"',
    }
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    wanted = _bounds(found, blob.size) if found and blob.size else None
    if wanted is None:
        return _given(blob, 0, blob.size, status=200, headers=headers)
    first, last = wanted
    if first > last:
        headers["Content-Range"] = f"bytes */{blob.size}"
        return Response(status_code=416, headers=headers)
    headers["Content-Range"] = f"bytes {first}-{last}/{blob.size}"
    return _given(blob, first, last - first + 1, status=206, headers=headers)


def _given(blob: BlobReader, first: int, length: int, *, status: int, headers: dict[str, str]) -> Response:
    headers["Content-Length"] = str(length)
    pieces = blob.iter_range(first, length)
    if length <= _AT_ONCE_BYTES:  # of a stream each piece is fetched by another thread, which takes longer
        return Response(b"".join(pieces), status_code=status, media_type=_MEDIA_TYPE, headers=headers)
    return StreamingResponse(pieces, status_code=status, media_type=_MEDIA_TYPE, headers=headers)


def _bounds(found: re.Match[str], size: int) -> tuple[int, int] | None:
    """First and last byte, both included; first past last: not satisfiable; None: not a range."""
    first, last = found.groups()
    if first == "":
        return None if last == "" else (max(size - int(last), 0), size - 1 if int(last) else -1)
    end = min(int(last), size - 1) if last else size - 1
    return int(first), end
