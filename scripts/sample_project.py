"""Writes the sample project into a folder: python scripts/sample_project.py FOLDER [--seed 1]."""

from __future__ import annotations

import argparse
from pathlib import Path

from archive_api.sample import generate_sample_project


def main() -> None:
    """Parse the arguments and write the files, naming each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for path in generate_sample_project(options.folder, seed=options.seed):
        print(path.relative_to(options.folder))


if __name__ == "__main__":
    main()
