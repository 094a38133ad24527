"""Where an auditor reads a log: the files of a home, or the API of an archive."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sqlmodel import col, func, select

from archive_api.access_log.models import ClearRow
from archive_api.access_log.prepared import ClearNote
from archive_api.client.connection import Connection
from archive_api.client.errors import ProblemError
from archive_api.db.engine import Database
from ledger.adapters.log_files import LogFiles
from ledger.errors import NotFoundError, TransportError
from ledger.log.access_audit import ClearRecord
from ledger.log.tiles import Tile
from ledger.log.verify import Finding

__all__ = ["ApiLog", "ClearTexts", "open_home_log"]


class ApiLog:
    """A stream behind the API of an archive; entries are given to auditors only.

    Args:
        connection: signed in as an auditor.
        stream: its name.
        building_key: 0x-hex, of a building's stream; None: the archive's own.
    """

    def __init__(self, connection: Connection, stream: str, *, building_key: str | None = None) -> None:
        self._connection = connection
        self._path = f"/logs/{stream}" if building_key is None else f"/buildings/{building_key}/logs/{stream}"

    def checkpoint(self) -> bytes | None:
        """The newest signed checkpoint, or None: the log is empty."""
        try:
            return self._connection.request("GET", f"{self._path}/checkpoint").content
        except ProblemError as error:
            if error.code == "log_empty":
                return None
            raise

    def read(self, tile: Tile) -> bytes:
        """A tile or bundle; see `TileReader`."""
        try:
            return self._connection.request("GET", f"{self._path}/tile/{tile.name}").content
        except ProblemError as error:
            if error.code == "no_tile":
                raise NotFoundError(f"expected the tile {tile.name}, got none", code="no_tile") from error
            raise TransportError(f"expected the tile {tile.name}, got: {error}") from error


class ClearTexts:
    """The clear text of a home's access log: rows of the catalogue, and what the log's journal still holds.

    Args:
        database: the catalogue; only read.
        log: the log's files, opened for reading.
    """

    def __init__(self, database: Database, log: LogFiles) -> None:
        self._database = database
        self._log = log
        # The journal first: what is taken over between both looks is in the catalogue then.
        self._journal = {index: _record(note) for index, note in log.notes(1 << 62)}

    def of(self, first: int, count: int) -> Mapping[int, ClearRecord]:
        """Clear text by index, of so many entries from an index on."""
        columns = select(ClearRow.entry_index, ClearRow.salt, ClearRow.clear, ClearRow.erased_by)
        query = columns.where(col(ClearRow.entry_index).between(first, first + count - 1))
        with self._database.reading() as session:
            rows = session.connection().execute(query).all()
        found = {index: self._journal[index] for index in range(first, first + count) if index in self._journal}
        return found | {index: _stored(salt, clear, erased_by) for index, salt, clear, erased_by in rows}

    def surplus(self) -> list[Finding]:
        """Rows about entries that there are not."""
        with self._database.reading() as session:
            last = session.exec(select(func.max(ClearRow.entry_index))).one()
        present = {index for index, _ in self._log.notes(1 << 62)} | self._journal.keys()
        size = max(self._log.head().size, max(present, default=-1) + 1)
        if last is None or last < size:
            return []
        text = f"expected rows about {size} entries, got one about entry {last}"
        return [Finding("clear_text_surplus", text, index=size, last_index=last)]


def _stored(salt: str | None, clear: str | None, erased_by: int | None) -> ClearRecord:
    try:
        kept = bytes.fromhex(salt) if salt is not None else None
    except ValueError:
        kept = b""  # no salt at all: it will not lead to the entry's hash
    return ClearRecord(kept, None if clear is None else clear.encode(), erased_by)


def _record(note: bytes) -> ClearRecord:
    parsed = ClearNote.parse(note)
    return ClearRecord(parsed.salt, parsed.clear, None)


def open_home_log(folder: Path, stream: str) -> LogFiles:
    """Open a home's log beside the server that may be writing it.

    Raises:
        NotFoundError: there is none.
    """
    return LogFiles(folder / stream, read_only=True)
