"""Nesting that hides its depth behind brackets within strings is refused, not recursed into."""

from __future__ import annotations

import pytest

from ledger.canonical import MAX_DEPTH, parse_json
from ledger.errors import MalformedError


def nested(depth: int) -> bytes:
    """Arrays within arrays; seen as bytes, every real bracket has a partner beside it in a string."""
    return b'["]",' * depth + b"0" + b',"["]' * depth


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 500, 100_000])
def test_brackets_in_strings_do_not_hide_depth(depth: int) -> None:
    with pytest.raises(MalformedError) as refused:
        parse_json(nested(depth))
    assert refused.value.code == "too_deep"


@pytest.mark.parametrize(
    "data",
    [
        nested(MAX_DEPTH),
        b"[" * MAX_DEPTH + b"]" * MAX_DEPTH,
        b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH,
        b'"' + b"[" * 1000 + b'"',
        b'["' + b'\\"[' * 1000 + b'"]',
        b"[" + b"[{}]," * 1000 + b"0]",
    ],
)
def test_allowed_depth_is_read(data: bytes) -> None:
    parse_json(data)
