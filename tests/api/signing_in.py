"""Persons who sign in by themselves, whenever a request needs it."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Generator

import httpx2

from signing.personal import PersonalKey, origin_of_url

API = "/api/v1"


class PersonAuth(httpx2.Auth):
    """Signs in before the first request, and again where the session is over: the tests' clock jumps."""

    requires_response_body = True

    def __init__(self, key: PersonalKey) -> None:
        self.key = key
        self.token: str | None = None

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        if "authorization" in request.headers:
            yield request
            return
        if self.token is None:
            yield from self.sign_in(request.url)
        request.headers["Authorization"] = f"Bearer {self.token}"
        response = yield request
        if response.status_code == 401:
            yield from self.sign_in(request.url)
            request.headers["Authorization"] = f"Bearer {self.token}"
            yield request

    def sign_in(self, url: httpx2.URL) -> Generator[httpx2.Request, httpx2.Response, None]:
        origin = origin_of_url(str(url.copy_with(path="/", query=None)))
        identifier = self.key.certificate.certificate_id.hex()
        drawn = yield httpx2.Request(
            "POST", url.copy_with(raw_path=f"{API}/sign-in/challenges".encode()), json={"certificate_id": identifier}
        )
        challenge = drawn.json()
        client_nonce = secrets.token_bytes(32)
        signature = self.key.sign_challenge(origin, base64.b64decode(challenge["server_nonce"]), client_nonce)
        body = {
            "challenge": challenge["challenge"],
            "certificate": base64.b64encode(self.key.certificate.der).decode(),
            "origin": origin,
            "client_nonce": base64.b64encode(client_nonce).decode(),
            "signature": base64.b64encode(signature).decode(),
        }
        opened = yield httpx2.Request("POST", url.copy_with(raw_path=f"{API}/sessions".encode()), json=body)
        assert opened.status_code == 201, json.dumps(opened.json(), ensure_ascii=False)
        self.token = opened.json()["token"]
