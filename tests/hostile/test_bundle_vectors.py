"""Every hostile bundle of the vectors gives its verdict, and the generators still give the vectors."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.cli.seals import CadesSeals
from ledger.fields import utc_time
from ledger.trust import TrustFile
from ledger.verify import verify_bundle

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "tests/vectors/evidence"
VECTORS = json.loads((FOLDER / "cases.json").read_text(encoding="utf-8"))
TRUST = TrustFile.parse((FOLDER / "trust.json").read_bytes())


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_case(case: dict[str, str | None]) -> None:
    bundle = base64.b64decode(case["bundle"] or "")
    now = utc_time(VECTORS["as_of"], "as_of")
    report = verify_bundle(bundle, TRUST, seal_checker=CadesSeals(), now=now)
    step = report.decisive
    met = (report.outcome.value, step and step.name, step and step.finding.reason)
    assert met == (case["verdict"], case["step"], case["reason"])


@pytest.mark.parametrize("name", ["merkle", "statement", "evidence"])
def test_vectors_are_what_their_generator_makes(name: str) -> None:
    script = REPOSITORY / "scripts" / f"vectors_{name}.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
