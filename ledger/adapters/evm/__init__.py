"""The chain over JSON-RPC, for any Ethereum node. The only place that imports web3; import it late, it is large."""

import sys

# py_ecc, which comes along with web3, raises Python's recursion limit for the whole process to 100,000. With that, a
# short JSON text of nested brackets crashes the interpreter, in whatever reads it, instead of raising RecursionError.
_recursion_limit = sys.getrecursionlimit()

from ledger.adapters.evm.chain import EvmChain, relay_address  # noqa: E402 - between the two lines about the limit
from ledger.adapters.evm.connection import newest_block  # noqa: E402
from ledger.adapters.evm.deployment import contract_addresses, deploy_contracts  # noqa: E402
from ledger.adapters.evm.reader import EvmLedgerReader  # noqa: E402

sys.setrecursionlimit(_recursion_limit)

__all__ = ["EvmChain", "EvmLedgerReader", "contract_addresses", "deploy_contracts", "newest_block", "relay_address"]
