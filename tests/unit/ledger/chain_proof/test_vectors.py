"""The vectors of anchor proofs are as made, and the verifier says of each what it must."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.cli.seals import CadesSeals
from ledger.report import AnchorLevel
from ledger.trust import TrustFile
from ledger.verify import verify_bundle

PROJECT = Path(__file__).parents[4]
VECTORS = PROJECT / "tests" / "vectors" / "proofs"
CASES: dict[str, Any] = json.loads((VECTORS / "cases.json").read_text("utf-8"))


def test_vectors_are_what_their_generator_makes() -> None:
    command = [sys.executable, str(PROJECT / "scripts" / "vectors_proofs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["name"])
def test_the_verifier_says_what_the_vector_says(case: dict[str, Any]) -> None:
    trust = TrustFile.parse((VECTORS / f"trust-{case['consensus']}.json").read_bytes())
    report = verify_bundle(
        base64.b64decode(case["bundle"]),
        trust,
        seal_checker=CadesSeals(),
        now=datetime.fromisoformat(CASES["as_of"]),
        required_level=AnchorLevel.PROVED,
    )
    assert (report.outcome.value, report.steps[4].finding.reason) == (case["verdict"], case["reason"])
    assert (report.level is AnchorLevel.PROVED) == (case["verdict"] == "PASSED")
