"""Capturing events: read, compared with what is there, sealed, kept whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import TextClause, select, text
from sqlmodel import Session, col

from archive_api.db.lists import among
from archive_api.errors import ConflictError, MalformedError, TooLargeError
from archive_api.outbox.repository import number
from archive_api.services import Services
from archive_api.streams.captures import Captures
from archive_api.streams.keys import StreamKey
from archive_api.streams.models import CaptureRow, StreamRow
from archive_api.submissions.schemas import SealValue
from archive_api.supply.aggregation import Containment, refuse_cycles
from archive_api.supply.judging import NewEvents, Refusal
from archive_api.supply.parameters import microseconds
from archive_api.supply.writing import AlreadyThereError, RowPlace, write_rows
from ledger import fields
from ledger.canonical import parse_canonical
from ledger.errors import MalformedError as CoreMalformedError

__all__ = ["CaptureService", "read_seal"]

_SHOWN: Final = 50
_MAX_SEAL_CHARACTERS: Final = 24_000
# What has no place in a document at all, rather than being wrong in it.
_TOO_MANY: Final = frozenset({"too_many_events", "too_large"})


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
            data: EPCISDocument.
            media_type: `application/json` or `application/xml`.
            seal: over its records.
            sent_by: id of the person who sends it.

        Raises:
            MalformedError: the document breaks a rule; `values["findings"]` says which and where.
            ConflictError: an event is known already (code `event_known`).
            TooLargeError: too many events.
            LedgerError, ApiError: as `Captures.capture`.
        """
        return self._capture(self._judged(data, media_type), seal, sent_by=sent_by)

    def event(self, data: bytes, media_type: str, seal: SealValue, *, sent_by: str) -> tuple[CaptureRow, str]:
        """Capture one event; returns the capture and the id that the event is found by.

        Args, Raises: as `document`.
        """
        events = self._judged(data, media_type, bare_event=True)
        return self._capture(events, seal, sent_by=sent_by), events.first_id

    def _judged(self, data: bytes, media_type: str, *, bare_event: bool = False) -> NewEvents:
        found = self._services.readers.read(data, media_type, self._key.name.value, bare_event=bare_event)
        if isinstance(found, Refusal):
            kind = TooLargeError if found.code in _TOO_MANY else MalformedError
            raise kind(found.text, code=found.code, findings=found.findings)
        return found

    def _capture(self, new: NewEvents, seal: SealValue, *, sent_by: str) -> CaptureRow:
        try:
            return Captures(self._services).capture(
                self._key, new.records, seal, sent_by=sent_by, write=lambda session, row: self._write(session, row, new)
            )
        except AlreadyThereError:
            raise self._known(new) from None

    def _known(self, new: NewEvents) -> ConflictError:
        """Which events are captured already; what comes twice in one document is refused when it is read."""
        named = [_Named(*item) for item in json.loads(new.named)]
        by_identity = {item.identity: item for item in named}
        by_key = {item.event_key: item for item in named if item.event_key is not None}
        with self._services.database.reading() as session:
            origin = self._services.streams.origin(self._key)
            stream_id = session.scalar(select(col(StreamRow.id)).where(col(StreamRow.origin) == origin)) or 0
            query, values = _known_query(session, stream_id, list(by_identity), list(by_key))
            known = [by_identity.get(identity) or by_key[key] for identity, key in session.execute(query, values)]
        if not known:
            return ConflictError(
                "expected events that are not known yet, got one that another capture brings", code="event_known"
            )
        return ConflictError(
            f"expected events that are not known yet, got {len(known)} that are, first {known[0].event_id[:200]}",
            code="event_known",
            events=[
                {"event_id": item.event_id, "hash_id": item.hash_id, "pointer": item.pointer} for item in known[:_SHOWN]
            ],
            count=len(known),
        )

    def _write(self, session: Session, row: CaptureRow, new: NewEvents) -> None:
        if new.contained:
            self._lock(session, row.stream_id)
            _refuse_cycles(session, row.stream_id, new.contained)
        place = RowPlace(number(row.id), row.stream_id, microseconds(row.created_at), row.reporter)
        write_rows(session, new.rows, place)

    def _lock(self, session: Session, stream_id: int) -> None:
        """Let no other capture of the stream say what contains what meanwhile; SQLite has one writer anyway."""
        if session.connection().dialect.name == "postgresql":
            session.execute(text("SELECT pg_advisory_xact_lock(1937075312, :stream)"), {"stream": stream_id})


class _Named(NamedTuple):
    """An event of `NewEvents.named`."""

    identity: str
    event_key: str | None
    event_id: str
    hash_id: str
    pointer: str


def _known_query(
    session: Session, stream_id: int, identities: list[str], keys: list[str]
) -> tuple[TextClause, dict[str, Any]]:
    """One query for what is known of many events; two selects, since with OR SQLite would walk the whole stream."""
    identity, identity_values = among(session, "identities", identities)
    key, key_values = among(session, "keys", keys)
    select_ = "SELECT identity, event_key FROM supply_events WHERE stream_id = :stream AND"
    query = f"{select_} identity {identity} UNION {select_} event_key {key}"
    return text(query), {"stream": stream_id, "identities": identity_values, "keys": key_values}


def _refuse_cycles(session: Session, stream_id: int, contained: Sequence[tuple[str, Containment]]) -> None:
    try:
        refuse_cycles(session, stream_id, contained)
    except CoreMalformedError as error:
        finding = {"pointer": error.where, "code": error.code, "text": str(error)}
        raise MalformedError(str(error), code=error.code, findings=[finding]) from error
