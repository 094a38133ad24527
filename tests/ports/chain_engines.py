"""The engines that the chain's suite runs against. A further one is a further function here."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from chain_parties import AUTHORITY, Parties, organisation_code

from ledger.adapters.anvil import EmbeddedNode
from ledger.adapters.evm import EvmChain, deploy_contracts
from ledger.ports.calls import LedgerCall
from ledger.ports.chain import ChainIdentity, TransactionReceipt
from ledger.statement import LedgerDomain

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

    def do(self, *calls: LedgerCall) -> TransactionReceipt:
        """Send calls one after the other and wait for the last."""
        nonce = self.chain.next_nonce()
        for offset, call in enumerate(calls):
            transaction = self.chain.prepare(call, nonce + offset)
            self.chain.broadcast(transaction.raw)
        receipt = self.wait(transaction.transaction_hash)
        if not receipt.succeeded:
            raise AssertionError(f"expected {call} to succeed")
        return receipt


@contextmanager
def anvil(folder: Path) -> Iterator[Engine]:
    """The embedded node."""
    relay_key, chain_id = secrets.token_bytes(32), 1 + secrets.randbelow(2**40)
    with EmbeddedNode(folder, chain_id=chain_id, block_interval_seconds=0.05) as node:
        identity = deploy_contracts(
            node.rpc_url,
            chain_id=chain_id,
            relay_key=relay_key,
            archive_organisation=ARCHIVE_CODE,
            authorities=[AUTHORITY.root_certificate],
            final_block=node.final_block_number,
        )
        chain = EvmChain(
            node.rpc_url,
            chain_id=chain_id,
            relay_key=relay_key,
            contracts={name: contract.address for name, contract in identity.contracts.items()},
            genesis_hash=identity.genesis_hash,
            final_block=node.final_block_number,
        )
        yield Engine(node.rpc_url, identity, relay_key, chain)


ENGINES: Mapping[str, Callable[[Path], AbstractContextManager[Engine]]] = {"anvil": anvil}
