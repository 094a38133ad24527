"""Bundles as lists of typed items: each type known, as often as it may be, in its order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ledger import fields
from ledger.errors import LedgerError, MalformedError
from ledger.merkle import InclusionProof

__all__ = ["UnknownItemError", "inclusion_item", "inclusion_json", "one_item", "sorted_items"]


class UnknownItemError(LedgerError):
    """The bundle holds an item or has a version that this reader does not know: could not check."""

    default_code = "unknown_item"


def sorted_items(values: list[Any], known: Mapping[str, tuple[int, int]]) -> dict[str, list[dict[str, Any]]]:
    """Group items by type after checking types, order and counts; the `type` member is taken off.

    Args:
        values: the bundle's items.
        known: types in their order, each with how often it may occur.

    Raises:
        UnknownItemError: a type that is not known.
        MalformedError: an item missing, repeated or misplaced, or something that is no item.
    """
    items: dict[str, list[dict[str, Any]]] = {name: [] for name in known}
    types = []
    for index, value in enumerate(values):
        if not isinstance(value, dict) or not isinstance(value.get("type"), str):
            raise MalformedError("expected an object with a type", where=f"items[{index}]")
        types.append(value["type"])
        if types[-1] in items:
            items[types[-1]].append({name: member for name, member in value.items() if name != "type"})
    for index, name in enumerate(types):
        if name not in items:
            raise UnknownItemError(
                f"expected an item of {', '.join(known)}, got {name!r}", where=f"items[{index}]", actual=name
            )
    for name, (low, high) in known.items():
        count = len(items[name])
        if not low <= count <= high:
            raise MalformedError(
                f"expected {low if low == high else f'{low} to {high}'} of {name}, got {count}",
                code="missing_item" if count < low else "repeated_item",
                where="items",
                expected=high,
                actual=count,
            )
    order = list(known)
    if types != sorted(types, key=order.index):
        raise MalformedError(f"expected the order {', '.join(order)}", code="misplaced_item", where="items")
    return items


def one_item(items: Mapping[str, list[dict[str, Any]]], name: str, members: tuple[str, ...]) -> dict[str, Any]:
    """Read the members of the first item of a type, or raise MalformedError."""
    return dict(fields.members(items[name][0], members, name))


def inclusion_item(items: Mapping[str, list[dict[str, Any]]], name: str) -> InclusionProof:
    """Read an item with `leaf_index`, `tree_size` and `path`, or raise MalformedError."""
    proof = one_item(items, name, ("leaf_index", "tree_size", "path"))
    return InclusionProof(
        fields.integer(proof["leaf_index"], f"{name}.leaf_index"),
        fields.integer(proof["tree_size"], f"{name}.tree_size", low=1),
        tuple(
            fields.hex_bytes(item, f"{name}.path[{index}]")
            for index, item in enumerate(fields.sequence_of(proof["path"], f"{name}.path"))
        ),
    )


def inclusion_json(name: str, proof: InclusionProof) -> dict[str, Any]:
    """Return the item that `inclusion_item` reads."""
    return {
        "type": name,
        "leaf_index": proof.leaf_index,
        "tree_size": proof.tree_size,
        "path": [item.hex() for item in proof.path],
    }
