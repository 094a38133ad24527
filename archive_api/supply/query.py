"""A query of events: conditions that columns answer, conditions that records answer, an order and limits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func, or_, select, union_all
from sqlmodel import col

from archive_api.supply.matches import MATCHES, PATTERN, begin_of, match_check
from archive_api.supply.matching import Check, bare, record_check
from archive_api.supply.models import SupplyEvent, SupplyMention
from archive_api.supply.parameters import refuse_parameter
from ledger.errors import MalformedError

__all__ = ["EventQuery", "hash_of", "known_as"]

_ACTIONS: Final = frozenset({"ADD", "OBSERVE", "DELETE"})
_COLUMNS: Final[Mapping[str, Any]] = {
    "eventType": SupplyEvent.type,
    "EQ_action": SupplyEvent.action,
    "EQ_bizStep": SupplyEvent.biz_step,
    "EQ_disposition": SupplyEvent.disposition,
    "EQ_readPoint": SupplyEvent.read_point,
    "WD_readPoint": SupplyEvent.read_point,  # no master data is kept that would name descendants
    "EQ_bizLocation": SupplyEvent.biz_location,
    "WD_bizLocation": SupplyEvent.biz_location,
}
_TIMES: Final[Mapping[str, Any]] = {"eventTime": SupplyEvent.event_time, "recordTime": SupplyEvent.record_time}
_DECLARING: Final = ("errorReason", "correctiveEventID", "errorDeclarationTime", "errorDeclaration_Time")
_MAX_PATTERNS: Final = 10
"""Of one parameter: no index answers them, so each is compared with everything that is mentioned."""
_HASH_BEGIN: Final = "ni:///sha-256;"
_HASH_END: Final = "?ver=CBV2.0"


@dataclass(frozen=True, slots=True)
class EventQuery:
    """What is asked for.

    Attributes:
        conditions: on `SupplyEvent`; all have to hold.
        mentioned: kinds of mentions with things of which one has to be mentioned so; all have to hold.
        event_ids: eventIDs or hash ids of which one has to be the event's; empty: any.
        checks: on records that hold them.
        order_by: `event_time`, `record_time`, or None: the order of capture.
        is_descending: newest first.
        count_limit: only so many, or None.
        max_count: refused where there are more, or None.
        fingerprint: tells this query from every other, for page tokens.
    """

    conditions: tuple[ColumnElement[bool], ...]
    mentioned: tuple[tuple[frozenset[str], tuple[str, ...]], ...]
    event_ids: tuple[str, ...]
    checks: tuple[Check, ...]
    order_by: str | None
    is_descending: bool
    count_limit: int | None
    max_count: int | None
    fingerprint: str

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> EventQuery:
        """Make a query of parameters.

        Args:
            parameters: as `parameters.from_address` and `from_json` give them.

        Raises:
            MalformedError: a value that none has, or parameters that exclude each other (code `query_parameter`).
        """
        conditions: list[ColumnElement[bool]] = []
        mentioned: list[tuple[frozenset[str], tuple[str, ...]]] = []
        event_ids: tuple[str, ...] = ()
        checks: list[Check] = []
        for name, value in parameters.items():
            if name in ("orderBy", "orderDirection", "eventCountLimit", "maxEventCount"):
                continue
            check = record_check(name, value)
            if check is not None:
                checks.append(check)
                if name.partition("_")[2] in _DECLARING:
                    conditions.append(col(SupplyEvent.declares).is_not(None))
            elif name == "EQ_eventID":
                event_ids = tuple(value)
            elif name in MATCHES:
                mentioned.append((MATCHES[name].kinds, _few_patterns(name, value)))
                if (exactly := match_check(name, value)) is not None:
                    checks.append(exactly)
            else:
                conditions += _conditions(name, value)
        order_by = parameters.get("orderBy")
        _require_order(parameters)
        return cls(
            tuple(conditions),
            tuple(mentioned),
            event_ids,
            tuple(checks),
            {"eventTime": "event_time", "recordTime": "record_time", None: None}[order_by],
            order_by is not None and parameters.get("orderDirection", "DESC") == "DESC",
            parameters.get("eventCountLimit"),
            parameters.get("maxEventCount"),
            hashlib.sha256(json.dumps(dict(parameters), sort_keys=True).encode()).hexdigest()[:32],
        )

    def where(self, stream_id: int) -> list[ColumnElement[bool]]:
        """The conditions on events of one stream."""
        found: list[ColumnElement[bool]] = []
        for kinds, things in self.mentioned:
            named = select(col(SupplyMention.event_id)).where(
                col(SupplyMention.stream_id) == stream_id, col(SupplyMention.kind).in_(sorted(kinds)), _any_of(things)
            )
            found.append(col(SupplyEvent.id).in_(named))
        if self.event_ids:
            found.append(known_as(stream_id, self.event_ids))
        if not found:
            # Else it is said already, and saying it again would have SQLite walk through the whole stream.
            found.append(col(SupplyEvent.stream_id) == stream_id)
        return [*found, *self.conditions]


def hash_of(event_id: str) -> str | None:
    """The hex digits of a CBV hash id; None for another id."""
    digits = event_id.removeprefix(_HASH_BEGIN).removesuffix(_HASH_END)
    is_hash = event_id == f"{_HASH_BEGIN}{digits}{_HASH_END}" and len(digits) == 64
    return digits if is_hash and set(digits) <= set("0123456789abcdef") else None


def known_as(stream_id: int, event_ids: Collection[str]) -> ColumnElement[bool]:
    """Events of a stream that are known by one of some ids, eventID or hash id, and the declarations about them."""
    given = sorted(event_ids)
    names: list[ColumnElement[bool]] = [col(SupplyEvent.event_key).in_(given), col(SupplyEvent.declares).in_(given)]
    hashes = sorted(digits for digits in map(hash_of, given) if digits is not None)
    if hashes:
        names.append(col(SupplyEvent.identity).in_(hashes))
        names.append(and_(col(SupplyEvent.declares).is_not(None), col(SupplyEvent.event_hash).in_(hashes)))
    # One query for each index: with OR between them SQLite uses none.
    own = col(SupplyEvent.stream_id) == stream_id
    return col(SupplyEvent.id).in_(union_all(*(select(col(SupplyEvent.id)).where(own, name) for name in names)))


def _conditions(name: str, value: Any) -> list[ColumnElement[bool]]:
    if name in _COLUMNS:
        if name == "EQ_action" and not set(value) <= _ACTIONS:
            refuse_parameter(name, "ADD, OBSERVE or DELETE", value)
        return [col(_COLUMNS[name]).in_(sorted({bare(item) for item in value}))]
    if name == "EXISTS_errorDeclaration":
        return [col(SupplyEvent.declares).is_not(None)] if value else []
    word, _, field = name.partition("_")
    if field in _TIMES:
        column = col(_TIMES[field])
        return [column >= value if word == "GE" else column < value]
    return refuse_parameter(name, "a parameter that is supported", "another one")


def _few_patterns(name: str, values: Collection[str]) -> tuple[str, ...]:
    wanted = tuple(sorted(set(values)))
    if sum(value.startswith(PATTERN) for value in wanted) > _MAX_PATTERNS:
        raise MalformedError(f"expected at most {_MAX_PATTERNS} patterns in {name}, got more", code="query_too_complex")
    return wanted


def _any_of(things: Collection[str]) -> ColumnElement[bool]:
    thing = col(SupplyMention.thing)
    patterns = [_pattern(value) for value in things if value.startswith(PATTERN)]
    return or_(thing.in_(things), *patterns)


def _pattern(value: str) -> ColumnElement[bool]:
    """EPCs that a pure identity pattern means. Source: EPC Tag Data Standard 2.0 section 8."""
    thing = col(SupplyMention.thing)
    text, is_begin = begin_of(value)
    # LIKE would read % and _ as signs of its own.
    return func.substr(thing, 1, len(text)) == text if is_begin else thing == text


def _require_order(parameters: Mapping[str, Any]) -> None:
    order_by = parameters.get("orderBy")
    if order_by not in (None, "eventTime", "recordTime"):
        refuse_parameter("orderBy", "eventTime or recordTime", order_by)
    if parameters.get("orderDirection", "DESC") not in ("ASC", "DESC"):
        refuse_parameter("orderDirection", "ASC or DESC", parameters["orderDirection"])
    if "orderDirection" in parameters and order_by is None:
        refuse_parameter("orderDirection", "it together with orderBy", "it alone")
    if "eventCountLimit" in parameters and order_by is None:
        refuse_parameter("eventCountLimit", "it together with orderBy", "it alone")
    if "eventCountLimit" in parameters and "maxEventCount" in parameters:
        refuse_parameter("maxEventCount", "it or eventCountLimit", "both")
