"""Calls, answers, events and errors of the contracts, by their ABIs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import abi_to_signature, get_abi_input_types

from contracts import artifact
from ledger.errors import MalformedError
from ledger.hashing import keccak256

__all__ = ["ARTIFACTS", "ContractInterface", "Parameter", "interface"]

ARTIFACTS: Mapping[str, str] = {
    "archive_ledger": "ArchiveLedger",
    "project_registry": "ProjectRegistry",
    "seal_registry": "SealRegistry",
    "authority_registry": "AuthorityRegistry",
    "p256_suite": "P256Suite",
    "checkpoint_log": "CheckpointLog",
    "p256_table_suite": "P256TableSuite",
}
"""Which artifact a contract's name stands for. Not every deployment has the last one, and no trust file names it."""


_REMEMBERED: Final = 512
_REMEMBERED_BYTES: Final = 4_096


@dataclass(frozen=True, slots=True)
class Parameter:
    """A named argument with the ABI type of its whole and the names within, where it is a struct."""

    name: str
    kind: str
    description: Mapping[str, Any]


class ContractInterface:
    """One contract's ABI.

    Args:
        abi: as in its artifact.
    """

    def __init__(self, abi: Sequence[Mapping[str, Any]]) -> None:
        self._errors: dict[bytes, Mapping[str, Any]] = {}
        self._events: dict[bytes, Mapping[str, Any]] = {}
        self._constructor: Mapping[str, Any] = {"type": "constructor", "inputs": []}
        self._calls: dict[str, tuple[bytes, list[str]]] = {}
        self._answers: dict[str, list[Parameter]] = {}
        self._answered = lru_cache(maxsize=_REMEMBERED)(self._decoded)
        for element in abi:
            match element["type"]:
                case "function":
                    name = element["name"]
                    self._calls[name] = (_digest(element)[:4], _input_types(element))
                    self._answers[name] = _parameters(element["outputs"])
                case "error":
                    self._errors[_digest(element)[:4]] = element
                case "event":
                    self._events[_digest(element)] = element
                case "constructor":
                    self._constructor = element

    def encode_call(self, function: str, *arguments: object) -> bytes:
        """Return calldata: selector and arguments; structs are tuples in member order."""
        selector, kinds = self._calls[function]
        return selector + encode(kinds, arguments)

    def encode_constructor(self, *arguments: object) -> bytes:
        """Return the constructor's arguments as they follow the creation code."""
        return encode(_input_types(self._constructor), arguments)

    def decode_answer(self, function: str, data: bytes) -> tuple[Any, ...]:
        """Return a function's results in order; structs are mappings, which are not to be changed.

        The same answer, as that about a certificate which nothing happened to, is taken apart once.

        Raises:
            MalformedError: not this function's answer, such as the empty answer of an address without code.
        """
        return (self._answered if len(data) <= _REMEMBERED_BYTES else self._decoded)(function, data)

    def _decoded(self, function: str, data: bytes) -> tuple[Any, ...]:
        return tuple(_decode(self._answers[function], data, where=function).values())

    def decode_error(self, data: bytes) -> tuple[str, dict[str, object]] | None:
        """Return a custom error's name and values by name, or None where this contract has no such error."""
        element = self._errors.get(data[:4])
        if element is None:
            return None
        return element["name"], _decode(_parameters(element["inputs"]), data[4:], where=element["name"])

    def topic(self, event: str) -> bytes:
        """Return an event's first topic, 32 bytes."""
        return next(topic for topic, element in self._events.items() if element["name"] == event)

    def decode_event(self, topics: Sequence[bytes], data: bytes) -> tuple[str, dict[str, object]] | None:
        """Return an event's name and arguments by name, or None where this contract has no such event."""
        element = self._events.get(topics[0]) if topics else None
        if element is None:
            return None
        where = element["name"]
        indexed = _parameters([item for item in element["inputs"] if item["indexed"]])
        rest = _parameters([item for item in element["inputs"] if not item["indexed"]])
        values = _decode(indexed, b"".join(topics[1:]), where=where) | _decode(rest, data, where=where)
        return where, {item["name"]: values[item["name"]] for item in element["inputs"]}


def interface(name: str) -> ContractInterface:
    """Return the interface of one of the ledger's contracts.

    Args:
        name: a key of `ARTIFACTS`.
    """
    return ContractInterface(artifact(ARTIFACTS[name])["abi"])


def _digest(element: Mapping[str, Any]) -> bytes:
    return keccak256(abi_to_signature(element).encode("ascii"))  # type: ignore[arg-type]


def _input_types(element: Mapping[str, Any]) -> list[str]:
    return get_abi_input_types(element)  # type: ignore[arg-type]


def _parameters(inputs: Sequence[Mapping[str, Any]]) -> list[Parameter]:
    kinds = get_abi_input_types({"type": "constructor", "inputs": inputs})  # type: ignore[typeddict-item]
    return [
        Parameter(item["name"] or str(position), kind, item)
        for position, (item, kind) in enumerate(zip(inputs, kinds, strict=True))
    ]


def _decode(parameters: Sequence[Parameter], data: bytes, *, where: str) -> dict[str, object]:
    try:
        values = decode([parameter.kind for parameter in parameters], data)
    except (DecodingError, ValueError, OverflowError) as error:
        raise MalformedError(f"expected the encoding of {where}, got {len(data)} other bytes", where=where) from error
    return {
        parameter.name: _named(parameter.description, value)
        for parameter, value in zip(parameters, values, strict=True)
    }


def _named(description: Mapping[str, Any], value: Any) -> object:
    kind = description["type"]
    if kind.endswith("]"):
        item = {**description, "type": kind[: kind.rindex("[")]}
        return tuple(_named(item, element) for element in value)
    if kind == "tuple":
        return {
            component["name"]: _named(component, element)
            for component, element in zip(description["components"], value, strict=True)
        }
    return value
