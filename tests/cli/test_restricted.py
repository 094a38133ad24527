"""Documents from 限阅 up: encrypted before they leave, opened by those entitled, unreadable where they are kept."""

from __future__ import annotations

import io
import json
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12

from archive_api.cli.app import main
from archive_api.cli.cast import ARCHIVE, PARTIES
from ledger.cli import main as verify
from ledger.envelope import envelope_size

from .process import REPOSITORY, Result, command, environment
from .test_handover import Site as ProcessSite

# A command leaves its connection to the end of its process; here that is the end of the tests.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning"
)

BUILDING = "440106-RST001"
SECRET = "涉密管线坐标 113.3245 23.1066 / restricted-plaintext-marker"
TITLE = "人防工程限阅图"
MODEL_MARK = "RESTRICTED-MODEL-MARKER"


def run(*arguments: object, module: Callable[[list[str]], int] = main) -> Result:
    """A command in this process: starting one takes longer than most of them."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = module([str(argument) for argument in arguments])
    return Result(code, out.getvalue(), err.getvalue())


class Site(ProcessSite):
    """A running archive, its commands in this process."""

    def run(self, *arguments: object, env: dict[str, str] | None = None) -> Result:
        assert env is None
        return run(*arguments, "--home", self.home, "--api", self.api, "--json")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("restricted") / "home"
    assert run("init", "--home", home).code == 0
    process = subprocess.Popen(
        command("up", "--home", home, "--json"), cwd=REPOSITORY, env=environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        found = Site(home, line["api"], line["rpc_url"])
        for party in PARTIES:
            assert run("ca", "issue", party.code, party.name, "--home", home).code == 0
        for party in (ARCHIVE, *PARTIES):
            found.ok("party", "register", home / "keys" / f"{party.code}.pem")
        found.ok("building", "add", BUILDING, "--name", "限阅大厦", "--address", "广州市")
        roster = [word for p in PARTIES for word in (f"--{p.role}", home / "keys" / f"{p.code}.pem")]
        for unit in ("01", "02"):
            found.ok("building", "unit-project", BUILDING, unit, "--name", f"人防工程 {unit}")
            found.ok("party", "roster", BUILDING, unit, *roster)
        deadline = time.monotonic() + 60
        while any(item["status"] != "registered" for item in found.ok("party", "list")["items"]):
            assert time.monotonic() < deadline
            time.sleep(0.5)
        yield found
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("restricted-source") / "移交"
    (folder / "C5 施工记录").mkdir(parents=True)
    (folder / "公开说明.txt").write_text("公开", "utf-8")
    pdf = b"%PDF-1.7\n" + SECRET.encode() * 3 + b"\n%%EOF\n"
    (folder / "C5 施工记录" / f"{TITLE}.pdf").write_bytes(pdf)
    # Larger than a pack takes, and longer than a chunk.
    (folder / "C5 施工记录" / "秘密 大图.bin").write_bytes(SECRET.encode() * 40_000)
    models = json.loads((REPOSITORY / "tests/vectors/bim/models.json").read_text("ascii"))["models"]
    step = next(model["step"] for model in models if model["name"] == "one_wall")
    (folder / "限阅 竣工模型.ifc").write_text(step.replace("North", MODEL_MARK), "ascii")
    return folder


LEVELS = ("--level", "*.txt=公开", "--level", "*限阅*=限阅", "--level", "*秘密*=secret")


def prepare(source: Path, out: Path, unit: str) -> dict[str, Any]:
    done = run(
        *("submission", "prepare", source, "--building", BUILDING, "--unit", unit, "--out", out, "--json"),
        *("--offline", *LEVELS),
    )
    assert done.code == 0, done.stderr
    return dict(done.json)


def encryption_key(site: Site, code: str) -> Path:
    return site.home / "keys" / f"{code}.encryption.p12"


def issue_all(site: Site) -> None:
    for party in (ARCHIVE, *PARTIES):
        if not encryption_key(site, party.code).exists():
            assert run("key", "issue", party.code, party.name, "--home", site.home).code == 0
            site.ok("key", "register", encryption_key(site, party.code).with_suffix(".pem"))


@pytest.fixture(scope="module")
def sent(site: Site, source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("prep") / "p"
    shown = prepare(source, folder, "01")
    assert len(shown["encrypted"]) == 3
    lacking = site.run("submission", "send", folder)
    assert (lacking.code, lacking.json["error"]["code"]) == (1, "encryption_certificate_missing")
    assert all(party.code in lacking.stdout for party in (ARCHIVE, *PARTIES))
    issue_all(site)
    answer = site.ok("submission", "send", folder)
    assert site.ok("submission", "send", folder)["id"] == answer["id"]
    return str(answer["id"]), folder


@pytest.fixture(scope="module")
def accepted(site: Site, source: Path, sent: tuple[str, Path]) -> dict[str, Any]:
    ref = sent[0]
    for party in PARTIES:
        # One of them trusts only what the archive gives out, the others their own copy.
        done = site.seal(ref, party.role, source=None if party.role == "owner" else source)
        assert done.code == 0, done.stdout + done.stderr
    site.wait(ref, "anchored")
    archive = ("--key", site.key(ARCHIVE.code), "--passphrase-file", site.passphrase)
    site.ok("accept", ref, "--accession-number", "2026-000077", *archive)
    return site.wait(ref, "accepted")


def entries_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "entries.ndjson").read_bytes().splitlines()]


def index_of(folder: Path, name: str) -> int:
    return next(index for index, entry in enumerate(entries_of(folder)) if name in entry["path"])


def test_a_preparation_keeps_envelopes_and_keys_to_itself(sent: tuple[str, Path], source: Path) -> None:
    folder = sent[1]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "keys.json").stat().st_mode & 0o777 == 0o600
    for index, entry in enumerate(entries_of(folder)):
        envelope = folder / "sealed" / str(index)
        assert envelope.exists() == (entry["encryption"] is not None)
        if entry["encryption"] is not None:
            assert envelope.stat().st_size == entry["encryption"]["ciphertext_size"] == envelope_size(entry["size"])
            assert SECRET.encode() not in envelope.read_bytes()
    levels = {entry["path"].rpartition("/")[2]: entry["security_level"] for entry in entries_of(folder)}
    assert levels == {"公开说明.txt": "public", f"{TITLE}.pdf": "restricted", "秘密 大图.bin": "secret",
                      "限阅 竣工模型.ifc": "restricted"}  # fmt: skip
    assert list(source.parent.glob(".*")) == []


def test_nobody_seals_without_opening(site: Site, sent: tuple[str, Path], source: Path, tmp_path: Path) -> None:
    alone = tmp_path / "owner.p12"
    alone.write_bytes(site.key(PARTIES[0].code).read_bytes())
    arguments = ("submission", "seal", sent[0], "--role", "owner", "--key", alone, "--passphrase-file", site.passphrase)
    without = site.run(*arguments, "--source", source)
    assert (without.code, without.json["error"]["code"]) == (1, "encryption_key_missing")
    stranger = tmp_path / "other.p12"
    assert run("key", "issue", PARTIES[0].code, PARTIES[0].name, "--out", stranger, "--home", site.home).code == 0
    other = site.run(*arguments, "--encryption-key", stranger)
    assert (other.code, other.json["error"]["code"]) == (1, "data_key_missing")
    sealing = site.run(*arguments, "--encryption-key", alone)
    assert sealing.code == 1  # a sealing key opens nothing
    assert site.state(sent[0])["seals"] == [] or site.state(sent[0])["state"] != "sealing"


def test_those_entitled_fetch_what_was_sealed(
    site: Site, accepted: dict[str, Any], sent: tuple[str, Path], source: Path, tmp_path: Path
) -> None:
    identifier, folder = accepted["submission_id"], sent[1]
    for number, party in enumerate((ARCHIVE, *PARTIES)):
        index = index_of(folder, TITLE if number % 2 else "大图")
        out = tmp_path / f"{party.code}.out"
        key = ("--encryption-key", encryption_key(site, party.code), "--passphrase-file", site.passphrase)
        shown = site.ok("document", "fetch", identifier, index, "--out", out, *key)
        assert shown["encrypted"]
        assert out.read_bytes() == (source / entries_of(folder)[index]["path"]).read_bytes()
    refused = site.run("document", "fetch", identifier, index_of(folder, TITLE), "--out", tmp_path / "x")
    assert (refused.code, refused.json["error"]["code"]) == (1, "encryption_key_missing")
    assert list(tmp_path.glob(".*")) == []


def test_the_document_is_verified_without_the_archive(
    site: Site, accepted: dict[str, Any], sent: tuple[str, Path], source: Path, tmp_path: Path
) -> None:
    index = index_of(sent[1], TITLE)
    bundle = tmp_path / "bundle.json"
    site.ok("evidence", "get", accepted["submission_id"], index, "--out", bundle)
    file = source / "C5 施工记录" / f"{TITLE}.pdf"

    def verified(path: Path) -> Result:
        trust = site.home / "trust.json"
        return run(bundle, "--trust", trust, "--file", path, "--json", module=verify)

    def step(result: Result) -> dict[str, Any]:
        return next(step for step in result.json["steps"] if step["name"] == "file")

    good = verified(file)
    assert (step(good)["verdict"], step(good)["reason"]) == ("PASSED", "file_ok_encrypted"), good.stdout
    envelope = verified(sent[1] / "sealed" / str(index))
    assert (step(envelope)["verdict"], step(envelope)["reason"]) == ("INDETERMINATE", "file_envelope")
    changed = tmp_path / "changed.pdf"
    changed.write_bytes(file.read_bytes().replace(b"113", b"114"))
    wrong = verified(changed)
    assert (wrong.code, step(wrong)["reason"]) == (1, "file_differs")


def test_nothing_on_the_server_tells_the_content_or_a_key(
    site: Site, accepted: dict[str, Any], sent: tuple[str, Path], source: Path
) -> None:
    assert accepted["state"] == "accepted"
    needles = {"plaintext": SECRET.encode(), "part of it": SECRET.encode()[10:30], "model": MODEL_MARK.encode()}
    for text in json.loads((sent[1] / "keys.json").read_bytes())["keys"].values():
        needles |= {f"data key {text[:6]}": bytes.fromhex(text), f"data key in hex {text[:6]}": text.encode()}
    passphrase = site.passphrase.read_bytes().strip()
    for party in (ARCHIVE, *PARTIES):
        key, _, _ = pkcs12.load_key_and_certificates(encryption_key(site, party.code).read_bytes(), passphrase)
        assert key is not None
        number = key.private_numbers().private_value.to_bytes(32, "big")  # type: ignore[union-attr]
        needles[f"private key of {party.code}"] = number
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        needles[f"key file of {party.code}"] = der
    searched = 0
    for path in (site.home / "server").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            searched += len(content)
            for name, needle in needles.items():
                assert needle not in content, f"{name} in {path.relative_to(site.home)}"
    assert searched > 3_000_000
    # The entries, titles among them, stand in the catalogue; in the block store they are envelopes.
    blocks = b"".join(path.read_bytes() for path in (site.home / "server" / "blocks").rglob("*") if path.is_file())
    assert TITLE.encode() not in blocks
    assert entries_of(sent[1])[index_of(sent[1], TITLE)]["sha256"].encode() not in blocks
    assert "公开说明".encode() in blocks
    assert b"yunshang-wraps/v1" in blocks
    with sqlite3.connect(f"file:{site.home / 'server' / 'archive.db'}?mode=ro", uri=True) as catalogue:
        assert catalogue.execute("select count(*) from entries where title = ?", (TITLE,)).fetchone() == (1,)


def test_models_that_are_encrypted_show_nothing_in_the_manifest(
    site: Site, accepted: dict[str, Any], sent: tuple[str, Path]
) -> None:
    index = index_of(sent[1], ".ifc")
    digest = entries_of(sent[1])[index]["sha256"]
    ledger = site.run("submission", "status", sent[0])
    assert ledger.code == 0
    blocks = [path.read_bytes() for path in (site.home / "server" / "blocks").rglob("*") if path.is_file()]
    manifests = [
        found.group()
        for content in blocks
        for found in re.finditer(rb'"models":\[\{[^]]*\}\]', content)
        if b"yunshang-bim-salted/v1" in found.group()
    ]
    assert manifests
    roots = [json.loads(b"{" + text + b"}")["models"][0]["root"] for text in manifests]
    plain = json.loads((REPOSITORY / "tests/vectors/bim/models.json").read_text("ascii"))["models"]
    assert None not in roots
    assert not {model["root"] for model in plain} & set(roots)
    assert all(digest.encode() not in text for text in manifests)


def test_an_element_of_an_encrypted_model_is_proved_by_those_who_can_open_it(
    site: Site, accepted: dict[str, Any], sent: tuple[str, Path], source: Path, tmp_path: Path
) -> None:
    index = index_of(sent[1], ".ifc")
    model = source / "限阅 竣工模型.ifc"
    wall = run("bim", "elements", model, "--class", "IfcWall", "--json").json["elements"][0]["global_id"]
    bundle = tmp_path / "wall.json"
    asked = ("evidence", "get", accepted["submission_id"], index, "--element", wall, "--out", bundle)
    refused = site.run(*asked)
    assert (refused.code, refused.json["error"]["code"]) == (1, "encryption_key_missing")
    site.ok(*asked, "--encryption-key", encryption_key(site, ARCHIVE.code), "--passphrase-file", site.passphrase)
    shown = run(bundle, "--trust", site.home / "trust.json", "--json", module=verify)
    steps = {step["name"]: step["verdict"] for step in shown.json["steps"]}
    assert (steps["model"], steps["element"]) == ("PASSED", "PASSED"), shown.stdout
    assert shown.json["subject"]["element"]["global_id"] == wall
    unsalted = run("bim", "prove", model, wall, "--out", tmp_path / "plain.json", "--json").json["root"]
    assert unsalted.removeprefix("0x") not in bundle.read_text("utf-8")


def test_a_key_is_rotated_without_touching_content(
    site: Site, accepted: dict[str, Any], sent: tuple[str, Path], source: Path, tmp_path: Path
) -> None:
    code = PARTIES[2].code
    old, new = encryption_key(site, code), tmp_path / "new.p12"
    assert run("key", "issue", code, PARTIES[2].name, "--out", new, "--home", site.home).code == 0
    before = {path.name for path in (site.home / "server" / "blocks").rglob("*")}
    secret = ("--passphrase-file", site.passphrase)
    done = site.ok("key", "rotate", "--key", old, "--new", new, *secret)
    assert (done["wrapped"], done["submissions"], done["not_opened"], done["retired"]) == (3, 1, 0, True)
    assert site.ok("key", "rotate", "--key", old, "--new", new, *secret)["wrapped"] == 0
    assert before <= {path.name for path in (site.home / "server" / "blocks").rglob("*")}
    index = index_of(sent[1], TITLE)
    for key in (new, old):
        out = tmp_path / f"{key.stem}.pdf"
        site.ok("document", "fetch", accepted["submission_id"], index, "--out", out, "--encryption-key", key, *secret)
        assert out.read_bytes() == (source / "C5 施工记录" / f"{TITLE}.pdf").read_bytes()
    listed = {item["id"]: item["retired_at"] for item in site.ok("key", "list", code)["items"]}
    assert sorted(retired is None for retired in listed.values()) == [False, True]
    # The next handover is wrapped for the new key alone.
    folder = tmp_path / "p"
    prepare(source, folder, "02")
    ref = str(site.ok("submission", "send", folder)["id"])
    arguments = ("submission", "seal", ref, "--role", "designer", "--key", site.key(code), *secret, "--source", source)
    stale = site.run(*arguments)
    assert (stale.code, stale.json["error"]["code"]) == (1, "data_key_missing")
    site.ok(*arguments, "--encryption-key", new)


def test_a_pattern_without_files_protects_nothing_and_is_refused(source: Path, tmp_path: Path) -> None:
    arguments = ("submission", "prepare", source, "--building", BUILDING, "--unit", "01", "--offline", "--json")
    unmatched = run(*arguments, "--out", tmp_path / "p", "--level", "*机密*=秘密")
    assert (unmatched.code, unmatched.json["error"]["code"]) == (3, "level_unmatched")
    for text in ("*=绝密", "restrict", "=限阅", "*"):
        refused = run(*arguments, "--out", tmp_path / "p", "--level", text)
        assert (refused.code, refused.json["error"]["code"]) == (3, "usage")
    assert list(tmp_path.iterdir()) == []
