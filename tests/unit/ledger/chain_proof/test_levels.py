"""What a proof does to the verdict on a whole bundle: of a document, and of a record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from ledger.canonical import canonical_bytes
from ledger.chain_proof.item import AnchorProof
from ledger.cli.seals import CadesSeals
from ledger.cli.verify import event_namer
from ledger.errors import MalformedError
from ledger.evidence import EvidenceBundle
from ledger.ports.chain import (
    AnchoredCheckpoint,
    BlockRef,
    CertificateRecord,
    ChainIdentity,
    ContractIdentity,
    RecordedSubmission,
    SubmissionStatus,
)
from ledger.record_evidence import RecordEvidence
from ledger.record_verify import verify_record
from ledger.report import AnchorLevel, Outcome, VerificationReport
from ledger.trust import Consensus, TrustFile
from ledger.verify import verify_bundle
from scripts.sample_chain import VALIDATORS, Block, Qbft, anchored_in, checkpoint_log, pinning, validator_set
from scripts.sample_evidence import BLOCK_NUMBER, BLOCK_TIME, NOW, Handover, trust_file
from scripts.sample_records import LATER_SIZE, SIZE, WITNESSED, Reported, witness_trust

ALONE = VALIDATORS[:1]
SET = validator_set(Consensus.QBFT, ALONE)
BUNDLE, CHAIN = anchored_in(Handover(), Qbft, validators=ALONE, committers=ALONE)
TRUST, UNPINNED = pinning(SET), trust_file()
ELSEWHERE = pinning(replace(SET, from_block=BLOCK_NUMBER + 1))
PROVED, OBSERVED, ATTESTED = AnchorLevel.PROVED, AnchorLevel.OBSERVED, AnchorLevel.ATTESTED
P, F, I = Outcome.PASSED, Outcome.FAILED, Outcome.INDETERMINATE  # noqa: E741


@dataclass
class Node:
    """A chain simulator that has one submission, or heads of one log, in a block."""

    block: BlockRef
    size: int = SIZE
    trust: TrustFile = UNPINNED

    def identity(self) -> ChainIdentity:
        pins = self.trust.contracts.items()
        contracts = {name: ContractIdentity(pin.address, pin.code_keccak256) for name, pin in pins}
        return ChainIdentity(self.trust.chain_id, self.trust.genesis_hash, contracts=contracts)

    def submission(self, submission_id: bytes) -> RecordedSubmission | None:
        return RecordedSubmission(
            submission_id,
            SubmissionStatus.ACCEPTED,
            documents_root=BUNDLE.statement.documents_root,
            document_count=BUNDLE.statement.document_count,
            sequence=BUNDLE.statement.sequence,
            seals_hash=BUNDLE.seals_hash,
            block=self.block,
            transaction_hash=bytes(32),
        )

    def checkpoints(self, origin: bytes) -> tuple[AnchoredCheckpoint, ...]:
        root = REPORTED.checkpoint(self.size).root
        place = {"block_number": self.block.number, "block_time": self.block.timestamp}
        return (AnchoredCheckpoint(self.size, root, **place),)

    def certificate(self, certificate_id: bytes) -> CertificateRecord | None:
        return None


def verify(
    bundle: EvidenceBundle | bytes = BUNDLE,
    *,
    trust: TrustFile = TRUST,
    required: AnchorLevel = PROVED,
    node: Node | None = None,
    now: datetime = NOW,
) -> VerificationReport:
    data = bundle if isinstance(bundle, bytes) else bundle.to_bytes()
    return verify_bundle(data, trust, seal_checker=CadesSeals(), now=now, required_level=required, chain=node)


def anchor(report: VerificationReport) -> tuple[Outcome, str, AnchorLevel]:
    step = next(step for step in report.steps if step.name == "anchor")
    return step.finding.outcome, step.finding.reason, report.level


HERE = BlockRef(BLOCK_NUMBER, CHAIN.block_hash, timestamp=int(BLOCK_TIME.timestamp()))
UNATTESTED = replace(Handover().bundle(anchored=False), anchor_proof=CHAIN.proof())


def test_a_proved_block_proves_the_time_and_says_so() -> None:
    report = verify()
    assert report.outcome is P
    assert anchor(report) == (P, "proved_qbft", PROVED)
    value = report.to_json()
    assert (value["anchor_level"], value["required_anchor"], value["proven_by"]) == ("proved", "proved", "block")
    assert report.proven_time == report.block_time == BLOCK_TIME
    assert value["subject"]["block_number"] == BLOCK_NUMBER


def test_it_needs_no_attestation() -> None:
    report = verify(UNATTESTED)
    assert report.outcome is P
    assert anchor(report) == (P, "proved_qbft", PROVED)
    assert report.to_json()["subject"]["block_number"] == BLOCK_NUMBER


def test_a_bundle_reads_back() -> None:
    for bundle in (BUNDLE, UNATTESTED):
        assert EvidenceBundle.parse(bundle.to_bytes()) == bundle


@pytest.mark.parametrize("trust", [UNPINNED, ELSEWHERE])
def test_whoever_pins_nobody_for_the_block_is_where_they_were(trust: TrustFile) -> None:
    assert anchor(verify(trust=trust, required=ATTESTED)) == (P, "anchor_attested", ATTESTED)
    assert anchor(verify(trust=trust, required=OBSERVED, node=Node(HERE))) == (P, "anchor_observed", OBSERVED)
    assert anchor(verify(trust=trust)) == (I, "validators_not_pinned", ATTESTED)
    assert anchor(verify(UNATTESTED, trust=trust, required=ATTESTED)) == (I, "validators_not_pinned", AnchorLevel.NONE)


def test_a_bundle_without_a_proof_is_not_proved() -> None:
    for trust in (TRUST, UNPINNED):
        assert anchor(verify(replace(BUNDLE, anchor_proof=None), trust=trust)) == (I, "anchor_level", ATTESTED)


@pytest.mark.parametrize("required", [ATTESTED, PROVED])
def test_a_proof_that_does_not_hold_is_not_passed_over(required: AnchorLevel) -> None:
    stranger = replace(BUNDLE, anchor_proof=replace(CHAIN, committers=("stranger",)).proof())
    assert anchor(verify(stranger, required=required)) == (I, "validator_unknown", ATTESTED)
    wrong = replace(BUNDLE, anchor_proof=CHAIN.proof(log_index=0))
    assert anchor(verify(wrong, required=required)) == (F, "proof_event", ATTESTED)


def test_another_block_than_the_attested_one_could_not_be_checked() -> None:
    later = replace(CHAIN, block=replace(CHAIN.block, time=CHAIN.block.time + 1))
    for required in (ATTESTED, PROVED):
        report = verify(replace(BUNDLE, anchor_proof=later.proof()), required=required)
        assert anchor(report) == (I, "attestation_outdated", ATTESTED)


def test_ones_own_node_must_show_the_same_block() -> None:
    assert anchor(verify(node=Node(HERE))) == (P, "proved_qbft", PROVED)
    assert anchor(verify(UNATTESTED, node=Node(HERE))) == (P, "proved_qbft", PROVED)
    elsewhere = Node(BlockRef(BLOCK_NUMBER, bytes(32), timestamp=HERE.timestamp))
    assert anchor(verify(UNATTESTED, node=elsewhere)) == (I, "proof_elsewhere", OBSERVED)


def test_the_clock_is_asked() -> None:
    assert anchor(verify(UNATTESTED, now=BLOCK_TIME - timedelta(hours=1)))[:2] == (I, "time_in_future")


def changed(value: Any) -> Iterator[Any]:
    """Every JSON value that differs from another in one place."""
    match value:
        case dict():
            for name, member in value.items():
                yield {other: one for other, one in value.items() if other != name}
                yield from ({**value, name: item} for item in changed(member))
            yield {**value, "more": 1}
        case list():
            for index, member in enumerate(value):
                yield value[:index] + value[index + 1 :]
                yield from ([*value[:index], item, *value[index + 1 :]] for item in changed(member))
            yield [*value, "AA=="]
        case int():
            yield from (value + 1, -1, str(value), None)
        case str():
            yield from ("", value[:-4], "AAAA" + value, value[:-8] + "AAAA" + value[-4:], None)


def test_no_value_of_the_item_can_be_changed() -> None:
    item = {"type": "anchor_proof", **CHAIN.proof().to_json()}
    document = BUNDLE.to_json()
    place = document["items"].index(item)
    for other in (one for one in changed(item) if one != item):
        document["items"][place] = other
        report = verify(canonical_bytes(document), required=ATTESTED)
        assert report.outcome is not P, other


def test_an_item_may_be_there_once_and_in_its_place() -> None:
    document = BUNDLE.to_json()
    item = next(one for one in document["items"] if one["type"] == "anchor_proof")
    for items in ([*document["items"], item], [item, *(one for one in document["items"] if one is not item)]):
        assert anchor_form(verify(canonical_bytes({**document, "items": items}))) == (F, "form_refused")


def anchor_form(report: VerificationReport) -> tuple[Outcome, str]:
    return report.steps[0].finding.outcome, report.steps[0].finding.reason


def test_more_than_can_be_needed_is_refused() -> None:
    with pytest.raises(MalformedError):
        CHAIN.proof(descendants=(b"",) * 65)
    with pytest.raises(MalformedError):
        CHAIN.proof(receipt_path=(b"",) * 17)


REPORTED = Reported()
RECORD_TRUST = pinning(SET, trust=witness_trust(()))


def head_proof(size: int = SIZE, reported: Reported = REPORTED, **changes: Any) -> AnchorProof:
    block = replace(Block(checkpoint_log(reported.checkpoint(size))), **changes)
    return Qbft(block, ALONE, ALONE).proof()


def verify_head(
    bundle: RecordEvidence,
    *,
    trust: TrustFile = RECORD_TRUST,
    required: AnchorLevel = PROVED,
    node: Node | None = None,
) -> VerificationReport:
    return verify_record(
        bundle.to_bytes(),
        trust,
        seal_checker=CadesSeals(),
        now=NOW,
        name_event=event_namer(),
        chain=node,
        required_level=required,
    )


def test_the_head_of_a_log_is_proved_too() -> None:
    bundle = replace(REPORTED.bundle(), anchor_proof=head_proof())
    assert RecordEvidence.parse(bundle.to_bytes()) == bundle
    report = verify_head(bundle)
    assert report.outcome is P
    assert anchor(report) == (P, "proved_qbft", PROVED)
    assert (report.proven_time, report.proven_by, report.block_time) == (BLOCK_TIME, "block", BLOCK_TIME)
    assert report.subject["block_number"] == BLOCK_NUMBER


def test_the_head_of_the_later_checkpoint_is_proved() -> None:
    proof = head_proof(LATER_SIZE)
    assert anchor(verify_head(replace(REPORTED.bundle(later=True), anchor_proof=proof))) == (P, "proved_qbft", PROVED)
    assert anchor(verify_head(replace(REPORTED.bundle(), anchor_proof=proof)))[:2] == (F, "proof_event")


def test_heads_of_other_logs_and_rewritten_ones_prove_nothing() -> None:
    rewritten = Reported(edit_entry=(("record_id", "x"),))
    other_log = Reported(stream="funds")
    for proof in (
        head_proof(reported=rewritten),
        head_proof(reported=other_log),
        head_proof(status=b""),
        CHAIN.proof(),
    ):
        assert anchor(verify_head(replace(REPORTED.bundle(), anchor_proof=proof)))[:2] == (F, "proof_event")


def test_the_earlier_of_block_and_witnesses_is_the_proven_time() -> None:
    trust = pinning(SET, trust=witness_trust())
    report = verify_head(replace(REPORTED.bundle(), anchor_proof=head_proof()), trust=trust)
    assert (report.level, report.proven_by, report.proven_time) == (PROVED, "witnesses", WITNESSED)
    early = head_proof(time=int(WITNESSED.timestamp()) - 1)
    report = verify_head(replace(REPORTED.bundle(), anchor_proof=early), trust=trust)
    assert (report.proven_by, report.proven_time) == ("block", WITNESSED - timedelta(seconds=1))


def test_a_head_is_left_aside_by_whoever_pins_nobody() -> None:
    bundle = replace(REPORTED.bundle(), anchor_proof=head_proof())
    assert anchor(verify_head(bundle, trust=witness_trust(), required=ATTESTED)) == (P, "head_attested", ATTESTED)
    assert anchor(verify_head(bundle, trust=witness_trust()))[:2] == (I, "validators_not_pinned")
    assert anchor(verify_head(bundle, trust=witness_trust(())))[:2] == (I, "validators_not_pinned")
    assert anchor(verify_head(REPORTED.bundle(), trust=RECORD_TRUST))[:2] == (I, "head_none")


def test_ones_own_node_must_show_the_head_in_the_same_block() -> None:
    bundle = replace(REPORTED.bundle(), anchor_proof=head_proof())
    assert anchor(verify_head(bundle, node=Node(HERE, trust=RECORD_TRUST))) == (P, "proved_qbft", PROVED)
    later = BlockRef(BLOCK_NUMBER + 1, bytes(32), timestamp=HERE.timestamp)
    report = verify_head(bundle, node=Node(later, trust=RECORD_TRUST))
    assert anchor(report) == (I, "proof_elsewhere", OBSERVED)
    # What the node does not know of could not be checked, whatever is proved.
    silent = verify_head(bundle, node=Node(HERE, size=LATER_SIZE, trust=RECORD_TRUST))
    assert anchor(silent)[:2] == (I, "head_not_recorded")
