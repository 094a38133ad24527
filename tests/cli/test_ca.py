"""`yunshang init` and `yunshang ca …`."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from .process import Runner, openssl

CODE, NAME = "91440101MA5Y3K7TXY", "广州云溪置业有限公司"


def test_init_makes_a_private_home_once(yunshang: Runner, tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = yunshang("init", "--home", home, "--json")
    assert done.code == 0, done.stderr
    config = json.loads((home / "config.json").read_bytes())
    assert config["chain_id"] == done.json["chain_id"] != 31337
    for name in ("config.json", "server/relay.key", "ca/root.p12", "keys/passphrase"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
    again = yunshang("init", "--home", home, "--json")
    assert (again.code, again.json["error"]["code"]) == (1, "home_exists")
    assert json.loads((home / "config.json").read_bytes()) == config


def test_init_draws_another_chain_each_time(yunshang: Runner, tmp_path: Path) -> None:
    chains = {yunshang("init", "--home", tmp_path / name, "--json").json["chain_id"] for name in "ab"}
    assert len(chains) == 2


def test_init_refuses_a_wrong_check_digit_and_makes_nothing(yunshang: Runner, tmp_path: Path) -> None:
    done = yunshang("init", "--home", tmp_path / "home", "--archive-code", CODE[:-1] + "0", "--json")
    assert (done.code, done.json["error"]["code"]) == (1, "check_digit")
    assert not (tmp_path / "home").exists()


def test_issues_certificates_that_openssl_accepts(yunshang: Runner, tmp_path: Path) -> None:
    assert yunshang("ca", "init", "--home", tmp_path).code == 0
    done = yunshang("ca", "issue", CODE, NAME, "--home", tmp_path, "--json")
    assert done.code == 0, done.stderr
    checked = openssl("verify", "-CAfile", tmp_path / "ca" / "root.pem", done.json["certificate"])
    assert checked.returncode == 0, checked.stderr
    key = openssl("pkcs12", "-in", done.json["key"], "-passin", f"file:{tmp_path}/keys/passphrase", "-nodes")
    assert b"PRIVATE KEY" in key.stdout
    listed = yunshang("ca", "list", "--home", tmp_path, "--json").json["items"]
    assert [item["certificate_id"] for item in listed] == [done.json["certificate_id"]]


def test_never_replaces_a_key_unasked(yunshang: Runner, tmp_path: Path) -> None:
    yunshang("ca", "init", "--home", tmp_path)
    first = yunshang("ca", "issue", CODE, NAME, "--home", tmp_path, "--json").json
    content = Path(first["key"]).read_bytes()
    again = yunshang("ca", "issue", CODE, NAME, "--home", tmp_path, "--json")
    assert (again.code, again.json["error"]["code"]) == (1, "key_exists")
    assert Path(first["key"]).read_bytes() == content


def test_issuing_needs_a_ca(yunshang: Runner, tmp_path: Path) -> None:
    done = yunshang("ca", "issue", CODE, NAME, "--home", tmp_path, "--json")
    assert (done.code, done.json["error"]["code"]) == (1, "no_ca")
