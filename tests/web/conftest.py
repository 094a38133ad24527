"""The pages over a source with fixed content."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from archive_api.web.router import install

from .sample import SamplePages


@pytest.fixture
def pages() -> Iterator[TestClient]:
    """A browser without a cookie."""
    app = FastAPI()
    install(app, lambda _: SamplePages())
    with TestClient(app, headers={"accept": "text/html"}) as client:
        yield client
