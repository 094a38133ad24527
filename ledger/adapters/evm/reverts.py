"""What a contract said when it refused, out of each node's own way of saying it.

The four bytes of a custom error and its arguments come as `error.data` (geth, anvil, Besu, Hardhat 3), prefixed
(`Reverted 0x…`, Nethermind and OpenEthereum), one level down (`data.data`, Hardhat 2; `data.<hash>.return`, Ganache),
or, where a library put them there, within the message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from ledger.adapters.evm.abi import ContractInterface
from ledger.adapters.evm.connection import NodeError
from ledger.errors import MalformedError, PolicyError, TransportError

__all__ = ["refusal", "revert_data"]

_ERROR_STRING = bytes.fromhex("08c379a0")
_PANIC = bytes.fromhex("4e487b71")
_HEX = re.compile(r"(?:^|Reverted |\s|'|\")0x((?:[0-9a-fA-F]{2})+)(?:$|\s|'|\"|,|\))")
_REVERT_WORDS = ("revert", "vm exception")
_GAS_WORDS = ("gas required exceeds", "out of gas", "outofgas")
_DEPTH = 4


def revert_data(data: object, message: str = "") -> bytes | None:
    """Return a revert's bytes from what a node attached to its error, or None where there are none.

    Args:
        data: the error's `data`, of any shape.
        message: the error's message, searched last.
    """
    return next((found for found in _candidates(data, _DEPTH) if found), None) or _hex_in(message)


def refusal(error: NodeError, interfaces: Iterable[ContractInterface]) -> PolicyError | TransportError:
    """Return the error to raise for a failed simulation.

    Args:
        error: the node's answer.
        interfaces: the contracts whose custom errors to know.

    Returns:
        PolicyError with the contract error's name as code and its arguments as values (bytes as 0x hex, organisation
        codes as text); `reverted` where the contract gave no reason that is known; `out_of_gas`. TransportError where
        it was not the contract that refused.
    """
    message = error.message.lower()
    data = revert_data(error.data, error.message)
    if data is not None and (len(data) - 4) % 32 == 0:
        name, values = _decode(data, interfaces)
        words = ", ".join(f"{key}={value}" for key, value in values.items())
        return PolicyError(f"expected the contract to agree, got {name}({words})", code=name, values=values)
    if any(word in message for word in _GAS_WORDS):
        return PolicyError("expected the call to fit into a block, got out of gas", code="out_of_gas")
    if any(word in message for word in _REVERT_WORDS) or error.code == 3:
        return PolicyError("expected the contract to agree, got a revert without reason", code="reverted")
    return TransportError(f"expected the simulation of a call, got {error.message}", where="rpc")


def _decode(data: bytes, interfaces: Iterable[ContractInterface]) -> tuple[str, dict[str, object]]:
    for known in interfaces:
        try:
            found = known.decode_error(data)
        except MalformedError:
            continue
        if found is not None:
            return found[0], {name: _plain(value) for name, value in found[1].items()}
    try:
        if data[:4] == _ERROR_STRING:
            return "Error", {"message": decode(["string"], data[4:])[0]}
        if data[:4] == _PANIC:
            return "Panic", {"code": decode(["uint256"], data[4:])[0]}
    except (DecodingError, ValueError):
        pass
    return "reverted", {"data": "0x" + data.hex()}


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        is_code = len(value) == 18 and value.isalnum()
        return value.decode("ascii") if is_code else "0x" + value.hex()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value


def _candidates(data: object, depth: int) -> Iterable[bytes | None]:
    if isinstance(data, str):
        yield _hex_in(data)
    elif isinstance(data, Mapping) and depth:
        for key in ("data", "return", "result", "output"):
            if key in data:
                yield from _candidates(data[key], depth - 1)
        for value in data.values():
            if isinstance(value, Mapping):
                yield from _candidates(value, depth - 1)


def _hex_in(text: str) -> bytes | None:
    for match in _HEX.finditer(text):
        found = bytes.fromhex(match[1])
        if len(found) >= 4 and (len(found) - 4) % 32 == 0:
            return found
    return None
