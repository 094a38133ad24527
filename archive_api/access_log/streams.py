"""The access log's own way of writing entries."""

from __future__ import annotations

import json
import logging
import re
import secrets
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from sqlalchemy import func, insert
from sqlmodel import select

from archive_api.access_log.events import ACCESS_STREAM, AccessEvent, Outcome
from archive_api.access_log.models import ClearRow
from archive_api.db.engine import Database
from archive_api.errors import ApiError, MalformedError, TransportError
from archive_api.streams.keys import ARCHIVE
from ledger.adapters.log_files import LogFiles
from ledger.adapters.log_writer import LogWriter
from ledger.adapters.signed_log import Cosign
from ledger.canonical import canonical_bytes
from ledger.log.access import SALT_BYTES, AccessEntry, ClearText, clear_commitment
from ledger.log.keys import LogSigner
from ledger.log.promise import Promise
from ledger.log.tiles import ENTRIES, TILE_WIDTH, Tile, parse_entries
from ledger.ports.chain import Clock
from ledger.ports.log import LogRecord, LogStore
from ledger.trust import TrustFile

__all__ = ["AccessStream", "ClearNote", "open_access_stream"]

_LOG = logging.getLogger(__name__)
_ACTION: Final = re.compile(r"[a-z0-9_.]{1,64}\Z")
_ID_LIMIT: Final = 256
_TEXT_LIMIT: Final = 4096
_DETAIL_LIMIT: Final = 48 << 10
_TIME_BYTES: Final = 8
_ROWS: Final = 1000


@dataclass(frozen=True, slots=True)
class ClearNote:
    """What the journal keeps of an entry until the catalogue has it.

    Attributes:
        salt: 32 bytes.
        time: unix seconds.
        clear: canonical JSON.
    """

    salt: bytes
    time: int
    clear: bytes

    def to_bytes(self) -> bytes:
        """Return salt, time as 8 bytes, clear text."""
        return self.salt + self.time.to_bytes(_TIME_BYTES, "big") + self.clear

    @classmethod
    def parse(cls, data: bytes) -> ClearNote:
        """Read what `to_bytes` wrote."""
        middle = SALT_BYTES + _TIME_BYTES
        return cls(data[:SALT_BYTES], int.from_bytes(data[SALT_BYTES:middle], "big"), data[middle:])


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
        _check(event)
        clear = ClearText(event.subject, _bounded(event.source), _bounded(event.search)).canonical()
        if len(clear) > _DETAIL_LIMIT:
            raise MalformedError(f"expected a subject of at most {_DETAIL_LIMIT} bytes, got {len(clear)}")
        salt = secrets.token_bytes(SALT_BYTES)
        personal = clear_commitment(salt, clear)

        def make(time: datetime) -> LogRecord:
            entry = AccessEntry(
                time,
                action=event.action,
                outcome=event.outcome.value,
                personal=personal,
                object_kind=event.object_kind,
                object_id=_identifier(event.object_id),
                unit_project_key=event.unit_project_key,
                method=event.method,
                route=event.route,
                status=event.status,
                detail=event.detail,
            )
            return LogRecord(entry.canonical(), ClearNote(salt, int(time.timestamp()), clear).to_bytes())

        return self.writer.submit(make)

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


def _check(event: AccessEvent) -> None:
    if not _ACTION.match(event.action) or not isinstance(event.outcome, Outcome):
        raise MalformedError("expected an action of a-z, 0-9, _ and dots, and an outcome, got others")
    if len(canonical_bytes(event.detail)) > _DETAIL_LIMIT:
        raise MalformedError(f"expected a detail of at most {_DETAIL_LIMIT} bytes, got more")
    for text in (event.object_kind, event.unit_project_key, event.method, event.route):
        if text is not None and len(text) > _ID_LIMIT:
            raise MalformedError(f"expected at most {_ID_LIMIT} characters, got {len(text)}")


def _identifier(text: str | None) -> str | None:
    """An id out of a request: one that is no id, being too long, must not keep the refusal from being recorded."""
    if text is None:
        return None
    data = text.encode("utf-8", "backslashreplace")
    return data.decode() if len(text) <= _ID_LIMIT else f"sha256:{sha256(data).hexdigest()}"


def _bounded(text: str | None) -> str | None:
    return text if text is None else text[:_TEXT_LIMIT].encode("utf-8", "backslashreplace").decode()
