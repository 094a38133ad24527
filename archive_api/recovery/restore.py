"""A home out of a backup: written beside its place, made consistent, and shown whole.

1. every file of the point, each chunk compared with its name; a catalogue on PostgreSQL goes into an empty database
2. logs of what parties report are brought to where the catalogue knows them: the entries follow from its rows, so
   that they are the very ones that were there
3. the clear text of accesses that the log has and the catalogue's snapshot doesn't; what is beyond the log is dropped
4. the new home takes its place under its name, in one step
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final

from sqlalchemy import Connection, text
from sqlmodel import col, select

from archive_api.access_log.events import ACCESS_STREAM
from archive_api.db.engine import Database
from archive_api.errors import ConflictError, MalformedError, MismatchError, PolicyError
from archive_api.home import Home, load_home
from archive_api.recovery.backup import CATALOGUE_DUMP, CLEAR_TAIL
from archive_api.recovery.catalogue_dump import load_catalogue, require_empty
from archive_api.recovery.repository import BackupPoint, BackupRepository
from archive_api.streams.models import CaptureRow, StreamRow
from archive_api.streams.sequencer import capture_entries, stream_key
from archive_api.streams.server_log import entries_of
from ledger.adapters.chain_dumps import sync_directory
from ledger.adapters.log_files import LogFiles
from ledger.adapters.signed_log import SignedLog
from ledger.log.access import ERASE_ACTION, AccessEntry
from ledger.log.keys import LogSigner
from ledger.ports.log import LogRecord

__all__ = ["RestoreReport", "restore"]

_BATCH: Final = 4096
_NEWEST: Final = text("SELECT max(entry_index) FROM access_clear")
_DROP_CLEAR: Final = text("DELETE FROM access_clear WHERE entry_index >= :size")
_ADD_CLEAR: Final = text(
    "INSERT INTO access_clear (entry_index, time, person_id, salt, clear, erased_by)"
    " VALUES (:index, :time, :person, :salt, :clear, :erased_by) ON CONFLICT (entry_index) DO NOTHING"
)
_ERASE: Final = text(
    "UPDATE access_clear SET salt = NULL, clear = NULL, person_id = NULL, erased_by = :by"
    " WHERE entry_index BETWEEN :first AND :last AND erased_by IS NULL"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """What was restored.

    Attributes:
        point: from which moment.
        seconds: how long it took.
        entries: of logs that were entered again.
        clear_texts: taken over beside the snapshot.
    """

    point: BackupPoint
    seconds: float
    entries: int
    clear_texts: int

    def to_json(self) -> dict[str, Any]:
        """Return the report as a document."""
        return {
            "point": self.point.describe(),
            "seconds": round(self.seconds, 3),
            "bytes": self.point.size,
            "entries_added": self.entries,
            "clear_texts": self.clear_texts,
        }


def restore(
    repository: BackupRepository,
    target: Path,
    *,
    at: datetime | None = None,
    database_url: str | None = None,
    progress: Callable[[int], None] = lambda count: None,
) -> RestoreReport:
    """Restore a home.

    Args:
        repository: the backups.
        target: where the home is to be; an empty folder or none.
        at: the newest point not after this time; None: the newest.
        database_url: SQLAlchemy URL of an empty database on PostgreSQL, for a point that has its catalogue from there.
        progress: called with numbers of bytes.

    Raises:
        ConflictError: something is there already (code `home_exists`, `catalogue_exists`).
        NotFoundError: no such point, or a chunk is missing.
        PolicyError: the point's catalogue is of another engine than the one named (code `catalogue_elsewhere`).
        TransportError: the catalogue could not be loaded.
        MismatchError: a chunk is damaged, or what was restored doesn't fit together.
        OSError: the disk refused; nothing is there under the target's name.
    """
    started = time.monotonic()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConflictError(f"expected no home at {target}, got something there", code="home_exists")
    point = repository.newest(at)
    _require_engine(point, database_url)
    making = target.with_name(f"{target.name}.restoring")
    shutil.rmtree(making, ignore_errors=True)
    _write(repository, point, making, progress)  # (1)
    home = load_home(making)
    if database_url is not None:
        dump = making / CATALOGUE_DUMP
        load_catalogue(database_url, dump)
        dump.unlink()
    with closing(Database(database_url or f"sqlite:///{home.database_path}")) as catalogue:
        entries = _continue_logs(home, catalogue)  # (2)
        clear = _add_clear_text(home, catalogue)  # (3)
    if target.exists():
        target.rmdir()
    making.rename(target)  # (4)
    sync_directory(target.resolve().parent)
    return RestoreReport(point=point, seconds=time.monotonic() - started, entries=entries, clear_texts=clear)


def _require_engine(point: BackupPoint, database_url: str | None) -> None:
    has_dump = any(file.path == CATALOGUE_DUMP for file in point.files)
    if has_dump and database_url is None:
        raise PolicyError(
            "expected YUNSHANG_DATABASE_URL of an empty PostgreSQL database, got none: the point has its catalogue so",
            code="catalogue_elsewhere",
        )
    if database_url is not None and not has_dump:
        raise PolicyError(
            "expected a point with a catalogue of PostgreSQL, got one with SQLite: unset YUNSHANG_DATABASE_URL",
            code="catalogue_elsewhere",
        )
    if database_url is not None:
        require_empty(database_url)


def _write(repository: BackupRepository, point: BackupPoint, root: Path, progress: Callable[[int], None]) -> None:
    folders = {root, root / "server" / "uploads", root / "server" / "blocks"}
    for file in point.files:
        name = PurePosixPath(file.path)
        if name.is_absolute() or ".." in name.parts:
            raise MalformedError(f"expected a path below the home, got {file.path!r}", code="point_malformed")
        path = root.joinpath(*name.parts)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folders.add(path.parent)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644 if file.path == "trust.json" else 0o600)
        with os.fdopen(descriptor, "wb") as out:
            for piece in repository.pieces(file):
                out.write(piece)
                progress(len(piece))
            if out.tell() != file.size:
                raise MismatchError(
                    f"expected {file.size} bytes of {file.path}, got {out.tell()}", code="chunk_damaged"
                )
            out.flush()
            os.fsync(out.fileno())
    for folder in folders:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_directory(folder)


def _continue_logs(home: Home, catalogue: Database) -> int:
    signer = LogSigner.from_seed(home.log_key())
    added = 0
    with catalogue.reading() as session:
        streams = session.exec(select(StreamRow)).all()
    for stream in streams:
        key = stream_key(stream)
        query = select(CaptureRow).where(CaptureRow.stream_id == stream.id, col(CaptureRow.first_index).is_not(None))
        with catalogue.reading() as session:
            captures = session.exec(query.order_by(col(CaptureRow.first_index))).all()
        if captures:
            with closing(LogFiles(home.logs_dir / key.owner / key.name.value)) as store:
                added += _continue(SignedLog(store, stream.origin, signer=signer), captures)
    return added


def _continue(log: SignedLog, captures: Any) -> int:
    size = first = log.store.head().size
    for capture in captures:
        place = capture.first_index or 0
        if place + capture.record_count <= size or capture.sequenced_at is None:
            continue
        entries = capture_entries(capture, capture.sequenced_at)[max(size - place, 0) :]
        if place > size:
            raise MismatchError(
                f"expected captures without a gap from entry {size} of {log.origin} on, got one at {place}",
                code="log_rolled_back",
            )
        size = log.append([LogRecord(entry) for entry in entries]).size
    if log.is_behind:
        log.publish()
    return size - first


def _add_clear_text(home: Home, catalogue: Database) -> int:
    path = home.root / CLEAR_TAIL
    rows = json.loads(path.read_bytes()) if path.exists() else []
    log = LogFiles(home.logs_dir / ACCESS_STREAM, read_only=True)
    size = log.head().size
    with catalogue.transaction() as session:
        connection = session.connection()
        last = connection.scalar(_NEWEST)
        connection.execute(_DROP_CLEAR, {"size": size})
        taken = 0
        for index, moment, salt, clear, erased_by in rows:
            if index < size:
                person = None if clear is None else (json.loads(clear)["subject"] or {}).get("person_id")
                known = person if isinstance(person, str) else None
                values = {"index": index, "time": moment, "person": known}
                values |= {"salt": salt, "clear": clear, "erased_by": erased_by}
                taken += connection.execute(_ADD_CLEAR, values).rowcount
        _erase_again(connection, log, first=0 if last is None else last + 1, size=size)
    path.unlink(missing_ok=True)
    return taken


def _erase_again(connection: Connection, log: LogFiles, *, first: int, size: int) -> None:
    """What was erased between the snapshot and the log's copy must not come back."""
    for start in range(min(first, size), size, _BATCH):
        end = min(start + _BATCH, size)
        for index, data in enumerate(entries_of(log, start, end), start):
            entry = AccessEntry.parse(data)
            if entry.action == ERASE_ACTION:
                for one, other in entry.detail["erased"]:
                    connection.execute(_ERASE, {"by": index, "first": one, "last": other})
