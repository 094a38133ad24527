"""Build the fingerprint's kernel in C with the system's compiler, or with PyPI's ziglang where there is none.

Nothing happens if the library is already built from the sources as they are. A failure is no error of the set-up:
without the library the Python reference does the same work slowly.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ledger.adapters.bim_native import LIBRARY, SOURCES, NativeKernel, source_digest
from ledger.errors import NotFoundError

FLAGS = ("-O2", "-std=c11", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror")
LOCK = Path(__file__).resolve().parents[1] / "requirements-native.lock"
_SECONDS = 600


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--strict", action="store_true", help="exit 1 if there is no library afterwards")
    arguments.add_argument("--zig", action="store_true", help="use ziglang even if there is a compiler")
    arguments.add_argument("--check", action="store_true", help="build nothing, exit 1 if there is no usable library")
    chosen = arguments.parse_args()
    try:
        NativeKernel()
        return 0
    except NotFoundError as error:
        if chosen.check:
            print(error, file=sys.stderr)
            return 1
    try:
        command = _zig() if chosen.zig else compiler()
        build(command)
        # In a process of its own: this one may still hold the library that was there before.
        subprocess.run(
            [sys.executable, __file__, "--check"], check=True, capture_output=True, text=True, timeout=_SECONDS
        )
    except (OSError, subprocess.SubprocessError, NotFoundError) as error:
        detail = getattr(error, "stderr", None) or error
        print(f"== no native kernel, fingerprints of models will be slower: {' '.join(str(detail).split())[-300:]}")
        return 1 if chosen.strict else 0
    print(f"== native kernel for model fingerprints built with {Path(command[0]).name}")
    return 0


def compiler() -> list[str]:
    """The command of a C compiler: the system's, or ziglang's, which is installed if need be.

    Raises:
        OSError, subprocess.SubprocessError: there is none.
    """
    return _compiler() or _zig()


def build(command: list[str], target: Path = LIBRARY) -> None:
    """Build the library: beside its place first, so that nobody loads half of it.

    Raises:
        OSError, subprocess.SubprocessError: it can't be built.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        made = Path(folder) / target.name
        define = f'-DBIM_SOURCE="{source_digest()}"'
        sources = [str(path) for path in sorted(SOURCES.glob("*.c"))]
        arguments = [*command, *FLAGS, define, *sources, "-o", str(made)]
        subprocess.run(arguments, check=True, capture_output=True, text=True, timeout=_SECONDS)
        made.replace(target)


def _compiler() -> list[str] | None:
    found = (shutil.which(name) for name in (os.environ.get("CC", ""), "cc", "gcc", "clang") if name)
    return next(([path] for path in found if path), None)


def _zig() -> list[str]:
    if importlib.util.find_spec("ziglang") is None:
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(LOCK)]
        subprocess.run(install, check=True, capture_output=True, text=True, timeout=_SECONDS)
    return [sys.executable, "-m", "ziglang", "cc"]


if __name__ == "__main__":
    sys.exit(main())
