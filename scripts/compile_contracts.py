#!/usr/bin/env python3
"""Compile the contracts into contracts/artifacts, or check that the artifacts are those of the sources.

Usage: compile_contracts.py [--check]; exit 1 if --check finds a difference.
"""

import argparse
import json
import sys
from pathlib import Path

from ledger.adapters.solc import compile_contracts

PROJECT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Write the artifacts, or compare them with --check; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check: bool = parser.parse_args().check
    differing = []
    for name, contract in compile_contracts(PROJECT).items():
        path = PROJECT / "contracts" / "artifacts" / f"{name}.json"
        text = json.dumps(contract.to_json(), indent=1, sort_keys=True) + "\n"
        if check:
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                differing.append(name)
            continue
        path.write_text(text, encoding="utf-8")
        size = len(contract.deployed_bytecode) // 2 - 1
        print(f"{name}: {size} bytes of runtime code")
    for name in differing:
        print(f"{name}: the artifact is not that of the sources", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
