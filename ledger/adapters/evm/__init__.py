"""The chain over JSON-RPC, for any Ethereum node. The only place that imports web3; import it late, it is large."""

from ledger.adapters.evm.chain import EvmChain, relay_address
from ledger.adapters.evm.deployment import contract_addresses, deploy_contracts
from ledger.adapters.evm.reader import EvmLedgerReader

__all__ = ["EvmChain", "EvmLedgerReader", "contract_addresses", "deploy_contracts", "relay_address"]
