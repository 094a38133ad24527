"""Reading and judging a document to be captured: everything about it that needs neither database nor seal.

It runs in a process of its own where a document is large (`readers`), so what goes in and out is plain.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from archive_api.streams.records import NewRecord, NewRecords, new_records
from archive_api.supply.aggregation import Containment, containment_of
from archive_api.supply.exceptions import CAPTURE_EVENTS
from archive_api.supply.matching import bare
from archive_api.supply.parameters import microseconds
from archive_api.supply.rows import EncodedRows, encode_rows
from ledger.errors import MalformedError
from ledger.supply.document import DocumentError, EpcisEvent, read_document, read_event
from ledger.supply.mentions import mentioned
from ledger.supply.profile import check_profile, kind_of
from ledger.supply.terms import KINDS_OF_STREAM
from ledger.supply.times import instant

__all__ = ["NewEvent", "NewEvents", "Refusal", "judge", "read_events"]

_SHOWN: Final = 50
_MAX_INDEXED_BYTES: Final = 2_000
"""What PostgreSQL can hold in an index, with room for what stands beside it."""


class NewEvent(NamedTuple):
    """An event about to be captured, read once.

    Attributes:
        canonical: the record's bytes.
        hash_id, event_hash: CBV hash id, and its hex digits.
        pointer: where it stood in its document.
        record_sha256: hex.
        identity, event_key, declares: see `SupplyEvent`.
        event_id: the eventID given, or the hash id.
        type, action, biz_step, disposition, read_point, biz_location: members, words in their bare form.
        event_time: µs since 1970.
        kind: of the construction profile, or None.
        mentioned: kind and thing of each mention.
        containment: what it says about what contains what, or None.
    """

    canonical: bytes
    hash_id: str
    event_hash: str
    pointer: str
    record_sha256: str
    identity: str
    event_key: str | None
    declares: str | None
    event_id: str
    type: str
    action: str | None
    event_time: int
    biz_step: str | None
    disposition: str | None
    read_point: str | None
    biz_location: str | None
    kind: str | None
    mentioned: tuple[tuple[str, str], ...]
    containment: Containment | None


class NewEvents(NamedTuple):
    """Events about to be captured together, ready to be written.

    A tuple of few large values: it crosses from the process that reads to the server, whose one interpreter has better
    things to do than to make thousands of small ones of it.

    Attributes:
        records: what is sealed and kept.
        rows: of events and mentions, as the catalogue takes them.
        named: JSON array with `[identity, event_key, event_id, hash_id, pointer]` of each, to tell of known ones.
        first_id: the id that the first one is found by.
        contained: pointer and value of each that says what contains what.
    """

    records: NewRecords
    rows: EncodedRows
    named: str
    first_id: str
    contained: tuple[tuple[str, Containment], ...]


class Refusal(NamedTuple):
    """Why a document is not captured.

    Attributes:
        text: English, "expected X, got Y".
        code: stable.
        findings: `pointer`, `code` and `text` of each thing that is wrong.
    """

    text: str
    code: str
    findings: list[dict[str, str]]


def judge(data: bytes, media_type: str, stream: str, *, bare_event: bool, copied: bool) -> NewEvents | Refusal:
    """Read and judge what is to be captured.

    Args:
        data: a document, or one event.
        media_type: `application/json` or `application/xml`.
        stream: that it is captured into.
        bare_event: one event is expected, not a document.
        copied: rows are for PostgreSQL's COPY (`rows.encode_rows`).
    """
    found = read_events(data, media_type, stream, bare_event=bare_event)
    if isinstance(found, Refusal):
        return found
    try:
        records = new_records([NewRecord(event.canonical, event.hash_id) for event in found])
    except MalformedError as error:
        return _refusal(error, "")
    return NewEvents(
        records,
        encode_rows(found, copied=copied),
        json.dumps([[item.identity, item.event_key, item.event_id, item.hash_id, item.pointer] for item in found]),
        found[0].event_id,
        tuple([(item.pointer, item.containment) for item in found if item.containment is not None]),
    )


def read_events(data: bytes, media_type: str, stream: str, *, bare_event: bool) -> Sequence[NewEvent] | Refusal:
    """Read the events of a document; arguments as `judge`."""
    try:
        if bare_event:
            events: tuple[EpcisEvent, ...] = (read_event(data, media_type=media_type),)
        else:
            events = read_document(data, media_type=media_type, max_events=CAPTURE_EVENTS).events
    except DocumentError as error:
        findings = [{"pointer": item.pointer, "code": item.code, "text": item.text} for item in error.findings[:_SHOWN]]
        return Refusal(str(error), error.code, findings)
    except MalformedError as error:
        return _refusal(error, "")
    found: list[NewEvent] = []
    for event in events:
        try:
            found.append(_new_event(event, stream))
        except MalformedError as error:
            return _refusal(error, event.pointer)
    return found


def _refusal(error: MalformedError, pointer: str) -> Refusal:
    finding = {"pointer": pointer + error.where, "code": error.code, "text": str(error)}
    return Refusal(str(error), error.code, [finding])


def _new_event(event: EpcisEvent, stream: str) -> NewEvent:
    record, hash_id = event.record, event.hash_id
    kind = kind_of(record)
    if kind is not None and kind not in KINDS_OF_STREAM[stream]:
        raise MalformedError(
            f"expected events of the stream {stream}, got a {kind.value}", code="stream_mismatch", where="/bizStep"
        )
    check_profile(record)
    digits, digest = hash_id[14:78], event.record_sha256.hex()
    given = record.get("eventID")
    is_declaration = event.is_declaration
    event_time = microseconds(instant(record["eventTime"]))
    named = mentioned(record)
    if len(event.canonical) > _MAX_INDEXED_BYTES or b"\\u0000" in event.canonical:
        _require_short(record, named)
    # A hash id as eventID that is not its event's own would keep the event that it belongs to out.
    is_key = given is not None and not is_declaration and (given == hash_id or not given.startswith("ni:"))
    return NewEvent(
        canonical=event.canonical,
        hash_id=hash_id,
        event_hash=digits,
        pointer=event.pointer,
        record_sha256=digest,
        identity=digest if is_declaration else digits,
        event_key=given if is_key else None,
        declares=(given or hash_id) if is_declaration else None,
        event_id=given or hash_id,
        type=record["type"],
        action=record.get("action"),
        event_time=event_time,
        biz_step=_word(record.get("bizStep")),
        disposition=_word(record.get("disposition")),
        read_point=_place(record.get("readPoint")),
        biz_location=_place(record.get("bizLocation")),
        kind=None if kind is None else kind.value,
        mentioned=named,
        containment=containment_of(record, event_time),
    )


def _word(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    return bare(value) if ":" in value else value


def _place(value: Any) -> str | None:
    found = value.get("id") if isinstance(value, dict) else value
    return found if isinstance(found, str) else None


def _require_short(record: Mapping[str, Any], mentioned: tuple[tuple[str, str], ...]) -> None:
    names = [(thing, "") for _, thing in mentioned]
    for member in ("eventID", "bizStep", "disposition"):
        names.append((record.get(member) or "", f"/{member}"))
    for member in ("readPoint", "bizLocation"):
        names.append((_place(record.get(member)) or "", f"/{member}/id"))
    for name, where in names:
        if len(name.encode()) > _MAX_INDEXED_BYTES or "\0" in name:
            raise MalformedError(
                f"expected names of at most {_MAX_INDEXED_BYTES} bytes without NUL, got {name[:80]!r}",
                code="name_too_long",
                where=where,
            )
