"""Make the test vectors of anchor proofs in tests/vectors/proofs (docs/formats.md section 15).

Usage: python scripts/vectors_proofs.py [--check]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ledger.cli.seals import CadesSeals
from ledger.evidence import EvidenceBundle
from ledger.fields import base64_text, utc_text
from ledger.report import AnchorLevel
from ledger.trust import Consensus, TrustFile
from ledger.verify import verify_bundle
from scripts.sample_chain import (
    LATER_FIELDS,
    VALIDATORS,
    Block,
    Clique,
    Qbft,
    anchored_in,
    pinning,
    submission_log,
    validator,
    validator_set,
)
from scripts.sample_evidence import NOW, Handover
from scripts.vector_files import write_or_check

DIRECTORY = Path(__file__).resolve().parent.parent / "tests" / "vectors" / "proofs"
HANDOVER = Handover()
TRUSTS = {consensus: pinning(validator_set(consensus)) for consensus in Consensus}
FORKED = ("fork 1", "fork 2", "fork 3", "fork 4")
BLOCK = Block(submission_log(HANDOVER.bundle(anchored=False)))
EVENT_ADDRESS = bytes(20)


@dataclass(frozen=True, slots=True)
class Case:
    """A bundle and what a verifier must say of it at the level `proved`, with the anchor step's reason."""

    name: str
    consensus: Consensus
    bundle: EvidenceBundle
    verdict: str
    reason: str


def in_block(chain: Clique | Qbft, *, block_hash: bytes | None = None, **changes: Any) -> EvidenceBundle:
    """Return evidence whose attestation names a chain's first block, and whose proof is of it."""
    bundle = HANDOVER.bundle(block_hash=block_hash or chain.block_hash)
    return replace(bundle, anchor_proof=chain.proof(**changes))


def clique_cases() -> Iterator[Case]:
    """Cases of Clique."""
    good, block = Clique(BLOCK), BLOCK
    passed = {
        "three_of_four": in_block(good),
        "without_attestation": replace(HANDOVER.bundle(anchored=False), anchor_proof=good.proof()),
        "out_of_turn": in_block(replace(good, sealers={1: good.in_turn(2), 2: good.in_turn(3), 3: good.in_turn(1)})),
        "an_epochs_list": in_block(replace(good, lists={1: VALIDATORS})),
        "later_fields": in_block(Clique(replace(block, later=LATER_FIELDS))),
        "no_base_fee": in_block(Clique(replace(block, later=()))),
        "the_only_transaction": in_block(Clique(replace(block, transactions=1, index=0, place=0))),
        "a_legacy_receipt": in_block(Clique(replace(block, receipt_type=b""))),
    }
    for name, bundle in passed.items():
        yield Case(f"clique_{name}", Consensus.CLIQUE, bundle, "PASSED", "proved_clique")
    other = submission_log(HANDOVER.bundle(anchored=False), address=EVENT_ADDRESS)
    refused: dict[str, tuple[EvidenceBundle, str, str]] = {
        "forked_validators": (in_block(Clique(block, FORKED)), "INDETERMINATE", "validator_unknown"),
        "a_stranger": (in_block(replace(good, sealers={2: "stranger"})), "INDETERMINATE", "validator_unknown"),
        "too_few": (in_block(replace(good, count=2)), "INDETERMINATE", "validator_quorum"),
        "one_validator_for_all": (
            in_block(replace(good, count=6, sealers=dict.fromkeys(range(7), VALIDATORS[0]))),
            "INDETERMINATE", "validators_differ"),
        "a_wrong_difficulty": (in_block(replace(good, difficulties={1: 1})), "INDETERMINATE", "validators_differ"),
        "another_list": (in_block(replace(good, lists={1: VALIDATORS[:3]})), "INDETERMINATE", "validators_differ"),
        "a_gap": (in_block(good, descendants=good.headers[2:]), "FAILED", "proof_refused"),
        "another_receipt": (in_block(good, transaction_index=16), "FAILED", "proof_refused"),
        "another_event": (in_block(good, log_index=0), "FAILED", "proof_event"),
        "another_contract": (in_block(Clique(replace(block, log=other))), "FAILED", "proof_event"),
        "a_failed_transaction": (in_block(Clique(replace(block, status=b""))), "FAILED", "proof_event"),
        "another_block_attested": (in_block(good, block_hash=bytes(32)), "INDETERMINATE", "attestation_outdated"),
        "no_proof": (HANDOVER.bundle(), "INDETERMINATE", "anchor_level"),
    }  # fmt: skip
    for name, (bundle, verdict, reason) in refused.items():
        yield Case(f"clique_{name}", Consensus.CLIQUE, bundle, verdict, reason)


def qbft_cases() -> Iterator[Case]:
    """Cases of QBFT."""
    good = Qbft(BLOCK)
    for name, chain in {
        "three_of_four": good,
        "all_four": replace(good, committers=VALIDATORS),
        "a_later_round": replace(good, round=258),
        "validators_of_a_contract": replace(good, validators=()),
        "later_fields": Qbft(replace(BLOCK, later=LATER_FIELDS)),
    }.items():
        yield Case(f"qbft_{name}", Consensus.QBFT, in_block(chain), "PASSED", "proved_qbft")
    two = VALIDATORS[:2]
    for name, chain, reason in (
        ("forked_validators", Qbft(BLOCK, FORKED, FORKED[:3]), "validators_differ"),
        ("a_stranger", replace(good, committers=(*two, "stranger")), "validator_unknown"),
        ("one_twice", replace(good, committers=(*two, two[0])), "validator_unknown"),
        ("another_round_sealed", replace(good, round=1, sealed_round=0), "validator_unknown"),
        ("too_few", replace(good, committers=two), "validator_quorum"),
    ):
        yield Case(f"qbft_{name}", Consensus.QBFT, in_block(chain), "INDETERMINATE", reason)
    with_others = in_block(good, descendants=Clique(BLOCK).headers[1:])
    yield Case("qbft_with_descendants", Consensus.QBFT, with_others, "FAILED", "proof_refused")
    yield Case("qbft_of_clique", Consensus.QBFT, in_block(Clique(BLOCK, count=0)), "FAILED", "proof_refused")


def said(case: Case) -> tuple[str, str]:
    """Return the verifier's verdict and the anchor step's reason."""
    trust: TrustFile = TRUSTS[case.consensus]
    report = verify_bundle(
        case.bundle.to_bytes(), trust, seal_checker=CadesSeals(), now=NOW, required_level=AnchorLevel.PROVED
    )
    return report.outcome.value, report.steps[4].finding.reason


def documents() -> dict[str, str]:
    """Return the files by name, after letting the verifier confirm what each case says."""
    listed = []
    for case in (*clique_cases(), *qbft_cases()):
        if said(case) != (case.verdict, case.reason):
            raise SystemExit(f"expected {case.name} to give {case.verdict} {case.reason}, got {said(case)}")
        members = {"name": case.name, "consensus": case.consensus.value, "verdict": case.verdict, "reason": case.reason}
        listed.append(members | {"bundle": base64_text(case.bundle.to_bytes())})
    vectors = {
        "format": "yunshang-vectors-proofs/v1",
        "as_of": utc_text(NOW),
        "validator_keys": [validator(label).to_bytes().hex() for label in VALIDATORS],
        "cases": listed,
    }
    bundle, _ = anchored_in(HANDOVER, Clique)
    return {
        "cases.json": json.dumps(vectors, ensure_ascii=False, indent=1) + "\n",
        "bundle.json": bundle.to_bytes().decode("utf-8"),
        **{f"trust-{name.value}.json": trust.to_bytes().decode("utf-8") for name, trust in TRUSTS.items()},
    }


def main() -> int:
    """Write the files, or with --check compare them; returns the exit code."""
    return write_or_check(DIRECTORY, documents(), description=__doc__)


if __name__ == "__main__":
    sys.exit(main())
