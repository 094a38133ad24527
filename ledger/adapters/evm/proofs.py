"""Headers and receipts of a node, made into anchor proofs; whatever the node says of a hash is computed again.

Steps: (1) the block by its hash, as a header whose own hash is that hash; (2) all receipts of the block, whose trie has
the header's receipts root; (3) under Clique the blocks that follow, each on the one before, until enough validators of
the trust file sealed them; (4) the verifier's own check. What a proof can't be made of is told by a code, and no proof
is given out that this server's own trust file would not take.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from threading import Lock
from typing import Any, Final

from trie.hexary import HexaryTrie

from ledger.adapters.evm.connection import Connection, from_hex, from_quantity, to_hex
from ledger.chain_proof import clique, qbft
from ledger.chain_proof.check import ProvenBlock, prove
from ledger.chain_proof.encoding import big_endian, write_rlp
from ledger.chain_proof.events import ExpectedEvent
from ledger.chain_proof.header import BlockHeader
from ledger.chain_proof.item import MAX_DESCENDANTS, AnchorProof
from ledger.chain_proof.receipt import receipt_key
from ledger.errors import MalformedError, TransportError
from ledger.ports.chain import NoProofError
from ledger.trust import Consensus, TrustFile, ValidatorSet

__all__ = ["EvmAnchorProofs", "genesis_header", "header_of"]

_KEPT: Final = 256
_NODE_BYTES: Final = 32  # smaller nodes lie within their parents
_LEGACY: Final = 0

# JSON members of the fields, in order. The later ones are there from their fork on.
_FIELDS: Final = (
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom"),
    *("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData", "mixHash", "nonce"),
)
_LATER_FIELDS: Final = (
    *("baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot", "requestsHash"),
)
_NUMBERS: Final = frozenset(
    {
        *("difficulty", "number", "gasLimit", "gasUsed", "timestamp"),
        *("baseFeePerGas", "blobGasUsed", "excessBlobGas"),
    }
)


class EvmAnchorProofs:
    """Implements `AnchorProofs` over JSON-RPC.

    Args:
        url: a node's address, or those of several, see `Connection`.
        trust: the server's own trust file: chain, genesis block and validators.
        timeout_seconds: for each request.
    """

    def __init__(self, url: str | Sequence[str], trust: TrustFile, *, timeout_seconds: float = 5.0) -> None:
        self._node = Connection(
            url, chain_id=trust.chain_id, genesis_hash=trust.genesis_hash, timeout_seconds=timeout_seconds
        )
        self._trust = trust
        self._never: NoProofError | None = None
        self._kept: OrderedDict[tuple[bytes, ExpectedEvent], AnchorProof] = OrderedDict()
        self._lock = Lock()

    def close(self) -> None:
        """Give back the sockets."""
        self._node.close()

    def anchor_proof(self, block_hash: bytes, event: ExpectedEvent, *, now: datetime) -> AnchorProof:
        """See `AnchorProofs.anchor_proof`."""
        key = (block_hash, event)
        if self._never is not None:
            raise NoProofError(str(self._never), code=self._never.code)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        proof = self._proof(block_hash, event, now)
        with self._lock:
            self._kept[key] = proof
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return proof

    def _proof(self, block_hash: bytes, event: ExpectedEvent, now: datetime) -> AnchorProof:
        answer = self._ask("eth_getBlockByHash", to_hex(block_hash))
        header = header_of(answer)  # (1)
        validators = self._trust.validators_of(header.number)
        if validators is None:
            sealed = clique.is_sealed(header) or _is_qbft(header)
            missing = NoProofError(
                f"expected validators of block {header.number} in the trust file, got none",
                code="validators_not_pinned" if sealed else "unsealed_chain",
            )
            if not self._trust.validators:  # nor of any other block: the node needn't be asked again
                self._never = missing
            raise missing
        _check_hash(header, validators, block_hash)
        receipts = self._receipts(block_hash, header)  # (2)
        index, place = _found(receipts, event)
        followers = self._followers(header, validators) if validators.consensus is Consensus.CLIQUE else ()  # (3)
        proof = AnchorProof(
            header.to_bytes(),
            descendants=tuple(item.to_bytes() for item in followers),
            transaction_index=index,
            log_index=place,
            receipt_path=_path(receipts, header, index),
        )
        found = prove(proof, [event], trust=self._trust, now=now)  # (4)
        if not isinstance(found, ProvenBlock):
            raise NoProofError(f"expected a proof that holds, got {found.reason}: {found.detail}", code=found.reason)
        return proof

    def _receipts(self, block_hash: bytes, header: BlockHeader) -> list[Mapping[str, Any]]:
        receipts = self._node.ask("eth_getBlockReceipts", to_hex(block_hash))
        if receipts is None:  # some nodes know blocks by number only, here
            receipts = self._node.ask("eth_getBlockReceipts", to_hex(header.number))
        if not isinstance(receipts, list):
            raise TransportError("expected a list of receipts, got something else", where="rpc")
        return receipts

    def _followers(self, header: BlockHeader, validators: ValidatorSet) -> list[BlockHeader]:
        """The blocks that follow, until enough of the pinned validators sealed them."""
        made: list[BlockHeader] = []
        sealers: set[bytes] = set()
        parent = header
        while len(sealers) < validators.quorum:
            if len(made) == MAX_DESCENDANTS:
                raise NoProofError(
                    f"expected {validators.quorum} validators within {MAX_DESCENDANTS} blocks, got {len(sealers)}",
                    code="validator_quorum",
                )
            answer = self._node.ask("eth_getBlockByNumber", to_hex(parent.number + 1), False)
            if answer is None:
                raise NoProofError(
                    f"expected blocks of {validators.quorum} validators after block {header.number}, got {len(made)}",
                    code="too_few_blocks",
                )
            block = header_of(answer)
            if block.parent_hash != parent.keccak256:
                raise NoProofError("expected the block that follows, got another one's", code="block_gone")
            made.append(block)
            sealer = clique.sealer(block)
            if sealer is not None and sealer in validators.addresses:
                sealers.add(sealer)
            parent = block
        return made

    def _ask(self, method: str, tag: str) -> Mapping[str, Any]:
        answer = self._node.ask(method, tag, False)
        if not isinstance(answer, dict):
            raise NoProofError("expected the block, got none: the chain was reorganised", code="block_gone")
        return answer


def genesis_header(url: str | Sequence[str], trust: TrustFile, *, timeout_seconds: float = 15.0) -> BlockHeader:
    """Return a node's block 0.

    Args:
        url: the node's address, or those of several.
        trust: whose chain it must be on.
        timeout_seconds: for each request.

    Raises:
        MismatchError: the node is of another chain.
        TransportError: the node could not be asked.
    """
    with closing(Connection(url, chain_id=trust.chain_id, timeout_seconds=timeout_seconds)) as node:
        return header_of(node.ask("eth_getBlockByNumber", "0x0", False))


def header_of(block: Any) -> BlockHeader:
    """Return the header of a block as JSON-RPC gives it.

    Raises:
        TransportError: it is no block.
    """
    try:
        names = (*_FIELDS, *(name for name in _LATER_FIELDS if block.get(name) is not None))
        return BlockHeader(tuple(_field(name, block[name]) for name in names))
    except (KeyError, TypeError, AttributeError, MalformedError) as error:
        raise TransportError("expected a block, got something else", where="rpc") from error


def _field(name: str, value: Any) -> bytes:
    return big_endian(from_quantity(value)) if name in _NUMBERS else from_hex(value)


def _check_hash(header: BlockHeader, validators: ValidatorSet, block_hash: bytes) -> None:
    try:
        if validators.consensus is Consensus.CLIQUE:
            own = header.keccak256
        else:
            own = qbft.block_hash(header, qbft.QbftExtraData.parse(header.extra_data))
    except MalformedError as error:
        raise NoProofError(str(error), code="unknown_header") from error
    if own != block_hash:
        raise NoProofError(
            f"expected a header of hash {to_hex(block_hash)}, got one of {to_hex(own)}: it has fields unknown here",
            code="unknown_header",
        )


def _is_qbft(header: BlockHeader) -> bool:
    try:
        return bool(qbft.QbftExtraData.parse(header.extra_data).seals)
    except MalformedError:
        return False


def _found(receipts: Sequence[Mapping[str, Any]], event: ExpectedEvent) -> tuple[int, int]:
    """The places of the event's transaction and, within it, of the event."""
    try:
        for index, receipt in enumerate(receipts):
            for place, log in enumerate(receipt["logs"]):
                topics = tuple(from_hex(topic) for topic in log["topics"])
                data = from_hex(log["data"])
                if (from_hex(log["address"]), topics) == (event.contract, event.topics) and data.startswith(event.data):
                    return index, place
    except (KeyError, TypeError) as error:
        raise TransportError("expected receipts, got something else", where="rpc") from error
    raise NoProofError("expected the event in its block, got none", code="event_gone")


def _path(receipts: Sequence[Mapping[str, Any]], header: BlockHeader, index: int) -> tuple[bytes, ...]:
    """Nodes from the receipts root to a receipt, in a trie that must have the header's root."""
    trie = HexaryTrie({})
    for place, receipt in enumerate(receipts):
        trie.set(receipt_key(place), _encoded(receipt))  # type: ignore[no-untyped-call]
    if trie.root_hash != header.receipts_root:
        raise TransportError("expected receipts of the block's receipts root, got others", where="rpc")
    nodes = [write_rlp(node) for node in trie.get_proof(receipt_key(index))]  # type: ignore[no-untyped-call]
    return tuple(node for place, node in enumerate(nodes) if place == 0 or len(node) >= _NODE_BYTES)


def _encoded(receipt: Mapping[str, Any]) -> bytes:
    """A receipt as the trie holds it. Source: EIP-2718, EIP-658."""
    try:
        kind = from_quantity(receipt.get("type") or "0x0")
        logs = [
            [from_hex(log["address"]), [from_hex(topic) for topic in log["topics"]], from_hex(log["data"])]
            for log in receipt["logs"]
        ]
        body = write_rlp(
            [
                big_endian(from_quantity(receipt["status"])),
                big_endian(from_quantity(receipt["cumulativeGasUsed"])),
                from_hex(receipt["logsBloom"]),
                logs,
            ]
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise TransportError("expected a receipt, got something else", where="rpc") from error
    return body if kind == _LEGACY else bytes([kind & 0x7F]) + body
