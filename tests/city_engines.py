"""Which engines the suites run on: the embedded ones always, a city's where `make test-engines` asks for them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts.engines import EngineError, find

ALL_ENGINES = os.environ.get("YUNSHANG_TEST_ENGINES") == "all"
"""Whether geth, Kubo, PostgreSQL and Hardhat's node are tested too."""


def require_engine(name: str) -> Path:
    """An engine of `scripts.engines`; a failure where it is missing, since whoever asks for engines wants no skip."""
    try:
        found = find(name)
    except EngineError as error:
        pytest.fail(str(error))
    if found is None:
        pytest.fail(f"no {name}: run make engines (docs/engines.md)")
    return found
