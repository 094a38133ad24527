"""One archive with a past for all tests of recovery; none of them changes it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .lived import Lived, live


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    found = live(tmp_path_factory.mktemp("lived"))
    found.keep()
    yield found
    found.world.client.close()
    found.world.services.close()
    found.world.node.stop()
