"""What importing the chain's adapter does to the process."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import json, sys
before = sys.getrecursionlimit()
from ledger.adapters.evm import relay_address
relay_address(b"\\x17" * 32)
try:
    json.loads("[" * 100_000)
except RecursionError:
    print(sys.getrecursionlimit() - before)
"""


def test_the_recursion_limit_stays_so_that_nested_json_is_refused() -> None:
    """The libraries below it raise the limit; then the same text ends the process with a segmentation fault."""
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout.strip()) == (0, "0")
