"""The acceptance of the first handover: what the demonstration leaves is judged with tools that are not ours."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from eth_account.messages import encode_typed_data

from .process import Demo, Runner, openssl

ROLES = ("owner", "surveyor", "designer", "contractor", "supervisor")
MEMBERS = (
    "building",
    "submission",
    "transaction",
    "block",
    "gas_used",
    "documents",
    "bytes",
    "documents_root",
    "content_cid",
    "contract",
    "rpc_url",
    "trust",
    "evidence",
)


@pytest.fixture(scope="module")
def exported(demo: Demo, yunshang: Runner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of the first handover's first bundle."""
    directory = tmp_path_factory.mktemp("export") / "out"
    bundle, trust = demo.first["evidence"][0], demo.first["trust"]
    done = yunshang("evidence", "export", bundle, "--trust", trust, "--dir", directory)
    assert done.code == 0, done.stderr
    return directory


def test_prints_what_is_promised(demo: Demo) -> None:
    result = demo.first
    assert tuple(result) == MEMBERS
    assert result["documents"] == len(result["evidence"]) > 3
    assert result["bytes"] > 0
    assert result["gas_used"] <= 250_000
    assert all(Path(path).is_file() for path in (result["trust"], *result["evidence"]))


def test_second_run_supplements_the_first(demo: Demo, verify: Runner) -> None:
    assert demo.second["submission"] != demo.first["submission"]
    assert demo.second["contract"] == demo.first["contract"]
    bundle = json.loads(Path(demo.second["evidence"][0]).read_bytes())
    statement = next(item for item in bundle["items"] if item["type"] == "statement")
    assert statement["message"]["previous"] == demo.first["submission"]
    assert statement["message"]["sequence"] == 2
    done = verify(demo.second["evidence"][0], "--trust", demo.second["trust"])
    assert done.code == 0, done.stdout


@pytest.mark.parametrize("role", ROLES)
def test_openssl_accepts_each_seal(exported: Path, role: str) -> None:
    done = openssl(
        *("cms", "-verify", "-inform", "DER", "-in", exported / f"seal-{role}.p7s"),
        *("-content", exported / "payload.bin", "-binary", "-CAfile", exported / "trust.pem"),
        *("-purpose", "any", "-out", "/dev/null"),
    )
    assert done.returncode == 0, done.stderr.decode()
    subject = openssl("x509", "-in", exported / f"cert-{role}.pem", "-noout", "-subject", "-nameopt", "utf8")
    assert subject.returncode == 0


def test_openssl_refuses_a_seal_over_another_payload(exported: Path, tmp_path: Path) -> None:
    other = bytearray((exported / "payload.bin").read_bytes())
    other[40] ^= 1
    (tmp_path / "other.bin").write_bytes(other)
    done = openssl(
        *("cms", "-verify", "-inform", "DER", "-in", exported / "seal-owner.p7s"),
        *("-content", tmp_path / "other.bin", "-binary", "-CAfile", exported / "trust.pem", "-purpose", "any"),
        *("-out", "/dev/null"),
    )
    assert done.returncode != 0


def test_a_wallet_encodes_the_statement_to_the_sealed_payload(exported: Path) -> None:
    document = json.loads((exported / "statement.json").read_bytes())
    message = encode_typed_data(full_message=document)
    payload = b"\x19" + message.version + message.header + message.body
    assert payload == (exported / "payload.bin").read_bytes()
    assert len(payload) == 66


def _root(entry: bytes, proof: dict[str, Any]) -> bytes:
    """RFC 9162 section 2.1.3.2, written down here once more."""
    node = hashlib.sha256(b"\x00" + entry).digest()
    index, last = proof["leaf_index"], proof["tree_size"] - 1
    for step in proof["path"]:
        sibling = bytes.fromhex(step.removeprefix("0x"))
        if index & 1 or index == last:
            node = hashlib.sha256(b"\x01" + sibling + node).digest()
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\x01" + node + sibling).digest()
        index, last = index >> 1, last >> 1
    assert last == 0
    return node


def test_proof_leads_to_the_documents_root(exported: Path, demo: Demo) -> None:
    proof = json.loads((exported / "proof.json").read_bytes())
    root = _root((exported / "entry.json").read_bytes(), proof)
    statement = json.loads((exported / "statement.json").read_bytes())
    assert "0x" + root.hex() == proof["root"] == demo.first["documents_root"] == statement["message"]["documentsRoot"]


def test_verifier_passes_with_the_document_itself(demo: Demo, verify: Runner) -> None:
    bundle = Path(demo.first["evidence"][0])
    entry = next(item for item in json.loads(bundle.read_bytes())["items"] if item["type"] == "entry")["entry"]
    document = demo.home / "sample" / entry["path"]
    done = verify(bundle, "--trust", demo.first["trust"], "--file", document, "--json")
    assert done.code == 0, done.stdout
    assert done.json["verdict"] == "PASSED"
    assert done.json["anchor_level"] == "attested"
    assert [party["verdict"] for party in done.json["parties"]] == ["PASSED"] * 5


def test_verifier_fails_a_changed_document(demo: Demo, verify: Runner, tmp_path: Path) -> None:
    (tmp_path / "other.pdf").write_bytes(b"another")
    done = verify(demo.first["evidence"][0], "--trust", demo.first["trust"], "--file", tmp_path / "other.pdf")
    assert done.code == 1


def test_verifier_fails_a_changed_bundle(demo: Demo, verify: Runner, tmp_path: Path) -> None:
    text = Path(demo.first["evidence"][0]).read_text("utf-8")
    changed = tmp_path / "changed.json"
    size = json.loads(text)["items"][0]["entry"]["size"]
    changed.write_text(text.replace(f'"size":{size},', f'"size":{size + 1},'), "utf-8")
    assert verify(changed, "--trust", demo.first["trust"]).code == 1


def test_verifier_could_not_check_without_a_trust_file(demo: Demo, verify: Runner, tmp_path: Path) -> None:
    assert verify(demo.first["evidence"][0]).code == 2
    assert verify(demo.first["evidence"][0], "--trust", tmp_path / "none.json").code == 2


def test_verifier_could_not_check_without_a_node(demo: Demo, verify: Runner) -> None:
    dead = "http://127.0.0.1:9"
    done = verify(demo.first["evidence"][0], "--trust", demo.first["trust"], "--rpc", dead)
    assert done.code == 2


def test_verifier_says_usage(verify: Runner) -> None:
    assert verify("--no-such-option").code == 3


def test_reuse_makes_no_new_handover(demo: Demo, yunshang: Runner) -> None:
    done = yunshang("demo", "--home", demo.home, "--no-serve", "--reuse", "--json")
    assert done.code == 0, done.stderr
    assert done.last_json["submission"] == demo.second["submission"]
    assert done.last_json["evidence"] == demo.second["evidence"]


def test_real_files_of_others(shared_data: Path, yunshang: Runner, verify: Runner, tmp_path: Path) -> None:
    done = yunshang("demo", "--home", tmp_path / "home", "--source", shared_data, "--no-serve", "--json")
    assert done.code == 0, done.stderr
    result = done.last_json
    files = [path for path in shared_data.rglob("*") if path.is_file()]
    assert result["documents"] == len(files)
    assert result["bytes"] == sum(path.stat().st_size for path in files)
    assert verify(result["evidence"][-1], "--trust", result["trust"]).code == 0


@pytest.mark.parametrize("content", ["empty", "link", "gbk"])
def test_bad_source_leaves_nothing_behind(yunshang: Runner, tmp_path: Path, content: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    if content == "link":
        (source / "a.txt").write_text("a")
        (source / "b.txt").symlink_to(source / "a.txt")
    elif content == "gbk":
        (source / "施工.txt".encode("gbk").decode("utf-8", "surrogateescape")).write_text("a")
    done = yunshang("demo", "--home", tmp_path / "home", "--source", source, "--no-serve", "--json")
    assert done.code == 1
    problems = {"empty": "empty_folder", "link": "symbolic_link", "gbk": "not_utf8"}
    assert done.json["error"]["problems"][0]["problem"] == problems[content]
    assert not (tmp_path / "home").exists()
