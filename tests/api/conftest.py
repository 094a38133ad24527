"""One archive for all tests of the API; each test makes buildings of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .world import World, running_world


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("archive")) as world:
        yield world


@pytest.fixture
def world(archive: World) -> Iterator[World]:
    """The archive, its clock set right again after each test."""
    yield archive
    archive.clock.offset *= 0
    archive.settle()
