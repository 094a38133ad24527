"""What an attacker writes into a request: headers in headers, other paths, other addresses, other members."""

from __future__ import annotations

import asyncio
import base64
import datetime
import json
import logging
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID
from fastapi.testclient import TestClient

from archive_api.app import create_app
from archive_api.limits import MAX_BODY_BYTES
from archive_api.protection.headers import CONTENT_POLICY
from ledger.canonical import canonical_bytes

from .test_openapi import DOCUMENT
from .world import FILES, TUS, World

INJECTED = "x\r\nX-Injected: 1\r\n\r\n<script>alert(1)</script>"
TRAVERSALS = (
    "..",
    "../..",
    "..%2f..",
    "%2e%2e/%2e%2e",
    "..\\..",
    "....//....//",
    "%00",
    "/etc/passwd",
    "%c0%ae%c0%ae/",
)
STRICT = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def operations(*methods: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, described in DOCUMENT["paths"].items():
        for method, operation in described.items():
            if method in methods:
                yield method.upper(), path, operation


def filled(path: str, value: str) -> str:
    return re.sub(r"\{\w+\}", lambda _: value, path)


class Elements(HTMLParser):
    """The elements of a page, and what is written inside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str]]] = []
        self.code = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:
            self.code += data


def links(attributes: dict[str, str]) -> list[str]:
    """Where an element leads or loads from."""
    return [attributes[name] for name in ("href", "src", "action", "formaction") if name in attributes]


# Headers


@pytest.mark.parametrize(
    ("method", "path", "arguments"),
    [
        ("GET", "/api/v1/health", {}),
        ("GET", "/api/v1/buildings/none", {}),
        ("GET", "/nowhere", {}),
        ("GET", "/", {"headers": {"Accept": "text/html"}}),
        ("GET", "/verify", {"headers": {"Accept": "text/html"}}),
        ("GET", "/static/site.css", {}),
        ("GET", "/static/none", {}),
        ("POST", "/api/v1/buildings", {"content": b"{"}),
        ("POST", "/api/v1/buildings", {"content": bytes(MAX_BODY_BYTES + 1)}),
        ("PATCH", "/api/v1/buildings", {}),
        ("GET", "/api/v1/health", {"headers": {"Host": "evil.example"}}),
        ("POST", "/api/v1/buildings", {"headers": {"Sec-Fetch-Site": "cross-site"}}),
    ],
)
def test_every_answer_has_strict_headers(world: World, method: str, path: str, arguments: dict[str, Any]) -> None:
    answer = world.client.request(method, path, **arguments)
    assert {name: answer.headers.get(name) for name in STRICT} == STRICT
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert "server" not in answer.headers


def test_so_has_an_unexpected_error_and_it_tells_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(world.settings, world.services)

    def broken() -> None:
        raise RuntimeError(f"secret of {world.home.root}")

    app.add_api_route("/api/v1/health/broken", broken, methods=["GET"])
    app.router.routes.insert(0, app.router.routes.pop())
    health = app.state.gate.find("GET", "/api/v1/health")
    app.state.gate.find = lambda _method, _path: replace(health, router=None)
    answer = TestClient(app, raise_server_exceptions=False).get("/api/v1/health/broken")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.headers["content-security-policy"] == CONTENT_POLICY
    assert "secret" not in answer.text
    assert "RuntimeError" not in answer.text
    assert "secret of" in caplog.text


@pytest.mark.parametrize(
    "media_type",
    ["application/pdf", "text/html", "image/svg+xml", "image/png", "text/plain", "application/xhtml+xml", "text/xml"],
)
def test_what_somebody_uploaded_is_never_shown_here(world: World, media_type: str) -> None:
    page = b"<html><script>alert(1)</script>"
    prepared = world.anchored(files={"x.html": page}, details={"x.html": {"media_type": media_type}})
    identifier = world.show(prepared)["submission_id"]
    for path in (f"/submissions/{prepared.ref}/content/0", f"/documents/{identifier}/0/content"):
        for headers in ({}, {"Range": "bytes=0-5"}, {"Range": "bytes=9999-"}):
            answer = world.client.get(f"/api/v1{path}", headers=headers)
            assert answer.headers["content-disposition"].startswith("attachment;")
            assert answer.headers.get("content-type", "application/octet-stream") == "application/octet-stream"
            assert answer.headers["content-security-policy"] == CONTENT_POLICY
            assert answer.headers["x-content-type-options"] == "nosniff"
    evidence = world.client.get(f"/api/v1/evidence/{identifier}/0")
    assert evidence.headers["content-disposition"].startswith("attachment;")


def test_pages_run_nothing_that_is_written_into_them(world: World) -> None:
    prepared = world.anchored(files={"<b onclick=x>.txt": b"one"})
    shown = world.show(prepared)
    for path in (
        "/",
        "/verify",
        "/sign-in",
        f"/buildings/{shown['building']['building_key']}",
        f"/submissions/{prepared.ref}",
        f"/documents/{shown['submission_id']}/0",
        "/nowhere",
    ):
        page = Elements(world.client.get(path, headers={"Accept": "text/html"}).text)
        assert not page.code.strip(), path
        for tag, attributes in page.all:
            assert not [name for name in attributes if name.startswith("on") or name == "style"], attributes
            assert tag not in ("style", "iframe", "object", "embed", "base"), attributes
            assert not [link for link in links(attributes) if not re.match(r"/(?![/\\])|[?#]", link)], attributes


# Headers in headers


@pytest.mark.parametrize("value", [quote(INJECTED), "%0d%0aX-Injected:%201", "%E5%98%8A%E5%98%8DX-Injected:%201"])
def test_no_header_comes_from_an_address(world: World, value: str) -> None:
    paths = [filled(path, value) for _, path, _ in operations("get")]
    pages = [
        "/",
        f"/buildings/{value}",
        f"/submissions/{value}",
        "/verify",
        "/sign-in",
        f"/static/{value}",
        f"/{value}",
    ]
    queries = ["", f"?lang={value}&q={value}&next={value}&cursor={value}&sha256={value}&element={value}"]
    for path in (*paths, *pages):
        for query in queries:
            answer = world.client.get(path + query, follow_redirects=False)
            assert answer.status_code < 500 or path.endswith("/readiness"), path
            assert "x-injected" not in answer.headers
            assert not [text for text in answer.headers.values() if "\n" in text or "\r" in text]
            assert "<script>alert" not in answer.text or "json" in answer.headers["content-type"]


def test_no_header_comes_from_a_path_that_was_archived(world: World) -> None:
    name = 'a";filename=evil.exe;x="\u2028é.pdf'
    prepared = world.sent(files={name: b"one"})
    header = world.client.get(f"/api/v1/submissions/{prepared.ref}/content/0").headers["content-disposition"]
    assert header == f"attachment; filename*=UTF-8''{quote(name, safe='')}"


@pytest.mark.parametrize(
    "header", ["X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "Forwarded", "X-Original-URL"]
)
def test_an_uploads_address_is_this_servers(world: World, header: str) -> None:
    draft = world.prepare(world.draft(), {"a.txt": b"one"})
    world.send_entries(draft)
    headers = TUS | {"Upload-Length": "3", "Upload-Metadata": "index MA==", header: "evil.example"}
    answer = world.client.post(f"/api/v1/submissions/{draft.ref}/files", headers=headers)
    assert answer.headers["location"].startswith(f"http://testserver/api/v1/submissions/{draft.ref}/files/")


@pytest.mark.parametrize("next_", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_a_sign_in_leads_nowhere_else(world: World, next_: str) -> None:
    page = world.anonymous().get(f"/sign-in?next={quote(next_, safe='')}", headers={"Accept": "text/html"})
    assert page.status_code == 200
    for _, attributes in Elements(page.text).all:
        assert not [link for link in links(attributes) if re.match(r"//|/\\|https?:|javascript:", link)], attributes
        assert next_ not in attributes.values()  # nor what a script reads to go on from there


# Other paths


@pytest.mark.parametrize("value", TRAVERSALS)
def test_no_path_leads_out(world: World, value: str) -> None:
    canary = world.home.secret_path.read_text().strip()
    deep = f"{value}/{value}/{value}/{world.home.secret_path}"
    for text in (value, deep, f"{value}{world.home.secret_path}"):
        paths = [filled(path, text) for _, path, _ in operations("get", "head", "delete") if "{" in path]
        for path in (*paths, f"/static/{text}", f"/{text}", f"/api/v1/logs/access/tile/{text}"):
            answer = world.client.get(path)
            assert answer.status_code < 500, path
            assert canary not in answer.text
            assert "root:" not in answer.text


def test_static_files_are_those_alone(world: World) -> None:
    for path in ("/static/../app.py", "/static/%2e%2e/rendering.py", "/static/..%2frouter.py", "/static/"):
        assert world.client.get(path).status_code == 404


# Other members


def test_no_request_takes_members_that_are_not_its_own() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    checked: set[str] = set()

    def check(schema: dict[str, Any], where: str) -> None:
        if "$ref" in schema:
            where = schema["$ref"].rpartition("/")[2]
            if where in checked:
                return
            checked.add(where)
            schema = schemas[where]
        if "properties" in schema:
            assert schema.get("additionalProperties") is False, where
        items = [schema["items"]] if "items" in schema else []
        for part in [*schema.get("properties", {}).values(), *items, *schema.get("anyOf", [])]:
            check(part, where)

    for _, path, operation in operations("post", "put", "patch", "delete"):
        for kind, media in operation.get("requestBody", {}).get("content", {}).items():
            if kind == "application/json":
                check(media["schema"], path)
    assert len(checked) >= 8


@pytest.mark.parametrize("member", ["id", "ref", "state", "status", "submission_id", "created_at", "final", "level"])
def test_rows_are_not_written_by_their_names(world: World, member: str) -> None:
    building = {"scheme": "yunshang", "value": "440106-MASS01", "name": "楼", member: "accepted"}
    world.refuse("POST", "/buildings", 422, "malformed", json=building)
    unit = world.new_unit_project()["unit_project_key"]
    body = {"unit_project_key": unit, member: "accepted"}
    world.refuse("POST", "/submissions", 422, "malformed", json=body)


# Other addresses


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.5)
        yield listening


def test_the_server_asks_no_address_that_it_is_told(world: World, listener: socket.socket) -> None:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
    certificate = _certificate_with(world, url)
    world.client.post("/api/v1/certificates", json={"certificate": base64.b64encode(certificate).decode()})
    world.client.post("/api/v1/persons", json={"certificate": base64.b64encode(certificate).decode()})
    world.client.post("/api/v1/buildings", json={"scheme": "yunshang", "value": url, "name": url, "address": url})
    draft = world.draft()
    entry = world.prepare(draft, FILES).entries[0].to_json()
    for member in ("path", "title", "originating_system", "source_entry", "cid", "media_type"):
        line = canonical_bytes(entry | {member: url}) + b"\n"
        world.client.put(f"/api/v1/submissions/{draft['id']}/entries", content=line)
    for concat in (f"final;{url}", f"final;{url} {url}", "partial"):
        headers = TUS | {"Upload-Length": "0", "Upload-Concat": concat}
        assert world.client.post(f"/api/v1/submissions/{draft['id']}/files", headers=headers).status_code == 422
    prepared = world.anchored()
    evidence = world.client.get(f"/api/v1/evidence/{world.show(prepared)['submission_id']}/0").json()
    for item in (*evidence["items"], evidence):
        item["rpc_url"] = item["url"] = url
    world.client.post("/api/v1/verification/bundle", json=evidence)
    for header in ("Referer", "Origin", "X-Forwarded-Host", "X-Forwarded-For", "Forwarded"):
        world.client.get("/api/v1/ledger", headers={header: url})
    world.client.get("/sign-in", params={"next": url, "issuer": url, "redirect_uri": url})
    world.client.get("/api/v1/sign-in/oidc/callback", params={"code": url, "state": url, "iss": url})
    world.settle()
    with pytest.raises(TimeoutError):
        listener.accept()


def _certificate_with(world: World, url: str) -> bytes:
    """A certificate of a stranger that names addresses to ask about it."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    del world
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    address = x509.UniformResourceIdentifier(url)
    access = [
        x509.AccessDescription(AuthorityInformationAccessOID.OCSP, address),
        x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, address),
    ]
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(1))
        .add_extension(x509.AuthorityInformationAccess(access), critical=False)
        .add_extension(
            x509.CRLDistributionPoints([x509.DistributionPoint([address], None, None, None)]), critical=False
        )
    )
    from cryptography.hazmat.primitives.serialization import Encoding

    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


# What is kept out of logs and memory


def test_logs_hold_no_secret(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world.get("/buildings")
    token = world.client.auth.token  # type: ignore[union-attr]
    headers = {"Authorization": f"Bearer {token}", "Cookie": "session=cookie-canary", "Idempotency-Key": "key-canary"}
    world.client.get("/api/v1/documents?q=search-canary", headers=headers)
    world.client.post("/api/v1/sessions", json={"signature": "signature-canary"})
    world.client.post("/api/v1/verification/digest", json={"sha256": "digest-canary"})
    world.client.get("/api/v1/buildings", headers={"Authorization": "Bearer bearer-canary"})
    settings = world.settings
    secrets = [secret.get_secret_value() for secret in (settings.secret, settings.relay_key, settings.log_key)]
    logged = "\n".join(f"{record.getMessage()} {record.exc_text}" for record in caplog.records if _is_ours(record))
    for hidden in (token, "canary", *(secret.removeprefix("0x") for secret in secrets)):
        assert hidden not in logged


def _is_ours(record: logging.LogRecord) -> bool:
    # The tests' own HTTP client logs the addresses it asks.
    return not record.name.startswith(("httpx", "httpcore"))


def test_the_server_reads_no_xml() -> None:
    script = (
        "import sys, archive_api.app, archive_api.composition, archive_api.serve, archive_api.worker\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('xml', 'lxml', 'pyexpat', 'openpyxl', 'yaml')])"
    )
    result = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"


# Refusals


@pytest.mark.parametrize("path", ["/submissions", "/buildings", "/verification/bundle", "/sign-in/challenges"])
def test_a_body_that_does_not_come_is_a_refusal(world: World, path: str) -> None:
    app = create_app(world.settings.model_copy(update={"idle_seconds": 0.05}), world.services)
    world.get("/buildings")
    token = world.client.auth.token  # type: ignore[union-attr]
    headers = {"host": "localhost", "authorization": f"Bearer {token}", "content-type": "application/json"}
    sent: list[Any] = []

    async def never() -> Any:
        return await asyncio.Future()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": f"/api/v1{path}",
        "raw_path": f"/api/v1{path}".encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "scheme": "http",
        "root_path": "",
    }
    asyncio.run(app(scope, never, send))
    assert (sent[0]["status"], json.loads(sent[1]["body"])["code"]) == (408, "too_slow")


def test_a_refusal_says_what_to_do_in_both_languages(world: World) -> None:
    for method, path, arguments in (
        ("GET", "/buildings/zz", {}),
        ("POST", "/buildings", {"json": {}}),
        ("POST", "/verification/bundle", {"content": b"{}"}),
        ("GET", "/documents?cursor=xx", {}),
    ):
        problem = world.client.request(method, f"/api/v1{path}", **arguments).json()
        assert problem["title_zh"], problem
        assert problem["title_en"], problem
        assert problem["detail"].startswith(("expected", "body", "query", "path")), problem
        assert json.dumps(problem).find(str(world.home.root)) == -1
