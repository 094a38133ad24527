"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

# First, and before any test imports eth_account: it puts the recursion limit back that py_ecc raises for the whole
# process, under which the parsers of hostile input would run in production too.
import ledger.adapters.evm  # noqa: F401

# A shell that runs the tests in the background has them ignore Ctrl-C, and so would every command they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real IFC, EPCIS and PDF files that lies beside the checkout (never copied into it).

    On a desk without that folder the test is skipped; where `YUNSHANG_REQUIRE_ENGINES` is set (CI does), its absence
    is a failure.
    """
    folder = Path(os.environ.get("YUNSHANG_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        message = f"no sample data at {folder}; set YUNSHANG_SHARED_DATA"
        if os.environ.get("YUNSHANG_REQUIRE_ENGINES"):
            pytest.fail(message)
        pytest.skip(message)
    return folder
