"""Configuration of engines that CI does not run: at least it says what it should."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import rlp

from ledger.chain_proof.qbft import QbftExtraData
from scripts.network.besu import EXAMPLE_VALIDATORS, qbft_extra_data, qbft_genesis

ROOT = Path(__file__).resolve().parents[2]
BESU = ROOT / "deploy" / "besu"


def test_the_qbft_genesis_names_its_four_validators() -> None:
    genesis = json.loads((BESU / "genesis.json").read_bytes())
    vanity, validators, vote, round_number, seals = rlp.decode(bytes.fromhex(genesis["extraData"][2:]))
    assert len(vanity) == 32
    assert validators == [bytes.fromhex(address[2:]) for address in EXAMPLE_VALIDATORS]
    assert validators == sorted(validators)
    assert (vote, round_number, seals) == ([], b"", [])
    # And by the decoder that judges proofs of such a network.
    assert list(QbftExtraData.parse(bytes.fromhex(genesis["extraData"][2:])).validators) == validators


def test_the_qbft_genesis_has_the_precompile_and_no_fee() -> None:
    config = json.loads((BESU / "genesis.json").read_bytes())["config"]
    assert config["osakaTime"] == 0
    assert config["zeroBaseFee"] is True
    assert config["qbft"]["blockperiodseconds"] == 1


def test_the_qbft_genesis_is_what_the_script_makes() -> None:
    check = [sys.executable, "-m", "scripts.network.besu", "--check"]
    assert subprocess.run(check, check=False, cwd=ROOT).returncode == 0


def test_another_network_has_other_validators(tmp_path: Path) -> None:
    own = [f"0x{number:040x}" for number in (9, 7, 11, 8, 10)]
    made = rlp.decode(bytes.fromhex(str(qbft_genesis(7, own)["extraData"])[2:]))
    assert made[1] == [number.to_bytes(20, "big") for number in (7, 8, 9, 10, 11)]
    for bad in (own[:3], [own[0]] * 4, [*own[:3], "0x01"], [*own[:3], "validator"]):
        with pytest.raises(ValueError):
            qbft_extra_data(bad)


def test_besus_node_lets_in_who_is_listed_and_takes_no_fee() -> None:
    node = tomllib.loads((BESU / "config.toml").read_text("utf-8"))
    assert node["min-gas-price"] == 0
    assert node["rpc-http-host"] == "127.0.0.1"
    assert not node["discovery-enabled"]
    assert node["permissions-nodes-config-file-enabled"]
    assert node["permissions-accounts-config-file-enabled"]
    assert not set(node["rpc-http-api"]) & {"ADMIN", "DEBUG", "MINER", "PERM", "QBFT", "EEA", "PRIV"}
    permissions = tomllib.loads((BESU / "permissions.toml").read_text("utf-8"))
    assert len(permissions["nodes-allowlist"]) == 4
    assert len(permissions["accounts-allowlist"]) == 1
