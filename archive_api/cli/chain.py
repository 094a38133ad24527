"""The caller's own look at the chain, after checking that it is the chain of the trust file."""

from __future__ import annotations

from pathlib import Path

from archive_api.cli.failures import COULD_NOT_CHECK, CommandError
from archive_api.cli.running import running_server
from ledger.errors import MismatchError
from ledger.ports.chain import LedgerReader
from ledger.trust import TrustFile

__all__ = ["open_reader"]


def open_reader(home: Path, rpc: str | None, trust: TrustFile) -> LedgerReader:
    """Open a reader of the ledger that the trust file names.

    Args:
        home: whose node is asked where `rpc` is None.
        rpc: address of one's own node.
        trust: one's own trust file.

    Raises:
        CommandError: no node is known.
        MismatchError: another chain or other code behind the address.
        TransportError: the node could not be reached.
    """
    from ledger.adapters.evm import EvmLedgerReader

    server = None if rpc else running_server(home)
    address = server.rpc_url if server else rpc
    if address is None:
        raise CommandError(
            "没有可用的节点：请用 --rpc 给出地址",
            "expected a node's address by --rpc, got none",
            code="no_rpc",
            exit_code=COULD_NOT_CHECK,
        )
    contracts = {name: pin.address for name, pin in trust.contracts.items()}
    reader = EvmLedgerReader(address, chain_id=trust.chain_id, contracts=contracts)
    identity = reader.identity()
    pairs: list[tuple[str, object, object]] = [
        ("chain_id", trust.chain_id, identity.chain_id),
        ("genesis_hash", trust.genesis_hash.hex(), identity.genesis_hash.hex()),
    ]
    for name, pin in trust.contracts.items():
        pairs.append((name, pin.code_keccak256.hex(), identity.contracts[name].code_keccak256.hex()))
    for name, expected, actual in pairs:
        if expected != actual:
            raise MismatchError(
                f"expected {name} {expected} of the trust file, got {actual} behind {address}",
                code="other_chain",
                where=name,
                expected=expected,
                actual=actual,
            )
    return reader
