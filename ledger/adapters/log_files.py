"""Logs as files: tiles and bundles under their C2SP names, the checkpoint beside them, a journal before them.

`append` writes to the journal and syncs that alone; tiles and bundles are written without waiting, and synced before a
checkpoint is published. Opening checks the tiles against the checkpoint, cuts off what lies behind it, and writes it
again from the journal. A file holds all hashes or entries there are so far; partial tiles are cut out of it on reading.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ledger.adapters.log_journal import Journal, peek
from ledger.adapters.packs import os_error, sync_folder
from ledger.errors import MalformedError, MismatchError, NotFoundError, PolicyError, TransportError
from ledger.log.checkpoint import SignedCheckpoint
from ledger.log.proofs import TreeReader
from ledger.log.tiles import ENTRIES, HASH_BYTES, TILE_HEIGHT, TILE_WIDTH, Tile, encode_entries, parse_entries
from ledger.merkle import Frontier, leaf_hash, root_hash
from ledger.ports.log import LogRecord, LogStore, TreeHead

__all__ = ["LogFiles"]

_TILES: Final = "tile"
_CHECKPOINT: Final = "checkpoint"


class LogFiles(LogStore):
    """A LogStore in a folder; one writing process and any number of reading ones.

    Args:
        folder: made if missing, when opened for writing.
        read_only: open beside a writer; sees what was published.

    Raises:
        PolicyError: another process writes to this log (code `log_in_use`).
        NotFoundError: opened for reading, and there is no log.
        MismatchError: tiles, journal and checkpoint do not belong together (code `log_damaged`).
        TransportError: the folder cannot be used.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self._folder = folder
        self._read_only = read_only
        self._frontier = Frontier()
        self._head = TreeHead(0, self._frontier.root)
        self._lock_file = -1
        self._is_broken = False
        if read_only:
            if not folder.is_dir():
                raise NotFoundError("expected a log, got no folder", where=str(folder))
            return
        self._notes: deque[tuple[int, bytes]] = deque()
        self._notes_lock = threading.Lock()
        self._forgotten = 0
        self._published = 0
        self._edges: list[bytes] = []
        self._bundle_bytes = 0
        self._behind: list[LogRecord] = []  # in the journal, and not in the tiles: there was no room
        self._dirty: dict[Tile, int] = {}
        self._new_folders: set[Path] = set()
        try:
            if not folder.is_dir():
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                sync_folder(folder.parent)
            self._take_lock()
            self._journal = Journal(folder / "journal")
            self._recover()
        except OSError as e:
            self._release()
            raise os_error(e, "opening a log", folder) from e
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
        """Let go of the folder; what was appended is durable without it."""
        if not self._read_only:
            self._journal.close()
            self._release()

    def _take_lock(self) -> None:
        self._lock_file = os.open(self._folder / "writer.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise PolicyError(
                "expected to be the only writer, got a log in use", code="log_in_use", where=str(self._folder)
            ) from e

    def _release(self) -> None:
        for file in self._dirty.values():
            os.close(file)
        self._dirty.clear()
        if self._lock_file >= 0:
            os.close(self._lock_file)
            self._lock_file = -1

    # Opening

    def _recover(self) -> None:
        note = self.checkpoint()
        size, root = 0, self._head.root
        if note is not None:
            try:
                published = SignedCheckpoint.parse(note).checkpoint
            except MalformedError as e:
                raise self._damaged("expected a checkpoint, got something else") from e
            size, root = published.size, published.root
        self._published = size
        self._read_edges(size)
        if self._frontier.root != root:
            raise self._damaged(f"expected the tiles of the checkpoint's {size} entries, got others")
        for index, record in self._journal.replay():
            if index > self._frontier.size:
                raise self._damaged(f"expected entry {self._frontier.size} in the journal, got {index}")
            if index == self._frontier.size:
                self._apply([record.entry])
            elif index >= size or leaf_hash(record.entry) != self._leaf(index):
                raise self._damaged(f"expected entry {index} of the tiles in the journal, got another")
            if record.note:
                self._notes.append((index, record.note))
        self._head = TreeHead(self._frontier.size, self._frontier.root)
        self._forgotten = self._notes[0][0] if self._notes else self._head.size

    def _read_edges(self, size: int) -> None:
        """Read the partial tiles of a size; what lies behind them in their files is cut off when written over."""
        level = 0
        self._head = TreeHead(size, b"")
        try:
            while size >> (TILE_HEIGHT * level):
                width = (size >> (TILE_HEIGHT * level)) % TILE_WIDTH
                index = size >> (TILE_HEIGHT * (level + 1))
                self._edges.append(self.read(Tile(level, index, width)) if width else b"")
                level += 1
            self._frontier = TreeReader(self, size).frontier()
            width = size % TILE_WIDTH
            if width:
                entries = self.read(Tile(ENTRIES, size // TILE_WIDTH, width))
                self._bundle_bytes = len(entries)
                leaves = b"".join(map(leaf_hash, parse_entries(entries, width)))
                if leaves != self._edges[0]:
                    raise self._damaged("expected the entries of the last tile, got others")
        except NotFoundError as e:
            raise self._damaged(f"expected the {size} entries of the checkpoint, got fewer") from e

    def _leaf(self, index: int) -> bytes:
        tile = self.read(Tile(0, index // TILE_WIDTH, index % TILE_WIDTH + 1))
        return tile[-HASH_BYTES:]

    def _damaged(self, text: str) -> MismatchError:
        return MismatchError(text, code="log_damaged", where=str(self._folder))

    # Writing

    def append(self, records: Sequence[LogRecord]) -> TreeHead:
        """Add records durably; see the port."""
        self._require_sound()
        encode_entries([record.entry for record in records])  # refuses an entry's length before anything is written
        self._catch_up()
        self._journal.append(self._frontier.size, records)
        self._behind = list(records)
        self._catch_up()
        return self._head

    def _catch_up(self) -> None:
        """Write into the tiles what only the journal has; where there is no room, the next append tries again."""
        while self._behind:
            room = TILE_WIDTH - self._frontier.size % TILE_WIDTH
            taken, first = self._behind[:room], self._frontier.size
            edges, bundle_bytes = list(self._edges), self._bundle_bytes
            try:
                self._apply([record.entry for record in taken])
            except OSError as e:
                # The same bytes will be written to the same places.
                self._edges, self._bundle_bytes = edges, bundle_bytes
                raise os_error(e, "writing tiles", self._folder) from e
            del self._behind[:room]
            with self._notes_lock:
                self._notes.extend((index, record.note) for index, record in enumerate(taken, first) if record.note)
                if not self._notes:
                    self._forgotten = self._frontier.size
            self._head = TreeHead(self._frontier.size, self._frontier.root)

    def publish(self, note: bytes, size: int) -> None:
        """Make tiles durable and replace the checkpoint; see the port."""
        self._require_sound()
        if size > self._head.size:
            raise PolicyError(f"expected a checkpoint of at most {self._head.size} entries, got {size}")
        temporary = self._folder / f"{_CHECKPOINT}.new"
        try:
            with temporary.open("wb") as file:
                file.write(note)
                file.flush()
                os.fsync(file.fileno())
        except OSError as e:  # nothing stands on it yet
            raise os_error(e, "publishing a checkpoint", self._folder) from e
        try:
            self._sync()
            temporary.rename(self._folder / _CHECKPOINT)
            sync_folder(self._folder)
        except OSError as e:
            self._is_broken = True
            raise os_error(e, "publishing a checkpoint", self._folder) from e
        self._published = size
        self._journal.rotate()  # so that what is published can be deleted, whether or not more was appended meanwhile
        self._drop_segments()

    def notes(self, limit: int) -> Sequence[tuple[int, bytes]]:
        """Return notes to be taken over; opened for reading, those that the journal still holds."""
        if self._read_only:
            try:
                return [(index, record.note) for index, record in islice(peek(self._folder / "journal"), limit)]
            except OSError as e:
                raise os_error(e, "reading a journal", self._folder) from e
        with self._notes_lock:
            return list(islice(self._notes, limit))

    def forget_notes(self, below: int) -> None:
        """Drop notes below an index, and the journal's segments of which nothing is needed any more."""
        with self._notes_lock:
            while self._notes and self._notes[0][0] < below:
                self._notes.popleft()
            self._forgotten = self._notes[0][0] if self._notes else self._head.size
        self._drop_segments()

    def _drop_segments(self) -> None:
        try:
            self._journal.drop(min(self._published, self._forgotten))
        except OSError as e:
            raise os_error(e, "deleting from a journal", self._folder) from e

    def _apply(self, entries: Sequence[bytes]) -> None:
        position = 0
        while position < len(entries):
            index, place = divmod(self._frontier.size, TILE_WIDTH)
            taken = entries[position : position + TILE_WIDTH - place]
            position += len(taken)
            data = encode_entries(taken)
            self._write(Tile(ENTRIES, index), data, self._bundle_bytes if place else 0)
            self._bundle_bytes = (self._bundle_bytes if place else 0) + len(data)
            leaves = [leaf_hash(entry) for entry in taken]
            self._extend(0, index, b"".join(leaves))
            for leaf in leaves:
                self._frontier.append(leaf)

    def _extend(self, level: int, index: int, hashes: bytes) -> None:
        if level == len(self._edges):
            self._edges.append(b"")
        edge = self._edges[level]
        self._write(Tile(level, index), hashes, len(edge))
        edge += hashes
        if len(edge) < TILE_WIDTH * HASH_BYTES:
            self._edges[level] = edge
            return
        self._edges[level] = b""
        root = root_hash([edge[start : start + HASH_BYTES] for start in range(0, len(edge), HASH_BYTES)])
        self._extend(level + 1, index // TILE_WIDTH, root)

    def _write(self, tile: Tile, data: bytes, position: int) -> None:
        file = self._dirty.get(tile)
        if file is None:
            path = self._path(tile)
            self._make_folder(path.parent)
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.ftruncate(file, position)  # what a crash left behind the published part
            except OSError:
                os.close(file)
                raise
            self._dirty[tile] = file
            if position == 0:
                self._new_folders.add(path.parent)
        done = 0
        while done < len(data):
            done += os.pwrite(file, data[done:], position + done)

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            self._make_folder(folder.parent)
            folder.mkdir(mode=0o700, exist_ok=True)
            self._new_folders.update((folder, folder.parent))

    def _sync(self) -> None:
        for tile, file in list(self._dirty.items()):
            os.fdatasync(file)
            del self._dirty[tile]
            os.close(file)
        for folder in self._new_folders:
            sync_folder(folder)
        self._new_folders.clear()

    def _require_sound(self) -> None:
        if self._read_only:
            raise PolicyError("expected a log open for writing, got one open for reading", code="log_read_only")
        if self._is_broken:
            raise TransportError(
                "expected a sound log, got one that could not be written: open it again",
                code="log_unusable",
                where=str(self._folder),
            )

    # Reading

    def head(self) -> TreeHead:
        """Return size and root; opened for reading, those of the checkpoint."""
        if not self._read_only:
            return self._head
        note = self.checkpoint()
        if note is None:
            return self._head
        published = SignedCheckpoint.parse(note).checkpoint
        return TreeHead(published.size, published.root)

    def checkpoint(self) -> bytes | None:
        """Return the signed note published last, or None."""
        path = self._folder / _CHECKPOINT
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as e:
            raise os_error(e, "reading a checkpoint", path) from e

    def read(self, tile: Tile) -> bytes:
        """Return a tile or bundle, cut to its width; see the port."""
        path = self._path(tile)
        missing = NotFoundError(f"expected the tile {tile.name}, got less", code="no_tile", where=tile.name)
        if not self._read_only and not tile.is_within(self._head.size):
            raise missing
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise missing from None
        except OSError as e:
            raise os_error(e, "reading a tile", path) from e
        if tile.level == ENTRIES:
            return data if tile.width == TILE_WIDTH else _cut(data, tile, missing)
        if len(data) < tile.width * HASH_BYTES:
            raise missing
        return data[: tile.width * HASH_BYTES]

    def _path(self, tile: Tile) -> Path:
        return self._folder / _TILES / Tile(tile.level, tile.index).name


def _cut(data: bytes, tile: Tile, missing: NotFoundError) -> bytes:
    position = 0
    for _ in range(tile.width):
        if position + 2 > len(data):
            raise missing
        position += 2 + int.from_bytes(data[position : position + 2], "big")
    if position > len(data):
        raise missing
    return data[:position]
