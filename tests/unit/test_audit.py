"""`make audit`: what was not looked up is never passed over."""

from __future__ import annotations

import datetime
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
TODAY = datetime.date(2026, 12, 1)


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit_script", ROOT / "scripts" / "audit.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["audit_script"] = module
    spec.loader.exec_module(module)
    return module


audit = _load()
CLEAN = json.dumps({"dependencies": [{"name": "a", "version": "1", "vulns": []}]})
SKIPPED = json.dumps({"dependencies": [{"name": "a", "skip_reason": "not found"}]})
FOUND = json.dumps(
    {
        "dependencies": [
            {
                "name": "a",
                "version": "1",
                "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2"], "description": ""}],
            }
        ]
    }
)
NPM_CLEAN = json.dumps({"vulnerabilities": {}, "metadata": {"dependencies": {"total": 9}}})
NPM_FOUND = json.dumps(
    {
        "vulnerabilities": {
            "x": {"via": [{"source": 7, "url": "https://example/GHSA-1", "title": "bad", "range": "<2"}]},
            "y": {"via": ["x"]},
        },
        "metadata": {"dependencies": {"total": 9}},
    }
)
NPM_ERROR = json.dumps({"statusCode": 405, "error": {"summary": ""}})


def code(pip: str, npm: str, excuses: tuple[object, ...] = ()) -> int:
    audits = [audit.read_pip_audit(pip), audit.read_npm_audit(npm)]
    return int(audit.judge(audits, excuses, TODAY)[0])


@pytest.mark.parametrize(
    ("pip", "npm", "expected"),
    [
        (CLEAN, NPM_CLEAN, 0),
        (FOUND, NPM_CLEAN, 1),
        (CLEAN, NPM_FOUND, 1),
        (FOUND, NPM_ERROR, 1),
        (SKIPPED, NPM_CLEAN, 2),  # pip-audit itself says "no known vulnerabilities found" here
        (CLEAN, NPM_ERROR, 2),
        ("", NPM_CLEAN, 2),
        (CLEAN, "", 2),
        ('{"dependencies": []}', NPM_CLEAN, 2),
        ("null", "null", 2),
    ],
)
def test_says_what_was_found_and_what_was_not_asked(pip: str, npm: str, expected: int) -> None:
    assert code(pip, npm) == expected


def excuse(until: datetime.date, name: str = "CVE-1", package: str = "a") -> object:
    return audit.Excuse(name, package, "it is never called from here", until)


def test_an_excuse_holds_for_its_package_until_its_day() -> None:
    assert code(FOUND, NPM_CLEAN, (excuse(TODAY),)) == 0
    assert code(FOUND, NPM_CLEAN, (excuse(TODAY, package="b"),)) == 1
    assert code(FOUND, NPM_CLEAN, (excuse(TODAY, name="CVE-2"),)) == 1
    assert code(FOUND, NPM_CLEAN, (excuse(TODAY - datetime.timedelta(1)),)) == 1
    assert code(CLEAN, NPM_FOUND, (excuse(TODAY, name="GHSA-1", package="x"),)) == 0


def test_tells_of_excuses_that_excuse_nothing() -> None:
    _, lines = audit.judge([audit.read_pip_audit(CLEAN)], (excuse(TODAY),), TODAY)
    assert any(line.startswith("unused") for line in lines)


@pytest.mark.parametrize(
    "text",
    [
        '[[ignore]]\nid = "a"\npackage = "b"\nreason = "because"\nuntil = 2027-01-01',
        '[[ignore]]\nid = "a"\npackage = "b"\nreason = "it is never called from here"',
        '[[ignore]]\nid = "a"\npackage = "b"\nreason = "it is never called from here"\nuntil = "2027-01-01"',
        '[[ignore]]\nid = 1\npackage = "b"\nreason = "it is never called from here"\nuntil = 2027-01-01',
        "[[ignore",
    ],
)
def test_refuses_an_excuse_without_reason_or_day(text: str) -> None:
    with pytest.raises(ValueError):
        audit.read_excuses(text)


def test_the_projects_list_can_be_read() -> None:
    audit.read_excuses((ROOT / "docs" / "audit-ignore.toml").read_text("utf-8"))
