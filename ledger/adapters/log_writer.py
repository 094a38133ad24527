"""The one writer of a log: a thread that makes what others submit durable in groups, and publishes checkpoints."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeAlias

from ledger.adapters.signed_log import Cosign, SignedLog
from ledger.errors import LedgerError, MismatchError, TransportError
from ledger.log.checkpoint import Checkpoint
from ledger.log.keys import LogKey, LogSigner
from ledger.log.promise import Promise
from ledger.log.tiles import encode_entries
from ledger.merkle import leaf_hash
from ledger.ports.chain import Clock
from ledger.ports.log import LogRecord, LogStore

__all__ = ["LogWriter", "MakeRecord"]

_log = logging.getLogger(__name__)
_GROUP: Final = 1024

MakeRecord: TypeAlias = Callable[[datetime], LogRecord]
"""Makes the record of an entry, once its time is known."""


@dataclass(slots=True)
class _Waiting:
    record: LogRecord
    time: datetime
    done: Future[Promise] = field(default_factory=Future)

    def __post_init__(self) -> None:
        self.done.set_running_or_notify_cancel()  # whoever no longer waits must not take the entry back


class LogWriter:
    """Appends to a log from any thread.

    Times of entries never go back, whatever the clock does while the writer lives.

    Args:
        store: the log, opened for writing; closed by its owner.
        origin: the stream's origin line.
        signer: the log's key.
        clock: the time.
        publish_seconds: how long an entry waits for a checkpoint at most, in normal operation.
        not_before: time of the newest entry there is, or None.
        cosign: asks witnesses for their signatures under each checkpoint, or None. It is called in a thread of its own:
            publishing waits for them, appending does not.

    Attributes:
        last_error: why it could not write last, or None since it could.
        witness_error: why too few witnesses co-signed last, or None since enough did.

    Raises:
        MismatchError: the store's checkpoint is another log's, or not signed by this key.
    """

    def __init__(
        self,
        store: LogStore,
        origin: str,
        *,
        signer: LogSigner,
        clock: Clock,
        publish_seconds: float = 1.0,
        not_before: datetime | None = None,
        cosign: Cosign | None = None,
    ) -> None:
        self.store = store
        self.origin = origin
        self._log = SignedLog(store, origin, signer=signer, cosign=cosign)
        self._clock = clock
        self._publish_seconds = publish_seconds
        self._condition = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._last_time = not_before or datetime.min.replace(tzinfo=UTC)
        self._is_closed = False
        self._advanced = threading.Condition()
        self.last_error: str | None = None
        self.witness_error: str | None = None
        self._publisher = None if cosign is None else ThreadPoolExecutor(1, f"publish-{origin.rpartition('/')[2]}")
        self._publishing: Future[None] | None = None
        self._thread = threading.Thread(target=self._run, name=f"log-{origin.rpartition('/')[2]}", daemon=True)
        self._thread.start()

    @property
    def published(self) -> Checkpoint:
        """The newest checkpoint that was published; of size 0 before the first."""
        return self._log.published

    @property
    def is_alive(self) -> bool:
        """Whether it still writes."""
        return self._thread.is_alive()

    @property
    def key(self) -> LogKey:
        """The log's public key."""
        return self._log.key

    def submit(self, make: MakeRecord) -> Future[Promise]:
        """Queue a record; the future is done once it is durable.

        Args:
            make: called at once, with the entry's time.

        Raises:
            MalformedError: an entry of no allowed length.
            TransportError: the writer has ended (code `log_closed`).
        """
        with self._condition:
            if self._is_closed:
                raise TransportError("expected a log that is open, got a closed one", code="log_closed")
            self._last_time = moment = max(self._last_time, self._clock.now().replace(microsecond=0))
            waiting = _Waiting(make(moment), moment)
            encode_entries([waiting.record.entry])  # refused here, not together with other people's
            self._waiting.append(waiting)
            self._condition.notify()
        return waiting.done

    def publish(self, *, timeout_seconds: float = 30.0) -> Checkpoint:
        """Wait until a checkpoint covers everything that was appended before the call.

        Raises:
            TransportError: none came in time.
        """
        size = self.store.head().size
        with self._advanced:
            if not self._advanced.wait_for(lambda: self.published.size >= size, timeout_seconds):
                raise TransportError("expected a checkpoint in time, got none", code="log_unusable")
            return self.published

    def close(self) -> None:
        """Write what is queued, publish it, end the thread."""
        with self._condition:
            self._is_closed = True
            self._condition.notify()
        self._thread.join()

    def _run(self) -> None:
        group: list[_Waiting] = []
        publish_at = 0.0
        try:
            while not (self._is_closed and not self._waiting):
                group = self._take(publish_at)
                if group:
                    self._append(group)
                if self._log.is_behind and (time.monotonic() >= publish_at or self._is_closed):
                    self._publish_in_turn()
                    publish_at = time.monotonic() + self._publish_seconds
        finally:
            self._end(group)

    def _take(self, publish_at: float) -> list[_Waiting]:
        with self._condition:
            if not self._waiting and not self._is_closed:
                self._condition.wait(max(0.0, publish_at - time.monotonic()) if self._log.is_behind else None)
            group, self._waiting = self._waiting[:_GROUP], self._waiting[_GROUP:]
        return group

    def _append(self, group: list[_Waiting]) -> None:
        try:
            head = self._log.append([waiting.record for waiting in group])
        except LedgerError as error:
            self._failed(error)
            for waiting in group:
                waiting.done.set_exception(_not_durable(error.code))
            return
        self.last_error = None
        for index, waiting in enumerate(group, head.size - len(group)):
            leaf = leaf_hash(waiting.record.entry)
            promise = Promise.sign(self._log.signer, self.origin, index, leaf_hash=leaf, time=waiting.time)
            waiting.done.set_result(promise)

    def _publish_in_turn(self) -> None:
        """Publish here, or beside appending where witnesses are asked, one checkpoint at a time."""
        if self._publisher is None:
            self._publish()
        elif self._is_closed:
            self._publisher.shutdown()  # what is under way first
            self._publish()
        elif self._publishing is None or self._publishing.done():
            if self._publishing is not None:
                self._publishing.result()  # an error that is none of ours ends the writer, as it would here
            self._publishing = self._publisher.submit(self._publish)

    def _publish(self) -> None:
        try:
            self._log.publish()
        except LedgerError as error:
            if error.code.startswith("witness_"):  # entries go on being written, and wait
                self._unwitnessed(error)
            else:
                self._failed(error)
            return
        self.witness_error = None
        with self._advanced:
            self._advanced.notify_all()

    def _unwitnessed(self, error: LedgerError) -> None:
        text = str(error)
        if text != self.witness_error:  # once, not at every try
            level = logging.CRITICAL if isinstance(error, MismatchError) else logging.WARNING
            _log.log(level, "log %s is not published: %s", self.origin, text)
        self.witness_error = text

    def _failed(self, error: LedgerError) -> None:
        self.last_error = str(error)
        _log.error("log %s could not be written: %s", self.origin, error)

    def _end(self, group: list[_Waiting]) -> None:
        with self._condition:
            self._is_closed = True
            left, self._waiting = group + self._waiting, []
        if self._publisher is not None:
            self._publisher.shutdown()
        for waiting in left:
            if not waiting.done.done():
                waiting.done.set_exception(_not_durable("log_closed"))


def _not_durable(code: str) -> TransportError:
    return TransportError("expected a durable entry, got a log that cannot be written", code=code)
