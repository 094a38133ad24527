"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings

# First, and before any test imports eth_account: it puts the recursion limit back that py_ecc raises for the whole
# process, under which the parsers of hostile input would run in production too.
import ledger.adapters.evm  # noqa: F401

# A shell that runs the tests in the background has them ignore Ctrl-C, and so would every command they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is: `timeout` ends what hangs, figures come from `make bench`.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_USUAL_SECONDS = 900
"""What a test may take that says nothing else: `timeout` in pyproject.toml."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order what several processes share, for `--no-loadscope-reorder`: they take whole files from the front.

    First the files with a test that is given more time than usual, else one process would be left with it at the end;
    then, as pytest-xdist itself does, those with many tests.
    """
    if not hasattr(config, "workerinput"):
        return
    counts = Counter(item.path for item in items)
    seconds = dict.fromkeys(counts, _USUAL_SECONDS)
    for item in items:
        for mark in item.iter_markers("timeout"):
            seconds[item.path] = max(seconds[item.path], *mark.args[:1])
    items.sort(key=lambda item: (-seconds[item.path], -counts[item.path], str(item.path)))


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
