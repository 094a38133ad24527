"""Reads the form with the file to verify: digested as it streams in, nothing of it written anywhere.

Starlette's own form parser spools files to disk; a visitor's file is none of the archive's business, so here each piece
is digested and dropped. Only the first `MAX_BUNDLE_BYTES` are held, since what was dropped may be an evidence bundle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from archive_api.errors import MalformedError, TooLargeError
from archive_api.web.views import CheckedFile
from ledger.cid import FileCid
from ledger.evidence import MAX_BUNDLE_BYTES
from ledger.sm3 import new_sm3

__all__ = ["MAX_FILES", "Upload", "read_uploads"]

MAX_FILES: Final = 2
_BATCH_BYTES: Final = 1024 * 1024
_MAX_HEADER_BYTES: Final = 4096
_MAX_PARTS: Final = 16
_MAX_NAME_CHARACTERS: Final = 255


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded file: its digests, and its bytes where it is at most `MAX_BUNDLE_BYTES` long."""

    file: CheckedFile
    content: bytes | None


class _FilePart:
    """Digests one file part."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._size = 0
        self._sm3 = new_sm3()
        self._cid = FileCid()
        self._head = bytearray()

    @property
    def is_empty_field(self) -> bool:
        """A file field that was left empty: browsers send it without a name and without a byte."""
        return not self._name and not self._size

    def update(self, data: bytes) -> None:
        self._size += len(data)
        self._sm3.update(data)
        self._cid.update(data)
        if self._size <= MAX_BUNDLE_BYTES:
            self._head += data
        else:
            self._head.clear()

    def finish(self) -> Upload:
        content = self._cid.finish()
        file = CheckedFile(
            name=self._name,
            size=self._size,
            sha256=content.sha256.hex(),
            sm3=self._sm3.digest().hex(),
            cid=str(content.cid),
        )
        return Upload(file, bytes(self._head) if self._size <= MAX_BUNDLE_BYTES else None)


class _Form:
    """Callbacks of the multipart parser: queues what belongs to files, ignores other fields."""

    def __init__(self) -> None:
        self.files: list[_FilePart] = []
        self.ended = False
        self.queued_bytes = 0
        self._queue: list[tuple[_FilePart, bytes]] = []
        self._parts = 0
        self._part: _FilePart | None = None
        self._field = b""
        self._value = b""
        self._disposition = b""

    def on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise MalformedError(f"expected at most {_MAX_PARTS} form fields, got more", code="form_malformed")
        self._part, self._disposition = None, b""
        self._field = self._value = b""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field = self._bounded(self._field + data[start:end])

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value = self._bounded(self._value + data[start:end])

    def on_header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value
        self._field = self._value = b""

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"filename" not in options:
            return
        if len(self.files) == MAX_FILES:
            raise TooLargeError(f"expected at most {MAX_FILES} files, got more", code="too_many_files")
        self._part = _FilePart(_display_name(options[b"filename"]))
        self.files.append(self._part)

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part is not None and end > start:
            self._queue.append((self._part, data[start:end]))
            self.queued_bytes += end - start

    def on_end(self) -> None:
        self.ended = True

    def digest_queued(self) -> None:
        """Digest what has come in since the last time, and drop it."""
        for part, data in self._queue:
            part.update(data)
        self._queue.clear()
        self.queued_bytes = 0

    @staticmethod
    def _bounded(header: bytes) -> bytes:
        if len(header) > _MAX_HEADER_BYTES:
            raise MalformedError(f"expected part headers of at most {_MAX_HEADER_BYTES} bytes", code="form_malformed")
        return header


def _display_name(raw: bytes) -> str:
    """The last segment of a client's file name, without what cannot be shown."""
    name = raw.decode("utf-8", "replace").replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(c for c in name if c.isprintable())[:_MAX_NAME_CHARACTERS]


async def read_uploads(request: Request) -> tuple[Upload, ...]:
    """Digest the files of a `multipart/form-data` body in constant memory.

    Args:
        request: whose body is read to its end.

    Returns:
        The files in the order sent, fields left empty not counted; a file of no bytes that has a name is counted.

    Raises:
        MalformedError: the body is no form, or ends early.
        TooLargeError: there are more than `MAX_FILES` files.
    """
    kind, parameters = parse_options_header(request.headers.get("content-type", ""))
    boundary = parameters.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise MalformedError("expected multipart/form-data with a boundary", code="form_malformed")
    form = _Form()
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": form.on_part_begin,
                "on_header_field": form.on_header_field,
                "on_header_value": form.on_header_value,
                "on_header_end": form.on_header_end,
                "on_headers_finished": form.on_headers_finished,
                "on_part_data": form.on_part_data,
                "on_end": form.on_end,
            },
        )
        async for chunk in request.stream():
            parser.write(chunk)
            if form.queued_bytes >= _BATCH_BYTES:
                await run_in_threadpool(form.digest_queued)
        parser.finalize()
    except FormParserError as error:
        raise MalformedError("expected a well-formed form body", code="form_malformed") from error
    if not form.ended:
        raise MalformedError("expected a form that ends with its boundary, got less", code="form_malformed")
    await run_in_threadpool(form.digest_queued)
    return tuple(part.finish() for part in form.files if not part.is_empty_field)
