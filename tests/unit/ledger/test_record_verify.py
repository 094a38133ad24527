"""The steps of record evidence: each hostile bundle is refused at the step that finds it, with its own reason."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from ledger.cli.seals import CadesSeals
from ledger.cli.verify import event_namer
from ledger.errors import LedgerError, MalformedError, MismatchError, TransportError
from ledger.ports.chain import AnchoredCheckpoint, CertificateRecord, ChainIdentity, ContractIdentity
from ledger.record_evidence import RecordEvidence, is_record_evidence
from ledger.record_verify import RECORD_STEPS, verify_record
from ledger.report import AnchorLevel, Outcome, VerificationReport
from ledger.trust import TrustFile
from ledger.types import Role
from scripts import sample_status
from scripts.sample_evidence import BLOCK_TIME, END, NOW, PUBLISHING, SIGNING_TIME, START, key_store
from scripts.sample_records import (
    LATER_SIZE,
    SIZE,
    WITNESSED,
    WITNESSES,
    Reported,
    Witness,
    witness_trust,
)
from signing.revocation import Revocation, RevocationReason

GOOD = Reported()
NAME_EVENT = event_namer()
TRUST = witness_trust()
UNWITNESSED = witness_trust(())
PUBLISHED = key_store("contractor", issuer=PUBLISHING)
STATUS = sample_status.by_ocsp(Role.CONTRACTOR)
P, F, I = Outcome.PASSED, Outcome.FAILED, Outcome.INDETERMINATE  # noqa: E741


@dataclass
class Node:
    """A chain simulator that holds heads of one log."""

    heads: tuple[tuple[int, datetime], ...] = ((SIZE, BLOCK_TIME),)
    of: Reported = GOOD
    trust: TrustFile = TRUST
    genesis_hash: bytes = TRUST.genesis_hash
    revoked: dict[bytes, CertificateRecord] = field(default_factory=dict)
    error: LedgerError | None = None

    def identity(self) -> ChainIdentity:
        if self.error:
            raise self.error
        contracts = {
            name: ContractIdentity(pin.address, pin.code_keccak256) for name, pin in self.trust.contracts.items()
        }
        return ChainIdentity(self.trust.chain_id, self.genesis_hash, contracts=contracts)

    def checkpoints(self, origin: bytes) -> tuple[AnchoredCheckpoint, ...]:
        found = []
        for size, time in self.heads:
            checkpoint = self.of.checkpoint(size)
            if checkpoint.origin_hash == origin:
                found.append(
                    AnchoredCheckpoint(size, checkpoint.root, block_number=40 + size, block_time=int(time.timestamp()))
                )
        return tuple(found)

    def certificate(self, certificate_id: bytes) -> CertificateRecord | None:
        return self.revoked.get(certificate_id)


def verify(
    bundle: RecordEvidence | bytes | None = None,
    *,
    trust: TrustFile = TRUST,
    node: Node | None = None,
    required: AnchorLevel = AnchorLevel.ATTESTED,
    now: datetime = NOW,
    name_event: Any = NAME_EVENT,
) -> VerificationReport:
    bundle = GOOD.bundle() if bundle is None else bundle
    return verify_record(
        bundle if isinstance(bundle, bytes) else bundle.to_bytes(),
        trust,
        seal_checker=CadesSeals(),
        now=now,
        name_event=name_event,
        chain=node,
        required_level=required,
    )


def of_step(report: VerificationReport, name: str) -> tuple[Outcome, str]:
    step = next(step for step in report.steps if step.name == name)
    return step.finding.outcome, step.finding.reason


def test_a_good_bundle_passes_with_every_step() -> None:
    report = verify()
    assert report.outcome is P
    assert [(step.number, step.name) for step in report.steps] == list(enumerate(RECORD_STEPS, 1))
    assert (report.level, report.proven_time, report.proven_by) == (AnchorLevel.ATTESTED, WITNESSED, "witnesses")
    subject = report.to_json()["subject"]
    assert subject["witnesses"] == ["witness.example/w1", "witness.example/w2"]
    assert subject["record"]["content"]["quantityList"][0]["quantity"] == 13.5
    assert report.parties == ()


def test_a_bundle_reads_back() -> None:
    for bundle in (GOOD.bundle(), GOOD.bundle(later=True), Reported(key=PUBLISHED).bundle(0, statuses=[STATUS])):
        assert RecordEvidence.parse(bundle.to_bytes()) == bundle
        assert is_record_evidence(bundle.to_bytes())


def test_every_record_and_every_size_of_the_log_passes() -> None:
    for index in range(3):
        for size in range(5 + index, LATER_SIZE + 1):
            assert verify(GOOD.bundle(index, size=size)).outcome is P
            if size < LATER_SIZE:
                bundle = replace(GOOD.bundle(index, size=size), later=GOOD.later(size))
                assert verify(bundle).outcome is P


def test_the_head_is_observed_through_ones_own_node() -> None:
    report = verify(trust=UNWITNESSED, node=Node(), required=AnchorLevel.OBSERVED)
    assert (report.outcome, report.level) == (P, AnchorLevel.OBSERVED)
    assert (report.proven_time, report.proven_by, report.block_time) == (BLOCK_TIME, "block", BLOCK_TIME)
    assert report.subject["block_number"] == 40 + SIZE


def test_a_later_head_is_observed_by_its_proof() -> None:
    node = Node(heads=((LATER_SIZE, BLOCK_TIME),))
    bundle = GOOD.bundle(later=True)
    assert of_step(verify(bundle, trust=UNWITNESSED, node=node), "anchor") == (P, "head_observed")
    assert of_step(verify(trust=UNWITNESSED, node=node), "anchor") == (I, "head_not_recorded")


def test_the_proven_time_is_the_earlier_one() -> None:
    early = Node(heads=((SIZE, WITNESSED - timedelta(seconds=5)),))
    assert verify(node=early).proven_by == "block"
    report = verify(node=Node())
    assert (report.proven_by, report.proven_time, report.block_time) == ("witnesses", WITNESSED, BLOCK_TIME)


def test_more_co_signatures_never_prove_a_later_time() -> None:
    third = Witness("witness.example/w3")
    trust = witness_trust((*WITNESSES, third), 2)
    bundle = GOOD.bundle()
    late = int((WITNESSED + timedelta(hours=1)).timestamp())
    note = bundle.checkpoint + third.line(bundle.checkpoint, late)
    report = verify(replace(bundle, checkpoint=note), trust=trust)
    assert (report.outcome, report.proven_time) == (P, WITNESSED)


@pytest.mark.parametrize("name", ["head_none", "quorum", "no_key", "no_namer"])
def test_what_cannot_be_checked_is_indeterminate(name: str) -> None:
    cases: dict[str, tuple[VerificationReport, str, str]] = {
        "head_none": (verify(trust=UNWITNESSED), "anchor", "head_none"),
        "quorum": (verify(Reported(witnesses=WITNESSES[:1]).bundle()), "log", "witness_quorum"),
        "no_key": (verify(trust=replace(TRUST, logs=())), "log", "no_log_key"),
        "no_namer": (verify(name_event=None), "event", "event_uncheckable"),
    }
    report, step, reason = cases[name]
    assert report.outcome is I
    assert of_step(report, step) == (I, reason)


def test_one_of_two_witnesses_is_enough_for_a_quorum_of_one() -> None:
    trust = witness_trust(quorum=1)
    assert verify(Reported(witnesses=WITNESSES[:1]).bundle(), trust=trust).outcome is P
    assert of_step(verify(Reported(witnesses=()).bundle(), trust=trust), "log") == (I, "witness_quorum")


def test_a_stranger_is_no_witness() -> None:
    strangers = (Witness("witness.example/w1", seed=bytes(32)), Witness("stranger.example"))
    assert of_step(verify(Reported(witnesses=strangers).bundle()), "log") == (I, "witness_quorum")


def test_a_record_that_is_no_event_fails() -> None:
    def refuse(_: bytes) -> str:
        raise MalformedError("expected an event, got none")

    assert of_step(verify(name_event=refuse), "event") == (F, "event_refused")


def test_records_of_other_streams_are_no_events() -> None:
    reported = Reported(stream="datasets", building_key=bytes(32), record_ids=("a@1", "b@1", "c@1"))
    report = verify(reported.bundle(), name_event=None)
    assert report.outcome is P
    assert [step.name for step in report.steps] == list(RECORD_STEPS[:7])
    assert report.subject["building_key"] is None


def test_a_chain_that_knows_another_head_fails() -> None:
    rewritten = Reported(edit_entry=(("record_id", "x"),))
    assert of_step(verify(node=Node(of=rewritten)), "anchor") == (F, "head_differs")


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (Node(heads=()), "head_not_recorded"),
        (Node(heads=((LATER_SIZE, BLOCK_TIME),)), "head_not_recorded"),
        (Node(genesis_hash=bytes(32)), "wrong_chain"),
        (Node(error=TransportError("away")), "chain_unreachable"),
        (Node(error=MismatchError("other")), "wrong_chain"),
        (Node(heads=((SIZE, NOW + timedelta(days=1)),)), "time_in_future"),
    ],
)
def test_a_node_that_does_not_tell_is_not_stood_in_for(node: Node, reason: str) -> None:
    report = verify(node=node)
    assert report.outcome is I
    assert of_step(report, "anchor") == (I, reason)
    assert report.level is AnchorLevel.ATTESTED


def test_a_level_above_the_one_reached_is_indeterminate() -> None:
    assert of_step(verify(required=AnchorLevel.OBSERVED), "anchor") == (I, "anchor_level")
    assert of_step(verify(node=Node(), required=AnchorLevel.PROVED), "anchor") == (I, "anchor_level")


def test_co_signatures_of_a_time_to_come_prove_nothing() -> None:
    bundle = Reported(witnessed=NOW + timedelta(hours=1)).bundle()
    assert of_step(verify(bundle), "anchor") == (I, "witness_in_future")


def test_the_certificate_counts_at_the_proven_time() -> None:
    expired = key_store("contractor", not_after=SIGNING_TIME + timedelta(hours=1))
    assert verify(Reported(key=expired).bundle()).outcome is P
    late = Reported(key=expired, witnessed=SIGNING_TIME + timedelta(days=2)).bundle()
    assert of_step(verify(late), "seal")[0] is not P
    assert of_step(verify(Reported(signing_time=WITNESSED + timedelta(hours=1)).bundle()), "seal")[0] is F


def test_revocation_is_judged_as_for_documents() -> None:
    reported = Reported(key=PUBLISHED)
    role = Role.CONTRACTOR
    assert of_step(verify(reported.bundle()), "seal") == (I, "NO_REVOCATION_STATUS")
    assert verify(reported.bundle(statuses=[sample_status.by_ocsp(role)])).outcome is P
    stale = sample_status.by_ocsp(role, at=SIGNING_TIME)
    assert of_step(verify(reported.bundle(statuses=[stale])), "seal") == (I, "TRY_LATER")
    revoked = Revocation(SIGNING_TIME - timedelta(days=1), RevocationReason.SUPERSEDED)
    gone = sample_status.by_ocsp(role, revoked)
    assert of_step(verify(reported.bundle(statuses=[gone])), "seal") == (F, "REVOKED")


def test_a_stop_on_chain_leaves_the_seal_undecided() -> None:
    identifier = GOOD.bundle().seal.certificate_id
    record = CertificateRecord(
        identifier,
        GOOD.store.certificate.organisation_code,
        not_before=START,
        not_after=END,
        suite_id=1,
        revoked_at=None,
        invalidity_time=None,
        reason=None,
        stopped_at=SIGNING_TIME,
    )
    assert of_step(verify(node=Node(revoked={identifier: record})), "seal") == (I, "revoked_on_chain")


def test_a_status_of_another_certificate_is_refused() -> None:
    with pytest.raises(MalformedError):
        Reported().bundle(statuses=[sample_status.by_ocsp(Role.OWNER)])


def test_unknown_versions_and_items_are_not_refused() -> None:
    data = GOOD.bundle().to_bytes()
    for changed in (
        data.replace(b"yunshang-record-evidence/v1", b"yunshang-record-evidence/v2"),
        data.replace(b'"type":"checkpoint"}', b'"type":"checkpoint"},{"type":"novelty"}'),
    ):
        assert changed != data
        report = verify(changed)
        assert report.outcome is I
        assert of_step(report, "form") == (I, "unknown_item")


def test_bad_input_never_raises() -> None:
    for data in (b"", b"{}", b"[]", b"\xff", b'{"format":"yunshang-record-evidence/v1","items":[]}', b"[" * 9999):
        assert of_step(verify(data), "form") == (F, "form_refused")
