"""One archive for all tests of the API; each test makes buildings of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .world import World, build_world


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = build_world(tmp_path_factory.mktemp("archive"))
    yield world
    world.client.close()
    world.services.close()
    world.node.stop()


@pytest.fixture
def world(archive: World) -> Iterator[World]:
    """The archive, its clock set right again after each test."""
    yield archive
    archive.clock.offset *= 0
    archive.settle()
