"""A chain for the contract tests: started once, put back to where it was after every test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from chain_harness import Anvil, Deployment


@pytest.fixture(scope="session")
def node() -> Iterator[Anvil]:
    """An anvil of this test run's own."""
    with Anvil() as anvil:
        yield anvil


@pytest.fixture(scope="session")
def deployment(node: Anvil) -> Deployment:
    """The contracts with a unit project and its parties; use `chain`, which is put back."""
    return Deployment(node)


@pytest.fixture
def chain(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment, put back after the test."""
    snapshot = deployment.node.rpc("evm_snapshot")
    yield deployment
    deployment.node.rpc("evm_revert", snapshot)
