#!/usr/bin/env python3
"""Reduce Wycheproof's P-256/SHA-256 file to what tests/vectors/wycheproof holds, or check that it is that reduction.

Usage: vectors_wycheproof.py SOURCE [--check], SOURCE being testvectors_v1/ecdsa_secp256r1_sha256_p1363_test.json.
Kept: key, message, signature, result, comment and flags of every test. Dropped: other encodings of the key, notes.
"""

import argparse
import json
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "tests/vectors/wycheproof/ecdsa_secp256r1_sha256_p1363.json"


def reduce(source: Path) -> str:
    """Return the reduced file's text."""
    read = json.loads(source.read_text(encoding="utf-8"))
    groups = [
        {
            "uncompressed": group["publicKey"]["uncompressed"],
            "tests": [
                {name: test[name] for name in ("tcId", "comment", "flags", "msg", "sig", "result")}
                for test in group["tests"]
            ],
        }
        for group in read["testGroups"]
    ]
    return json.dumps({"numberOfTests": read["numberOfTests"], "testGroups": groups}, indent=1) + "\n"


def main() -> int:
    """Write the reduction, or compare it with --check; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    arguments = parser.parse_args()
    text = reduce(arguments.source)
    if arguments.check:
        return 0 if TARGET.read_text(encoding="utf-8") == text else 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
