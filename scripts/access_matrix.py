#!/usr/bin/env python3
"""Write the tables of docs/access.md from the policy in the code, or (--check) say whether they are current."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from archive_api.access.matrix import clearance_markdown, matrix_markdown

PAGE = Path(__file__).resolve().parents[1] / "docs" / "access.md"
TABLES = {"clearance": clearance_markdown, "matrix": matrix_markdown}


def current(page: str) -> str:
    """The page with its tables as the code has them."""
    for name, table in TABLES.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        text = f"\n{table()}\n"
        page, count = pattern.subn(lambda found, text=text: found[1] + text + found[2], page)  # type: ignore[misc]
        if count != 1:
            sys.exit(f"expected one place for the table {name} in {PAGE.name}, got {count}")
    return page


def main() -> int:
    """Write or check."""
    page = PAGE.read_text(encoding="utf-8")
    wanted = current(page)
    if "--check" in sys.argv[1:]:
        if page != wanted:
            sys.stderr.write(f"{PAGE.name} is stale; run access_matrix.py\n")
        return int(page != wanted)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
