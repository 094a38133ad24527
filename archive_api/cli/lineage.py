"""`yunshang lineage`: where a figure came from, back to its sources, every proof checked on this machine."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from archive_api.cli.chain import open_reader
from archive_api.cli.context import connect
from archive_api.cli.failures import FAILED, CommandError
from archive_api.cli.options import DEFAULT_HOME, ApiOption, HomeOption, JsonOption, TrustOption
from archive_api.cli.output import Output
from archive_api.cli.review import load_trust
from archive_api.cli.running import running_server
from archive_api.client.datasets import CheckedLineage, DatasetClient, LineageChecker, lineage_json
from ledger.cli.seals import CadesSeals
from ledger.cli.verify import EXIT_CODES
from ledger.lineage.picture import lineage_picture
from ledger.lineage.prov_export import prov_bytes
from ledger.lineage.record import DatasetRef
from ledger.report import Outcome
from ledger.texts import visible

__all__ = ["lineage"]

_SHA256: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})\Z")
_OUTCOMES: Final = {
    Outcome.PASSED: ("来源已全部查明并证明", "every source is known and proved", "green"),
    Outcome.FAILED: ("来源有不符之处", "something does not hold", "red"),
    Outcome.INDETERMINATE: ("未能全部核查", "not everything could be checked", "yellow"),
}
_MARKS: Final = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.INDETERMINATE: "?"}


def lineage(
    ref: Annotated[
        str,
        typer.Argument(
            metavar="DATASET[@VERSION]|SHA256", help="数据集、版本或内容摘要 A data set, version or digest."
        ),
    ],
    *,
    prov: Annotated[Path | None, typer.Option("--prov", help="另存为 PROV-JSON Write PROV-JSON to this file.")] = None,
    svg: Annotated[Path | None, typer.Option("--svg", help="另存为图 Write a picture to this file.")] = None,
    rpc: Annotated[str | None, typer.Option("--rpc", help="自己的节点地址 Address of your own node.")] = None,
    trust: TrustOption = None,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """查明一个数据来自哪里，直到源头，并在本机核验。Where a figure came from, back to its sources, checked here.

    Of each version the record, its seal, its entry in the log and the log's anchor are checked by your own trust file.
    A source that the archive does not register, or that is not for you, could not be checked. Exit code: 0 all is
    proved, 1 something does not hold, 2 not everything could be checked.

    Examples:

        yunshang lineage urn:gz:cim:roads@2026.1 --svg roads.svg

        yunshang lineage e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 --prov roads.json --json
    """
    output = Output(as_json)
    trusted = load_trust(home, trust)
    client = DatasetClient(connect(home, api).connection)
    wanted = _find(client, ref)
    chain = open_reader(home, rpc, trusted) if rpc or running_server(home) else None
    checker = LineageChecker(
        trust=trusted,
        checker=CadesSeals(),
        evidence=client.evidence,
        chain=chain,
        now=datetime.now(UTC).replace(microsecond=0),
    )
    checked = checker.check(client.lineage(wanted), wanted)
    if prov is not None:
        prov.write_bytes(prov_bytes(checked.lineage.records, status=checked.lineage.status()))
    if svg is not None:
        svg.write_text(lineage_picture(checked.lineage), "utf-8")
    _show(output, checked)
    output.result(lineage_json(checked))
    raise typer.Exit(EXIT_CODES[checked.outcome])


def _find(client: DatasetClient, ref: str) -> DatasetRef:
    digest = _SHA256.match(ref)
    if digest is None and "@" in ref:
        return DatasetRef.parse(ref)
    wanted = {"sha256": digest[1]} if digest else {"dataset": ref}
    found = {(item["dataset"], item["version"]): None for item in client.versions(**wanted)}
    if not found or (digest and len(found) > 1):
        raise CommandError(
            f"找不到唯一的版本：{ref}（找到 {len(found)} 个）",
            f"expected one version {ref}, got {len(found)}" + "".join(f" {name}@{number}" for name, number in found),
            code="dataset_not_found",
            exit_code=FAILED,
        )
    return DatasetRef(*next(iter(found)))


def _show(output: Output, checked: CheckedLineage) -> None:
    for node in checked.lineage.nodes:
        indent = "  " * node.depth
        name = visible(node.uri.removeprefix("urn:yunshang:dataset:"))
        verdict = checked.verdicts.get(node.uri)
        if node.record is None or verdict is None:
            output.say(f"{indent}· {name}", node.status.zh + " " + node.status.value)
            continue
        record = node.record
        output.say(
            f"{indent}{_MARKS[verdict.outcome]} {visible(record.title)}（{record.ref.text}）{verdict.zh}", verdict.en
        )
        output.say(f"{indent}  责任单位 {record.responsible_party}", f"SHA-256 {record.sha256.hex()}")
        if record.activity is not None:
            output.say(f"{indent}  加工：{visible(record.activity.what)}", "activity")
    for finding in checked.lineage.findings:
        edge = finding.edge
        where = "" if edge is None else f"：{visible(edge.derived)} ← {visible(edge.source)}"
        output.warn(finding.zh + where, finding.en)
    zh, en, style = _OUTCOMES[checked.outcome]
    output.say(zh, en, style=style)
