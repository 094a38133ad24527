"""Writing to the ledger's contracts with the relay key: simulate, sign here, hand over, look for the receipt."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from ledger.adapters.evm.calls import contract_call
from ledger.adapters.evm.connection import Connection, NodeError, from_hex, to_hex
from ledger.adapters.evm.reader import EvmLedgerReader
from ledger.adapters.evm.reverts import refusal
from ledger.errors import MalformedError, PolicyError, TransportError
from ledger.hashing import keccak256
from ledger.ports.calls import LedgerCall
from ledger.ports.chain import BlockRef, SignedTransaction, TransactionReceipt

__all__ = ["EvmChain", "account_of", "relay_address", "send_raw", "sign_transaction", "transaction_receipt"]

# Between simulation and block the state may change and cost more: a first write instead of a second one, say.
_GAS_MARGIN_PERCENT = 30
_GAS_MARGIN = 30_000
_ALREADY_KNOWN = ("already known", "already imported", "known transaction", "already exists", "alreadyknown")
_NONCE_USED = ("nonce too low", "nonce is too low", "invalid nonce", "old nonce", "underpriced", "oldnonce")
_FULL = ("full", "limit exceeded", "too many", "rate limit", "queue")
_NEVER = ("intrinsic gas", "exceeds block gas limit", "gas limit", "invalid sender", "chain id", "chainid", "rlp")

# Between a block's effect on nonces and its receipts a node may answer; on a machine with much to do it takes a while.
_RECEIPT_PAUSE_SECONDS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)


def relay_address(relay_key: bytes) -> bytes:
    """Return the address, 20 bytes, of a relay key (secp256k1 private key, 32 bytes)."""
    return from_hex(account_of(relay_key).address)


class EvmChain(EvmLedgerReader):
    """Implements `AnchorChain` and `LedgerReader` over JSON-RPC.

    Args:
        url: a node's address, or those of several, see `Connection`.
        chain_id: the chain it must be on.
        relay_key: secp256k1 private key, 32 bytes; it relays and registers, and holds no sealing role.
        contracts: addresses (20 bytes) by name, as for the reader.
        genesis_hash: hash of block 0 that the node must have; None: not checked.
        final_block: says which block is final, such as `EmbeddedNode.final_block_number`; None: by confirmations.
        confirmations: blocks on top of a block that make it final.
        gas_price_wei: legacy gas price; permissioned networks take 0.
        timeout_seconds: for each request.
    """

    def __init__(
        self,
        url: str | Sequence[str],
        *,
        chain_id: int,
        relay_key: bytes,
        contracts: Mapping[str, bytes],
        genesis_hash: bytes | None = None,
        final_block: Callable[[], int] | None = None,
        confirmations: int = 12,
        gas_price_wei: int = 0,
        timeout_seconds: float = 30.0,
    ) -> None:
        super().__init__(
            url,
            chain_id=chain_id,
            contracts=contracts,
            genesis_hash=genesis_hash,
            timeout_seconds=timeout_seconds,
        )
        self._account = account_of(relay_key)
        self._final_block = final_block
        self._confirmations = confirmations
        self._gas_price_wei = gas_price_wei

    def prepare(self, call: LedgerCall, nonce: int) -> SignedTransaction:
        """See `AnchorChain.prepare`."""
        target = contract_call(call)
        if target is None:
            destination, data = from_hex(self._account.address), b""
        else:
            contract, function, arguments = target
            destination = self._contracts[contract]
            data = self._interfaces[contract].encode_call(function, *arguments)
        return sign_transaction(
            self._account,
            chain_id=self._node.chain_id,
            nonce=nonce,
            to=destination,
            data=data,
            gas=self._simulate(destination, data),
            gas_price_wei=self._gas_price_wei,
        )

    def broadcast(self, raw: bytes) -> None:
        """See `AnchorChain.broadcast`."""
        send_raw(self._node, raw)

    def receipt(self, transaction_hash: bytes) -> TransactionReceipt | None:
        """See `AnchorChain.receipt`."""
        return transaction_receipt(self._node, transaction_hash)

    def is_known(self, transaction_hash: bytes) -> bool:
        """See `AnchorChain.is_known`."""
        return self._node.ask("eth_getTransactionByHash", to_hex(transaction_hash)) is not None

    def head(self) -> BlockRef:
        """See `AnchorChain.head`."""
        return self._node.head()

    def final_block_number(self) -> int:
        """See `AnchorChain.final_block_number`."""
        if self._final_block is not None:
            return self._final_block()
        return max(self._node.head().number - self._confirmations, 0)

    def next_nonce(self) -> int:
        """See `AnchorChain.next_nonce`."""
        return int(self._node.ask("eth_getTransactionCount", self._account.address, "latest"), 16)

    def _simulate(self, destination: bytes, data: bytes) -> int:
        call = {"from": self._account.address, "to": to_hex(destination), "data": to_hex(data)}
        try:
            # "pending": with the present time and after what is under way. The newest block of a chain without empty
            # blocks may be hours old, and a seal made since would seem to come from the future.
            self._node.request("eth_call", call, "pending")
            estimate = int(self._node.request("eth_estimateGas", call, "pending"), 16)
        except NodeError as error:
            raise refusal(error, self._interfaces.values()) from error
        return estimate * (100 + _GAS_MARGIN_PERCENT) // 100 + _GAS_MARGIN


def sign_transaction(
    account: LocalAccount,
    *,
    chain_id: int,
    nonce: int,
    to: bytes | None,
    data: bytes,
    gas: int,
    gas_price_wei: int,
) -> SignedTransaction:
    """Sign a legacy transaction (EIP-155); the same arguments give the same bytes (RFC 6979).

    Args:
        account: the relay key.
        chain_id: the chain's id.
        nonce: the nonce to use.
        to: the contract, 20 bytes; None: create one.
        data: calldata or creation code.
        gas: gas limit.
        gas_price_wei: gas price.
    """
    signed = account.sign_transaction(
        {
            "chainId": chain_id,
            "nonce": nonce,
            "to": to or b"",
            "data": data,
            "value": 0,
            "gas": gas,
            "gasPrice": gas_price_wei,
        }
    )
    return SignedTransaction(
        bytes(signed.raw_transaction), bytes(signed.hash), nonce=nonce, sender=from_hex(account.address)
    )


def send_raw(node: Connection, raw: bytes) -> None:
    """Hand over a signed transaction; known already, pooled or mined, is a success.

    Raises:
        PolicyError: `nonce_used` or `transaction_refused`.
        TransportError: the node could not be asked or says nothing final.
    """
    try:
        node.request("eth_sendRawTransaction", to_hex(raw))
    except NodeError as error:
        _judge_refusal(node, raw, error)


def _judge_refusal(node: Connection, raw: bytes, error: NodeError) -> None:
    message = error.message.lower()
    if any(words in message for words in _ALREADY_KNOWN):
        return
    if any(words in message for words in _NONCE_USED):
        if _is_mined(node, keccak256(raw)):  # its nonce is too low by its own doing
            return
        raise PolicyError(f"expected an unused nonce, got {error.message}", code="nonce_used") from error
    if not any(words in message for words in _FULL) and any(words in message for words in _NEVER):
        raise PolicyError(
            f"expected the network to take the transaction, got {error.message}", code="transaction_refused"
        ) from error
    raise TransportError(f"expected the node to take the transaction, got {error.message}", where="rpc") from error


def _is_mined(node: Connection, transaction_hash: bytes) -> bool:
    for pause in _RECEIPT_PAUSE_SECONDS:
        time.sleep(pause)
        if node.ask("eth_getTransactionReceipt", to_hex(transaction_hash)) is not None:
            return True
    return False


def transaction_receipt(node: Connection, transaction_hash: bytes) -> TransactionReceipt | None:
    """Return a transaction's receipt, or None while no canonical block holds it."""
    answer: Any = node.ask("eth_getTransactionReceipt", to_hex(transaction_hash))
    if answer is None or answer.get("blockHash") is None:
        return None
    block = node.block(int(answer["blockNumber"], 16))
    if block is None or block.block_hash != from_hex(answer["blockHash"]):
        return None  # reorganised between the two questions
    return TransactionReceipt(
        transaction_hash,
        block,
        succeeded=int(answer["status"], 16) == 1,
        gas_used=int(answer["gasUsed"], 16),
    )


def account_of(relay_key: bytes) -> LocalAccount:
    """Return the account of a relay key.

    Raises:
        MalformedError: not 32 bytes.
    """
    if len(relay_key) != 32:
        raise MalformedError(f"expected a relay key of 32 bytes, got {len(relay_key)}", where="relay_key")
    account: LocalAccount = Account.from_key(relay_key)
    return account
