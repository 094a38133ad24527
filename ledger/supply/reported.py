"""An event with what is known of its report, and an amount of goods: what graph and findings work on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ledger.errors import MalformedError

__all__ = ["Goods", "ReportedEvent", "time_of"]


@dataclass(frozen=True, slots=True)
class ReportedEvent:
    """An event of a stream with who reported it.

    Attributes:
        record: the self-contained event.
        hash_id: its CBV event hash id, `ni:///sha-256;…?ver=CBV2.0`; an error declaration has that of the event it
            declares wrong.
        record_sha256: of the canonical record, 64 hex digits.
        reporter: organisation code of the seal.
        certificate_valid: whether the reporter's certificate was valid when it sealed; None: not known.
        stream: `supply` or `funds`.
        index: place in the stream's log; None: not known.
        event_time: when it happened as the event says, UTC.
        recorded_time: when the log took it, UTC; None: not known.
    """

    record: Mapping[str, Any]
    hash_id: str
    record_sha256: str
    reporter: str
    certificate_valid: bool | None
    stream: str
    index: int | None
    event_time: datetime
    recorded_time: datetime | None = None

    @property
    def is_declaration(self) -> bool:
        """Whether it declares an event wrong."""
        return "errorDeclaration" in self.record

    @property
    def event_id(self) -> str | None:
        """The `eventID` given, or None."""
        return self.record.get("eventID")


@dataclass(frozen=True, slots=True)
class Goods:
    """How much of what.

    Attributes:
        thing: EPC, lot or class.
        quantity: above zero; None: the event does not say.
        unit: UN/ECE code; empty: pieces.
    """

    thing: str
    quantity: Decimal | None
    unit: str


def time_of(value: Any, where: str = "/eventTime") -> datetime:
    """Read a time of an event.

    Args:
        value: ISO 8601 text with a time zone, such as an `eventTime`.
        where: place for the error text.

    Returns:
        The time in UTC.

    Raises:
        MalformedError: another form, or no time zone (code `event_time`).
    """
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise MalformedError(f"expected a time with zone, got {value!r:.60}", code="event_time", where=where) from error
    if found.tzinfo is None:
        raise MalformedError(f"expected a time with zone, got {value!r:.60}", code="event_time", where=where)
    return found.astimezone(UTC)
