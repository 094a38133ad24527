#!/usr/bin/env python3
"""Measure the gas of submissions, next to the Ethereum Attestation Service's on the same chain in the same run.

Usage: bench_gas.py [--json]. Starts an anvil of its own on a free loopback port. Gas is a receipt's gasUsed: the 21,000
of a transaction and its calldata included. EAS stores what it attests and checks no seal; it is measured with one root
(the least), with four commitments, and with all members of the statement. Exit 1 if a figure is missed.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests" / "contracts")]

from chain_harness import STATEMENTS, ZERO, Anvil, Deployment, deploy, sha256  # noqa: E402
from eth_abi.abi import encode  # noqa: E402

EAS = PROJECT / "node_modules/@ethereum-attestation-service/eas-contracts/artifacts/contracts"
MAX_SUBMISSION_GAS = 250_000
MAX_GAS_PER_DOCUMENT = 300
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


def measure() -> dict[str, Any]:
    """Run everything on one chain; return gas, ratios and whether the figures are reached."""
    with Anvil() as node:
        chain = Deployment(node)
        gas = measure_submissions(chain) | measure_eas(chain)
        client = node.w3.client_version
    worst = max(value for name, value in gas.items() if name.startswith("submit"))
    per_document = gas["submit, first, 1000 documents"] / MANY_DOCUMENTS
    per_hash = gas["EAS multiTimestamp, 100 hashes"] / TIMESTAMPS_A_CALL
    return {
        "client": client,
        "gas": gas,
        "submission_gas_worst": worst,
        "gas_per_document_at_1000": per_document,
        "eas_gas_per_hash": per_hash,
        "ratio_submit_to_eas_attest": {
            label: worst / gas[f"EAS attest, {label}, first"]
            for label in ("one root", "four commitments", "whole statement")
        },
        "ratio_per_document_to_eas_multi_timestamp": per_document / per_hash,
        "reached": worst <= MAX_SUBMISSION_GAS and per_document < MAX_GAS_PER_DOCUMENT,
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
