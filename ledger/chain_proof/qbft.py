"""QBFT: a quorum of validators commits to each block before it is one; their seals are in its extra data.

Extra data is the RLP list of vanity (32 bytes), validators, vote (an empty list, or recipient and 0xff or nothing),
round and committed seals. What is committed to is the header with an empty list of seals; the block's hash is that of
the header with round 0 and an empty list of seals, since both may differ from node to node.
Source: EEA Client Specification 7 section 6.3 (QBFT); Hyperledger Besu and GoQuorum write it alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from ledger.chain_proof.encoding import big_endian, read_rlp, write_rlp
from ledger.chain_proof.header import BlockHeader
from ledger.chain_proof.recovery import SIGNATURE_BYTES, recover_address
from ledger.errors import MalformedError

__all__ = ["QbftExtraData", "block_hash", "commit_hash", "committers"]

_VANITY_BYTES: Final = 32
_ADDRESS_BYTES: Final = 20
_ROUND_BYTES: Final = 4
_VOTES: Final = (b"\xff", b"")
_WHERE: Final = "header.extra_data"


@dataclass(frozen=True, slots=True)
class QbftExtraData:
    """Extra data of a QBFT header.

    Attributes:
        vanity: 32 bytes.
        validators: 20 bytes each; none where a contract names them.
        vote: recipient (20 bytes) and 0xff (to add) or no byte (to remove), or None.
        round: the round in which the block was agreed on.
        seals: committed seals, 65 bytes each.
    """

    vanity: bytes
    validators: tuple[bytes, ...]
    vote: tuple[bytes, bytes] | None
    round: int
    seals: tuple[bytes, ...]

    @classmethod
    def parse(cls, data: bytes) -> QbftExtraData:
        """Read it.

        Raises:
            MalformedError: not of this form.
        """
        match read_rlp(data, _WHERE):
            case [bytes(vanity), list(validators), list(vote), bytes(number), list(seals)]:
                pass
            case _:
                raise MalformedError("expected vanity, validators, vote, round and seals, got others", where=_WHERE)
        fits = (
            len(vanity) == _VANITY_BYTES
            and _are_of(validators, _ADDRESS_BYTES)
            and _are_of(seals, SIGNATURE_BYTES)
            and len(number) <= _ROUND_BYTES
            and number[:1] != b"\x00"
        )
        if not fits or (vote and not (len(vote) == 2 and _are_of(vote[:1], _ADDRESS_BYTES) and vote[1] in _VOTES)):
            raise MalformedError("expected lengths of QBFT's extra data, got others", where=_WHERE)
        return cls(
            vanity,
            tuple(validators),
            (vote[0], vote[1]) if vote else None,
            int.from_bytes(number, "big"),
            tuple(seals),
        )

    def to_bytes(self) -> bytes:
        """Write it."""
        vote = list(self.vote) if self.vote else []
        return write_rlp([self.vanity, list(self.validators), vote, big_endian(self.round), list(self.seals)])


def _are_of(values: list[object], length: int) -> bool:
    return all(isinstance(value, bytes) and len(value) == length for value in values)


def commit_hash(header: BlockHeader, extra: QbftExtraData) -> bytes:
    """What validators sign: keccak256 of the header without seals."""
    return header.with_extra_data(replace(extra, seals=()).to_bytes()).keccak256


def block_hash(header: BlockHeader, extra: QbftExtraData) -> bytes:
    """The block's hash: keccak256 of the header without seals and with round 0."""
    return header.with_extra_data(replace(extra, seals=(), round=0).to_bytes()).keccak256


def committers(header: BlockHeader, extra: QbftExtraData) -> list[bytes | None]:
    """Return whose each seal is, in their order; None: nobody's."""
    digest = commit_hash(header, extra)
    return [recover_address(digest, seal) for seal in extra.seals]
