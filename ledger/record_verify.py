"""The verifier of record evidence: a bundle and a trust file in, a report out. Pure, as `ledger.verify`.

The steps; each is answered even where an earlier one failed, as far as its values could be read:
 1. form       the bundle is canonical JSON with the known items, each used, none repeated or misplaced
 2. ledger     the statement names the chain and contract of the trust file
 3. record     the record's leaf and the path lead to the statement's records root, in a tree of its record count
 4. entry      the log's entry is about this record of this capture: capture id, index and digest; who it says reported
               is who has to have sealed in step 7
 5. log        the entry's path leads to the checkpoint's root at the checkpoint's size; its origin is that of this
               ledger, building and stream; the pinned log key signed it, and no co-signature of a pinned witness in it
               is invalid; where witnesses are pinned enough of them co-signed. All this holds of a later checkpoint
               too, which begins with this one
 6. anchor     observed: the verifier's own node, found on the trusted chain, knows the head of the checkpoint, or of
               the later one; proved: a block under the seals of pinned validators has it; attested: pinned witnesses
               co-signed. The proven time is the earlier of the block time and the time by which enough had co-signed
 7. seal       the seal is over the statement's payload, by the organisation that the entry names, at the proven time;
               revocation as in step 6 of `ledger.verify`
 8. event      of the streams of events: the record's hash id, computed again, is that of the entry
The report is FAILED if any step failed, else INDETERMINATE if any could not be checked, else PASSED.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, Protocol, TypeAlias

from ledger import fields
from ledger.canonical import parse_record
from ledger.chain_proof.events import checkpoint_event
from ledger.chain_proof.item import AnchorProof
from ledger.errors import LedgerError, MalformedError, MismatchError
from ledger.levels import (
    CLOCK_TOLERANCE,
    CertificateWitness,
    SealChecker,
    block_time,
    chain_difference,
    check_ledger,
    judge_seal,
    prove_event,
    revocations,
)
from ledger.log.checkpoint import Checkpoint, SignedCheckpoint
from ledger.log.keys import LogKey
from ledger.log.witness import cosigned_by
from ledger.merkle import leaf_hash, verify_consistency, verify_inclusion
from ledger.ports.chain import AnchoredCheckpoint
from ledger.record_evidence import RecordEvidence
from ledger.report import AnchorLevel, Finding, Outcome, Step, VerificationReport
from ledger.trust import LogPin, TrustFile
from ledger.verdicts import required_or_less, unread, unread_report

__all__ = ["EVENT_STREAMS", "RECORD_STEPS", "HeadWitness", "NameEvent", "verify_record"]

RECORD_STEPS: Final = ("form", "ledger", "record", "entry", "log", "anchor", "seal", "event")
EVENT_STREAMS: Final = frozenset({"supply", "funds"})
"""Streams whose records are EPCIS events, named by their CBV hash id (docs/streams.md section 1)."""

_NO_BUILDING: Final = bytes(32)

NameEvent: TypeAlias = Callable[[bytes], str]
"""Computes an event's hash id from its canonical bytes; MUST raise MalformedError of what is no event, and another of
`ledger.errors` where it can't tell."""


class HeadWitness(CertificateWitness, Protocol):
    """The part of `ledger.ports.chain.LedgerReader` that a verifier of records asks; same MUSTs."""

    def checkpoints(self, origin: bytes) -> tuple[AnchoredCheckpoint, ...]:
        """Return all heads a log ever had, by keccak256 of its origin line."""
        ...


@dataclass(frozen=True, slots=True)
class _Check:
    """One verification's inputs, once the bundle could be read."""

    bundle: RecordEvidence
    trust: TrustFile
    checker: SealChecker = field(kw_only=True)
    name_event: NameEvent | None = field(kw_only=True)
    chain: HeadWitness | None = field(kw_only=True)
    required: AnchorLevel = field(kw_only=True)
    now: datetime = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class _Log:
    """What step 5 came to.

    Attributes:
        finding: of the step.
        heads: checkpoints that the log's pinned key signed and that cover the entry; empty unless the step passed.
        witnessed: the earliest time by which enough pinned witnesses had co-signed one of them, or None.
        witnesses: names of those who co-signed.
    """

    finding: Finding
    heads: tuple[Checkpoint, ...] = ()
    witnessed: datetime | None = None
    witnesses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Anchor:
    """What step 6 came to."""

    finding: Finding
    level: AnchorLevel = AnchorLevel.NONE
    proven_time: datetime | None = None
    proven_by: str | None = None
    block: AnchoredCheckpoint | None = None
    revoked_from: Mapping[bytes, datetime] = field(default_factory=dict)


def verify_record(
    bundle_bytes: bytes,
    trust: TrustFile,
    *,
    seal_checker: SealChecker,
    now: datetime,
    name_event: NameEvent | None = None,
    chain: HeadWitness | None = None,
    required_level: AnchorLevel = AnchorLevel.ATTESTED,
) -> VerificationReport:
    """Verify the evidence of a record; the steps are those of the module's docstring.

    Args:
        bundle_bytes: the bundle.
        trust: the verifier's own trust file.
        seal_checker: judges the seal.
        now: present time, aware UTC.
        name_event: computes hash ids of events; None: this verifier can't.
        chain: the verifier's own node, or None: nothing is observed.
        required_level: the anchor level asked for; a lower one reached is INDETERMINATE.

    Returns:
        The report, without parties; bad input never raises.
    """
    try:
        bundle = RecordEvidence.parse(bundle_bytes)  # (1)
    except LedgerError as error:
        return unread_report(RECORD_STEPS[:7], unread(error), required_level=required_level, now=now)
    check = _Check(
        bundle,
        trust,
        checker=seal_checker,
        name_event=name_event,
        chain=chain,
        required=required_level,
        now=now,
    )
    log = _log(check)  # (5)
    anchor = _anchor(check, log)  # (6)
    sealed, status_time = _seal(check, anchor)  # (7)
    findings = {
        "form": Finding.of("form_ok"),
        "ledger": check_ledger(check.trust, check.bundle.domain),  # (2)
        "record": _record(bundle),  # (3)
        "entry": _entry(bundle),  # (4)
        "log": log.finding,
        "anchor": anchor.finding,
        "seal": sealed,
    }
    if bundle.statement.stream in EVENT_STREAMS:
        findings["event"] = _event(check)  # (8)
    return VerificationReport(
        tuple(Step(RECORD_STEPS.index(name) + 1, name, found) for name, found in findings.items()),
        (),
        level=anchor.level,
        required_level=required_level,
        as_of=now,
        proven_time=anchor.proven_time,
        proven_by=anchor.proven_by,
        block_time=None if anchor.block is None else block_time(anchor.block.block_time),
        subject=_subject(bundle, log, anchor, status_time),
    )


def _record(bundle: RecordEvidence) -> Finding:
    count, proof = bundle.statement.record_count, bundle.record_proof
    # The size decides the shape of the path: it must be the sealed one, never the bundle's own.
    if proof.tree_size != count:
        return Finding.of("record_count", f"expected {count}, got {proof.tree_size}")
    try:
        verify_inclusion(leaf_hash(bundle.record), proof, bundle.statement.records_root)
    except MismatchError as error:
        return Finding.of("records_root", str(error))
    return Finding.of("record_ok", number=proof.leaf_index + 1, count=count)


def _entry(bundle: RecordEvidence) -> Finding:
    entry = bundle.entry
    for name, expected, actual in (
        ("capture", bundle.capture_id.hex(), entry.capture.hex()),
        ("record_sha256", sha256(bundle.record).hexdigest(), entry.record_sha256.hex()),
        ("record_index", bundle.record_proof.leaf_index, entry.record_index),
    ):
        if expected != actual:
            return Finding.of("entry_differs", f"{name}: expected {expected}, got {actual}", member=name)
    return Finding.of("entry_ok")


def _origin(check: _Check) -> str:
    statement = check.bundle.statement
    key = statement.building_key
    return check.trust.origin("archive" if key == _NO_BUILDING else fields.prefixed_hex(key), statement.stream)


def _log(check: _Check) -> _Log:
    bundle, origin = check.bundle, _origin(check)
    pin = check.trust.log(origin)
    try:
        notes = [SignedCheckpoint.parse(bundle.checkpoint)]
        if bundle.later is not None:
            notes.append(SignedCheckpoint.parse(bundle.later.note))
        for note in notes:
            if note.checkpoint.origin != origin:
                detail = f"expected {origin}, got {note.checkpoint.origin}"
                return _Log(Finding.of("log_origin", detail))
            if pin is not None:
                note.verify(LogKey(pin.key), origin)
    except LedgerError as error:
        return _Log(Finding.of("checkpoint_refused", str(error)))
    heads = tuple(note.checkpoint for note in notes)
    if (wrong := _within(bundle, heads)) is not None:
        return _Log(wrong)
    if pin is None:
        return _Log(Finding.of("no_log_key", origin))
    return _witnesses(
        pin, notes, _Log(Finding.of("log_ok", number=bundle.log_proof.leaf_index, size=heads[0].size), heads)
    )


def _within(bundle: RecordEvidence, heads: tuple[Checkpoint, ...]) -> Finding | None:
    """Whether the entry is in the checkpoint's tree, and that one in the later one's."""
    first, proof = heads[0], bundle.log_proof
    if proof.tree_size != first.size:
        return Finding.of("log_inclusion", f"expected a path in {first.size} entries, got one in {proof.tree_size}")
    try:
        verify_inclusion(leaf_hash(bundle.entry.canonical()), proof, first.root)
    except MismatchError as error:
        return Finding.of("log_inclusion", str(error))
    if bundle.later is None:
        return None
    later = heads[1]
    if later.size <= first.size:
        return Finding.of("later_inconsistent", f"expected more than {first.size} entries, got {later.size}")
    try:
        verify_consistency(first.size, first.root, later.size, new_root=later.root, path=bundle.later.path)
    except LedgerError as error:
        return Finding.of("later_inconsistent", str(error))
    return None


def _witnesses(pin: LogPin, notes: list[SignedCheckpoint], log: _Log) -> _Log:
    """Enough of the pinned witnesses on each checkpoint: so that none can be changed unnoticed."""
    times: list[datetime] = []
    names: dict[str, None] = {}
    for note in notes:
        try:
            found = cosigned_by(note, pin.witnesses)
        except MismatchError as error:
            return _Log(Finding.of("cosignature_refused", str(error)))
        if len(found) < pin.witness_quorum:
            text = f"expected {pin.witness_quorum} of the pinned witnesses at {note.checkpoint.size} entries"
            return _Log(Finding.of("witness_quorum", f"{text}, got {len(found)}"), log.heads)
        names |= dict.fromkeys(item.witness.name for item in found)
        if found:
            # By then enough had co-signed; one more co-signature never makes it later.
            times.append(found[pin.witness_quorum - 1].time)
    return _Log(log.finding, log.heads, min(times, default=None), tuple(names))


def _anchor(check: _Check, log: _Log) -> _Anchor:
    anchor = _Anchor(Finding.of("head_none" if log.heads else "not_reached"))
    if log.witnessed is not None:
        if log.witnessed > check.now + CLOCK_TOLERANCE:
            return _Anchor(Finding.of("witness_in_future", fields.utc_text(log.witnessed)))
        text = fields.utc_text(log.witnessed)
        finding = Finding.of("head_attested", ", ".join(log.witnesses), count=len(log.witnesses), time=text)
        anchor = _Anchor(finding, AnchorLevel.ATTESTED, log.witnessed, "witnesses")
    if check.chain is not None and log.heads:
        anchor = _observed(check, check.chain, log, anchor)
    if check.bundle.anchor_proof is not None and log.heads and not _is_refused(anchor):
        anchor = _proved(check, check.bundle.anchor_proof, log, anchor)
    return replace(anchor, finding=required_or_less(anchor.finding, anchor.level, check.required))


def _is_refused(anchor: _Anchor) -> bool:
    """Whether the verifier's own node was asked in vain: no proof stands in for it."""
    return anchor.finding.outcome is not Outcome.PASSED and anchor.finding.reason != "head_none"


def _proved(check: _Check, proof: AnchorProof, log: _Log, anchor: _Anchor) -> _Anchor:
    contract = check.trust.contracts["checkpoint_log"].address
    events = [checkpoint_event(contract, head.origin_hash, head.size, root=head.root) for head in log.heads]
    block = prove_event(proof, events, trust=check.trust, now=check.now, needed=anchor.level < check.required)
    if block is None:
        return anchor
    if isinstance(block, Finding):
        return replace(anchor, finding=block)
    head, seen = log.heads[block.event], anchor.block
    if seen is not None and seen.size == head.size and seen.block_number != block.number:
        return replace(anchor, finding=Finding.of("proof_elsewhere", f"expected block {seen.block_number}"))
    place = AnchoredCheckpoint(head.size, head.root, block_number=block.number, block_time=block.timestamp)
    proved = replace(anchor, finding=block.finding, level=AnchorLevel.PROVED, block=place)
    # The earlier one: so leaving a proof out never makes a verdict better.
    if anchor.proven_time is not None and anchor.proven_time <= block.time:
        return proved
    return replace(proved, proven_time=block.time, proven_by="block")


def _observed(check: _Check, chain: HeadWitness, log: _Log, attested: _Anchor) -> _Anchor:
    try:
        seen = _seen(check, chain, log)
        revoked = revocations(chain, [check.bundle.seal.certificate_id])
    except MismatchError as error:
        seen = Finding.of("wrong_chain", str(error))
    except LedgerError as error:  # whatever a node answers, it is no answer about the bundle
        seen = Finding.of("chain_unreachable", str(error))
    if isinstance(seen, Finding):  # the user asked for it: the witnesses' word does not stand in
        return _Anchor(seen, attested.level, attested.proven_time, attested.proven_by)
    time = block_time(seen.block_time)
    if time is None or time > check.now + CLOCK_TOLERANCE:
        finding = Finding.of("time_in_future", str(seen.block_time))
        return _Anchor(finding, attested.level, attested.proven_time, attested.proven_by)
    finding = Finding.of("head_observed", block=seen.block_number, time=fields.utc_text(time))
    # The earlier of both: so leaving a proof out never makes a verdict better.
    if attested.proven_time is not None and attested.proven_time < time:
        return _Anchor(finding, AnchorLevel.OBSERVED, attested.proven_time, attested.proven_by, seen, revoked)
    return _Anchor(finding, AnchorLevel.OBSERVED, time, "block", seen, revoked)


def _seen(check: _Check, chain: HeadWitness, log: _Log) -> AnchoredCheckpoint | Finding:
    """The earliest anchored head that is one of the bundle's, once the node is found to be on the trusted chain."""
    difference = chain_difference(chain.identity(), check.trust)
    if difference:
        return Finding.of("wrong_chain", difference)
    anchored = chain.checkpoints(log.heads[0].origin_hash)
    roots = {head.size: head.root for head in log.heads}
    known = [head for head in anchored if head.size in roots]
    for head in known:
        if head.root != roots[head.size]:
            return Finding.of("head_differs", f"expected {roots[head.size].hex()}, got {head.root.hex()}")
    if not known:
        newest = max((head.size for head in anchored), default=0)
        return Finding.of("head_not_recorded", f"the newest anchored head is of {newest} entries")
    return min(known, key=lambda head: head.block_time)


def _seal(check: _Check, anchor: _Anchor) -> tuple[Finding, datetime | None]:
    bundle = check.bundle
    return judge_seal(
        check.checker,
        bundle.payload,
        bundle.seal,
        bundle.certificate,
        trust=check.trust,
        organisation=bundle.entry.reporter,
        organisation_name=None,
        at=anchor.proven_time or check.now,
        now=check.now,
        status=bundle.status,
        revoked_from=anchor.revoked_from,
    )


def _event(check: _Check) -> Finding:
    if check.name_event is None:
        return Finding.of("event_uncheckable")
    expected = check.bundle.entry.record_id
    try:
        computed = check.name_event(check.bundle.record)
    except MalformedError as error:
        return Finding.of("event_refused", str(error))
    except LedgerError as error:
        return Finding.of("event_uncheckable", str(error))
    if computed != expected:
        return Finding.of("event_differs", f"expected {expected}, got {computed}")
    return Finding.of("event_ok")


def _subject(bundle: RecordEvidence, log: _Log, anchor: _Anchor, status_time: datetime | None) -> dict[str, Any]:
    statement = bundle.statement
    record = parse_record(bundle.record)
    return {
        "record": {
            "id": bundle.entry.record_id,
            "sha256": sha256(bundle.record).hexdigest(),
            "type": record.get("type") if isinstance(record.get("type"), str) else None,
            "content": record,
        },
        "stream": statement.stream,
        "building_key": None if statement.building_key == _NO_BUILDING else fields.prefixed_hex(statement.building_key),
        "capture": fields.prefixed_hex(bundle.capture_id),
        "reporter": bundle.entry.reporter,
        "signing_time": fields.utc_text(bundle.seal.signing_time),
        "certificate": bundle.seal.certificate_id.hex(),
        "status_time": None if status_time is None else fields.utc_text(status_time),
        "log_index": bundle.log_proof.leaf_index,
        "log_size": bundle.log_proof.tree_size,
        "witnesses": list(log.witnesses),
        "block_number": None if anchor.block is None else anchor.block.block_number,
    }
