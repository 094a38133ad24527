"""Writing to the ledger's contracts with the relay key: simulate, sign here, hand over, look for the receipt."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, takewhile
from typing import Any

from ledger.adapters.evm.calls import contract_call
from ledger.adapters.evm.connection import Connection, NodeError, block_of, from_hex, from_quantity, to_hex
from ledger.adapters.evm.gathering import gathering_code, parse_gathered
from ledger.adapters.evm.reader import EvmLedgerReader
from ledger.adapters.evm.relay import RelayKey
from ledger.adapters.evm.reverts import refusal
from ledger.errors import MalformedError, PolicyError, TransportError
from ledger.hashing import keccak256
from ledger.ports.calls import LedgerCall
from ledger.ports.chain import BlockRef, Clock, SignedTransaction, TransactionReceipt

__all__ = ["EvmChain", "relay_address", "send_raw", "transaction_receipt"]

# Between simulation and block the state may change and cost more: a first write instead of a second one, say.
_GAS_MARGIN_PERCENT = 30
_GAS_MARGIN = 30_000
# What two calls of one kind differ by: a zero byte of calldata costs less than another one. Well within the margin.
_GAS_SLACK_PERCENT = 5
# Code that answers whatever it is asked with 1: PUSH1 1, PUSH1 0, MSTORE, PUSH1 32, PUSH1 0, RETURN.
_AGREEING = "0x600160005260206000f3"
_ALREADY_KNOWN = ("already known", "already imported", "known transaction", "already exists", "alreadyknown")
_NONCE_USED = ("nonce too low", "nonce is too low", "invalid nonce", "old nonce", "underpriced", "oldnonce")
_FULL = ("full", "limit exceeded", "too many", "rate limit", "queue")
_NEVER = ("intrinsic gas", "exceeds block gas limit", "gas limit", "invalid sender", "chain id", "chainid", "rlp")

# Between a block's effect on nonces and its receipts a node may answer; on a machine with much to do it takes a while.
_RECEIPT_PAUSE_SECONDS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)


def relay_address(relay_key: bytes) -> bytes:
    """Return the address, 20 bytes, of a relay key (secp256k1 private key, 32 bytes)."""
    return RelayKey(relay_key).address


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A call as a transaction makes it: contract (20 bytes), calldata, and the names of contract and function."""

    to: bytes
    data: bytes
    kind: tuple[str, str]


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
        clock: the time at which several calls are simulated on the newest block, for a node that executes all that
            waits again for each question about `pending` (anvil): with a hundred waiting that is a hundred executions
            for one. None: on `pending`.
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
        clock: Clock | None = None,
    ) -> None:
        super().__init__(
            url,
            chain_id=chain_id,
            contracts=contracts,
            genesis_hash=genesis_hash,
            timeout_seconds=timeout_seconds,
        )
        self._key = RelayKey(relay_key)
        self._sender = to_hex(self._key.address)
        self._final_block = final_block
        self._confirmations = confirmations
        self._gas_price_wei = gas_price_wei
        self._clock = clock
        self._gas: dict[tuple[str, str], int] = {}
        self._suites: dict[str, dict[str, str]] | None = None

    def prepare(self, call: LedgerCall, nonce: int) -> SignedTransaction:
        """See `AnchorChain.prepare`."""
        made = self._encoded(call)
        return self._signed(made, nonce, gas=self._simulate(made))

    def prepare_all(self, calls: Sequence[LedgerCall], nonces: Iterator[int]) -> list[SignedTransaction | None]:
        """Simulate several calls in one request, each by itself, and sign those that the contract agrees to.

        With a clock, what is under way isn't looked at: a call that needs it is among those to be prepared by
        themselves, and one that it forestalls reverts in its block, as one forestalled after its simulation does.
        Signatures aren't checked here either, which is most of an execution: seals were checked when they came in, and
        the block checks each. All else is: certificates, rosters, order, time. So what the checks cost is that of the
        calls before; where certificates are of several suites, the first ones of the dearer run out of gas in their
        block, and are prepared by themselves, which learns it.

        Args:
            calls: what is to be done.
            nonces: those to use, in this order, by calls that are signed.

        Returns:
            For each call its transaction; None: to be prepared by itself, which tells why.

        Raises:
            TransportError: the node could not be asked.
        """
        made = [self._encoded(call) for call in calls]
        self._learn_gas(made)
        known = [(one, self._gas[one.kind]) for one in made if one.kind in self._gas]
        state = self._state()
        asked = [("eth_call", (self._call(one) | {"gas": to_hex(_with_slack(gas))}, *state)) for one, gas in known]
        answers = self._node.request_all(asked) if asked else []
        agreed = {
            id(one): gas for (one, gas), answer in zip(known, answers, strict=True) if not isinstance(answer, NodeError)
        }
        return [
            self._signed(one, next(nonces), gas=_with_margin(agreed[id(one)])) if id(one) in agreed else None
            for one in made
        ]

    def _learn_gas(self, made: Sequence[_Encoded]) -> None:
        """Simulate the first of each kind of call that was not made since the start, so that the others can follow."""
        unknown = {one.kind: one for one in reversed(made) if one.kind not in self._gas}
        for one in unknown.values():
            with suppress(PolicyError):  # it is prepared by itself, which tells why
                self._simulate(one)

    def _state(self) -> tuple[object, ...]:
        """The state that several calls are simulated in: arguments of `eth_call` after the call."""
        if self._suites is None:
            found = (self._read("seal_registry", "suite", number)[0] for number in count(1))
            self._suites = {address: {"code": _AGREEING} for address in takewhile(_is_contract, found)}
        if self._clock is None:
            return ("pending", self._suites)
        return ("latest", self._suites, {"time": to_hex(int(self._clock.now().timestamp()))})

    def _encoded(self, call: LedgerCall) -> _Encoded:
        target = contract_call(call)
        if target is None:
            return _Encoded(self._key.address, b"", ("", ""))
        contract, function, arguments = target
        data = self._interfaces[contract].encode_call(function, *arguments)
        return _Encoded(self._contracts[contract], data, (contract, function))

    def _signed(self, made: _Encoded, nonce: int, *, gas: int) -> SignedTransaction:
        return self._key.sign(
            chain_id=self._node.chain_id,
            nonce=nonce,
            to=made.to,
            data=made.data,
            gas=gas,
            gas_price_wei=self._gas_price_wei,
        )

    def _call(self, made: _Encoded) -> dict[str, str]:
        return {"from": self._sender, "to": to_hex(made.to), "data": to_hex(made.data)}

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
        return int(self._node.ask("eth_getTransactionCount", self._sender, "latest"), 16)

    def receipts(self, transaction_hashes: Sequence[bytes]) -> list[TransactionReceipt | None]:
        """Like `receipt`, for several transactions, in two requests."""
        asked = [("eth_getTransactionReceipt", (to_hex(one),)) for one in transaction_hashes]
        answers: list[Any] = self._node.ask_all(asked) if asked else []
        found = [answer for answer in answers if answer is not None and answer.get("blockHash") is not None]
        numbers = sorted({from_quantity(answer["blockNumber"]) for answer in found})
        headers = (
            self._node.ask_all([("eth_getBlockByNumber", (to_hex(one), False)) for one in numbers]) if found else []
        )
        blocks = {number: block_of(header) for number, header in zip(numbers, headers, strict=True)}
        return [
            None
            if answer is None or answer.get("blockHash") is None
            else _receipt(one, answer, blocks[from_quantity(answer["blockNumber"])])
            for one, answer in zip(transaction_hashes, answers, strict=True)
        ]

    def recorded_among(self, submission_ids: Sequence[bytes]) -> Collection[bytes]:
        """Which of some submissions the ledger knows of, in whatever state; one request."""
        ledger, address = self._interfaces["archive_ledger"], self._contracts["archive_ledger"]
        code = gathering_code([], [(address, ledger.encode_call("submission", one)) for one in submission_ids])
        data = from_hex(self._node.ask("eth_call", {"data": to_hex(code)}, "latest"))
        try:
            answers = parse_gathered(data, addresses=0, calls=len(submission_ids)).answers
        except MalformedError as error:
            raise TransportError(str(error), code="no_contract", where="rpc") from error
        records = [self._judged("archive_ledger", "submission", answer)[0] for answer in answers]
        return {one for one, record in zip(submission_ids, records, strict=True) if record["status"]}

    def broadcast_all(self, raws: Sequence[bytes]) -> list[PolicyError | None]:
        """Like `broadcast`, for several transactions, in one request."""
        answers = self._node.request_all([("eth_sendRawTransaction", (to_hex(raw),)) for raw in raws])
        refusals: list[PolicyError | None] = []
        for raw, answer in zip(raws, answers, strict=True):
            refusal_of_one = None
            if isinstance(answer, NodeError):
                try:
                    _judge_refusal(self._node, raw, answer)
                except PolicyError as error:
                    refusal_of_one = error
            refusals.append(refusal_of_one)
        return refusals

    def _simulate(self, made: _Encoded) -> int:
        """The gas limit of a call that the contract agrees to.

        What was enough for the last one of its kind is tried first, which is one execution; estimating takes a dozen,
        and here each one checks five seals.
        """
        call, known = self._call(made), self._gas.get(made.kind)
        try:
            # "pending": with the present time and after what is under way. The newest block of a chain without empty
            # blocks may be hours old, and a seal made since would seem to come from the future.
            if known is not None and self._is_enough(call, known):
                return _with_margin(known)
            self._node.request("eth_call", call, "pending")
            estimate = int(self._node.request("eth_estimateGas", call, "pending"), 16)
        except NodeError as error:
            raise refusal(error, self._interfaces.values()) from error
        self._gas[made.kind] = max(estimate, known or 0)
        return _with_margin(estimate)

    def _is_enough(self, call: Mapping[str, str], gas: int) -> bool:
        try:
            self._node.request("eth_call", {**call, "gas": to_hex(_with_slack(gas))}, "pending")
        except NodeError:  # too little gas, or a refusal that the call without a limit will tell of
            return False
        return True


def _is_contract(address: str) -> bool:
    return int(address, 16) != 0


def _with_slack(estimate: int) -> int:
    return estimate * (100 + _GAS_SLACK_PERCENT) // 100


def _with_margin(estimate: int) -> int:
    return estimate * (100 + _GAS_MARGIN_PERCENT) // 100 + _GAS_MARGIN


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
    return _receipt(transaction_hash, answer, node.block(int(answer["blockNumber"], 16)))


def _receipt(transaction_hash: bytes, answer: Any, block: BlockRef | None) -> TransactionReceipt | None:
    if block is None or block.block_hash != from_hex(answer["blockHash"]):
        return None  # reorganised between the two questions
    return TransactionReceipt(
        transaction_hash,
        block,
        succeeded=int(answer["status"], 16) == 1,
        gas_used=int(answer["gasUsed"], 16),
    )
