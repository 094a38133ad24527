"""The sign-in page, and its module's WebCrypto against a server, run by Node."""

from __future__ import annotations

import datetime
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from fastapi import FastAPI, Request, Response
from hypothesis import given, settings
from hypothesis import strategies as st

from archive_api.app import create_app
from archive_api.client import Connection
from archive_api.errors import MismatchError
from archive_api.identity.pages import local_path
from signing.authority import generate_key
from signing.keystore import encode_pkcs12
from signing.personal import InMemoryPersonalKey
from tests.api.gatehouse import ORIGIN, Gatehouse, base64_of, dates, open_gatehouse
from tests.api.served import listening, served

from .markup import Markup

MODULE = Path(__file__).parents[2] / "archive_api" / "web" / "static" / "sign_in_core.js"
NODE = Path(sys.executable).with_name("node")
PASSPHRASE = "云溪 2026 é"


@dataclass
class House:
    gate: Gatehouse
    origin: str
    folder: Path

    def key_file(self, content: bytes | None = None, **more: Any) -> Path:
        """A person's key file; the person may sign in."""
        private = generate_key()
        certificate = self.gate.authority.issue_personal(private.public_key(), name="李明", **dates())
        body = {"certificate": base64_of(certificate.der)}
        self.gate.ask("POST", "/persons", 201, self.gate.desk_token(), json=body)
        path = self.folder / f"{certificate.certificate_id.hex()[:16]}.p12"
        made = {"passphrase": PASSPHRASE, "name": "李明", "kdf_rounds": 1_000} | more
        path.write_bytes(content or encode_pkcs12(private, certificate.der, **made))
        return path

    def sign_in(self, path: Path, passphrase: str = PASSPHRASE, origin: str | None = None) -> Any:
        result = subprocess.run(
            [NODE, Path(__file__).with_name("sign_in.mjs"), MODULE, path, self.origin, origin or self.origin],
            input=passphrase,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with (
        listening() as (listener, origin),
        open_gatehouse(folder) as gate,
        served(create_app(gate.settings, gate.services), listener),
    ):
        yield House(gate, origin, folder)


def test_the_pages_module_signs_in(house: House) -> None:
    opened = house.sign_in(house.key_file())
    assert opened["name"] == "李明"
    assert house.gate.is_open(opened["token"])


def test_reads_what_openssl_writes(house: House) -> None:
    private = generate_key()
    certificate = house.gate.authority.issue_personal(private.public_key(), name="王芳", **dates())
    body = {"certificate": base64_of(certificate.der)}
    house.gate.ask("POST", "/persons", 201, house.gate.desk_token(), json=body)
    plain, path = house.folder / "plain.pem", house.folder / "openssl.p12"
    plain.write_bytes(
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.pem.encode("ascii")
    )
    openssl = shutil.which("openssl")
    assert openssl is not None
    subprocess.run([openssl, "pkcs12", "-export", "-in", plain, "-out", path, "-passout", "pass:word"], check=True)
    assert house.sign_in(path, "word")["name"] == "王芳"


@pytest.mark.parametrize("passphrase", ["", "other", PASSPHRASE + " "])
def test_says_that_the_passphrase_is_wrong(house: House, passphrase: str) -> None:
    assert house.sign_in(house.key_file(), passphrase) == {"error": "passphrase"}


def test_signs_for_no_other_address(house: House) -> None:
    assert house.sign_in(house.key_file(), origin="https://archive.example") == {"error": "origin"}


def test_says_what_it_cannot_read(house: House) -> None:
    path = house.folder / "bad.p12"
    for content in (b"", b"no key", b"\x30\x80\x00\x00", b"\x30\x84\xff\xff\xff\xff", b"\x30" * 5_000):
        path.write_bytes(content)
        assert house.sign_in(path) == {"error": "format"}


def test_refuses_other_keys(house: House) -> None:
    private = ec.generate_private_key(ec.SECP384R1())
    # The certificate is of no matter: the key is read first.
    certificate = house.gate.personal_key().certificate.x509
    content = pkcs12.serialize_key_and_certificates(None, None, certificate, None, BestAvailableEncryption(b"word"))
    path = house.folder / "other.p12"
    path.write_bytes(content)
    assert house.sign_in(path, "word") == {"error": "format"}
    path.write_bytes(_with_key(private))
    assert house.sign_in(path, "word") == {"error": "algorithm"}


def _with_key(private: ec.EllipticCurvePrivateKey) -> bytes:
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    name = x509.Name([])
    builder = x509.CertificateBuilder(name, name, private.public_key(), 1, now, now)
    return pkcs12.serialize_key_and_certificates(
        None, private, builder.sign(private, hashes.SHA256()), None, BestAvailableEncryption(b"word")
    )


def test_a_certificate_nobody_added_is_refused_by_the_server(house: House) -> None:
    private = generate_key()
    certificate = house.gate.authority.issue_personal(private.public_key(), name="生人", **dates())
    path = house.folder / "stranger.p12"
    path.write_bytes(encode_pkcs12(private, certificate.der, passphrase="word", name="x", kdf_rounds=1))
    assert house.sign_in(path, "word") == {"error": "person_unknown"}


# Programs


def test_a_program_signs_in_by_itself_and_again_when_its_session_is_over(house: House) -> None:
    key, person = house.gate.person("周工")
    connection = Connection(house.origin, key=key)
    first = connection.get("/sessions/current")
    assert first["person_id"] == person["person_id"]
    assert connection.get("/sessions/current")["session_id"] == first["session_id"]
    house.gate.ask("DELETE", f"/persons/{person['person_id']}/sessions", 200, house.gate.desk_token())
    second = connection.get("/sessions/current")
    assert second["session_id"] != first["session_id"]
    connection.sign_out()
    assert connection.get("/sessions/current")["session_id"] != second["session_id"]
    connection.close()


def test_a_program_signs_nothing_for_a_server_that_is_reached_elsewhere(house: House) -> None:
    signed: list[str] = []

    class Watching(InMemoryPersonalKey):
        def sign_challenge(self, origin: str, server_nonce: bytes, client_nonce: bytes) -> bytes:
            signed.append(origin)
            return super().sign_challenge(origin, server_nonce, client_nonce)

    private = generate_key()
    key = Watching(private, house.gate.authority.issue_personal(private.public_key(), name="李明", **dates()))
    # What passes requests on under an address of its own: the server says where it is, not where the relay is.
    with listening() as (listener, address), served(_relay(house.origin), listener):
        connection = Connection(address, key=key)
        with pytest.raises(MismatchError) as caught:
            connection.get("/sessions/current")
        connection.close()
    assert caught.value.code == "origin"
    assert signed == []


def _relay(target: str) -> Any:
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    async def relay(path: str, request: Request) -> Response:
        body = await request.body()
        headers = {"Content-Type": "application/json", "Host": request.headers["host"]}
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.request(request.method, f"{target}/{path}", content=body, headers=headers)
        return Response(answer.content, status_code=answer.status_code, media_type="application/json")

    return app


# The page


def test_the_page_has_a_form_and_says_what_is_signed(house: House) -> None:
    house.gate.client.cookies.clear()
    response = house.gate.client.get("/sign-in?next=/verify", headers={"accept": "text/html"})
    assert response.status_code == 200
    page = Markup(response.text)
    assert page.one("input", id="file").attributes["type"] == "file"
    assert page.one("input", id="passphrase").attributes["autocomplete"] == "off"
    assert page.one("section", **{"data-target": "/verify"})
    assert ORIGIN in page.text
    policy = response.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "connect-src 'self'" in policy
    assert "unsafe" not in policy
    assert "<script>" not in response.text
    for script in ("sign_in.js", "sign_in_core.js"):
        served_script = house.gate.client.get(f"/static/{script}")
        assert "javascript" in served_script.headers["content-type"]


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: x=1",
        "",
        "a",
        "%2F%2Fevil.example",
        "%2F\\evil.example",
        "/" + "a" * 600,
        "/\t/evil.example",
    ],
)
def test_leads_to_no_other_site(house: House, target: str) -> None:
    assert local_path(target) == "/"
    page = Markup(house.gate.client.get("/sign-in", params={"next": target}).text)
    assert page.one("section", **{"data-target": "/"})


@given(st.text(max_size=50))
@settings(max_examples=200)
def test_a_path_of_this_site_begins_with_one_slash(text: str) -> None:
    path = local_path(text)
    assert path.startswith("/")
    assert path[1:2] not in ("/", "\\")
    assert path.isprintable()


def test_a_page_knows_who_is_signed_in(house: House) -> None:
    key, _ = house.gate.person("孙馆员")
    opened = house.gate.client.post("/api/v1/sessions", json=house.gate.answer(key, cookie=True)).json()
    page = house.gate.client.get("/", headers={"accept": "text/html"})
    assert "孙馆员" in page.text
    form = Markup(house.gate.client.get("/verify").text).one("form", enctype="multipart/form-data")
    assert form.attributes["action"] == f"/verify?csrf_token={opened['csrf_token']}"
    house.gate.client.cookies.clear()
    assert "孙馆员" not in house.gate.client.get("/").text


def test_the_verification_form_of_somebody_signed_in_works(house: House) -> None:
    key, _ = house.gate.person("孙馆员")
    house.gate.client.post("/api/v1/sessions", json=house.gate.answer(key, cookie=True))
    action = (
        Markup(house.gate.client.get("/verify").text).one("form", enctype="multipart/form-data").attributes["action"]
    )
    files = [("file", ("a.pdf", b"x"))]
    assert house.gate.client.post(str(action), files=files).status_code == 200
    assert house.gate.client.post("/verify", files=files).status_code in (400, 403)
    house.gate.client.cookies.clear()
