"""Validators as genesis blocks list them."""

from __future__ import annotations

import pytest

from ledger.chain_proof.genesis import genesis_validators
from ledger.chain_proof.header import BlockHeader
from ledger.errors import MismatchError, NotFoundError
from ledger.trust import Consensus
from scripts.sample_chain import VALIDATORS, Block, Clique, Qbft, validator_set

GENESIS = Block([bytes(20), [], b""], number=0)


def test_of_clique() -> None:
    chain = Clique(GENESIS, lists={0: VALIDATORS})
    header = BlockHeader.parse(chain.headers[0])
    assert genesis_validators(header, chain.block_hash) == validator_set(Consensus.CLIQUE, first=1)


def test_of_qbft() -> None:
    chain = Qbft(GENESIS, committers=())
    assert genesis_validators(BlockHeader.parse(chain.header), chain.block_hash) == validator_set(
        Consensus.QBFT, first=1
    )


def test_refuses_another_genesis_block() -> None:
    for header in (Clique(GENESIS, lists={0: VALIDATORS}).headers[0], Qbft(GENESIS, committers=()).header):
        with pytest.raises(MismatchError):
            genesis_validators(BlockHeader.parse(header), bytes(32))
    later = Clique(Block(GENESIS.log, number=1), lists={0: VALIDATORS})
    with pytest.raises(MismatchError):
        genesis_validators(BlockHeader.parse(later.headers[0]), later.block_hash)


def test_refuses_a_chain_without_seals_and_one_whose_contract_names_validators() -> None:
    plain = Clique(GENESIS).headers[0]
    contract = Qbft(GENESIS, validators=(), committers=()).header
    for data in (plain, contract):
        header = BlockHeader.parse(data)
        with pytest.raises(NotFoundError):
            genesis_validators(header, header.keccak256)
