"""What must not stand in the repository: addresses of downloads, and paths of one machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("archive_api", "contracts", "deploy", "docs", "ledger", "scripts", "signing", "tests")
# Written so that this file is none of those it looks for.
HOSTS = re.compile(r"[p]ypi\.org|[p]ythonhosted|registry\.[n]pmjs|[n]pmmirror|binaries\.[s]oliditylang")
MACHINE = re.compile(r"(?<![\w./-])/(?:work|root|Users|home/\w+|tmp/\w+)/\w")


def texts() -> Iterator[tuple[str, str]]:
    files = [path for path in ROOT.iterdir() if path.is_file()]
    files += [path for place in PLACES for path in (ROOT / place).rglob("*") if path.is_file()]
    for path in files:
        if "__pycache__" not in path.parts and path.stat().st_size < 4 << 20:
            try:
                yield str(path.relative_to(ROOT)), path.read_text("utf-8")
            except UnicodeDecodeError:
                continue


def test_lock_files_pin_everything_and_say_no_address() -> None:
    for name in ("requirements.lock", "requirements-native.lock", "requirements-engines.lock"):
        requirements = (ROOT / name).read_text("utf-8")
        assert "://" not in requirements
        names = [line for line in requirements.splitlines() if line and line[0] not in " #"]
        assert names
        assert all("==" in line for line in names)
        assert requirements.count("--hash=sha256:") >= len(names)
    packages = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]
    installed = {name: package for name, package in packages.items() if name.startswith("node_modules/")}
    assert installed
    for name, package in installed.items():
        assert "resolved" not in package, name
        assert package.get("integrity") or package.get("inBundle"), name


def test_no_file_names_a_registry_or_a_machines_path() -> None:
    found = [(name, hit.group()) for name, text in texts() for hit in [HOSTS.search(text)] if hit]
    assert found == []
    own = str(Path(__file__).relative_to(ROOT))
    paths = [(name, hit.group()) for name, text in texts() if name != own for hit in [MACHINE.search(text)] if hit]
    assert paths == []


def test_every_test_of_the_table_is_there() -> None:
    table = (ROOT / "docs/hostile-inputs.md").read_text("utf-8")
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", table)
    assert len(named) > 80
    for path, name in named:
        source = (ROOT / "tests" / path).read_text("utf-8")
        assert f"def test_{name}(" in source, f"{path}::{name}"
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| input")]
    assert all("::" in row for row in rows)


def test_every_row_of_the_threat_model_names_tests_that_are_there() -> None:
    model = (ROOT / "docs/threat-model.md").read_text("utf-8")
    rows = [line for line in model.splitlines() if re.match(r"\| [STRIDE] \|", line)]
    assert {row[2] for row in rows} == set("STRIDE")
    for row in rows:
        named = re.findall(r"`([\w/]+\.py)`", row)
        assert named, row
        assert [name for name in named if not (ROOT / "tests" / name).is_file()] == []
