"""The systemd units: what they start is there, they are closed in, and systemd understands them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from archive_api.cli.app import app
from archive_api.operation.settings import Role
from archive_api.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
PROGRAM = "/opt/yunshang/.venv/bin/yunshang"
# What a service that has no right to anything but its own folder and the network says.
CLOSED = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectControlGroups": "yes",
    "RestrictNamespaces": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "SystemCallArchitectures": "native",
    "UMask": "0077",
    "LimitCORE": "0",
}


def lines(unit: Path) -> list[tuple[str, str]]:
    found = re.findall(r"^([A-Za-z]+)=(.*)$", unit.read_text("utf-8"), re.MULTILINE)
    return [(name, value) for name, value in found]


def values(unit: Path) -> dict[str, str]:
    return dict(lines(unit))


def test_there_are_units() -> None:
    assert {"yunshang.service", "yunshang-logs.service", "yunshang-worker@.service", "yunshang-api@.service"} <= {
        unit.name for unit in UNITS
    }


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_closed_in_and_not_root(unit: Path) -> None:
    found = values(unit)
    assert {name: found.get(name) for name in CLOSED} == CLOSED
    assert found["User"] == "yunshang"


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_a_command_that_there_is_with_settings_that_there_are(unit: Path) -> None:
    program, command, *options = values(unit)["ExecStart"].split()
    assert program == PROGRAM
    commands = {info.name: info.callback for info in app.registered_commands}
    assert command in commands
    role = {"--role": [option for option in Role if option in options]} if "--role" in options else {}
    assert all(len(found) == 1 for found in role.values())
    assert unit.name.startswith("-".join(["yunshang", *role.get("--role", [])]))
    assert set(options) <= {"--json", "--role", *Role, "--port", "%i"}
    variables = [value.partition("=")[0] for name, value in lines(unit) if name == "Environment"]
    known = {f"YUNSHANG_{name.upper()}" for name in Settings.model_fields} | {"YUNSHANG_HOME"}
    known |= {f"{name}_FILE" for name in known}
    assert set(variables) <= known


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_waits_longer_for_the_end_than_the_program_takes(unit: Path) -> None:
    found = lines(unit)
    environment = dict(value.partition("=")[::2] for name, value in found if name == "Environment")
    limit = float(environment.get("YUNSHANG_SHUTDOWN_SECONDS", Settings.model_fields["shutdown_seconds"].default))
    assert float(dict(found)["TimeoutStopSec"]) >= limit + 60
    assert dict(found)["KillMode"] == "mixed"  # the children end when the process has ended them


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_a_unit_and_finds_it_closed_in(unit: Path, tmp_path: Path) -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        missing = "no systemd-analyze on this machine"
        if os.environ.get("YUNSHANG_REQUIRE_ENGINES"):
            pytest.fail(missing)
        pytest.skip(missing)
    copy = tmp_path / unit.name
    text = unit.read_text("utf-8").replace(PROGRAM, "/bin/true")
    copy.write_text(text, "utf-8")
    checked = subprocess.run([tool, "verify", copy], capture_output=True, text=True, check=False, timeout=60)
    assert (checked.returncode, checked.stderr) == (0, "")
    judged = subprocess.run(
        [tool, "security", "--offline=yes", "--threshold=20", copy],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert judged.returncode == 0, judged.stdout[-300:]  # an exposure of at most 2.0 of 10
