"""Engines for the suites of the ports."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from chain_engines import ENGINES, Engine
from city_engines import require_engine

from scripts.network.kubo import IpfsNode, running_nodes


@pytest.fixture(scope="session", params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A chain with the ledger's contracts on it, one for the whole run; tests use names of their own."""
    with ENGINES[request.param](tmp_path_factory.mktemp("chain")) as running:
        yield running


@pytest.fixture(scope="session")
def ipfs_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[IpfsNode]]:
    """Two IPFS nodes of one private swarm, for the whole run."""
    with running_nodes(tmp_path_factory.mktemp("swarm"), require_engine("ipfs"), count=2) as nodes:
        yield nodes
