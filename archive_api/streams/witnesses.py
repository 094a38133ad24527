"""Asks witnesses for their co-signatures, so that no checkpoint is published that too few of them have seen.

Source: C2SP tlog-witness, `add-checkpoint`. It fails closed: without enough co-signatures nothing is published, and a
witness that calls the log inconsistent stops publishing whatever the others say, until somebody has looked into it.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final, NamedTuple

import httpx2
from pydantic import BaseModel, ConfigDict, field_validator

from archive_api.seal_status.sources import check_address
from ledger import fields
from ledger.errors import LedgerError, MalformedError, MismatchError, TransportError
from ledger.levels import CLOCK_TOLERANCE
from ledger.log.checkpoint import Checkpoint, SignedCheckpoint
from ledger.log.proofs import TreeReader
from ledger.log.witness import WitnessKey, check_witnesses, cosigned_by
from ledger.ports.chain import Clock
from ledger.ports.log import LogStore

__all__ = ["HttpWitnesses", "WitnessSource"]

_LOG = logging.getLogger(__name__)
_ANSWER_LIMIT: Final = 64 << 10
_ATTEMPTS: Final = 3
_GRACE_SECONDS: Final = 0.2
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 60.0
_THREADS: Final = 32
_UNPROCESSABLE: Final = 422
_SIZE: Final = re.compile(r"(?:0|[1-9][0-9]{0,15})\n?\Z", re.ASCII)


class WitnessSource(BaseModel):
    """A witness that is asked.

    Attributes:
        key: its verifier key, `name+id+base64`, of type 04.
        url: its submission prefix; `/add-checkpoint` is put after it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    url: str

    @field_validator("key")
    @classmethod
    def _is_key(cls, value: str) -> str:
        try:
            WitnessKey.parse(value)
        except MalformedError as error:
            raise ValueError(str(error)) from error
        return value

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return check_address(value).rstrip("/")

    @property
    def witness(self) -> WitnessKey:
        """The key, read."""
        return WitnessKey.parse(self.key)


@dataclass(frozen=True, slots=True)
class _Question:
    """A checkpoint to be co-signed."""

    checkpoint: Checkpoint
    note: bytes
    store: LogStore

    def body(self, old_size: int) -> bytes:
        """What `add-checkpoint` takes."""
        size = self.checkpoint.size
        proof = TreeReader(self.store, size).consistency(old_size) if 0 < old_size < size else ()
        lines = [f"old {old_size}", *(fields.base64_text(item) for item in proof)]
        return ("\n".join(lines) + "\n\n").encode() + self.note


class _Pause(NamedTuple):
    """Until when a witness is left alone, by the monotonic clock, how long that was, and why."""

    until: float
    seconds: float
    why: str


class HttpWitnesses:
    """A `ledger.adapters.signed_log.Cosign`: all witnesses at once, each a bounded time.

    A witness that fails is left alone for a while, longer each time, so that publishing is tried again at a pace.

    Args:
        sources: whom to ask.
        quorum: how many co-signatures a checkpoint needs, from 1.
        clock: the time; a co-signature of more than five minutes before or after it does not count.
        timeout_seconds: of each answer.
        pause_seconds: after a first failure; doubled up to a minute.
        transport: another httpx2 transport, for tests.

    Raises:
        MalformedError: the quorum can't be met, or a witness is there twice.
    """

    def __init__(
        self,
        sources: Sequence[WitnessSource],
        *,
        quorum: int,
        clock: Clock,
        timeout_seconds: float = 3.0,
        pause_seconds: float = _FIRST_PAUSE_SECONDS,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._addresses = {source.witness: source.url for source in sources}
        check_witnesses([source.witness for source in sources], quorum, log=None, where="log_witnesses")
        self._quorum = quorum
        self._clock = clock
        self._timeout = timeout_seconds
        self._pause = pause_seconds
        self._http = httpx2.Client(
            timeout=timeout_seconds, transport=transport, trust_env=False, follow_redirects=False
        )
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="witness")
        self._lock = threading.Lock()
        self._sizes: dict[tuple[str, str], int] = {}
        self._pauses: dict[tuple[str, str], _Pause] = {}
        self._conflicts: dict[tuple[str, str], MismatchError] = {}
        self._asking: set[tuple[str, str]] = set()

    def close(self) -> None:
        """Give the sockets back; who is still being asked is waited for no longer than an answer may take."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._http.close()

    def __call__(self, note: bytes, store: LogStore) -> bytes:
        """Return a checkpoint with co-signatures.

        Args:
            note: signed by the log.
            store: the log, which has at least the checkpoint's entries.

        Raises:
            TransportError: too few witnesses co-signed (code `witness_quorum`).
            MismatchError: a witness calls the checkpoint inconsistent with what it saw before (`witness_conflict`).
        """
        question = _Question(SignedCheckpoint.parse(note).checkpoint, note, store)
        origin = question.checkpoint.origin
        asked = {self._threads.submit(self._ask, witness, question): witness for witness in self._due(question)}
        lines: dict[str, bytes] = {}
        for done in self._answers(set(asked), lines):
            try:
                lines[asked[done].name] = done.result()
            except LedgerError:
                if self._conflict(origin) is not None:
                    break  # whatever the others say
        # Also one of earlier, of who was not asked again yet: a pause makes no log consistent.
        if (conflict := self._conflict(origin)) is not None:
            raise conflict
        if len(lines) < self._quorum:
            raise TransportError(
                f"expected {self._quorum} co-signatures, got {len(lines)}: {self._reasons(question, lines)}",
                code="witness_quorum",
                where=origin,
                expected=self._quorum,
                actual=len(lines),
            )
        return note + b"".join(lines[name] for name in sorted(lines))

    def _conflict(self, origin: str) -> MismatchError | None:
        with self._lock:
            found = (error for (_, of), error in self._conflicts.items() if of == origin)
            return next(found, None)

    def _reasons(self, question: _Question, lines: Mapping[str, bytes]) -> str:
        """Why the others did not co-sign; the same text until something changes."""
        with self._lock:
            reasons = []
            for witness in self._addresses:
                put_off = [
                    self._pauses[place].why for place in self._places(witness, question) if place in self._pauses
                ]
                if witness.name not in lines:
                    reasons.append(put_off[0] if put_off else f"{witness.name} has not answered in time")
        return "; ".join(reasons)

    def _due(self, question: _Question) -> list[WitnessKey]:
        """Those who are not paused, and not still busy with an earlier question."""
        now = time.monotonic()
        due = []
        with self._lock:
            for witness in self._addresses:
                places = self._places(witness, question)
                if places[0] not in self._asking and all(
                    self._pauses[one].until <= now for one in places if one in self._pauses
                ):
                    self._asking.add(places[0])
                    due.append(witness)
        return due

    def _answers(self, pending: set[Future[bytes]], lines: Mapping[str, bytes]) -> Iterator[Future[bytes]]:
        """Answers as they come, until all are there, or enough and a moment more, or the time is over."""
        end = time.monotonic() + self._timeout
        while pending and (left := end - time.monotonic()) > 0:
            done, pending = wait(pending, left, FIRST_COMPLETED)
            yield from done
            if len(lines) >= self._quorum:
                end = min(end, time.monotonic() + _GRACE_SECONDS)

    def _ask(self, witness: WitnessKey, question: _Question) -> bytes:
        """Ask one witness; its lines."""
        stream, everywhere = self._places(witness, question)
        try:
            lines = self._cosignature(witness, question)
        except LedgerError as error:
            # Who can't be reached is left alone by all streams; what it refuses is about this one.
            self._put_off(everywhere if error.code == "witness_unreachable" else stream, str(error))
            if isinstance(error, MismatchError):
                with self._lock:
                    self._conflicts[stream] = error
            raise
        finally:
            with self._lock:
                self._asking.discard(stream)
        with self._lock:
            self._sizes[stream] = question.checkpoint.size
            self._conflicts.pop(stream, None)
            self._pauses.pop(stream, None)
            self._pauses.pop(everywhere, None)
        return lines

    @staticmethod
    def _places(witness: WitnessKey, question: _Question) -> tuple[tuple[str, str], tuple[str, str]]:
        return (witness.name, question.checkpoint.origin), (witness.name, "")

    def _put_off(self, place: tuple[str, str], why: str) -> None:
        with self._lock:
            former = self._pauses.get(place)
            pause = self._pause if former is None else min(2 * former.seconds, _LONGEST_PAUSE_SECONDS)
            self._pauses[place] = _Pause(time.monotonic() + pause, pause, why)
        _LOG.warning("witness %s is asked again in %.0f s: %s", place[0], pause, why)

    def _cosignature(self, witness: WitnessKey, question: _Question) -> bytes:
        size = question.checkpoint.size
        with self._lock:
            old_size = self._sizes.get((witness.name, question.checkpoint.origin), 0)
        for _ in range(_ATTEMPTS):
            status, content = self._post(witness, question.body(min(old_size, size)))
            if status == httpx2.codes.OK:
                return self._own_lines(witness, question, content)
            if status == httpx2.codes.CONFLICT:
                old_size = _known_size(witness, content, sent=min(old_size, size), size=size)
                continue
            _refuse(witness, status, old_size)
        raise TransportError(f"expected a co-signature of {witness.name}, got another size each time")

    def _post(self, witness: WitnessKey, body: bytes) -> tuple[int, bytes]:
        address = f"{self._addresses[witness]}/add-checkpoint"
        end = time.monotonic() + self._timeout
        content = b""
        try:
            with self._http.stream("POST", address, content=body, headers={"Content-Type": "text/plain"}) as response:
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > _ANSWER_LIMIT or time.monotonic() > end:
                        raise TransportError(
                            f"expected a short answer in time of {witness.name}, got a long one",
                            code="witness_unreachable",
                        )
                return response.status_code, content
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, RuntimeError) as error:
            raise TransportError(
                f"expected an answer of {witness.name}, got {type(error).__name__}", code="witness_unreachable"
            ) from error

    def _own_lines(self, witness: WitnessKey, question: _Question, content: bytes) -> bytes:
        """The witness's lines of an answer, once they are found to hold; nothing else in it is kept."""
        now = self._clock.now()
        try:
            signed = SignedCheckpoint.parse(question.note + content)
            found = cosigned_by(signed, [witness])
        except (MalformedError, MismatchError) as error:
            raise TransportError(f"expected a co-signature of {witness.name}, got: {error}") from error
        if not found:
            raise TransportError(f"expected a co-signature of {witness.name}, got none under its key")
        if abs(found[0].time - now) > CLOCK_TOLERANCE:
            text = fields.utc_text(found[0].time)
            raise TransportError(f"expected a co-signature of {witness.name} of this moment, got one of {text}")
        mine = [line for line in signed.signatures if (line.name, line.blob[:4]) == (witness.name, witness.key_id)]
        return f"\u2014 {mine[0].name} {fields.base64_text(mine[0].blob)}\n".encode()


def _known_size(witness: WitnessKey, content: bytes, *, sent: int, size: int) -> int:
    """The size that a witness has, of its answer 409.

    Raises:
        MismatchError: it has this size with another root, or more entries than there are.
    """
    text = content.decode("ascii", "replace")
    known = int(text) if _SIZE.match(text) else None
    if sent == size and known in (None, size):
        raise _conflict(witness, f"another root at {size} entries")
    if known is None or known == sent:
        raise TransportError(f"expected the size that {witness.name} has seen, got {text[:40]!r}")
    if known > size:
        raise _conflict(witness, f"{known} entries of a log that has {size}")
    return known


def _refuse(witness: WitnessKey, status: int, old_size: int) -> None:
    if status == _UNPROCESSABLE and old_size > 0:
        raise _conflict(witness, f"another tree at {old_size} entries")
    reasons = {
        403: "it does not know the log's key",
        404: "it does not know the log's origin",
        422: "it takes the proof for wrong",
    }
    raise TransportError(
        f"expected a co-signature of {witness.name}, got status {status}: {reasons.get(status, 'no reason')}",
        code="witness_unreachable" if status >= 500 else "witness_refused",
    )


def _conflict(witness: WitnessKey, seen: str) -> MismatchError:
    return MismatchError(
        f"expected a log that {witness.name} finds only to have grown, got one of which it has seen {seen}",
        code="witness_conflict",
        where=witness.name,
    )
