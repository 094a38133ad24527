"""A handover by single commands, as five parties and an archivist would type them, against a server of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from archive_api.cli.cast import ARCHIVE, PARTIES
from archive_api.cli.development import open_desk
from archive_api.client.connection import Connection
from tests.token_engine import PIN, Tokens, require_softhsm

from .process import REPOSITORY, Result, command, environment, run

BUILDING = "440106-CLI001"
# A unit project for each story, so that none waits for another's open submission.
INTERRUPTED, WITHDRAWN, ACCEPTED, RETURNED, WITH_TOKEN = UNITS = ("01", "02", "03", "04", "05")


@dataclass(frozen=True)
class Site:
    """A running archive with registered parties."""

    home: Path
    api: str
    rpc_url: str

    def run(self, *arguments: object, env: dict[str, str] | None = None) -> Result:
        """A command against this archive."""
        return run(*arguments, "--home", self.home, "--api", self.api, "--json", env=env)

    def ok(self, *arguments: object) -> Any:
        """A command that must succeed; returns its document."""
        done = self.run(*arguments)
        assert done.code == 0, done.stdout + done.stderr
        return done.json

    def key(self, code: str) -> Path:
        """A development key file."""
        return self.home / "keys" / f"{code}.p12"

    @property
    def passphrase(self) -> Path:
        """The passphrase file of the development keys."""
        return self.home / "keys" / "passphrase"

    def seal(self, ref: str, role: str, *, code: str = "", source: Path | None = None) -> Result:
        """Seal as a role, with its own key unless another code is given."""
        own = next(party.code for party in PARTIES if party.role == role)
        more = ["--source", source] if source else []
        return self.run(
            *("submission", "seal", ref, "--role", role, "--key", self.key(code or own)),
            *("--passphrase-file", self.passphrase, *more),
        )

    def state(self, ref: str) -> dict[str, Any]:
        """A submission as the archive shows it."""
        return dict(self.ok("submission", "status", ref))

    def wait(self, ref: str, *states: str) -> dict[str, Any]:
        """Wait for a state."""
        deadline = time.monotonic() + 120
        while (found := self.state(ref))["state"] not in states:
            assert time.monotonic() < deadline, found["state"]
            time.sleep(0.5)
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """`yunshang up --json`, and everything registered by commands."""
    home = tmp_path_factory.mktemp("site") / "home"
    assert run("init", "--home", home).code == 0
    process = subprocess.Popen(
        command("up", "--home", home, "--json"), cwd=REPOSITORY, env=environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        assert set(line) == {"api", "rpc_url"}
        found = Site(home, line["api"], line["rpc_url"])
        for party in PARTIES:
            assert run("ca", "issue", party.code, party.name, "--home", home).code == 0
        for party in (ARCHIVE, *PARTIES):
            found.ok("party", "register", home / "keys" / f"{party.code}.pem")
        found.ok("building", "add", BUILDING, "--name", "命令行大厦", "--address", "广州市")
        roster = [word for p in PARTIES for word in (f"--{p.role}", home / "keys" / f"{p.code}.pem")]
        for unit in UNITS:
            found.ok("building", "unit-project", BUILDING, unit, "--name", f"土建工程 {unit}")
            found.ok("party", "roster", BUILDING, unit, *roster)
        deadline = time.monotonic() + 60
        while any(item["status"] != "registered" for item in found.ok("party", "list")["items"]):
            assert time.monotonic() < deadline
            time.sleep(0.5)
        yield found
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert process.stdout.read() == ""
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A handover with small files, an empty one, and one that needs a resumable upload."""
    folder = tmp_path_factory.mktemp("source") / "移交"
    (folder / "C5 施工记录").mkdir(parents=True)
    for number in range(30):
        (folder / "C5 施工记录" / f"记录{number:02d}.txt").write_text(f"记录 {number}\n" * number, "utf-8")
    (folder / "大文件.bin").write_bytes(os.urandom(40 << 20))
    return folder


def prepare(source: Path, out: Path, unit: str) -> Path:
    """Prepare a folder for a unit project."""
    done = run("submission", "prepare", source, "--building", BUILDING, "--unit", unit, "--out", out, "--json")
    assert done.code == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def sent(site: Site, source: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A submission whose `send` was interrupted several times with SIGINT; its uuid."""
    folder = prepare(source, tmp_path_factory.mktemp("prep") / "p", INTERRUPTED)
    # First when it has just begun, then in the middle of the large file.
    assert _interrupt(site, folder, folder / "send.json") == 130
    assert _interrupt(site, folder, folder / "uploads.json") == 130
    first = site.ok("submission", "send", folder)
    again = site.ok("submission", "send", folder)
    assert first["id"] == again["id"]
    assert first["submission_id"] == again["submission_id"]
    assert not [item for item in _submissions(site, INTERRUPTED) if item["id"] != first["id"]]
    return str(first["id"])


def _interrupt(site: Site, folder: Path, sign: Path) -> int:
    """Send, and press Ctrl-C once a file is there; returns the exit code."""
    process = subprocess.Popen(
        command("submission", "send", folder, "--home", site.home, "--json"),
        cwd=REPOSITORY,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not sign.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    return process.returncode


def _submissions(site: Site, unit: str) -> list[dict[str, Any]]:
    shown = site.ok("building", "show", BUILDING)
    return [item for item in shown["submissions"] if item["unit_project"]["code"] == unit]


def test_refuses_a_key_of_another_organisation(site: Site, sent: str, source: Path) -> None:
    done = site.seal(sent, "owner", code=PARTIES[1].code, source=source)
    assert (done.code, done.json["error"]["code"]) == (1, "seal_organisation")


def test_refuses_a_wrong_passphrase(site: Site, sent: str, source: Path) -> None:
    done = site.run(
        *("submission", "seal", sent, "--role", "owner", "--key", site.key(PARTIES[0].code), "--source", source),
        env={"YUNSHANG_PASSPHRASE": "wrong"},
    )
    assert (done.code, done.json["error"]["code"]) == (1, "passphrase")
    assert "wrong" not in done.stdout + done.stderr.replace("wrong passphrase", "")


@pytest.mark.parametrize("change", ["bit", "added", "removed", "renamed"])
def test_refuses_to_seal_other_files(site: Site, sent: str, source: Path, tmp_path: Path, change: str) -> None:
    folder = tmp_path / "copy"
    subprocess.run(["cp", "-r", source, folder], check=True)
    file = folder / "C5 施工记录" / "记录03.txt"
    if change == "bit":
        content = bytearray(file.read_bytes())
        content[0] ^= 1
        file.write_bytes(content)
    elif change == "added":
        (folder / "more.txt").write_text("x")
    elif change == "removed":
        file.unlink()
    else:
        file.rename(file.with_name("记录3.txt"))
    done = site.seal(sent, "owner", source=folder)
    assert done.code == 1
    assert done.json["error"]["code"] in {"content_mismatch", "file_added", "file_missing"}
    assert site.state(sent)["seals"] == []


def test_refuses_another_ledger(site: Site, sent: str, source: Path, tmp_path: Path) -> None:
    trust = json.loads((site.home / "trust.json").read_bytes())
    trust["ledger"]["chain_id"] += 1
    other = tmp_path / "trust.json"
    other.write_text(json.dumps(trust))
    done = site.run(
        *("submission", "seal", sent, "--role", "owner", "--key", site.key(PARTIES[0].code), "--source", source),
        *("--trust", other, "--passphrase-file", site.passphrase),
    )
    assert (done.code, done.json["error"]["code"]) == (1, "ledger_domain")


def test_withdrawing_voids_the_seals(site: Site, source: Path, tmp_path: Path) -> None:
    folder = prepare(source, tmp_path / "p", WITHDRAWN)
    first = site.ok("submission", "send", folder)
    ref = str(first["id"])
    assert site.seal(ref, "owner", source=source).code == 0
    arguments = ("--role", "owner", "--key", site.key(PARTIES[0].code), "--passphrase-file", site.passphrase)
    site.ok("submission", "withdraw", ref, *arguments, "--reason", "竣工图版本有误")
    found = site.wait(ref, "draft")
    assert found["seals"] == []
    assert found["withdrawals"][0]["reason"] == "竣工图版本有误"
    again = site.ok("submission", "send", folder)
    assert again["id"] == ref
    assert again["submission_id"] != first["submission_id"]


def test_from_five_seals_to_acceptance(site: Site, source: Path, tmp_path: Path) -> None:
    folder = prepare(source, tmp_path / "p", ACCEPTED)
    answer = site.ok("submission", "send", folder)
    ref = str(answer["id"])
    for party in PARTIES:
        # One of them trusts only what the archive gives out, the others their own copy.
        done = site.seal(ref, party.role, source=None if party.role == "owner" else source)
        assert done.code == 0, done.stdout + done.stderr
        # As after a run that did not live to see the answer: a seal made anew is not needed.
        assert site.seal(ref, party.role, source=source).code == 0
    anchored = site.wait(ref, "anchored")
    identifier = anchored["submission_id"]
    assert identifier == answer["submission_id"]
    archive = ("--key", site.key(ARCHIVE.code), "--passphrase-file", site.passphrase)
    wrong = ("--key", site.key(PARTIES[0].code), "--passphrase-file", site.passphrase)
    refused = site.run("accept", ref, "--accession-number", "2026-000001", *wrong)
    assert (refused.code, refused.json["error"]["code"]) == (1, "archive_certificate")
    for _ in range(2):
        site.ok("accept", ref, "--accession-number", "2026-000001", *archive)
    other = site.run("accept", ref, "--accession-number", "2026-000009", *archive)
    assert (other.code, other.json["error"]["code"]) == (1, "decision_exists")
    site.wait(ref, "accepted")
    bundle = tmp_path / "bundle.json"
    site.ok("evidence", "get", identifier, 3, "--out", bundle)
    arguments = ("verify", "bundle", bundle, "--home", site.home, "--json")
    observed = run(*arguments, "--rpc", site.rpc_url, "--require-anchor", "observed")
    assert (observed.code, observed.json["anchor_level"]) == (0, "observed"), observed.stdout
    assert run(*arguments, "--require-anchor", "observed").code == 2
    assert run(*arguments, "--remote").code == 0
    found = run("verify", "file", source / "大文件.bin", "--home", site.home, "--json")
    assert (found.code, found.json["verdict"]) == (0, "PASSED")
    unknown = run("verify", "digest", "00" * 32, "--home", site.home, "--json")
    assert unknown.code == 2


def test_returns_with_a_reason_for_each_file(site: Site, source: Path, tmp_path: Path) -> None:
    ref = site.ok("submission", "send", prepare(source, tmp_path / "p", RETURNED))["id"]
    for party in PARTIES:
        assert site.seal(ref, party.role, source=source).code == 0
    site.wait(ref, "anchored")
    archive = ("--key", site.key(ARCHIVE.code), "--passphrase-file", site.passphrase)
    assert site.run("return", ref, *archive).code == 3
    site.ok("return", ref, *archive, "--reason", "3:缺监理签字", "--reason", "*:缺竣工图")
    assert site.wait(ref, "returned")["decision"]["kind"] == "returned"


def test_a_seal_made_in_a_token_is_anchored(site: Site, source: Path, tmp_path: Path) -> None:
    tokens = Tokens.create(require_softhsm(), tmp_path / "softhsm")
    tokens.add("印章")
    (tmp_path / "pin").write_text(PIN)
    device = ("--pkcs11", tokens.module, "--token", "印章", "--pin-file", tmp_path / "pin")
    owner = PARTIES[0]

    def with_token(*arguments: object) -> Result:
        return run(*arguments, *device, "--json", env=tokens.environment)

    assert with_token("token", "generate").code == 0
    assert with_token("token", "request", owner.code, owner.name, "--out", tmp_path / "seal.csr").code == 0
    certified = run("ca", "issue", "--request", tmp_path / "seal.csr", "--home", site.home, "--json")
    assert with_token("token", "import", certified.json["certificate"]).code == 0
    registered = site.ok("party", "register", certified.json["certificate"])["id"]
    deadline = time.monotonic() + 60
    while {i["id"]: i["status"] for i in site.ok("party", "list")["items"]}[registered] != "registered":
        assert time.monotonic() < deadline
        time.sleep(0.5)
    # The same token holds the key that somebody signs in with.
    key = with_token("token", "generate").json["key_id"]
    me = ("--person", "陈海燕", "--key-id", key, "--out", tmp_path / "me.csr")
    assert with_token("token", "request", owner.code, owner.name, *me).code == 0
    personal = run("ca", "issue", "--request", tmp_path / "me.csr", "--home", site.home, "--json").json
    assert with_token("token", "import", personal["certificate"]).code == 0
    person = site.ok("person", "add", personal["certificate"])
    grant = {"person_id": person["person_id"], "role": "party_sealer", "organisation_code": owner.code}
    with closing(Connection(site.api, key=open_desk(site.home))) as desk:
        desk.post("/access/grants", grant)
    ref = str(site.ok("submission", "send", prepare(source, tmp_path / "p", WITH_TOKEN))["id"])
    uri = f"pkcs11:token={quote('印章')}?module-path={tokens.module}&pin-source=file:{tmp_path / 'pin'}"
    arguments = ("submission", "seal", ref, "--role", "owner", "--source", source, "--home", site.home)
    sealed = with_token("--as", uri, *arguments, "--api", site.api)
    assert sealed.code == 0, sealed.stdout + sealed.stderr
    assert PIN not in sealed.stdout + sealed.stderr
    for party in PARTIES[1:]:
        assert site.seal(ref, party.role, source=source).code == 0
    anchored = site.wait(ref, "anchored")
    assert [seal["certificate_id"] for seal in anchored["seals"] if seal["role"] == "owner"] == [registered]


def test_a_second_server_on_one_home_is_refused(site: Site) -> None:
    done = run("up", "--home", site.home, "--json")
    assert done.code != 0
    assert "error" in done.json
