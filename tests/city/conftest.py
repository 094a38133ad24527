"""Tests of a city's engines: collected where `make test-engines` asks for them, and then none may be missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from city_engines import ALL_ENGINES

from .swarm import Swarm

collect_ignore_glob = [] if ALL_ENGINES else ["test_*.py"]


@pytest.fixture(scope="module")
def swarm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swarm]:
    """Two IPFS nodes of one private network."""
    swarm = Swarm(tmp_path_factory.mktemp("swarm"))
    try:
        for node in swarm.nodes:
            swarm.start(node)
        yield swarm
    finally:
        swarm.close()
