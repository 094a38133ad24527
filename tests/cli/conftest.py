"""Fixtures of the command line's tests."""

from __future__ import annotations

import pytest

from .process import Demo, Result, Runner, run


@pytest.fixture(scope="session")
def yunshang() -> Runner:
    """`yunshang ARGS…` in a process of its own."""
    return run


@pytest.fixture(scope="session")
def verify() -> Runner:
    """`yunshang-verify ARGS…` in a process of its own."""

    def run_verify(*arguments: object) -> Result:
        return run(*arguments, module="ledger.cli")

    return run_verify


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Two handovers of the generated sample on one home."""
    home = tmp_path_factory.mktemp("demo") / "home"
    results = []
    for _ in range(2):
        done = run("demo", "--home", home, "--no-serve", "--json")
        assert done.code == 0, done.stderr
        results.append(done.last_json)
    return Demo(home, *results)
