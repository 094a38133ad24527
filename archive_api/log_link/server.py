"""The end of the link in the process that writes the logs: takes what others hand over, and answers once it is durable.

What is handed over twice is written once. Whoever was not answered, since the process before this one was killed, hands
it over again; the commitment in the entry, under a salt drawn once, tells whether it was written already.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import socket
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from archive_api.access_log.prepared import PreparedAccess
from archive_api.access_log.streams import AccessStream
from archive_api.errors import ApiError, MalformedError, TransportError
from archive_api.log_link.frames import FORMAT, LogState, frame, read_frame, short_name
from archive_api.streams.registry import Streams
from archive_api.streams.server_log import entries_of
from ledger.errors import LedgerError
from ledger.errors import MalformedError as MalformedFrameError
from ledger.log.access import AccessEntry
from ledger.log.keys import LogSigner
from ledger.log.promise import Promise
from ledger.merkle import leaf_hash

__all__ = ["LogLinkServer", "RecentAccesses"]

_LOG = logging.getLogger(__name__)
_REMEMBERED: Final = 16_384
_CONNECTIONS: Final = 64
_UNANSWERED: Final = 8_192
_IDLE_SECONDS: Final = 30.0
_SLOW_TASKS: Final = 4
_PEER: Final = struct.Struct("3i")


class RecentAccesses:
    """Writes each access once, however often it is handed over, as far back as it remembers.

    Args:
        log: open for writing.
        signer: the log's key.
        remembered: how many of the newest entries are known; an access is handed over again within seconds.
    """

    def __init__(self, log: AccessStream, signer: LogSigner, *, remembered: int = _REMEMBERED) -> None:
        self._log = log
        self._signer = signer
        self._remembered = remembered
        self._lock = threading.Lock()
        self._size_before = log.writer.store.head().size
        self._before: dict[bytes, tuple[int, bytes]] | None = None
        self._now: OrderedDict[bytes, Future[Promise]] = OrderedDict()

    def submit(self, access: PreparedAccess, *, again: bool) -> Future[Promise]:
        """Have an access written, or find that it was.

        Args:
            access: as it was prepared.
            again: whether it was handed over before, here or to the process before this one.

        Returns:
            Done once the entry is durable, with its promise.

        Raises:
            TransportError: the log is closed.
        """
        with self._lock:
            known = self._now.get(access.personal)
            if known is not None and not (known.done() and known.exception() is not None):
                return known
            if again and access.personal in (before := self._known_before()):
                done: Future[Promise] = Future()
                done.set_result(self._promised(*before[access.personal]))
                return done
            made = self._now[access.personal] = self._log.submit_prepared(access)
            while len(self._now) > self._remembered:
                self._now.popitem(last=False)
            return made

    def _known_before(self) -> dict[bytes, tuple[int, bytes]]:
        """Index and entry, by commitment, of the newest entries that were there when this began."""
        if self._before is None:
            size, first = self._size_before, max(0, self._size_before - self._remembered)
            entries = entries_of(self._log.writer.store, first, size) if size else []
            self._before = {
                AccessEntry.parse(entry).personal: (first + place, entry) for place, entry in enumerate(entries)
            }
        return self._before

    def _promised(self, index: int, entry: bytes) -> Promise:
        moment = AccessEntry.parse(entry).time
        return Promise.sign(self._signer, self._log.writer.origin, index, leaf_hash=leaf_hash(entry), time=moment)


class LogLinkServer:
    """Listens on a Unix socket that only this user can reach, while it is open.

    Args:
        path: of the socket; a former one is replaced: whoever opens this has the logs to itself.
        log: the access log, open for writing.
        streams: the streams of records.
    """

    def __init__(self, path: Path, *, log: AccessStream, streams: Streams) -> None:
        self._path = path
        self._log = log
        self._streams = streams
        self._accesses = RecentAccesses(log, streams.signer)
        self._slow = ThreadPoolExecutor(_SLOW_TASKS, "log-link")
        self._connections: set[_Connection] = set()
        self._lock = threading.Lock()
        self._is_closed = False
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with short_name(path) as name:
                self._listener.bind(name)
            path.chmod(0o600)  # before it listens; its folder is this user's alone as well
            self._listener.listen(_CONNECTIONS)
        except OSError as error:
            self._listener.close()
            raise TransportError(f"expected to listen at {path}, got: {error.strerror}", code="log_unusable") from error
        self._thread = threading.Thread(target=self._accept, name="log-link", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take nothing any more; what was taken is written by whoever closes the log."""
        with self._lock:
            self._is_closed = True
            connections = tuple(self._connections)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for connection in connections:
            connection.end()
        self._slow.shutdown(wait=True, cancel_futures=True)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def forget(self, connection: _Connection) -> None:
        """Called by a connection that has ended."""
        with self._lock:
            self._connections.discard(connection)

    def state(self) -> LogState:
        """How the logs stand."""
        writer, streams = self._log.writer, self._streams
        ended = [thread.name for thread in streams.threads if not thread.is_alive()]
        troubled = {**streams.unanchored, **streams.unpublished, **streams.troubles}
        trouble = f"{' and '.join(ended)} ended" if ended else None
        if trouble is None and troubled:
            trouble = f"{len(troubled)} in trouble"  # not which: who asks may not know of the building
        return LogState(
            is_writable=writer.is_alive and writer.last_error is None,
            trouble=self._log.trouble,
            streams_trouble=trouble,
            open_streams=len(streams.opened()),
        )

    def answer(self, document: dict[str, Any], reply: Callable[[dict[str, Any]], None]) -> None:
        """Do what a frame asks for; the reply may come later, from another thread."""
        number, op = document.get("id"), document.get("op")
        if not isinstance(number, int):
            raise MalformedFrameError("expected a number in a frame, got none")
        match op:
            case "wake":
                self._streams.wake()
            case "state":
                reply({"id": number, "state": self.state().to_json()})
            case "record":
                self._record(number, document, reply)
            case "publish":
                self._later(number, lambda: self._log.writer.publish().size, reply)
            case "drain":
                self._later(number, self._log.drain, reply)
            case _:
                raise MalformedFrameError(f"expected an operation, got {str(op)[:40]!r}")

    @property
    def origin(self) -> str:
        """The access log's origin line."""
        return self._log.writer.origin

    def _record(self, number: int, document: dict[str, Any], reply: Callable[[dict[str, Any]], None]) -> None:
        try:
            access = PreparedAccess.from_json(document.get("access"))
            done = self._accesses.submit(access, again=document.get("again") is True)
        except (ApiError, LedgerError) as error:
            reply(_refusal(number, error))
            return
        done.add_done_callback(lambda future: reply(_outcome(number, future)))

    def _later(self, number: int, do: Callable[[], int], reply: Callable[[dict[str, Any]], None]) -> None:
        def run() -> None:
            try:
                reply({"id": number, "count": do()})
            except (ApiError, LedgerError) as error:
                reply(_refusal(number, error))

        with contextlib.suppress(RuntimeError):  # closed meanwhile: whoever asked sees the connection end
            self._slow.submit(run)

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                if self._is_closed:
                    return
                _LOG.warning("the log link could not take a connection", exc_info=True)
                threading.Event().wait(0.1)
                continue
            _, user, _ = _PEER.unpack(accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
            with self._lock:
                if self._is_closed or user != os.getuid() or len(self._connections) >= _CONNECTIONS:
                    accepted.close()
                    continue
                connection = _Connection(accepted, self)
                self._connections.add(connection)
            connection.start()


class _Connection:
    """One process that hands over: a thread reads, another writes, so that no answer waits for the next question."""

    def __init__(self, connection: socket.socket, server: LogLinkServer) -> None:
        self._connection = connection
        self._server = server
        self._answers: queue.Queue[bytes | None] = queue.Queue(_UNANSWERED)
        self._connection.settimeout(_IDLE_SECONDS)

    def start(self) -> None:
        """Start both threads."""
        threading.Thread(target=self._write, name="log-link-answers", daemon=True).start()
        threading.Thread(target=self._read, name="log-link-questions", daemon=True).start()

    def end(self) -> None:
        """End it from here."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def _reply(self, document: dict[str, Any]) -> None:
        try:
            self._answers.put_nowait(frame(document))
        except queue.Full:  # it asks and does not listen
            self.end()

    def _read(self) -> None:
        try:
            hello = read_frame(self._connection)
            if hello is None or (hello.get("op"), hello.get("format")) != ("hello", FORMAT):
                raise MalformedFrameError(f"expected {FORMAT}, got another process")
            self._reply({"id": 0, "format": FORMAT, "origin": self._server.origin})
            while (document := read_frame(self._connection)) is not None:
                self._server.answer(document, self._reply)
        except (MalformedFrameError, MalformedError) as error:
            _LOG.warning("a process on the log link was not understood: %s", error)
        except OSError as error:
            _LOG.info("a process on the log link is gone: %s", error)
        finally:
            self.end()
            with contextlib.suppress(queue.Full):
                self._answers.put_nowait(None)
            self._server.forget(self)

    def _write(self) -> None:
        try:
            while (data := self._answers.get()) is not None:
                self._connection.sendall(data)
        except OSError:
            self.end()  # what reads ends with it
        finally:
            self._connection.close()


def _outcome(number: int, done: Future[Promise]) -> dict[str, Any]:
    error = done.exception()
    if error is None:
        return {"id": number, "promise": done.result().to_text()}
    return _refusal(number, error)


def _refusal(number: int, error: BaseException) -> dict[str, Any]:
    kind = "malformed" if isinstance(error, (MalformedError, MalformedFrameError)) else "transport"
    code = error.code if isinstance(error, (ApiError, LedgerError)) else "log_unwritable"
    return {"id": number, "refusal": {"code": code, "kind": kind, "text": str(error)}}
