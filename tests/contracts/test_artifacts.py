"""The committed artifacts are those of the sources."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from chain_harness import PROJECT
from eth_utils.abi import abi_to_signature

from contracts import artifact
from ledger.adapters.solc import CONTRACTS, compile_contracts, documentation
from ledger.errors import MalformedError


def test_recompiling_elsewhere_gives_the_same_bytes(tmp_path: Path) -> None:
    # Elsewhere: no machine's path may reach the bytecode.
    project = tmp_path / "another place"
    shutil.copytree(PROJECT / "contracts", project / "contracts")
    (project / "node_modules").symlink_to(PROJECT / "node_modules")
    compiled = compile_contracts(project)
    assert sorted(compiled) == sorted(CONTRACTS)
    for name, contract in compiled.items():
        assert contract.to_json() == artifact(name), f"{name}: run scripts/compile_contracts.py"


def test_there_is_an_artifact_for_every_contract_and_no_other() -> None:
    found = sorted(path.stem for path in (PROJECT / "contracts" / "artifacts").glob("*.json"))
    assert found == sorted(CONTRACTS)


def test_runtime_code_fits_into_a_block_and_names_no_path() -> None:
    for name in CONTRACTS:
        code = bytes.fromhex(artifact(name)["deployedBytecode"][2:])
        assert 0 < len(code) <= 24_576  # EIP-170
        assert str(PROJECT).encode() not in code


def test_compiler_messages_are_errors(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "contracts", tmp_path / "contracts")
    (tmp_path / "node_modules").symlink_to(PROJECT / "node_modules")
    library = tmp_path / "contracts" / "libraries" / "Cid.sol"
    library.write_text(library.read_text().replace("// SPDX-License-Identifier: UNLICENSED\n", ""))
    with pytest.raises(MalformedError, match="SPDX"):
        compile_contracts(tmp_path)


def test_hardhat_has_the_same_settings() -> None:
    text = (PROJECT / "hardhat.config.js").read_text()
    for setting in ('evmVersion: "paris"', "runs: 10_000", "viaIR: true", 'bytecodeHash: "none"'):
        assert setting in text
    assert json.loads((PROJECT / "node_modules/solc/package.json").read_text())["version"] == "0.8.37"


def test_every_function_event_and_error_says_what_it_is_for() -> None:
    described = {"function": "methods", "event": "events", "error": "errors"}
    for name, found in documentation(PROJECT).items():
        assert found["devdoc"]["title"], name
        for item in found["abi"]:
            if (kind := described.get(item["type"])) is None:
                continue
            signature = abi_to_signature(item)
            # OpenZeppelin's own have @dev only, and DEFAULT_ADMIN_ROLE has nothing.
            documents = (found["userdoc"].get(kind, {}).get(signature), found["devdoc"].get(kind, {}).get(signature))
            assert any(documents) or signature == "DEFAULT_ADMIN_ROLE()", f"{name}.{signature}"


def test_every_change_of_state_has_an_event() -> None:
    owned = {
        "addSuite": "SuiteAdded",
        "preferSuite": "SuitePreferred",
        "joinSuite": "SuiteJoined",
        "register": "KeyRegistered",
        "registerCertificate": "CertificateRegistered",
        "revokeCertificate": "CertificateStopped",
        "revokeByCrl": "CertificateRevoked",
        "addAuthority": "AuthorityAdded",
        "addIntermediate": "AuthorityAdded",
        "retireAuthority": "AuthorityRetired",
        "registerBuilding": "BuildingRegistered",
        "addAlias": "BuildingAliasAdded",
        "registerUnitProject": "UnitProjectRegistered",
        "setRoster": "RosterSet",
        "submit": "SubmissionAnchored",
        "accept": "SubmissionAccepted",
        "returnToParties": "SubmissionReturned",
        "withdraw": "SubmissionWithdrawn",
        "append": "CheckpointAppended",
        # OpenZeppelin's.
        "grantRole": "RoleGranted",
        "revokeRole": "RoleRevoked",
        "renounceRole": "RoleRevoked",
    }
    for name in CONTRACTS:
        abi = artifact(name)["abi"]
        events = {item["name"] for item in abi if item["type"] == "event"}
        for item in abi:
            if item["type"] == "function" and item["stateMutability"] not in {"view", "pure"}:
                assert owned[str(item["name"])] in events, f"{name}.{item['name']}"
