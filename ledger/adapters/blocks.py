"""The embedded block store: append-only packs and an index that can be told again from them.

    folder/packs/00000001.pack    the blocks, see ledger.adapters.packs
    folder/index.db               SQLite: digest -> pack, offset, length; and how far each pack is indexed
    folder/writer.lock            held by the one process that writes

A put appends to the newest pack. `flush` makes the packs durable first and commits the index after them (WAL, FULL), so
whatever the index names is on the disk, and whatever lies in a pack behind the indexed part was never acknowledged.
Opening for writing looks at that part again: whole blocks are kept, a torn one is cut off. Without its index a store is
read through from the first byte; then nothing is cut off, and writing goes on in a new pack. Other processes open the
store for reading and see what was flushed.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ledger.adapters.packs import HEADER_BYTES, Place, os_error, record_header, scan, sync_folder, write_record
from ledger.cid import Buffer, Cid
from ledger.errors import MismatchError, NotFoundError, PolicyError, TransportError
from ledger.ports.blobs import BLOCK_BYTES_LIMIT, BlobStore

__all__ = ["BlockStore"]

_log = logging.getLogger(__name__)
_PACK_BYTES: Final = 1 << 30
_PENDING_LIMIT: Final = 50_000
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS blocks (
  digest BLOB PRIMARY KEY, codec INTEGER NOT NULL, pack INTEGER NOT NULL, offset INTEGER NOT NULL,
  length INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS packs (pack INTEGER PRIMARY KEY, indexed_bytes INTEGER NOT NULL);
"""


class BlockStore(BlobStore):
    """A BlobStore in a folder; safe for many threads, one writing process and any number of reading ones.

    Args:
        folder: made if missing, when opened for writing.
        read_only: open beside a writer; sees what was flushed.
        pack_bytes: a new pack is begun once one has grown to this size.

    Raises:
        PolicyError: another process writes to this store (code `store_in_use`).
        NotFoundError: opened for reading, and there is no store.
        TransportError: the folder cannot be used.
    """

    def __init__(self, folder: Path, *, read_only: bool = False, pack_bytes: int = _PACK_BYTES) -> None:
        self._folder = folder
        self._packs = folder / "packs"
        self._read_only = read_only
        self._pack_bytes = pack_bytes
        self._write_lock = threading.Lock()
        self._flush_lock = threading.Lock()
        self._index_lock = threading.Lock()
        self._pending: dict[bytes, Place] = {}
        self._files: dict[int, int] = {}
        self._pack = 0
        self._position = 0
        self._writers: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._is_broken = False
        self._lock_file = -1
        if read_only:
            if not (folder / "index.db").is_file():
                raise NotFoundError("expected a block store, got no index", where=str(folder))
            self._index = self._connect()
            return
        try:
            if not self._packs.is_dir():
                self._packs.mkdir(parents=True, exist_ok=True)
                sync_folder(folder)
                sync_folder(folder.parent)
            self._take_lock()
        except OSError as e:
            raise os_error(e, "opening the block store", folder) from e
        try:
            self._index = self._open_index()
            self._recover()
        except OSError as e:
            self._release()
            raise os_error(e, "recovering the block store", folder) from e
        except BaseException:
            self._release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Flush and let go of the folder; what could not be flushed raises TransportError after all is closed."""
        try:
            if not self._read_only and not self._is_broken:
                self.flush()
        finally:
            with self._index_lock:
                self._index.close()
            self._release()

    def _release(self) -> None:
        with self._write_lock:
            for file in (*self._files.values(), *self._writers.values()):
                os.close(file)
            self._files.clear()
            self._writers.clear()
            if self._lock_file >= 0:
                os.close(self._lock_file)
                self._lock_file = -1

    # Opening

    def _take_lock(self) -> None:
        self._lock_file = os.open(self._folder / "writer.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            os.close(self._lock_file)
            raise PolicyError(
                "expected to be the only writer, got a store in use by another process",
                code="store_in_use",
                where=str(self._folder),
            ) from e

    def _connect(self) -> sqlite3.Connection:
        mode = "ro" if self._read_only else "rwc"
        with self._index_errors():
            index = sqlite3.connect(
                f"{(self._folder / 'index.db').resolve().as_uri()}?mode={mode}",
                uri=True,
                check_same_thread=False,
                isolation_level=None,
                timeout=30,
            )
            try:
                if not self._read_only:
                    index.execute("PRAGMA journal_mode=WAL")
                    index.execute("PRAGMA synchronous=FULL")
                    index.executescript(_SCHEMA)
                index.execute("SELECT count(*) FROM packs").fetchone()
            except BaseException:
                index.close()
                raise
            return index

    def _open_index(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except TransportError as e:
            if not isinstance(e.__cause__, sqlite3.DatabaseError) or isinstance(e.__cause__, sqlite3.OperationalError):
                raise
        for name in ("index.db", "index.db-wal", "index.db-shm"):
            damaged = self._folder / name
            if damaged.exists():
                damaged.rename(damaged.with_name(f"{name}.damaged"))
        _log.warning("index of the block store %s is damaged: set aside and made again", self._folder)
        return self._connect()

    def _recover(self) -> None:
        known = dict(self._index.execute("SELECT pack, indexed_bytes FROM packs"))
        numbers = sorted(int(path.stem) for path in self._packs.glob("*.pack"))
        for number in numbers:
            path, start = self._path(number), known.get(number)
            size = path.stat().st_size
            end = start or 0
            if size < end:
                _log.error("pack %s has %d bytes, expected at least %d", path.name, size, end)
            places: dict[bytes, Place] = {}
            for record in scan(path, end):
                if record.is_whole:
                    places[record.cid.digest] = Place(record.cid.codec, number, record.offset, record.length)
                    end = record.offset + record.length
                else:
                    _log.error("pack %s: the block at %d is damaged", path.name, record.offset)
            if places:
                with path.open("rb") as file:
                    os.fsync(file.fileno())
            is_last = number == numbers[-1]
            if end < size and start is not None and is_last:
                os.truncate(path, end)
                _log.warning("pack %s: cut off %d bytes that were never acknowledged", path.name, size - end)
                size = end
            self._commit(places, {number: max(size, end)})
            self._pack, self._position = number, size
            if is_last and (end != size or size >= self._pack_bytes):
                self._position = self._pack_bytes
        if not numbers:
            self._position = self._pack_bytes

    # Writing

    def put_block(self, cid: Cid, block: Buffer) -> None:
        """Store a block; see the port."""
        if self._read_only:
            raise PolicyError("expected a store open for writing, got one open for reading", code="store_read_only")
        if len(block) > BLOCK_BYTES_LIMIT:
            raise PolicyError(
                f"expected a block of at most {BLOCK_BYTES_LIMIT} bytes, got {len(block)}",
                where=str(cid),
                actual=len(block),
            )
        with self._write_lock:
            if self._locate(cid.digest):
                return
            self._require_sound()
            try:
                if self._position >= self._pack_bytes:
                    self._begin_pack()
                end = write_record(self._writer(), self._position, cid, block)
            except OSError as e:
                raise os_error(e, "storing a block", self._packs) from e
            self._pending[cid.digest] = Place(cid.codec, self._pack, self._position + HEADER_BYTES, len(block))
            self._position = self._ends[self._pack] = end
            is_much = len(self._pending) >= _PENDING_LIMIT
        if is_much:
            self.flush()

    def flush(self) -> None:
        """Make everything put so far durable; see the port."""
        if self._read_only:
            return
        with self._flush_lock:
            with self._write_lock:
                self._require_sound()
                places, ends = self._pending.copy(), self._ends
                if not places:
                    return
                self._ends = {}
                writers = {number: self._writers[number] for number in ends}
            try:
                for file in writers.values():
                    os.fdatasync(file)
            except OSError as e:
                # After a failed sync the kernel may have dropped the pages: nothing here can be believed any more.
                self._is_broken = True
                raise os_error(e, "making blocks durable", self._packs) from e
            try:
                self._commit(places, ends)
            except TransportError:
                with self._write_lock:
                    self._ends = ends | self._ends
                raise
            with self._write_lock:
                for digest in places:
                    del self._pending[digest]
                for number in writers.keys() - self._ends.keys() - {self._pack}:
                    os.close(self._writers.pop(number))

    def _commit(self, places: dict[bytes, Place], ends: dict[int, int]) -> None:
        with self._index_lock, self._index_errors():
            self._index.execute("BEGIN IMMEDIATE")
            try:
                self._index.executemany(
                    "INSERT OR IGNORE INTO blocks VALUES (?, ?, ?, ?, ?)",
                    ((digest, p.codec, p.pack, p.offset, p.length) for digest, p in places.items()),
                )
                self._index.executemany("INSERT OR REPLACE INTO packs VALUES (?, ?)", ends.items())
                self._index.execute("COMMIT")
            except BaseException:
                if self._index.in_transaction:
                    self._index.execute("ROLLBACK")
                raise

    def mend_block(self, cid: Cid, block: bytes) -> None:
        """Put a block back where its bytes were lost; durable when this returns.

        Where the pack still reaches, the same bytes of it are written again, so that it is again what it was; else the
        block is appended, and the index told.

        Args:
            cid: of a block that was stored once, or that is missing altogether.
            block: its bytes, from elsewhere.

        Raises:
            MismatchError: they are not those of the CID.
            PolicyError: the store was opened for reading.
            TransportError: it could not be written.
        """
        if hashlib.sha256(block).digest() != cid.digest:
            raise MismatchError("expected the bytes of the CID to mend it with, got others", where=str(cid))
        if self._read_only:
            raise PolicyError("expected a store open for writing, got one open for reading", code="store_read_only")
        self.flush()
        place = self._locate(cid.digest)
        if place is not None and not self._mend_in_place(place, cid, block):
            with self._index_lock, self._index_errors():
                self._index.execute("DELETE FROM blocks WHERE digest = ?", (cid.digest,))
            place = None
        if place is None:
            self.put_block(cid, block)
            self.flush()

    def _mend_in_place(self, place: Place, cid: Cid, block: bytes) -> bool:
        path = self._path(place.pack)
        try:
            if not path.exists() or path.stat().st_size < place.offset + place.length:
                return False
            record = memoryview(record_header(Cid(place.codec, cid.digest), len(block)) + block)
            with path.open("r+b") as file:
                done = 0
                while done < len(record):  # never cut back: what follows in the pack is whole
                    done += os.pwrite(file.fileno(), record[done:], place.offset - HEADER_BYTES + done)
                os.fsync(file.fileno())
        except OSError as e:
            raise os_error(e, "mending a block", path) from e
        return True

    def _begin_pack(self) -> None:
        number = self._pack + 1
        self._writers[number] = os.open(self._path(number), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        sync_folder(self._packs)
        self._pack, self._position = number, 0

    def _writer(self) -> int:
        if self._pack not in self._writers:
            self._writers[self._pack] = os.open(self._path(self._pack), os.O_WRONLY | os.O_CLOEXEC)
        return self._writers[self._pack]

    def _require_sound(self) -> None:
        if self._is_broken:
            raise TransportError(
                "expected a sound store, got one whose last sync failed: open it again",
                code="store_unusable",
                where=str(self._folder),
            )

    # Reading

    def _locate(self, digest: bytes) -> Place | None:
        if place := self._pending.get(digest):
            return place
        with self._index_lock, self._index_errors():
            row = self._index.execute(
                "SELECT codec, pack, offset, length FROM blocks WHERE digest = ?", (digest,)
            ).fetchone()
        return Place(*row) if row else None

    def get_block(self, cid: Cid) -> bytes:
        """Return a block's bytes after comparing them with the CID; see the port."""
        place = self._locate(cid.digest)
        if place is None:
            raise NotFoundError("expected the block in the store, got nothing", where=str(cid))
        try:
            block = os.pread(self._file(place.pack), place.length, place.offset)
        except OSError as e:
            raise os_error(e, "reading a block", self._path(place.pack)) from e
        if hashlib.sha256(block).digest() != cid.digest:
            raise MismatchError(
                f"expected the bytes of the CID, got others in pack {place.pack} at {place.offset}",
                code="damaged_block",
                where=str(cid),
            )
        return block

    def peek(self, cid: Cid, size: int) -> bytes:
        """Return the first bytes of a block, not compared with its CID; see the port."""
        place = self._locate(cid.digest)
        if place is None:
            raise NotFoundError("expected the block in the store, got nothing", where=str(cid))
        try:
            return os.pread(self._file(place.pack), min(size, place.length), place.offset)
        except OSError as e:
            raise os_error(e, "reading a block", self._path(place.pack)) from e

    def has(self, cid: Cid) -> bool:
        """Return whether the block is there."""
        return self._locate(cid.digest) is not None

    def cids(self) -> Iterator[Cid]:
        """Yield the CID of every block; blocks put meanwhile may be left out."""
        waiting = self._pending.copy()
        for digest, place in waiting.items():
            yield Cid(place.codec, digest)
        last = b""
        while True:
            with self._index_lock, self._index_errors():
                rows = self._index.execute(
                    "SELECT digest, codec FROM blocks WHERE digest > ? ORDER BY digest LIMIT 1000", (last,)
                ).fetchall()
            if not rows:
                return
            for digest, codec in rows:
                if digest not in waiting:
                    yield Cid(codec, digest)
            last = rows[-1][0]

    def used_bytes(self) -> int:
        """How much room packs and index take on the disk.

        Raises:
            TransportError: the folder could not be read.
        """
        try:
            files = [*os.scandir(self._packs), *os.scandir(self._folder)]
            return sum(file.stat().st_size for file in files if file.is_file(follow_symlinks=False))
        except OSError as e:
            raise os_error(e, "measuring the block store", self._folder) from e

    def _path(self, number: int) -> Path:
        return self._packs / f"{number:08d}.pack"

    def _file(self, number: int) -> int:
        file = self._files.get(number)
        if file is None:
            opened = os.open(self._path(number), os.O_RDONLY | os.O_CLOEXEC)
            file = self._files.setdefault(number, opened)
            if file != opened:
                os.close(opened)
        return file

    @contextmanager
    def _index_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as e:
            is_full = getattr(e, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
            raise TransportError(
                "expected room on the disk for the index, got none"
                if is_full
                else f"expected a usable index of the block store, got: {e}",
                code="store_full" if is_full else "store_unusable",
                where=str(self._folder / "index.db"),
            ) from e
