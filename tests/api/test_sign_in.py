"""Signing in with a personal certificate: what opens a session, and everything that must not."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from starlette.requests import HTTPConnection

from archive_api.identity.persons import PersonService
from archive_api.identity.schemas import PersonIn
from ledger.identifiers import validate_uscc
from signing.authority import generate_key
from signing.certificates import P256_ORDER
from signing.errors import MismatchError, PolicyError
from signing.personal import InMemoryPersonalKey, parse_personal_certificate

from .gatehouse import CODE, NAME, ORIGIN, Gatehouse, base64_of, dates, new_authority, open_gatehouse


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gatehouse]:
    with open_gatehouse(tmp_path_factory.mktemp("gatehouse")) as gatehouse:
        yield gatehouse


@pytest.fixture
def gate(opened: Gatehouse) -> Iterator[Gatehouse]:
    yield opened
    opened.clock.offset *= 0
    opened.client.cookies.clear()


def test_a_signed_challenge_opens_a_session(gate: Gatehouse) -> None:
    key, person = gate.person()
    opened = gate.sign_in(key)
    assert opened["person_id"] == person["person_id"]
    current = gate.ask("GET", "/sessions/current", 200, opened["token"])
    assert current["name"] == "李明"
    assert current["organisation_code"] == CODE
    assert current["certificate_id"] == key.certificate.certificate_id.hex()
    assert (current["method"], current["desk"], current["csrf_token"]) == ("certificate", False, None)


def test_the_desk_is_told_apart(gate: Gatehouse) -> None:
    assert gate.ask("GET", "/sessions/current", 200, gate.desk_token())["desk"]


def test_nobody_is_signed_in_without_a_token(gate: Gatehouse) -> None:
    assert gate.ask("GET", "/sessions/current", 401)["code"] == "not_signed_in"


@pytest.mark.parametrize(
    "header", ["Bearer ", "Bearer x", "Bearer " + "A" * 43, "Basic YTpi", "Bearer " + "é" * 43, ""]
)
def test_refuses_a_token_that_opens_nothing(gate: Gatehouse, header: str) -> None:
    response = gate.client.get("/api/v1/sessions/current", headers={"Authorization": header.encode("latin-1")})
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.json()["code"] == "session_over"


def test_signs_in_with_at_most_three_statements(gate: Gatehouse) -> None:
    key, _ = gate.person()
    statements: list[str] = []

    def count(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("BEGIN"):
            statements.append(statement)

    event.listen(gate.services.database.engine, "before_cursor_execute", count)
    try:
        token = gate.token(key)
        assert len(statements) == 3, statements
        statements.clear()
        assert gate.services.sessions.authenticate(_request(gate, token)) is not None
        assert len(statements) == 1, statements
    finally:
        event.remove(gate.services.database.engine, "before_cursor_execute", count)


def _request(gate: Gatehouse, token: str) -> Any:
    headers = [(b"authorization", f"Bearer {token}".encode())]
    return HTTPConnection({"type": "http", "method": "GET", "headers": headers, "query_string": b""})


def test_the_catalogue_has_the_digest_of_a_token_alone(gate: Gatehouse) -> None:
    token = gate.token(gate.person()[0])
    name = gate.settings.database_url.removeprefix("sqlite:///")
    stored = b"".join(path.read_bytes() for path in Path(name).parent.glob("archive.db*"))
    assert token.encode() not in stored


# Challenges


def test_refuses_a_challenge_answered_before(gate: Gatehouse) -> None:
    key, _ = gate.person()
    body = gate.answer(key)
    gate.ask("POST", "/sessions", 201, json=body)
    gate.refuse(body, "challenge_used")


def test_refuses_a_second_signature_over_a_challenge_answered_before(gate: Gatehouse) -> None:
    key, _ = gate.person()
    challenge = gate.challenge(key)
    gate.ask("POST", "/sessions", 201, json=gate.answer(key, challenge))
    gate.refuse(gate.answer(key, challenge), "challenge_used")


def test_a_failed_answer_does_not_use_a_challenge_up(gate: Gatehouse) -> None:
    key, _ = gate.person()
    challenge = gate.challenge(key)
    gate.refuse(
        gate.answer(key, challenge, signature=base64_of(bytes(31) + b"\1" + bytes(31) + b"\1")), "sign_in_signature"
    )
    gate.ask("POST", "/sessions", 201, json=gate.answer(key, challenge))


def test_refuses_an_old_challenge(gate: Gatehouse) -> None:
    key, _ = gate.person()
    body = gate.answer(key)
    gate.clock.offset = datetime.timedelta(seconds=gate.settings.challenge_seconds + 1)
    gate.refuse(body, "challenge_expired")


def test_refuses_somebody_elses_challenge(gate: Gatehouse) -> None:
    (key, _), (other, _) = gate.person("李明"), gate.person("王芳")
    gate.refuse(gate.answer(key, gate.challenge(other)), "challenge_unknown")


def test_refuses_a_stolen_answer_under_another_certificate(gate: Gatehouse) -> None:
    (key, _), (other, _) = gate.person("李明"), gate.person("王芳")
    stolen = gate.answer(key)
    gate.refuse(stolen | {"certificate": base64_of(other.certificate.der)}, "challenge_unknown")


def test_refuses_a_stolen_challenge_signed_with_another_key(gate: Gatehouse) -> None:
    (key, _), (other, _) = gate.person("李明"), gate.person("王芳")
    challenge = gate.challenge(key)
    forged = gate.answer(other, challenge) | {"certificate": base64_of(key.certificate.der)}
    gate.refuse(forged, "sign_in_signature")


def test_refuses_a_challenge_with_any_bit_flipped(gate: Gatehouse) -> None:
    key, _ = gate.person()
    body = gate.answer(key)
    raw = base64.urlsafe_b64decode(body["challenge"])
    for place in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[place // 8] ^= 1 << place % 8
        gate.refuse(body | {"challenge": base64.urlsafe_b64encode(changed).decode()}, "challenge_unknown")
    for other in ("", "x", body["challenge"][:-1], body["challenge"] + "AAAA", "é" * 96):
        gate.refuse(body | {"challenge": other}, "challenge_unknown")


def test_refuses_a_challenge_of_another_server(gate: Gatehouse, tmp_path: Path) -> None:
    key, _ = gate.person()
    with open_gatehouse(tmp_path) as other:
        gate.refuse(gate.answer(key, other.challenge(key)), "challenge_unknown")


# What was signed


def test_refuses_an_answer_signed_for_another_server(gate: Gatehouse) -> None:
    key, _ = gate.person()
    gate.refuse(gate.answer(key, origin="https://evil.example"), "origin")
    gate.refuse(gate.answer(key, origin=ORIGIN, signed_origin="https://evil.example"), "sign_in_signature")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost"])
def test_the_host_header_does_not_say_where_the_server_is(gate: Gatehouse, host: str) -> None:
    key, _ = gate.person()
    body = gate.answer(key, origin=f"http://{host.removesuffix(':80')}")
    response = gate.client.post("/api/v1/sessions", json=body, headers={"Host": host})
    assert response.status_code in (400, 401)
    assert response.json()["code"] in ("host_unknown", "origin")


@pytest.mark.parametrize("member", ["client_nonce", "signature"])
def test_refuses_an_answer_with_any_byte_changed(gate: Gatehouse, member: str) -> None:
    key, _ = gate.person()
    body = gate.answer(key)
    raw = base64.b64decode(body[member])
    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 0x01]) + raw[place + 1 :]
        gate.refuse(body | {member: base64_of(changed)}, "sign_in_signature")


@pytest.mark.parametrize(
    "signature",
    [bytes(64), P256_ORDER.to_bytes(32, "big") * 2, b"\xff" * 64, bytes(32) + b"\1" * 32],
)
def test_refuses_signatures_out_of_range(gate: Gatehouse, signature: bytes) -> None:
    gate.refuse(gate.answer(gate.person()[0], signature=base64_of(signature)), "malformed", 422)


@pytest.mark.parametrize("member", ["client_nonce", "signature", "certificate"])
def test_refuses_base64_of_another_form(gate: Gatehouse, member: str) -> None:
    body = gate.answer(gate.person()[0])
    for other in ("", "!", body[member][:-4], body[member].rstrip("=") + "\n"):
        response = gate.client.post("/api/v1/sessions", json=body | {member: other})
        assert response.status_code in (401, 422), response.text


# Certificates


def test_refuses_a_certificate_for_sealing(gate: Gatehouse) -> None:
    store = gate.authority.issue_key_store(code=CODE, name=NAME, validate_code=validate_uscc, **dates())
    key = gate.personal_key()
    body = {"certificate_id": store.certificate.certificate_id.hex()}
    challenge = gate.ask("POST", "/sign-in/challenges", 200, json=body)
    answer = gate.answer(key, challenge, certificate=base64_of(store.certificate.der))
    gate.refuse(answer, "certificate_for_sealing")


def test_adds_no_person_with_a_certificate_for_sealing(gate: Gatehouse) -> None:
    store = gate.authority.issue_key_store(code=CODE, name=NAME, validate_code=validate_uscc, **dates())
    body = {"certificate": base64_of(store.certificate.der)}
    assert gate.ask("POST", "/persons", 422, gate.desk_token(), json=body)["code"] == "certificate_for_sealing"


def test_a_key_registered_for_sealing_signs_in_no_more(gate: Gatehouse) -> None:
    private = generate_key()
    certificate = gate.authority.issue_personal(private.public_key(), name="双钥", **dates())
    key = InMemoryPersonalKey(private, certificate)
    gate.ask("POST", "/persons", 201, gate.desk_token(), json={"certificate": base64_of(certificate.der)})
    token = gate.token(key)
    seal = gate.authority.issue(private.public_key(), code=CODE, name=NAME, validate_code=validate_uscc, **dates())
    gate.ask("POST", "/certificates", 201, gate.desk_token(), json={"certificate": base64_of(seal.der)})
    assert not gate.is_open(token)
    gate.refuse(gate.answer(key), "certificate_for_sealing")
    again = gate.authority.issue_personal(private.public_key(), name="双钥", **dates())
    body = {"certificate": base64_of(again.der)}
    assert gate.ask("POST", "/persons", 409, gate.desk_token(), json=body)["code"] == "certificate_registered"


def test_refuses_a_certificate_of_another_authority_with_the_same_name(gate: Gatehouse) -> None:
    key, _ = gate.person("李明")
    stranger = gate.personal_key("李明", new_authority("测试根证书"), organisation_code=CODE, organisation_name=NAME)
    assert stranger.certificate.issuer == key.certificate.issuer
    gate.refuse(gate.answer(stranger), "no_certificate_chain_found")
    body = {"certificate": base64_of(stranger.certificate.der)}
    assert gate.ask("POST", "/persons", 422, gate.desk_token(), json=body)["code"] == "no_certificate_chain_found"


def test_refuses_a_certificate_nobody_added(gate: Gatehouse) -> None:
    gate.refuse(gate.answer(gate.personal_key()), "person_unknown")


def test_refuses_a_certificate_out_of_its_time(gate: Gatehouse) -> None:
    key, _ = gate.person()
    token = gate.token(key)
    gate.clock.offset = datetime.timedelta(days=366)
    assert not gate.is_open(token)
    gate.refuse(gate.answer(key), "certificate_expired")
    gate.clock.offset = datetime.timedelta(days=-31)
    gate.refuse(gate.answer(key), "certificate_not_yet_valid")


def test_refuses_a_session_after_its_certificate_was_revoked(gate: Gatehouse) -> None:
    key, person = gate.person()
    token = gate.token(key)
    path = f"/persons/{person['person_id']}/certificates/{key.certificate.certificate_id.hex()}"
    assert gate.ask("DELETE", path, 200, gate.desk_token())["certificates"][0]["revoked_at"]
    assert not gate.is_open(token)
    gate.refuse(gate.answer(key), "certificate_revoked")


def test_a_session_ends_with_its_certificate(gate: Gatehouse) -> None:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    key, _ = gate.person(not_after=now + datetime.timedelta(minutes=10))
    token = gate.token(key)
    gate.clock.offset = datetime.timedelta(minutes=9)
    assert gate.is_open(token)
    gate.clock.offset = datetime.timedelta(minutes=11)
    assert not gate.is_open(token)


# Sessions


def test_a_disabled_person_is_signed_out_and_kept_out(gate: Gatehouse) -> None:
    key, person = gate.person()
    token, desk = gate.token(key), gate.desk_token()
    path = f"/persons/{person['person_id']}"
    assert gate.ask("PATCH", path, 200, desk, json={"disabled": True})["disabled"]
    assert not gate.is_open(token)
    gate.refuse(gate.answer(key), "person_disabled")
    gate.ask("PATCH", path, 200, desk, json={"disabled": False})
    assert not gate.is_open(token), "what was ended stays so"
    assert gate.is_open(gate.token(key))


def test_nobody_disables_themselves(gate: Gatehouse) -> None:
    desk = gate.desk_token()
    mine = gate.ask("GET", "/sessions/current", 200, desk)["person_id"]
    assert gate.ask("PATCH", f"/persons/{mine}", 409, desk, json={"disabled": True})["code"] == "own_person"


def test_signing_out_ends_one_session(gate: Gatehouse) -> None:
    key, person = gate.person()
    first, second = gate.token(key), gate.token(key)
    assert gate.ask("DELETE", "/sessions/current", 200, first) == {"ended": 1}
    assert (gate.is_open(first), gate.is_open(second)) == (False, True)
    assert len(gate.ask("GET", f"/persons/{person['person_id']}/sessions", 200, gate.desk_token())) == 1


def test_all_sessions_of_a_person_can_be_ended(gate: Gatehouse) -> None:
    (key, person), (other, _) = gate.person("李明"), gate.person("王芳")
    tokens, kept = [gate.token(key), gate.token(key)], gate.token(other)
    path = f"/persons/{person['person_id']}/sessions"
    assert gate.ask("DELETE", path, 200, gate.desk_token()) == {"ended": 2}
    assert not any(gate.is_open(token) for token in tokens)
    assert gate.is_open(kept)


def test_a_session_lasts_while_it_is_used_but_not_for_ever(gate: Gatehouse) -> None:
    token = gate.token(gate.person()[0])
    step = datetime.timedelta(seconds=gate.settings.session_seconds * 0.9)
    steps = int(gate.settings.session_max_seconds / step.total_seconds())
    for _ in range(steps):
        gate.clock.offset += step
        assert gate.is_open(token)
    gate.clock.offset += step
    assert not gate.is_open(token)


def test_a_session_that_is_not_used_ends(gate: Gatehouse) -> None:
    token = gate.token(gate.person()[0])
    gate.clock.offset = datetime.timedelta(seconds=gate.settings.session_seconds + 1)
    assert not gate.is_open(token)


# Browsers


def _browser(gate: Gatehouse) -> str:
    """Sign in as a browser does; returns the token against forged requests."""
    key, _ = gate.person()
    response = gate.client.post("/api/v1/sessions", json=gate.answer(key, cookie=True))
    assert response.status_code == 201
    assert response.json()["token"] is None
    return str(response.json()["csrf_token"])


def test_a_browser_gets_its_token_in_a_cookie(gate: Gatehouse) -> None:
    key, _ = gate.person()
    response = gate.client.post("/api/v1/sessions", json=gate.answer(key, cookie=True))
    cookie = response.headers["set-cookie"]
    assert cookie.startswith("yunshang-session=")
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= {part.strip() for part in cookie.split(";")}
    assert "Domain" not in cookie
    assert gate.ask("GET", "/sessions/current", 200)["csrf_token"] == response.json()["csrf_token"]


def test_the_cookie_is_bound_to_its_host_behind_tls(tmp_path: Path) -> None:
    with open_gatehouse(tmp_path, public_origin="https://archive.example", desk_certificate=None) as gate:
        key = gate.personal_key()
        with gate.services.database.transaction() as session:
            PersonService(session, gate.services).add(PersonIn(certificate=base64_of(key.certificate.der)))
        body = gate.answer(key, origin="https://archive.example", cookie=True)
        response = gate.client.post("/api/v1/sessions", json=body)
        assert response.status_code == 201, response.text
        cookie = response.headers["set-cookie"]
        assert cookie.startswith("__Host-yunshang-session=")
        assert "Secure" in cookie


def test_refuses_unsafe_methods_without_the_token_against_forgery(gate: Gatehouse) -> None:
    csrf = _browser(gate)
    assert gate.ask("GET", "/sessions/current", 200)
    for headers in ({}, {"Yunshang-CSRF-Token": ""}, {"Yunshang-CSRF-Token": csrf[:-1] + "x"}):
        assert gate.ask("DELETE", "/sessions/current", 403, headers=headers)["code"] == "csrf_token"
    assert gate.ask("DELETE", "/sessions/current", 200, headers={"Yunshang-CSRF-Token": csrf}) == {"ended": 1}
    assert gate.ask("GET", "/sessions/current", 401)["code"] == "not_signed_in"


def test_refuses_the_token_of_another_session(gate: Gatehouse) -> None:
    first = _browser(gate)
    gate.client.cookies.clear()
    _browser(gate)
    problem = gate.ask("DELETE", "/sessions/current", 403, headers={"Yunshang-CSRF-Token": first})
    assert problem["code"] == "csrf_token"


def test_a_program_takes_no_cookie_and_a_browser_no_bearer_token(gate: Gatehouse) -> None:
    token = gate.token(gate.person()[0])
    gate.client.cookies.set("yunshang-session", token)
    assert gate.ask("GET", "/sessions/current", 401)["code"] == "not_signed_in"
    gate.client.cookies.clear()
    _browser(gate)
    cookie = gate.client.cookies["yunshang-session"]
    gate.client.cookies.clear()
    assert not gate.is_open(cookie)


def test_refuses_a_form_of_another_site(gate: Gatehouse) -> None:
    key, _ = gate.person()
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        response = gate.client.post(
            "/api/v1/sessions", content=json.dumps(gate.answer(key)), headers={"Content-Type": kind}
        )
        assert response.status_code == 415, response.text


# Persons


def test_a_certificate_belongs_to_one_person(gate: Gatehouse) -> None:
    key, _ = gate.person()
    body = {"certificate": base64_of(key.certificate.der)}
    assert gate.ask("POST", "/persons", 409, gate.desk_token(), json=body)["code"] == "certificate_registered"


def test_a_person_can_have_the_next_certificate(gate: Gatehouse) -> None:
    _, person = gate.person()
    following = gate.personal_key("李明", organisation_code=CODE, organisation_name=NAME)
    path = f"/persons/{person['person_id']}/certificates"
    desk = gate.desk_token()
    shown = gate.ask("POST", path, 201, desk, json={"certificate": base64_of(following.certificate.der)})
    assert len(shown["certificates"]) == 2
    assert gate.sign_in(following)["person_id"] == person["person_id"]
    stranger = gate.personal_key("王芳", organisation_code=CODE, organisation_name=NAME)
    body = {"certificate": base64_of(stranger.certificate.der)}
    assert gate.ask("POST", path, 409, desk, json=body)["code"] == "person_mismatch"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "李明"},
        {"oidc": {"issuer": "https://id.example", "subject": "1"}},
        {"certificate": "AAAA"},
        {"name": "李明", "oidc": {"issuer": "https://id.example", "subject": "x\n"}},
        {"name": "李明", "person_id": "1", "oidc": {"issuer": "https://id.example", "subject": "1"}},
        {"name": "李明", "desk": True, "oidc": {"issuer": "https://id.example", "subject": "1"}},
        {"name": "李明", "organisation_code": "1", "oidc": {"issuer": "https://id.example", "subject": "1"}},
    ],
)
def test_adds_no_person_from_half_of_what_is_needed(gate: Gatehouse, body: dict[str, Any]) -> None:
    gate.ask("POST", "/persons", 422, gate.desk_token(), json=body)


def test_lists_persons(gate: Gatehouse) -> None:
    _, person = gate.person("赵蕊")
    desk = gate.desk_token()
    found = gate.ask("GET", "/persons?q=赵蕊", 200, desk)["items"]
    assert [item["person_id"] for item in found] == [person["person_id"]]
    assert gate.ask("GET", "/persons?q=%25", 200, desk)["items"] == []
    assert gate.ask("GET", f"/persons/{person['person_id']}", 200, desk) == person
    missing = "00000000-0000-4000-8000-000000000000"
    assert gate.ask("GET", f"/persons/{missing}", 404, desk)["code"] == "not_found"


def test_a_development_desk_stays_off_public_servers(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="development desk"),
        open_gatehouse(tmp_path, public_origin="https://archive.example"),
    ):
        pass


def test_the_key_takes_its_own_certificate_alone(gate: Gatehouse) -> None:
    with pytest.raises(MismatchError):
        InMemoryPersonalKey(generate_key(), gate.personal_key().certificate)


def test_a_sealing_certificate_is_no_personal_one(gate: Gatehouse) -> None:
    store = gate.authority.issue_key_store(code=CODE, name=NAME, validate_code=validate_uscc, **dates())
    with pytest.raises(PolicyError) as caught:
        parse_personal_certificate(store.certificate.der)
    assert caught.value.code == "certificate_for_sealing"
