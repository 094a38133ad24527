"""The embedded node's genesis block: written once, never changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ledger.adapters.chain_dumps import write_durably
from ledger.errors import MalformedError, MismatchError

__all__ = ["BLOCK_GAS_LIMIT", "ensure_genesis"]

BLOCK_GAS_LIMIT = 30_000_000
"""Units of gas of every block."""

_ADDRESS_BYTES = 20


def ensure_genesis(path: Path, *, chain_id: int, timestamp: int, random_bytes: Callable[[int], bytes]) -> None:
    """Write the genesis file if it is missing, and check that it is this chain's.

    Args:
        path: the file.
        chain_id: the chain's id.
        timestamp: unix seconds of block 0, where the file is missing.
        random_bytes: for what makes the genesis hash unique, where the file is missing.

    Raises:
        MismatchError: `chain_id`: it is another chain's.
        MalformedError: it is no genesis file.
        TransportError: the disk refused.
    """
    if not path.exists():
        genesis = _genesis(chain_id, timestamp, random_bytes(_ADDRESS_BYTES))
        write_durably(path, json.dumps(genesis, indent=1).encode("ascii"))
    try:
        found = json.loads(path.read_bytes())["config"]["chainId"]
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedError("expected a genesis file, got something else", where=str(path)) from error
    if found != chain_id:
        raise MismatchError(
            f"expected chain id {chain_id}, got a genesis of {found}",
            code="chain_id",
            where=str(path),
            expected=chain_id,
            actual=found,
        )


def _genesis(chain_id: int, timestamp: int, coinbase: bytes) -> dict[str, object]:
    forks = (
        *("homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg", "istanbul"),
        *("berlin", "london"),
    )
    return {
        "config": {
            "chainId": chain_id,
            **{f"{fork}Block": 0 for fork in forks},
            "terminalTotalDifficulty": 0,
            "terminalTotalDifficultyPassed": True,
            **{f"{fork}Time": 0 for fork in ("shanghai", "cancun", "prague", "osaka")},
        },
        "nonce": "0x0",
        "timestamp": hex(timestamp),
        "extraData": "0x",
        "gasLimit": hex(BLOCK_GAS_LIMIT),
        "difficulty": "0x0",
        "mixHash": "0x" + "00" * 32,
        # Of the header's free fields anvil takes only this one; at gas price zero it earns nothing.
        "coinbase": "0x" + coinbase.hex(),
        "baseFeePerGas": "0x0",
        "alloc": {},
    }
