"""Anchor proofs: each hostile one is refused or left open at the step that finds it, with its own reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from ledger.chain_proof.check import ProvenBlock, prove
from ledger.chain_proof.events import ExpectedEvent, submission_event
from ledger.chain_proof.header import BlockHeader
from ledger.chain_proof.item import AnchorProof
from ledger.report import Finding, Outcome
from ledger.trust import Consensus, TrustFile, ValidatorSet
from scripts.sample_chain import (
    LATER_FIELDS,
    VALIDATORS,
    Block,
    Clique,
    Qbft,
    address,
    anchored_in,
    clique_sealed,
    pinning,
    submission_log,
    validator,
    validator_set,
    with_high_s,
)
from scripts.sample_evidence import BLOCK_NUMBER, BLOCK_TIME, NOW, Handover

BUNDLE, CLIQUE = anchored_in(Handover(), Clique)
QBFT = anchored_in(Handover(), Qbft)[1]
BLOCK: Block = CLIQUE.block
SET = validator_set(Consensus.CLIQUE)
TRUST, QBFT_TRUST = pinning(SET), pinning(validator_set(Consensus.QBFT))
EVENT = submission_event(
    TRUST.contracts["archive_ledger"].address, BUNDLE.submission_id, BUNDLE.statement, seals_hash=BUNDLE.seals_hash
)
STRANGER, SECOND = "stranger", CLIQUE.in_turn(1)
# A network of one validator: where its seals are not the question.
ALONE = pinning(validator_set(Consensus.QBFT, VALIDATORS[:1]))


def check(
    proof: AnchorProof, *, trust: TrustFile = TRUST, now: datetime = NOW, event: ExpectedEvent = EVENT
) -> ProvenBlock | Finding:
    return prove(proof, [event], trust=trust, now=now)


def alone(block: Block) -> Qbft:
    return Qbft(block, VALIDATORS[:1], VALIDATORS[:1])


def refusal(proof: AnchorProof, **options: Any) -> tuple[str, str]:
    found = check(proof, **options)
    assert isinstance(found, Finding)
    return found.outcome.value, found.reason


def test_a_block_sealed_by_clique_is_proved_and_says_on_what_it_rests() -> None:
    found = check(CLIQUE.proof())
    assert isinstance(found, ProvenBlock)
    assert (found.number, found.block_hash, found.time) == (BLOCK_NUMBER, CLIQUE.block_hash, BLOCK_TIME)
    assert (found.finding.outcome, found.finding.reason) == (Outcome.PASSED, "proved_clique")
    assert "3 of the 4 validators" in found.finding.en
    assert "fewer than 3 of them collude" in found.finding.en
    assert "信任文件所列 4 个验证者中有 3 个" in found.finding.zh
    sealers = [address(CLIQUE.in_turn(offset)) for offset in (1, 2, 3)]
    assert found.finding.detail == ", ".join("0x" + sealer.hex() for sealer in sealers)


def test_a_block_committed_to_by_qbft_is_proved_and_says_on_what_it_rests() -> None:
    found = check(QBFT.proof(), trust=QBFT_TRUST)
    assert isinstance(found, ProvenBlock)
    assert (found.block_hash, found.finding.reason) == (QBFT.block_hash, "proved_qbft")
    assert found.block_hash != BlockHeader.parse(QBFT.header).keccak256
    assert "3 of the 4 validators" in found.finding.en
    assert "fewer than a third" in found.finding.en


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7])
def test_it_takes_more_than_half_of_any_number_of_validators_for_clique(count: int) -> None:
    labels = tuple(f"validator {number}" for number in range(count))
    trust, needed = pinning(validator_set(Consensus.CLIQUE, labels)), count // 2 + 1
    assert isinstance(check(Clique(BLOCK, labels, count=needed).proof(), trust=trust), ProvenBlock)
    assert isinstance(check(Clique(BLOCK, labels, count=needed + 3).proof(), trust=trust), ProvenBlock)
    few = refusal(Clique(BLOCK, labels, count=needed - 1).proof(), trust=trust)
    assert few == ("INDETERMINATE", "validator_quorum")


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7])
def test_it_takes_two_thirds_of_any_number_of_validators_for_qbft(count: int) -> None:
    labels = tuple(f"validator {number}" for number in range(count))
    trust, needed = pinning(validator_set(Consensus.QBFT, labels)), -(-2 * count // 3)
    assert isinstance(check(Qbft(BLOCK, labels, labels[:needed]).proof(), trust=trust), ProvenBlock)
    assert isinstance(check(Qbft(BLOCK, labels, labels).proof(), trust=trust), ProvenBlock)
    few = refusal(Qbft(BLOCK, labels, labels[: needed - 1]).proof(), trust=trust)
    assert few == ("INDETERMINATE", "validator_quorum")


@pytest.mark.parametrize("later", [(), LATER_FIELDS[:1], LATER_FIELDS[:2], LATER_FIELDS])
def test_headers_carry_later_fields(later: tuple[bytes, ...]) -> None:
    block = replace(BLOCK, later=later)
    assert isinstance(check(Clique(block).proof()), ProvenBlock)
    assert isinstance(check(Qbft(block, round=3).proof(), trust=QBFT_TRUST), ProvenBlock)


@pytest.mark.parametrize("transactions", [1, 2, 15, 16, 17, 128, 129, 300])
def test_a_receipt_is_proved_at_any_place_of_a_block(transactions: int) -> None:
    for index in {0, 1, transactions // 2, transactions - 1} & set(range(transactions)):
        block = replace(BLOCK, transactions=transactions, index=index, place=index % 3)
        assert isinstance(check(alone(block).proof(), trust=ALONE), ProvenBlock), index


@pytest.mark.parametrize("receipt_type", [b"", b"\x01", b"\x02", b"\x03", b"\x04"])
def test_receipts_of_all_types(receipt_type: bytes) -> None:
    proof = alone(replace(BLOCK, receipt_type=receipt_type)).proof()
    assert isinstance(check(proof, trust=ALONE), ProvenBlock)


def test_a_header_of_an_epochs_beginning_lists_the_pinned_validators() -> None:
    for place in (0, 2):
        assert isinstance(check(Clique(BLOCK, lists={place: VALIDATORS}).proof()), ProvenBlock)
        for other in (VALIDATORS[:3], (*VALIDATORS, STRANGER)):
            found = refusal(Clique(BLOCK, lists={place: other}).proof())
            assert found == ("INDETERMINATE", "validators_differ")


def test_validators_out_of_turn_vouch_as_well() -> None:
    # After the block's own sealer (turn 0) come those of turns 2, 3 and 1, each out of turn but the last.
    sealers = {1: CLIQUE.in_turn(2), 2: CLIQUE.in_turn(3), 3: CLIQUE.in_turn(1)}
    assert isinstance(check(Clique(BLOCK, sealers=sealers).proof()), ProvenBlock)


FORKED = ("fork 1", "fork 2", "fork 3", "fork 4")
HOSTILE_CLIQUE: dict[str, tuple[Callable[[], AnchorProof], str, str]] = {
    "a forked set of validators": (lambda: Clique(BLOCK, FORKED).proof(), "INDETERMINATE", "validator_unknown"),
    "a fork of half the validators": (
        lambda: Clique(BLOCK, (*VALIDATORS[:2], *FORKED[:2])).proof(), "INDETERMINATE", "validator_unknown"),
    "a smaller set that hides who is left out": (
        lambda: Clique(BLOCK, VALIDATORS[:3]).proof(), "INDETERMINATE", "validators_differ"),
    "a stranger's seal on the block": (
        lambda: Clique(BLOCK, sealers={0: STRANGER}).proof(), "INDETERMINATE", "validator_unknown"),
    "a stranger's seal on a descendant": (
        lambda: Clique(BLOCK, sealers={2: STRANGER}).proof(), "INDETERMINATE", "validator_unknown"),
    "a stranger's seal on one too many": (
        lambda: Clique(BLOCK, count=4, sealers={4: STRANGER}).proof(), "INDETERMINATE", "validator_unknown"),
    "no descendants": (lambda: Clique(BLOCK, count=0).proof(), "INDETERMINATE", "validator_quorum"),
    "too few descendants": (lambda: Clique(BLOCK, count=2).proof(), "INDETERMINATE", "validator_quorum"),
    "one validator seals all": (
        lambda: Clique(BLOCK, count=9, sealers=dict.fromkeys(range(10), SECOND)).proof(),
        "INDETERMINATE", "validators_differ"),
    "two validators seal all": (
        lambda: Clique(BLOCK, count=9, sealers={place: VALIDATORS[place % 2] for place in range(10)}).proof(),
        "INDETERMINATE", "validators_differ"),
    "the block's sealer seals the next": (
        lambda: Clique(BLOCK, sealers={1: CLIQUE.in_turn(0)}).proof(), "INDETERMINATE", "validators_differ"),
    "a difficulty out of turn": (
        lambda: Clique(BLOCK, difficulties={3: 1}).proof(), "INDETERMINATE", "validators_differ"),
    "a difficulty of no meaning": (lambda: Clique(BLOCK, difficulties={3: 3}).proof(), "FAILED", "proof_refused"),
    "a block left out": (
        lambda: CLIQUE.proof(descendants=CLIQUE.headers[2:]), "FAILED", "proof_refused"),
    "a block twice": (
        lambda: CLIQUE.proof(descendants=(CLIQUE.headers[1], *CLIQUE.headers[1:])), "FAILED", "proof_refused"),
    "blocks in another order": (
        lambda: CLIQUE.proof(descendants=CLIQUE.headers[:0:-1]), "FAILED", "proof_refused"),
    "blocks after another block": (
        lambda: CLIQUE.proof(descendants=Clique(replace(BLOCK, time=BLOCK.time + 1)).headers[1:]),
        "FAILED", "proof_refused"),
    "the header of another block": (
        lambda: CLIQUE.proof(header=Clique(replace(BLOCK, index=3)).headers[0]), "FAILED", "proof_refused"),
    "a header sealed by QBFT": (lambda: Qbft(BLOCK).proof(), "FAILED", "proof_refused"),
    "no header": (lambda: CLIQUE.proof(header=b"\x80"), "FAILED", "proof_refused"),
    "a header of too few fields": (lambda: CLIQUE.proof(header=b"\xc2\x80\x80"), "FAILED", "proof_refused"),
    "nested beyond reading": (lambda: CLIQUE.proof(header=b"\xc1" * 9000 + b"\xc0"), "FAILED", "proof_refused"),
    "no descendant": (lambda: CLIQUE.proof(descendants=(b"",)), "FAILED", "proof_refused"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_CLIQUE)
def test_refuses_of_clique(name: str) -> None:
    proof, verdict, reason = HOSTILE_CLIQUE[name]
    assert refusal(proof()) == (verdict, reason)


def qbft(**changes: Any) -> AnchorProof:
    return Qbft(BLOCK, **changes).proof()


HOSTILE_QBFT: dict[str, tuple[Callable[[], AnchorProof], str, str]] = {
    "a forked set of validators": (
        lambda: qbft(validators=FORKED, committers=FORKED[:3]), "INDETERMINATE", "validators_differ"),
    "a forked set that names the pinned one": (
        lambda: qbft(committers=FORKED[:3]), "INDETERMINATE", "validator_unknown"),
    "one validator more": (lambda: qbft(validators=(*VALIDATORS, STRANGER)), "INDETERMINATE", "validators_differ"),
    "too few seals": (lambda: qbft(committers=VALIDATORS[:2]), "INDETERMINATE", "validator_quorum"),
    "no seals": (lambda: qbft(committers=()), "INDETERMINATE", "validator_quorum"),
    "a stranger's seal for one of three": (
        lambda: qbft(committers=(*VALIDATORS[:2], STRANGER)), "INDETERMINATE", "validator_unknown"),
    "a stranger's seal besides": (
        lambda: qbft(committers=(*VALIDATORS[:3], STRANGER)), "INDETERMINATE", "validator_unknown"),
    "one validator twice": (
        lambda: qbft(committers=(*VALIDATORS[:2], VALIDATORS[1])), "INDETERMINATE", "validator_unknown"),
    "seals of another round": (lambda: qbft(round=1, sealed_round=0), "INDETERMINATE", "validator_unknown"),
    "a vote of no meaning": (lambda: qbft(vote=(bytes(20), b"\x01")), "FAILED", "proof_refused"),
    "blocks that follow": (
        lambda: replace(QBFT.proof(), descendants=CLIQUE.headers[1:2]), "FAILED", "proof_refused"),
    "a header sealed by Clique": (lambda: CLIQUE.proof(descendants=()), "FAILED", "proof_refused"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_QBFT)
def test_refuses_of_qbft(name: str) -> None:
    proof, verdict, reason = HOSTILE_QBFT[name]
    assert refusal(proof(), trust=QBFT_TRUST) == (verdict, reason)


def test_qbft_by_votes_rounds_and_contracts() -> None:
    for changes in (
        {"vote": (address(STRANGER), b"\xff")},
        {"vote": (address(STRANGER), b"")},
        {"round": 0xFEDCBA},
        {"validators": ()},  # a contract names them
        {"committers": VALIDATORS[1:]},
        {"validators": VALIDATORS[::-1]},
    ):
        assert isinstance(check(qbft(**changes), trust=QBFT_TRUST), ProvenBlock), changes


def of(**changes: Any) -> AnchorProof:
    return alone(replace(BLOCK, **changes)).proof()


def with_proof(**changes: Any) -> AnchorProof:
    return alone(BLOCK).proof(**changes)


OTHER = Handover(seal_by=Handover().seal_by + 1).bundle(anchored=False)
LOG = submission_log(BUNDLE)
HOSTILE_EVENTS: dict[str, tuple[Callable[[], AnchorProof], str]] = {
    "of another contract": (lambda: of(log=submission_log(BUNDLE, address=bytes(20))), "proof_event"),
    "of another event": (lambda: of(log=submission_log(BUNDLE, topics=[bytes(32), *LOG[1][1:]])), "proof_event"),
    "of another submission": (lambda: of(log=submission_log(OTHER)), "proof_event"),
    "of another building": (
        lambda: of(log=submission_log(BUNDLE, topics=[*LOG[1][:2], bytes(32), LOG[1][3]])), "proof_event"),
    "with a topic less": (lambda: of(log=submission_log(BUNDLE, topics=LOG[1][:3])), "proof_event"),
    "with a topic more": (lambda: of(log=submission_log(BUNDLE, topics=[*LOG[1], bytes(32)])), "proof_event"),
    "of other seals": (lambda: of(log=submission_log(BUNDLE, data=bytes(32) + LOG[2][32:])), "proof_event"),
    "without data": (lambda: of(log=submission_log(BUNDLE, data=b"")), "proof_event"),
    "of a transaction that failed": (lambda: of(status=b""), "proof_event"),
    "with a state root for a status": (lambda: of(status=bytes(32)), "proof_refused"),
    "of a receipt of no type": (lambda: of(receipt_type=b"\x02\x02"), "proof_refused"),
    "another event of the receipt": (lambda: with_proof(log_index=0), "proof_event"),
    "an event that isn't there": (lambda: with_proof(log_index=2), "proof_event"),
    "the receipt of another transaction": (lambda: with_proof(transaction_index=16), "proof_refused"),
    "the path of another receipt": (
        lambda: with_proof(receipt_path=replace(BLOCK, index=16).path, transaction_index=16), "proof_refused"),
    "a receipt of another block": (
        lambda: with_proof(receipt_path=replace(BLOCK, transactions=19).path), "proof_refused"),
    "no path": (lambda: with_proof(receipt_path=()), "proof_refused"),
    "a node left out": (lambda: with_proof(receipt_path=BLOCK.path[:-1]), "proof_refused"),
    "a node more": (lambda: with_proof(receipt_path=(*BLOCK.path, b"\x80")), "proof_refused"),
    "a node twice": (lambda: with_proof(receipt_path=(*BLOCK.path, BLOCK.path[-1])), "proof_refused"),
    "nodes in another order": (lambda: with_proof(receipt_path=BLOCK.path[::-1]), "proof_refused"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_EVENTS)
def test_refuses_an_event(name: str) -> None:
    proof, reason = HOSTILE_EVENTS[name]
    assert refusal(proof(), trust=ALONE) == ("FAILED", reason)


def test_a_receipt_that_exists_but_is_another_proves_nothing() -> None:
    filler = replace(BLOCK, index=3)
    proof = alone(filler).proof(transaction_index=4, receipt_path=_path_of(filler, 4))
    assert refusal(proof, trust=ALONE) == ("FAILED", "proof_event")


def _path_of(block: Block, index: int) -> tuple[bytes, ...]:
    """The path to the receipt of another transaction of the same block."""
    other = replace(block, index=index)
    other.__dict__["trie"] = block.trie
    return other.path


def test_a_second_spelling_of_a_seal_is_none() -> None:
    last = CLIQUE.headers[-1]
    header = BlockHeader.parse(last)
    other = header.with_extra_data(header.extra_data[:-65] + with_high_s(header.extra_data[-65:]))
    proof = CLIQUE.proof(descendants=(*CLIQUE.headers[1:-1], other.to_bytes()))
    assert refusal(proof) == ("INDETERMINATE", "validator_unknown")


def test_a_set_that_changes_while_blocks_follow() -> None:
    def sets(*later: ValidatorSet) -> TrustFile:
        return pinning(replace(SET, to_block=BLOCK_NUMBER + 1), *later)

    one_more = (*VALIDATORS, "validator 5")
    changed = _changed_set(one_more)
    trust = sets(validator_set(Consensus.CLIQUE, one_more, first=BLOCK_NUMBER + 2))
    assert isinstance(check(changed, trust=trust), ProvenBlock)
    # By the old set alone, and where nobody is pinned for the blocks after the change, it could not be checked.
    assert refusal(changed)[0] == "INDETERMINATE"
    assert refusal(changed, trust=sets()) == ("INDETERMINATE", "validators_differ")
    qbft_later = sets(validator_set(Consensus.QBFT, one_more, first=BLOCK_NUMBER + 2))
    assert refusal(changed, trust=qbft_later) == ("INDETERMINATE", "validators_differ")


def _changed_set(one_more: tuple[str, ...]) -> AnchorProof:
    """Blocks of which the second after the first is the first that five validators may seal."""
    headers, sealers = list(CLIQUE.headers[:2]), [CLIQUE.in_turn(0), CLIQUE.in_turn(1)]
    for offset in (2, 3, 4, 5):
        turn = Clique(BLOCK, one_more).in_turn(offset)
        sealers.append(next(label for label in (turn, *one_more) if label not in sealers[-2:]))
        difficulty = 2 if sealers[-1] == turn else 1
        values = BLOCK.values(parent=BlockHeader.parse(headers[-1]).keccak256, difficulty=difficulty, offset=offset)
        headers.append(clique_sealed(values, validator(sealers[-1])))
    return BLOCK.proof(headers)


def test_later_validators_alone_vouch_for_no_earlier_block() -> None:
    trust = pinning(
        replace(SET, to_block=BLOCK_NUMBER), validator_set(Consensus.CLIQUE, FORKED, first=BLOCK_NUMBER + 1)
    )
    headers = [CLIQUE.headers[0]]
    forked = Clique(BLOCK, FORKED)
    for offset in range(1, 9):
        values = BLOCK.values(parent=BlockHeader.parse(headers[-1]).keccak256, difficulty=2, offset=offset)
        headers.append(clique_sealed(values, validator(forked.in_turn(offset))))
    assert refusal(BLOCK.proof(headers), trust=trust) == ("INDETERMINATE", "validator_quorum")


def test_a_block_outside_the_pinned_ranges_is_not_checked() -> None:
    for first, last in ((0, BLOCK_NUMBER - 1), (BLOCK_NUMBER + 1, None)):
        trust = pinning(validator_set(Consensus.CLIQUE, first=first, last=last))
        assert refusal(CLIQUE.proof(), trust=trust) == ("INDETERMINATE", "validators_not_pinned")


def test_a_block_of_the_future_is_the_clocks_question() -> None:
    early = BLOCK_TIME - timedelta(seconds=301)
    assert refusal(CLIQUE.proof(), now=early) == ("INDETERMINATE", "time_in_future")
    assert isinstance(check(CLIQUE.proof(), now=BLOCK_TIME - timedelta(seconds=300)), ProvenBlock)
    distant = Clique(replace(BLOCK, time=1 << 62))
    assert refusal(distant.proof()) == ("INDETERMINATE", "time_in_future")
