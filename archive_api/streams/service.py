"""What is answered about streams of records: captures, proofs of records, promises."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime

from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from archive_api.access_log.events import ACCESS_STREAM
from archive_api.access_log.service import AccessReading
from archive_api.errors import NotFoundError, TransportError
from archive_api.pagination import Page
from archive_api.projects.repository import ProjectRepository
from archive_api.seals import signing_text
from archive_api.services import Services
from archive_api.streams.keys import BUILDING_STREAMS, SERVER_STREAMS, StreamKey, StreamName
from archive_api.streams.models import CaptureRow, StreamRow
from archive_api.streams.reading import LogReading, StoredLog
from archive_api.streams.schemas import CaptureOut, PromisesOut, RecordProofOut
from archive_api.streams.sealed import capture_records
from archive_api.streams.sequencer import capture_entries, capture_entry, stream_key
from ledger.cid import parse_cid
from ledger.errors import NotFoundError as StoreNotFoundError
from ledger.log.promise import Promise
from ledger.merkle import leaf_hash

__all__ = [
    "BuildingStreams",
    "RecordProofs",
    "archive_log",
    "archive_logs",
    "capture_bytes",
    "promises",
    "stored_log",
    "stream_log",
]


def stored_log(services: Services, key: StreamKey) -> StoredLog:
    """A stream's log as it lies on the disk.

    Raises:
        NotFoundError: nothing is in it yet (code `log_empty`).
    """
    try:
        store = services.streams.reader(key)
    except StoreNotFoundError:
        raise NotFoundError("expected a log with entries, got an empty one", code="log_empty") from None
    return StoredLog(services.streams.origin(key), services.streams.key, store)


def stream_log(services: Services, key: StreamKey) -> LogReading:
    """A stream's log, for reading; see `stored_log`."""
    return LogReading(key.name.value, stored_log(services, key))


def archive_log(services: Services, stream: str) -> LogReading:
    """A log of the archive's own, for reading.

    Raises:
        NotFoundError: there is none of this name (code `log_not_found`), or nothing is in it yet.
    """
    if stream == ACCESS_STREAM:
        return AccessReading(services)
    if stream in (StreamName.DATASETS, *SERVER_STREAMS):
        return stream_log(services, StreamKey(StreamName(stream), None))
    raise NotFoundError(f"expected a stream, got {stream[:40]!r}", code="log_not_found")


def archive_logs(services: Services) -> list[LogReading]:
    """The logs of the archive's own that there are."""
    found: list[LogReading] = [AccessReading(services)]
    for name in (StreamName.DATASETS, *SERVER_STREAMS):
        with suppress(NotFoundError):  # nothing in it yet
            found.append(archive_log(services, name))
    return found


class BuildingStreams:
    """The streams of one building.

    Args:
        session: any.
        services: the server's.
        building_key: its key, or that of an alias.

    Raises:
        NotFoundError: there is no such building.
    """

    def __init__(self, session: Session, services: Services, building_key: str) -> None:
        self._session = session
        self._services = services
        self.building_key = ProjectRepository(session).building(building_key).building_key

    def key(self, stream: str) -> StreamKey:
        """The key of one of its streams.

        Raises:
            NotFoundError: buildings have none of this name (code `log_not_found`).
        """
        if stream not in BUILDING_STREAMS:
            raise NotFoundError(f"expected a stream of buildings, got {stream[:40]!r}", code="log_not_found")
        return StreamKey(StreamName(stream), self.building_key)

    def logs(self) -> list[LogReading]:
        """Those that something was written to."""
        rows = self._session.exec(
            select(StreamRow).where(StreamRow.building_key == self.building_key).order_by(col(StreamRow.name))
        )
        found: list[LogReading] = []
        for row in rows:
            try:
                found.append(stream_log(self._services, stream_key(row)))
            except NotFoundError:
                continue  # its first capture waits for its places
        return found

    def captures(self, *, limit: int, cursor: str | None) -> Page[CaptureOut]:
        """A page of its captures, newest first."""
        page = self._services.cursors.page(
            self._session,
            self._rows(),
            key=col(CaptureRow.id).desc(),
            scope=f"captures:{self.building_key[-64:]}",
            limit=limit,
            cursor=cursor,
        )
        return page.map(self.describe)

    def capture(self, capture_id: str) -> CaptureRow:
        """A capture into one of its streams.

        Args:
            capture_id: 0x and hex.

        Raises:
            NotFoundError: there is none (code `capture_not_found`).
        """
        row: CaptureRow | None = self._session.scalars(
            self._rows().where(col(CaptureRow.capture_id) == capture_id)
        ).one_or_none()
        if row is None:
            raise NotFoundError(f"expected a capture, got none with id {capture_id[:80]}", code="capture_not_found")
        return row

    def describe(self, row: CaptureRow) -> CaptureOut:
        """A capture as it is shown."""
        return CaptureOut(
            capture_id=row.capture_id,
            stream=self._session.get_one(StreamRow, row.stream_id).name,
            reporter=row.reporter,
            reporter_name=row.reporter_name,
            signing_time=signing_text(row),
            certificate_id=row.certificate_id,
            capture_cid=row.content_cid,
            record_count=row.record_count,
            first_index=row.first_index,
            captured_at=row.created_at,
            sequenced_at=row.sequenced_at,
        )

    def _rows(self) -> SelectOfScalar[CaptureRow]:
        streams = select(StreamRow.id).where(StreamRow.building_key == self.building_key)
        return select(CaptureRow).where(col(CaptureRow.stream_id).in_(streams))


def capture_bytes(services: Services, row: CaptureRow) -> bytes:
    """A sealed capture, byte for byte.

    Raises:
        NotFoundError, MismatchError: the store has lost or damaged it (`ledger.errors`).
    """
    return b"".join(services.store.open(parse_cid(row.content_cid)).iter_range())


def promises(services: Services, session: Session, row: CaptureRow, *, first: int, limit: int) -> PromisesOut:
    """The log's promises of a capture's entries; they are signed when they are asked for.

    Args:
        services: the server's.
        session: any.
        row: the capture's.
        first: the first record to be answered about.
        limit: how many.

    Raises:
        NotFoundError: the entries have no places yet (code `log_entry_not_found`).
    """
    place, moment = _place(row)
    origin = session.get_one(StreamRow, row.stream_id).origin
    signer = services.streams.signer
    items = [
        Promise.sign(signer, origin, place + index, leaf_hash=leaf_hash(entry), time=moment).to_text()
        for index, entry in enumerate(capture_entries(row, moment)[first : first + limit], first)
    ]
    return PromisesOut(capture_id=row.capture_id, first_index=place, items=items)


class RecordProofs:
    """Proofs of records, all under one checkpoint of each stream. For one request.

    Args:
        services: the server's.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._logs: dict[int, LogReading] = {}

    def proof(self, session: Session, capture_pk: int, record_index: int) -> RecordProofOut:
        """Prove that a record was captured, and that its entry is in the log.

        Args:
            session: any.
            capture_pk: number of the capture's row.
            record_index: the record's place in the capture, from 0.

        Raises:
            NotFoundError: there is no such record, or no checkpoint covers its entry yet (`log_entry_not_found`).
            MismatchError: the store's capture is not the one that was sealed.
        """
        row = session.get(CaptureRow, capture_pk)
        if row is None or not 0 <= record_index < row.record_count:
            raise NotFoundError("expected a record of a capture, got none with this index", code="capture_not_found")
        place, moment = _place(row)
        proof = self._log(session, row.stream_id).proof(place + record_index)
        entry = capture_entry(row, moment, record_index).canonical()
        if leaf_hash(entry).hex() != proof.leaf_hash:
            raise TransportError("expected the record's entry at its place, got another", code="log_damaged")
        capture = capture_records(self._services, row)
        return RecordProofOut(
            **proof.model_dump(),
            entry=entry.decode(),
            capture_id=row.capture_id,
            capture_cid=row.content_cid,
            record_index=record_index,
            record_count=row.record_count,
            records_root=json.loads(row.statement)["recordsRoot"].removeprefix("0x"),
            record_leaf_hash=capture.leaves[record_index].hex(),
            record_path=[item.hex() for item in capture.proof(record_index).path],
        )

    def at(self, session: Session, key: StreamKey, index: int) -> RecordProofOut:
        """The same, of the entry that stands at an index of a stream."""
        query = (
            select(CaptureRow.id, CaptureRow.first_index)
            .join(StreamRow, col(StreamRow.id) == col(CaptureRow.stream_id))
            .where(StreamRow.origin == self._services.streams.origin(key), col(CaptureRow.first_index) <= index)
            .order_by(col(CaptureRow.first_index).desc())
            .limit(1)
        )
        found = session.exec(query).first()
        if found is None or found[0] is None or found[1] is None:
            raise NotFoundError(f"expected an entry, got none at {index}", code="log_entry_not_found")
        return self.proof(session, found[0], index - found[1])

    def _log(self, session: Session, stream_id: int) -> LogReading:
        log = self._logs.get(stream_id)
        if log is None:
            log = self._logs[stream_id] = stream_log(
                self._services, stream_key(session.get_one(StreamRow, stream_id))
            ).fixed()
        return log


def _place(row: CaptureRow) -> tuple[int, datetime]:
    if row.first_index is None or row.sequenced_at is None:
        raise NotFoundError("expected a record with a place in the log, got one that waits", code="log_entry_not_found")
    return row.first_index, row.sequenced_at.astimezone(UTC)
