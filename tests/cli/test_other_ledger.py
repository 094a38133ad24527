"""Whoever seals names the ledger by the own trust file: no answer of an archive can have a seal made for another."""

from __future__ import annotations

import copy
import datetime
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archive_api.cli import archivist, chain, keys, sealing
from archive_api.cli.app import main
from archive_api.cli.failures import CommandError
from archive_api.cli.review import require_open, stated
from ledger.adapters import evm
from ledger.errors import MismatchError
from ledger.ports.chain import ChainIdentity, ContractIdentity
from ledger.statement import typed_data
from scripts.sample_evidence import Handover, key_store, trust_file

HANDOVER = Handover()
TRUST = trust_file()
TRUST_PATH = Path(__file__).resolve().parents[1] / "vectors/evidence/trust.json"
REF = "0x" + "5f" * 32


class Archive:
    """Answers with one statement, and takes nothing."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def statement(self, _ref: str) -> dict[str, Any]:
        return self.document


def document(**domain: object) -> dict[str, Any]:
    found = copy.deepcopy(typed_data(TRUST.domain, HANDOVER.statement()))
    found["domain"].update(domain)
    return {"statement": found}


def test_takes_the_own_ledger() -> None:
    assert stated(document(), TRUST.domain) == HANDOVER.statement()


@pytest.mark.parametrize("domain", [{"chainId": 1}, {"verifyingContract": "0x" + "11" * 20}])
@pytest.mark.parametrize("command", ["seal", "decline", "withdraw", "accept", "return"])
def test_every_sealing_command_refuses_another_ledger(
    command: str, domain: dict[str, object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(keys, "Pkcs12KeyStore", lambda *_arguments: key_store("archive"))
    monkeypatch.setattr(keys, "read_passphrase", lambda _file: "x")
    for module in (sealing, archivist):
        monkeypatch.setattr(module, "connect", lambda *_arguments: Archive(document(**domain)))
    words = {
        "seal": ["submission", "seal", REF, "--role", "owner"],
        "decline": ["submission", "decline", REF, "--role", "owner", "--reason", "缺页"],
        "withdraw": ["submission", "withdraw", REF, "--role", "owner", "--reason", "缺页"],
        "accept": ["accept", REF, "--accession-number", "2026-1"],
        "return": ["return", REF, "--reason", "*:缺页"],
    }[command]
    assert main([*words, "--key", "key.p12", "--trust", str(TRUST_PATH), "--json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "ledger_domain"
    assert next(iter(domain)) in error["en"]


def test_refuses_to_seal_after_the_deadline() -> None:
    now = int(datetime.datetime.now(datetime.UTC).timestamp())
    require_open(replace(HANDOVER.statement(), seal_by=now + 60))
    with pytest.raises(CommandError) as caught:
        require_open(replace(HANDOVER.statement(), seal_by=now))
    assert caught.value.code == "seal_by_passed"


IDENTITY = ChainIdentity(
    TRUST.chain_id,
    TRUST.genesis_hash,
    contracts={name: ContractIdentity(pin.address, pin.code_keccak256) for name, pin in TRUST.contracts.items()},
)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"chain_id": 1}, "chain_id"),
        ({"genesis_hash": bytes(32)}, "genesis_hash"),
        (
            {"contracts": {name: ContractIdentity(pin.address, bytes(32)) for name, pin in TRUST.contracts.items()}},
            "archive_ledger",
        ),
    ],
)
def test_the_archive_attests_no_other_chain(
    changes: dict[str, Any], where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Reader:
        def __init__(self, *_arguments: object, **_more: object) -> None:
            self.found = IDENTITY

        def identity(self) -> ChainIdentity:
            return self.found

    monkeypatch.setattr(evm, "EvmLedgerReader", Reader)
    assert chain.open_reader(tmp_path, "http://127.0.0.1:9", TRUST)
    monkeypatch.setattr(Reader, "identity", lambda _self: replace(IDENTITY, **changes))
    with pytest.raises(MismatchError) as caught:
        chain.open_reader(tmp_path, "http://127.0.0.1:9", TRUST)
    assert caught.value.code == "other_chain"
    assert str(caught.value.where) == where
