"""Who seals a chain from its first block on, by its genesis block: what a trust file can begin with."""

from __future__ import annotations

from ledger.chain_proof import clique, qbft
from ledger.chain_proof.header import BlockHeader
from ledger.errors import MalformedError, MismatchError, NotFoundError
from ledger.trust import Consensus, ValidatorSet

__all__ = ["genesis_validators"]


def genesis_validators(header: BlockHeader, genesis_hash: bytes) -> ValidatorSet:
    """Return the validators that a genesis block lists, for all blocks from 1 on.

    They follow from the genesis hash that a verifier trusts anyhow. Whether the set was changed since, that block can't
    tell.

    Args:
        header: of block 0.
        genesis_hash: as trusted, 32 bytes.

    Raises:
        MismatchError: `genesis_hash`: it is not that block.
        NotFoundError: `unsealed_chain`: it lists no validators.
    """
    found = _by_qbft(header) or _by_clique(header)
    own = header.keccak256 if found is None else found[1]
    if header.number or own != genesis_hash:
        raise MismatchError(
            f"expected block 0 with hash 0x{genesis_hash.hex()}, got block {header.number} with 0x{own.hex()}",
            code="genesis_hash",
            expected=genesis_hash,
            actual=own,
        )
    if found is None:
        raise NotFoundError("expected a genesis block that lists validators, got none", code="unsealed_chain")
    return found[0]


def _by_qbft(header: BlockHeader) -> tuple[ValidatorSet, bytes] | None:
    try:
        extra = qbft.QbftExtraData.parse(header.extra_data)
    except MalformedError:
        return None
    if not extra.validators:  # a contract has them
        return None
    return ValidatorSet(1, None, extra.validators, consensus=Consensus.QBFT), qbft.block_hash(header, extra)


def _by_clique(header: BlockHeader) -> tuple[ValidatorSet, bytes] | None:
    if not clique.is_sealed(header) or not clique.listed_validators(header):
        return None
    listed = clique.listed_validators(header)
    return ValidatorSet(1, None, listed, consensus=Consensus.CLIQUE), header.keccak256
