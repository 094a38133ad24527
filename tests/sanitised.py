"""Programs in C that are run under sanitisers, which end them at the first byte too far."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

_FLAGS = (
    *("-O1", "-g", "-std=c11", "-Wall", "-Wextra", "-Werror"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
)


def build_sanitised(program: Path, sources: Sequence[Path], *flags: str) -> Path:
    """Build a program under the sanitisers for addresses and undefined behaviour; returns its path.

    Without a compiler that has them the test is skipped on a desk, and fails where CI is.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        message = "no compiler with sanitisers in PATH"
        if os.environ.get("YUNSHANG_REQUIRE_ENGINES"):
            pytest.fail(message)
        pytest.skip(message)
    subprocess.run([compiler, *_FLAGS, *flags, *map(str, sources), "-o", str(program)], check=True)
    return program
