"""Capturing events: read, compared with what is there, sealed, kept whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import or_, select, text
from sqlmodel import Session, col

from archive_api.errors import ConflictError, MalformedError, TooLargeError
from archive_api.services import Services
from archive_api.streams.captures import Captures, NewRecord
from archive_api.streams.keys import StreamKey
from archive_api.streams.models import CaptureRow, StreamRow
from archive_api.submissions.schemas import SealValue
from archive_api.supply.aggregation import refuse_cycles
from archive_api.supply.exceptions import CAPTURE_EVENTS
from archive_api.supply.models import SupplyEvent
from archive_api.supply.parameters import microseconds
from archive_api.supply.rows import (
    EVENT_COLUMNS,
    MENTION_COLUMNS,
    NewEvent,
    event_rows,
    mention_rows,
    new_event,
)
from archive_api.supply.writing import AlreadyThereError, insert_rows
from ledger import fields
from ledger.canonical import parse_canonical
from ledger.errors import MalformedError as CoreMalformedError
from ledger.supply.document import DocumentError, EpcisEvent, read_document, read_event
from ledger.supply.profile import check_profile, kind_of
from ledger.supply.terms import KINDS_OF_STREAM

__all__ = ["CaptureService", "read_seal"]

_SHOWN: Final = 50
_BATCH: Final = 500
_MAX_SEAL_CHARACTERS: Final = 24_000
# What has no place in a document at all, rather than being wrong in it.
_TOO_MANY: Final = frozenset({"too_many_events", "too_large"})


@dataclass(frozen=True, slots=True)
class _Known:
    event: NewEvent
    event_id: str


def read_seal(header: str | None) -> SealValue:
    """Read the header `Yunshang-Capture-Seal`: base64 of canonical JSON `{"certificate","signature","signing_time"}`.

    Raises:
        MalformedError: there is none (code `seal_missing`), or it is another (`seal_malformed`).
    """
    if header is None:
        raise MalformedError(
            "expected the reporter's seal in the header Yunshang-Capture-Seal, got none", code="seal_missing"
        )
    if len(header) > _MAX_SEAL_CHARACTERS:
        raise MalformedError("expected a seal, got more than one has", code="seal_malformed")
    try:
        value = parse_canonical(fields.base64_bytes(header, "Yunshang-Capture-Seal"))
        members = fields.members(value, ("certificate", "signature", "signing_time"), "Yunshang-Capture-Seal")
        return SealValue(**{name: fields.text(member, name) for name, member in members.items()})
    except CoreMalformedError as error:
        raise MalformedError(
            f"expected base64 of canonical JSON with certificate, signature and signing_time, got: {error}",
            code="seal_malformed",
        ) from error


class CaptureService:
    """Captures into one stream.

    Args:
        services: the server's.
        key: the stream.
    """

    def __init__(self, services: Services, key: StreamKey) -> None:
        self._services = services
        self._key = key

    def document(self, data: bytes, media_type: str, seal: SealValue, *, sent_by: str) -> CaptureRow:
        """Capture a document.

        Args:
            data: EPCISDocument or EPCISQueryDocument.
            media_type: `application/json` or `application/xml`.
            seal: over its records.
            sent_by: id of the person who sends it.

        Raises:
            MalformedError: the document breaks a rule; `values["findings"]` says which and where.
            ConflictError: an event is known already (code `event_known`).
            TooLargeError: too many events.
            LedgerError, ApiError: as `Captures.capture`.
        """
        try:
            events = read_document(data, media_type=media_type, max_events=CAPTURE_EVENTS).events
        except DocumentError as error:
            raise _refused(error) from error
        return self._capture(events, seal, sent_by=sent_by)

    def event(self, data: bytes, media_type: str, seal: SealValue, *, sent_by: str) -> tuple[CaptureRow, str]:
        """Capture one event; returns the capture and the id that the event is found by.

        Args, Raises: as `document`.
        """
        try:
            event = read_event(data, media_type=media_type)
        except DocumentError as error:
            raise _refused(error) from error
        row = self._capture((event,), seal, sent_by=sent_by)
        given = event.record.get("eventID")
        return row, given if isinstance(given, str) else event.hash_id

    def _capture(self, events: Sequence[EpcisEvent], seal: SealValue, *, sent_by: str) -> CaptureRow:
        new = [self._read(event) for event in events]
        with self._services.database.reading() as session:
            stream_id = self._stream_id(session)
            self._refuse_known(session, stream_id, new)
            refuse_cycles(session, stream_id, new)
        records = [NewRecord(event.canonical, event.hash_id) for event in events]
        try:
            return Captures(self._services).capture(
                self._key, records, seal, sent_by=sent_by, write=lambda session, row: self._write(session, row, new)
            )
        except AlreadyThereError:
            with self._services.database.reading() as session:
                self._refuse_known(session, self._stream_id(session), new)
            raise ConflictError(
                "expected events that are not known yet, got one that another capture brings", code="event_known"
            ) from None

    def _read(self, event: EpcisEvent) -> NewEvent:
        try:
            kind = kind_of(event.record)
            if kind is not None and kind not in KINDS_OF_STREAM[self._key.name]:
                raise CoreMalformedError(
                    f"expected events of the stream {self._key.name}, got a {kind}",
                    code="stream_mismatch",
                    where="/bizStep",
                )
            check_profile(event.record)
            return new_event(event, kind)
        except CoreMalformedError as error:
            finding = {"pointer": event.pointer + error.where, "code": error.code, "text": str(error)}
            raise MalformedError(str(error), code=error.code, findings=[finding]) from error

    def _stream_id(self, session: Session) -> int:
        origin = self._services.streams.origin(self._key)
        found = session.scalar(select(col(StreamRow.id)).where(col(StreamRow.origin) == origin))
        return 0 if found is None else found

    def _refuse_known(self, session: Session, stream_id: int, new: Sequence[NewEvent]) -> None:
        """Refuse what is captured already; what comes twice in one document is refused when it is read."""
        known: list[_Known] = []
        by_identity = {item.identity: item for item in new}
        by_key = {item.event_key: item for item in new if item.event_key is not None}
        columns = (col(SupplyEvent.identity), col(SupplyEvent.event_key))
        identities, keys = list(by_identity), list(by_key)
        for first in range(0, len(new), _BATCH):
            wanted = identities[first : first + _BATCH], keys[first : first + _BATCH]
            condition = or_(columns[0].in_(wanted[0]), columns[1].in_(wanted[1]))
            query = select(*columns).where(col(SupplyEvent.stream_id) == stream_id, condition)
            for identity, key in session.execute(query):
                item = by_identity.get(identity) or by_key[key]
                known.append(_Known(item, key or item.event.hash_id))
        if known:
            raise ConflictError(
                f"expected events that are not known yet, got {len(known)} that are, first {known[0].event_id[:200]}",
                code="event_known",
                events=[
                    {
                        "event_id": item.event_id,
                        "hash_id": item.event.event.hash_id,
                        "pointer": item.event.event.pointer,
                    }
                    for item in known[:_SHOWN]
                ],
                count=len(known),
            )

    def _write(self, session: Session, row: CaptureRow, new: Sequence[NewEvent]) -> None:
        if row.id is None:
            raise TypeError("expected a capture with a number, got none")
        contains = any(item.event.record.get("type") in ("AggregationEvent", "AssociationEvent") for item in new)
        if contains:
            self._lock(session, row.stream_id)
            refuse_cycles(session, row.stream_id, new)
        place = {"capture_pk": row.id, "stream_id": row.stream_id}
        time = microseconds(row.created_at)
        events = event_rows(new, **place, record_time=time, reporter=row.reporter)
        insert_rows(session, "supply_events", EVENT_COLUMNS, events)
        insert_rows(session, "supply_mentions", MENTION_COLUMNS, mention_rows(new, **place))

    def _lock(self, session: Session, stream_id: int) -> None:
        """Let no other capture of the stream say what contains what meanwhile; SQLite has one writer anyway."""
        if session.connection().dialect.name == "postgresql":
            session.execute(text("SELECT pg_advisory_xact_lock(1937075312, :stream)"), {"stream": stream_id})


def _refused(error: DocumentError) -> MalformedError | TooLargeError:
    findings: list[Mapping[str, Any]] = [
        {"pointer": item.pointer, "code": item.code, "text": item.text} for item in error.findings[:_SHOWN]
    ]
    if error.code in _TOO_MANY:
        return TooLargeError(str(error), code=error.code, findings=findings)
    return MalformedError(str(error), code=error.code, findings=findings)
