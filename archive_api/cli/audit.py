"""`yunshang audit …`: check the access log, look into it, erase clear text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from archive_api.access_log.audit import Audit, AuditReport, in_processes
from archive_api.access_log.events import ACCESS_STREAM
from archive_api.access_log.sources import ApiLog, ClearTexts, open_home_log
from archive_api.cli.chain import open_reader
from archive_api.cli.context import Buildings, connect, find_building, is_building_key
from archive_api.cli.failures import COULD_NOT_CHECK, FAILED, OK, USAGE, CommandError
from archive_api.cli.home_buildings import HomeBuildings
from archive_api.cli.options import DEFAULT_HOME, ApiOption, HomeOption, JsonOption, TrustOption
from archive_api.cli.output import Output
from archive_api.cli.recovery import catalogue_url
from archive_api.cli.review import load_trust
from archive_api.db.engine import Database
from archive_api.home import load_home
from archive_api.http import hex32
from archive_api.recovery.overdue import checked_lately
from archive_api.streams.keys import ARCHIVE, BUILDING_STREAMS, SERVER_STREAMS, StreamName
from ledger.errors import MalformedError, TransportError
from ledger.hashing import keccak256
from ledger.log.access_audit import examine_access
from ledger.log.checkpoint import SignedCheckpoint
from ledger.log.promise import Promise
from ledger.log.record_audit import examine_records
from ledger.log.server_entries import examine_server_entries
from ledger.log.verify import Examine, Finding
from ledger.ports.chain import AnchoredCheckpoint
from ledger.trust import TrustFile

__all__ = ["app"]

app = typer.Typer(help="访问日志：核验、查看、擦除个人信息。The access log: verify, show, erase.")

_EXITS: Final = {"PASSED": OK, "FAILED": FAILED, "INDETERMINATE": COULD_NOT_CHECK}
_TEXTS: Final = {
    "PASSED": "日志完整：没有条目被删除、修改或插入",
    "FAILED": "日志已被改动",
    "INDETERMINATE": "未发现改动，但有内容无法核对",
}
_FINDINGS: Final = {
    "bundle_damaged": "条目文件损坏",
    "capture_gap": "一批记录不连续或重复",
    "checkpoint_refused": "检查点签名无效",
    "clear_text_altered": "个人信息明文与条目不符",
    "clear_text_missing": "个人信息明文缺失而未记擦除",
    "clear_text_surplus": "个人信息明文多于条目",
    "entries_removed": "已锚定的条目被删除",
    "entry_altered": "条目被修改",
    "entry_malformed": "条目格式不符",
    "erasure_not_told": "擦除未记入日志",
    "history_rewritten": "历史被改写",
    "kept_checkpoint_refused": "留存的检查点签名无效",
    "leaf_mismatch": "条目与瓦片中的哈希不符",
    "promise_broken": "承诺收录的条目不在日志中",
    "promise_not_signed": "承诺不是本日志签发",
    "tile_altered": "瓦片被修改",
    "tile_missing": "瓦片缺失",
    "time_goes_back": "条目时间倒退",
}
_DOUBTS: Final = {
    "check_failed": "最近一次核查发现的问题尚未修复",
    "check_incomplete": "最近一次核查未能核对全部内容",
    "check_missing": "没有核查记录",
    "check_overdue": "核查逾期",
    "head_overdue": "日志头逾期未上链",
    "log_empty": "日志没有检查点",
    "no_log_key": "信任文件中没有日志公钥",
    "no_node": "没有可用的节点，未核对链上日志头",
    "witness_quorum": "联署检查点的受信任见证方不足",
}
_SMALL: Final = 20_000
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class _Given:
    home: Path
    api: str | None
    rpc: str | None
    trust: TrustFile
    kept: tuple[bytes, ...]
    promises: tuple[Promise, ...]
    stream: str
    building_key: str | None
    fixity_days: int

    @property
    def owner(self) -> str:
        """What stands before the stream in its origin line."""
        return self.building_key or ARCHIVE


@app.command("verify")
def verify(
    *,
    since: Annotated[
        list[Path] | None,
        typer.Option("--from", help="以前留存的检查点，可多次 A checkpoint kept from earlier; may be repeated."),
    ] = None,
    promise: Annotated[
        list[Path] | None,
        typer.Option("--promise", help="每行一个收录承诺的文件 File with a promise of inclusion on each line."),
    ] = None,
    keep: Annotated[
        Path | None, typer.Option("--keep", help="通过后把检查点存为文件 Keep the checkpoint in a file, if it passed.")
    ] = None,
    stream: Annotated[
        str,
        typer.Option("--stream", help="日志：access、datasets、fixity、catalogue，或房屋的 supply、funds Which log."),
    ] = ACCESS_STREAM,
    building: Annotated[
        str | None,
        typer.Option(
            "--building",
            help="建筑键、标识或 scheme:value，supply、funds 须有 A building's key, identifier or scheme:value.",
        ),
    ] = None,
    fixity_days: Annotated[
        int, typer.Option("--fixity-days", min=1, help="fixity：核查最多隔几天 For fixity: how old a check may be.")
    ] = 35,
    rpc: Annotated[str | None, typer.Option("--rpc", help="自己的节点地址 Address of your own node.")] = None,
    trust: TrustOption = None,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """核验日志：没有条目被删除、修改或插入。Prove that no entry was removed, altered or inserted.

    Reads the files and the catalogue of a home (its own, or that which `YUNSHANG_DATABASE_URL` names), or with `--api`
    the archive's API as an auditor. Exit code: 0 passed, 1 changed, 2 could not check everything.

    Examples:

        yunshang audit verify --rpc http://127.0.0.1:8545

        yunshang audit verify --api https://archive.example --trust trust.json --from last.txt --keep now.txt

        yunshang audit verify --stream fixity --fixity-days 7

        yunshang audit verify --stream supply --building 440106-2026-000123 --rpc http://127.0.0.1:8545
    """
    output = Output(as_json)
    _require_stream(stream, building)
    given = _Given(
        home,
        api,
        rpc,
        load_trust(home, trust),
        tuple(path.read_bytes() for path in since or ()),
        tuple(Promise.from_text(line) for path in promise or () for line in path.read_text("ascii").split()),
        stream,
        None if building is None else _building_key(building, home, api),
        fixity_days,
    )
    report, note = _audit(given, output)
    _show(report, output)
    if keep is not None and report.outcome == "PASSED" and note is not None:
        keep.write_bytes(note)
        output.note(f"检查点已存为 {keep}", f"kept the checkpoint in {keep}")
    raise typer.Exit(_EXITS[report.outcome])


@app.command("show")
def show(
    *,
    first: Annotated[
        int | None, typer.Option("--from", min=0, help="起始序号，默认最新 First index; default: the newest.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="条数 How many.")] = 20,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """查看访问日志及未擦除的个人信息（审计、管理）。Show entries with their clear text, as an auditor.

    Examples:

        yunshang audit show --limit 50

        yunshang audit show --from 0 --json
    """
    output = Output(as_json)
    connection = connect(home, api).connection
    if first is None:
        size = int(connection.get("/logs")["items"][0]["size"])
        first = max(0, size - limit)
    document = connection.get(f"/logs/{ACCESS_STREAM}/records?from={first}&limit={limit}")
    output.table(
        "访问日志 Access log",
        ("序号 #", "时间 time", "谁 who", "来源 source", "行为 action", "结果 outcome", "对象 object"),
        [_row(item) for item in document["items"]],
    )
    output.result(document)


@app.command("erase")
def erase(
    *,
    person: Annotated[str | None, typer.Option("--person", help="人员编号 Id of a person.")] = None,
    before: Annotated[
        datetime | None, typer.Option("--before", formats=["%Y-%m-%d"], help="此日（UTC）之前 Before this day, UTC.")
    ] = None,
    index: Annotated[
        list[int] | None, typer.Option("--index", min=0, help="条目序号，可多次 Entry; repeatable.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="理由，永久留存，勿写姓名 Why; stays for ever: name nobody.")],
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """擦除个人信息明文；条目保留，擦除本身记入日志。Erase clear text; the entries stay, and the log tells of it.

    Examples:

        yunshang audit erase --person 7f0a8a8e-6b0c-4f8e-9d55-0d3f6f3f8f11 --reason 离职满三年

        yunshang audit erase --before 2023-01-01 --reason 保管期满
    """
    output = Output(as_json)
    body: dict[str, object] = {"reason": reason}
    body |= {} if person is None else {"person_id": person}
    body |= {} if before is None else {"before": before.replace(tzinfo=UTC).isoformat()}
    body |= {} if not index else {"indices": index}
    if len(body) == 1:
        raise CommandError(
            "请用 --person、--before 或 --index 指明擦除范围",
            "expected --person, --before or --index, got none",
            code="usage",
            exit_code=USAGE,
        )
    document = connect(home, api).connection.post(f"/logs/{ACCESS_STREAM}/erasures", body)
    output.say(f"已擦除 {document['erased']} 条的个人信息", f"erased the clear text of {document['erased']} entries")
    output.result(document)


def _require_stream(stream: str, building: str | None) -> None:
    archives = (ACCESS_STREAM, StreamName.DATASETS.value, *(name.value for name in SERVER_STREAMS))
    known = archives if building is None else tuple(sorted(BUILDING_STREAMS))
    if stream not in known:
        raise CommandError(
            f"没有这个日志：{stream}（supply、funds 须用 --building 指明房屋）",
            f"expected one of {', '.join(known)}, got {stream}: supply and funds take --building",
            code="usage",
            exit_code=USAGE,
        )


def _building_key(text: str, home: Path, api: str | None) -> str:
    """A key is taken as it is, so that a log can be verified where the catalogue is lost."""
    if is_building_key(text):
        return hex32(text)
    source: Buildings = HomeBuildings(home) if api is None else connect(home, api)
    return str(find_building(source, text)["building_key"])


def _audit(given: _Given, output: Output) -> tuple[AuditReport, bytes | None]:
    origin = given.trust.origin(given.owner, given.stream)
    is_access = given.stream == ACCESS_STREAM
    with ExitStack() as stack:
        clear = None
        if given.api is not None:
            connection = connect(given.home, given.api).connection
            source: Any = ApiLog(connection, given.stream, building_key=given.building_key)
        else:
            home = load_home(given.home)
            source = open_home_log(home.logs_dir if is_access else home.logs_dir / given.owner, given.stream)
            if is_access:
                database = stack.enter_context(closing(Database(catalogue_url(home))))
                clear = ClearTexts(database, source)
        anchored = _anchored(given, origin, output)  # before the checkpoint, which is then never older than they are
        note = source.checkpoint()
        size = _size(note)
        advance = stack.enter_context(output.progress("核验日志", "verifying the log", size))
        audit = Audit(
            origin=origin,
            pin=given.trust.log(origin),
            anchored=anchored,
            now=datetime.now(UTC),
            kept=given.kept,
            promises=given.promises,
            clear=None if clear is None else clear.of,
            surplus=(lambda: ()) if clear is None else clear.surplus,
            examine=_examine(given.stream),
            has_heartbeats=is_access,
            run=in_processes(os.cpu_count() or 1) if size > _SMALL else map,
            progress=advance,
        )
        report = audit.check(source, note)
        if given.stream == StreamName.FIXITY and not report.findings:
            doubts = checked_lately(source, report.size, now=audit.now, within=timedelta(days=given.fixity_days))
            report = replace(
                report,
                doubts=(*report.doubts, *doubts),
                outcome="INDETERMINATE" if doubts else report.outcome,
            )
        return report, note


def _examine(stream: str) -> Examine:
    if stream == ACCESS_STREAM:
        return examine_access
    return examine_server_entries if stream in SERVER_STREAMS else examine_records


def _anchored(given: _Given, origin: str, output: Output) -> Sequence[AnchoredCheckpoint] | None:
    """Heads by one's own node."""
    try:
        return open_reader(given.home, given.rpc, given.trust).checkpoints(keccak256(origin.encode()))
    except TransportError as error:
        output.warn("无法连接节点", str(error))
    except CommandError as error:
        if error.code != "no_rpc":
            raise
    return None


def _size(note: bytes | None) -> int:
    try:
        return 0 if note is None else SignedCheckpoint.parse(note).checkpoint.size
    except MalformedError:
        return 0


def _show(report: AuditReport, output: Output) -> None:
    style = {"PASSED": "bold green", "FAILED": "bold red", "INDETERMINATE": "bold yellow"}[report.outcome]
    output.say(f"{_TEXTS[report.outcome]}（{report.size} 条）", f"{report.outcome}: {report.size} entries", style=style)
    for finding in report.findings[:_SHOWN]:
        output.say(
            f"  {_FINDINGS.get(finding.code, finding.code)}：{_place(finding)}", f"{finding.code}: {finding.text}"
        )
    if len(report.findings) > _SHOWN:
        output.say(f"  另有 {len(report.findings) - _SHOWN} 处", f"{len(report.findings) - _SHOWN} more")
    for code, text in report.doubts:
        output.say(f"  {_DOUBTS.get(code, code)}", f"{code}: {text}")
    anchored = sum(head.source.startswith("anchored") for head in report.confirmed)
    until = report.to_json()["anchored_at"]
    output.say(
        f"  与 {anchored} 个链上日志头一致，最新一个上链时间：{until or '无'}",
        f"agrees with {anchored} anchored heads, the newest of {until or 'no time'}: it holds what came before",
    )
    if report.clear_texts is not None:
        output.say(
            f"  核对个人信息明文 {report.clear_texts} 条，已擦除 {report.erased} 条",
            f"compared {report.clear_texts} clear texts, {report.erased} erased",
        )
    output.result(report.to_json())


def _place(finding: Finding) -> str:
    if finding.index is None:
        return "整个日志"
    if finding.last_index is None or finding.last_index == finding.index:
        return f"第 {finding.index} 条"
    return f"第 {finding.index} 至 {finding.last_index} 条之间"


def _row(item: Any) -> tuple[object, ...]:
    entry, subject = item["entry"], item["subject"] or {}
    erased = f"（已擦除，见 {item['erased_by']}）" if item["erased_by"] is not None else None
    shown = [entry["object_kind"], entry["object_id"]]
    return (
        item["index"],
        entry["time"],
        subject.get("name") or subject.get("person_id") or erased or "匿名",
        item["source"],
        entry["action"],
        entry["outcome"],
        " ".join(str(part) for part in shown if part) or None,
    )
