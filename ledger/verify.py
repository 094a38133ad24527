"""The verifier: a bundle and a trust file in, a report out. Pure: what it needs of the outside is handed in.

The steps; each is answered even where an earlier one failed, as far as its values could be read:
 1. form       the bundle is canonical JSON with the known items, each used, none repeated or misplaced
 2. ledger     the statement names the chain and contract of the trust file
 3. document   the entry's leaf and the path lead to the statement's documents root, in a tree of its document count
 4. keys       building, unit project and roster codes hash to what the statement says
 5. anchor     the submission is recorded: attested by the pinned archive, observed through the verifier's own node
               after chain id, genesis and code hashes are checked, or proved by the block under the seals of pinned
               validators (`ledger.chain_proof.check`); the block time is the proven time
 6. parties    each of the five seals is over the statement's payload, by the roster's organisation for that role and
               under its name, at the proven time; where the certificate names CRL or OCSP its issuer's word, in the
               bundle, speaks up to that time and does not call it revoked; a registrar's stop on chain makes a seal
               INDETERMINATE at worst
 7. deadline   the block time is not after sealBy
 8. decision   the archive accepted: by its seal over the acceptance, or by the chain's status. Returned is FAILED (the
               seals and the anchor hold, but the archive does not keep it); unknown (nothing sealed, chain not asked)
               is INDETERMINATE; not decided yet, as seen on chain, passes
 9. file       where a file was given: size, SHA-256, SM3 and CID are the entry's
10. model      where the bundle proves an element: the model entry's leaf and its path lead to the statement's bimRoot,
               and its file is the document
11. element    where the bundle proves one: its aspects and its path lead to the model entry's root
12. timestamp  where there is one: it is over the five signatures, by an authority of the trust file; the proven time is
               then the earlier of its time and the block's
The report is FAILED if any step failed, else INDETERMINATE if any could not be checked, else PASSED.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ledger import fields
from ledger.bim.description import ElementDescription
from ledger.bim.item import ElementItem
from ledger.bim.salted import SALTED_FORMAT
from ledger.bim.scan import FORMAT
from ledger.chain_proof.events import submission_event
from ledger.chain_proof.item import AnchorProof
from ledger.envelope import EntryEncryption
from ledger.errors import LedgerError, MalformedError, MismatchError
from ledger.evidence import EvidenceBundle
from ledger.levels import (
    CLOCK_TOLERANCE,
    ChainWitness,
    Observation,
    SealCheck,
    SealChecker,
    block_time,
    check_archive_seal,
    check_attestation,
    check_ledger,
    judge_seal,
    observe,
    prove_event,
)
from ledger.merkle import verify_inclusion
from ledger.ports.chain import SubmissionStatus
from ledger.report import AnchorLevel, Finding, Outcome, PartyVerdict, Step, VerificationReport, worst
from ledger.trust import TrustFile
from ledger.types import ROLES
from ledger.verdicts import required_or_less, unread, unread_report

__all__ = [
    "STEP_NAMES",
    "AnchorLevel",
    "ChainWitness",
    "FileDigest",
    "Outcome",
    "SealCheck",
    "SealChecker",
    "VerificationReport",
    "unchecked",
    "verify_bundle",
]

STEP_NAMES = (
    "form",
    "ledger",
    "document",
    "keys",
    "anchor",
    "parties",
    "deadline",
    "decision",
    "file",
    "model",
    "element",
    "timestamp",
)
_ALWAYS = STEP_NAMES[:8]


@dataclass(frozen=True, slots=True)
class FileDigest:
    """What was computed from the file at hand: size in bytes, SHA-256 and SM3 (32 bytes each), CIDv1 in base32."""

    size: int
    sha256: bytes
    sm3: bytes
    cid: str


@dataclass(frozen=True, slots=True)
class _Anchor:
    """What step 5 came to."""

    finding: Finding
    level: AnchorLevel = AnchorLevel.NONE
    proven_time: datetime | None = None
    observation: Observation | None = None
    proved_block: int | None = None


@dataclass(frozen=True, slots=True)
class _Proof:
    """By when the seals are proved to exist, and what proves it."""

    time: datetime | None
    by: str | None


@dataclass(frozen=True, slots=True)
class _Check:
    """One verification's inputs, once the bundle could be read."""

    bundle: EvidenceBundle
    trust: TrustFile
    checker: SealChecker = field(kw_only=True)
    chain: ChainWitness | None = field(kw_only=True)
    required: AnchorLevel = field(kw_only=True)
    now: datetime = field(kw_only=True)


def verify_bundle(
    bundle_bytes: bytes,
    trust: TrustFile,
    *,
    seal_checker: SealChecker,
    now: datetime,
    file: FileDigest | None = None,
    chain: ChainWitness | None = None,
    required_level: AnchorLevel = AnchorLevel.ATTESTED,
) -> VerificationReport:
    """Verify an evidence bundle; the steps are those of the module's docstring.

    Args:
        bundle_bytes: the bundle.
        trust: the verifier's own trust file.
        seal_checker: judges single seals.
        now: present time, aware UTC.
        file: digests of the file at hand, or None: step 9 is left out. Steps keep their numbers.
        chain: the verifier's own node, or None: nothing is observed.
        required_level: the anchor level asked for; a lower one reached is INDETERMINATE.

    Returns:
        The report; bad input never raises.
    """
    try:
        bundle = EvidenceBundle.parse(bundle_bytes)  # (1)
    except LedgerError as error:
        wanted = _ALWAYS if file is None else (*_ALWAYS, "file")
        return _unread(unread(error), wanted, required_level, now)
    check = _Check(bundle, trust, checker=seal_checker, chain=chain, required=required_level, now=now)
    anchor = _anchor(check)  # (5)
    stamped, stamp_time = _timestamp(check)  # (12)
    proof = _proof(anchor.proven_time, stamp_time)
    parties = _parties(check, anchor, proof)  # (6)
    findings = {
        "form": Finding.of("form_ok"),
        "ledger": check_ledger(check.trust, check.bundle.domain),  # (2)
        "document": _document(check),  # (3)
        "keys": _keys(check),  # (4)
        "anchor": anchor.finding,
        "parties": _all_parties(parties),
        "deadline": _deadline(check, anchor),  # (7)
        "decision": _decision(check, anchor),  # (8)
    }
    if file is not None:
        findings["file"] = _file(check, file)  # (9)
    subject = _subject(bundle, anchor)
    if bundle.element is not None:
        findings["model"] = _model(bundle, bundle.element)  # (10)
        findings["element"], described = _element(bundle.element)  # (11)
        if described is not None and findings["model"].outcome is Outcome.PASSED:  # else of a model that nobody sealed
            subject |= {"model": _sealed_model(bundle.element), "element": described.to_json()}
    if stamped is not None:
        findings["timestamp"] = stamped
    return VerificationReport(
        tuple(Step(STEP_NAMES.index(name) + 1, name, found) for name, found in findings.items()),
        parties,
        level=anchor.level,
        required_level=required_level,
        as_of=now,
        proven_time=proof.time,
        proven_by=proof.by,
        block_time=anchor.proven_time,
        subject=subject,
    )


def unchecked(finding: Finding, *, required_level: AnchorLevel, now: datetime) -> VerificationReport:
    """Report that an input was not there: step 0, `inputs`, holds the finding, nothing else was reached.

    Args:
        finding: what was missing, INDETERMINATE.
        required_level: the anchor level asked for.
        now: present time, aware UTC.
    """
    report = _unread(Finding.of("not_reached"), _ALWAYS, required_level, now)
    return replace(report, steps=(Step(0, "inputs", finding), *report.steps))


def _unread(found: Finding, wanted: tuple[str, ...], required: AnchorLevel, now: datetime) -> VerificationReport:
    parties = tuple(PartyVerdict(role, Finding.of("not_reached")) for role in ROLES)
    return unread_report(wanted, found, required_level=required, now=now, parties=parties)


def _document(check: _Check) -> Finding:
    bundle, count = check.bundle, check.bundle.statement.document_count
    # The size decides the shape of the path: it must be the sealed one, never the bundle's own.
    if bundle.proof.tree_size != count:
        return Finding.of("document_count", f"expected {count}, got {bundle.proof.tree_size}")
    try:
        verify_inclusion(bundle.entry.leaf_hash, bundle.proof, bundle.statement.documents_root)
    except MismatchError as error:
        return Finding.of("documents_root", str(error))
    return Finding.of("document_ok", number=bundle.proof.leaf_index + 1, count=count)


def _keys(check: _Check) -> Finding:
    bundle, statement = check.bundle, check.bundle.statement
    for reason, expected, actual in (
        ("building_key", statement.building_key, bundle.unit_project.building.key),
        ("unit_project_key", statement.unit_project_key, bundle.unit_project.key),
        ("roster_hash", statement.roster_hash, bundle.roster.hash),
    ):
        if expected != actual:
            return Finding.of(reason, f"expected {expected.hex()}, got {actual.hex()}")
    return Finding.of("keys_ok")


def _anchor(check: _Check) -> _Anchor:
    bundle = check.bundle
    attested = check_attestation(bundle, trust=check.trust, checker=check.checker, now=check.now)
    if attested is not None and attested.outcome is not Outcome.PASSED:
        return _Anchor(attested)
    anchor = _Anchor(Finding.of("anchor_none"))
    if attested is not None and bundle.anchor is not None:
        anchor = _Anchor(attested, AnchorLevel.ATTESTED, block_time(bundle.anchor.block_time))
    if check.chain is not None:
        seen = observe(check.chain, bundle, trust=check.trust, now=check.now)
        if isinstance(seen, Finding):  # the user asked for it: the archive's word does not stand in
            return _Anchor(seen, anchor.level, anchor.proven_time)
        block = seen.record.block
        time = block_time(block.timestamp)
        text = "" if time is None else fields.utc_text(time)
        anchor = _Anchor(Finding.of("anchor_observed", block=block.number, time=text), AnchorLevel.OBSERVED, time, seen)
    if bundle.anchor_proof is not None:
        anchor = _proved(check, bundle.anchor_proof, anchor)
    return replace(anchor, finding=required_or_less(anchor.finding, anchor.level, check.required))


def _proved(check: _Check, proof: AnchorProof, anchor: _Anchor) -> _Anchor:
    bundle, trust = check.bundle, check.trust
    contract = trust.contracts["archive_ledger"].address
    event = submission_event(contract, bundle.submission_id, bundle.statement, seals_hash=bundle.seals_hash)
    block = prove_event(proof, (event,), trust=trust, now=check.now, needed=anchor.level < check.required)
    if block is None:  # of no meaning to a verifier who pins no validators, as a co-signature of an unknown witness
        return anchor
    if isinstance(block, Finding):
        return replace(anchor, finding=block)
    place = (block.number, block.block_hash, block.timestamp)
    attested, seen = bundle.anchor, None if anchor.observation is None else anchor.observation.record.block
    if attested is not None and (attested.block_number, attested.block_hash, attested.block_time) != place:
        return replace(anchor, finding=Finding.of("attestation_outdated", f"block {block.number} is proved"))
    if seen is not None and (seen.number, seen.block_hash, seen.timestamp) != place:
        return replace(anchor, finding=Finding.of("proof_elsewhere", f"expected block {seen.number}"))
    return _Anchor(block.finding, AnchorLevel.PROVED, block.time, anchor.observation, block.number)


def _timestamp(check: _Check) -> tuple[Finding | None, datetime | None]:
    token = check.bundle.timestamp
    if token is None:
        return None, None
    signatures = tuple(seal.signature for seal in check.bundle.seals)
    judged = check.checker.check_timestamp(token, signatures, authorities=check.trust.timestamp_authorities)
    if judged.time is None:
        return Finding.of(judged.reason, judged.detail), None
    if judged.time > check.now + CLOCK_TOLERANCE:
        return Finding.of("timestamp_in_future", fields.utc_text(judged.time)), None
    return Finding.of(judged.reason, judged.detail, time=fields.utc_text(judged.time)), judged.time


def _proof(block: datetime | None, stamp: datetime | None) -> _Proof:
    """The earliest of what is proved: so leaving a proof out never makes a verdict better."""
    if stamp is not None and (block is None or stamp <= block):
        return _Proof(stamp, "timestamp")
    return _Proof(block, None if block is None else "block")


def _parties(check: _Check, anchor: _Anchor, proof: _Proof) -> tuple[PartyVerdict, ...]:
    bundle, payload = check.bundle, check.bundle.payload
    revoked = {} if anchor.observation is None else anchor.observation.revoked_from
    verdicts = []
    for member, seal in zip(bundle.roster.organisations, bundle.seals, strict=True):
        finding, status_time = judge_seal(
            check.checker,
            payload,
            seal,
            bundle.certificate_of(seal),
            trust=check.trust,
            organisation=member.code,
            organisation_name=member.name,
            at=proof.time or check.now,
            now=check.now,
            status=bundle.status_of(seal),
            revoked_from=revoked,
        )
        verdicts.append(
            PartyVerdict(
                member.role,
                finding,
                code=member.code,
                name=member.name,
                signing_time=seal.signing_time,
                certificate_id=seal.certificate_id,
                status_time=status_time,
            )
        )
    return tuple(verdicts)


def _all_parties(parties: tuple[PartyVerdict, ...]) -> Finding:
    outcome = worst(party.finding.outcome for party in parties)
    if outcome is Outcome.PASSED:
        return Finding.of("parties_ok")
    roles = [party.role for party in parties if party.finding.outcome is outcome]
    return Finding.of(
        "parties_failed" if outcome is Outcome.FAILED else "parties_undecided",
        roles="、".join(role.zh for role in roles),
        names=", ".join(roles),
    )


def _deadline(check: _Check, anchor: _Anchor) -> Finding:
    if anchor.proven_time is None:
        return Finding.of("deadline_unknown")
    seal_by, recorded = check.bundle.statement.seal_by, int(anchor.proven_time.timestamp())
    if recorded > seal_by:
        return Finding.of("after_deadline", f"expected at most {seal_by}, got {recorded}")
    return Finding.of("deadline_ok")


def _decision(check: _Check, anchor: _Anchor) -> Finding:
    accepted = _acceptance(check)
    if accepted is not None and accepted.outcome is Outcome.FAILED:
        return accepted
    if anchor.finding.reason == "withdrawn":
        return Finding.of("withdrawn")
    if anchor.observation is not None:
        status = anchor.observation.record.status
        if status is SubmissionStatus.RETURNED:
            return Finding.of("returned")
        if accepted is None:
            return Finding.of("accepted_on_chain" if status is SubmissionStatus.ACCEPTED else "undecided")
        if status is not SubmissionStatus.ACCEPTED:
            return Finding.of("acceptance_not_recorded")
    return accepted or Finding.of("decision_unknown")


def _acceptance(check: _Check) -> Finding | None:
    item = check.bundle.acceptance
    if item is None:
        return None
    verdict = check_archive_seal(
        item.statement(check.bundle.submission_id),
        item.seal,
        check.bundle,
        domain=check.trust.domain,
        trust=check.trust,
        checker=check.checker,
        now=check.now,
    )
    if verdict is None:
        return Finding.of("archive_not_pinned", item.seal.certificate_id.hex())
    if verdict.outcome is not Outcome.PASSED:
        reason = "acceptance_seal" if verdict.outcome is Outcome.FAILED else "acceptance_undecided"
        return Finding.of(reason, f"{verdict.reason}: {verdict.detail}")
    return Finding.of("accepted", number=item.accession_number)


def _file(check: _Check, file: FileDigest) -> Finding:
    entry = check.bundle.entry
    try:
        encryption = EntryEncryption.of(entry)
    except MalformedError as error:
        return Finding.of("encryption_unknown", str(error))
    if encryption is not None and (file.cid, file.size) == (entry.cid, encryption.ciphertext_size):
        return Finding.of("file_envelope")
    differing = [
        name
        for name, expected, actual in (
            ("size", entry.size, file.size),
            ("SHA-256", entry.sha256, file.sha256),
            ("SM3", entry.sm3, file.sm3),
            # Of an encrypted document the CID is its ciphertext's; the digests are the plaintext's.
            ("CID", entry.cid, file.cid if encryption is None else entry.cid),
        )
        if expected != actual
    ]
    if differing:
        return Finding.of("file_differs", members=", ".join(differing))
    return Finding.of("file_ok" if encryption is None else "file_ok_encrypted")


def _model(bundle: EvidenceBundle, item: ElementItem) -> Finding:
    try:
        item.model_path.verify(item.model.leaf_hash, bundle.statement.bim_root)
    except MismatchError as error:
        return Finding.of("bim_root", str(error))
    if not item.is_of_file(bundle.entry.sha256):
        return Finding.of("model_file", f"expected the entry of {bundle.entry.sha256.hex()}, got another file's")
    return Finding.of("model_ok")


def _sealed_model(item: ElementItem) -> dict[str, Any]:
    """What the parties sealed of the model, its counts as they are in its entry."""
    model = item.model.to_json()
    return {name: model[name] for name in ("stage", "schema", "file_sha256", "root", "counts")}


def _element(item: ElementItem) -> tuple[Finding, ElementDescription | None]:
    """What is proved; nothing is described of an element that isn't."""
    if item.model.version not in (FORMAT, SALTED_FORMAT):
        return Finding.of("model_version", f"expected {FORMAT}, got {item.model.version}"), None
    try:
        if item.proof.version != item.model.version:
            raise MismatchError(f"expected a proof of {item.model.version}, got one of {item.proof.version}")
        described = item.proof.verify(item.model.root or b"")
    except MismatchError as error:
        return Finding.of("element_root", f"{error.code}: {error}"), None
    return Finding.of("element_ok", what=f"{described.class_name} {described.global_id}"), described


def _subject(bundle: EvidenceBundle, anchor: _Anchor) -> dict[str, Any]:
    entry = bundle.entry
    stated = anchor.proved_block if bundle.anchor is None else bundle.anchor.block_number
    return {
        "submission": fields.prefixed_hex(bundle.submission_id),
        "building": bundle.unit_project.building.to_json(),
        "unit_project": bundle.unit_project.code,
        "sequence": bundle.statement.sequence,
        "document": {
            "path": entry.path,
            "title": entry.title,
            "leaf_index": bundle.proof.leaf_index,
            "size": entry.size,
            "sha256": entry.sha256.hex(),
            "sm3": entry.sm3.hex(),
            "cid": entry.cid,
        },
        "documents": bundle.statement.document_count,
        "accession_number": None if bundle.acceptance is None else bundle.acceptance.accession_number,
        "block_number": stated,
    }
