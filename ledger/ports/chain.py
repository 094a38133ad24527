"""What the core needs of a chain: values that cross the boundary, and the two ports an engine implements.

Every method of both ports raises `TransportError` where the node could not be asked: that is never an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol

from ledger.chain_proof.events import ExpectedEvent
from ledger.chain_proof.item import AnchorProof
from ledger.errors import LedgerError
from ledger.ports.calls import LedgerCall

__all__ = [
    "AnchorChain",
    "AnchorProofs",
    "AnchoredCheckpoint",
    "BlockRef",
    "CertificateRecord",
    "ChainIdentity",
    "Clock",
    "ContractIdentity",
    "DocumentStatus",
    "LedgerEvent",
    "LedgerReader",
    "NoProofError",
    "RecordedSubmission",
    "SignedTransaction",
    "SubmissionStatus",
    "TransactionReceipt",
]


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """Return the present time. MUST be aware and in UTC."""
        ...


class SubmissionStatus(Enum):
    """What became of a submission; the numbers are the contract's."""

    NONE = 0
    ANCHORED = 1
    ACCEPTED = 2
    RETURNED = 3
    WITHDRAWN = 4


@dataclass(frozen=True, slots=True)
class BlockRef:
    """One block.

    Args:
        number: its height; 0 is the genesis block.
        block_hash: 32 bytes.
        timestamp: unix seconds.
    """

    number: int
    block_hash: bytes
    timestamp: int = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction ready for the journal; sending it needs nothing else.

    Args:
        raw: the signed transaction, as `eth_sendRawTransaction` takes it.
        transaction_hash: 32 bytes.
        nonce: the relay key's nonce it uses up.
        sender: the relay key's address, 20 bytes.
    """

    raw: bytes = field(repr=False)
    transaction_hash: bytes
    nonce: int = field(kw_only=True)
    sender: bytes = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class TransactionReceipt:
    """A transaction that is in a block.

    Args:
        transaction_hash: 32 bytes.
        block: the block that holds it.
        succeeded: False where the contract reverted within the block.
        gas_used: units of gas.
    """

    transaction_hash: bytes
    block: BlockRef
    succeeded: bool = field(kw_only=True)
    gas_used: int = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class ContractIdentity:
    """A deployed contract.

    Args:
        address: 20 bytes.
        code_keccak256: keccak256 of the code at that address, 32 bytes.
    """

    address: bytes
    code_keccak256: bytes


@dataclass(frozen=True, slots=True)
class ChainIdentity:
    """Which ledger this is.

    Args:
        chain_id: the chain id.
        genesis_hash: hash of block 0, 32 bytes.
        contracts: by name: those of `ledger.trust.CONTRACT_NAMES`.
    """

    chain_id: int
    genesis_hash: bytes
    contracts: Mapping[str, ContractIdentity] = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class RecordedSubmission:
    """A submission as the chain has it, with what its event says.

    Args:
        submission_id: 32 bytes.
        status: ANCHORED, ACCEPTED, RETURNED or WITHDRAWN.
        documents_root: 32 bytes; zero for a withdrawn one.
        document_count: their number; 0 for a withdrawn one.
        sequence: from 1; 0 for a withdrawn one.
        seals_hash: keccak256 of the five seals (formats section 7), 32 bytes; None for a withdrawn one.
        block: the block that recorded (or withdrew) it.
        transaction_hash: 32 bytes.
    """

    submission_id: bytes
    status: SubmissionStatus
    documents_root: bytes = field(kw_only=True)
    document_count: int = field(kw_only=True)
    sequence: int = field(kw_only=True)
    seals_hash: bytes | None = field(kw_only=True)
    block: BlockRef = field(kw_only=True)
    transaction_hash: bytes = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    """A seal certificate as the chain has it.

    Args:
        certificate_id: SHA-256 of the DER, 32 bytes.
        organisation: unified social credit code, 18 characters.
        not_before: first second of validity.
        not_after: last second of validity.
        suite_id: which suite checks its seals.
        revoked_at: when its authority revoked it, by a revocation list that the contract checked, or None.
        invalidity_time: since when the key is not to be trusted, by that list, never before `not_before`; or None.
        reason: that list's RFC 5280 CRLReason, or None.
        stopped_at: block time at which a registrar stopped it, or None; this reaches back to nothing.
        stop_reason: the registrar's RFC 5280 CRLReason, or None.
    """

    certificate_id: bytes
    organisation: str
    not_before: datetime = field(kw_only=True)
    not_after: datetime = field(kw_only=True)
    suite_id: int = field(kw_only=True)
    revoked_at: datetime | None = field(kw_only=True)
    invalidity_time: datetime | None = field(kw_only=True)
    reason: int | None = field(kw_only=True)
    stopped_at: datetime | None = field(default=None, kw_only=True)
    stop_reason: int | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class DocumentStatus:
    """The contract's answer about one document.

    Args:
        included: the leaf is in the submission's tree.
        status: what became of the submission.
    """

    included: bool
    status: SubmissionStatus


@dataclass(frozen=True, slots=True)
class AnchoredCheckpoint:
    """A log's head as the chain has it.

    Args:
        size: the tree's number of leaves.
        root: the tree's root hash, 32 bytes.
        block_number: the block that recorded it.
        block_time: that block's time, unix seconds.
    """

    size: int
    root: bytes
    block_number: int = field(kw_only=True)
    block_time: int = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """One event of one of the ledger's contracts.

    Args:
        name: the event's name in the contract, such as `RosterSet`.
        contract: the contract's name, such as `project_registry`.
        values: its arguments by their names in the contract; structs are mappings, bytes are bytes.
        block: the block it is in.
        transaction_hash: 32 bytes.
        log_index: its place within the block.
    """

    name: str
    contract: str
    values: Mapping[str, object] = field(kw_only=True)
    block: BlockRef = field(kw_only=True)
    transaction_hash: bytes = field(kw_only=True)
    log_index: int = field(kw_only=True)


class NoProofError(LedgerError):
    """No anchor proof can be made of a block; `code` says why.

    `unsealed_chain`: its blocks bear no seals (a development chain); `validators_not_pinned`: nobody is pinned for it;
    `too_few_blocks`: not enough follow yet; `unknown_header`: the header has a form that is not known here;
    `block_gone`, `event_gone`: a reorganisation; else the reason of `ledger.chain_proof.check`.
    """

    default_code = "no_proof"


class AnchorProofs(Protocol):
    """Makes proofs for evidence bundles."""

    def anchor_proof(self, block_hash: bytes, event: ExpectedEvent, *, now: datetime) -> AnchorProof:
        """Return a proof that an event is in a block, one that the pinned validators' seals hold.

        Args:
            block_hash: of the block, 32 bytes.
            event: what has to be in it.
            now: present time, aware UTC.

        Raises:
            NoProofError: there can be none, or not yet.
            MismatchError: the node is of another chain.
            TransportError: the node could not be asked.
        """
        ...


class AnchorChain(Protocol):
    """The writing side: what the worker that relays transactions needs.

    Implementers MUST keep no state of their own that a restart would lose: the journal of raw transactions is the
    caller's, and any method may be called again at any time.
    """

    def prepare(self, call: LedgerCall, nonce: int) -> SignedTransaction:
        """Simulate a call at the present time and sign it; nothing is sent.

        MUST refuse what the contract would refuse. MUST NOT sign without having simulated.

        Args:
            call: what to do.
            nonce: the relay key's nonce to use.

        Raises:
            PolicyError: the contract refuses; `code` is its error's name, `values` that error's arguments.
            TransportError: the node could not be asked.
        """
        ...

    def broadcast(self, raw: bytes) -> None:
        """Hand a signed transaction to the network. A transaction it knows already, pooled or mined, is a success.

        Args:
            raw: as in `SignedTransaction.raw`.

        Raises:
            PolicyError: the network will never take it; `code` is `nonce_used` where another transaction took its
                nonce, else `transaction_refused`.
            TransportError: the node could not be asked, or is full for now.
        """
        ...

    def receipt(self, transaction_hash: bytes) -> TransactionReceipt | None:
        """Return the receipt from the present canonical chain, or None while the transaction is in no block of it."""
        ...

    def is_known(self, transaction_hash: bytes) -> bool:
        """Whether the node has the transaction at all, waiting or in a block.

        MUST be true from `broadcast` until the receipt is there or the transaction can never be mined any more: a node
        that counts a nonce before it shows the receipt (anvil does) would else make it look stolen.
        """
        ...

    def head(self) -> BlockRef:
        """Return the newest block."""
        ...

    def final_block_number(self) -> int:
        """Return the newest block that counts as final.

        MUST NOT name a block that the engine can lose by its own failure (a crash, a power cut, a reorganisation within
        the configured confirmations). MAY go down: what was final is watched all the same.
        """
        ...

    def next_nonce(self) -> int:
        """Return how many transactions of the relay key are in blocks: the nonce to begin a new journal with."""
        ...


class LedgerReader(Protocol):
    """The reading side: what a verifier, the API and `rebuild` need.

    Implementers MUST answer from the contracts they were given by address, at the newest block, and MUST NOT answer
    from another chain than the one whose id they were given.
    """

    def identity(self) -> ChainIdentity:
        """Return chain id, genesis hash and code hashes as the node has them, for comparison with a trust file."""
        ...

    def head(self) -> BlockRef:
        """Return the newest block."""
        ...

    def submission(self, submission_id: bytes) -> RecordedSubmission | None:
        """Return a submission as recorded, or None. MUST be consistent: record and event of one block."""
        ...

    def certificate(self, certificate_id: bytes) -> CertificateRecord | None:
        """Return a certificate as registered, or None."""
        ...

    def verify_document(
        self, submission_id: bytes, leaf_hash: bytes, *, leaf_index: int, path: tuple[bytes, ...]
    ) -> DocumentStatus:
        """Ask the contract whether a leaf is in a submission. The caller hashes the entry, 0x00 prefix included."""
        ...

    def checkpoint_head(self, origin: bytes) -> AnchoredCheckpoint | None:
        """Return a log's newest head, or None where it has none.

        Args:
            origin: keccak256 of the log's origin line, 32 bytes.
        """
        ...

    def checkpoints(self, origin: bytes) -> tuple[AnchoredCheckpoint, ...]:
        """Return all heads a log ever had, in chain order; `origin` as for `checkpoint_head`."""
        ...

    def events(self, *, from_block: int = 0, to_block: int | None = None) -> Iterator[LedgerEvent]:
        """Yield all events of the ledger's contracts in chain order, for `rebuild`; to the newest block by default."""
        ...
