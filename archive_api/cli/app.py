"""The commands put together, and the boundary where errors become texts and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from archive_api.cli import cid, initialise
from archive_api.cli.failures import INTERRUPTED, OK, describe, interrupted
from archive_api.cli.output import Output

__all__ = ["app", "main"]

app = typer.Typer(
    name="yunshang",
    help="云上城建档案：移交、签章、上链、接收、取证。The urban construction archive whose records prove themselves.",
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.command("init")(initialise.init)
app.command("cid")(cid.cid)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; default: the process's.

    Returns:
        The exit code.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    output = Output("--json" in given)
    try:
        code = app(given, prog_name="yunshang", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as e:
        failure = describe(e)
        if failure is None:
            raise
    else:
        if code != INTERRUPTED:
            return code if isinstance(code, int) else OK
        failure = interrupted()
    output.error(failure.zh, failure.en, failure.document)
    return failure.exit_code
