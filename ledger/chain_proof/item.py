"""The item `anchor_proof` of evidence bundles: a block, those that follow, and the way to a receipt in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from ledger import fields
from ledger.errors import MalformedError

__all__ = ["MAX_DESCENDANTS", "AnchorProof"]

# Each costs a verifier 20 ms; any ⌊n/2⌋+1 blocks in a row have as many sealers, so this does for 126 validators.
MAX_DESCENDANTS: Final = 64
_MAX_NODES: Final = 16
_MAX_INDEX: Final = (1 << 32) - 1
_MEMBERS: Final = ("header", "descendants", "transaction_index", "log_index", "receipt_path")
_WHERE: Final = "anchor_proof"


@dataclass(frozen=True, slots=True)
class AnchorProof:
    """Bytes as a node gives them; what they prove is `ledger.chain_proof.check`'s to say.

    Attributes:
        header: RLP of the header of the block that has the event.
        descendants: RLP of the headers of the blocks that follow, in order, at most 64; none where the header itself
            holds a quorum's seals (QBFT).
        transaction_index: place of the event's transaction in the block.
        log_index: place of the event among those of its transaction.
        receipt_path: RLP nodes of the trie of receipts from its root to the receipt, at most 16.

    Raises:
        MalformedError: more of something than that.
    """

    header: bytes
    descendants: tuple[bytes, ...] = field(kw_only=True)
    transaction_index: int = field(kw_only=True)
    log_index: int = field(kw_only=True)
    receipt_path: tuple[bytes, ...] = field(kw_only=True)

    def __post_init__(self) -> None:
        for name, count, limit in (
            ("descendants", len(self.descendants), MAX_DESCENDANTS),
            ("receipt_path", len(self.receipt_path), _MAX_NODES),
        ):
            if count > limit:
                raise MalformedError(f"expected at most {limit}, got {count}", where=f"{_WHERE}.{name}")

    def to_json(self) -> dict[str, Any]:
        """Return the item's members besides `type`."""
        return {
            "header": fields.base64_text(self.header),
            "descendants": [fields.base64_text(item) for item in self.descendants],
            "transaction_index": self.transaction_index,
            "log_index": self.log_index,
            "receipt_path": [fields.base64_text(item) for item in self.receipt_path],
        }

    @classmethod
    def from_json(cls, value: Any) -> AnchorProof:
        """Read the members besides `type`.

        Raises:
            MalformedError: a member missing, unknown or of another form.
        """
        item = fields.members(value, _MEMBERS, _WHERE)
        return cls(
            fields.base64_bytes(item["header"], f"{_WHERE}.header"),
            descendants=_list(item, "descendants"),
            transaction_index=fields.integer(item["transaction_index"], f"{_WHERE}.transaction_index", high=_MAX_INDEX),
            log_index=fields.integer(item["log_index"], f"{_WHERE}.log_index", high=_MAX_INDEX),
            receipt_path=_list(item, "receipt_path"),
        )


def _list(item: Any, name: str) -> tuple[bytes, ...]:
    where = f"{_WHERE}.{name}"
    return tuple(
        fields.base64_bytes(value, f"{where}[{index}]")
        for index, value in enumerate(fields.sequence_of(item[name], where))
    )
