"""Any request that the OpenAPI document allows, and any that it forbids, as each role: no 5xx, no broken promise.

The answers are compared with the document: status, media type, headers, body. Half of the requests name things that are
there. `YUNSHANG_FUZZ_EXAMPLES` sets how many of each kind are made for each operation and role (few by default).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.python import asgi
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from .test_openapi import DOCUMENT
from .world import World

EXAMPLES = int(os.environ.get("YUNSHANG_FUZZ_EXAMPLES", "4"))
OPERATIONS = [(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods]
ROLES = ["desk"]
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
READS = ("get", "head", "options")


@schemathesis.serializer("application/offset+octet-stream", "application/x-ndjson")
def as_bytes(_context: schemathesis.SerializationContext, value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@pytest.fixture(scope="module")
def known(archive: World) -> dict[str, str]:
    """Path parameters of things that are there: of an archived handover and of a draft."""
    prepared = archive.anchored()
    shown = archive.show(prepared)
    draft = archive.sent(files={"a.txt": b"one"})
    return {
        "ref": prepared.ref,
        "draft": draft.ref,
        "submission_id": shown["submission_id"],
        "building_key": shown["building"]["building_key"],
        "unit_project_key": shown["unit_project"]["unit_project_key"],
        "index": "0",
        "certificate_id": archive.archive.certificate.certificate_id.hex(),
    }


@pytest.fixture(scope="module")
def client(archive: World) -> Iterator[asgi.ASGIClient]:
    with asgi.get_client(archive.client.app) as client:
        yield client


@pytest.fixture(scope="module")
def schema(archive: World) -> Any:
    return schemathesis.openapi.from_dict(archive.client.app.openapi())  # type: ignore[attr-defined]


def headers_of(_world: World, _role: str) -> dict[str, str]:
    """What a person of a role sends to be known."""
    return {}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=[f"{method} {path}" for path, method in OPERATIONS])
def test_keeps_what_the_document_promises(
    archive: World, client: asgi.ASGIClient, schema: Any, known: Mapping[str, str], role: str, path: str, method: str
) -> None:
    operation = schema[path][method]
    headers = headers_of(archive, role)
    there = {name: value for name, value in known.items() if f"{{{name}}}" in path}
    if method not in READS:
        there = {"ref": known["draft"]} if "{ref}" in path else {}
    cases = st.one_of(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
        *([operation.as_strategy(path_parameters=there)] if there else []),
    )

    @settings(
        max_examples=3 * EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def answers(case: Any) -> None:
        response = case.call(session=client, base_url="http://testserver", headers=headers)
        assert response.status_code < 500 or response.status_code in (503, 507), response.text
        case.validate_response(response, checks=CHECKS)

    answers()
