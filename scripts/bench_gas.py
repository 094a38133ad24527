#!/usr/bin/env python3
"""Measure the gas of submissions, next to the Ethereum Attestation Service's on the same chain in the same run.

Usage: bench_gas.py [--json]. Starts anvils of its own on free loopback ports. Gas is a receipt's gasUsed: the 21,000
of a transaction and its calldata included; that of one seal is without them, as the suite is called. EAS stores what it
attests and checks no seal; it is measured with one root (the least), with four commitments, and with all members of the
statement. Submissions run once more on chains of the Paris fork, without the P-256 precompile: by what OpenZeppelin has
in Solidity, and by tables. Exit 1 if a figure is missed.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests" / "contracts")]

from chain_harness import STATEMENTS, ZERO, Anvil, Deployment, Party, deploy, sha256  # noqa: E402
from eth_abi.abi import encode  # noqa: E402

EAS = PROJECT / "node_modules/@ethereum-attestation-service/eas-contracts/artifacts/contracts"
MAX_SUBMISSION_GAS = 250_000
MAX_GAS_PER_DOCUMENT = 300
MAX_SEAL_GAS = 90_000
MAX_REGISTRATION_GAS = 6_000_000
SEALS_MEASURED = 20
MANY_DOCUMENTS = 1_000
TIMESTAMPS_A_CALL = 100


def measure_submissions(chain: Deployment) -> dict[str, int]:
    """Submit to two unit projects and decide; return the gas of each transaction."""
    gas = {}
    for name, documents in (
        ("submit, first, 1 document", 1),
        ("submit, later, 1 document", 1),
        ("submit, later, 1000 documents", MANY_DOCUMENTS),
    ):
        statement = chain.statement(documentCount=documents)
        gas[name] = chain.send(chain.submit_call(statement))["gasUsed"]
        gas.setdefault("resubmit of a recorded one", chain.send(chain.submit_call(statement))["gasUsed"])
    chain.new_unit_project("02")
    statement = chain.statement(documentCount=MANY_DOCUMENTS)
    gas["submit, first, 1000 documents"] = chain.send(chain.submit_call(statement))["gasUsed"]
    accepted = bytes(chain.ledger.functions.head(chain.unit).call())
    gas["accept"] = chain.send(chain.accept_call(accepted, "2026-0001"))["gasUsed"]
    gas["returnToParties"] = chain.send(chain.return_call(chain.submit()))["gasUsed"]
    gas["withdraw"] = chain.send(chain.withdraw_call(chain.statement(), 0))["gasUsed"]
    return gas


def measure_eas(chain: Deployment) -> dict[str, int]:
    """Attest and timestamp with EAS as npm ships it; return the gas of each transaction."""

    def eas(name: str, *arguments: Any) -> Any:
        source = json.loads((EAS / f"{name}.sol" / f"{name}.json").read_text(encoding="utf-8"))
        return deploy(chain.w3, name, *arguments, source=source)

    registry = eas("SchemaRegistry")
    service = eas("EAS", registry.address)
    nobody = "0x" + "00" * 20
    statement = chain.statement(documentCount=MANY_DOCUMENTS)
    members = {name: (kind, statement[name]) for name, kind in STATEMENTS["Submission"]}
    four = ("unitProjectKey", "manifestSha256", "documentsRoot", "documentCount")
    gas = {}
    for label, names in (("one root", four[2:3]), ("four commitments", four), ("whole statement", tuple(members))):
        schema = ",".join(f"{members[name][0]} {name}" for name in names)
        data = encode([members[name][0] for name in names], [members[name][1] for name in names])
        receipt = chain.send(registry.functions.register(schema, nobody, False))
        uid = bytes(receipt["logs"][0]["topics"][1])
        for turn in ("first", "later"):
            request = (uid, (nobody, 0, False, ZERO, data, 0))
            gas[f"EAS attest, {label}, {turn}"] = chain.send(service.functions.attest(request))["gasUsed"]
    hashes = [sha256(b"document %d" % index) for index in range(TIMESTAMPS_A_CALL)]
    gas["EAS multiTimestamp, 100 hashes"] = chain.send(service.functions.multiTimestamp(hashes))["gasUsed"]
    return gas


def measure_seals(chain: Deployment, suite: Any, party: Party) -> int:
    """Have a suite check some seals of a party as the called contract; return the most gas one took."""
    handle = chain.seals.functions.certificate(party.certificate.id).call()[4]
    worst = 0
    for number in range(SEALS_MEASURED):
        payload, time = sha256(b"payload %d" % number), 1_800_000_000 + number
        identifier, _, r, s = party.seal(payload, time)
        call = suite.functions.verifySeal(handle, identifier, payload, time.to_bytes(8, "big"), r + s)
        if not call.call():
            raise RuntimeError("the suite refused a good seal")
        receipt = chain.w3.eth.wait_for_transaction_receipt(call.transact({"from": chain.admin, "gas": 1_000_000}))
        data = bytes(chain.w3.eth.get_transaction(receipt["transactionHash"])["input"])
        outside = 21_000 + sum(16 if byte else 4 for byte in data)
        worst = max(worst, int(receipt["gasUsed"]) - outside)
    return worst


def measure_without_precompile() -> dict[str, int]:
    """Submit on two chains of the Paris fork, one for each suite; return the gas."""
    gas = {}
    for name, p256_tables in (("OpenZeppelin's", False), ("tables", True)):
        with Anvil(hardfork="paris") as node:
            chain = Deployment(node, p256_tables=p256_tables)
            party = chain.authority.issue("91440101MA59A00066", chain.now() - 60, chain.now() + 86_400)
            registered = chain.send(chain.seals.functions.registerCertificate(party.certificate.der))
            gas[f"{name}: register a certificate"] = registered["gasUsed"]
            gas[f"{name}: a seal"] = measure_seals(chain, chain.tables if p256_tables else chain.suite, party)
            for turn in ("first", "later"):
                gas[f"{name}: submit, {turn}"] = chain.send(chain.submit_call(chain.statement()))["gasUsed"]
    return gas


def measure() -> dict[str, Any]:
    """Run everything on one chain each; return gas, ratios and whether the figures are reached."""
    with Anvil() as node:
        chain = Deployment(node)
        gas = measure_submissions(chain) | measure_eas(chain)
        client = node.w3.client_version
    without = measure_without_precompile()
    worst = max(value for name, value in gas.items() if name.startswith("submit"))
    per_document = gas["submit, first, 1000 documents"] / MANY_DOCUMENTS
    per_hash = gas["EAS multiTimestamp, 100 hashes"] / TIMESTAMPS_A_CALL
    return {
        "client": client,
        "gas": gas,
        "gas_without_precompile": without,
        "submission_gas_worst": worst,
        "gas_per_document_at_1000": per_document,
        "eas_gas_per_hash": per_hash,
        "ratio_submit_to_eas_attest": {
            label: worst / gas[f"EAS attest, {label}, first"]
            for label in ("one root", "four commitments", "whole statement")
        },
        "ratio_per_document_to_eas_multi_timestamp": per_document / per_hash,
        "ratio_seal_tables_to_openzeppelin": without["tables: a seal"] / without["OpenZeppelin's: a seal"],
        "reached": worst <= MAX_SUBMISSION_GAS
        and per_document < MAX_GAS_PER_DOCUMENT
        and without["tables: a seal"] <= MAX_SEAL_GAS
        and without["tables: register a certificate"] <= MAX_REGISTRATION_GAS,
    }


def main() -> int:
    """Print the measurements; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON only")
    as_json: bool = parser.parse_args().json
    result = measure()
    if not as_json:
        print(f"{'transaction (' + result['client'] + ')':<44}{'gas':>12}")
        for name, value in result["gas"].items():
            print(f"{name:<44}{value:>12,}")
        print("without the precompile (a seal: at most 90,000; registering: at most 6,000,000)")
        for name, value in result["gas_without_precompile"].items():
            print(f"{name:<44}{value:>12,}")
        print(f"{'worst submission (at most 250,000)':<44}{result['submission_gas_worst']:>12,}")
        print(f"{'gas a document at 1,000 (below 300)':<44}{result['gas_per_document_at_1000']:>12,.1f}")
        for label, ratio in result["ratio_submit_to_eas_attest"].items():
            print(f"{'ratio to EAS attest, ' + label:<44}{ratio:>12.3f}")
        ratio = result["ratio_per_document_to_eas_multi_timestamp"]
        print(f"{'ratio a document to EAS multiTimestamp':<44}{ratio:>12.4f}")
    print(json.dumps(result, ensure_ascii=False))
    return 0 if result["reached"] else 1


if __name__ == "__main__":
    sys.exit(main())
