"""RLP read strictly: one spelling for each value. Source: Ethereum Yellow Paper appendix B; library: rlp."""

from __future__ import annotations

from typing import Any

import rlp
from rlp.exceptions import DecodingError

from ledger.errors import MalformedError

__all__ = ["big_endian", "read_rlp", "write_rlp"]


def read_rlp(data: bytes, where: str) -> Any:
    """Read one RLP value: bytes, or a list of values.

    Raises:
        MalformedError: other bytes follow, a length is spelled in another way than the shortest, or it is nested deeper
            than the reader goes.
    """
    try:
        value = rlp.decode(data)
        again = rlp.encode(value)
    except (DecodingError, RecursionError) as error:
        raise MalformedError(f"expected RLP, got {len(data)} other bytes", where=where) from error
    if again != data:
        raise MalformedError("expected canonical RLP, got another spelling", where=where)
    return value


def write_rlp(value: Any) -> bytes:
    """Write bytes, or lists of them, as RLP."""
    encoded: bytes = rlp.encode(value, infer_serializer=False)
    return encoded


def big_endian(number: int) -> bytes:
    """Write a number as RLP holds it: big-endian without leading zeros, zero as no bytes."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
