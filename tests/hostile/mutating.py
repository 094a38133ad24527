"""Walks over bundles: every value, and what else could stand in its place."""

from __future__ import annotations

import base64
import copy
import re
from collections.abc import Iterator
from typing import Any

from ledger.canonical import canonical_record

__all__ = ["Path_", "at", "nodes", "other_values", "replaced", "with_other_items", "with_other_members"]

Path_ = tuple[Any, ...]
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}\Z")


def nodes(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Yield every value within, containers included, with its path."""
    yield path, value
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from nodes(child, (*path, key))


def at(document: Any, path: Path_) -> Any:
    for key in path:
        document = document[key]
    return document


def replaced(document: Any, path: Path_, value: Any) -> bytes:
    """Put a value in at a path, and return the document's canonical bytes, decimals allowed."""
    at(document, path[:-1])[path[-1]] = value
    return canonical_record(document)


def flipped_base64(text: str) -> Iterator[str]:
    raw = base64.b64decode(text)
    for place in {0, 1, len(raw) // 3, len(raw) // 2, len(raw) - 1}:
        yield base64.b64encode(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]).decode()


def other_texts(text: str) -> Iterator[str]:
    """Yield texts of the same kind that differ in one place, and some that differ in form."""
    digits = "0123456789abcdef"
    for place in sorted({2, len(text) // 2, len(text) - 1}):
        if place < len(text) and text[place] in digits:
            yield text[:place] + digits[(digits.index(text[place]) + 1) % 16] + text[place + 1 :]
    if len(text) > 80 and _BASE64.match(text):
        yield from flipped_base64(text)
    yield from ("", text + "x", text + " ", text[:-1], text.upper() if text.upper() != text else text.lower() + "X")
    yield text[::-1] if text[::-1] != text else text + text


def other_values(value: Any) -> Iterator[Any]:
    if isinstance(value, str):
        yield from (other for other in other_texts(value) if other != value)
    elif isinstance(value, bool) or value is None:
        yield from (1, "x", [], {})
    elif isinstance(value, float):
        yield from (value + 1, -value, value * (1 + 2**-52), int(value), str(value))
    elif isinstance(value, int):
        yield from (value + 1, value - 1, value + 60, 0 if value else 2, -value if value else 3, str(value))
    if value is not None:
        yield None


def with_other_members(good: Any, path: Path_) -> Iterator[tuple[str, Any]]:
    """Yield documents in which a member of the object at a path is renamed, deleted, or there twice."""
    for name in at(good, path):
        for edit in ("rename", "delete", "add"):
            document = copy.deepcopy(good)
            parent = at(document, path)
            if edit == "add":
                parent[f"{name}2"] = copy.deepcopy(parent[name])
            elif edit == "rename":
                parent[f"{name}2"] = parent.pop(name)
            else:
                del parent[name]
            yield f"{name} {edit}", document


def with_other_items(value: list[Any]) -> Iterator[list[Any]]:
    """Yield arrays with an item more, less, twice, emptied or elsewhere."""
    yield from ([*value, "x"], [*value, {}], [[], *value])
    for index in range(len(value)):
        yield value[:index] + value[index + 1 :]
        yield [*value[:index], value[index], *value[index:]]
        yield from ([*value[:index], empty, *value[index + 1 :]] for empty in (None, {}, [], ""))
        for other in range(index):
            swapped = list(value)
            swapped[index], swapped[other] = swapped[other], swapped[index]
            if swapped != value:
                yield swapped
