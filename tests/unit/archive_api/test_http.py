"""Answers made in a route, beside those that FastAPI makes of a `response_model`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Response
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict, Field

from archive_api.http import answered
from archive_api.pagination import Page


class _Document(BaseModel):
    model_config = ConfigDict(extra="allow")

    title: str
    size: int | None = None
    at: datetime
    share: float
    kind: str = Field(alias="documentKind")
    entry: dict[str, Any]


def _page() -> Page[_Document]:
    document = _Document(
        title="结构竣工图 ‘A’ & <B>",
        at=datetime(2026, 11, 28, 8, 30, tzinfo=UTC),
        share=float("inf"),
        documentKind="drawing",
        entry={"b": [1, None, True], "a": {"嵌套": "值"}, "share": 0.1},
        surplus=["é", 2**53],
    )
    return Page[_Document](items=[document], next_cursor=None)


def test_answers_the_bytes_that_the_response_model_makes() -> None:
    app = FastAPI()

    @app.get("/model", response_model=Page[_Document])
    def model() -> Page[_Document]:
        return _page()

    @app.get("/answered", response_model=Page[_Document])
    def made() -> Response:
        return answered(_page())

    client = TestClient(app)
    expected, actual = client.get("/model"), client.get("/answered")
    assert actual.content == expected.content
    assert (actual.status_code, actual.headers) == (expected.status_code, expected.headers)
    assert "documentKind" in actual.text
