"""Any request that the OpenAPI document allows, and any that it forbids, from each role: no 5xx, no broken promise.

Each request is sent as nobody, as a person of each role, and as one of all roles. The answers are compared with the
document (status, media type, headers, body); none may tell of the machine, and the server may ask nobody but its node.
`YUNSHANG_FUZZ_EXAMPLES` sets how many requests of each kind are made for each operation (few by default).
"""

from __future__ import annotations

import json
import os
import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
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

from archive_api.access.roles import GRANTABLE, PARTIES, AccessRole
from ledger.types import Role

from .test_openapi import DOCUMENT
from .world import World

EXAMPLES = int(os.environ.get("YUNSHANG_FUZZ_EXAMPLES", "2"))
OPERATIONS = [(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods]
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
READS = ("get", "head", "options")
NOBODY, EVERYTHING = "nobody", "desk"
TELLTALES = ("Traceback", "sqlalchemy", "sqlite3", "SELECT ", 'File "', "site-packages", "0x0000000000000000>")


@schemathesis.serializer("application/offset+octet-stream", "application/x-ndjson")
def as_bytes(_context: schemathesis.SerializationContext, value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@dataclass
class Gate:
    """Everybody who asks, with the headers that say who they are."""

    world: World
    session: asgi.ASGIClient
    people: Mapping[str, TestClient]
    known: Mapping[str, str]
    secrets: tuple[str, ...]
    answered: Counter[str] = field(default_factory=Counter)

    def headers(self, role: str) -> dict[str, str]:
        """Signed in again where a request before ended the session."""
        if role == NOBODY:
            return {}
        client = self.people[role]
        assert client.get("/api/v1/sessions/current").status_code == 200
        return {"Authorization": f"Bearer {client.auth.token}"}  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def gate(archive: World) -> Iterator[Gate]:
    with asgi.get_client(archive.client.app) as session:
        yield Gate(archive, session, _people(archive), _known(archive), _secrets(archive))


def _people(world: World) -> dict[str, TestClient]:
    owner = world.parties[Role.OWNER]
    people = {EVERYTHING: world.client}
    for role in sorted(GRANTABLE):
        grant: dict[str, Any] = {"role": role.value}
        if role in PARTIES:
            grant["organisation_code"] = owner.certificate.organisation_code
        people[role.value] = world.person(grant, organisation=owner if role in PARTIES else None)
    return people


def _known(world: World) -> dict[str, str]:
    """Path parameters of things that are there: of an archived handover and of a draft."""
    prepared = world.anchored()
    shown = world.show(prepared)
    return {
        "ref": prepared.ref,
        "draft": world.sent(files={"a.txt": b"one"}).ref,
        "submission_id": shown["submission_id"],
        "building_key": shown["building"]["building_key"],
        "unit_project_key": shown["unit_project"]["unit_project_key"],
        "index": "0",
        "stream": "access",
        "certificate_id": world.archive.certificate.certificate_id.hex(),
    }


def _secrets(world: World) -> tuple[str, ...]:
    hidden = (world.settings.secret, world.settings.relay_key, world.settings.log_key)
    return (str(world.home.root), *(secret.get_secret_value().removeprefix("0x") for secret in hidden), *TELLTALES)


@pytest.fixture(scope="module")
def schema(archive: World) -> Any:
    return schemathesis.openapi.from_dict(archive.client.app.openapi())  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Where sockets were connected to."""
    addresses: list[Any] = []
    connect = socket.socket.connect

    def connecting(self: socket.socket, address: Any) -> None:
        addresses.append(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connecting)
    return addresses


@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=[f"{method} {path}" for path, method in OPERATIONS])
def test_keeps_what_the_document_promises(gate: Gate, schema: Any, asked: list[Any], path: str, method: str) -> None:
    operation = schema[path][method]
    headers = {role: gate.headers(role) for role in (NOBODY, *gate.people)}
    there = {name: value for name, value in gate.known.items() if f"{{{name}}}" in path}
    if method not in READS:
        there = {"ref": gate.known["draft"]} if "{ref}" in path else {}
    cases = st.one_of(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
        *([operation.as_strategy(path_parameters=there)] if there else []),
    )

    @settings(
        max_examples=3 * EXAMPLES,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def answers(case: Any) -> None:
        for role, sent in headers.items():
            response = case.call(session=gate.session, base_url="http://testserver", headers=sent)
            told = response.content.decode("utf-8", "replace") + str(response.headers)
            assert response.status_code < 500 or response.status_code in (501, 503, 507), (role, told)
            case.validate_response(response, checks=CHECKS)
            assert not [word for word in gate.secrets if word in told], (role, told)
            assert "content-security-policy" in response.headers
            gate.answered[role] += response.status_code < 400

    answers()
    door = gate.world.node._gate
    assert door is not None
    assert set(asked) <= {(door.host, door.port), (door.host, door.node_port)}


def test_requests_of_every_role_were_answered(gate: Gate) -> None:
    if sum(gate.answered.values()):  # not where single operations were asked for
        assert min(gate.answered[role] for role in (NOBODY, *gate.people)) >= 5, gate.answered
        assert gate.answered[AccessRole.AUDITOR.value] > gate.answered[NOBODY]
