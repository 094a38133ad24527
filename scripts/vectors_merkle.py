"""Make the test vectors of the Merkle tree in tests/vectors/merkle, by the recursive definitions of RFC 9162.

This shares no code with `ledger.merkle`, which builds its trees level by level.
Usage: python scripts/vectors_merkle.py [--check]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from scripts.vector_files import write_or_check

DIRECTORY = Path(__file__).resolve().parent.parent / "tests" / "vectors" / "merkle"

# The leaves of the reference tests of Certificate Transparency (RFC 6962 has the same tree).
CT_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]


def split(size: int) -> int:
    """Return the largest power of two below the size."""
    return 1 << (size - 1).bit_length() - 1


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """Return MTH(D). Source: RFC 9162 section 2.1.1."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    half = split(len(leaves))
    return sha256(b"\x01" + tree_hash(leaves[:half]) + tree_hash(leaves[half:])).digest()


def inclusion_path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return PATH(m, D[n]). Source: RFC 9162 section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    half = split(len(leaves))
    if index < half:
        return [*inclusion_path(index, leaves[:half]), tree_hash(leaves[half:])]
    return [*inclusion_path(index - half, leaves[half:]), tree_hash(leaves[:half])]


def document() -> dict[str, Any]:
    """Return the vectors: roots of the first n leaves and every proof of the full tree and of an odd one."""
    leaves = [bytes.fromhex(leaf) for leaf in CT_LEAVES]
    return {
        "format": "yunshang-vectors-merkle/v1",
        "leaves": CT_LEAVES,
        "roots": [tree_hash(leaves[:size]).hex() for size in range(len(leaves) + 1)],
        "proofs": [
            {
                "leaf_index": index,
                "tree_size": size,
                "path": [item.hex() for item in inclusion_path(index, leaves[:size])],
            }
            for size in range(1, len(leaves) + 1)
            for index in range(size)
        ],
    }


def main() -> int:
    """Write the file, or with --check compare it; returns the exit code."""
    files = {"trees.json": json.dumps(document(), indent=1) + "\n"}
    return write_or_check(DIRECTORY, files, description=__doc__)


if __name__ == "__main__":
    sys.exit(main())
