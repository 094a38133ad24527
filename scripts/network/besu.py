"""The genesis of a Besu QBFT network: deploy/besu/genesis.json for validators of one's own.

    python -m scripts.network.besu --chain-id 20261128 --out genesis.json \\
        --validator 0x… --validator 0x… --validator 0x… --validator 0x…

`--check` compares the repository's file, whose four validators nobody holds keys of, with what is made here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import rlp

PAGE = Path(__file__).resolve().parents[2] / "deploy" / "besu" / "genesis.json"
EXAMPLE_CHAIN_ID = 20_261_128
EXAMPLE_VALIDATORS = tuple(f"0x{'00' * 18}be5{number}" for number in range(1, 5))
_VANITY_BYTES = 32
_ADDRESS_BYTES = 20
_LEAST_VALIDATORS = 4  # with three, one that fails stops the chain
_MIX_HASH = "0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365"  # marks blocks of QBFT


def qbft_extra_data(validators: Sequence[str]) -> str:
    """The extra data of block 0: vanity, validators in order, no vote, round 0, no seals; RLP as 0x hex."""
    addresses = sorted(bytes.fromhex(address.removeprefix("0x")) for address in validators)
    if any(len(address) != _ADDRESS_BYTES for address in addresses):
        raise ValueError("expected addresses of 20 bytes as 0x hex, got others")
    if len(set(addresses)) < max(len(addresses), _LEAST_VALIDATORS):
        raise ValueError(f"expected at least {_LEAST_VALIDATORS} different validators, got {len(set(addresses))}")
    return "0x" + rlp.encode([bytes(_VANITY_BYTES), addresses, [], 0, []]).hex()


def qbft_genesis(chain_id: int, validators: Sequence[str]) -> dict[str, object]:
    """The genesis file.

    Osaka from the first block on: the P-256 precompile at 0x100 is of that fork (EIP-7951). The base fee stays at zero.
    """
    forks = {f"{name}Time": 0 for name in ("shanghai", "cancun", "prague", "osaka")}
    return {
        "config": {
            "chainId": chain_id,
            "londonBlock": 0,
            **forks,
            "zeroBaseFee": True,
            "qbft": {"blockperiodseconds": 1, "epochlength": 30_000, "requesttimeoutseconds": 4},
        },
        "nonce": "0x0",
        "timestamp": "0x0",
        "extraData": qbft_extra_data(validators),
        "gasLimit": "0x1c9c380",
        "difficulty": "0x1",
        "mixHash": _MIX_HASH,
        "coinbase": "0x0000000000000000000000000000000000000000",
        "alloc": {},
    }


def genesis_text(chain_id: int, validators: Sequence[str]) -> str:
    """The genesis file's text."""
    return json.dumps(qbft_genesis(chain_id, validators), indent=2) + "\n"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--chain-id", type=int, default=EXAMPLE_CHAIN_ID)
    arguments.add_argument("--validator", action="append", metavar="0xADDRESS", help="four of them or more")
    arguments.add_argument("--out", type=Path, default=PAGE)
    arguments.add_argument("--check", action="store_true", help="compare the repository's file")
    chosen = arguments.parse_args()
    try:
        text = genesis_text(chosen.chain_id, chosen.validator or EXAMPLE_VALIDATORS)
    except ValueError as error:
        arguments.error(str(error))
    if not chosen.check:
        chosen.out.write_text(text, "utf-8")
        return 0
    if chosen.out.read_text("utf-8") == text:
        return 0
    print(f"{chosen.out} is not what scripts/network/besu.py makes", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
