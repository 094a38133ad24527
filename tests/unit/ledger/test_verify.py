"""The verifier's steps, anchor levels and decision of the archive."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ledger.cli.seals import CadesSeals
from ledger.errors import LedgerError, MalformedError, TransportError
from ledger.evidence import EvidenceBundle
from ledger.hashing import keccak256
from ledger.ports.chain import (
    BlockRef,
    CertificateRecord,
    ChainIdentity,
    ContractIdentity,
    RecordedSubmission,
    SubmissionStatus,
)
from ledger.report import AnchorLevel, Outcome, VerificationReport
from ledger.types import ROLES, Role
from ledger.verify import STEP_NAMES, FileDigest, verify_bundle
from scripts import sample_status
from scripts.sample_evidence import (
    BLOCK_HASH,
    BLOCK_NUMBER,
    BLOCK_TIME,
    END,
    NOW,
    SIGNING_TIME,
    START,
    Handover,
    holder_of,
    key_store,
    party_seal,
    roster,
    trust_file,
)

BUNDLE = Handover().bundle()
TRUST = trust_file()
BLOCK_SECONDS = int(BLOCK_TIME.timestamp())
P, F, I = Outcome.PASSED, Outcome.FAILED, Outcome.INDETERMINATE  # noqa: E741


@dataclass
class Node:
    """A chain simulator that holds one submission."""

    bundle: EvidenceBundle = BUNDLE
    status: SubmissionStatus = SubmissionStatus.ACCEPTED
    changes: dict[str, object] = field(default_factory=dict)
    chain_id: int = TRUST.chain_id
    genesis_hash: bytes = TRUST.genesis_hash
    codes: dict[str, bytes] = field(default_factory=dict)
    revoked: dict[bytes, CertificateRecord] = field(default_factory=dict)
    known: bool = True
    error: LedgerError | None = None

    def identity(self) -> ChainIdentity:
        if self.error:
            raise self.error
        contracts = {
            name: ContractIdentity(pin.address, self.codes.get(name, pin.code_keccak256))
            for name, pin in TRUST.contracts.items()
        }
        return ChainIdentity(self.chain_id, self.genesis_hash, contracts=contracts)

    def submission(self, submission_id: bytes) -> RecordedSubmission | None:
        if not self.known or submission_id != self.bundle.submission_id:
            return None
        record = RecordedSubmission(
            submission_id,
            self.status,
            documents_root=self.bundle.statement.documents_root,
            document_count=self.bundle.statement.document_count,
            sequence=self.bundle.statement.sequence,
            seals_hash=self.bundle.seals_hash,
            block=BlockRef(BLOCK_NUMBER, BLOCK_HASH, timestamp=BLOCK_SECONDS),
            transaction_hash=keccak256(b"transaction"),
        )
        return replace(record, **self.changes)  # type: ignore[arg-type]

    def certificate(self, certificate_id: bytes) -> CertificateRecord | None:
        return self.revoked.get(certificate_id)


def verify(
    bundle: EvidenceBundle | bytes = BUNDLE,
    *,
    node: Node | None = None,
    required: AnchorLevel = AnchorLevel.ATTESTED,
    now: datetime = NOW,
    file: FileDigest | None = None,
) -> VerificationReport:
    data = bundle if isinstance(bundle, bytes) else bundle.to_bytes()
    return verify_bundle(
        data, TRUST, seal_checker=CadesSeals(), chain=node, required_level=required, now=now, file=file
    )


def outcome_of(report: VerificationReport, name: str) -> tuple[Outcome, str]:
    step = next(step for step in report.steps if step.name == name)
    return step.finding.outcome, step.finding.reason


def test_a_good_bundle_passes_with_every_step_and_party() -> None:
    report = verify()
    assert report.outcome is P
    assert [(step.number, step.name) for step in report.steps] == list(enumerate(STEP_NAMES[:8], 1))
    assert [party.role for party in report.parties] == list(ROLES)
    assert {party.finding.outcome for party in report.parties} == {P}
    assert (report.level, report.as_of, report.proven_time) == (AnchorLevel.ATTESTED, NOW, BLOCK_TIME)
    assert report.decisive is None


def test_report_json_holds_what_the_command_promises() -> None:
    value = verify().to_json()
    assert (value["verdict"], value["anchor_level"], value["as_of"]) == ("PASSED", "attested", "2026-11-23T08:00:00Z")
    assert [step["number"] for step in value["steps"]] == list(range(1, 9))
    assert [party["role"] for party in value["parties"]] == [role.value for role in ROLES]
    for item in (*value["steps"], *value["parties"]):
        assert item["zh"]
        assert item["en"]


def test_observed_level() -> None:
    report = verify(node=Node(), required=AnchorLevel.OBSERVED)
    assert (report.outcome, report.level) == (P, AnchorLevel.OBSERVED)
    without = Handover().bundle(anchored=False)
    assert verify(without, node=Node(), required=AnchorLevel.OBSERVED).outcome is P


@pytest.mark.parametrize("required", [AnchorLevel.OBSERVED, AnchorLevel.PROVED])
def test_a_level_not_reached_is_indeterminate(required: AnchorLevel) -> None:
    report = verify(required=required)
    assert outcome_of(report, "anchor") == (I, "anchor_level")
    assert report.outcome is I
    assert report.level is AnchorLevel.ATTESTED


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (Node(error=TransportError("expected an answer, got a timeout")), "chain_unreachable"),
        (Node(error=MalformedError("expected JSON, got HTML")), "chain_unreachable"),
        (Node(chain_id=1), "wrong_chain"),
        (Node(genesis_hash=bytes(32)), "wrong_chain"),
        (Node(codes={"archive_ledger": bytes(32)}), "wrong_chain"),
        (Node(codes={"p256_suite": bytes(32)}), "wrong_chain"),
        (Node(known=False), "not_recorded"),
        (Node(changes={"block": BlockRef(43, BLOCK_HASH, timestamp=BLOCK_SECONDS)}), "attestation_outdated"),
        (Node(changes={"block": BlockRef(BLOCK_NUMBER, BLOCK_HASH, timestamp=2**60)}), "time_in_future"),
    ],
)  # fmt: skip
def test_a_node_that_cannot_answer_makes_it_indeterminate(node: Node, reason: str) -> None:
    report = verify(node=node)
    assert outcome_of(report, "anchor") == (I, reason)
    assert report.outcome is I


@pytest.mark.parametrize(
    "changes",
    [{"documents_root": bytes(32)}, {"document_count": 6}, {"seals_hash": bytes(32)}, {"sequence": 2}],
)
def test_a_record_that_differs_fails(changes: dict[str, object]) -> None:
    assert outcome_of(verify(node=Node(changes=changes)), "anchor") == (F, "record_differs")


@pytest.mark.parametrize(
    ("status", "accepted", "expected"),
    [
        (SubmissionStatus.ACCEPTED, True, (P, "accepted")),
        (SubmissionStatus.ACCEPTED, False, (P, "accepted_on_chain")),
        (SubmissionStatus.ANCHORED, False, (P, "undecided")),
        (SubmissionStatus.ANCHORED, True, (I, "acceptance_not_recorded")),
        (SubmissionStatus.RETURNED, False, (F, "returned")),
        (SubmissionStatus.RETURNED, True, (F, "returned")),
        (SubmissionStatus.WITHDRAWN, False, (F, "withdrawn")),
    ],
)
def test_decision_of_the_archive_as_observed(
    status: SubmissionStatus, accepted: bool, expected: tuple[Outcome, str]
) -> None:
    bundle = Handover().bundle(accepted=accepted)
    report = verify(bundle, node=Node(bundle, status))
    assert outcome_of(report, "decision") == expected
    assert report.outcome is expected[0]
    if status is SubmissionStatus.RETURNED:  # the seals and the anchor are shown to hold all the same
        assert outcome_of(report, "parties")[0] is outcome_of(report, "anchor")[0] is P


def test_without_acceptance_or_node_the_decision_is_unknown() -> None:
    report = verify(Handover().bundle(accepted=False))
    assert outcome_of(report, "decision") == (I, "decision_unknown")
    assert report.outcome is I


def revoked(certificate_id: bytes, at: datetime, *, reason: int = 4, invalidity: datetime | None = None) -> Node:
    record = CertificateRecord(
        certificate_id,
        "",
        not_before=START,
        not_after=END,
        suite_id=1,
        revoked_at=at,
        invalidity_time=invalidity,
        reason=reason,
    )
    return Node(revoked={certificate_id: record})


@pytest.mark.parametrize(
    ("revocation", "outcome"),
    [
        ({"at": BLOCK_TIME + timedelta(days=1)}, P),
        ({"at": BLOCK_TIME}, I),
        ({"at": BLOCK_TIME + timedelta(days=1), "reason": 1, "invalidity": BLOCK_TIME - timedelta(days=1)}, I),
        ({"at": BLOCK_TIME + timedelta(days=1), "reason": 1, "invalidity": BLOCK_TIME + timedelta(hours=1)}, P),
        ({"at": BLOCK_TIME + timedelta(days=1), "reason": 4, "invalidity": BLOCK_TIME - timedelta(days=1)}, P),
    ],
)
def test_the_registrars_revocation_is_indeterminate_at_worst(revocation: dict[str, object], outcome: Outcome) -> None:
    certificate_id = BUNDLE.seals[3].certificate_id
    report = verify(node=revoked(certificate_id, **revocation))  # type: ignore[arg-type]
    assert report.outcome is outcome
    expected = "PASSED" if outcome is P else "revoked_on_chain"
    assert [party.finding.reason for party in report.parties] == ["PASSED"] * 3 + [expected, "PASSED"]


def test_a_certificate_that_expired_since_does_not_matter_once_time_is_proven() -> None:
    key = key_store("owner", not_after=BLOCK_TIME + timedelta(hours=1))
    bundle = Handover().bundle(keys={ROLES[0]: key})
    assert verify(bundle).outcome is P
    unanchored = verify(Handover().bundle(keys={ROLES[0]: key}, anchored=False))
    assert unanchored.parties[0].finding.outcome is I


def test_verdicts_are_per_party() -> None:
    bundle = Handover().bundle(
        keys={ROLES[1]: key_store("stranger"), ROLES[4]: key_store("supervisor", issuer="other")}
    )
    report = verify(bundle)
    assert [party.finding.outcome for party in report.parties] == [P, F, P, P, I]
    assert outcome_of(report, "parties") == (F, "parties_failed")
    assert "勘察单位" in report.steps[5].finding.zh
    assert "监理单位" not in report.steps[5].finding.zh


@pytest.mark.parametrize("member", ["building_key", "unit_project_key", "roster_hash", "documents_root"])
def test_seals_over_another_statement_fail_for_every_party(member: str) -> None:
    changed: dict[str, Any] = {member: hashlib.sha256(b"another").digest()}
    payload = replace(BUNDLE.statement, **changed).payload(BUNDLE.domain)
    seals = tuple(
        party_seal(payload, holder_of(holder.code), SIGNING_TIME, holder.role) for holder in BUNDLE.roster.organisations
    )
    report = verify(replace(BUNDLE, seals=seals))
    assert [party.finding.outcome for party in report.parties] == [F] * 5
    assert outcome_of(report, "parties") == (F, "parties_failed")


def test_joint_appointments_pass_with_one_certificate() -> None:
    joint = replace(Handover(), roster=roster({"surveyor": "contractor", "designer": "contractor"}))
    assert verify(joint.bundle()).outcome is P


def test_signing_times_around_the_block_time() -> None:
    for seconds, outcome in ((300, P), (301, F)):
        bundle = Handover().bundle(block_time=SIGNING_TIME - timedelta(seconds=seconds))
        assert verify(bundle).outcome is outcome


def test_a_block_in_the_future_is_the_clocks_question() -> None:
    report = verify(now=BLOCK_TIME - timedelta(hours=1))
    assert report.outcome is not P
    assert outcome_of(verify(node=Node(), now=BLOCK_TIME - timedelta(hours=1)), "anchor")[0] is not P


@pytest.mark.parametrize("seconds", [300, 301])
def test_a_status_of_the_future_says_nothing_of_it(seconds: int) -> None:
    """An authority whose clock is ahead would vouch for what it can't know: revoked a second later is not in it."""
    statuses = sample_status.good()
    ahead = sample_status.by_ocsp(Role.OWNER, at=NOW + timedelta(seconds=seconds))
    report = verify(sample_status.published(statuses=[ahead, *statuses[1:]]))
    party = report.parties[0].finding
    assert (party.outcome, party.reason) == ((P, "PASSED") if seconds == 300 else (I, "status_in_future"))
    assert report.outcome is party.outcome


FILE = FileDigest(BUNDLE.entry.size, BUNDLE.entry.sha256, BUNDLE.entry.sm3, BUNDLE.entry.cid)


def test_the_file_is_compared_in_all_four_values() -> None:
    assert outcome_of(verify(file=FILE), "file") == (P, "file_ok")
    other = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
    changed: list[tuple[FileDigest, str]] = [
        (replace(FILE, size=FILE.size + 1), "size"),
        (replace(FILE, sha256=bytes(32)), "SHA-256"),
        (replace(FILE, sm3=bytes(32)), "SM3"),
        (replace(FILE, cid=other), "CID"),
    ]
    for file, name in changed:
        report = verify(file=file)
        assert outcome_of(report, "file") == (F, "file_differs")
        assert name in report.steps[-1].finding.en
        assert report.outcome is F


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"null", b"\x00" * 100, b"%PDF-1.7", b'{"format":"yunshang-evidence/v1","items":[]}']
)
def test_bad_input_never_raises(data: bytes) -> None:
    report = verify(data)
    assert report.outcome is F
    assert {party.finding.outcome for party in report.parties} == {I}
    assert {step.finding.reason for step in report.steps[1:]} == {"not_reached"}


def test_reasons_are_complete_and_bilingual() -> None:
    from ledger.reasons import REASONS

    for reason, (outcome, zh, en) in REASONS.items():
        assert outcome in set(Outcome), reason
        assert any("\u4e00" <= sign <= "\u9fff" for sign in zh), reason
        assert en.isascii(), reason
        if outcome is I:
            assert "无法判定" in zh or "未能检查" in zh, reason


def test_clock_in_another_zone_is_taken() -> None:
    beijing = NOW.astimezone(timezone(timedelta(hours=8)))
    assert verify(now=beijing).to_json()["as_of"] == "2026-11-23T08:00:00Z"
