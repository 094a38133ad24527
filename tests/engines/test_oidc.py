"""Sign-in by a real OpenID provider (npm oidc-provider): discovery, code flow with PKCE, ID token, session."""

from __future__ import annotations

import datetime
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
import pytest
from pydantic import SecretStr

from tests.api.gatehouse import ORIGIN, Gatehouse, open_gatehouse

ROOT = Path(__file__).parents[2]
NODE = Path(sys.executable).with_name("node")
CALLBACK = f"{ORIGIN}/api/v1/sign-in/oidc/callback"


@dataclass
class Identity:
    gate: Gatehouse
    issuer: str
    process: subprocess.Popen[str]

    def person(self, subject: str, name: str = "统一身份") -> Any:
        body = {"name": name, "oidc": {"issuer": self.issuer, "subject": subject}}
        return self.gate.ask("POST", "/persons", 201, self.gate.desk_token(), json=body)

    def begin(self, target: str = "/") -> str:
        """Begin in the browser of the test's client; returns the provider's address."""
        response = self.gate.client.get("/api/v1/sign-in/oidc", params={"next": target}, follow_redirects=False)
        assert response.status_code == 303, response.text
        return str(response.headers["location"])

    def log_in(self, url: str, subject: str) -> str:
        """Log in at the provider as a person does; returns the callback's address."""
        with httpx2.Client(trust_env=False, follow_redirects=False) as browser:
            for _ in range(12):
                response = browser.get(url)
                if response.status_code in (302, 303):
                    url = urljoin(url, response.headers["location"])
                    if url.startswith(ORIGIN):
                        return url
                    continue
                form = re.search(r'<form[^>]*action="([^"]+)"', response.text)
                assert form is not None, response.text
                prompt = "login" if 'name="login"' in response.text else "consent"
                data = {"prompt": prompt} | ({"login": subject, "password": "x"} if prompt == "login" else {})
                answer = browser.post(urljoin(url, form[1]), data=data)
                assert answer.status_code in (302, 303), answer.text
                url = urljoin(url, answer.headers["location"])
        raise AssertionError("the provider led nowhere")

    def come_back(self, url: str) -> Any:
        return self.gate.client.get(url.removeprefix(ORIGIN), follow_redirects=False)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Identity]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    issuer = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [NODE, Path(__file__).with_name("oidc_provider.mjs"), str(port), CALLBACK],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"NODE_ENV": "test"},
    )
    assert process.stdout is not None
    line = ""
    while "ready" not in line:
        line = process.stdout.readline()
        assert line, "the provider did not start"
    try:
        with open_gatehouse(
            tmp_path_factory.mktemp("identity"),
            oidc_issuer=issuer,
            oidc_client_id="yunshang",
            oidc_client_secret=SecretStr("a secret of tests that is long enough"),
            oidc_name="穗好办",
        ) as gate:
            yield Identity(gate, issuer, process)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(autouse=True)
def _clean(identity: Identity) -> Iterator[None]:
    yield
    identity.gate.client.cookies.clear()
    identity.gate.clock.offset *= 0


def test_signs_in_whom_the_provider_knows(identity: Identity) -> None:
    person = identity.person("u-1001", "李明")
    response = identity.come_back(identity.log_in(identity.begin("/verify"), "u-1001"))
    assert response.status_code == 303, response.text
    assert response.headers["location"] == "/sign-in?done=true&next=%2Fverify"
    current = identity.gate.ask("GET", "/sessions/current", 200)
    assert (current["person_id"], current["method"]) == (person["person_id"], "oidc")
    assert (current["certificate_id"], current["desk"]) == (None, False)
    assert "穗好办" in identity.gate.client.get("/sign-in").text


def test_asks_for_a_code_with_pkce_and_nonce(identity: Identity) -> None:
    query = parse_qs(urlsplit(identity.begin()).query)
    assert query["response_type"] == ["code"]
    assert query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == [CALLBACK]
    assert query["scope"] == ["openid"]
    assert len({query["state"][0], query["nonce"][0], query["code_challenge"][0]}) == 3


def test_refuses_whom_nobody_added(identity: Identity) -> None:
    response = identity.come_back(identity.log_in(identity.begin(), "u-stranger"))
    assert response.status_code == 401
    assert "未登记" in response.text
    identity.gate.ask("GET", "/sessions/current", 401)


def test_refuses_a_disabled_person(identity: Identity) -> None:
    person = identity.person("u-1002")
    path = f"/persons/{person['person_id']}"
    identity.gate.ask("PATCH", path, 200, identity.gate.desk_token(), json={"disabled": True})
    response = identity.come_back(identity.log_in(identity.begin(), "u-1002"))
    assert response.status_code == 401
    assert "停用" in response.text


def test_disabling_a_person_ends_the_session(identity: Identity) -> None:
    person, desk = identity.person("u-1003"), identity.gate.desk_token()
    identity.come_back(identity.log_in(identity.begin(), "u-1003"))
    identity.gate.ask("GET", "/sessions/current", 200)
    identity.gate.ask("PATCH", f"/persons/{person['person_id']}", 200, desk, json={"disabled": True})
    identity.gate.ask("GET", "/sessions/current", 401)


def test_refuses_the_answer_to_another_browser(identity: Identity) -> None:
    identity.person("u-1004")
    callback = identity.log_in(identity.begin(), "u-1004")
    identity.gate.client.cookies.clear()
    assert identity.come_back(callback).status_code == 401, "no cookie at all"
    identity.begin()
    response = identity.come_back(callback)
    assert response.status_code == 401, "the cookie of another sign-in"
    assert "并非由本浏览器发起" in response.text
    identity.gate.ask("GET", "/sessions/current", 401)


def test_refuses_a_code_that_somebody_slips_in(identity: Identity) -> None:
    identity.person("u-thief")
    stolen = parse_qs(urlsplit(identity.log_in(identity.begin(), "u-thief")).query)["code"][0]
    identity.gate.client.cookies.clear()
    state = parse_qs(urlsplit(identity.begin()).query)["state"][0]
    response = identity.come_back(f"{CALLBACK}?code={stolen}&state={state}")
    assert response.status_code == 401, "PKCE's verifier is another"
    identity.gate.ask("GET", "/sessions/current", 401)


def test_refuses_an_answer_given_twice(identity: Identity) -> None:
    identity.person("u-1005")
    url = identity.begin()
    cookies = dict(identity.gate.client.cookies)
    callback = identity.log_in(url, "u-1005")
    assert identity.come_back(callback).status_code == 303
    identity.gate.client.cookies.clear()
    identity.gate.client.cookies.update(cookies)
    assert identity.come_back(callback).status_code == 401
    identity.gate.ask("GET", "/sessions/current", 401)


def test_refuses_an_old_answer(identity: Identity) -> None:
    identity.person("u-1006")
    callback = identity.log_in(identity.begin(), "u-1006")
    identity.gate.clock.offset = datetime.timedelta(minutes=11)
    assert identity.come_back(callback).status_code == 401


@pytest.mark.parametrize("query", ["", "error=access_denied", "code=x", "state=x", "code=x&state=x&iss=https://evil"])
def test_refuses_an_answer_that_is_none(identity: Identity, query: str) -> None:
    identity.begin()
    assert identity.come_back(f"{CALLBACK}?{query}").status_code == 401


def test_an_identity_belongs_to_one_person(identity: Identity) -> None:
    identity.person("u-1007")
    body = {"name": "王芳", "oidc": {"issuer": identity.issuer, "subject": "u-1007"}}
    problem = identity.gate.ask("POST", "/persons", 409, identity.gate.desk_token(), json=body)
    assert problem["code"] == "identity_taken"


def test_says_that_the_provider_cannot_be_reached(tmp_path: Path) -> None:
    with open_gatehouse(tmp_path, oidc_issuer="http://127.0.0.1:1", oidc_client_id="yunshang") as gate:
        response = gate.client.get("/api/v1/sign-in/oidc", follow_redirects=False)
        assert response.status_code == 503
        assert response.json()["code"] == "oidc_unreachable"


def test_there_is_none_unless_configured(tmp_path: Path) -> None:
    with open_gatehouse(tmp_path) as gate:
        for path in ("", "/callback"):
            response = gate.client.get(f"/api/v1/sign-in/oidc{path}", follow_redirects=False)
            assert response.status_code == 404
        assert "oidc" not in gate.client.get("/sign-in").text


@pytest.mark.parametrize(
    "issuer",
    [
        "http://id.example",
        "https://user:word@id.example",
        "https://id.example?x=1",
        "https://id.example#x",
        "id",
        "ftp://id",
    ],
)
def test_takes_no_issuer_in_the_clear(tmp_path: Path, issuer: str) -> None:
    with pytest.raises(ValueError, match="issuer"), open_gatehouse(tmp_path, oidc_issuer=issuer, oidc_client_id="x"):
        pass
