"""Entries of the access log, `yunshang-access/v1`: who did what, with personal data as a salted hash only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from ledger import fields
from ledger.canonical import canonical_bytes, parse_canonical
from ledger.errors import MalformedError, MismatchError

__all__ = ["ACCESS_FORMAT", "ERASE_ACTION", "OUTCOMES", "SALT_BYTES", "AccessEntry", "ClearText", "clear_commitment"]

ACCESS_FORMAT: Final = "yunshang-access/v1"
ERASE_ACTION: Final = "log.erased"
"""Action of entries whose detail says which clear text was erased: `erased`, ranges with both ends."""
OUTCOMES: Final = ("granted", "denied", "failed")
SALT_BYTES: Final = 32
_MEMBERS: Final = (
    "action",
    "detail",
    "format",
    "method",
    "object_id",
    "object_kind",
    "outcome",
    "personal",
    "route",
    "status",
    "time",
    "unit_project_key",
)
_CLEAR: Final = ("search", "source", "subject")


@dataclass(frozen=True, slots=True)
class ClearText:
    """The personal data of one access, apart from the entry.

    Attributes:
        subject: who, as JSON members, or None.
        source: the address it came from, or None.
        search: the text searched for, or None.
    """

    subject: Mapping[str, Any] | None
    source: str | None = None
    search: str | None = None

    def canonical(self) -> bytes:
        """The canonical JSON that is hashed."""
        return canonical_bytes({"search": self.search, "source": self.source, "subject": self.subject})

    def commitment(self, salt: bytes) -> bytes:
        """SHA-256(salt ‖ canonical), 32 bytes.

        Args:
            salt: 32 random bytes, used for nothing else.
        """
        return clear_commitment(salt, self.canonical())

    @classmethod
    def parse(cls, data: bytes) -> ClearText:
        """Read what `canonical` wrote.

        Raises:
            MalformedError: of another form.
        """
        read = fields.members(parse_canonical(data), _CLEAR, "clear")
        subject = read["subject"]
        if subject is not None and not isinstance(subject, dict):
            raise MalformedError("expected an object or null, got something else", where="clear.subject")
        for name in ("source", "search"):
            if read[name] is not None and not isinstance(read[name], str):
                raise MalformedError("expected a text or null, got something else", where=f"clear.{name}")
        return cls(subject, read["source"], read["search"])


def clear_commitment(salt: bytes, clear: bytes) -> bytes:
    """SHA-256(salt ‖ clear text in canonical JSON), 32 bytes."""
    return sha256(salt + clear).digest()


@dataclass(frozen=True, slots=True)
class AccessEntry:
    """One entry. Source: docs/access-log.md.

    Attributes:
        time: aware UTC, whole seconds; never before the entry before it.
        action: what was done.
        outcome: one of `OUTCOMES`.
        personal: `ClearText.commitment`, 32 bytes.
        object_kind, object_id: what it was done to, or None.
        unit_project_key: 0x-hex of the project, or None.
        method, route: HTTP method and route template, or None.
        status: HTTP status, or None.
        detail: further JSON members.
    """

    time: datetime
    action: str = field(kw_only=True)
    outcome: str = field(kw_only=True)
    personal: bytes = field(kw_only=True)
    object_kind: str | None = field(default=None, kw_only=True)
    object_id: str | None = field(default=None, kw_only=True)
    unit_project_key: str | None = field(default=None, kw_only=True)
    method: str | None = field(default=None, kw_only=True)
    route: str | None = field(default=None, kw_only=True)
    status: int | None = field(default=None, kw_only=True)
    detail: Mapping[str, Any] = field(default_factory=dict, kw_only=True)

    def to_json(self) -> dict[str, Any]:
        """Return the members as they are hashed."""
        return {
            "action": self.action,
            "detail": self.detail,
            "format": ACCESS_FORMAT,
            "method": self.method,
            "object_id": self.object_id,
            "object_kind": self.object_kind,
            "outcome": self.outcome,
            "personal": self.personal.hex(),
            "route": self.route,
            "status": self.status,
            "time": fields.utc_text(self.time),
            "unit_project_key": self.unit_project_key,
        }

    def canonical(self) -> bytes:
        """Return the entry's bytes.

        Raises:
            MalformedError: a detail that canonical JSON does not have.
        """
        return canonical_bytes(self.to_json())

    @classmethod
    def parse(cls, data: bytes) -> AccessEntry:
        """Read an entry strictly.

        Raises:
            MalformedError: not canonical, or a member missing, unknown or of another form.
        """
        read = fields.members(parse_canonical(data), _MEMBERS, "entry")
        if read["format"] != ACCESS_FORMAT:
            raise MalformedError(f"expected {ACCESS_FORMAT}, got another format", where="entry.format")
        if not isinstance(read["detail"], dict):
            raise MalformedError("expected an object, got something else", where="entry.detail")
        for name in ("object_id", "object_kind", "unit_project_key", "method", "route"):
            if read[name] is not None and not isinstance(read[name], str):
                raise MalformedError("expected a text or null, got something else", where=f"entry.{name}")
        return cls(
            _time(read["time"]),
            action=fields.text(read["action"], "entry.action"),
            outcome=fields.one_of(read["outcome"], OUTCOMES, "entry.outcome"),
            personal=fields.hex_bytes(read["personal"], "entry.personal"),
            object_kind=read["object_kind"],
            object_id=read["object_id"],
            unit_project_key=read["unit_project_key"],
            method=read["method"],
            route=read["route"],
            status=fields.optional(read["status"], fields.integer, "entry.status"),
            detail=read["detail"],
        )

    def check_clear(self, salt: bytes, clear: bytes) -> None:
        """Check that a clear text is this entry's.

        Raises:
            MismatchError: it is another's (code `clear_text_mismatch`).
        """
        if clear_commitment(salt, clear) != self.personal:
            raise MismatchError("expected the clear text of the entry, got another", code="clear_text_mismatch")


@lru_cache(maxsize=1024)
def _known_time(text: str) -> datetime:
    return fields.utc_time(text, "entry.time")


def _time(value: Any) -> datetime:
    # Many entries are of one second.
    return _known_time(value) if isinstance(value, str) else fields.utc_time(value, "entry.time")
