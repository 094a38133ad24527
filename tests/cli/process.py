"""The command line as users start it: a process of its own, judged by exit code and output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Result:
    """What a finished command left."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.stdout)

    @property
    def last_json(self) -> Any:
        """The last line of standard output as JSON."""
        return json.loads(self.stdout.strip().splitlines()[-1])


Runner = Callable[..., Result]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The process environment without what would steer the command line, plus `extra`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("YUNSHANG_")}
    return clean | {"PYTHONPATH": str(REPOSITORY)} | dict(extra or {})


def command(*arguments: object, module: str = "archive_api.cli") -> list[str]:
    """The command as an argument list."""
    return [sys.executable, "-m", module, *(str(argument) for argument in arguments)]


def run(
    *arguments: object,
    module: str = "archive_api.cli",
    cwd: Path = REPOSITORY,
    env: Mapping[str, str] | None = None,
    seconds: float = 600,
) -> Result:
    """Run a command to its end."""
    done = subprocess.run(
        command(*arguments, module=module),
        cwd=cwd,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def openssl(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    """Run the system's openssl."""
    words: Sequence[str] = [str(argument) for argument in arguments]
    return subprocess.run(["openssl", *words], capture_output=True, check=False, timeout=60)


@dataclass(frozen=True)
class Demo:
    """A home on which `demo` ran twice, and what each run printed."""

    home: Path
    first: dict[str, Any]
    second: dict[str, Any]
