"""Who a command is run by, and the administration of persons, against a server of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from archive_api.app import create_app
from archive_api.cli.identity import moved_to_front
from signing.authority import generate_key
from signing.keystore import encode_pkcs12
from tests.api.gatehouse import Gatehouse, dates, open_gatehouse
from tests.api.served import listening, served

from .process import Result, Runner, openssl


@dataclass
class Desk:
    """A server and an administrator's key file."""

    gate: Gatehouse
    api: str
    folder: Path
    yunshang: Runner

    def key_file(self, name: str) -> Path:
        private = generate_key()
        certificate = self.gate.authority.issue_personal(private.public_key(), name=name, **dates())
        path = self.folder / f"{certificate.certificate_id.hex()[:12]}.p12"
        path.write_bytes(encode_pkcs12(private, certificate.der, passphrase="word", name=name, kdf_rounds=1))
        path.with_suffix(".pem").write_text(certificate.pem, "ascii")
        return path

    def run(self, *arguments: object, key: Path | None = None) -> Result:
        given = ("--as", key or self.folder / "desk.p12", "--as-passphrase-file", self.folder / "word")
        return self.yunshang(*arguments, "--api", self.api, "--home", self.folder / "none", *given)

    def ask(self, *arguments: object, key: Path | None = None) -> Any:
        done = self.run(*arguments, "--json", key=key)
        assert done.code == 0, done.stderr
        return done.json


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, yunshang: Runner) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    with (
        listening() as (listener, api),
        open_gatehouse(folder) as gate,
        served(create_app(gate.settings, gate.services), listener),
    ):
        desk_key = gate.desk._key
        content = encode_pkcs12(desk_key, gate.desk.certificate.der, passphrase="word", name="desk", kdf_rounds=1)
        (folder / "desk.p12").write_bytes(content)
        (folder / "word").write_text("word\n")
        yield Desk(gate, api, folder, yunshang)


def test_a_person_is_added_listed_and_disabled(desk: Desk) -> None:
    key = desk.key_file("李明")
    person = desk.ask("person", "add", key.with_suffix(".pem"))
    assert person["name"] == "李明"
    assert person["person_id"] in {item["person_id"] for item in desk.ask("person", "list", "李明")["items"]}
    desk.run("building", "list", key=key)
    sessions = desk.ask("person", "sessions", person["person_id"])["items"]
    assert [session["method"] for session in sessions] == ["certificate"]
    assert desk.ask("person", "sessions", person["person_id"], "--end") == {"ended": 1}
    assert desk.ask("person", "disable", person["person_id"])["disabled"]
    refused = desk.run("building", "list", "--json", key=key)
    assert (refused.code, refused.json["error"]["code"]) == (1, "person_disabled")
    assert not desk.ask("person", "enable", person["person_id"])["disabled"]
    assert desk.run("building", "list", key=key).code == 0


def test_a_person_of_the_unified_identity_is_added(desk: Desk) -> None:
    oidc = ("--oidc-issuer", "https://id.example", "--oidc-subject", "u-1")
    person = desk.ask("person", "add", "--name", "王芳", *oidc)
    assert person["oidc"] == {"issuer": "https://id.example", "subject": "u-1"}
    assert desk.run("person", "add", "--name", "王芳", *oidc[:2]).code == 3


def test_refuses_somebody_unknown_and_a_wrong_passphrase(desk: Desk) -> None:
    stranger = desk.run("person", "list", "--json", key=desk.key_file("生人"))
    assert (stranger.code, stranger.json["error"]["code"]) == (1, "person_unknown")
    (desk.folder / "other").write_text("swordfish")
    arguments = ("--as", desk.folder / "desk.p12", "--as-passphrase-file", desk.folder / "other", "--api", desk.api)
    wrong = desk.yunshang("person", "list", "--json", *arguments)
    assert (wrong.code, wrong.json["error"]["code"]) == (1, "passphrase")
    assert "swordfish" not in wrong.stdout + wrong.stderr


def test_a_new_home_has_the_key_of_its_desk(yunshang: Runner, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert yunshang("init", "--home", home).code == 0
    key = home / "keys" / "desk.p12"
    assert key.stat().st_mode & 0o077 == 0
    text = openssl("x509", "-in", key.with_suffix(".pem"), "-noout", "-text").stdout.decode()
    assert "TLS Web Client Authentication" in text
    made = yunshang("person", "issue", "李明", "--out", home / "keys" / "li.p12", "--home", home, "--json")
    assert made.code == 0, made.stderr
    again = yunshang("person", "issue", "李明", "--out", home / "keys" / "li.p12", "--home", home, "--json")
    assert (again.code, again.json["error"]["code"]) == (1, "key_exists")
    assert yunshang("person", "desk", "--home", home).code == 0


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (["a", "--as", "k", "b"], ["--as", "k", "a", "b"]),
        (["a", "--as=k"], ["--as=k", "a"]),
        (["a", "--as-passphrase-file", "f", "--as", "k"], ["--as-passphrase-file", "f", "--as", "k", "a"]),
        (["a", "--", "--as", "k"], ["a", "--", "--as", "k"]),
        (["a", "--as"], ["a", "--as"]),
        (["--assay"], ["--assay"]),
    ],
)
def test_who_asks_may_stand_anywhere(given: list[str], wanted: list[str]) -> None:
    assert moved_to_front(given) == wanted
