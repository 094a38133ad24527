"""What every generator of vectors ends with: write its files, or with `--check` say which are not as generated."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["write_or_check"]


def write_or_check(folder: Path, files: Mapping[str, str], *, description: str | None) -> int:
    """Read the command line and do as it says.

    Args:
        folder: of the files; made where it is missing.
        files: text by name, written as UTF-8.
        description: of the generator.

    Returns:
        The exit code: 1 where `--check` finds a difference, else 0.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    if not parser.parse_args().check:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_bytes(text.encode())
        return 0
    differing = [
        name
        for name, text in files.items()
        if not (folder / name).is_file() or (folder / name).read_bytes() != text.encode()
    ]
    for name in differing:
        print(f"expected {name} as generated, got another content", file=sys.stderr)
    return 1 if differing else 0
