"""EPCIS documents read once, as a whole, into events that stand by themselves.

Pure: no clock, no network; resources of installed packages are read. Source: docs/supply.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from ledger.canonical import canonical_plain, canonical_record, parse_plain_record
from ledger.capture import MAX_RECORD_BYTES, MAX_RECORDS_BYTES
from ledger.errors import MalformedError
from ledger.supply.aggregation import cyclic_event
from ledger.supply.context import GS1_CONTEXT, EventContext, merged_context
from ledger.supply.event_hash import event_hash
from ledger.supply.refusal import DocumentError, DocumentFinding, pointer_of
from ledger.supply.schema import schema_findings
from ledger.supply.times import utc_milliseconds

__all__ = [
    "EVENT_TYPES",
    "MAX_DOCUMENT_BYTES",
    "MAX_EVENTS",
    "DocumentError",
    "DocumentFinding",
    "EpcisDocument",
    "EpcisEvent",
    "event_document",
    "query_document",
    "read_document",
    "read_event",
]

EVENT_TYPES: Final = ("ObjectEvent", "AggregationEvent", "TransactionEvent", "TransformationEvent", "AssociationEvent")
MAX_DOCUMENT_BYTES: Final = 16 << 20
MAX_EVENTS: Final = 10_000
_MAX_VALUES = 1_500_000
_MAX_FINDINGS = 20

_JSON: Final = frozenset({"application/ld+json", "application/json"})
_XML: Final = frozenset({"application/xml", "text/xml"})
_QUANTITIES: Final = ("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList")
_EVENT_LIST: Final = ("epcisBody", "eventList")


@dataclass(frozen=True, slots=True)
class EpcisEvent:
    """One event, by itself.

    Attributes:
        record: the event with an `@context` of its own (a list) and without `recordTime`.
        canonical: its RFC 8785 bytes, at most 65,536.
        hash_id: CBV 2.0 event hash id, `ni:///sha-256;<64 hex digits>?ver=CBV2.0`.
        pointer: where it stood in the document, RFC 6901.
    """

    record: Mapping[str, Any]
    canonical: bytes
    hash_id: str
    pointer: str

    @property
    def record_sha256(self) -> bytes:
        """SHA-256 of `canonical`, 32 bytes."""
        return sha256(self.canonical).digest()

    @property
    def is_declaration(self) -> bool:
        """Whether it declares an earlier event erroneous; its hash id is then that event's."""
        return "errorDeclaration" in self.record


@dataclass(frozen=True, slots=True)
class EpcisDocument:
    """What a document holds.

    Attributes:
        events: in its order, at least one.
        creation_date: `creationDate` as written; None for a bare event.
        media_type: what it was read as, `application/ld+json` or `application/xml`.
    """

    events: tuple[EpcisEvent, ...]
    creation_date: str | None
    media_type: str


def read_document(data: bytes, *, media_type: str | None = None, max_events: int = MAX_EVENTS) -> EpcisDocument:
    """Read and judge a document: an EPCISDocument with an event list, or one bare event.

    Args:
        data: JSON-LD or XML, at most `MAX_DOCUMENT_BYTES`.
        media_type: of a Content-Type, parameters ignored; None: told by the first character.
        max_events: how many are taken.

    Raises:
        DocumentError: anything is wrong; see docs/supply.md section 7 for the codes.
        NotFoundError: the schema is not installed.
    """
    if len(data) > MAX_DOCUMENT_BYTES:
        raise _refusal("", "too_large", f"expected at most {MAX_DOCUMENT_BYTES} bytes, got {len(data)}")
    kind = _kind(data, media_type)
    if kind == "application/xml":
        from ledger.supply.xml_reader import read_xml

        source = _Source(read_xml(data, max_events=max_events), canonical_record, None)
    else:
        if data.count(b",") + data.count(b"[") + data.count(b"{") > _MAX_VALUES:
            raise _refusal("", "too_large", f"expected at most {_MAX_VALUES} values, got more")
        try:
            document, is_plain = parse_plain_record(data)
        except MalformedError as error:
            raise _refusal("", error.code, str(error)) from error
        source = _Source(document, canonical_plain if is_plain else canonical_record, _context_names(data))
    return _read(source, kind, max_events)


def read_event(data: bytes, *, media_type: str | None = None) -> EpcisEvent:
    """Read one bare event; arguments and errors as for `read_document`."""
    document = read_document(data, media_type=media_type, max_events=1)
    if document.events[0].pointer:
        raise _refusal("/type", "event_type", "expected a bare event, got a document")
    return document.events[0]


def event_document(events: Iterable[Mapping[str, Any]], *, creation_date: str) -> dict[str, Any]:
    """Put records together as an EPCISDocument that reads back as the same records.

    Args:
        events: records, each with its `@context`; `recordTime` may be in them.
        creation_date: RFC 3339.
    """
    context, listed = _shared_context(list(events))
    return {
        "@context": context,
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": creation_date,
        "epcisBody": {"eventList": listed},
    }


def query_document(events: Iterable[Mapping[str, Any]], *, creation_date: str, query_name: str) -> dict[str, Any]:
    """Put records together as the EPCISQueryDocument that answers a query; arguments as for `event_document`."""
    context, listed = _shared_context(list(events))
    return {
        "@context": context,
        "type": "EPCISQueryDocument",
        "schemaVersion": "2.0",
        "creationDate": creation_date,
        "epcisBody": {"queryResults": {"queryName": query_name, "resultsBody": {"eventList": listed}}},
    }


def _refusal(pointer: str, code: str, text: str) -> DocumentError:
    return DocumentError([DocumentFinding(pointer, code, text)])


def _kind(data: bytes, media_type: str | None) -> str:
    if media_type is None:
        start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
        return "application/xml" if start[:1] == b"<" or data[:2] in (b"\xff\xfe", b"\xfe\xff") else _LD_JSON
    name = media_type.partition(";")[0].strip().lower()
    if name in _XML:
        return "application/xml"
    if name not in _JSON:
        raise _refusal("", "media_type", f"expected JSON-LD or XML, got {name[:80]!r}")
    return _LD_JSON


_LD_JSON: Final = "application/ld+json"


@dataclass(frozen=True, slots=True)
class _Source:
    """What was parsed, and what is known of it without looking through it again.

    Attributes:
        document: JSON.
        write: makes canonical bytes of its parts.
        context_names: how often a context may be named in it, at most; None: not known.
    """

    document: Any
    write: Callable[[Any], bytes]
    context_names: int | None


def _context_names(data: bytes) -> int | None:
    # An escape may spell the name too.
    return None if b"\\u" in data or b'"@xmlns' in data else data.count(b'"@context"')


def _read(source: _Source, media_type: str, max_events: int) -> EpcisDocument:
    document = source.document
    if not isinstance(document, dict):
        raise _refusal("", "schema_type", f"expected an object, got {type(document).__name__}")
    bare = document.get("type") in EVENT_TYPES
    events = [document] if bare else _listed(document, max_events)
    found = _unknown_types(events, bare=bare) or schema_findings(document)
    if found:
        raise DocumentError(found)
    outer = None if bare else document["@context"]
    # Where every event brings a context, the document's alone need not be one.
    own = bare or all("@context" in event for event in events)
    context = None if own else merged_context((outer, "/@context"))
    named = sum(["@context" in event for event in events]) + (outer is not None)
    may_nest = source.context_names != named
    newest: tuple[Any, EventContext] | None = None  # neighbours mostly bring the same context
    made: list[EpcisEvent] = []
    findings: list[DocumentFinding] = []
    total = 0
    for index, event in enumerate(events):
        pointer = "" if bare else f"/epcisBody/eventList/{index}"
        try:
            inner = event.get("@context")
            if inner is not None or context is None:
                if newest is None or newest[0] != inner:
                    newest = inner, merged_context((outer, "/@context"), (inner, f"{pointer}/@context"))
                made.append(_event(event, newest[1], pointer, source.write, may_nest=may_nest))
            else:
                made.append(_event(event, context, pointer, source.write, may_nest=may_nest))
            total += len(made[-1].canonical) + 1
        except DocumentError as error:
            findings += error.findings
            if len(findings) >= _MAX_FINDINGS:
                break
        if total > MAX_RECORDS_BYTES:  # the document's context is in every record
            text = f"expected events of at most {MAX_RECORDS_BYTES} bytes in all as records, got more"
            raise _refusal(pointer, "too_large", text)
    if findings:
        raise DocumentError(findings[:_MAX_FINDINGS])
    _refuse_twins(made)
    cyclic = cyclic_event(events)
    if cyclic is not None:
        text = "expected a parent that is not within itself, got a cycle of aggregations"
        raise _refusal(f"{made[cyclic].pointer}/parentID", "aggregation_cycle", text)
    return EpcisDocument(tuple(made), document.get("creationDate"), media_type)


def _listed(document: Mapping[str, Any], max_events: int) -> list[Any]:
    """The events of a document, which the schema has not seen yet."""
    kind = document.get("type")
    if kind != "EPCISDocument":
        if kind == "EPCISQueryDocument":
            text = "expected an EPCISDocument or an event, got a query's answer: report its events in an EPCISDocument"
            raise _refusal("/type", "document_type", text)
        if kind == "EPCISMasterDataDocument" or "epcisBody" in document or kind is None:
            raise _refusal("/type", "document_type", "expected an EPCISDocument or an event, got something else")
        raise _refusal("/type", "event_type", f"expected one of {', '.join(EVENT_TYPES)}, got {str(kind)[:80]!r}")
    inner: Any = document
    for name in _EVENT_LIST:
        inner = inner.get(name) if isinstance(inner, dict) else None
    if not isinstance(inner, list):
        return []  # the schema says what is wrong
    if len(inner) > max_events:
        text = f"expected at most {max_events} events, got {len(inner)}"
        raise _refusal(pointer_of(_EVENT_LIST), "too_many_events", text)
    if not inner:
        raise _refusal(pointer_of(_EVENT_LIST), "no_events", "expected at least one event, got none")
    return inner


def _unknown_types(events: Sequence[Any], *, bare: bool) -> list[DocumentFinding]:
    if bare:
        return []
    # By itself, since without a type the schema takes an event for one of every type.
    found = []
    for index, event in enumerate(events):
        kind = event.get("type") if isinstance(event, dict) else EVENT_TYPES[0]
        if kind not in EVENT_TYPES:
            code = "schema_required" if "type" not in event else "event_type"
            text = f"expected one of {', '.join(EVENT_TYPES)}, got {'none' if kind is None else 'another'}"
            found.append(DocumentFinding(pointer_of([*_EVENT_LIST, index, "type"]), code, text))
    return found[:_MAX_FINDINGS]


def _event(
    event: Mapping[str, Any], context: EventContext, pointer: str, write: Callable[[Any], bytes], *, may_nest: bool
) -> EpcisEvent:
    _check_event(event, pointer)
    if may_nest:
        _refuse_nested_context(event, pointer)
    record = {name: value for name, value in event.items() if name != "recordTime"}
    record["@context"] = list(context.members)
    canonical = write(record)
    if len(canonical) > MAX_RECORD_BYTES:
        text = f"expected an event of at most {MAX_RECORD_BYTES} bytes, got {len(canonical)}"
        raise _refusal(pointer, "record_too_large", text)
    try:
        hash_id = event_hash(event, context)
    except MalformedError as error:
        raise _refusal(pointer, error.code, str(error)) from error
    return EpcisEvent(record, canonical, hash_id, pointer)


def _check_event(event: Mapping[str, Any], pointer: str) -> None:
    """What the schema lets pass."""
    for name in ("eventTime", "recordTime"):
        if name in event:
            try:
                utc_milliseconds(event[name])
            except MalformedError as error:
                raise _refusal(f"{pointer}/{name}", error.code, str(error)) from error
    for name in _QUANTITIES:
        for index, element in enumerate(event.get(name, ())):
            if element.get("quantity", 0) < 0:
                text = "expected a quantity of zero or more, got a negative one"
                raise _refusal(f"{pointer}/{name}/{index}/quantity", "quantity_negative", text)


def _refuse_nested_context(event: Mapping[str, Any], pointer: str) -> None:
    for name, value in event.items():
        kind = type(value)
        if (kind is dict or kind is list) and name != "@context":
            place = _forbidden(value)
            if place is not None:
                text = "expected no @context or @xmlns below an event, got one"
                raise _refusal(pointer + pointer_of([name, *place]), "context_nested", text)


def _forbidden(value: Any) -> list[str | int] | None:
    if type(value) is dict:
        for name, member in value.items():
            if name[:1] == "@" and (name == "@context" or name.startswith("@xmlns")):
                return [name]
            if type(member) in (dict, list):
                place = _forbidden(member)
                if place is not None:
                    return [name, *place]
    else:
        for index, member in enumerate(value):
            if type(member) in (dict, list):
                place = _forbidden(member)
                if place is not None:
                    return [index, *place]
    return None


def _refuse_twins(events: Sequence[EpcisEvent]) -> None:
    """The same event twice, or two events under one eventID. A declaration repeats its event on purpose."""
    seen: dict[str, str] = {}
    for event in events:
        keys = [(event.record_sha256.hex(), "")] if event.is_declaration else [(event.hash_id, "")]
        if not event.is_declaration and "eventID" in event.record:
            keys.append((f"id {event.record['eventID']}", "/eventID"))
        for key, member in keys:
            if key in seen:
                text = f"expected each event once, got that at {seen[key] or 'the top'} again"
                raise _refusal(event.pointer + member, "duplicate_event", text)
            seen[key] = event.pointer


def _shared_context(events: Sequence[Mapping[str, Any]]) -> tuple[list[Any], list[dict[str, Any]]]:
    """Lift what every event's context begins with; the rest stays with the event."""
    contexts = [list(event["@context"]) for event in events]
    shared = contexts[0] if contexts else [GS1_CONTEXT]
    for context in contexts:
        length = 0
        while length < min(len(shared), len(context)) and shared[length] == context[length]:
            length += 1
        shared = shared[:length]
    listed = []
    for event, context in zip(events, contexts, strict=True):
        own = {name: value for name, value in event.items() if name != "@context"}
        rest = context[len(shared) :]
        listed.append({"@context": rest, **own} if rest else own)
    return shared, listed
