"""ID tokens that a unified identity must not be believed for, from one that issues whatever a test asks."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from pydantic import SecretStr
from starlette.responses import JSONResponse, RedirectResponse, Response

from .gatehouse import Gatehouse, open_gatehouse
from .served import listening, served

CALLBACK = "/api/v1/sign-in/oidc/callback"
SECRET = "a secret of tests that is long enough"


@dataclass
class Simulator:
    """An issuer whose tokens and description a test changes."""

    issuer: str
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "1", "alg": "ES256", "use": "sig"}))
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "ES256", "kid": "1"})
    claims: dict[str, Any] = field(default_factory=dict)
    description: dict[str, Any] = field(default_factory=dict)
    signing_key: Any = None
    token: Any = None
    redirect: str | None = None
    now: Callable[[], datetime.datetime] = field(default=lambda: datetime.datetime.now(datetime.UTC))

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/.well-known/openid-configuration")
        def describe() -> Response:
            if self.redirect is not None:
                return RedirectResponse(self.redirect)
            described = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/auth",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            }
            return JSONResponse(described | self.description)

        @app.get("/keys")
        def keys() -> dict[str, Any]:
            return {"keys": [self.key.as_dict(private=False)]}

        @app.post("/token")
        def token() -> Any:
            if self.token is not None:
                return self.token
            now = int(self.now().timestamp())
            claims = {"iss": self.issuer, "aud": "yunshang", "sub": "u-1", "iat": now, "exp": now + 60} | self.claims
            given = {name: value for name, value in claims.items() if value is not None}
            algorithms = ["ES256", "HS256", "none"]
            text = jwt.encode(self.header, given, self.signing_key or self.key, algorithms=algorithms)
            return {"access_token": "x", "token_type": "Bearer", "id_token": text}

        return app

    def sign_in(self, gate: Gatehouse, **claims: Any) -> Any:
        response = gate.client.get("/api/v1/sign-in/oidc", follow_redirects=False)
        assert response.status_code == 303, response.text
        query = parse_qs(urlsplit(response.headers["location"]).query)
        self.claims = {"nonce": query["nonce"][0]} | claims
        return gate.client.get(f"{CALLBACK}?code=c&state={query['state'][0]}", follow_redirects=False)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Simulator, Gatehouse]]:
    with listening() as (listener, issuer):
        made = Simulator(issuer)
        secret = SecretStr(SECRET)
        given = {"oidc_issuer": issuer, "oidc_client_id": "yunshang", "oidc_client_secret": secret}
        with served(made.app(), listener), open_gatehouse(tmp_path_factory.mktemp("gate"), **given) as gate:
            body = {"name": "李明", "oidc": {"issuer": issuer, "subject": "u-1"}}
            gate.ask("POST", "/persons", 201, gate.desk_token(), json=body)
            yield made, gate


@pytest.fixture
def simulator(opened: tuple[Simulator, Gatehouse]) -> Iterator[tuple[Simulator, Gatehouse]]:
    """Issuer and archive as they were at first; what the archive knows of the issuer is two hours old."""
    issuer, gate = opened
    vars(issuer).update(vars(Simulator(issuer.issuer, now=gate.clock.now)))
    gate.clock.offset += datetime.timedelta(hours=2)
    gate.client.cookies.clear()
    yield issuer, gate


def _is_refused(gate: Gatehouse, response: Any) -> bool:
    gate.ask("GET", "/sessions/current", 401)
    return response.status_code == 401 and "set-cookie" not in response.headers


def test_the_tokens_of_these_tests_would_pass(simulator: tuple[Simulator, Gatehouse]) -> None:
    issuer, gate = simulator
    assert issuer.sign_in(gate).status_code == 303
    assert gate.ask("GET", "/sessions/current", 200)["method"] == "oidc"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": ["yunshang", "another"]},
        {"aud": None},
        {"azp": "another"},
        {"sub": None},
        {"sub": ""},
        {"sub": 1},
        {"sub": "u" * 256},
        {"sub": "u-2"},
        {"nonce": None},
        {"nonce": "another"},
        {"exp": None},
        {"exp": 1},
        {"iat": None},
        {"iat": 99_999_999_999},
        {"nbf": 99_999_999_999},
        {"at_hash": "another"},
    ],
)
def test_refuses_a_token_that_says(simulator: tuple[Simulator, Gatehouse], claims: dict[str, Any]) -> None:
    issuer, gate = simulator
    assert _is_refused(gate, issuer.sign_in(gate, **claims))


def test_refuses_a_token_of_another_key(simulator: tuple[Simulator, Gatehouse]) -> None:
    issuer, gate = simulator
    issuer.signing_key = ECKey.generate_key("P-256", {"kid": "1"})
    assert _is_refused(gate, issuer.sign_in(gate))
    issuer.header = {"alg": "ES256", "kid": "2"}
    assert _is_refused(gate, issuer.sign_in(gate))


def test_takes_a_key_that_the_issuer_has_changed_to(simulator: tuple[Simulator, Gatehouse]) -> None:
    issuer, gate = simulator
    assert issuer.sign_in(gate).status_code == 303
    gate.client.cookies.clear()
    issuer.key = ECKey.generate_key("P-256", {"kid": "2", "alg": "ES256", "use": "sig"})
    issuer.header = {"alg": "ES256", "kid": "2"}
    assert issuer.sign_in(gate).status_code == 303


def test_refuses_a_token_under_the_shared_secret_or_none(simulator: tuple[Simulator, Gatehouse]) -> None:
    issuer, gate = simulator
    public = hashlib.sha256(issuer.key.as_pem(private=False)).digest()
    for header, key in (
        ({"alg": "HS256", "kid": "1"}, OctKey.import_key(SECRET)),
        ({"alg": "HS256"}, OctKey.import_key(public)),
    ):
        issuer.header, issuer.signing_key = header, key
        assert _is_refused(gate, issuer.sign_in(gate))
    issuer.token = {"access_token": "x", "token_type": "Bearer", "id_token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1LTEifQ."}
    assert _is_refused(gate, issuer.sign_in(gate))


@pytest.mark.parametrize("token", [{}, {"access_token": "x"}, {"id_token": 1}, {"id_token": "x.y"}, {"error": "x"}, []])
def test_refuses_what_is_no_token(simulator: tuple[Simulator, Gatehouse], token: Any) -> None:
    issuer, gate = simulator
    issuer.token = token
    response = issuer.sign_in(gate)
    assert response.status_code in (401, 503)
    gate.ask("GET", "/sessions/current", 401)


@pytest.mark.parametrize(
    "description",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://10.0.0.1/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": ["x"]},
    ],
)
def test_believes_no_issuer_that_leads_elsewhere(
    simulator: tuple[Simulator, Gatehouse], description: dict[str, Any]
) -> None:
    issuer, gate = simulator
    issuer.description = description
    response = gate.client.get("/api/v1/sign-in/oidc", follow_redirects=False)
    assert response.status_code == 503
    assert response.json()["code"] == "oidc_unreachable"


def test_follows_no_redirect_of_the_issuer(simulator: tuple[Simulator, Gatehouse]) -> None:
    issuer, gate = simulator
    issuer.redirect = f"{issuer.issuer}/keys"
    assert gate.client.get("/api/v1/sign-in/oidc", follow_redirects=False).status_code == 503
