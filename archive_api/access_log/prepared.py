"""An event made ready for the log: checked, its personal data apart under a salt, before anybody writes it.

It can be handed from the process that answers a request to the one that writes the log. The salt is drawn once, so that
what is handed over twice is known by its commitment.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from archive_api.access_log.events import AccessEvent, Outcome
from archive_api.errors import MalformedError
from ledger import fields
from ledger.canonical import canonical_bytes
from ledger.log.access import SALT_BYTES, AccessEntry, ClearText, clear_commitment
from ledger.ports.log import LogRecord

__all__ = ["ClearNote", "PreparedAccess"]

_ACTION: Final = re.compile(r"[a-z0-9_.]{1,64}\Z")
_ID_LIMIT: Final = 256
_TEXT_LIMIT: Final = 4096
_DETAIL_LIMIT: Final = 48 << 10
_TIME_BYTES: Final = 8
_PLAIN: Final = ("object_kind", "unit_project_key", "method", "route")
_MEMBERS: Final = ("action", "clear", "detail", "object_id", "outcome", "salt", "status", *_PLAIN)


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


@dataclass(frozen=True, slots=True)
class PreparedAccess:
    """An event that can be written as an entry.

    Attributes:
        event: as given, its object's id in the form that entries have; its personal members are in `clear`.
        salt: 32 random bytes.
        clear: the personal members, canonical JSON.
        personal: the commitment that stands in the entry, 32 bytes; no other event has it.
    """

    event: AccessEvent
    salt: bytes
    clear: bytes
    personal: bytes

    @classmethod
    def of(cls, event: AccessEvent) -> PreparedAccess:
        """Check an event and draw its salt.

        Raises:
            MalformedError: it cannot be written as an entry.
        """
        _check(event)
        clear = ClearText(event.subject, _bounded(event.source), _bounded(event.search)).canonical()
        _check_clear(clear)
        object_id = _identifier(event.object_id)
        named = event if object_id == event.object_id else replace(event, object_id=object_id)
        salt = secrets.token_bytes(SALT_BYTES)
        return cls(named, salt, clear, clear_commitment(salt, clear))

    def record(self, time: datetime) -> LogRecord:
        """The entry of a time, with the note that the journal keeps."""
        event = self.event
        entry = AccessEntry(
            time,
            action=event.action,
            outcome=event.outcome.value,
            personal=self.personal,
            object_kind=event.object_kind,
            object_id=event.object_id,
            unit_project_key=event.unit_project_key,
            method=event.method,
            route=event.route,
            status=event.status,
            detail=event.detail,
        )
        return LogRecord(entry.canonical(), ClearNote(self.salt, int(time.timestamp()), self.clear).to_bytes())

    def to_json(self) -> dict[str, Any]:
        """The members that `from_json` reads."""
        event = self.event
        return {
            "action": event.action,
            "clear": self.clear.decode(),
            "detail": event.detail,
            "object_id": event.object_id,
            "outcome": event.outcome.value,
            "salt": self.salt.hex(),
            "status": event.status,
            **{name: getattr(event, name) for name in _PLAIN},
        }

    @classmethod
    def from_json(cls, value: Any) -> PreparedAccess:
        """Read what another process prepared, and check it again.

        Raises:
            MalformedError: of another form (`ledger.errors`, or ours).
        """
        read = fields.members(value, _MEMBERS, "access")
        clear = _text(read["clear"], "clear").encode()
        _check_clear(clear)
        told = ClearText.parse(clear)
        if not isinstance(read["detail"], dict):
            raise MalformedError("expected an object as detail, got something else")
        event = AccessEvent(
            _text(read["action"], "action"),
            Outcome(fields.one_of(read["outcome"], tuple(Outcome), "access.outcome")),
            subject=told.subject,
            source=told.source,
            search=told.search,
            object_id=_text_or_none(read["object_id"], "object_id"),
            status=None if read["status"] is None else fields.integer(read["status"], "access.status"),
            detail=read["detail"],
            **{name: _text_or_none(read[name], name) for name in _PLAIN},
        )
        _check(event)
        salt = fields.hex_bytes(read["salt"], "access.salt", length=SALT_BYTES)
        return cls(event, salt, clear, clear_commitment(salt, clear))


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise MalformedError(f"expected a text as {name}, got something else")
    return value


def _text_or_none(value: Any, name: str) -> str | None:
    return None if value is None else _text(value, name)


def _check(event: AccessEvent) -> None:
    if not _ACTION.match(event.action) or not isinstance(event.outcome, Outcome):
        raise MalformedError("expected an action of a-z, 0-9, _ and dots, and an outcome, got others")
    if len(canonical_bytes(event.detail)) > _DETAIL_LIMIT:
        raise MalformedError(f"expected a detail of at most {_DETAIL_LIMIT} bytes, got more")
    for text in (event.object_kind, event.unit_project_key, event.method, event.route):
        if text is not None and len(text) > _ID_LIMIT:
            raise MalformedError(f"expected at most {_ID_LIMIT} characters, got {len(text)}")


def _check_clear(clear: bytes) -> None:
    if len(clear) > _DETAIL_LIMIT:
        raise MalformedError(f"expected a subject of at most {_DETAIL_LIMIT} bytes, got {len(clear)}")


def _identifier(text: str | None) -> str | None:
    """An id out of a request: one that is no id, being too long, must not keep the refusal from being recorded."""
    if text is None:
        return None
    data = text.encode("utf-8", "backslashreplace")
    return data.decode() if len(text) <= _ID_LIMIT else f"sha256:{sha256(data).hexdigest()}"


def _bounded(text: str | None) -> str | None:
    return text if text is None else text[:_TEXT_LIMIT].encode("utf-8", "backslashreplace").decode()
