"""Wycheproof's P-256/SHA-256 vectors through both P-256 suites on a chain; see tests/vectors/wycheproof/README.md."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from chain_harness import P256_ORDER, PROJECT, Anvil, Deployment, RefusedError, deploy
from eth_utils.crypto import keccak
from web3.contract import Contract
from web3.exceptions import ContractCustomError

from ledger.adapters.solc import CompiledContract, compile_contracts

VECTORS = json.loads((PROJECT / "tests/vectors/wycheproof/ecdsa_secp256r1_sha256_p1363.json").read_text())


# The private keys of these are 1 and -1; a suite with tables has none for a key that anybody knows.
NOT_IN_TABLES = "public key shares x-coordinate with generator"
SUITES = {"P256SuiteVectors": False, "P256TableSuiteVectors": True}


@pytest.fixture(scope="module")
def compiled() -> dict[str, CompiledContract]:
    """Both suites with the payload itself as what is signed."""
    return compile_contracts(PROJECT, tuple(SUITES))


@pytest.fixture(params=SUITES)
def suite(node: Anvil, compiled: dict[str, CompiledContract], request: pytest.FixtureRequest) -> Contract:
    """One of them; the first account stores keys."""
    return deploy(node.w3, request.param, node.w3.eth.accounts[0], source=compiled[request.param].to_json())


def _verify(suite: Contract, handle: int, message: bytes, signature: bytes) -> bool:
    return bool(suite.functions.verifySeal(handle, bytes(32), message, bytes(8), signature).call())


def _register(suite: Contract, key: bytes) -> int:
    sender: Any = {"from": suite.w3.eth.accounts[0], "gas": 8_000_000}
    receipt = suite.w3.eth.wait_for_transaction_receipt(suite.functions.register(key).transact(sender))
    assert receipt["status"] == 1
    return int(suite.functions.keyCount().call())


def test_every_vector(suite: Contract) -> None:
    has_tables = hasattr(suite.functions, "table")
    seen: Counter[str] = Counter()
    for group in VECTORS["testGroups"]:
        key = bytes.fromhex(group["uncompressed"])
        assert key[0] == 4 and len(key) == 65
        if has_tables and group["tests"][0]["comment"] == NOT_IN_TABLES:
            with pytest.raises(ContractCustomError) as refused:
                suite.functions.register(key[1:]).call({"from": suite.w3.eth.accounts[0]})
            assert str(refused.value.data)[:10] == "0x" + keccak(text="DegenerateKey(uint256)")[:4].hex()
            seen["refused key"] += len(group["tests"])
            continue
        handle = _register(suite, key[1:])
        for test in group["tests"]:
            message, signature = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
            s = int.from_bytes(signature[32:], "big")
            low = len(signature) == 64 and s <= P256_ORDER // 2
            accepted = _verify(suite, handle, message, signature)
            where = f"tcId {test['tcId']}: {test['comment']}"
            assert accepted == (test["result"] == "valid" and low), where
            seen[f"{test['result']}, {'low s' if low else 'other'}"] += 1
            if test["result"] == "valid" and not low:
                normalised = signature[:32] + (P256_ORDER - s).to_bytes(32, "big")
                assert _verify(suite, handle, message, normalised), where
    assert sum(seen.values()) == VECTORS["numberOfTests"] == 262
    assert seen["refused key"] == (4 if has_tables else 0)
    # Whatever the file says, all kinds are in it: the loop above can fail.
    assert seen["valid, low s"] > 50 and seen["valid, other"] > 50 and seen["invalid, low s"] > 15


ON_CURVE = bytes.fromhex(VECTORS["testGroups"][0]["uncompressed"])[1:]
FIELD = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
SECP256K1_GENERATOR = bytes.fromhex(
    "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
    "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"
)


@pytest.mark.parametrize(
    ("key", "error"),
    [
        pytest.param(bytes(64), "InvalidKey", id="zero"),
        pytest.param(ON_CURVE[:63] + bytes([ON_CURVE[63] ^ 1]), "InvalidKey", id="off the curve"),
        pytest.param(SECP256K1_GENERATOR, "InvalidKey", id="on another curve"),
        pytest.param(FIELD.to_bytes(32, "big") + ON_CURVE[32:], "InvalidKey", id="x is the field's size"),
        pytest.param(b"\x04" + ON_CURVE, "InvalidKeyLength", id="with its SEC1 prefix"),
        pytest.param(ON_CURVE[:63], "InvalidKeyLength", id="a byte short"),
        pytest.param(b"", "InvalidKeyLength", id="empty"),
    ],
)
def test_refuses_keys_that_are_none(chain: Deployment, key: bytes, error: str) -> None:
    suite = deploy(chain.w3, "P256Suite", chain.admin)
    with pytest.raises(RefusedError) as refused:
        chain.send(suite.functions.register(key))
    assert refused.value.name == error


def test_only_the_registry_stores_keys(chain: Deployment) -> None:
    with pytest.raises(RefusedError) as refused:
        chain.send(chain.suite.functions.register(ON_CURVE))
    assert refused.value.name == "UnauthorizedRegistry"
