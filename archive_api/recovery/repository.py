"""A folder of backups: chunks by their SHA-256, each once, and one manifest for each point in time.

    folder/format.json            whose backups these are
    folder/chunks/ab/<sha256>     up to 1 MiB of a file
    folder/points/<time>.json     every file of that moment as a list of chunks

A point is there when its manifest is, which is written after everything that it names is durable. What did not change
since the point before is neither read nor written again, so that points may be minutes apart.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final

from archive_api.errors import MalformedError, MismatchError, NotFoundError
from ledger import fields
from ledger.adapters.chain_dumps import sync_directory, write_durably

__all__ = ["BackupPoint", "BackupRepository", "StoredFile"]

FORMAT: Final = "yunshang-backup/v1"
CHUNK_BYTES: Final = 1 << 20
_NAME: Final = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of a point.

    Attributes:
        path: below the home, `/` between names.
        size: bytes.
        modified: `st_mtime_ns` when it was read; 0: it is never taken as unchanged.
        chunk_bytes: size of each chunk but the last.
        chunks: SHA-256 of each, hex.
    """

    path: str
    size: int
    modified: int
    chunk_bytes: int
    chunks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupPoint:
    """A moment that can be restored.

    Attributes:
        name: of its manifest.
        time: of the catalogue's snapshot, aware UTC.
        chain_id: of the ledger.
        seconds: how long it took.
        read_bytes, new_bytes: read from the home, and written into the folder.
        files: all of them.
        facts: further values, such as sizes of logs.
    """

    name: str
    time: datetime
    chain_id: int
    seconds: float
    read_bytes: int
    new_bytes: int
    files: tuple[StoredFile, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def describe(self) -> dict[str, Any]:
        """What a list shows of it."""
        return {
            "name": self.name,
            "time": fields.utc_text(self.time.replace(microsecond=0)),
            "files": len(self.files),
            "bytes": self.size,
            "read_bytes": self.read_bytes,
            "new_bytes": self.new_bytes,
            "seconds": round(self.seconds, 3),
        }


class BackupRepository:
    """Reads and writes a folder of backups; one process writes at a time.

    Args:
        folder: made if missing by `prepare`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._new: list[Path] = []
        self._places: set[Path] = set()
        self.new_bytes = 0

    def prepare(self, chain_id: int) -> None:
        """Make the folder, or look whether it is this archive's.

        Raises:
            MismatchError: `other_archive`: backups of another ledger are in it.
            MalformedError: something else is in it.
        """
        path = self.folder / "format.json"
        if not path.exists():
            if self.folder.exists() and any(self.folder.iterdir()):
                raise MalformedError(
                    f"expected an empty folder or one of backups, got {self.folder}", code="no_backups"
                )
            for name in ("chunks", "points"):
                (self.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
            write_durably(path, json.dumps({"format": FORMAT, "chain_id": chain_id}).encode())
        elif self._chain_id() != chain_id:
            raise MismatchError(
                f"expected backups of chain {chain_id}, got those of {self._chain_id()} in {self.folder}",
                code="other_archive",
            )

    def _chain_id(self) -> int:
        try:
            document = json.loads((self.folder / "format.json").read_bytes())
            if document["format"] != FORMAT:
                raise ValueError(document["format"])
            return int(document["chain_id"])
        except FileNotFoundError as error:
            raise NotFoundError(f"expected a folder of backups, got {self.folder}", code="no_backups") from error
        except (ValueError, KeyError, TypeError) as error:
            raise MalformedError(
                f"expected {FORMAT} in {self.folder}, got something else", code="no_backups"
            ) from error

    # Writing

    def add(
        self, path: str, source: BinaryIO, *, size: int | None = None, modified: int = 0, chunk_bytes: int = CHUNK_BYTES
    ) -> StoredFile:
        """Store a file.

        Args:
            path: its name below the home.
            source: read from where it stands.
            size: bytes to take at most; None: to the end.
            modified: see `StoredFile`.
            chunk_bytes: size of its chunks.
        """
        chunks: list[str] = []
        total = 0
        while piece := source.read(chunk_bytes if size is None else min(chunk_bytes, size - total)):
            chunks.append(self._put(piece))
            total += len(piece)
        return StoredFile(path=path, size=total, modified=modified, chunk_bytes=chunk_bytes, chunks=tuple(chunks))

    def _put(self, piece: bytes) -> str:
        name = sha256(piece).hexdigest()
        path = self._chunk(name)
        if not path.exists():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            temporary = path.with_name(f"{name}.{os.getpid()}.new")
            temporary.write_bytes(piece)
            temporary.chmod(0o600)
            temporary.rename(path)
            self._new.append(path)
            self._places.add(path.parent)
            self.new_bytes += len(piece)
        return name

    def finish(self, point: BackupPoint) -> None:
        """Make everything durable, then show the point."""
        for path in self._new:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        for place in self._places:
            sync_directory(place)
        sync_directory(self.folder / "chunks")
        document = asdict(point) | {"format": FORMAT, "time": point.time.isoformat()}
        write_durably(self.folder / "points" / f"{point.name}.json", json.dumps(document).encode())
        self._new.clear()
        self._places.clear()

    # Reading

    def points(self) -> list[BackupPoint]:
        """All points, oldest first.

        Raises:
            NotFoundError, MalformedError: no folder of backups.
        """
        self._chain_id()
        return [_read_point(path) for path in sorted((self.folder / "points").glob("*.json"))]

    def newest(self, at: datetime | None = None) -> BackupPoint:
        """The newest point, or the newest not after a time.

        Raises:
            NotFoundError: there is none (code `no_point`).
        """
        found = [point for point in self.points() if at is None or point.time <= at]
        if not found:
            when = "" if at is None else f" up to {fields.utc_text(at.replace(microsecond=0))}"
            raise NotFoundError(f"expected a backup{when} in {self.folder}, got none", code="no_point")
        return found[-1]

    def pieces(self, file: StoredFile) -> Iterator[bytes]:
        """Yield the chunks of a file, each compared with its name.

        Raises:
            MismatchError: `chunk_damaged`.
            NotFoundError: `chunk_missing`.
        """
        for name in file.chunks:
            path = self._chunk(name)
            try:
                piece = path.read_bytes()
            except FileNotFoundError as error:
                raise NotFoundError(
                    f"expected the chunk {name} of {file.path}, got nothing", code="chunk_missing"
                ) from error
            if sha256(piece).hexdigest() != name:
                raise MismatchError(f"expected the chunk {name} of {file.path}, got other bytes", code="chunk_damaged")
            yield piece

    def prune(self, keep: int) -> tuple[int, int]:
        """Drop all but the newest points, and chunks that no point names any more.

        Returns:
            How many points and how many bytes.
        """
        paths = sorted((self.folder / "points").glob("*.json"))
        gone = paths[: max(0, len(paths) - keep)]
        for path in gone:
            path.unlink()
        sync_directory(self.folder / "points")
        named = {name for point in self.points() for file in point.files for name in file.chunks}
        freed = 0
        for path in (self.folder / "chunks").glob("*/*"):
            if path.name not in named:
                freed += path.stat().st_size
                path.unlink()
        return len(gone), freed

    def _chunk(self, name: str) -> Path:
        return self.folder / "chunks" / name[:2] / name

    def room_for(self, size: int) -> bool:
        """Whether the disk has that many bytes free."""
        return shutil.disk_usage(self.folder).free >= size


def point_name(time: datetime) -> str:
    """What a point of this moment is called."""
    return time.astimezone(UTC).strftime(_NAME)


def _read_point(path: Path) -> BackupPoint:
    try:
        document = json.loads(path.read_bytes())
        if document.pop("format") != FORMAT:
            raise ValueError("format")
        files = tuple(StoredFile(**{**file, "chunks": tuple(file["chunks"])}) for file in document.pop("files"))
        return BackupPoint(**{**document, "files": files, "time": datetime.fromisoformat(document["time"])})
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedError(
            f"expected a manifest of {FORMAT}, got {path.name}: {error}", code="point_malformed"
        ) from error
