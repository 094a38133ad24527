#!/usr/bin/env python3
"""Make the test vectors of consistency proofs in tests/vectors/merkle, by the recursive definition of RFC 9162.

The contract and `ledger.log` are held to them; this shares no code with either.
Usage: python scripts/vectors_consistency.py [--check]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from scripts.vector_files import write_or_check  # noqa: E402
from scripts.vectors_merkle import split, tree_hash  # noqa: E402

PATH = PROJECT / "tests" / "vectors" / "merkle" / "consistency.json"
SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 13, 16, 17)


def consistency_path(old_size: int, leaves: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """Return SUBPROOF(m, D[n], b). Source: RFC 9162 section 2.1.4.1."""
    if old_size == len(leaves):
        return [] if whole else [tree_hash(leaves)]
    half = split(len(leaves))
    if old_size <= half:
        return [*consistency_path(old_size, leaves[:half], whole=whole), tree_hash(leaves[half:])]
    return [*consistency_path(old_size - half, leaves[half:], whole=False), tree_hash(leaves[:half])]


def leaves_of(size: int, *, changed: int | None = None) -> list[bytes]:
    """Return the entries of a log: their numbers in decimal; the changed one has another text."""
    return [b"rewritten" if number == changed else str(number).encode() for number in range(size)]


def case(
    old: Sequence[bytes], new: Sequence[bytes], *, consistent: bool, reason: str, **changes: Any
) -> dict[str, Any]:
    """Return one case: two trees and the proof made from the newer one."""
    members = {
        "old_size": len(old),
        "old_root": tree_hash(old).hex(),
        "new_size": len(new),
        "new_root": tree_hash(new).hex(),
        "proof": [item.hex() for item in consistency_path(len(old), new)] if len(old) <= len(new) else [],
    }
    return {"reason": reason, **members, **changes, "consistent": consistent}


def cases() -> Iterator[dict[str, Any]]:
    """Yield every pair of sizes once as it is, and once for each way to be wrong."""
    for new_size in SIZES:
        new = leaves_of(new_size)
        for old_size in (size for size in SIZES if size <= new_size):
            old = leaves_of(old_size)
            good = case(old, new, consistent=True, reason="extends")
            yield good
            proof: list[str] = good["proof"]
            yield case(leaves_of(old_size, changed=old_size - 1), new, consistent=False, reason="last entry rewritten")
            yield case(leaves_of(old_size, changed=0), new, consistent=False, reason="first entry rewritten")
            yield case(old, new, consistent=False, reason="a hash too many", proof=[*proof, "00" * 32])
            if proof:
                yield case(old, new, consistent=False, reason="a hash too few", proof=proof[:-1])
                yield case(old, new, consistent=False, reason="a hash changed", proof=[*proof[:-1], "00" * 32])
                yield case(new, old, consistent=False, reason="shrinks", proof=proof)


def document() -> str:
    """Return the vectors, one case a line."""
    lines = ",\n".join(json.dumps(item) for item in cases())
    return f'{{"format": "yunshang-vectors-consistency/v1", "cases": [\n{lines}\n]}}\n'


def main() -> int:
    """Write the file, or with --check compare it; returns the exit code."""
    files = {PATH.name: document()}
    return write_or_check(PATH.parent, files, description=__doc__)


if __name__ == "__main__":
    sys.exit(main())
