"""Blocks sealed by fixed keys, for the vectors of anchor proofs and the tests of their verifier.

Headers, seals, receipts and events are spelled out here by EIP-225, the QBFT specification and the contracts' ABI, with
rlp, trie, eth-keys and eth-abi, without the code of `ledger.chain_proof`. Any value can be replaced, so that a hostile
block differs from a good one in one thing only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

import rlp
from eth_abi.abi import encode as abi_encode
from eth_hash.auto import keccak
from eth_keys.datatypes import PrivateKey
from trie.hexary import HexaryTrie

from ledger.chain_proof.item import AnchorProof
from ledger.evidence import EvidenceBundle
from ledger.log.checkpoint import Checkpoint
from ledger.trust import Consensus, TrustFile, ValidatorSet
from scripts.sample_evidence import BLOCK_NUMBER, BLOCK_TIME, Handover, trust_file

VALIDATORS: Final = ("validator 1", "validator 2", "validator 3", "validator 4")
LATER_FIELDS: Final = (b"", hashlib.sha256(b"withdrawals").digest(), b"", b"", bytes(32), hashlib.sha256(b"").digest())
"""Base fee, withdrawals root, blob gas used, excess blob gas, parent beacon block root, requests hash."""

_SUBMISSION: Final = "(bytes32,bytes32,bytes32,uint64,bytes32,bytes32,bytes32,uint64,bytes32,bytes,uint64)"
_SEALS: Final = "(bytes32,uint64,bytes32,bytes32)[5]"
_EMPTY_ROOT: Final = keccak(rlp.encode(b""))
_NO_OMMERS: Final = keccak(rlp.encode([]))
_BFT_MIX: Final = bytes.fromhex("63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365")
_EXTRA: Final = 12
_EIP1559: Final = b"\x02"
_SECP256K1_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def validator(label: str) -> PrivateKey:
    """Return a validator's key."""
    return PrivateKey(hashlib.sha256(f"yunshang chain/{label}".encode()).digest())


def address(label: str) -> bytes:
    """Return a validator's address."""
    return validator(label).public_key.to_canonical_address()


def validator_set(
    consensus: Consensus, labels: Sequence[str] = VALIDATORS, *, first: int = 0, last: int | None = None
) -> ValidatorSet:
    """Return a set of validators as a trust file pins it."""
    return ValidatorSet(first, last, tuple(address(label) for label in labels), consensus=consensus)


def pinning(*sets: ValidatorSet, trust: TrustFile | None = None) -> TrustFile:
    """Return the sample's trust file with validators."""
    return replace(trust or trust_file(), validators=sets)


def submission_log(bundle: EvidenceBundle, **changes: Any) -> list[Any]:
    """Return address, topics and data of the event that records a submission; `changes` replaces any of them."""
    statement = bundle.statement
    message = (
        *(statement.building_key, statement.unit_project_key, statement.roster_hash, statement.sequence),
        *(statement.previous, statement.manifest_sha256, statement.documents_root, statement.document_count),
        *(statement.bim_root, statement.content_cid, statement.seal_by),
    )
    seals = [
        (seal.certificate_id, int(seal.signing_time.timestamp()), seal.signature[:32], seal.signature[32:])
        for seal in bundle.seals
    ]
    topic = f"SubmissionAnchored(bytes32,bytes32,bytes32,bytes32,{_SUBMISSION},{_SEALS})"
    parts = {
        "address": trust_file().contracts["archive_ledger"].address,
        "topics": [keccak(topic.encode()), bundle.submission_id, statement.building_key, statement.unit_project_key],
        "data": abi_encode(["bytes32", _SUBMISSION, _SEALS], [bundle.seals_hash, message, seals]),
    }
    return list((parts | changes).values())


def checkpoint_log(checkpoint: Checkpoint) -> list[Any]:
    """Return the event that records a log's head."""
    topic = keccak(b"CheckpointAppended(bytes32,uint64,bytes32,uint64,uint64)")
    origin = keccak(checkpoint.origin.encode())
    data = abi_encode(["bytes32", "uint64", "uint64"], [checkpoint.root, 1, int(BLOCK_TIME.timestamp())])
    topics = [topic, origin, checkpoint.size.to_bytes(32, "big")]
    return [trust_file().contracts["checkpoint_log"].address, topics, data]


@dataclass(frozen=True)
class Block:
    """A block with one event of interest, and all that may be replaced in it.

    Attributes:
        log: the event: address, topics, data.
        transactions: how many the block has.
        index: of the event's transaction; `place`: of the event among its own.
        status: 1: succeeded.
        receipt_type: of the typed receipt; none: a legacy one.
        number, time: of the block.
        later: further header fields.
    """

    log: list[Any]
    transactions: int = 20
    index: int = 17
    place: int = 1
    status: bytes = b"\x01"
    receipt_type: bytes = _EIP1559
    number: int = BLOCK_NUMBER
    time: int = int(BLOCK_TIME.timestamp())
    later: tuple[bytes, ...] = (b"",)

    @cached_property
    def trie(self) -> HexaryTrie:
        """The trie of receipts."""
        trie = HexaryTrie({})
        for index in range(self.transactions):
            trie.set(rlp.encode(number(index)), self.receipt if index == self.index else filler(index))
        return trie

    @cached_property
    def receipt(self) -> bytes:
        """The event's receipt."""
        logs = [*([bytes([place]) * 20, [], b""] for place in range(self.place)), self.log]
        return self.receipt_type + rlp.encode([self.status, number(21_000 * (self.index + 1)), bytes(256), logs])

    @property
    def path(self) -> tuple[bytes, ...]:
        """Nodes from the root to the receipt; embedded ones are left out."""
        nodes = self.trie.get_proof(rlp.encode(number(self.index)))
        encoded = [rlp.encode(node) for node in nodes]
        return tuple(node for place, node in enumerate(encoded) if place == 0 or len(node) >= 32)

    def values(self, *, parent: bytes, difficulty: int, offset: int = 0, mix: bytes = bytes(32)) -> list[bytes]:
        """Fields of the header, without extra data; of the block `offset` blocks later, which is empty, if not 0."""
        root = _EMPTY_ROOT if offset else self.trie.root_hash
        return [
            *(parent, _NO_OMMERS, bytes(20), hashlib.sha256(b"state").digest(), _EMPTY_ROOT, root, bytes(256)),
            *(number(difficulty), number(self.number + offset), number(30_000_000), number(0 if offset else 420_000)),
            *(number(self.time + offset), b"", mix, bytes(8), *self.later),
        ]

    def proof(self, headers: Sequence[bytes], **changes: Any) -> AnchorProof:
        """Return the proof by headers of this block and those that follow."""
        made = AnchorProof(
            headers[0],
            descendants=tuple(headers[1:]),
            transaction_index=self.index,
            log_index=self.place,
            receipt_path=self.path,
        )
        return replace(made, **changes)


@dataclass(frozen=True)
class Clique:
    """A block and those after it, sealed by Clique.

    Attributes:
        block: the first.
        validators: labels.
        count: how many blocks follow.
        sealers: by how many blocks later, who seals out of turn.
        difficulties: the same, difficulties that are not what they should be.
        lists: the same, addresses in the extra data.
    """

    block: Block
    validators: tuple[str, ...] = VALIDATORS
    count: int = 3
    sealers: dict[int, str] = field(default_factory=dict)
    difficulties: dict[int, int] = field(default_factory=dict)
    lists: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def in_turn(self, offset: int) -> str:
        """Who should seal a block."""
        ordered = sorted(self.validators, key=address)
        return ordered[(self.block.number + offset) % len(ordered)]

    @cached_property
    def headers(self) -> tuple[bytes, ...]:
        """Headers in order."""
        parent, made = hashlib.sha256(b"parent").digest(), []
        for offset in range(self.count + 1):
            turn = self.in_turn(offset)
            label = self.sealers.get(offset, turn)
            difficulty = self.difficulties.get(offset, 2 if label == turn else 1)
            values = self.block.values(parent=parent, difficulty=difficulty, offset=offset)
            listed = b"".join(sorted(address(item) for item in self.lists.get(offset, ())))
            made.append(clique_sealed(values, validator(label), listed))
            parent = keccak(made[-1])
        return tuple(made)

    @property
    def block_hash(self) -> bytes:
        """Hash of the first block."""
        return keccak(self.headers[0])

    def proof(self, **changes: Any) -> AnchorProof:
        """Return the proof."""
        return self.block.proof(self.headers, **changes)


@dataclass(frozen=True)
class Qbft:
    """A block that validators committed to by QBFT.

    Attributes:
        block: it.
        validators: labels, as its extra data names them.
        committers: whose seals it has.
        round: in which it was agreed on; `sealed_round`: what the seals say, if another.
        vote: its vote, if any.
    """

    block: Block
    validators: tuple[str, ...] = VALIDATORS
    committers: tuple[str, ...] = VALIDATORS[:3]
    round: int = 0
    sealed_round: int | None = None
    vote: tuple[bytes, ...] = ()

    def extra(self, round_number: int, seals: Sequence[bytes]) -> bytes:
        """Return extra data."""
        named = [address(label) for label in self.validators]
        vanity = b"besu".ljust(32, b"\x00")
        return bytes(rlp.encode([vanity, named, list(self.vote), number(round_number), list(seals)]))

    def encoded(self, extra: bytes) -> bytes:
        """Return the header with extra data."""
        parent = hashlib.sha256(b"parent").digest()
        values = self.block.values(parent=parent, difficulty=1, mix=_BFT_MIX)
        values[_EXTRA] = extra
        return bytes(rlp.encode(values))

    @cached_property
    def header(self) -> bytes:
        """The header with its seals."""
        sealed = self.round if self.sealed_round is None else self.sealed_round
        digest = keccak(self.encoded(self.extra(sealed, ())))
        return self.encoded(self.extra(self.round, [signed(digest, validator(label)) for label in self.committers]))

    @property
    def block_hash(self) -> bytes:
        """Hash of the block."""
        return keccak(self.encoded(self.extra(0, ())))

    def proof(self, **changes: Any) -> AnchorProof:
        """Return the proof."""
        return self.block.proof([self.header], **changes)


def clique_sealed(values: Sequence[bytes], key: PrivateKey, listed: bytes = b"") -> bytes:
    """Return a header with a Clique seal."""
    unsealed = list(values)
    unsealed[_EXTRA] = b"geth".ljust(32, b"\x00") + listed
    sealed = list(unsealed)
    sealed[_EXTRA] += signed(keccak(rlp.encode(unsealed)), key)
    return bytes(rlp.encode(sealed))


def signed(digest: bytes, key: PrivateKey) -> bytes:
    """Return r, s and recovery id, 65 bytes."""
    return key.sign_msg_hash(digest).to_bytes()


def with_high_s(signature: bytes) -> bytes:
    """Return the other spelling of a signature: the same signer, another s and recovery id."""
    s = _SECP256K1_ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([signature[64] ^ 1])


def number(value: int) -> bytes:
    """Return a number as RLP holds it."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def filler(index: int) -> bytes:
    """Return the receipt of a transaction that doesn't matter here."""
    return bytes(rlp.encode([b"\x01", number(21_000 * (index + 1)), bytes(256), []]))


def anchored_in(handover: Handover, made: type[Clique] | type[Qbft], **changes: Any) -> tuple[EvidenceBundle, Any]:
    """Return the evidence of a handover that a sealed block has, attested and proved, and the block."""
    block = Block(submission_log(handover.bundle(anchored=False)))
    chain = made(block, **changes)
    return replace(handover.bundle(block_hash=chain.block_hash), anchor_proof=chain.proof()), chain
