"""An archive's front door without a chain: authority, persons and their keys, and sign-ins as a client does them."""

from __future__ import annotations

import base64
import datetime
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from pydantic import SecretStr

from archive_api.app import create_app
from archive_api.composition import build_services
from archive_api.services import Services
from archive_api.settings import Settings
from ledger.adapters.memory import MemoryBlobStore
from ledger.trust import CONTRACT_NAMES, ContractPin, TrustFile
from signing.authority import DevelopmentAuthority
from signing.personal import InMemoryPersonalKey

from .world import MovableClock, organisation_code

JSON = dict[str, Any]
ORIGIN = "http://testserver"
CODE, NAME = organisation_code(1), "云山建设开发有限公司"


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@dataclass
class Gatehouse:
    """What a test of sign-in has at hand; `desk` is the key of the development desk."""

    settings: Settings
    services: Services
    clock: MovableClock
    client: TestClient
    authority: DevelopmentAuthority
    desk: InMemoryPersonalKey

    def personal_key(
        self, name: str = "李明", authority: DevelopmentAuthority | None = None, **more: Any
    ) -> InMemoryPersonalKey:
        """A person's key with its certificate; nobody here knows of it yet."""
        return (authority or self.authority).issue_personal_key(**dates() | {"name": name} | more)

    def person(self, name: str = "李明", **more: Any) -> tuple[InMemoryPersonalKey, JSON]:
        """A person who may sign in."""
        key = self.personal_key(name, organisation_code=CODE, organisation_name=NAME, **more)
        return key, self.ask(
            "POST", "/persons", 201, self.desk_token(), json={"certificate": base64_of(key.certificate.der)}
        )

    def ask(self, method: str, path: str, status: int, token: str | None = None, **arguments: Any) -> Any:
        headers = arguments.pop("headers", {}) | (bearer(token) if token else {})
        response = self.client.request(method, f"/api/v1{path}", headers=headers, **arguments)
        assert response.status_code == status, response.text
        return response.json()

    def challenge(self, key: InMemoryPersonalKey) -> JSON:
        body = {"certificate_id": key.certificate.certificate_id.hex()}
        return dict(self.ask("POST", "/sign-in/challenges", 200, json=body))

    def answer(
        self,
        key: InMemoryPersonalKey,
        challenge: JSON | None = None,
        *,
        origin: str = ORIGIN,
        signed_origin: str | None = None,
        **changes: Any,
    ) -> JSON:
        """The body of a sign-in, with members changed after signing."""
        challenge = challenge or self.challenge(key)
        client_nonce = secrets.token_bytes(32)
        server_nonce = base64.b64decode(challenge["server_nonce"])
        return {
            "challenge": challenge["challenge"],
            "certificate": base64_of(key.certificate.der),
            "origin": origin,
            "client_nonce": base64_of(client_nonce),
            "signature": base64_of(key.sign_challenge(signed_origin or origin, server_nonce, client_nonce)),
        } | changes

    def sign_in(self, key: InMemoryPersonalKey) -> JSON:
        return dict(self.ask("POST", "/sessions", 201, json=self.answer(key)))

    def token(self, key: InMemoryPersonalKey) -> str:
        return str(self.sign_in(key)["token"])

    def desk_token(self) -> str:
        return self.token(self.desk)

    def refuse(self, body: JSON, code: str, status: int = 401) -> JSON:
        """A sign-in that is refused."""
        response = self.client.post("/api/v1/sessions", json=body)
        assert response.status_code == status, response.text
        problem: JSON = response.json()
        assert problem["code"] == code, problem
        assert problem["title_zh"] != "不符合规则", f"{code} has no title of its own"
        assert (status == 401) == ("www-authenticate" in response.headers)
        return problem

    def is_open(self, token: str) -> bool:
        response = self.client.get("/api/v1/sessions/current", headers=bearer(token))
        assert response.status_code in (200, 401), response.text
        return response.status_code == 200


def dates() -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    return {"not_before": now - datetime.timedelta(days=30), "not_after": now + datetime.timedelta(days=365)}


def new_authority(name: str = "测试根证书") -> DevelopmentAuthority:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    return DevelopmentAuthority.create(
        name, not_before=now - datetime.timedelta(days=400), not_after=now + datetime.timedelta(days=4000)
    )


@contextmanager
def open_gatehouse(root: Path, **settings: Any) -> Iterator[Gatehouse]:
    """Build one in a folder, with settings, and perhaps an authority, of the test's own."""
    authority = settings.pop("authority", None) or new_authority()
    desk = authority.issue_personal_key(name="开发工作台", **dates())
    trust = TrustFile(
        ca_roots=(authority.root_certificate,),
        chain_id=1,
        genesis_hash=bytes(32),
        contracts={name: ContractPin(bytes(20), bytes(32)) for name in CONTRACT_NAMES},
        archive_organisation=organisation_code(9),
        archive_certificates=(),
    )
    (root / "trust.json").write_bytes(trust.to_bytes())
    given: dict[str, Any] = {
        "database_url": f"sqlite:///{root}/archive.db",
        "blocks_dir": root / "blocks",
        "uploads_dir": root / "uploads",
        "trust_path": root / "trust.json",
        "secret": SecretStr(secrets.token_hex(32)),
        "relay_key": SecretStr("0x" + secrets.token_hex(32)),
        "log_key": SecretStr(secrets.token_hex(32)),
        "rpc_url": "http://127.0.0.1:1",
        "archive_name": "市城建档案馆",
        "desk_certificate": base64_of(desk.certificate.der),
        "sign_ins_burst": 10_000,
    }
    made = Settings(**given | settings)
    clock = MovableClock()
    services = build_services(made, store=MemoryBlobStore(), clock=clock)
    with TestClient(create_app(made, services), base_url=made.public_origin or ORIGIN) as client:
        yield Gatehouse(made, services, clock, client, authority, desk)
    services.close()
