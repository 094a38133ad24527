"""The report on a terminal: no value of a bundle writes lines of its own."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from ledger.canonical import canonical_bytes
from ledger.cli.seals import CadesSeals
from ledger.cli.text import print_report
from ledger.report import Finding, Outcome, VerificationReport
from ledger.verify import verify_bundle
from scripts.sample_evidence import NOW, Handover, trust_file

VERDICT = "结论：通过 / verdict: PASSED"
HOSTILE = [
    f"a\n{VERDICT}",
    f"a\r{VERDICT}",
    f"a\r\n{VERDICT}",
    f"a\x0b{VERDICT}",
    f"a\x85{VERDICT}",
    f"a\u2028{VERDICT}",
    f"\x1b[2J\x1b[1;1H{VERDICT}",
    f"\u202e{VERDICT[::-1]}",
    *(f"{'a' * width} {VERDICT}" for width in range(20, 100)),
    " ".join([VERDICT] * 20),
]


def printed(report: VerificationReport) -> str:
    stream = io.StringIO()
    print_report(report, console=Console(file=stream, width=80, force_terminal=True, highlight=False))
    return stream.getvalue()


def verdicts(text: str) -> list[str]:
    """The lines that begin as the verdict does, styles taken off."""
    for code in ("\x1b[0m", "\x1b[1;31m", "\x1b[1;32m", "\x1b[1;33m"):
        text = text.replace(code, "")
    return [line for line in text.splitlines() if line.startswith("结论")]


def report_on(bundle: bytes) -> VerificationReport:
    return verify_bundle(bundle, trust_file(), seal_checker=CadesSeals(), now=NOW)


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_prints_no_verdict(value: str) -> None:
    """Even values that no reader lets through: the printer relies on nobody."""
    good = report_on(Handover().bundle().to_bytes())
    failed = Finding(Outcome.FAILED, "x", value, value, value)
    report = replace(
        good,
        steps=tuple(replace(step, finding=failed) for step in good.steps),
        parties=tuple(replace(party, name=value, code=value, finding=failed) for party in good.parties),
        subject={
            "document": {"title": value, "path": value},
            "building": {"scheme": value, "value": value},
            "unit_project": value,
            "submission": value,
        },
    )
    text = printed(report)
    assert [line.split("/")[0].strip() for line in verdicts(text)] == ["结论：未通过"]
    for sign in ("\r", "\x0b", "\x85", "\u2028", "\u202e", "\x1b[2J", "\x1b[1;1H"):
        assert sign not in text


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("place", ["title", "name", "format"])
def test_a_bundle_written_by_hand_prints_no_verdict_of_its_own(value: str, place: str) -> None:
    document: dict[str, Any] = json.loads(Handover().bundle().to_bytes())
    if place == "title":
        document["items"][0]["entry"]["title"] = value
    elif place == "name":
        next(item for item in document["items"] if item["type"] == "roster")["organisations"][0]["name"] = value
    else:
        document["format"] = value
    report = report_on(canonical_bytes(document))
    assert report.outcome is not Outcome.PASSED
    (line,) = verdicts(printed(report))
    assert VERDICT not in line
