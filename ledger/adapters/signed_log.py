"""A log under its key: entries go in, checkpoints come out, co-signed where witnesses are asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeAlias

from ledger.errors import TransportError
from ledger.log.checkpoint import Checkpoint, SignedCheckpoint
from ledger.log.keys import LogKey, LogSigner
from ledger.ports.log import LogRecord, LogStore, TreeHead

__all__ = ["Cosign", "SignedLog"]

Cosign: TypeAlias = Callable[[bytes, LogStore], bytes]
"""Takes a signed checkpoint and the log that it is of, and returns it with enough co-signatures after the log's own.

Raises an error of `ledger.errors` where there are too few: then nothing is published."""


class SignedLog:
    """One log, its store and its key. Any thread may append or publish; the store sees one at a time.

    Args:
        store: the log, opened for writing.
        origin: the stream's origin line.
        signer: the log's key.
        cosign: asks witnesses, or None. It is called beside appending, since it takes its time.

    Raises:
        MismatchError: the store's checkpoint is another log's, or not signed by this key.
    """

    def __init__(self, store: LogStore, origin: str, *, signer: LogSigner, cosign: Cosign | None = None) -> None:
        self.store = store
        self.origin = origin
        self.signer = signer
        self._cosign = cosign
        note = store.checkpoint()
        self._published = Checkpoint(origin, 0, store.head().root) if note is None else self._own(note)
        self._writing = threading.Lock()
        self._publishing = threading.Lock()
        self._is_closed = False

    @property
    def key(self) -> LogKey:
        """The log's public key."""
        return self.signer.key

    @property
    def published(self) -> Checkpoint:
        """The newest checkpoint that was published; of size 0 before the first."""
        return self._published

    @property
    def is_behind(self) -> bool:
        """Whether there are entries that no checkpoint covers."""
        return self._published.size < self.store.head().size

    @property
    def is_cosigned(self) -> bool:
        """Whether publishing waits for witnesses."""
        return self._cosign is not None

    def append(self, records: Sequence[LogRecord]) -> TreeHead:
        """Add records durably, one after another without a gap; see the port."""
        with self._writing:
            self._require_open()
            return self.store.append(records)

    def publish(self) -> Checkpoint:
        """Publish a checkpoint over everything appended before the call.

        Raises:
            TransportError: it could not be made durable, or too few witnesses answered.
            MismatchError: a witness answered with what is no co-signature of this checkpoint.
        """
        with self._publishing:
            head = self.store.head()
            checkpoint = Checkpoint(self.origin, head.size, head.root)
            note = checkpoint.sign(self.signer)
            if self._cosign is not None:
                note = self._cosign(note, self.store)
            with self._writing:
                self._require_open()
                self.store.publish(note, checkpoint.size)
            self._published = checkpoint
            return checkpoint

    def close(self) -> None:
        """Close the store, once nobody writes to it."""
        with self._publishing, self._writing:
            self._is_closed = True
            self.store.close()

    def _require_open(self) -> None:
        if self._is_closed:
            raise TransportError("expected a log that is open, got a closed one", code="log_closed")

    def _own(self, note: bytes) -> Checkpoint:
        return SignedCheckpoint.parse(note).verify(self.signer.key, self.origin)
