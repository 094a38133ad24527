"""The end of the link in a process that answers requests: hands over what must be recorded, and waits for the answer.

(1) What is handed over while nobody writes the logs is refused at once: the access is not given. But an act is done
    before its entry is written, so its entry waits for whoever writes next, as in (2).
(2) What was handed over and not answered when the connection broke stays here, is handed over again to whoever writes
    next, and is written once (`log_link.server`). Whoever waits for it waits so long; then the access is not given, and
    its entry is still written: an act may be done by then.
(3) A writer that has the connection and does not say how it stands is taken for dead, and connected to anew.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import queue
import select
import socket
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from archive_api.access_log.events import Outcome
from archive_api.access_log.prepared import PreparedAccess
from archive_api.errors import MalformedError, TransportError
from archive_api.log_link.frames import FORMAT, LogState, frame, read_frame, short_name
from ledger.errors import LedgerError
from ledger.errors import MalformedError as MalformedFrameError
from ledger.log.promise import Promise

__all__ = ["LogLink"]

_LOG = logging.getLogger(__name__)
_AGAIN_SECONDS: Final = 0.2
_TICK_SECONDS: Final = 0.1
_STATE_SECONDS: Final = 0.5
_SILENT_SECONDS: Final = 10.0
_SEND_SECONDS: Final = 10.0
_RECORD_SECONDS: Final = 10.0
_TASK_SECONDS: Final = 35.0
_UNANSWERED: Final = 8_192
_CLOSE_SECONDS: Final = 5.0


@dataclass(slots=True, eq=False)
class _Call:
    """A question that was not answered yet; `access` where it must not be lost."""

    number: int
    document: dict[str, Any]
    deadline: float
    access: PreparedAccess | None = None
    done: Future[Any] = field(default_factory=Future)

    def __post_init__(self) -> None:
        self.done.set_running_or_notify_cancel()

    def fail(self, error: Exception) -> None:
        """Have whoever waits go on without an answer."""
        if not self.done.done():
            self.done.set_exception(error)


class LogLink:
    """A connection to the process that writes the logs of a home, made again whenever it breaks. For all threads.

    Args:
        path: of the socket.
        origin: the access log's origin line: what answers there must be of the same log.
        record_seconds: how long an access waits for its entry.
    """

    def __init__(self, path: Path, *, origin: str, record_seconds: float = _RECORD_SECONDS) -> None:
        self._path = path
        self._origin = origin
        self._record_seconds = record_seconds
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._calls: dict[int, _Call] = {}
        self._outgoing: queue.SimpleQueue[bytes | None] | None = None
        self._state: LogState | None = None
        self._state_at = 0.0
        self._asked_at = 0.0
        self._stopping = threading.Event()
        self._first = threading.Event()
        self._thread: threading.Thread | None = None
        self._trouble = "nobody writes the logs"

    def start(self) -> None:
        """Start to connect, and wait for the first connection a moment; without one it is tried for ever."""
        self._thread = threading.Thread(target=self._run, name="log-link", daemon=True)
        self._thread.start()
        self._first.wait(_CLOSE_SECONDS)

    def close(self) -> None:
        """Wait a moment for what was handed over, and end."""
        deadline = time.monotonic() + _CLOSE_SECONDS
        while self._owed() and time.monotonic() < deadline and self._thread is not None:
            time.sleep(_TICK_SECONDS)
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        owed = self._owed()
        if owed:
            _LOG.critical("%d accesses were handed over and are in no log: nobody wrote it", owed)
        with self._lock:
            calls, self._calls = tuple(self._calls.values()), {}
        for call in calls:
            call.fail(_unwritable("the process ends"))

    @property
    def trouble(self) -> str | None:
        """Why the access log cannot be written, taken over or anchored at present; None: it can."""
        state = self._known()
        return self._trouble if state is None else state.trouble

    def require_writable(self) -> None:
        """Look whether an entry could be written now.

        Raises:
            TransportError: nobody writes the logs, or they cannot be written (code `log_unwritable`).
        """
        state = self._known()
        if state is None:
            raise _unwritable(self._trouble)
        if not state.is_writable:
            raise _unwritable("one in trouble")

    def streams(self) -> LogState:
        """How the streams of records stand.

        Raises:
            TransportError: nobody writes them, or some are in trouble (code `log_unusable`).
        """
        state = self._known()
        trouble = self._trouble if state is None else state.streams_trouble
        if state is None or trouble is not None:
            raise TransportError(f"expected streams that are written and anchored, got {trouble}", code="log_unusable")
        return state

    def record(self, access: PreparedAccess) -> Future[Promise]:
        """Hand an access over; the future is done once its entry is durable.

        Raises:
            TransportError: nobody writes the log at present (code `log_unwritable`).
        """
        document = {"op": "record", "access": access.to_json(), "again": False}
        return self._ask(document, seconds=self._record_seconds, access=access).done

    def publish(self) -> int:
        """Have a checkpoint made over everything recorded before the call; returns its size.

        Raises:
            TransportError: none came in time.
        """
        return int(self._ask({"op": "publish"}, seconds=_TASK_SECONDS).done.result())

    def drain(self) -> int:
        """Have clear text taken over into the catalogue; returns of how many entries.

        Raises:
            TransportError: it was not.
        """
        return int(self._ask({"op": "drain"}, seconds=_TASK_SECONDS).done.result())

    def wake(self) -> None:
        """Say that something was captured; where nobody hears it, it is found without."""
        outgoing = self._outgoing
        if outgoing is not None:
            outgoing.put(_WAKE)

    # Calls

    def _known(self) -> LogState | None:
        with self._lock:
            return self._state if self._outgoing is not None else None

    def _owed(self) -> int:
        with self._lock:
            return sum(call.access is not None for call in self._calls.values())

    def _ask(self, document: dict[str, Any], *, seconds: float, access: PreparedAccess | None = None) -> _Call:
        call = _Call(next(self._numbers), document, time.monotonic() + seconds, access)
        data = frame({"id": call.number, **document})
        with self._lock:
            is_away = self._outgoing is None or self._stopping.is_set()
            if is_away and (access is None or not _is_act(access)):
                raise _unwritable(self._trouble)  # (1)
            if len(self._calls) >= _UNANSWERED:
                raise _unwritable(f"{_UNANSWERED} accesses that it has not answered")
            self._calls[call.number] = call
            if self._outgoing is not None:
                self._outgoing.put(data)
        return call

    def _answered(self, document: dict[str, Any]) -> None:
        number = document.get("id")
        with self._lock:
            call = self._calls.pop(number, None) if isinstance(number, int) else None
        if call is None:
            return
        if "refusal" in document:
            call.fail(_refused(document["refusal"]))
        elif call.document["op"] == "state":
            with self._lock:
                self._state, self._state_at = LogState.from_json(document.get("state")), time.monotonic()
            self._first.set()
        elif call.done.done():
            _LOG.info("an access was written after whoever asked for it had gone")
        else:
            is_record = call.access is not None
            call.done.set_result(Promise.from_text(document["promise"]) if is_record else int(document["count"]))

    def _expire(self) -> None:
        now = time.monotonic()
        with self._lock:
            late = [call for call in self._calls.values() if call.deadline < now]
            for call in late:
                if call.access is None:  # (2) an access stays
                    del self._calls[call.number]
        for call in late:
            call.fail(_unwritable("one that does not answer"))

    # The connection

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._live()
            except (OSError, LedgerError, KeyError, TypeError, ValueError, AttributeError) as error:
                self._report(f"{type(error).__name__}: {error}")
            self._broken()
            self._expire()
            self._stopping.wait(_AGAIN_SECONDS)

    def _live(self) -> None:
        """One connection, from its beginning to its end."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_SEND_SECONDS)
            with short_name(self._path) as name:
                connection.connect(name)
            connection.sendall(frame({"id": 0, "op": "hello", "format": FORMAT, "origin": self._origin}))
            hello = read_frame(connection)
            if hello is None or (hello.get("format"), hello.get("origin")) != (FORMAT, self._origin):
                raise MalformedFrameError(f"expected {FORMAT} of {self._origin}, got another log")
            outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
            sender = threading.Thread(target=_send, args=(connection, outgoing), name="log-link-send", daemon=True)
            sender.start()
            try:
                self._begin(outgoing)
                while not self._stopping.is_set():
                    self._ask_state()
                    self._expire()
                    if select.select([connection], [], [], _TICK_SECONDS)[0]:
                        document = read_frame(connection)
                        if document is None:
                            raise ConnectionResetError("the process that writes the logs has ended")
                        self._answered(document)
            finally:
                with self._lock:
                    self._outgoing = None
                outgoing.put(None)
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                sender.join()

    def _begin(self, outgoing: queue.SimpleQueue[bytes | None]) -> None:
        """Hand over again what was not answered, before anything new."""
        with self._lock:
            for call in self._calls.values():
                outgoing.put(frame({"id": call.number, **call.document, "again": True}))
            state = _Call(next(self._numbers), {"op": "state"}, time.monotonic() + _SILENT_SECONDS)
            self._calls[state.number] = state
            outgoing.put(frame({"id": state.number, "op": "state"}))
            self._state, self._state_at, self._asked_at = None, time.monotonic(), time.monotonic()
            self._outgoing = outgoing
        _LOG.info("connected to the process that writes the logs")

    def _ask_state(self) -> None:
        now = time.monotonic()
        if now - self._state_at > _SILENT_SECONDS:  # (3)
            raise TimeoutError(f"it has not answered for {_SILENT_SECONDS:g} s")
        if now - self._asked_at >= _STATE_SECONDS:
            self._asked_at = now
            with contextlib.suppress(TransportError):
                self._ask({"op": "state"}, seconds=_SILENT_SECONDS)

    def _broken(self) -> None:
        with self._lock:
            self._outgoing, self._state = None, None
            gone = [call for call in self._calls.values() if call.access is None]
            for call in gone:
                del self._calls[call.number]
        for call in gone:
            call.fail(_unwritable(self._trouble))

    def _report(self, text: str) -> None:
        known = f"nobody writes the logs ({text})"
        if known != self._trouble:  # once, not five times a second
            _LOG.warning("log link: %s", text)
        self._trouble = known


_WAKE: Final = frame({"id": 0, "op": "wake"})


def _send(connection: socket.socket, outgoing: queue.SimpleQueue[bytes | None]) -> None:
    try:
        while (data := outgoing.get()) is not None:
            connection.sendall(data)
    except OSError:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)  # who reads sees the end


def _is_act(access: PreparedAccess) -> bool:
    event = access.event
    return event.outcome is Outcome.GRANTED and event.method not in (None, "GET", "HEAD")


def _unwritable(got: str) -> TransportError:
    return TransportError(f"expected a log that can be written, got {got}", code="log_unwritable")


def _refused(refusal: Any) -> Exception:
    text, code = str(refusal.get("text")), str(refusal.get("code"))
    if refusal.get("kind") == "malformed":
        return MalformedError(text, code=code)
    return TransportError(text, code=code)
