"""The thread that gives captured records their places in the logs, in the order in which it finds them committed.

A capture waits as a row without `first_index`. Its entries are appended together, which makes them durable; then the
catalogue is told. Between the two only a crash can come, and an append may itself be cut short: opened again, the log's
tail says by the capture's id which captures have their places already, and what is missing of the last one is added.

Rows are taken in the order of their numbers. On SQLite that is the order of commitment. On PostgreSQL a row with a
lower number may be committed later, and then stands later in the log; what counts is the log's order, and nothing
else is derived from the numbers. Several processes may capture, one has the logs open and sequences: it looks for rows
of the others once a second.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, update
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select

from archive_api.errors import ApiError
from archive_api.services import Services
from archive_api.streams.keys import StreamKey, StreamName
from archive_api.streams.models import CaptureRow, StreamRow
from archive_api.streams.registry import RecordStream, entries_between
from ledger.errors import LedgerError, MismatchError
from ledger.log.record import RecordEntry
from ledger.ports.log import LogRecord

__all__ = ["Sequencer", "capture_entries", "capture_entry", "stream_key"]

_LOG = logging.getLogger(__name__)
_POLL_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 2.0
_GATHER_SECONDS: Final = 0.15
_GROUP_CAPTURES: Final = 256
_GROUP_RECORDS: Final = 20_000
_PUBLISHERS: Final = 4


def stream_key(row: StreamRow) -> StreamKey:
    """The key of a stream's row."""
    return StreamKey(StreamName(row.name), row.building_key)


def capture_entries(row: CaptureRow, moment: datetime) -> list[bytes]:
    """The bytes of a capture's entries, all of one time.

    Args:
        row: the capture's.
        moment: aware UTC, whole seconds.
    """
    return RecordEntry.canonical_of(
        moment,
        capture=bytes.fromhex(row.capture_id[2:]),
        capture_cid=row.content_cid,
        record_ids=json.loads(row.record_ids),
        sha256s=row.record_sha256s,
        reporter=row.reporter,
    )


def capture_entry(row: CaptureRow, moment: datetime, record_index: int) -> RecordEntry:
    """One of `capture_entries`, read."""
    begin = 64 * record_index
    return RecordEntry(
        moment,
        capture=bytes.fromhex(row.capture_id[2:]),
        capture_cid=row.content_cid,
        record_index=record_index,
        record_sha256=bytes.fromhex(row.record_sha256s[begin : begin + 64]),
        record_id=json.loads(row.record_ids)[record_index],
        reporter=row.reporter,
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a capture's entries stand, and since when."""

    capture_pk: int | None
    first_index: int
    moment: datetime


class Sequencer:
    """One thread.

    Args:
        services: the server's.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._streams = services.streams
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._publishers: ThreadPoolExecutor | None = None
        self._publishing: dict[StreamKey, Future[None]] = {}
        self._resting: dict[int, float] = {}
        self._is_recovered = False

    def start(self) -> None:
        """Start the thread."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="stream-sequencer", daemon=True)
        self._thread.start()
        self._streams.threads.append(self._thread)

    def stop(self) -> None:
        """End the thread; what it did not come to is done after the next start."""
        self._stopping.set()
        self._streams.wake()
        if self._thread is not None:
            self._thread.join()
            self._streams.threads.remove(self._thread)
            self._thread = None
        if self._publishers is not None:
            self._publishers.shutdown(wait=True)
            self._publishers = None

    def round(self, *, publish: bool = False) -> int:
        """Give every waiting capture its places, and publish what is due. For one thread at a time.

        A stream in trouble is left for later, and what troubles it is in `Streams.troubles`.

        Args:
            publish: whether or not it is due.

        Returns:
            How many entries were added.

        Raises:
            TransportError: the catalogue could not be asked.
        """
        added = 0
        while found := self._group_of_each():
            added += found
        self._publish_due(at_once=publish)
        return added

    def _group_of_each(self) -> int:
        """Place a group of what waits in each stream, and publish what is due; returns how many entries were added."""
        self._recover()
        added = sum(self._quietly(row) for row in self._waiting())
        self._publish_due(at_once=False)
        return added

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._streams.waiting.clear()  # before looking: what comes meanwhile sets it again
            try:
                if self._group_of_each():
                    # Captures that come meanwhile share the next group's syncs and statements.
                    self._stopping.wait(_GATHER_SECONDS)
                    continue
            except (LedgerError, ApiError, SQLAlchemyError) as error:
                # Nothing is lost: the next round begins from what is stored.
                _LOG.warning("sequencer: %s: %s", type(error).__name__, error)
            self._streams.waiting.wait(self._pause())

    def _pause(self) -> float:
        due = [stream.publish_at for stream in self._streams.opened() if stream.log.is_behind]
        return max(0.01, min([_POLL_SECONDS, *(moment - time.monotonic() for moment in due)]))

    # Places

    def _waiting(self) -> Sequence[StreamRow]:
        now = time.monotonic()
        self._resting = {number: until for number, until in self._resting.items() if until > now}
        waiting = select(CaptureRow.stream_id).where(col(CaptureRow.first_index).is_(None)).distinct()
        query = select(StreamRow).where(col(StreamRow.id).in_(waiting), col(StreamRow.id).not_in(list(self._resting)))
        with self._services.database.reading() as session:
            return session.exec(query).all()

    def _quietly(self, row: StreamRow) -> int:
        """Place what waits in one stream; its trouble is not the others'."""
        try:
            added = self._place(row)
        except (LedgerError, ApiError, SQLAlchemyError) as error:
            self._resting[row.id or 0] = time.monotonic() + _RETRY_SECONDS
            self._report(row.origin, error)
            return 0
        self._streams.troubles.pop(row.origin, None)
        return added

    def _place(self, row: StreamRow) -> int:
        with self._streams.writing(stream_key(row)) as stream:
            added = 0
            if not stream.is_settled:
                added = self._settle(stream, row)
            group = self._group(row)
            if not group:
                return added
            moment = stream.next_time(self._services.now())
            places: list[_Place] = []
            records: list[LogRecord] = []
            first = stream.log.store.head().size
            for capture in group:
                places.append(_Place(capture.id, first + len(records), moment))
                records += map(LogRecord, capture_entries(capture, moment))
            stream.log.append(records)
            self._tell(places)
            return added + len(records)

    def _group(self, row: StreamRow) -> Sequence[CaptureRow]:
        """Captures to be added together: they share one sync."""
        waiting = (CaptureRow.stream_id == row.id, col(CaptureRow.first_index).is_(None))
        with self._services.database.reading() as session:
            counts = select(CaptureRow.id, CaptureRow.record_count).where(*waiting)
            chosen: list[int] = []
            records = 0
            for number, count in session.exec(counts.order_by(col(CaptureRow.id)).limit(_GROUP_CAPTURES)):
                records += count
                if number is None or (chosen and records > _GROUP_RECORDS):
                    break
                chosen.append(number)
            query = select(CaptureRow).where(col(CaptureRow.id).in_(chosen)).order_by(col(CaptureRow.id))
            return session.exec(query).all()

    def _tell(self, places: Iterable[_Place]) -> None:
        """Tell the catalogue where entries stand that are durable."""
        values: list[dict[str, Any]] = [
            {"pk": place.capture_pk, "place": place.first_index, "moment": place.moment} for place in places
        ]
        table = CaptureRow.__table__  # type: ignore[attr-defined]
        statement = (
            update(table)
            .where(table.c.id == bindparam("pk"))
            .values(first_index=bindparam("place"), sequenced_at=bindparam("moment"))
        )
        with self._services.database.transaction() as session:
            session.connection().execute(statement, values)

    # After a crash

    def _settle(self, stream: RecordStream, row: StreamRow) -> int:
        """Tell the catalogue of entries that the log has and it does not know, and complete the last capture."""
        with self._services.database.reading() as session:
            known = _end(session, row)
        size = stream.log.store.head().size
        if size < known:
            raise MismatchError(
                f"expected a log of at least {known} entries by the catalogue, got {size}: it was cut back",
                code="log_rolled_back",
                where=row.origin,
                expected=known,
                actual=size,
            )
        places: list[_Place] = []
        added = 0
        while known < size:
            place, count, missing = self._found(stream, row, known, size)
            if missing:
                stream.log.append([LogRecord(entry) for entry in missing])
                added += len(missing)
            places.append(place)
            known += count
        if places:
            self._tell(places)
        stream.is_settled = True
        return added

    def _found(
        self, stream: RecordStream, row: StreamRow, first: int, size: int
    ) -> tuple[_Place, int, Sequence[bytes]]:
        """The capture whose entries begin at an index of the tail; and of the last one, what is missing of it."""
        store = stream.log.store
        head = entries_between(store, first, first + 1)[0]
        query = select(CaptureRow).where(
            CaptureRow.stream_id == row.id, CaptureRow.capture_id == "0x" + head.capture.hex()
        )
        with self._services.database.reading() as session:
            capture = session.exec(query).one_or_none()
        if capture is None or capture.first_index is not None:
            raise MismatchError(
                f"expected the catalogue to know the capture of entry {first}, got none without places",
                code="catalogue_behind_log",
                where=row.origin,
            )
        expected = capture_entries(capture, head.time)
        there = [entry.canonical() for entry in entries_between(store, first, min(size, first + len(expected)))]
        if there != expected[: len(there)]:
            raise MismatchError(
                f"expected the entries of one capture from {first} on, got others", code="log_damaged", where=row.origin
            )
        return _Place(capture.id, first, head.time), len(expected), expected[len(there) :]

    def _recover(self) -> None:
        """Once: open the logs whose newest entries no checkpoint covers, so that they are published."""
        if self._is_recovered:
            return
        with self._services.database.reading() as session:
            ends = [(row, _end(session, row)) for row in session.exec(select(StreamRow))]
        for row, end in ends:
            key = stream_key(row)
            try:
                if end and self._streams.reader(key).head().size < end:
                    with self._streams.writing(key) as stream:
                        self._settle(stream, row)
                self._streams.has_grown(key)
            except (LedgerError, ApiError, SQLAlchemyError) as error:
                self._report(row.origin, error)
        self._is_recovered = True

    # Checkpoints

    def _publish_due(self, *, at_once: bool) -> None:
        try:
            self._streams.reopen_left()
        except LedgerError as error:
            _LOG.warning("a stream with entries to publish could not be opened: %s", error)
        for stream in self._streams.opened():
            under_way = self._publishing.get(stream.key)
            if under_way is not None and at_once:
                under_way.result()
            elif under_way is not None and not under_way.done():
                continue
            if not stream.log.is_behind or not (at_once or time.monotonic() >= stream.publish_at):
                continue
            if stream.log.is_cosigned and not at_once:  # witnesses are not waited for here
                if self._publishers is None:
                    self._publishers = ThreadPoolExecutor(_PUBLISHERS, "stream-publisher")
                stream.publish_at = time.monotonic() + self._streams.publish_seconds
                self._publishing[stream.key] = self._publishers.submit(self._publish, stream)
            else:
                self._publish(stream)

    def _publish(self, stream: RecordStream) -> None:
        try:
            stream.log.publish()
            self._streams.has_grown(stream.key)
            self._streams.unpublished.pop(stream.log.origin, None)
        except LedgerError as error:
            text = f"{type(error).__name__}: {error}"
            if self._streams.unpublished.get(stream.log.origin) != text:
                _LOG.warning("stream %s could not be published: %s", stream.log.origin, text)
            self._streams.unpublished[stream.log.origin] = text
        finally:
            stream.publish_at = time.monotonic() + self._streams.publish_seconds

    def _report(self, origin: str, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        if self._streams.troubles.get(origin) != text:  # once, not at every try
            level = logging.CRITICAL if isinstance(error, MismatchError) else logging.WARNING
            _LOG.log(level, "stream %s: %s", origin, text)
        self._streams.troubles[origin] = text


def _end(session: Session, row: StreamRow) -> int:
    """How many entries of a stream the catalogue knows of."""
    query = (
        select(CaptureRow.first_index, CaptureRow.record_count)
        .where(CaptureRow.stream_id == row.id, col(CaptureRow.first_index).is_not(None))
        .order_by(col(CaptureRow.first_index).desc())
        .limit(1)
    )
    newest = session.exec(query).first()
    return 0 if newest is None else (newest[0] or 0) + newest[1]
