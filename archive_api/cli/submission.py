"""`yunshang submission prepare|send|status`: from a folder to a statement that the five parties can seal."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from archive_api.cli import sealing
from archive_api.cli.context import connect, find_archive, parse_building
from archive_api.cli.copies import link_copies, parse_copies
from archive_api.cli.digests import digest_folder
from archive_api.cli.failures import USAGE, CommandError
from archive_api.cli.levels import LevelRules, LevelSealing
from archive_api.cli.options import DEFAULT_HOME, ApiOption, HomeOption, JsonOption, TrustOption
from archive_api.cli.output import Output
from archive_api.cli.preparation import Preparation, build_preparation, default_folder, write_preparation
from archive_api.cli.review import load_trust
from archive_api.cli.sending import send_preparation
from archive_api.client.encryption import Recipient
from ledger.cli.beside import beside
from ledger.entries import STAGES
from ledger.manifest import RELATION_KINDS
from ledger.types import ROLES, UnitProject

__all__ = ["app", "show_status"]

app = typer.Typer(help="移交：准备、发送、签章、状态。Handovers: prepare, send, seal, status.")

STATES_ZH: Mapping[str, str] = {
    "draft": "草稿",
    "sealing": "签章中",
    "sealed": "五方已签章，待上链",
    "anchored": "已上链，待接收",
    "anchor_refused": "上链被拒",
    "accepted": "已接收",
    "returned": "已退回",
}


@app.command("prepare")
def prepare(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="移交文件夹 The folder to hand over.")],
    *,
    building: Annotated[str, typer.Option("--building", help="建筑标识 scheme:value or value.")],
    unit: Annotated[str, typer.Option("--unit", help="单位工程编号 Code of the unit project.")],
    stage: Annotated[str | None, typer.Option("--stage", help=f"阶段 One of {', '.join(STAGES)}.")] = None,
    level: Annotated[
        list[str] | None,
        typer.Option(
            "--level",
            metavar="PATTERN=LEVEL",
            help="密级，可多次：公开、内部、限阅、秘密，限阅以上在本机加密 Level; from restricted up encrypted here.",
        ),
    ] = None,
    desensitised: Annotated[
        list[str] | None,
        typer.Option(
            "--desensitised",
            metavar="COPY=SOURCE",
            help="脱敏副本及其原件，可多次：副本路径=原件路径 A copy and its source: paths, or 0xID:LEAFHASH.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="准备文件夹，默认 FOLDER.yunshang Where to; default FOLDER.yunshang.")
    ] = None,
    rename: Annotated[
        bool, typer.Option("--rename", help="把不规范的文件名改为建议的名称 Apply the proposed renamings.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="替换旧的准备文件夹 Replace an older one.")] = False,
    allow_unreadable_models: Annotated[
        bool,
        typer.Option(
            "--allow-unreadable-models",
            help="不能读取的模型也移交，指纹未计算 Hand over models without a fingerprint too.",
        ),
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="不询问档案馆 Do not ask the archive for earlier models.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """检查文件夹并一次读取计算全部摘要。Check a folder and digest its files in one pass; needs no server.

    All problems are named at once: symbolic links, unsafe or non-NFC names, names in GBK (a renaming is proposed),
    models that cannot be read. The class number of a document is taken from its folder's name, such as `C5 施工记录`,
    the stage of a model from its own, such as `1号楼竣工模型.ifc`, unless --stage says it. Where an archive is known, a
    model is compared with the one before it in the line of its unit project, and what changed goes in as a document.

    --level gives files that match a pattern of paths a security level (公开 public, 内部 internal, 限阅 restricted,
    秘密 secret; `*` matches any signs; the highest counts). From 限阅 up a file is encrypted as it is read: envelopes
    and data keys lie in the preparation folder, and no server ever has the keys.

    --desensitised says which file is a desensitised copy (see `yunshang document redact`) of which other one of the
    folder, or of which entry of an earlier submission; the copy's level must be lower than its source's.

    Examples:

        yunshang submission prepare ./handover --building 440106-YX0001 --unit 01

        yunshang submission prepare ./handover --building 440106-YX0001 --unit 01 --rename --json

        yunshang submission prepare ./handover --building 440106-YX0001 --unit 01 --level "*限阅*=限阅" --level "*=内部"
    """
    output = Output(as_json)
    if stage is not None and stage not in STAGES:
        raise CommandError(
            f"阶段须为 {'、'.join(STAGES)}", f"expected a stage of {', '.join(STAGES)}", code="usage", exit_code=USAGE
        )
    target = out or default_folder(folder)
    unit_project = UnitProject(parse_building(building), unit)
    rules = LevelRules.parse(level or [])
    copies = parse_copies(desensitised or [])
    # Envelopes can be large: they are written where they will stay, beside the folder.
    envelopes = beside(target.resolve(), "sealed")
    with tempfile.TemporaryDirectory(prefix="yunshang-") as scratch, _private_folder(envelopes):
        levels = LevelSealing(rules, envelopes)
        digests = digest_folder(folder, output, rename=rename, sealing=levels.sealing)
        rules.require_used(list(digests))
        preparation = build_preparation(
            folder,
            unit_project,
            digests,
            output,
            scratch=Path(scratch),
            stage=stage,
            client=None if offline else find_archive(home, api),
            allow_unreadable=allow_unreadable_models,
            levels=levels,
        )
        preparation = link_copies(preparation, copies)
        write_preparation(target, preparation, replace=replace)
    _show_preparation(output, preparation, target)


@contextmanager
def _private_folder(path: Path) -> Iterator[None]:
    path.mkdir(mode=0o700, parents=True)
    try:
        yield
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _show_preparation(output: Output, preparation: Preparation, target: Path) -> None:
    count = len(preparation.entries)
    uncategorised = sum(entry.category is None for entry in preparation.entries)
    output.say(
        f"已准备 {count} 个文件，{preparation.size_bytes} 字节，{len(preparation.models)} 个模型",
        f"{count} files, {preparation.size_bytes} bytes, {len(preparation.models)} models",
        style="green",
    )
    if uncategorised:
        output.warn(f"{uncategorised} 个文件没有分类号", f"{uncategorised} files have no class number")
    for model in preparation.models:
        root = "未计算" if model.root is None else "0x" + model.root.hex()
        output.say(f"模型指纹：{root}", f"{model.schema}, stage {model.stage or 'not said'}")
    if preparation.sealed:
        output.say(f"已在本机加密 {len(preparation.sealed)} 个文件", "encrypted on this machine", style="green")
    output.say(f"下一步：yunshang submission send {target}", "next: send it")
    output.result(
        {
            "preparation": str(target),
            "documents": count,
            "bytes": preparation.size_bytes,
            "documents_root": "0x" + preparation.root.hex(),
            "models": [model.to_json() for model in preparation.models],
            "change_records": sorted(preparation.generated),
            "encrypted": sorted(preparation.sealed),
            "desensitised": [entry.path for entry in preparation.entries if entry.source_entry is not None],
            "uncategorised": uncategorised,
        }
    )


@app.command("send")
def send(
    preparation: Annotated[Path, typer.Argument(metavar="PREPARATION", help="准备文件夹 The preparation folder.")],
    *,
    seal_days: Annotated[
        int, typer.Option("--seal-days", min=1, max=365, help="签章期限（天） Days within which it must be sealed.")
    ] = 90,
    relation: Annotated[
        str | None,
        typer.Option("--relation", help="与先前移交的关系 KIND:0xID, KIND supplements, corrects or replaces."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="不再询问 Do not ask for confirmation.")] = False,
    trust: TrustOption = None,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """发送条目与文件，冻结待签章内容；中断后再次运行即可继续。Send entries and files and freeze the statement.

    Interrupted, the same command goes on where it stopped. Keys of encrypted documents are wrapped for the archive and
    the five parties, by certificates that are checked against your own trust file; you are shown for whom.

    Examples:

        yunshang submission send ./handover.yunshang

        yunshang submission send ./handover2.yunshang --relation supplements:0x5f…
    """
    output = Output(as_json)
    answer = send_preparation(
        connect(home, api),
        preparation,
        output,
        seal_days=seal_days,
        relation=parse_relation(relation),
        trust=lambda: load_trust(home, trust),
        confirm=lambda recipients: _confirm_recipients(output, recipients, ask=not (yes or as_json)),
    )
    output.say(f"已发送：{answer['submission_id']}", f"state {answer['state']}, id {answer['id']}", style="green")
    output.result(answer)


def _confirm_recipients(output: Output, recipients: Sequence[Recipient], *, ask: bool) -> None:
    output.table(
        "可打开加密文件的单位 Who will be able to open the encrypted documents",
        ["单位 organisation", "代码 code", "证书 certificate"],
        [[r.name, r.code, ", ".join(c.certificate_id.hex()[:16] for c in r.certificates)] for r in recipients],
    )
    if ask and sys.stdin.isatty():
        typer.confirm("为以上单位封装密钥？ Wrap the keys for them?", abort=True, err=True)


app.command("seal")(sealing.seal)
app.command("decline")(sealing.decline)
app.command("withdraw")(sealing.withdraw)


@app.command("status")
def status(
    ref: Annotated[str, typer.Argument(metavar="REF", help="移交编号 uuid or 0x id of the submission.")],
    *,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """显示移交的状态与五方签章。Show a submission's state and who has sealed.

    Example:

        yunshang submission status 0x5f… --json
    """
    output = Output(as_json)
    submission = connect(home, api).submission(ref)
    show_status(output, submission)
    output.result(submission)


def show_status(output: Output, submission: Mapping[str, Any]) -> None:
    """Print a submission for people."""
    state = submission["state"]
    output.say(f"{STATES_ZH.get(state, state)}", f"{state}, sequence {submission['sequence']}", style="bold")
    if submission["state_reason"]:
        output.warn(str(submission["state_reason"]), "reason")
    seals = {seal["role"]: seal for seal in submission["seals"]}
    members = {member["role"]: member for member in submission["roster"]["organisations"]}
    output.table(
        f"{submission['building']['name']} · {submission['unit_project']['name']}",
        ["角色 role", "单位 organisation", "签章时间 signing time"],
        [
            [f"{role.zh} {role}", members[role]["name"], seals[role]["signing_time"] if role in seals else None]
            for role in ROLES
        ],
    )
    for item in submission["withdrawals"]:
        output.warn(f"{item['role']} {item['kind']}：{item['reason']}", str(item["signing_time"]))
    anchor = submission["anchor"]
    if anchor is not None:
        output.say(f"上链：{anchor['status']}", f"block {anchor['block_number']}, transaction {anchor['transaction']}")


def parse_relation(text: str | None) -> dict[str, str] | None:
    """Read `KIND:0xID`; raises CommandError (usage) for anything else."""
    if text is None:
        return None
    kind, _, identifier = text.partition(":")
    if kind not in RELATION_KINDS or not identifier.startswith("0x"):
        raise CommandError(
            f"关系须写作 KIND:0xID，得到 {text}",
            f"expected KIND:0xID with KIND of {', '.join(RELATION_KINDS)}, got {text}",
            code="usage",
            exit_code=USAGE,
        )
    return {"kind": kind, "submission": identifier}
