"""The events that are proved, as the ledger's contracts emit them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ledger.hashing import keccak256
from ledger.statement import SubmissionStatement

__all__ = ["CHECKPOINT_APPENDED", "SUBMISSION_ANCHORED", "ExpectedEvent", "checkpoint_event", "submission_event"]

_SEAL: Final = "(bytes32,uint64,bytes32,bytes32)"
_SUBMISSION: Final = (
    "(bytes32,bytes32,bytes32,uint64,bytes32,bytes32,bytes32,uint64,bytes32,bytes,uint64)"  # formats section 6
)
SUBMISSION_ANCHORED: Final = f"SubmissionAnchored(bytes32,bytes32,bytes32,bytes32,{_SUBMISSION},{_SEAL}[5])"
CHECKPOINT_APPENDED: Final = "CheckpointAppended(bytes32,uint64,bytes32,uint64,uint64)"


@dataclass(frozen=True, slots=True)
class ExpectedEvent:
    """An event that has to be in a receipt.

    Attributes:
        contract: who emitted it, 20 bytes.
        topics: all of them, 32 bytes each.
        data: what its data begins with; the rest follows from it.
    """

    contract: bytes
    topics: tuple[bytes, ...]
    data: bytes


def submission_event(
    contract: bytes, submission_id: bytes, statement: SubmissionStatement, *, seals_hash: bytes
) -> ExpectedEvent:
    """Return the event that records a submission under five seals.

    Args:
        contract: the ArchiveLedger, 20 bytes.
        submission_id: 32 bytes; it commits to the statement, chain and contract included.
        statement: what was sealed.
        seals_hash: keccak256 of the five seals, 32 bytes.
    """
    topics = (_topic(SUBMISSION_ANCHORED), submission_id, statement.building_key, statement.unit_project_key)
    return ExpectedEvent(contract, topics, seals_hash)


def checkpoint_event(contract: bytes, origin: bytes, size: int, *, root: bytes) -> ExpectedEvent:
    """Return the event that records a log's head.

    Args:
        contract: the CheckpointLog, 20 bytes.
        origin: keccak256 of the log's origin line, 32 bytes.
        size: of the tree.
        root: of the tree, 32 bytes.
    """
    return ExpectedEvent(contract, (_topic(CHECKPOINT_APPENDED), origin, size.to_bytes(32, "big")), root)


def _topic(signature: str) -> bytes:
    return keccak256(signature.encode("ascii"))
