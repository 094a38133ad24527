"""A backup of a home while its server runs, in an order in which nothing refers to what is not there.

 1. keys and configuration; the chain's newest dump and the blocks after it: what a restored catalogue knows beyond
    them is sent again from the journal of transactions
 2. logs of what parties report: what the catalogue knows beyond them is entered again, entry for entry the same
 3. the catalogue, by SQLite's backup API or PostgreSQL's pg_dump: one snapshot, without keeping any writer waiting
 4. logs of the server's own: of entries newer than the snapshot the clear text is added
 5. content: the store's index, then its packs as far as that index goes. Everything the catalogue names was durable
    before it was named

Not in it: uploads under way (clients send again), fingerprints of models (made again), and, unless asked for, the
development keys of a desk, which are no server's.
"""

from __future__ import annotations

import io
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import text

from archive_api.access_log.events import ACCESS_STREAM
from archive_api.access_log.prepared import ClearNote
from archive_api.db.engine import Database
from archive_api.errors import NotFoundError, StorageFullError
from archive_api.home import Home
from archive_api.recovery.catalogue_dump import dump_catalogue
from archive_api.recovery.repository import BackupPoint, BackupRepository, StoredFile, point_name
from archive_api.streams.keys import SERVER_STREAMS
from ledger.adapters.chain_dumps import newest_block
from ledger.adapters.chain_journal import first_block
from ledger.adapters.log_files import LogFiles
from ledger.errors import NotFoundError as NoLogError
from ledger.errors import TransportError

__all__ = ["CATALOGUE_DUMP", "CLEAR_TAIL", "Backup"]

CATALOGUE_DUMP: Final = "server/catalogue.dump"
"""The catalogue of a home that has it on PostgreSQL, as pg_dump's custom format."""

CLEAR_TAIL: Final = "server/clear-tail.json"
"""Clear text of accesses newer than the catalogue's snapshot: `[index, time, salt, clear, erased_by]` of each."""
_DATABASE_CHUNK: Final = 64 << 10
_KEPT_FILES: Final = ("config.json", "trust.json", "server/relay.key", "server/log.key", "server/secret")
_DESK_FOLDERS: Final = ("ca", "keys")
_TRIES: Final = 5
_CLEAR_QUERY: Final = text(
    "SELECT entry_index, time, salt, clear, erased_by FROM access_clear WHERE entry_index > :last"
)
_NEWEST_CLEAR: Final = text("SELECT max(entry_index) FROM access_clear")


@dataclass(slots=True, kw_only=True)
class Backup:
    """One point of a home.

    Attributes:
        home: it may be served meanwhile.
        repository: where to.
        database_url: SQLAlchemy URL of its catalogue on PostgreSQL; None: in the home, on SQLite.
        with_desk: the development keys too.
        now: tells the time.
        progress: called with numbers of bytes.
    """

    home: Home
    repository: BackupRepository
    database_url: str | None = None
    with_desk: bool = False
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    progress: Callable[[int], None] = field(default=lambda count: None)
    _files: list[StoredFile] = field(default_factory=list, init=False)
    _before: dict[str, StoredFile] = field(default_factory=dict, init=False)
    _read: int = field(default=0, init=False)

    def run(self) -> BackupPoint:
        """Make the point.

        Raises:
            NotFoundError: the home lacks what every home has.
            MismatchError: the folder holds backups of another archive.
            StorageFullError: no room is left; the points there are stay as they are.
            TransportError: a file of the home cannot be read.
        """
        started = time.monotonic()
        home = self.home
        self.repository.prepare(home.config.chain_id)
        points = self.repository.points()
        self._before = {file.path: file for file in points[-1].files} if points else {}
        try:
            self._keys()  # (1)
            self._chain()
            own = {ACCESS_STREAM, *(f"archive/{name.value}" for name in SERVER_STREAMS)}
            folders = sorted(_log_folders(home.logs_dir))
            for folder in folders:  # (2)
                if folder not in own:
                    self._log(folder)
            moment = self.now()
            last_clear = self._catalogue()  # (3)
            for folder in sorted({*own} & {*_log_folders(home.logs_dir)}):  # (4)
                self._log(folder)
            self._clear_tail(last_clear)
            self._content()  # (5)
            point = BackupPoint(
                name=point_name(moment),
                time=moment,
                chain_id=home.config.chain_id,
                seconds=time.monotonic() - started,
                read_bytes=self._read,
                new_bytes=self.repository.new_bytes,
                files=tuple(self._files),
            )
            self.repository.finish(point)
        except OSError as error:
            if error.errno in (28, 122):  # ENOSPC, EDQUOT
                raise StorageFullError(f"expected room for the backup in {self.repository.folder}, got none") from error
            raise TransportError(
                f"expected to read the home, got: {error}", code="backup", where=str(error.filename)
            ) from error
        return point

    # Parts

    def _keys(self) -> None:
        for name in _KEPT_FILES:
            path = self.home.root / name
            if not path.exists():
                raise NotFoundError(f"expected {path} in a home that was started once, got none", code="no_home")
            self._whole(name, path)
        for folder in _DESK_FOLDERS if self.with_desk else ():
            for path in sorted((self.home.root / folder).rglob("*")):
                if path.is_file():
                    self._whole(str(path.relative_to(self.home.root)), path)

    def _chain(self) -> None:
        folder = self.home.chain_dir
        self._whole("server/chain/genesis.json", folder / "genesis.json")
        for _ in range(_TRIES):  # a dump may be replaced while it is looked for, and the journal before it removed
            taken = len(self._files)
            with suppress(FileNotFoundError):
                if self._dump_and_journal(folder):
                    return
            del self._files[taken:]
        raise TransportError("expected a dump of the chain that stays for a moment, got none", code="backup")

    def _dump_and_journal(self, folder: Path) -> bool:
        """Take the newest dump and the journal; whether that goes on where the dump ends."""
        dumps, end = sorted(folder.glob("state-*.dump")), 0
        if dumps:
            end = newest_block(dumps[-1])
            self._whole(f"server/chain/{dumps[-1].name}", dumps[-1])
        # After the dump: what comes between is in the journal as well, and passed over.
        journals = sorted(folder.glob("blocks-*.journal"))
        for path in journals:
            self._whole(f"server/chain/{path.name}", path)
        return not journals or first_block(journals[0]) <= end + 1

    def _log(self, folder: str) -> None:
        root = self.home.logs_dir / folder
        # The checkpoint first: tiles only grow, so they hold what it covers.
        self._whole(f"server/logs/{folder}/checkpoint", root / "checkpoint")
        for path in sorted((root / "tile").rglob("*")):
            if path.is_file():
                self._whole(f"server/logs/{folder}/{path.relative_to(root)}", path, unchanged=True)

    def _catalogue(self) -> int:
        """The snapshot; returns the newest access whose clear text is in it, as far as that is known."""
        if self.database_url is not None:
            return self._dumped(self.database_url)
        with tempfile.TemporaryDirectory(prefix=".snapshot-", dir=self.repository.folder) as name:
            snapshot = Path(name) / "archive.db"
            _copy_database(self.home.database_path, snapshot)
            with closing(sqlite3.connect(snapshot)) as database:
                last = database.execute("SELECT max(entry_index) FROM access_clear").fetchone()[0]
            with snapshot.open("rb") as file:
                self._take(self.repository.add("server/archive.db", file, chunk_bytes=_DATABASE_CHUNK))
        return -1 if last is None else int(last)

    def _dumped(self, url: str) -> int:
        # Before the dump: what comes between is in the tail as well as in the dump, and taken once.
        with closing(Database(url)) as database, database.reading() as session:
            last = session.connection().scalar(_NEWEST_CLEAR)
        with tempfile.TemporaryDirectory(prefix=".snapshot-", dir=self.repository.folder) as name:
            snapshot = Path(name) / "catalogue.dump"
            dump_catalogue(url, snapshot)
            with snapshot.open("rb") as file:
                self._take(self.repository.add(CATALOGUE_DUMP, file, chunk_bytes=_DATABASE_CHUNK))
        return -1 if last is None else int(last)

    def _clear_tail(self, last: int) -> None:
        """What is newer than the snapshot: in the journal, or by now in the catalogue; in that order none slips by."""
        try:
            log = LogFiles(self.home.logs_dir / ACCESS_STREAM, read_only=True)
        except NoLogError:
            return
        rows: dict[int, list[object]] = {}
        for index, note in log.notes(1 << 62):
            parsed = ClearNote.parse(note)
            if index > last:
                rows[index] = [index, parsed.time, parsed.salt.hex(), parsed.clear.decode(), None]
        url = self.database_url or f"sqlite:///{self.home.database_path}"
        with closing(Database(url)) as database, database.reading() as session:
            for row in session.connection().execute(_CLEAR_QUERY, {"last": last}):
                rows[row[0]] = list(row)
        data = json.dumps([rows[index] for index in sorted(rows)], ensure_ascii=False).encode()
        self._take(self.repository.add(CLEAR_TAIL, io.BytesIO(data)))

    def _content(self) -> None:
        blocks = self.home.blocks_dir
        if not (blocks / "index.db").exists():  # content is on IPFS nodes, which keep it several times
            return
        with tempfile.TemporaryDirectory(prefix=".snapshot-", dir=self.repository.folder) as name:
            snapshot = Path(name) / "index.db"
            _copy_database(blocks / "index.db", snapshot)
            with closing(sqlite3.connect(snapshot)) as index:
                packs = dict(index.execute("SELECT pack, indexed_bytes FROM packs ORDER BY pack"))
            with snapshot.open("rb") as file:
                self._take(self.repository.add("server/blocks/index.db", file, chunk_bytes=_DATABASE_CHUNK))
        for number, size in packs.items():
            self._pack(f"server/blocks/packs/{number:08d}.pack", blocks / "packs" / f"{number:08d}.pack", size)

    def _pack(self, name: str, path: Path, size: int) -> None:
        """A pack only grows: whole chunks of the point before are not read again."""
        before = self._before.get(name)
        known: Sequence[str] = ()
        if before is not None and before.size <= size:
            known = before.chunks[: before.size // before.chunk_bytes]
        with path.open("rb") as file:
            skipped = len(known) * (before.chunk_bytes if before is not None else 0)
            file.seek(skipped)
            rest = self.repository.add(name, file, size=size - skipped)
        self._read += rest.size
        self.progress(rest.size)
        self._files.append(
            StoredFile(
                path=name,
                size=skipped + rest.size,
                modified=0,
                chunk_bytes=rest.chunk_bytes,
                chunks=(*known, *rest.chunks),
            )
        )

    def _whole(self, name: str, path: Path, *, unchanged: bool = False) -> None:
        """A file as it is; with `unchanged`, one of the same size and time as before is not read again."""
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            before = self._before.get(name)
            if (
                unchanged
                and before is not None
                and (before.size, before.modified) == (status.st_size, status.st_mtime_ns)
            ):
                self._files.append(before)
                return
            self._take(self.repository.add(name, file, modified=status.st_mtime_ns))

    def _take(self, file: StoredFile) -> None:
        self._files.append(file)
        self._read += file.size
        self.progress(file.size)


def _log_folders(logs: Path) -> Iterator[str]:
    for checkpoint in logs.rglob("checkpoint"):
        yield str(checkpoint.parent.relative_to(logs))


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)


def _copy_database(source: Path, target: Path) -> None:
    """One snapshot of a database in use, by SQLite's backup API."""
    try:
        with closing(_read_only(source)) as origin, closing(sqlite3.connect(target)) as copy:
            origin.backup(copy)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise StorageFullError(f"expected room for a copy of {source.name}, got none") from error
        raise TransportError(f"expected to copy {source}, got: {error}", code="backup", where=str(source)) from error
