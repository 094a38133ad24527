"""The OpenAPI document is complete, and changes only on purpose."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT: dict[str, Any] = json.loads((ROOT / "tests" / "api" / "openapi.json").read_text("utf-8"))


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def test_is_the_snapshot() -> None:
    script = ROOT / "scripts" / "openapi_snapshot.py"
    command = [sys.executable, str(script), "--check"]
    result = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("name", "operation"), list(operations()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_describes_each_operation_with_examples(name: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["description"]
    problems = [status for status in operation["responses"] if int(status) >= 400 and status != "416"]
    assert {"404", "409", "422", "503"} <= set(problems)
    for media in operation.get("requestBody", {}).get("content", {}).values():
        schema = media["schema"]
        if "$ref" in schema:
            schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        in_properties = any("examples" in member for member in schema.get("properties", {}).values())
        assert "examples" in media or "example" in media or "examples" in schema or in_properties, name


def test_leaves_no_secret_in_the_document() -> None:
    text = json.dumps(DOCUMENT)
    assert "relay_key" not in text
    assert "private" not in text.lower()
