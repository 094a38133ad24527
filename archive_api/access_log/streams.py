"""The access log's own way of writing entries."""

from __future__ import annotations

import json
import logging
import threading
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import func, insert
from sqlmodel import select

from archive_api.access_log.events import ACCESS_STREAM, AccessEvent
from archive_api.access_log.models import ClearRow
from archive_api.access_log.prepared import ClearNote, PreparedAccess
from archive_api.db.engine import Database
from archive_api.errors import ApiError, TransportError
from archive_api.streams.keys import ARCHIVE
from ledger.adapters.log_files import LogFiles
from ledger.adapters.log_writer import LogWriter
from ledger.adapters.signed_log import Cosign
from ledger.log.access import AccessEntry
from ledger.log.keys import LogSigner
from ledger.log.promise import Promise
from ledger.log.tiles import ENTRIES, TILE_WIDTH, Tile, parse_entries
from ledger.ports.chain import Clock
from ledger.ports.log import LogStore
from ledger.trust import TrustFile

__all__ = ["AccessStream", "open_access_stream"]

_LOG = logging.getLogger(__name__)
_ROWS: Final = 1000


class AccessStream:
    """The access log of a server: `events.AccessLog`, with the clear text in the catalogue.

    Entry and clear text become durable together in the log's journal, without the catalogue's write lock; `drain`
    takes the clear text over afterwards.

    Args:
        writer: of the stream.
        database: the catalogue.

    Attributes:
        keeping_error: why clear text could not be taken over or a head not be anchored last, or None.
    """

    name = ACCESS_STREAM

    def __init__(self, writer: LogWriter, database: Database) -> None:
        self.writer = writer
        self._database = database
        self._draining = threading.Lock()
        self.keeping_error: str | None = None

    @property
    def trouble(self) -> str | None:
        """Why the log cannot be written, taken over or anchored at present; None: it can."""
        if not self.writer.is_alive:
            return "the writer has ended"
        return self.writer.last_error or self.writer.witness_error or self.keeping_error

    def require_writable(self) -> None:
        """Look whether an entry could be written now; see `AccessLog.require_writable`."""
        if not self.writer.is_alive or self.writer.last_error is not None:
            raise TransportError("expected a log that can be written, got one in trouble", code="log_unwritable")

    def submit(self, event: AccessEvent) -> Future[Promise]:
        """Queue an event; see `AccessLog.submit`."""
        return self.submit_prepared(PreparedAccess.of(event))

    def submit_prepared(self, access: PreparedAccess) -> Future[Promise]:
        """Queue an event that was made ready here or in another process.

        Raises:
            TransportError: the log is closed or can no longer write.
        """
        return self.writer.submit(access.record)

    def record(self, event: AccessEvent) -> Promise:
        """Record an event and wait; see `AccessLog.record`."""
        return self.submit(event).result()

    def drain(self) -> int:
        """Take the clear text of new entries over into the catalogue.

        Returns:
            Of how many entries.

        Raises:
            TransportError: the catalogue did not take it; it stays in the journal.
        """
        taken = 0
        store = self.writer.store
        with self._draining:
            while notes := store.notes(_ROWS):
                with self._database.transaction() as session:
                    last = session.exec(select(func.max(ClearRow.entry_index))).one()
                    rows = [_row(index, note) for index, note in notes if last is None or index > last]
                    if rows:
                        session.connection().execute(insert(ClearRow), rows)
                store.forget_notes(notes[-1][0] + 1)
                taken += len(notes)
        return taken

    def close(self) -> None:
        """Write what is queued, publish it, take the clear text over, and let go of the files."""
        self.writer.close()
        try:
            self.drain()
        except ApiError as error:
            _LOG.warning("clear text stays in the journal until the next start: %s", error)
        finally:
            self.writer.store.close()


def open_access_stream(
    folder: Path,
    *,
    signer: LogSigner,
    trust: TrustFile,
    database: Database,
    clock: Clock,
    publish_seconds: float,
    cosign: Cosign | None = None,
) -> AccessStream:
    """Open the access log of a server; what was recorded before a crash is found again.

    Args:
        folder: of the server's logs.
        signer: the logs' key.
        trust: names chain and contract.
        database: the catalogue.
        clock: the time.
        publish_seconds: how long an entry waits for a checkpoint at most.
        cosign: asks witnesses for their signatures under each checkpoint, or None.

    Raises:
        MismatchError: the files do not belong together, or are not signed by this key: somebody changed them.
        PolicyError: another process writes to this log.
        TransportError: the files cannot be used.
    """
    store = LogFiles(folder / ACCESS_STREAM)
    try:
        origin = trust.origin(ARCHIVE, ACCESS_STREAM)
        writer = LogWriter(
            store,
            origin,
            signer=signer,
            clock=clock,
            publish_seconds=publish_seconds,
            not_before=_last_time(store),
            cosign=cosign,
        )
    except BaseException:
        store.close()
        raise
    return AccessStream(writer, database)


def _last_time(store: LogStore) -> datetime | None:
    """When the newest entry was made."""
    index, place = divmod(store.head().size - 1, TILE_WIDTH)
    if index < 0:
        return None
    entries = parse_entries(store.read(Tile(ENTRIES, index, place + 1)), place + 1)
    return AccessEntry.parse(entries[-1]).time


def _row(index: int, data: bytes) -> dict[str, object]:
    note = ClearNote.parse(data)
    person = (json.loads(note.clear)["subject"] or {}).get("person_id")
    return {
        "entry_index": index,
        "time": note.time,
        "person_id": person if isinstance(person, str) else None,
        "salt": note.salt.hex(),
        "clear": note.clear.decode(),
    }
