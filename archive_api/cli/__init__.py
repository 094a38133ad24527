"""The command `yunshang`.

Standard output carries results, standard error everything else; `--json` on any command gives one JSON document.
Exit codes: 0 done, 1 failed, 2 could not check or reach, 3 wrong usage, 130 interrupted.
"""

from archive_api.cli.app import main

__all__ = ["main"]
