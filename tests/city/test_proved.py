"""Evidence made on a network of four geth validators, and proved without them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ports"))

from chain_engines import Engine, geth_network
from proved_handover import check_head_proved, check_proved, headers, pinned
from recorded_handover import record_handover

from archive_api.cli import main as yunshang
from archive_api.validators import with_genesis_validators
from ledger.trust import TrustFile, ValidatorSet
from scripts.network.geth import Validator


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, list[Validator]]]:
    """Four validators with the ledger's contracts; a block that fewer than three follow may be given up again."""
    with geth_network(tmp_path_factory.mktemp("validators"), count=4, confirmations=3) as made:
        yield made


def check_pinned_by_command(engine: Engine, folder: Path, pins: ValidatorSet) -> None:
    """The command pins the same validators, once."""
    known, out = folder / "plain.json", folder / "pinning.json"
    trust = TrustFile.parse((folder / "trust.json").read_bytes())
    known.write_bytes(replace(trust, validators=()).to_bytes())
    command = ["trust", "validators", "--trust", str(known), "--rpc", engine.rpc_url, "--out", str(out), "--json"]
    assert with_genesis_validators(TrustFile.parse(known.read_bytes()), engine.rpc_url).validators == (pins,)
    assert yunshang(command) == 0
    assert TrustFile.parse(out.read_bytes()).validators == (pins,)
    assert yunshang(command) == 1  # nothing is written over
    assert yunshang([*command[:3], str(out), *command[4:]]) == 1


def test_what_four_validators_sealed_is_proved_offline(
    network: tuple[Engine, list[Validator]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine, validators = network
    pins = pinned(engine)
    assert pins is not None
    assert set(pins.addresses) == {bytes.fromhex(validator.address[2:]) for validator in validators}
    recorded = record_handover(engine, tmp_path)
    proof = check_proved(recorded, pins, capsys)
    assert len(proof.descendants) >= 3
    for header, said in headers(engine):
        assert "0x" + header.keccak256.hex() == said
    check_pinned_by_command(engine, tmp_path, pins)
    check_head_proved(engine, TrustFile.parse((tmp_path / "trust.json").read_bytes()), pins)
