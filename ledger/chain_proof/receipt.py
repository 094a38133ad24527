"""Receipts and their trie: that an event is in a block. Library: trie (py-trie).

Source: Ethereum Yellow Paper sections 4.3.1 and 4.3.2, EIP-658 (status), EIP-2718 (typed receipts).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rlp.exceptions import DecodingError
from trie.exceptions import InvalidNibbles, InvalidNode, MissingTrieNode, ValidationError
from trie.hexary import HexaryTrie

from ledger.chain_proof.encoding import big_endian, read_rlp, write_rlp
from ledger.errors import MalformedError, MismatchError
from ledger.hashing import keccak256

__all__ = ["EventLog", "Receipt", "receipt_key", "verify_receipt"]

_LEGACY_FROM: Final = 0xC0  # the first byte of a list; below it, that of a type
_BLOOM_BYTES: Final = 256
_WHERE: Final = "receipt"
# What the library raises of nodes that are none; a root that validators sealed leads to no such nodes.
_NO_TRIE: Final = (InvalidNibbles, InvalidNode, ValidationError, DecodingError, ValueError, TypeError, LookupError,
                   RecursionError)  # fmt: skip


@dataclass(frozen=True, slots=True)
class EventLog:
    """An event as a receipt has it: contract (20 bytes), topics (32 bytes each), data."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt: whether the transaction succeeded, and its events in order."""

    succeeded: bool
    logs: tuple[EventLog, ...]

    @classmethod
    def parse(cls, data: bytes) -> Receipt:
        """Read a receipt as the trie holds it, of whatever transaction type.

        Raises:
            MalformedError: no receipt with a status.
        """
        body = data if data[:1] and data[0] >= _LEGACY_FROM else data[1:]
        match read_rlp(body, _WHERE):
            case [bytes(status), bytes(), bytes(bloom), list(logs)]:
                pass
            case _:
                raise MalformedError("expected status, gas, bloom and events, got others", where=_WHERE)
        if status not in (b"", b"\x01") or len(bloom) != _BLOOM_BYTES:
            raise MalformedError("expected a status of 0 or 1 and a bloom of 256 bytes, got others", where=_WHERE)
        return cls(status == b"\x01", tuple(_log(item) for item in logs))


def _log(value: object) -> EventLog:
    match value:
        case [bytes(address), list(topics), bytes(data)]:
            if len(address) == 20 and all(isinstance(topic, bytes) and len(topic) == 32 for topic in topics):
                return EventLog(address, tuple(topics), data)
    raise MalformedError("expected an event of address, topics and data, got something else", where=_WHERE)


def receipt_key(transaction_index: int) -> bytes:
    """Return the key of a transaction's receipt in the trie."""
    return write_rlp(big_endian(transaction_index))


class _Nodes(dict[bytes, bytes]):
    """Nodes by their hash, which remembers what was looked up, and in which order."""

    def __init__(self, nodes: Sequence[bytes]) -> None:
        super().__init__((keccak256(node), node) for node in nodes)
        self.read: list[bytes] = []

    def __getitem__(self, key: bytes) -> bytes:
        node = super().__getitem__(key)
        self.read.append(node)
        return node


def verify_receipt(root: bytes, transaction_index: int, nodes: Sequence[bytes]) -> bytes:
    """Return the receipt that nodes prove to be under a root.

    Args:
        root: the header's receipts root, 32 bytes.
        transaction_index: whose receipt.
        nodes: exactly those on the way from the root, in that order; embedded ones (below 32 bytes) are not listed.

    Raises:
        MismatchError: they don't lead there.
    """
    found = _Nodes(nodes)
    try:
        value = HexaryTrie(found, root).get(receipt_key(transaction_index))
    except MissingTrieNode as error:
        raise MismatchError(
            "expected all nodes on the way to the receipt, got too few", where="receipt_path"
        ) from error
    except _NO_TRIE as error:
        raise MismatchError("expected nodes of a trie, got something else", where="receipt_path") from error
    if not isinstance(value, bytes) or not value:
        raise MismatchError(f"expected a receipt of transaction {transaction_index}, got none", where="receipt_path")
    if found.read != list(nodes):
        raise MismatchError("expected only the nodes on the way, in order, got others", where="receipt_path")
    return value
