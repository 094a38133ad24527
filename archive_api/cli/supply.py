"""`yunshang supply …`: EPCIS events, judged and hashed without a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from archive_api.cli.failures import FAILED, CommandError
from archive_api.cli.options import JsonOption
from archive_api.cli.output import Output
from archive_api.texts import title_of
from ledger.supply.document import MAX_DOCUMENT_BYTES, DocumentError, EpcisDocument, read_document
from ledger.texts import visible

__all__ = ["EventsArgument", "app", "read_events", "read_file"]

app = typer.Typer(help="供应链：EPCIS 2.0 事件。The supply chain: EPCIS 2.0 events.")

EventsArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="EPCIS 文档或单个事件，JSON-LD 或 XML An EPCIS document or event.")
]


@app.command("hash")
def hash_ids(path: EventsArgument, *, as_json: JsonOption = False) -> None:
    """计算每个事件的 CBV 2.0 哈希标识，一行一个。Compute each event's CBV 2.0 hash id, one a line.

    The same event has the same id whatever its spelling: JSON-LD or XML, EPC URIs or GS1 Digital Links. See
    docs/supply.md section 5. An error declaration has the id of the event that it is about.

    Examples:

        yunshang supply hash events.jsonld

        yunshang supply hash events.xml --json
    """
    output = Output(as_json)
    document = read_events(path)
    if not as_json:
        sys.stdout.write("".join(f"{event.hash_id}\n" for event in document.events))
    output.result(
        {
            "events": [
                {
                    "pointer": event.pointer,
                    "hash_id": event.hash_id,
                    "record_sha256": event.record_sha256.hex(),
                    "error_declaration": event.is_declaration,
                }
                for event in document.events
            ]
        }
    )


@app.command("check")
def check(path: EventsArgument, *, as_json: JsonOption = False) -> None:
    """检查文档是否可以采集，逐处指出问题。Say whether a document could be captured, and what is wrong where.

    Checked are the official schema and the rules of docs/supply.md; each finding names its place by a JSON Pointer
    (in XML: into the JSON-LD that says the same). Exit code 0: good; 1: something is wrong.

    Examples:

        yunshang supply check events.jsonld

        yunshang supply check events.xml --json
    """
    output = Output(as_json)
    try:
        document = read_document(read_file(path))
    except DocumentError as error:
        findings = _findings(error)
        output.say(f"不合格，{len(findings)} 处", f"{len(findings)} findings", style="red")
        for finding in findings:
            output.say(visible(f"{finding['pointer'] or '（整个文档）'}：{finding['zh']}"), visible(finding["en"]))
        output.result({"ok": False, "findings": findings})
        raise typer.Exit(FAILED) from error
    count = len(document.events)
    output.say(f"OK 合格：{count} 个事件", f"{count} events", style="green")
    output.result({"ok": True, "events": count, "media_type": document.media_type})


def read_events(path: Path) -> EpcisDocument:
    """Read a file of events.

    Args:
        path: a regular file.

    Raises:
        CommandError: the document is refused (the first finding's code; all of them in `problems`), or see `read_file`.
        OSError: it can't be read.
    """
    try:
        return read_document(read_file(path))
    except DocumentError as error:
        findings = _findings(error)
        lines = [visible(f"{finding['pointer'] or '（整个文档）'}：{finding['zh']}") for finding in findings]
        raise CommandError(
            f"文档不合格，{len(lines)} 处：\n" + "\n".join(lines),
            "\n".join(visible(f"{finding.pointer or '(whole)'}: {finding.text}") for finding in error.findings),
            code=error.code,
            problems=findings,
        ) from error


def read_file(path: Path) -> bytes:
    """Read a file no further than is needed to refuse it as too large.

    Raises:
        CommandError: not a regular file (code `not_a_file`).
        OSError: it can't be read.
    """
    if path.exists() and not path.is_file():
        raise CommandError(f"不是普通文件：{path}", f"expected a regular file, got another: {path}", code="not_a_file")
    with path.open("rb") as file:
        return file.read(MAX_DOCUMENT_BYTES + 1)


def _findings(error: DocumentError) -> list[dict[str, str]]:
    return [
        {"pointer": finding.pointer, "code": finding.code, "zh": title_of(finding.code, 422)[0], "en": finding.text}
        for finding in error.findings
    ]
