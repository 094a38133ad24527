"""The export, judged by openssl, eth_account and RFC 9162's recursive definition."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import rlp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak

from ledger.cli.export import export_evidence, write_files
from ledger.errors import LedgerError, MalformedError, NotFoundError, PolicyError, TransportError
from ledger.evidence import EvidenceBundle
from ledger.merkle import InclusionProof, leaf_hash, verify_inclusion
from ledger.types import ROLES, Role
from scripts.sample_chain import Clique, anchored_in
from scripts.sample_evidence import Handover, authority, trust_file, with_high_s

OPENSSL = shutil.which("openssl") or "openssl"
NAMES = sorted(
    ["payload.bin", "statement.json", "trust.pem", "entry.json", "proof.json"]
    + [f"seal-{role}.p7s" for role in ROLES]
    + [f"cert-{role}.pem" for role in ROLES]
)
BUNDLE = Handover().bundle()


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    path = tmp_path / "trust.json"
    path.write_bytes(trust_file().to_bytes())
    return path


def written(tmp_path: Path, bundle: EvidenceBundle = BUNDLE) -> Path:
    path = tmp_path / "evidence.json"
    path.write_bytes(bundle.to_bytes())
    return path


def test_headers_of_a_proof_hash_to_the_attested_block_and_each_to_the_next(tmp_path: Path, trust: Path) -> None:
    bundle, chain = anchored_in(Handover(), Clique)
    paths = export_evidence(written(tmp_path, bundle), trust, tmp_path / "export")
    blocks = [path.read_bytes() for path in sorted(paths) if path.name.startswith("block-")]
    assert bundle.anchor is not None
    assert keccak(blocks[0]) == bundle.anchor.block_hash
    assert [rlp.decode(block)[0] for block in blocks[1:]] == [keccak(block) for block in blocks[:-1]]
    nodes = [path.read_bytes() for path in sorted(paths) if path.name.startswith("receipt-path-")]
    assert nodes == list(chain.block.path)
    assert keccak(nodes[0]) == rlp.decode(blocks[0])[5]


def test_stock_tools_accept_every_file(tmp_path: Path, trust: Path) -> None:
    folder = tmp_path / "a" / "export"
    paths = export_evidence(written(tmp_path), trust, folder)
    assert [path.name for path in paths] == sorted(path.name for path in folder.iterdir()) == NAMES

    payload = (folder / "payload.bin").read_bytes()
    message = encode_typed_data(full_message=json.loads((folder / "statement.json").read_bytes()))
    assert payload == b"\x19" + message.version + message.header + message.body == BUNDLE.payload

    proof = json.loads((folder / "proof.json").read_bytes())
    assert list(proof) == ["leaf_index", "tree_size", "path", "root"]
    path = tuple(bytes.fromhex(item.removeprefix("0x")) for item in proof["path"])
    leaf = leaf_hash((folder / "entry.json").read_bytes())
    verify_inclusion(
        leaf, InclusionProof(proof["leaf_index"], proof["tree_size"], path), bytes.fromhex(proof["root"][2:])
    )

    assert (
        x509.load_pem_x509_certificate((folder / "trust.pem").read_bytes()).public_bytes(encoding=Encoding.DER)
        == authority().root_certificate
    )
    for role in ROLES:
        done = subprocess.run(
            [OPENSSL, "cms", "-verify", "-inform", "DER", "-in", folder / f"seal-{role}.p7s", "-content",
             folder / "payload.bin", "-binary", "-CAfile", folder / "trust.pem", "-purpose", "any", "-out",
             tmp_path / "out", "-attime", str(BUNDLE.seals[0].unix_time)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "out").read_bytes() == payload
        shown = subprocess.run(
            [OPENSSL, "x509", "-in", folder / f"cert-{role}.pem", "-noout", "-fingerprint", "-sha256"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        expected = BUNDLE.seals[ROLES.index(role)].certificate_id.hex().upper()
        assert shown.stdout.strip().endswith(":".join(expected[i : i + 2] for i in range(0, 64, 2)))


def test_exporting_twice_changes_nothing_and_other_files_stay(tmp_path: Path, trust: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "notes.txt").write_text("kept")
    for _ in range(2):
        export_evidence(written(tmp_path), trust, folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*NAMES, "notes.txt"])
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_refuses_to_overwrite_another_export(tmp_path: Path, trust: Path) -> None:
    folder = tmp_path / "export"
    export_evidence(written(tmp_path), trust, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(PolicyError) as caught:
        export_evidence(written(tmp_path, Handover().bundle(1)), trust, folder)
    assert caught.value.code == "file_exists"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_seal_that_cannot_be_rebuilt_leaves_nothing(tmp_path: Path, trust: Path) -> None:
    bundle = replace(BUNDLE, seals=with_high_s(BUNDLE.seals, Role.SUPERVISOR))
    with pytest.raises(MalformedError) as caught:
        export_evidence(written(tmp_path, bundle), trust, tmp_path / "export")
    assert (caught.value.code, caught.value.where) == ("high_s", "seal-supervisor")
    assert not (tmp_path / "export").exists()


def test_bad_inputs_are_named(tmp_path: Path, trust: Path) -> None:
    bundle = written(tmp_path)
    with pytest.raises(NotFoundError) as caught:
        export_evidence(tmp_path / "none.json", trust, tmp_path / "export")
    assert "none.json" in caught.value.where
    with pytest.raises(NotFoundError):
        export_evidence(bundle, tmp_path / "none.json", tmp_path / "export")
    with pytest.raises(TransportError):
        export_evidence(tmp_path, trust, tmp_path / "export")
    for bad in (b"", b"{}", bundle.read_bytes()[:-1]):
        bundle.write_bytes(bad)
        with pytest.raises(LedgerError):
            export_evidence(bundle, trust, tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_a_disk_that_refuses_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("in the way")
    with pytest.raises(TransportError):
        write_files(target, {"a": b"1"})
    with pytest.raises(TransportError):
        write_files(target / "below", {"a": b"1"})
    with pytest.raises(TransportError):
        write_files(tmp_path / "new", {"a": b"1", "no/such/folder": b"2"})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
