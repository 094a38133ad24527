"""Many reads in one `eth_call`: creation code that asks the contracts and returns what they say, and is never created.

A call without `to` runs its data as creation code in the state of one block and gives back what that code returns. The
code is straight: the hash of the code at some addresses, then some static calls, each with whether it was refused and
every byte of its answer. So everything is of one block, where requests beside each other may straddle two; and nothing
rests on more than on `eth_call`, with which the contracts are read anyway: it is the same node's word.

What is returned: a byte 0x01 (code may not begin with 0xef), 32 bytes a code hash, and for each call 32 bytes that are
0 where the contract refused, 32 bytes length, and so many bytes. Nothing newer than the Paris fork is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ledger.errors import MalformedError

__all__ = ["CallAnswer", "Gathered", "gathering_code", "parse_gathered"]

_WORD: Final = 32
_MARK: Final = 1
_BEGIN: Final = bytes.fromhex("60016000536001")  # mem[0] = 1; the pointer into memory stays on the stack, from 1 on
_END: Final = bytes.fromhex("6000f3")
_MAX_CODE_BYTES: Final = 49_152  # EIP-3860


@dataclass(frozen=True, slots=True)
class CallAnswer:
    """What a contract said: whether it agreed, and its answer, or why it refused."""

    agreed: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Gathered:
    """Code hashes (keccak256, zero for an account that does not exist) and answers, in the order asked."""

    code_hashes: tuple[bytes, ...]
    answers: tuple[CallAnswer, ...]


def gathering_code(addresses: Sequence[bytes], calls: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return the code to be run.

    Args:
        addresses: 20 bytes each, whose code hashes are wanted.
        calls: address (20 bytes) and calldata of each static call.

    Raises:
        MalformedError: more than fits into one call.
    """
    head = _BEGIN + b"".join(_hash_of(address) for address in addresses)
    offset = len(head) + len(calls) * len(_ask(bytes(20), 0, 0)) + len(_END)
    tail = b""
    for address, data in calls:
        head += _ask(address, offset + len(tail), len(data))
        tail += data
    code = head + _END + tail
    if len(code) > _MAX_CODE_BYTES:
        raise MalformedError(f"expected at most {_MAX_CODE_BYTES} bytes of code, got {len(code)}", where="rpc")
    return code


def parse_gathered(data: bytes, *, addresses: int, calls: int) -> Gathered:
    """Read what the code returned.

    Raises:
        MalformedError: something else.
    """
    try:
        if data[0] != _MARK:
            raise MalformedError("expected what was gathered, got something else", where="rpc")
        place = 1 + addresses * _WORD
        hashes = tuple(data[start : start + _WORD] for start in range(1, place, _WORD))
        answers = []
        for _ in range(calls):
            agreed, size = int.from_bytes(data[place : place + _WORD], "big"), place + _WORD
            length = int.from_bytes(data[size : size + _WORD], "big")
            place = size + _WORD + length
            answers.append(CallAnswer(agreed == 1, data[place - length : place]))
    except IndexError as error:
        raise MalformedError("expected what was gathered, got nothing", where="rpc") from error
    if place != len(data):
        raise MalformedError(f"expected {place} bytes that were gathered, got {len(data)}", where="rpc")
    return Gathered(hashes, tuple(answers))


def _hash_of(address: bytes) -> bytes:
    # PUSH20 address, EXTCODEHASH, DUP2, MSTORE; pointer += 32
    return b"\x73" + address + bytes.fromhex("3f8152602001")


def _ask(address: bytes, offset: int, length: int) -> bytes:
    size, place = length.to_bytes(2, "big"), offset.to_bytes(2, "big")
    return b"".join(
        (
            b"\x61" + size + b"\x61" + place + bytes.fromhex("8260400139"),  # CODECOPY(pointer + 64, offset, length)
            bytes.fromhex("60006000") + b"\x61" + size + bytes.fromhex("83604001"),  # no room for the answer yet
            b"\x73" + address + bytes.fromhex("5afa8152"),  # STATICCALL with all gas; whether it agreed
            bytes.fromhex("3d8160200152"),  # the answer's length
            bytes.fromhex("3d6000826040013e"),  # RETURNDATACOPY(pointer + 64, 0, length)
            bytes.fromhex("3d01604001"),  # pointer += length + 64
        )
    )
