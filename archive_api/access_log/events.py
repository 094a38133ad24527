"""What is recorded of an access, and the interface that records it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from archive_api.streams.reading import LogView
from ledger.log.checkpoint import Checkpoint
from ledger.log.promise import Promise

__all__ = ["ACCESS_STREAM", "PROMISE_HEADER", "AccessEvent", "AccessLog", "Outcome", "Promise", "PublishedLog"]

ACCESS_STREAM = "access"
PROMISE_HEADER = "Yunshang-Access-Promise"
"""Header that carries `Promise.to_text()`."""


class Outcome(StrEnum):
    """What came of an access."""

    GRANTED = "granted"
    DENIED = "denied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class AccessEvent:
    """One access.

    `subject`, `source` and `search` are personal: the entry holds only a salted hash of them, their clear text can be
    erased. Everything else stands in the entry for ever, so it MUST NOT name or describe a person or a document.

    Args:
        action: from the policy table, such as `document.download`; `[a-z0-9_.]`, at most 64 characters.
        outcome: what came of it.
        subject: who: JSON members such as `person_id`, `name`, `certificate_id`, `organisation`, `session_id`;
            `person_id` is what erasure looks for. None: nobody signed in.
        source: the address it came from, or None.
        search: the text that was searched for, or None.
        object_kind: such as `submission`, or None.
        object_id: its id as in the route; one longer than 256 characters is recorded as its SHA-256. None: no object.
        unit_project_key: 0x-hex of the project it belongs to, or None.
        method: HTTP method, or None for an act without a request.
        route: the route's template, never the path itself; None for an act without a request.
        status: HTTP status about to be answered, or None.
        detail: further JSON members without personal data, at most 48 KiB; no floats.
    """

    action: str
    outcome: Outcome
    subject: Mapping[str, Any] | None = field(default=None, kw_only=True)
    source: str | None = field(default=None, kw_only=True)
    search: str | None = field(default=None, kw_only=True)
    object_kind: str | None = field(default=None, kw_only=True)
    object_id: str | None = field(default=None, kw_only=True)
    unit_project_key: str | None = field(default=None, kw_only=True)
    method: str | None = field(default=None, kw_only=True)
    route: str | None = field(default=None, kw_only=True)
    status: int | None = field(default=None, kw_only=True)
    detail: Mapping[str, Any] = field(default_factory=dict, kw_only=True)


class PublishedLog(LogView, Protocol):
    """A log as far as it is published, and the wish that it be published up to now."""

    def publish(self) -> Checkpoint:
        """Wait until a checkpoint covers everything that was appended before the call.

        Raises:
            TransportError: none came in time.
        """
        ...


class AccessLog(Protocol):
    """Records accesses, from any thread: here, or in the process that writes the log."""

    @property
    def name(self) -> str:
        """The stream's name."""
        ...

    @property
    def writer(self) -> PublishedLog:
        """The log itself, for reading."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why the log cannot be written, taken over or anchored at present; None: it can."""
        ...

    def drain(self) -> int:
        """Have the clear text of new entries taken over into the catalogue; returns of how many.

        Raises:
            TransportError: it was not; it stays in the journal.
        """
        ...

    def close(self) -> None:
        """Write what is waiting, and let go of everything."""
        ...

    def submit(self, event: AccessEvent) -> Future[Promise]:
        """Queue an event; the future is done once the entry is durable.

        For coroutines: `await asyncio.wrap_future(access_log.submit(event))`. The future raises as `record` does.

        Raises:
            MalformedError: the event cannot be written as an entry (a mistake of the caller).
            TransportError: the log is closed or can no longer write; the access must not be given.
        """
        ...

    def require_writable(self) -> None:
        """Look whether an entry could be written now, before something is done that can't be undone without one.

        Raises:
            TransportError: the log is closed, or could not write last.
        """
        ...

    def record(self, event: AccessEvent) -> Promise:
        """Record an event and wait until the entry is durable. Not for the event loop: see `submit`.

        Returns:
            The log's signed promise; answer with it in the header `PROMISE_HEADER`.

        Raises:
            MalformedError: the event cannot be written as an entry.
            TransportError: it could not be made durable; the access must not be given.
        """
        ...
