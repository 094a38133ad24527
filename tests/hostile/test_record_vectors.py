"""Every bundle of the vectors of record evidence gives its verdict, by the library and by the command."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ledger.cli import main
from ledger.cli.seals import CadesSeals
from ledger.cli.verify import event_namer
from ledger.fields import utc_time
from ledger.record_verify import verify_record
from ledger.trust import TrustFile

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "tests/vectors/records"
VECTORS = json.loads((FOLDER / "cases.json").read_text(encoding="utf-8"))
TRUST = TrustFile.parse((FOLDER / "trust.json").read_bytes())
BUNDLE, TRUST_PATH = str(FOLDER / "bundle.json"), str(FOLDER / "trust.json")


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_case(case: dict[str, str | None]) -> None:
    now = utc_time(VECTORS["as_of"], "as_of")
    report = verify_record(
        base64.b64decode(case["bundle"] or ""), TRUST, seal_checker=CadesSeals(), now=now, name_event=event_namer()
    )
    step = report.decisive
    met = (report.outcome.value, step and step.name, step and step.finding.reason)
    assert met == (case["verdict"], case["step"], case["reason"])


def test_vectors_are_what_their_generator_makes() -> None:
    script = REPOSITORY / "scripts/vectors_records.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_command_passes(capsys: pytest.CaptureFixture[str]) -> None:
    code, report = run_json(capsys, BUNDLE, "--trust", TRUST_PATH)
    assert (code, report["verdict"], report["anchor_level"], report["proven_by"]) == (
        0,
        "PASSED",
        "attested",
        "witnesses",
    )
    assert [step["number"] for step in report["steps"]] == list(range(1, 9))
    assert report["parties"] == []


def test_the_command_fails(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    changed = tmp_path / "bundle.json"
    changed.write_bytes(Path(BUNDLE).read_bytes().replace(b'"quantity":13.5', b'"quantity":14.5'))
    code, report = run_json(capsys, str(changed), "--trust", TRUST_PATH)
    assert (code, report["verdict"]) == (1, "FAILED")
    assert [step["reason"] for step in report["steps"] if step["verdict"] == "FAILED"] == [
        "records_root",
        "entry_differs",
        "event_differs",
    ]


def test_the_command_cannot_check_without_node_and_witnesses(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    trust = json.loads(Path(TRUST_PATH).read_bytes())
    for name in ("witnesses", "witness_quorum"):
        del trust["logs"][0][name]
    path = tmp_path / "trust.json"
    path.write_text(json.dumps(trust))
    code, report = run_json(capsys, BUNDLE, "--trust", str(path))
    assert (code, report["verdict"]) == (2, "INDETERMINATE")
    assert run_json(capsys, BUNDLE, "--trust", TRUST_PATH, "--require-anchor", "observed")[0] == 2
    assert run_json(capsys, BUNDLE, "--trust", TRUST_PATH, "--file", BUNDLE)[0] == 2
    assert run_json(capsys, BUNDLE)[0] == 2


def test_the_command_speaks_chinese_first_and_english_second(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([BUNDLE, "--trust", TRUST_PATH]) == 0
    text = capsys.readouterr().out
    assert text.index("结论：通过") < text.index("verdict: PASSED")
    for word in ("日志条目", "事件哈希", "见证方", "ObjectEvent", "witness.example/w1", "supply"):
        assert word in text
    assert "五方签章" not in text
