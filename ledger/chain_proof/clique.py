"""Clique: one validator seals each block with the last 65 bytes of its extra data. Source: EIP-225."""

from __future__ import annotations

from typing import Final

from ledger.chain_proof.header import BlockHeader
from ledger.chain_proof.recovery import SIGNATURE_BYTES, recover_address

__all__ = ["IN_TURN", "OUT_OF_TURN", "in_turn", "is_sealed", "listed_validators", "sealer", "sealing_hash"]

IN_TURN: Final = 2
OUT_OF_TURN: Final = 1
_VANITY_BYTES: Final = 32
_ADDRESS_BYTES: Final = 20


def is_sealed(header: BlockHeader) -> bool:
    """Whether a header has the form of one that Clique seals: vanity, a list of addresses if any, a seal."""
    listed = len(header.extra_data) - _VANITY_BYTES - SIGNATURE_BYTES
    return listed >= 0 and listed % _ADDRESS_BYTES == 0 and header.difficulty in (IN_TURN, OUT_OF_TURN)


def sealing_hash(header: BlockHeader) -> bytes:
    """What is signed: keccak256 of the header without the seal, its later fields included as they come."""
    return header.with_extra_data(header.extra_data[:-SIGNATURE_BYTES]).keccak256


def sealer(header: BlockHeader) -> bytes | None:
    """Return the address whose key sealed a header, or None where no key can have."""
    return recover_address(sealing_hash(header), header.extra_data[-SIGNATURE_BYTES:])


def listed_validators(header: BlockHeader) -> tuple[bytes, ...]:
    """Return the validators that a header of an epoch's beginning lists; other headers list none."""
    listed = header.extra_data[_VANITY_BYTES:-SIGNATURE_BYTES]
    return tuple(listed[start : start + _ADDRESS_BYTES] for start in range(0, len(listed), _ADDRESS_BYTES))


def in_turn(number: int, address: bytes, validators: tuple[bytes, ...]) -> bool:
    """Whether it is a validator's turn to seal a block.

    Args:
        number: of the block.
        address: one of `validators`.
        validators: in ascending order.
    """
    return validators[number % len(validators)] == address
