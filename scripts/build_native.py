"""Build what is in C with the system's compiler, or with PyPI's ziglang where there is none.

It is the kernel for fingerprints of models, and SM3 of many documents at a time.

Nothing happens if a library is already built from the sources as they are. A failure is no error of the set-up:
without the libraries the same work is done slowly.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ledger.adapters import sm3_lanes
from ledger.adapters.bim_native import LIBRARY, SOURCES, NativeKernel, source_digest
from ledger.errors import NotFoundError

FLAGS = ("-O2", "-std=c11", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror")
LOCK = Path(__file__).resolve().parents[1] / "requirements-native.lock"
_SECONDS = 600


class Part(NamedTuple):
    """What is built.

    Args:
        name: for whoever sets up.
        load: raises NotFoundError where there is no usable library.
        sources: the folder.
        define: the macro that is given the sources' digest.
        source_digest: of the sources as they are.
        target: the library.
        flags: beside those of all.
    """

    name: str
    load: Callable[[], object]
    sources: Path
    define: str
    source_digest: Callable[[], str]
    target: Path
    flags: tuple[str, ...] = ()


KERNEL = Part("kernel for model fingerprints", NativeKernel, SOURCES, "BIM_SOURCE", source_digest, LIBRARY)
LANES = Part(
    "SM3", sm3_lanes.Sm3Lanes, sm3_lanes.SOURCES, "SM3_SOURCE", sm3_lanes.source_digest, sm3_lanes.LIBRARY, ("-O3",)
)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--strict", action="store_true", help="exit 1 if a library is missing afterwards")
    arguments.add_argument("--zig", action="store_true", help="use ziglang even if there is a compiler")
    arguments.add_argument("--check", action="store_true", help="build nothing, exit 1 if a usable library is missing")
    chosen = arguments.parse_args()
    missing = []
    for part in (KERNEL, LANES):
        try:
            part.load()
        except NotFoundError as error:
            if error.code == sm3_lanes.NO_VECTORS:  # no library would help
                continue
            missing.append(part)
            if chosen.check:
                print(error, file=sys.stderr)
    if chosen.check or not missing:
        return 1 if missing else 0
    try:
        command = _zig() if chosen.zig else compiler()
        for part in missing:
            build(command, part)
        # In a process of its own: this one may still hold the library that was there before.
        subprocess.run(
            [sys.executable, __file__, "--check"], check=True, capture_output=True, text=True, timeout=_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        detail = getattr(error, "stderr", None) or error
        names = " and ".join(part.name for part in missing)
        print(f"== no native {names}, which will be slower: {' '.join(str(detail).split())[-300:]}")
        return 1 if chosen.strict else 0
    for part in missing:
        print(f"== native {part.name} built with {Path(command[0]).name}")
    return 0


def compiler() -> list[str]:
    """The command of a C compiler: the system's, or ziglang's, which is installed if need be.

    Raises:
        OSError, subprocess.SubprocessError: there is none.
    """
    return _compiler() or _zig()


def build(command: list[str], part: Part) -> None:
    """Build a library: beside its place first, so that nobody loads half of it.

    Raises:
        OSError, subprocess.SubprocessError: it can't be built.
    """
    part.target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=part.target.parent) as folder:
        made = Path(folder) / part.target.name
        define = f'-D{part.define}="{part.source_digest()}"'
        sources = [str(path) for path in sorted(part.sources.glob("*.c"))]
        arguments = [*command, *FLAGS, *part.flags, define, *sources, "-o", str(made)]
        subprocess.run(arguments, check=True, capture_output=True, text=True, timeout=_SECONDS)
        made.replace(part.target)


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
