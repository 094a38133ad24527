"""The engines that the chain's suite runs against. A further one is a further function here."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from chain_parties import AUTHORITY, Parties, organisation_code

from ledger.adapters.anvil import EmbeddedNode
from ledger.adapters.evm import EvmChain, deploy_contracts
from ledger.adapters.rpc import JsonRpc
from ledger.errors import PolicyError
from ledger.ports.calls import LedgerCall
from ledger.ports.chain import ChainIdentity, SignedTransaction, TransactionReceipt
from ledger.statement import LedgerDomain
from scripts.network.geth import Validator, running_validators
from scripts.network.hardhat import running_hardhat

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from city_engines import ALL_ENGINES, require_engine

ARCHIVE_CODE = organisation_code(1)


@dataclass(frozen=True)
class Engine:
    """A running chain: address, identity, relay key, and the adapter under test."""

    rpc_url: str
    identity: ChainIdentity
    relay_key: bytes
    chain: EvmChain

    @property
    def contracts(self) -> Mapping[str, bytes]:
        """Addresses by name."""
        return {name: contract.address for name, contract in self.identity.contracts.items()}

    @property
    def domain(self) -> LedgerDomain:
        """The domain statements are sealed in."""
        return LedgerDomain(self.identity.chain_id, self.contracts["archive_ledger"])

    def new_parties(self) -> Parties:
        """Five organisations and the archive with keys of their own, none registered."""
        return Parties.create(ARCHIVE_CODE)

    def wait(self, transaction_hash: bytes) -> TransactionReceipt:
        """The receipt, once its block is final."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            receipt = self.chain.receipt(transaction_hash)
            if receipt is not None and receipt.block.number <= self.chain.final_block_number():
                return receipt
            time.sleep(0.02)
        raise TimeoutError(f"no final block for {transaction_hash.hex()}")

    def prepare_after(self, sent: bytes | None, call: LedgerCall, nonce: int) -> SignedTransaction:
        """Prepare a call that may rest on a transaction under way, as the worker does: refused, it asks again.

        A validator's pending block takes a second to know of a transaction; anvil and Hardhat's node know at once.
        """
        deadline = time.monotonic() + 30
        while True:
            is_settled = sent is None or self.chain.receipt(sent) is not None
            try:
                return self.chain.prepare(call, nonce)
            except PolicyError:
                if is_settled or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def do(self, *calls: LedgerCall) -> TransactionReceipt:
        """Send calls one after the other and wait for the last."""
        nonce, sent = self.chain.next_nonce(), None
        for offset, call in enumerate(calls):
            transaction = self.prepare_after(sent, call, nonce + offset)
            self.chain.broadcast(transaction.raw)
            sent = transaction.transaction_hash
        receipt = self.wait(transaction.transaction_hash)
        if not receipt.succeeded:
            raise AssertionError(f"expected {call} to succeed")
        return receipt


@contextmanager
def engine_on(
    url: str,
    chain_id: int,
    *,
    confirmations: int = 0,
    final_block: Callable[[], int] | None = None,
    p256_tables: bool = False,
) -> Iterator[Engine]:
    """A node with the ledger's contracts, which are deployed here under a relay key of their own.

    Args:
        url: the node's address on this machine.
        chain_id: of its chain.
        confirmations: how many blocks on top of a block make it final.
        final_block: says which block is final; None: by confirmations, once the contracts are there.
        p256_tables: whether the contracts check seals by tables of multiples.
    """
    relay_key, rpc = secrets.token_bytes(32), JsonRpc("127.0.0.1", int(url.rpartition(":")[2]))
    identity = deploy_contracts(
        url,
        chain_id=chain_id,
        relay_key=relay_key,
        archive_organisation=ARCHIVE_CODE,
        authorities=[AUTHORITY.root_certificate],
        final_block=final_block or (lambda: int(rpc.call("eth_blockNumber", timeout=10.0), 16)),
        p256_tables=p256_tables,
    )
    chain = EvmChain(
        url,
        chain_id=chain_id,
        relay_key=relay_key,
        contracts={name: contract.address for name, contract in identity.contracts.items()},
        genesis_hash=identity.genesis_hash,
        final_block=final_block,
        confirmations=confirmations,
    )
    with closing(chain):
        yield Engine(url, identity, relay_key, chain)


@contextmanager
def anvil(folder: Path) -> Iterator[Engine]:
    """The embedded node."""
    chain_id = 1 + secrets.randbelow(2**40)
    with (
        EmbeddedNode(folder, chain_id=chain_id, block_interval_seconds=0.05) as node,
        engine_on(node.rpc_url, chain_id, final_block=node.final_block_number) as engine,
    ):
        yield engine


@contextmanager
def hardhat(folder: Path) -> Iterator[Engine]:
    """Hardhat's node."""
    chain_id = 1 + secrets.randbelow(2**40)
    with running_hardhat(folder, chain_id=chain_id) as url, engine_on(url, chain_id) as engine:
        yield engine


@contextmanager
def geth(folder: Path) -> Iterator[Engine]:
    """A validator of one-second blocks, alone: what it has sealed stays."""
    with geth_network(folder, count=1, confirmations=0) as (engine, _):
        yield engine


@contextmanager
def geth_network(folder: Path, *, count: int, confirmations: int) -> Iterator[tuple[Engine, list[Validator]]]:
    """Validators of one-second blocks, of which the first is the node that is asked."""
    chain_id = 1 + secrets.randbelow(2**40)
    with (
        running_validators(folder, require_engine("geth"), chain_id=chain_id, count=count) as validators,
        engine_on(validators[0].rpc_url, chain_id, confirmations=confirmations) as engine,
    ):
        yield engine, validators


ENGINES: Mapping[str, Callable[[Path], AbstractContextManager[Engine]]] = {
    "anvil": anvil,
    **({"geth": geth, "hardhat": hardhat} if ALL_ENGINES else {}),
}
