"""The report for people: Chinese first, English second."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ledger import fields
from ledger.cli.element_text import print_element
from ledger.report import Finding, Outcome, VerificationReport
from ledger.texts import visible

__all__ = ["print_report"]

_OUTCOMES = {
    Outcome.PASSED: ("通过", "green"),
    Outcome.FAILED: ("未通过", "red"),
    Outcome.INDETERMINATE: ("无法判定", "yellow"),
}
_STEPS = {
    "inputs": "输入",
    "form": "格式",
    "ledger": "账本",
    "document": "文件",
    "keys": "标识",
    "anchor": "上链",
    "parties": "五方签章",
    "deadline": "期限",
    "decision": "接收",
    "file": "文件核对",
    "model": "模型",
    "element": "构件",
    "timestamp": "时间戳",
    "record": "记录",
    "entry": "日志条目",
    "log": "日志",
    "seal": "签章",
    "event": "事件哈希",
}
_PROVED_BY = {"timestamp": "时间戳", "block": "区块", "witnesses": "见证方"}
_LEVELS = {"none": "无", "attested": "档案馆或见证方声明", "observed": "自有节点查得", "proved": "区块证明"}


def _plain(*lines: str) -> Text:
    """Make lines with values from a bundle harmless: no further lines, no escape sequences, no reversed writing."""
    return Text("\n".join(visible(line) for line in lines))


def _indented(text: Text) -> Padding:
    """Set text off the margin, where the verdict stands: a long value that is wrapped can't fake one either."""
    return Padding(text, (0, 0, 0, 2))


def _verdict(outcome: Outcome) -> Text:
    zh, style = _OUTCOMES[outcome]
    return Text(f"{zh}\n{outcome.value}", style=f"bold {style}")


def _explained(finding: Finding, outcome: Outcome) -> Text:
    text = _plain(finding.zh, finding.en)
    if finding.detail and outcome is not Outcome.PASSED:
        text.append(f"\n{visible(f'{finding.reason}: {finding.detail}')}", style="dim")
    return text


def print_report(report: VerificationReport, *, console: Console | None = None) -> None:
    """Print a report.

    Args:
        report: what to print.
        console: where to; None: standard output.
    """
    console = console or Console(highlight=False)
    document = report.subject.get("document")
    if document:
        building = report.subject["building"]
        console.print("所核验的文件 / the document:")
        console.print(
            _indented(
                _plain(
                    f"{document['title']}  {document['path']}",
                    f"建筑 / building {building['scheme']}:{building['value']}  "
                    f"单位工程 / unit project {report.subject['unit_project']}  "
                    f"移交 / submission {report.subject['submission']}",
                )
            )
        )
    if "record" in report.subject:
        console.print("所核验的记录 / the record:")
        console.print(_indented(_record(report.subject)))
    steps = Table(title="核验步骤 / steps", title_justify="left", show_lines=True)
    for heading in ("步骤\nstep", "结论\nverdict", "说明\nexplanation"):
        steps.add_column(heading, overflow="fold")
    for step in report.steps:
        steps.add_row(
            f"{step.number} {_STEPS[step.name]}\n{step.name}",
            _verdict(step.finding.outcome),
            _explained(step.finding, step.finding.outcome),
        )
    console.print(steps)
    if report.parties:
        console.print(_parties(report))
    if (
        report.outcome is Outcome.PASSED and "element" in report.subject
    ):  # of another verdict nothing is shown as proved
        print_element(report.subject["element"], console=console, model=report.subject["model"])
    zh, style = _OUTCOMES[report.outcome]
    decisive = report.decisive
    console.print(Text(f"结论：{zh} / verdict: {report.outcome.value}", style=f"bold {style}"))
    if decisive is not None:
        console.print(_indented(_plain(decisive.finding.zh, decisive.finding.en)))
    if report.proven_time is not None and report.proven_by is not None:
        time, by = fields.utc_text(report.proven_time), report.proven_by
        console.print(Text(f"已证明的时间（{_PROVED_BY[by]}）/ proven time, by {by}: {time}"))
    level = report.level.label
    console.print(
        Text(f"上链证明级别：{_LEVELS[level]} / anchor level: {level} · 截至 / as of {fields.utc_text(report.as_of)}")
    )


def _record(subject: dict[str, Any]) -> Text:
    record = subject["record"]
    owner = "档案馆 archive" if subject["building_key"] is None else f"建筑 building {subject['building_key']}"
    return _plain(
        f"{record['type'] or ''} {record['id']}".strip(),
        f"{owner}  数据流 stream {subject['stream']}  序号 index {subject['log_index']}",
        f"报送单位 / reported by {subject['reporter']}  签章时间（自述）/ claimed time {subject['signing_time']}",
        f"联署的见证方 / witnesses: {', '.join(subject['witnesses']) or '—'}",
    )


def _parties(report: VerificationReport) -> Table:
    parties = Table(title="五方签章 / seals of the five parties", title_justify="left", show_lines=True)
    for heading in (
        "责任主体\nparty",
        "单位\norganisation",
        "签章时间（自述）\nclaimed time",
        "结论\nverdict",
        "说明\nexplanation",
    ):
        parties.add_column(heading, overflow="fold")
    for party in report.parties:
        parties.add_row(
            f"{party.role.zh}\n{party.role.value}",
            "—" if party.code is None else _plain(party.name or "", party.code),
            "—" if party.signing_time is None else fields.utc_text(party.signing_time),
            _verdict(party.finding.outcome),
            _explained(party.finding, party.finding.outcome),
        )
    return parties
