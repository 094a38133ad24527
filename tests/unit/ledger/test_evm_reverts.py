"""Each node's own way of saying that a contract refused."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from ledger.adapters.evm.abi import ARTIFACTS, interface
from ledger.adapters.evm.connection import NodeError
from ledger.adapters.evm.reverts import refusal, revert_data
from ledger.errors import PolicyError, TransportError
from ledger.hashing import keccak256

INTERFACES = [interface(name) for name in ARTIFACTS]
REVERT = keccak256(b"SealByPassed(uint64,uint64)")[:4] + encode(["uint64", "uint64"], [5, 9])
HEX = "0x" + REVERT.hex()
TRANSACTION_HASH = "0x" + "ab" * 32

SHAPES = {
    "geth": (3, "execution reverted", HEX),
    "anvil": (3, f"execution reverted: custom error {HEX[:10]}", HEX),
    "besu": (-32000, "Execution reverted", HEX),
    "nethermind": (-32015, "VM execution error.", f"Reverted {HEX}"),
    "hardhat 2": (-32603, "Error: VM Exception", {"message": "Error: VM Exception", "data": HEX}),
    "hardhat 2, nested": (-32603, "Error: VM Exception", {"data": {"data": HEX, "txHash": TRANSACTION_HASH}}),
    "hardhat 3": (3, "VM Exception while processing transaction", HEX),
    "ganache": (-32000, "VM Exception: revert", {TRANSACTION_HASH: {"error": "revert", "return": HEX}}),
    "eth-tester": (-32000, f"execution reverted: {HEX}", None),
    "in a list of words": (-32000, f"('execution reverted', '{HEX}')", None),
}


@pytest.mark.parametrize(("code", "message", "data"), SHAPES.values(), ids=SHAPES)
def test_finds_the_custom_error(code: int, message: str, data: object) -> None:
    error = refusal(NodeError(code, message, data), INTERFACES)
    assert isinstance(error, PolicyError)
    assert (error.code, dict(error.values)) == ("SealByPassed", {"sealBy": 5, "blockTime": 9})


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (NodeError(3, "execution reverted", "0x"), PolicyError, "reverted"),
        (NodeError(-32000, "VM Exception while processing transaction: revert", None), PolicyError, "reverted"),
        (NodeError(3, "execution reverted", "0xdeadbeef"), PolicyError, "reverted"),
        (NodeError(-32000, "gas required exceeds allowance (30000000)", None), PolicyError, "out_of_gas"),
        (NodeError(-32000, "header not found", None), TransportError, "transport"),
        (NodeError(-32005, "limit exceeded", {"rate": "100"}), TransportError, "transport"),
        (NodeError(None, "", None), TransportError, "transport"),
    ],
)
def test_tells_a_refusal_from_a_failure(error: NodeError, kind: type[Exception], code: str) -> None:
    found = refusal(error, INTERFACES)
    assert type(found) is kind
    assert found.code == code


def test_reads_strings_and_panics() -> None:
    text = bytes.fromhex("08c379a0") + encode(["string"], ["not today"])
    panic = bytes.fromhex("4e487b71") + encode(["uint256"], [0x11])
    for data, code, values in ((text, "Error", {"message": "not today"}), (panic, "Panic", {"code": 0x11})):
        error = refusal(NodeError(3, "execution reverted", "0x" + data.hex()), INTERFACES)
        assert (error.code, dict(error.values)) == (code, values)


def test_bytes_become_hex_and_codes_text() -> None:
    name = b"SealOrganisationMismatch(uint256,bytes18,bytes18)"
    data = keccak256(name)[:4] + encode(["uint256", "bytes18", "bytes18"], [2, b"91440101MA59A00011", bytes(18)])
    error = refusal(NodeError(3, "execution reverted", "0x" + data.hex()), INTERFACES)
    assert dict(error.values) == {"role": 2, "expected": "91440101MA59A00011", "actual": "0x" + "00" * 18}


@pytest.mark.parametrize("cut", [1, 31, 33])
def test_a_cut_error_is_not_decoded(cut: int) -> None:
    error = refusal(NodeError(3, "execution reverted", "0x" + REVERT[:-cut].hex()), INTERFACES)
    assert isinstance(error, PolicyError)
    assert error.code == "reverted"


@pytest.mark.parametrize("data", [None, 5, [], {}, {"a": {"b": {"c": {"d": {"data": HEX}}}}}, "0x", "nothing"])
def test_finds_nothing_where_nothing_is(data: object) -> None:
    assert revert_data(data) is None
