"""`yunshang trace …`: from an element to its contract and back, and what does not agree on the way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from archive_api.cli.context import connect, find_building
from archive_api.cli.failures import FAILED, USAGE, CommandError
from archive_api.cli.options import DEFAULT_HOME, ApiOption, HomeOption, JsonOption
from archive_api.cli.output import Output
from archive_api.home import write_private
from ledger.texts import visible

__all__ = ["app"]

app = typer.Typer(invoke_without_command=True)

_SHOWN: Final = 200
_SHOWN_CHARACTERS: Final = 40

BuildingOption = Annotated[
    str | None, typer.Option("--building", help="建筑标识 Building: key, scheme:value or value.", show_default=False)
]


class TraceFormat(StrEnum):
    """What a trace is written as."""

    JSON = "json"
    GRAPHML = "graphml"
    SVG = "svg"


@app.callback()
def trace(
    context: typer.Context,
    *,
    building: BuildingOption = None,
    element: Annotated[
        str | None, typer.Option("--element", metavar="GLOBALID", help="BIM 构件的 GlobalId GlobalId of an element.")
    ] = None,
    lot: Annotated[
        str | None, typer.Option("--lot", metavar="EPC", help="批次或单件的 URI URI of a lot or piece.")
    ] = None,
    document: Annotated[
        str | None, typer.Option("--document", metavar="SHA256", help="文件摘要 Digest of a document.")
    ] = None,
    trace_format: Annotated[TraceFormat, typer.Option("--format", help="写成何种格式 What --out is written as.")] = (
        TraceFormat.JSON
    ),
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="写入何处 Where to write the graph.")
    ] = None,
    proofs: Annotated[
        bool, typer.Option("--proofs/--no-proofs", help="每个事件附证明 A proof of each event, in JSON.")
    ] = True,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """从构件、批次或文件追溯：合同、生产、运输、检测、验收、使用、付款。Trace an element, a lot or a document.

    Back to what it came from and on to what it went into, each event with its proof under one checkpoint of the log.
    `--format graphml` and `--format svg` need `--out`.

    Examples:

        yunshang trace --building 440106-YX0001 --element '1hOSvn6df7F8_7GcBWlRGQ'

        yunshang trace --building 440106-YX0001 --lot urn:epc:class:lgtin:6901234.000001.L1 --format svg --out 追溯.svg

        yunshang trace --building 440106-YX0001 --document 5f… --json --no-proofs

        yunshang trace findings --building 440106-YX0001
    """
    if context.invoked_subcommand is not None:
        return
    output = Output(as_json)
    key, client = _building(building, home, api)
    wanted = {"element": element, "lot": lot, "document": document}
    given = {name: value for name, value in wanted.items() if value is not None}
    if len(given) != 1:
        raise _usage("请给出 --element、--lot、--document 之一", "expected one of --element, --lot and --document")
    if out is None and trace_format is not TraceFormat.JSON:
        raise _usage("请用 --out 指明写入的文件", f"expected --out with --format {trace_format}")
    query = given | {"format": trace_format.value, "proofs": str(proofs).lower()}
    content = client.connection.request("GET", f"/buildings/{key}/trace", params=query).content
    if out is not None:
        write_private(out.absolute(), content)
        output.say(f"已写入：{out}", f"{len(content)} bytes", style="green")
    if trace_format is not TraceFormat.JSON:
        output.result({"file": str(out), "bytes": len(content)})
        return
    found = json.loads(content)
    _show(found, output)
    output.result(found)


@app.command("findings")
def findings(
    *,
    building: Annotated[str, typer.Option("--building", help="建筑标识 Building: key, scheme:value or value.")],
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """核对供应链与资金记录，列出不符之处与未能核对的事项。Compare a building's records.

    Exit code 1: something disagrees. What could not be checked is said and is neither: it changes no exit code.

    Example:

        yunshang trace findings --building 440106-YX0001 --json
    """
    output = Output(as_json)
    key, client = _building(building, home, api)
    found = dict(client.connection.get(f"/buildings/{key}/findings"))
    some = found["findings"]
    style = "bold red" if some else "bold green"
    output.say(
        f"核对 {found['events']} 个事件，发现 {len(some)} 处不符",
        f"{found['events']} events, {len(some)} findings",
        style=style,
    )
    for item in some:
        output.say(f"  {item['title_zh']}：{visible(item['zh'])}", f"{item['rule']}: {visible(item['en'])}")
        for event in item["events"]:
            output.say(f"    {_place(event)} {event['time']} {event['reporter']}", event["hash_id"])
    for item in found["unchecked"]:
        output.say(f"  未能核对 {item['title_zh']}：{visible(item['zh'])}", f"{item['rule']}: {visible(item['en'])}")
    output.result(found)
    if some:
        raise typer.Exit(FAILED)


def _building(text: str | None, home: Path, api: str | None) -> tuple[str, Any]:
    if text is None:
        raise _usage("请用 --building 指明建筑", "expected --building")
    client = connect(home, api)
    return str(find_building(client, text)["building_key"]), client


def _usage(zh: str, en: str) -> CommandError:
    return CommandError(zh, en, code="usage", exit_code=USAGE)


def _show(found: Mapping[str, Any], output: Output) -> None:
    events: Sequence[Mapping[str, Any]] = found["events"]
    output.table(
        f"追溯 Trace（{len(events)}）",
        ["时间 time", "事件 event", "日志位置 place", "上报单位 reporter", "说明 note"],
        [
            [
                event["time"],
                f"{event['title_zh']} {event['title_en']}",
                _place(event),
                event["reporter"],
                _note(event),
            ]
            for event in events[:_SHOWN]
        ],
    )
    if len(events) > _SHOWN:
        output.note(f"另有 {len(events) - _SHOWN} 行，用 --json 查看全部", "--json shows all")
    for thing in found["things"]:
        if thing["kind"] in ("lot", "element"):
            zh = "批次" if thing["kind"] == "lot" else "构件"
            output.say(f"{zh}：{visible(thing['name'])}", thing["kind"])
    for stream, head in sorted(found["checkpoints"].items()):
        output.say(f"检查点 {stream}：{head['size']} 条，根 {head['root']}", head["origin"])
    if found["truncated"]:
        output.warn("已达上限，未追溯完", "a limit was met: there may be more")


def _place(event: Mapping[str, Any]) -> str:
    return f"{event['stream']}#{'未入日志' if event['index'] is None else event['index']}"


def _note(event: Mapping[str, Any]) -> str:
    notes = []
    if event["declares_error"]:
        notes.append("更正声明")
    if event["annulled"]:
        notes.append("已作废")
    if "proof" in event and event["proof"] is None:
        notes.append("尚无证明")
    if event["left_out"]:
        notes.append(f"另涉及 {event['left_out']} 项")
    return "，".join(notes)[:_SHOWN_CHARACTERS]
