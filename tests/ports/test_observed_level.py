"""Evidence verified through one's own node: real certificates, real contracts, the real command."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from chain_engines import Engine
from chain_parties import revocation_list
from cryptography.x509 import ReasonFlags
from recorded_handover import CID, Recorded, now, record_handover

from ledger.evidence import EvidenceBundle
from ledger.ports.calls import (
    FillNonce,
    ReturnToParties,
    RevokeByCrl,
    RevokeCertificate,
)
from ledger.statement import Return
from ledger.trust import TrustFile
from scripts.sample_evidence import party_seal
from signing.certificates import parse_certificate


@pytest.fixture
def recorded(engine: Engine, tmp_path: Path) -> Recorded:
    """A recorded handover."""
    return record_handover(engine, tmp_path)


def step(report: dict[str, Any], name: str) -> tuple[str, str]:
    found = next(item for item in report["steps"] if item["name"] == name)
    return found["verdict"], found["reason"]


def without_archive(bundle: EvidenceBundle) -> EvidenceBundle:
    used = {seal.certificate_id: bundle.certificate_of(seal) for seal in bundle.seals}
    return replace(bundle, acceptance=None, anchor=None, certificates=dict(sorted(used.items())))


def test_observed_before_and_after_acceptance(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = recorded.verify(capsys, recorded.bundle)
    assert (code, report["anchor_level"]) == (0, "observed")
    assert step(report, "decision") == ("PASSED", "undecided")
    bundle = recorded.accepted()
    code, report = recorded.verify(capsys, bundle)
    assert (code, step(report, "decision")) == (0, ("PASSED", "accepted"))
    code, report = recorded.verify(capsys, recorded.bundle)
    assert (code, step(report, "decision")) == (0, ("PASSED", "accepted_on_chain"))
    code, report = recorded.verify(capsys, without_archive(bundle))  # the node alone is enough
    assert (code, report["anchor_level"]) == (0, "observed")


def test_returned_is_not_a_pass(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    digest, submission = hashlib.sha256(b"reasons").digest(), recorded.bundle.submission_id
    seal = party_seal(Return(submission, digest).payload(recorded.bundle.domain), recorded.archive, now(), None)
    recorded.engine.do(ReturnToParties(submission, digest, reasons_cid=CID, seal=seal))
    code, report = recorded.verify(capsys, recorded.bundle)
    assert (code, step(report, "decision")) == (1, ("FAILED", "returned"))
    assert step(report, "parties")[0] == step(report, "anchor")[0] == "PASSED"


def test_a_compromise_that_reaches_the_block_is_indeterminate(
    recorded: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    owner, surveyor = (parse_certificate(recorded.bundle.certificate_of(seal)) for seal in recorded.bundle.seals[:2])
    designer = recorded.bundle.seals[2].certificate_id
    early, anchored = now() - timedelta(hours=2), recorded.engine.chain.head().timestamp
    while (later := recorded.engine.chain.head().timestamp) <= anchored:  # nodes may give two blocks one second
        recorded.engine.do(FillNonce())
    crl = revocation_list(
        recorded.authority,
        recorded.authority_key,
        (owner, ReasonFlags.key_compromise, early),
        (surveyor, ReasonFlags.superseded, early),
        at=datetime.fromtimestamp(later, UTC),
    )
    recorded.engine.do(
        RevokeByCrl(crl, owner.certificate_id),
        RevokeByCrl(crl, surveyor.certificate_id),
        RevokeCertificate(designer, 1),
    )
    code, report = recorded.verify(capsys, recorded.bundle)
    assert code == 2
    assert [party["verdict"] for party in report["parties"]] == ["INDETERMINATE"] + ["PASSED"] * 4
    assert report["parties"][0]["reason"] == "revoked_on_chain"


def test_other_contract_code_or_genesis_could_not_check(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    path = recorded.folder / "trust.json"
    trust = TrustFile.parse(path.read_bytes())
    pin = trust.contracts["seal_registry"]
    other = dict(trust.contracts) | {"seal_registry": replace(pin, code_keccak256=bytes(32))}
    for changed in (replace(trust, contracts=other), replace(trust, genesis_hash=bytes(32))):
        path.write_bytes(changed.to_bytes())
        code, report = recorded.verify(capsys, recorded.bundle)
        assert (code, step(report, "anchor")) == (2, ("INDETERMINATE", "wrong_chain"))


def test_a_submission_that_was_never_sent_could_not_check(
    recorded: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = without_archive(recorded.bundle)
    statement = replace(bundle.statement, seal_by=bundle.statement.seal_by + 1)
    code, report = recorded.verify(capsys, replace(bundle, statement=statement))
    assert code == 1  # the seals are over another statement
    assert step(report, "anchor") == ("INDETERMINATE", "not_recorded")
