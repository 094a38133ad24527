"""Anchor levels: what the archive attests, what the verifier's own node shows, what blocks prove.

These functions answer with values or a finding; none decides the whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ledger import fields
from ledger.chain_proof.events import ExpectedEvent
from ledger.chain_proof.item import AnchorProof
from ledger.errors import LedgerError, MismatchError
from ledger.evidence import EvidenceBundle
from ledger.ports.chain import CertificateRecord, ChainIdentity, RecordedSubmission, SubmissionStatus
from ledger.report import Finding, Outcome
from ledger.seal_status import RevocationStatus
from ledger.statement import LedgerDomain, Statement
from ledger.trust import TrustFile
from ledger.types import Seal

if TYPE_CHECKING:
    from ledger.chain_proof.check import ProvenBlock

__all__ = [
    "CLOCK_TOLERANCE",
    "CertificateWitness",
    "ChainWitness",
    "GatheringWitness",
    "Observation",
    "SealCheck",
    "SealChecker",
    "TimestampCheck",
    "block_time",
    "chain_difference",
    "check_archive_seal",
    "check_attestation",
    "check_ledger",
    "judge_seal",
    "observe",
    "prove_event",
    "revocations",
]

CLOCK_TOLERANCE = timedelta(seconds=300)
_COMPROMISES = frozenset({1, 2, 10})  # key, CA and attribute authority. Source: RFC 5280 section 5.3.1.


@dataclass(frozen=True, slots=True)
class SealCheck:
    """A checker's answer: outcome, its own stable reason code, both texts, and the values met.

    `status_time`: up to when the issuer's word on the certificate speaks, aware UTC; None: there is none.
    """

    outcome: Outcome
    reason: str
    zh: str
    en: str
    detail: str = ""
    status_time: datetime | None = None

    def finding(self) -> Finding:
        """Return it as a finding."""
        return Finding(self.outcome, self.reason, self.zh, self.en, self.detail)


@dataclass(frozen=True, slots=True)
class TimestampCheck:
    """A checker's answer on a timestamp: a finding's reason, the values met, and the time proved if it holds."""

    reason: str
    detail: str = ""
    time: datetime | None = None


class SealChecker(Protocol):
    """Judges seals and timestamps by docs/formats.md sections 7 and 11; handed in by the composition root.

    MUST rebuild the signed attributes from the arguments, check the signature (low s only), the certificate's profile
    and path to a root, that it belongs to the organisation (and bears its name, if given), and that
    notBefore ≤ signing time ≤ at + 300 s and the certificate is valid at `at`. MUST NOT raise on bad input: that is an
    outcome. MUST answer INDETERMINATE, not FAILED, where something needed is missing. Where `asks_status`, it MUST
    judge the status given, and a certificate that names CRL or OCSP without a usable one is INDETERMINATE.
    """

    def check(
        self,
        payload: bytes,
        seal: Seal,
        certificate_der: bytes,
        *,
        roots: tuple[bytes, ...],
        organisation: str,
        organisation_name: str | None,
        at: datetime,
        status: RevocationStatus | None = None,
        asks_status: bool = False,
    ) -> SealCheck:
        """Judge a seal over a payload of 66 bytes at a proven time."""
        ...

    def check_timestamp(
        self, token: bytes, signatures: tuple[bytes, ...], *, authorities: tuple[bytes, ...]
    ) -> TimestampCheck:
        """Judge a token over the five signatures (64 bytes each); authorities: issuers' certificates, DER.

        The reason is `timestamp_ok` (with the time), `timestamp_refused`, or `timestamp_not_pinned` where no authority
        given issued the signer's certificate.
        """
        ...


class CertificateWitness(Protocol):
    """The part of `ledger.ports.chain.LedgerReader` that tells of chain and certificates; same MUSTs."""

    def identity(self) -> ChainIdentity:
        """Return chain id, genesis hash and contracts as the node has them."""
        ...

    def certificate(self, certificate_id: bytes) -> CertificateRecord | None:
        """Return a certificate as registered, or None."""
        ...


class ChainWitness(CertificateWitness, Protocol):
    """The part that a verifier of documents asks; same MUSTs."""

    def submission(self, submission_id: bytes) -> RecordedSubmission | None:
        """Return a submission as recorded, or None."""
        ...


@runtime_checkable
class GatheringWitness(Protocol):
    """A witness that can be asked for everything about a bundle at once, which spares requests."""

    def gathered(self, submission_id: bytes, certificate_ids: Collection[bytes]) -> ChainWitness:
        """Return a witness of this submission and these certificates alone.

        MUST ask the node at this call what it has, and MUST NOT remember an answer that another block may change.
        """
        ...


@dataclass(frozen=True, slots=True)
class Observation:
    """What the verifier's own node shows.

    Attributes:
        record: the submission as recorded.
        revoked_from: by certificate id, the moment from which it is revoked or stopped, as the registry has it.
    """

    record: RecordedSubmission
    revoked_from: Mapping[bytes, datetime] = field(default_factory=dict)


def block_time(timestamp: int) -> datetime | None:
    """Return unix seconds as aware UTC, or None beyond the calendar."""
    try:
        return datetime.fromtimestamp(timestamp, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def check_archive_seal(
    statement: Statement,
    seal: Seal,
    bundle: EvidenceBundle,
    *,
    domain: LedgerDomain,
    trust: TrustFile,
    checker: SealChecker,
    now: datetime,
) -> SealCheck | None:
    """Judge a seal of the archive.

    The certificate must be pinned in the trust file and belong to the archive; it is judged at its own signing time,
    for which the pin vouches, and that may not lie in the future.

    Returns:
        The checker's answer, or None where the certificate is not pinned.
    """
    certificate = bundle.certificate_of(seal)
    if certificate not in trust.archive_certificates:
        return None
    return checker.check(
        statement.payload(domain),
        seal,
        certificate,
        roots=trust.ca_roots,
        organisation=trust.archive_organisation,
        organisation_name=None,
        at=min(seal.signing_time, now),
    )


def judge_seal(
    checker: SealChecker,
    payload: bytes,
    seal: Seal,
    certificate: bytes,
    *,
    trust: TrustFile,
    organisation: str,
    organisation_name: str | None,
    at: datetime,
    now: datetime,
    status: RevocationStatus | None,
    revoked_from: Mapping[bytes, datetime],
) -> tuple[Finding, datetime | None]:
    """Judge a seal at a proven time, with what is known of revocation. Source: docs/formats.md section 11.

    Args:
        checker: judges the seal itself.
        payload: the 66 bytes that had to be sealed.
        seal: the seal.
        certificate: its certificate, DER.
        trust: whose roots count.
        organisation: code of who had to seal.
        organisation_name: the name that the certificate must bear, or None.
        at: the proven time, or now.
        now: present time, aware UTC.
        status: what the issuer says of the certificate, or None.
        revoked_from: `revocations` of the verifier's own node; empty where none was asked.

    Returns:
        The finding, and up to when the issuer's word speaks, or None.
    """
    judged = checker.check(
        payload,
        seal,
        certificate,
        roots=trust.ca_roots,
        organisation=organisation,
        organisation_name=organisation_name,
        at=at,
        status=status,
        asks_status=True,
    )
    finding = judged.finding()
    reach = revoked_from.get(seal.certificate_id)
    if finding.outcome is Outcome.PASSED and reach is not None and reach <= at:
        finding = Finding.of("revoked_on_chain", time=fields.utc_text(reach))
    # RFC 6960 section 4.2.2.1: what is of a later time than now is unreliable.
    elif finding.outcome is Outcome.PASSED and judged.status_time and judged.status_time > now + CLOCK_TOLERANCE:
        finding = Finding.of("status_in_future", fields.utc_text(judged.status_time))
    return finding, judged.status_time


def check_ledger(trust: TrustFile, domain: LedgerDomain) -> Finding:
    """Whether a statement's domain is the trust file's ledger."""
    ours = trust.domain
    if ours != domain:
        return Finding.of(
            "other_ledger",
            f"expected chain {ours.chain_id}, contract {fields.prefixed_hex(ours.verifying_contract)}, "
            f"got {domain.chain_id}, {fields.prefixed_hex(domain.verifying_contract)}",
        )
    return Finding.of("ledger_ok")


def check_attestation(
    bundle: EvidenceBundle, *, trust: TrustFile, checker: SealChecker, now: datetime
) -> Finding | None:
    """Judge the archive's attestation; None: the bundle has none."""
    attested = bundle.anchor
    if attested is None:
        return None
    if attested.seals_hash != bundle.seals_hash:
        return Finding.of("seals_hash", f"expected {bundle.seals_hash.hex()}, got {attested.seals_hash.hex()}")
    verdict = check_archive_seal(
        attested.statement(bundle.submission_id),
        attested.seal,
        bundle,
        domain=trust.domain,
        trust=trust,
        checker=checker,
        now=now,
    )
    if verdict is None:
        return Finding.of("archive_not_pinned", attested.seal.certificate_id.hex())
    if verdict.outcome is not Outcome.PASSED:
        reason = "attestation_seal" if verdict.outcome is Outcome.FAILED else "attestation_undecided"
        return Finding.of(reason, f"{verdict.reason}: {verdict.detail}")
    time = block_time(attested.block_time)
    if time is None or time > now + CLOCK_TOLERANCE:
        return Finding.of("time_in_future", str(attested.block_time))
    return Finding.of("anchor_attested", block=attested.block_number, time=f"{time:%Y-%m-%dT%H:%M:%SZ}")


def observe(witness: ChainWitness, bundle: EvidenceBundle, *, trust: TrustFile, now: datetime) -> Observation | Finding:
    """Read the record through the verifier's own node, after checking that it is on the trusted chain.

    Returns:
        The observation where the record is the bundle's; else the finding that says why there is none.
    """
    certificate_ids = {seal.certificate_id for seal in bundle.seals}
    try:
        if isinstance(witness, GatheringWitness):
            witness = witness.gathered(bundle.submission_id, certificate_ids)
        record = _recorded(witness, bundle, trust)
        if isinstance(record, Finding):
            return record
        revoked = revocations(witness, certificate_ids)
    except MismatchError as error:
        return Finding.of("wrong_chain", str(error))
    except LedgerError as error:  # whatever a node answers, it is no answer about the bundle
        return Finding.of("chain_unreachable", str(error))
    time = block_time(record.block.timestamp)
    if time is None or time > now + CLOCK_TOLERANCE:
        return Finding.of("time_in_future", str(record.block.timestamp))
    attested = bundle.anchor
    if attested is not None and (attested.block_number, attested.block_hash, attested.block_time) != (
        record.block.number,
        record.block.block_hash,
        record.block.timestamp,
    ):
        return Finding.of("attestation_outdated", f"block {record.block.number} 0x{record.block.block_hash.hex()}")
    return Observation(record, revoked)


def prove_event(
    proof: AnchorProof, events: Sequence[ExpectedEvent], *, trust: TrustFile, now: datetime, needed: bool
) -> ProvenBlock | Finding | None:
    """Check an anchor proof, where the trust file says whose seals count.

    Args:
        proof: the bundle's.
        events: what the event may be.
        trust: the verifier's own trust file.
        now: present time, aware UTC.
        needed: the level required is not reached without it.

    Returns:
        The block, the finding that says why it isn't proved, or None where the trust file pins no validators for it and
        nothing depends on it.
    """
    if trust.validators:
        from ledger.chain_proof.check import prove  # its libraries take a third of a second to load

        found = prove(proof, events, trust=trust, now=now)
    else:
        found = Finding.of("validators_not_pinned")
    is_silent = isinstance(found, Finding) and found.reason == "validators_not_pinned"
    return None if is_silent and not needed else found


def _recorded(witness: ChainWitness, bundle: EvidenceBundle, trust: TrustFile) -> RecordedSubmission | Finding:
    difference = chain_difference(witness.identity(), trust)
    if difference:
        return Finding.of("wrong_chain", difference)
    record = witness.submission(bundle.submission_id)
    if record is None or record.status is SubmissionStatus.NONE:
        return Finding.of("not_recorded", bundle.submission_id.hex())
    if record.status is SubmissionStatus.WITHDRAWN:
        return Finding.of("withdrawn")
    difference = _record_difference(record, bundle)
    return Finding.of("record_differs", difference) if difference else record


def chain_difference(identity: ChainIdentity, trust: TrustFile) -> str:
    """Say where a node's chain is not the trusted one; empty: it is."""
    if identity.chain_id != trust.chain_id:
        return f"expected chain id {trust.chain_id}, got {identity.chain_id}"
    if identity.genesis_hash != trust.genesis_hash:
        return f"expected genesis 0x{trust.genesis_hash.hex()}, got 0x{identity.genesis_hash.hex()}"
    for name, pin in trust.contracts.items():
        found = identity.contracts.get(name)
        if found is None or (found.address, found.code_keccak256) != (pin.address, pin.code_keccak256):
            code = "none" if found is None else f"0x{found.code_keccak256.hex()} at 0x{found.address.hex()}"
            return f"expected {name} code 0x{pin.code_keccak256.hex()} at 0x{pin.address.hex()}, got {code}"
    return ""


def _record_difference(record: RecordedSubmission, bundle: EvidenceBundle) -> str:
    statement = bundle.statement
    for name, expected, actual in (
        ("documents_root", statement.documents_root, record.documents_root),
        ("document_count", statement.document_count, record.document_count),
        ("sequence", statement.sequence, record.sequence),
        ("seals_hash", bundle.seals_hash, record.seals_hash),
    ):
        if expected != actual:
            return f"{name} differs"
    return ""


def revocations(witness: CertificateWitness, certificate_ids: Iterable[bytes]) -> dict[bytes, datetime]:
    """Return from when certificates are revoked or stopped, as the registry has it; those that aren't are left out."""
    revoked = {}
    for certificate_id in set(certificate_ids):
        record = witness.certificate(certificate_id)
        if record is None:
            continue
        reaches = [] if record.stopped_at is None else [record.stopped_at]
        if record.revoked_at is not None:
            # A compromise reaches back to its invalidity time, never before the certificate was valid.
            reach = record.revoked_at
            if record.invalidity_time is not None and record.reason in _COMPROMISES:
                reach = min(reach, max(record.invalidity_time, record.not_before))
            reaches.append(reach)
        if reaches:
            revoked[certificate_id] = min(reaches)
    return revoked
