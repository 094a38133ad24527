"""The development authority as a process, asked by openssl as anybody would."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
CODE, NAME = "91440101MA5Y3K7TXY", "广州云溪置业有限公司"


def yunshang(*arguments: object) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "archive_api.cli", *map(str, arguments), "--json"],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def openssl(*arguments: object) -> str:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def fetch(url: str, body: bytes | None = None) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=30) as answer:
        return bytes(answer.read())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    yunshang("ca", "init", "--home", tmp_path)
    yunshang("ca", "issue", CODE, NAME, "--home", tmp_path)
    return tmp_path


@pytest.fixture
def service(home: Path) -> Iterator[dict[str, str]]:
    command = [
        sys.executable,
        "-m",
        "archive_api.cli",
        "authority",
        "serve",
        "--home",
        str(home),
        "--port",
        "0",
        "--json",
    ]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY, env=environment) as process:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], 60)
        assert ready
        yield json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_openssl_sees_a_revocation_at_once_and_verifies_a_timestamp(
    home: Path, service: dict[str, str], tmp_path: Path
) -> None:
    root, leaf = home / "ca" / "root.pem", home / "keys" / f"{CODE}.pem"
    text = openssl("x509", "-in", leaf, "-noout", "-text")
    assert "CRL Distribution Points" in text
    assert "OCSP - URI:http://127.0.0.1:" in text
    ask = ("ocsp", "-issuer", root, "-cert", leaf, "-CAfile", root, "-url", service["ocsp"])
    answer = openssl(*ask)
    assert "Response verify OK" in answer
    assert "good" in answer
    done = yunshang(
        *("ca", "revoke", leaf, "--reason", "key_compromise", "--invalidity-time", "2026-11-01T00:00:00Z"),
        *("--only-ca", "--home", home),
    )
    assert done["ca"] is True
    answer = openssl(*ask)
    assert "revoked" in answer
    assert "keyCompromise" in answer
    (tmp_path / "x.crl").write_bytes(fetch(service["crl"]))
    listed = openssl("crl", "-inform", "DER", "-in", tmp_path / "x.crl", "-CAfile", root, "-text", "-noout")
    assert "Nov  1 00:00:00 2026" in listed

    (tmp_path / "data").write_bytes(b"five signatures")
    openssl("ts", "-query", "-data", tmp_path / "data", "-sha256", "-cert", "-out", tmp_path / "query")
    (tmp_path / "answer").write_bytes(fetch(service["timestamps"], (tmp_path / "query").read_bytes()))
    verify = ("ts", "-verify", "-in", tmp_path / "answer", "-queryfile", tmp_path / "query", "-CAfile", root)
    assert "Verification: OK" in openssl(*verify)


def test_garbage_and_too_much_are_answered_without_harm(service: dict[str, str]) -> None:
    assert fetch(service["ocsp"], b"garbage") == bytes.fromhex("30030a0101")
    assert fetch(f"{service['ocsp']}/%25%25") == bytes.fromhex("30030a0101")
    assert fetch(service["timestamps"], b"garbage")[:1] == b"\x30"
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(service["timestamps"], bytes(20_000))
    caught.value.close()  # it holds the connection
    assert caught.value.code == 413
