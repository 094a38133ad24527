"""The commands put together, and the boundary where errors become texts and exit codes."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

import typer

from archive_api.cli import (
    access,
    archivist,
    audit,
    authority,
    backup,
    bench,
    bim,
    bim_proof,
    bim_stages,
    building,
    ca,
    cid,
    dataset,
    db,
    demo,
    document,
    encryption,
    evidence,
    fsck,
    funds,
    identity,
    initialise,
    lineage,
    node,
    party,
    person,
    rebuild,
    submission,
    supply,
    supply_capture,
    token,
    trace,
    trust,
    verification,
)
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
app.callback()(identity.options)
app.command("init")(initialise.init)
app.command("up")(node.up)
app.command("demo")(demo.demo)
app.add_typer(ca.app, name="ca")
app.add_typer(authority.app, name="authority")
app.add_typer(token.app, name="token")
app.add_typer(building.app, name="building")
app.add_typer(party.app, name="party")
app.add_typer(encryption.app, name="key")
app.add_typer(document.app, name="document")
app.add_typer(access.app, name="access")
app.add_typer(person.app, name="person")
app.add_typer(submission.app, name="submission")
app.command("accept")(archivist.accept)
app.command("return")(archivist.give_back)
app.add_typer(verification.app, name="verify")
app.add_typer(evidence.app, name="evidence")
app.add_typer(trust.app, name="trust")
app.add_typer(audit.app, name="audit")
bim.app.command("prove")(bim_proof.prove)
bim.app.command("verify")(bim_proof.verify)
bim.app.command("stages")(bim_stages.stages)
bim.app.command("changes")(bim_stages.changes)
bim.app.command("elements")(bim_stages.elements)
app.add_typer(bim.app, name="bim")
supply.app.command("capture")(supply_capture.capture)
supply.app.command("events")(supply_capture.events)
app.add_typer(supply.app, name="supply")
app.add_typer(trace.app, name="trace")
app.add_typer(dataset.app, name="dataset")
app.command("lineage")(lineage.lineage)
app.add_typer(funds.app, name="funds")
app.add_typer(db.app, name="db")
app.command("cid")(cid.cid)
app.add_typer(backup.app, name="backup")
app.command("restore")(backup.restore)
app.command("rebuild")(rebuild.rebuild)
app.command("fsck")(fsck.fsck)
app.command("bench")(bench.bench)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; default: the process's.

    Returns:
        The exit code.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without Chinese must not turn a text into a traceback
            stream.reconfigure(errors="replace")
    output = Output("--json" in given)
    try:
        code = app(identity.moved_to_front(given), prog_name="yunshang", standalone_mode=False)
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
