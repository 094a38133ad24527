"""Signing in with a personal key in a token, on the server itself."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Iterator
from pathlib import Path

import pkcs11
import pytest

from signing.pkcs11 import Pkcs11PersonalKey, request_certificate
from signing.requests import parse_request, person_subject
from signing.token_session import TokenSession
from tests.token_engine import PIN, Tokens, require_softhsm

from .world import PersonAuth, World

LABEL = "个人"


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenSession]:
    tokens = Tokens.create(require_softhsm(), tmp_path / "softhsm")
    tokens.add(LABEL)
    for name, value in tokens.environment.items():
        monkeypatch.setenv(name, value)
    pkcs11.unload(str(tokens.module))
    with TokenSession(tokens.module, LABEL, pin=lambda _: PIN, writable=True) as opened:
        yield opened
    pkcs11.unload(str(tokens.module))


def test_a_key_in_a_token_signs_in(world: World, session: TokenSession) -> None:
    request = parse_request(request_certificate(session, session.generate(LABEL), person_subject("陈海燕")))
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    certificate = world.authority.issue_personal(
        request.public_key,
        name=request.name,
        not_before=now - datetime.timedelta(days=399),
        not_after=now + datetime.timedelta(days=3999),
    )
    session.store_certificate(certificate.der, label=request.name)
    added = world.post("/persons", {"certificate": base64.b64encode(certificate.der).decode()})
    client = world.anonymous()
    client.auth = PersonAuth(Pkcs11PersonalKey(session))
    shown = client.get("/api/v1/sessions/current")
    assert shown.status_code == 200, shown.text
    assert shown.json()["person_id"] == added["person_id"]
