"""No byte of a proof can be changed without the block being proved no more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.chain_proof.check import ProvenBlock, prove
from ledger.chain_proof.events import submission_event
from ledger.chain_proof.item import AnchorProof
from ledger.trust import Consensus, TrustFile
from scripts.sample_chain import VALIDATORS, Clique, Qbft, anchored_in, pinning, validator_set
from scripts.sample_evidence import NOW, Handover

# One validator: recovering whose a seal is takes long, and each change of the last header asks it anew.
BUNDLE, CLIQUE = anchored_in(Handover(), Clique, validators=VALIDATORS[:1], count=1)
BLOCK = replace(CLIQUE.block, transactions=3, index=1)
QBFT = Qbft(BLOCK, VALIDATORS[:1], VALIDATORS[:1])
PROOFS = {
    Consensus.CLIQUE: Clique(BLOCK, VALIDATORS[:1], count=1).proof(),
    Consensus.QBFT: QBFT.proof(),
}
TRUSTS = {consensus: pinning(validator_set(consensus, VALIDATORS[:1])) for consensus in Consensus}
EVENT = submission_event(
    TRUSTS[Consensus.QBFT].domain.verifying_contract,
    BUNDLE.submission_id,
    BUNDLE.statement,
    seals_hash=BUNDLE.seals_hash,
)


def is_proved(proof: AnchorProof, trust: TrustFile) -> bool:
    return isinstance(prove(proof, [EVENT], trust=trust, now=NOW), ProvenBlock)


def parts(proof: AnchorProof) -> list[tuple[str, int, bytes]]:
    """Name, place and bytes of all that a proof holds."""
    listed = [("descendants", place, data) for place, data in enumerate(proof.descendants)]
    listed += [("receipt_path", place, data) for place, data in enumerate(proof.receipt_path)]
    return [("header", 0, proof.header), *listed]


def with_part(proof: AnchorProof, name: str, place: int, data: bytes) -> AnchorProof:
    if name == "header":
        return replace(proof, header=data)
    values = list(getattr(proof, name))
    values[place] = data
    return replace(proof, **{name: tuple(values)})


def flipped(proof: AnchorProof) -> Iterator[tuple[str, int, int, AnchorProof]]:
    """The proof with one bit changed in each byte."""
    for name, place, data in parts(proof):
        for index in range(len(data)):
            changed = bytearray(data)
            changed[index] ^= 1 << (index * 5 + place) % 8
            yield name, place, index, with_part(proof, name, place, bytes(changed))


@pytest.mark.parametrize("consensus", Consensus)
def test_a_bit_flipped_in_any_byte_is_not_proved(consensus: Consensus) -> None:
    proof, trust = PROOFS[consensus], TRUSTS[consensus]
    assert is_proved(proof, trust)
    count = 0
    for name, place, index, changed in flipped(proof):
        assert not is_proved(changed, trust), (name, place, index)
        count += 1
    assert count == sum(len(data) for _, _, data in parts(proof))


@pytest.mark.parametrize("consensus", Consensus)
def test_another_place_is_not_proved(consensus: Consensus) -> None:
    proof, trust = PROOFS[consensus], TRUSTS[consensus]
    for changes in (
        {"transaction_index": 0}, {"transaction_index": 2}, {"transaction_index": 0xFFFFFFFF},
        {"log_index": 0}, {"log_index": 2}, {"log_index": 0xFFFFFFFF},
    ):  # fmt: skip
        assert not is_proved(replace(proof, **changes), trust)


@settings(max_examples=150)
@given(st.data())
def test_bytes_cut_added_or_put_in_are_not_proved(data: st.DataObject) -> None:
    consensus = data.draw(st.sampled_from(list(Consensus)))
    proof = PROOFS[consensus]
    name, place, content = data.draw(st.sampled_from(parts(proof)))
    first = data.draw(st.integers(0, len(content)))
    last = data.draw(st.integers(first, min(first + 40, len(content))))
    put = data.draw(st.binary(max_size=40))
    changed = content[:first] + put + content[last:]
    if changed != content:
        assert not is_proved(with_part(proof, name, place, changed), TRUSTS[consensus])


@settings(max_examples=100)
@given(header=st.binary(max_size=700), nodes=st.lists(st.binary(max_size=80), max_size=4))
def test_any_bytes_are_refused_without_a_fault(header: bytes, nodes: list[bytes]) -> None:
    for consensus in Consensus:
        proof = PROOFS[consensus]
        assert not is_proved(replace(proof, header=header, receipt_path=tuple(nodes)), TRUSTS[consensus])
        assert not is_proved(replace(proof, receipt_path=tuple(nodes)), TRUSTS[consensus])
