"""Look the exact versions of the lock files up among known vulnerabilities: pip-audit and npm audit.

Exit codes: 0 every package was looked up and nothing was found; 1 something was found that `docs/audit-ignore.toml`
does not excuse, or an excuse has run out; 2 some could not be looked up, and what could was clean; 3 the list of
excuses is not one. Both tools may end well without having asked anybody: what they say of each package counts, not how
they end.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
IGNORES: Final = ROOT / "docs" / "audit-ignore.toml"
LOCKS: Final = ("requirements.lock", "requirements-native.lock")
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """A known vulnerability of an installed version; `ids` are all the names it goes by."""

    package: str
    version: str
    ids: tuple[str, ...]
    advice: str


@dataclass(frozen=True, slots=True)
class Excuse:
    """Why a vulnerability does not concern this project, and until when that was looked into."""

    id: str
    package: str
    reason: str
    until: datetime.date


@dataclass(slots=True)
class Audit:
    """What one tool found.

    Attributes:
        tool: its name.
        checked: how many packages were looked up.
        findings: what was found.
        unchecked: what could not be looked up, and why.
    """

    tool: str
    checked: int = 0
    findings: list[Finding] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


def read_excuses(text: str) -> tuple[Excuse, ...]:
    """Read the list of excuses.

    Raises:
        ValueError: not TOML, or an entry without id, package, until, or a reason of a sentence.
    """
    excuses = []
    for entry in tomllib.loads(text).get("ignore", []):
        if set(entry) != {"id", "package", "reason", "until"} or type(entry["until"]) is not datetime.date:
            raise ValueError(f"expected id, package, reason and until (a date), got {sorted(entry)}")
        if not all(isinstance(entry[name], str) for name in ("id", "package", "reason")):
            raise ValueError("expected id, package and reason as text")
        if len(entry["reason"].split()) < 5:
            raise ValueError(f"expected a reason in a sentence for {entry['id']}, got {entry['reason']!r}")
        excuses.append(Excuse(entry["id"], entry["package"], entry["reason"], entry["until"]))
    return tuple(excuses)


def read_pip_audit(output: str) -> Audit:
    """Read pip-audit's JSON; a package it skipped was not checked."""
    audit = Audit("pip-audit")
    try:
        packages = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        audit.unchecked.append("pip-audit gave no list of packages")
        return audit
    for package in packages:
        if "skip_reason" in package:
            audit.unchecked.append(f"{package['name']}: {package['skip_reason']}")
            continue
        audit.checked += 1
        for found in package["vulns"]:
            ids = (found["id"], *found.get("aliases", ()))
            fixed = ", ".join(found.get("fix_versions", ())) or "no version yet"
            audit.findings.append(Finding(package["name"], package["version"], ids, f"fixed in {fixed}"))
    return audit


def read_npm_audit(output: str) -> Audit:
    """Read npm audit's JSON; an answer without its counts means that nobody was asked."""
    audit = Audit("npm audit")
    try:
        document = json.loads(output)
        audit.checked = int(document["metadata"]["dependencies"]["total"])
        vulnerable: Mapping[str, Any] = document["vulnerabilities"]
    except (ValueError, KeyError, TypeError):
        audit.unchecked.append("npm audit got no answer from its registry")
        return audit
    for name, entry in vulnerable.items():
        for cause in entry["via"]:
            if isinstance(cause, dict):  # a text is only the way here from another package
                ids = (cause["url"].rpartition("/")[2], str(cause["source"]))
                audit.findings.append(Finding(name, str(cause["range"]), ids, cause["title"]))
    return audit


def judge(audits: Iterable[Audit], excuses: Sequence[Excuse], today: datetime.date) -> tuple[int, list[str]]:
    """The exit code, and what to say.

    Args:
        audits: what the tools found.
        excuses: what is excused.
        today: against which excuses run out.
    """
    lines, found, unchecked, used = [], False, False, set()
    for audit in audits:
        for finding in audit.findings:
            excuse = next((one for one in excuses if one.package == finding.package and one.id in finding.ids), None)
            head = f"{finding.package} {finding.version} {finding.ids[0]}"
            if excuse is None:
                found = True
                lines.append(f"FOUND      {head}: {finding.advice}")
                continue
            used.add(excuse)
            if excuse.until < today:
                found = True
                lines.append(f"FOUND      {head}: its excuse ran out on {excuse.until}: {excuse.reason}")
            else:
                lines.append(f"excused    {head} until {excuse.until}: {excuse.reason}")
        lines.append(f"{audit.tool}: {audit.checked} looked up, {len(audit.unchecked)} not")
        for text in audit.unchecked[:_SHOWN]:
            lines.append(f"NOT ASKED  {text}")
        if len(audit.unchecked) > _SHOWN:
            lines.append(f"NOT ASKED  and {len(audit.unchecked) - _SHOWN} more")
        unchecked = unchecked or bool(audit.unchecked) or not audit.checked
    if not unchecked:
        lines += [f"unused     {one.id} of {one.package}: take it off the list" for one in excuses if one not in used]
    code = 1 if found else 2 if unchecked else 0
    lines.append(
        {
            0: "没有发现已知漏洞 / nothing known was found",
            1: "发现已知漏洞 / known vulnerabilities were found",
            2: "未能全部查询，不能说没有漏洞 / could not look everything up: this is no pass",
        }[code]
    )
    return code, lines


def _run(command: Sequence[str]) -> str:
    path = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=ROOT, timeout=300, env=os.environ | {"PATH": path}
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def main() -> int:
    """Entry; see the module."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    try:
        excuses = read_excuses(IGNORES.read_text("utf-8"))
    except (OSError, ValueError) as error:
        print(f"{IGNORES.name}: {error}", file=sys.stderr)
        return 3
    pip = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "-f", "json"]
    audits = [read_pip_audit(_run([*pip, "--progress-spinner", "off", "-r", lock])) for lock in LOCKS]
    audits.append(read_npm_audit(_run(["npm", "audit", "--json"])))
    code, lines = judge(audits, excuses, datetime.datetime.now(datetime.UTC).date())
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
