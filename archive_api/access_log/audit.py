"""Checks a whole access log against everything that vouches for it, and says what could not be checked.

1. the checkpoint is signed by the key in the auditor's own trust file; of witnesses pinned there no co-signature is
   invalid, and enough of them co-signed
2. entries, tiles and the checkpoint's root agree (`ledger.log.verify`, steps 1 to 4)
3. they lead to every head anchored on CheckpointLog, as the auditor's own node tells it
4. they lead to the checkpoints that the auditor kept, and hold every promise at its index
5. the catalogue's clear text is that of the entries, and every erasure is told in the log
6. no entry waits for an anchored head for longer than three times what the trust file says, and the newest head is no
   older than that and the heartbeat: a log that was cut back to an old head looks like one that was idle since
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import get_context
from typing import Any, Final

from ledger import fields
from ledger.errors import LedgerError, MismatchError, NotFoundError
from ledger.log.access_audit import BundleFacts, ClearRecord, check_together, examine_access
from ledger.log.checkpoint import Checkpoint, SignedCheckpoint
from ledger.log.keys import LogKey
from ledger.log.promise import Promise
from ledger.log.proofs import TileReader, TreeReader
from ledger.log.record_audit import RecordFacts, check_records
from ledger.log.tiles import TILE_WIDTH
from ledger.log.verify import Examine, Finding, KnownHead, Run, verify_log
from ledger.log.witness import cosigned_by
from ledger.merkle import EMPTY_ROOT
from ledger.ports.chain import AnchoredCheckpoint
from ledger.trust import LogPin

__all__ = ["HEARTBEAT_SECONDS", "Audit", "AuditReport", "in_processes"]

HEARTBEAT_SECONDS: Final = 3600
"""So long after its last head a server without accesses writes an entry of its own (docs/access-log.md section 6)."""

_PATIENCE: Final = 3
_WINDOW: Final = 3
_CHUNK: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What came of it.

    Attributes:
        outcome: PASSED, FAILED or INDETERMINATE.
        size: entries under the checkpoint.
        findings: what is wrong; with one the outcome is FAILED.
        doubts: code and text of what could not be checked; without findings the outcome is INDETERMINATE.
        confirmed: heads that the entries lead to.
        clear_texts: how many were compared, or None.
        erased: how many were erased, as the log tells, or None.
        anchored_at: time of the newest anchored head's block, aware UTC, or None. Only what came before it is held by
            the chain: what came after can have been cut off by whoever has disk and log key.
    """

    outcome: str
    size: int
    findings: tuple[Finding, ...]
    doubts: tuple[tuple[str, str], ...]
    confirmed: tuple[KnownHead, ...]
    clear_texts: int | None
    erased: int | None
    anchored_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the report as a document."""
        return {
            "verdict": self.outcome,
            "size": self.size,
            "findings": [
                {"code": item.code, "index": item.index, "last_index": item.last_index, "text": item.text}
                for item in self.findings
            ],
            "doubts": [{"code": code, "text": text} for code, text in self.doubts],
            "heads": [{"size": head.size, "root": head.root.hex(), "source": head.source} for head in self.confirmed],
            "clear_texts": self.clear_texts,
            "erased": self.erased,
            "anchored_at": None if self.anchored_at is None else fields.utc_text(self.anchored_at),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What an auditor brings.

    Attributes:
        origin: the stream's origin line.
        pin: what the trust file says of it, or None.
        anchored: heads on CheckpointLog by one's own node; None: no node was asked.
        kept: checkpoints kept from earlier, as signed notes.
        promises: promises of inclusion.
        clear: clear text of so many entries from an index on; None: not at hand.
        surplus: rows about entries that there are not.
        examine: the rules of the stream's entries.
        has_heartbeats: whether its server writes entries of its own, so that its newest head is never old.
        now: present time.
        run: how bundles are worked off.
        progress: called with the number of entries read.
    """

    origin: str
    pin: LogPin | None
    anchored: Sequence[AnchoredCheckpoint] | None
    now: datetime
    kept: Sequence[bytes] = ()
    promises: Sequence[Promise] = ()
    clear: Callable[[int, int], Mapping[int, ClearRecord]] | None = None
    surplus: Callable[[], Sequence[Finding]] = tuple
    examine: Examine = examine_access
    has_heartbeats: bool = True
    run: Run = map
    progress: Callable[[int], None] = field(default=lambda count: None)

    def check(self, tiles: TileReader, note: bytes | None) -> AuditReport:
        """Check a log.

        Args:
            tiles: where it is read from.
            note: its newest checkpoint, or None: it has none.

        Raises:
            TransportError: something could not be read.
        """
        findings: list[Finding] = []
        doubts: list[tuple[str, str]] = []
        newest = self._newest(note, findings, doubts)
        heads = [KnownHead(newest.size, newest.root, "checkpoint"), *self._known(findings)]
        if self.anchored is None:
            doubts.append(("no_node", "expected heads from one's own node, got no node to ask"))
        report = verify_log(
            tiles,
            heads,
            size=newest.size,
            examine=self.examine,
            beside=self.clear or _nothing,
            run=self.run,
            progress=self.progress,
        )
        findings += report.findings
        facts = [item for item in report.facts if isinstance(item, BundleFacts)]
        records = [item for item in report.facts if isinstance(item, RecordFacts)]
        findings += [*check_together(facts), *check_records(records)]
        findings += self.surplus()
        findings += self._broken_promises(TreeReader(tiles, newest.size), newest.size)
        self._overdue(newest.size, [*facts, *records], doubts)
        erased = sum(len(item.erased) for item in facts)
        return AuditReport(
            outcome="FAILED" if findings else "INDETERMINATE" if doubts else "PASSED",
            size=newest.size,
            findings=tuple(findings),
            doubts=tuple(doubts),
            confirmed=report.heads,
            clear_texts=None if self.clear is None else report.size - erased,
            erased=None if self.clear is None else erased,
            anchored_at=max(
                (datetime.fromtimestamp(head.block_time, UTC) for head in self.anchored or ()), default=None
            ),
        )

    def _newest(self, note: bytes | None, findings: list[Finding], doubts: list[tuple[str, str]]) -> Checkpoint:
        if note is None:
            # One that was deleted as a whole before its first head was anchored looks the same.
            doubts.append(("log_empty", "expected a log with a checkpoint, got none"))
        if self.pin is None:
            doubts.append(("no_log_key", f"expected the key of {self.origin} in the trust file, got none"))
        if note is None:
            return Checkpoint(self.origin, 0, EMPTY_ROOT)
        try:
            signed = SignedCheckpoint.parse(note)
            if self.pin is None:
                return signed.checkpoint
            checkpoint = signed.verify(LogKey(self.pin.key), self.origin)
            count = len(cosigned_by(signed, self.pin.witnesses))
            if count < self.pin.witness_quorum:
                text = f"expected co-signatures of {self.pin.witness_quorum} pinned witnesses, got {count}"
                doubts.append(("witness_quorum", text))
            return checkpoint
        except LedgerError as error:
            findings.append(Finding("checkpoint_refused", str(error)))
        try:
            return SignedCheckpoint.parse(note).checkpoint
        except LedgerError:
            return Checkpoint(self.origin, 0, EMPTY_ROOT)

    def _known(self, findings: list[Finding]) -> Iterator[KnownHead]:
        for head in self.anchored or ():
            yield KnownHead(head.size, head.root, f"anchored in block {head.block_number}")
        for number, note in enumerate(self.kept, 1):
            try:
                signed = SignedCheckpoint.parse(note)
                kept = signed.checkpoint if self.pin is None else signed.verify(LogKey(self.pin.key), self.origin)
                cosigned_by(signed, () if self.pin is None else self.pin.witnesses)
            except LedgerError as error:
                findings.append(Finding("kept_checkpoint_refused", str(error)))
                continue
            yield KnownHead(kept.size, kept.root, f"kept {number}")

    def _broken_promises(self, tree: TreeReader, size: int) -> Iterator[Finding]:
        for promise in self.promises:
            try:
                if self.pin is not None:
                    promise.verify(LogKey(self.pin.key))
            except LedgerError:
                yield Finding(
                    "promise_not_signed", "expected a promise of this log, got another's", index=promise.index
                )
                continue
            if promise.origin != self.origin:
                text = f"expected a promise about {self.origin}, got one about {promise.origin}"
                yield Finding("promise_not_signed", text, index=promise.index)
            elif promise.index >= size:
                text = f"expected the promised entry {promise.index}, got a log of {size}"
                yield Finding("promise_broken", text, index=promise.index)
            elif _leaf(tree, promise.index) != promise.leaf_hash:
                yield Finding("promise_broken", "expected the promised entry, got another", index=promise.index)

    def _overdue(self, size: int, facts: Sequence[BundleFacts | RecordFacts], doubts: list[tuple[str, str]]) -> None:
        if self.anchored is None or self.pin is None:
            return
        anchored = max((head.size for head in self.anchored), default=0)
        allowed = _PATIENCE * self.pin.anchor_seconds
        newest = max((head.block_time for head in self.anchored), default=None)
        if (
            self.has_heartbeats
            and newest is not None
            and (age := self.now.timestamp() - newest) > HEARTBEAT_SECONDS + allowed
        ):
            text = (
                f"expected an anchored head of the last {HEARTBEAT_SECONDS + allowed} s, got one {int(age)} s old: the"
                " server stood still, or what came since was cut off"
            )
            doubts.append(("head_overdue", text))
            return
        if anchored >= size:
            return
        bundle, place = divmod(anchored, TILE_WIDTH)
        times = next((item.times for item in facts if item.first_index == bundle * TILE_WIDTH), ())
        if place < len(times):
            waited = self.now.timestamp() - times[place]
            if waited > allowed:
                text = (
                    f"expected entry {anchored} under an anchored head within {allowed} s, got none in {int(waited)} s"
                )
                doubts.append(("head_overdue", text))


def _leaf(tree: TreeReader, index: int) -> bytes | None:
    try:
        return tree.leaf(index)
    except (MismatchError, NotFoundError):
        return None  # the tile is not there, which is a finding of its own


def _nothing(first: int, count: int) -> None:
    del first, count


def in_processes(workers: int) -> Run:
    """Make a `Run` that works bundles off in processes, never far ahead of what was read.

    Args:
        workers: number of processes.
    """

    def run(function: Callable[[Any], Any], values: Iterable[Any]) -> Iterator[Any]:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
            waiting: deque[Future[list[Any]]] = deque()
            for chunk in _chunks(values):
                waiting.append(executor.submit(_work, function, chunk))
                if len(waiting) > _WINDOW * workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()

    return run


def _work(function: Callable[[Any], Any], values: list[Any]) -> list[Any]:
    return [function(value) for value in values]


def _chunks(values: Iterable[Any]) -> Iterator[list[Any]]:
    chunk: list[Any] = []
    for value in values:
        chunk.append(value)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
