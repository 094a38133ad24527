"""Bringing the files of a submission to the archive: tus 1.0 for large ones, packs for small ones.

A small file costs a request otherwise, so files up to 1 MiB travel in tar packs whose member names are leaf indices.
A broken transfer goes on where it stopped: the archive says which indices are missing, and for a large file how many
bytes it has. Nothing of a pack that broke is lost but time.
"""

from __future__ import annotations

import base64
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import urlsplit

from archive_api.client.connection import Connection
from archive_api.client.errors import ProblemError
from archive_api.errors import MismatchError

__all__ = ["PACK_FILE_BYTES", "LocalFile", "Uploader"]

PACK_FILE_BYTES: Final = 1 << 20
_PACK_BYTES: Final = 32 << 20
_PACK_FILES: Final = 2_000
_CHUNK_BYTES: Final = 16 << 20
_TUS: Final = {"Tus-Resumable": "1.0.0"}
_GONE: Final = frozenset({404, 410})


@dataclass(frozen=True, slots=True)
class LocalFile:
    """One file to bring.

    Attributes:
        index: leaf index.
        path: where it is.
        size: bytes it must have.
    """

    index: int
    path: Path
    size: int


class Uploader:
    """Uploads to one submission.

    Args:
        connection: the archive.
        ref: the submission's uuid.
        journal: file that keeps the addresses of large uploads under way, so that another run resumes them.
    """

    def __init__(self, connection: Connection, ref: str, *, journal: Path) -> None:
        self._connection = connection
        self._path = f"/submissions/{ref}/files"
        self._ref = ref
        self._journal = journal
        self._locations = self._read_journal()

    def send(self, files: Sequence[LocalFile], *, progress: Callable[[int], None]) -> None:
        """Bring all files.

        Args:
            files: what the archive is missing, any order.
            progress: called with the number of files that arrived.

        Raises:
            MismatchError: a file's size changed since it was digested.
            ProblemError: the archive refused a file.
            TransportError: the line broke too often; calling again resumes.
        """
        for pack in _packs([file for file in files if file.size <= PACK_FILE_BYTES]):
            with tempfile.TemporaryFile() as body:
                size = _write_pack(pack, body)
                location = self._create(size, {"pack": "1", "filename": "pack.tar"})
                self._transfer(body, size, location, 0)
            progress(len(pack))
        for file in files:
            if file.size > PACK_FILE_BYTES:
                self._send_large(file)
                progress(1)
        self._journal.unlink(missing_ok=True)

    def _send_large(self, file: LocalFile) -> None:
        key = str(file.index)
        with file.path.open("rb") as body:
            _check_size(file, body)
            location, offset = self._resume(key)
            if location is None:
                location = self._create(file.size, {"index": key, "filename": key})
                self._locations[key] = location
                self._write_journal()
            try:
                self._transfer(body, file.size, location, offset)
            except ProblemError:
                self._forget(key)
                raise
            self._forget(key)

    def _resume(self, key: str) -> tuple[str | None, int]:
        location = self._locations.get(key)
        if location is None:
            return None, 0
        try:
            return location, self._offset(location)
        except ProblemError as e:
            if e.status not in _GONE:
                raise
            self._forget(key)
            return None, 0

    def _create(self, size: int, metadata: dict[str, str]) -> str:
        pairs = metadata | {"filetype": "application/octet-stream"}
        text = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in pairs.items())
        response = self._connection.request(
            "POST",
            self._path,
            headers=_TUS | {"Upload-Length": str(size), "Upload-Metadata": text},
            repeatable=True,
        )
        # Only the path counts: an answer must not send our bytes to another host.
        return urlsplit(response.headers["Location"]).path

    def _transfer(self, body: BinaryIO, size: int, location: str, offset: int) -> None:
        while True:
            body.seek(offset)
            piece = body.read(min(_CHUNK_BYTES, size - offset))
            headers = _TUS | {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
            self._connection.request("PATCH", location, content=piece, headers=headers)
            offset += len(piece)
            if offset >= size:
                return
            if not piece:
                raise MismatchError(f"expected {size} bytes, got {offset}", code="file_changed")

    def _offset(self, location: str) -> int:
        response = self._connection.request("HEAD", location, headers=_TUS)
        return int(response.headers["Upload-Offset"])

    def _read_journal(self) -> dict[str, str]:
        try:
            document = json.loads(self._journal.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            # A journal only saves time: one that is not readable is dropped.
            return {}
        if document.get("submission") != self._ref:
            return {}
        return {str(index): str(location) for index, location in document["uploads"].items()}

    def _write_journal(self) -> None:
        document = {"submission": self._ref, "uploads": self._locations}
        temporary = self._journal.with_suffix(".tmp")
        temporary.write_text(json.dumps(document), "utf-8")
        temporary.replace(self._journal)

    def _forget(self, key: str) -> None:
        if self._locations.pop(key, None) is not None:
            self._write_journal()


def _packs(files: Sequence[LocalFile]) -> Iterator[list[LocalFile]]:
    pack: list[LocalFile] = []
    size = 0
    for file in files:
        if pack and (len(pack) == _PACK_FILES or size + file.size > _PACK_BYTES):
            yield pack
            pack, size = [], 0
        pack.append(file)
        size += file.size
    if pack:
        yield pack


def _write_pack(pack: Sequence[LocalFile], body: BinaryIO) -> int:
    with tarfile.open(fileobj=body, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for file in pack:
            member = tarfile.TarInfo(str(file.index))
            with file.path.open("rb") as stream:
                _check_size(file, stream)
                member.size = file.size
                # Read whole: a file that shrinks meanwhile must not shift the members behind it.
                content = stream.read(file.size + 1)
            if len(content) != file.size:
                raise _changed(file, len(content))
            archive.addfile(member, io.BytesIO(content))
    return body.tell()


def _check_size(file: LocalFile, stream: BinaryIO) -> None:
    size = os.fstat(stream.fileno()).st_size
    if size != file.size:
        raise _changed(file, size)


def _changed(file: LocalFile, size: int) -> MismatchError:
    return MismatchError(
        f"{file.path}: expected {file.size} bytes as prepared, got {size}; prepare the folder again",
        code="file_changed",
        path=str(file.path),
        expected=file.size,
        actual=size,
    )
