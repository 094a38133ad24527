"""Putting the contracts on a new chain: a few transactions that are the same bytes whenever they are made.

The first nonces of the relay key, fixed gas limits and deterministic signatures: so addresses follow from the relay key
alone, and after a crash anywhere the same transactions are sent again, and taken once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing

from contracts import artifact
from ledger.adapters.evm.abi import ARTIFACTS, interface
from ledger.adapters.evm.chain import send_raw, transaction_receipt
from ledger.adapters.evm.connection import Connection, from_hex
from ledger.adapters.evm.reader import EvmLedgerReader
from ledger.adapters.evm.relay import RelayKey
from ledger.errors import PolicyError, TransportError
from ledger.hashing import keccak256
from ledger.ports.chain import ChainIdentity, SignedTransaction

__all__ = ["contract_addresses", "deploy_contracts"]

_ORDER = (
    *("authority_registry", "seal_registry", "p256_suite", "project_registry", "archive_ledger"),
    "checkpoint_log",
)
_P256_SUITE_ID = 1
_P256_TABLE_SUITE_ID = 2
_CREATION_GAS = 6_000_000
_CALL_GAS = 200_000
_AUTHORITY_GAS = 2_000_000
_POLL_SECONDS = 0.05


def contract_addresses(relay_address: bytes) -> dict[str, bytes]:
    """Return where `deploy_contracts` puts the contracts: addresses (20 bytes) by name.

    Args:
        relay_address: address of the relay key, 20 bytes.
    """
    return {name: _created_address(relay_address, nonce) for nonce, name in enumerate(_ORDER)}


def deploy_contracts(
    url: str | Sequence[str],
    *,
    chain_id: int,
    relay_key: bytes,
    archive_organisation: str,
    authorities: Sequence[bytes],
    final_block: Callable[[], int],
    p256_tables: bool = False,
    gas_price_wei: int = 0,
    timeout_seconds: float = 120.0,
) -> ChainIdentity:
    """Deploy the contracts and give the relay key its roles; return when all of it is final. May be repeated.

    The relay key becomes admin, registrar, relayer and checkpointer: fit for a desk, where one server holds them all.
    It must not have sent anything before.

    Args:
        url: a node's address, or those of several, see `Connection`.
        chain_id: the chain it must be on.
        relay_key: secp256k1 private key, 32 bytes.
        archive_organisation: the archive's unified social credit code.
        authorities: certificates of the authorities to pin, DER, the same ones in the same order at each repetition.
        final_block: says which block is final, such as `EmbeddedNode.final_block_number`.
        p256_tables: for a chain without the P-256 precompile: certificates are registered with P256TableSuite, which
            makes a table for each key (4.8 million gas once) and checks a seal for less than a third. The same at each
            repetition. Evidence, trust files and verifiers know nothing of it.
        gas_price_wei: legacy gas price.
        timeout_seconds: how long to wait for the blocks.

    Raises:
        PolicyError: `nonce_used`: the relay key was used for something else; `deployment_failed`.
        TransportError: the node could not be asked, or the blocks did not come in time.
    """
    key = RelayKey(relay_key)
    addresses = contract_addresses(key.address)
    transactions = _transactions(
        key,
        chain_id,
        addresses,
        archive_organisation=archive_organisation,
        authorities=authorities,
        p256_tables=p256_tables,
        gas_price_wei=gas_price_wei,
    )
    deadline = time.monotonic() + timeout_seconds
    with closing(Connection(url, chain_id=chain_id)) as node:
        while not _are_final(node, transactions, final_block):
            if time.monotonic() > deadline:
                raise TransportError(
                    f"expected the contracts within {timeout_seconds:g} s, got none final", where="rpc"
                )
            time.sleep(_POLL_SECONDS)
    with closing(EvmLedgerReader(url, chain_id=chain_id, contracts=addresses)) as reader:
        return reader.identity()


def _are_final(node: Connection, transactions: list[SignedTransaction], final_block: Callable[[], int]) -> bool:
    is_final = True
    for transaction in transactions:
        final = final_block()
        receipt = transaction_receipt(node, transaction.transaction_hash)
        if receipt is None:
            send_raw(node, transaction.raw)
            is_final = False
        elif not receipt.succeeded:
            raise PolicyError(
                f"expected transaction {transaction.nonce} of the deployment to succeed, got a revert",
                code="deployment_failed",
                values={"nonce": transaction.nonce},
            )
        else:
            is_final = is_final and receipt.block.number <= final
    return is_final


def _transactions(
    key: RelayKey,
    chain_id: int,
    addresses: Mapping[str, bytes],
    *,
    archive_organisation: str,
    authorities: Sequence[bytes],
    p256_tables: bool,
    gas_price_wei: int,
) -> list[SignedTransaction]:
    admin = key.address
    seal_registry, project_registry = addresses["seal_registry"], addresses["project_registry"]
    organisation = archive_organisation.encode("ascii")
    constructors: dict[str, tuple[object, ...]] = {
        "authority_registry": (admin, addresses["p256_suite"]),
        "seal_registry": (admin, addresses["authority_registry"]),
        "p256_suite": (seal_registry,),
        "project_registry": (admin,),
        "archive_ledger": (admin, seal_registry, project_registry, organisation),
        "checkpoint_log": (admin,),
    }
    registrar, relayer, checkpointer = (
        keccak256(name) for name in (b"REGISTRAR_ROLE", b"RELAYER_ROLE", b"CHECKPOINTER_ROLE")
    )
    calls: tuple[tuple[str, str, tuple[object, ...]], ...] = (
        ("seal_registry", "addSuite", (_P256_SUITE_ID, addresses["p256_suite"])),
        ("seal_registry", "grantRole", (registrar, admin)),
        ("project_registry", "grantRole", (registrar, admin)),
        ("archive_ledger", "grantRole", (relayer, admin)),
        ("checkpoint_log", "grantRole", (checkpointer, admin)),
    )
    steps: list[tuple[bytes | None, bytes, int]] = [
        (None, _creation_code(name, constructors[name]), _CREATION_GAS) for name in _ORDER
    ]
    steps += [
        (addresses[name], interface(name).encode_call(function, *arguments), _CALL_GAS)
        for name, function, arguments in calls
    ]
    pin = interface("authority_registry").encode_call
    steps += [(addresses["authority_registry"], pin("addAuthority", der), _AUTHORITY_GAS) for der in authorities]
    if p256_tables:
        steps += _table_suite(admin, seal_registry, nonce=len(steps))
    return [
        key.sign(chain_id=chain_id, nonce=nonce, to=to, data=data, gas=gas, gas_price_wei=gas_price_wei)
        for nonce, (to, data, gas) in enumerate(steps)
    ]


def _table_suite(sender: bytes, seal_registry: bytes, *, nonce: int) -> list[tuple[bytes | None, bytes, int]]:
    # Behind all others, so that their addresses are the same with it and without.
    suite = _created_address(sender, nonce)
    call = interface("seal_registry").encode_call
    return [
        (None, _creation_code("p256_table_suite", (seal_registry,)), _CREATION_GAS),
        (seal_registry, call("addSuite", _P256_TABLE_SUITE_ID, suite), _CALL_GAS),
        (seal_registry, call("preferSuite", _P256_SUITE_ID, _P256_TABLE_SUITE_ID), _CALL_GAS),
    ]


def _creation_code(name: str, arguments: tuple[object, ...]) -> bytes:
    return from_hex(artifact(ARTIFACTS[name])["bytecode"]) + interface(name).encode_constructor(*arguments)


def _created_address(sender: bytes, nonce: int) -> bytes:
    # RLP of [sender, nonce] for nonces below 128, which are a byte of their own, save zero, which is empty.
    return keccak256(b"\xd6\x94" + sender + (bytes([nonce]) if nonce else b"\x80"))[-20:]
