"""`yunshang demo`: the whole handover, from a folder to evidence that an outsider can check."""

from __future__ import annotations

import shutil
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from archive_api.cli.cast import BUILDING
from archive_api.cli.companion import Companion, companion_server
from archive_api.cli.context import connect
from archive_api.cli.development import desk_path, passphrase_path
from archive_api.cli.digests import digest_folder
from archive_api.cli.failures import CommandError
from archive_api.cli.handover import HandOver, last_submission
from archive_api.cli.options import DEFAULT_HOME, HomeOption, JsonOption
from archive_api.cli.output import Output
from archive_api.cli.preparation import build_preparation, read_preparation, write_preparation
from archive_api.cli.review import load_trust
from archive_api.cli.stage import demo_unit_project, ensure_home, ensure_projects
from archive_api.cli.verification import verify_locally
from archive_api.client import ArchiveClient
from archive_api.client.commitments import read_entries, same_files
from archive_api.errors import ApiError
from ledger.errors import LedgerError
from ledger.ingest import FileDigests
from ledger.report import Outcome, VerificationReport
from ledger.trust import TrustFile

__all__ = ["demo"]

EVIDENCE_LIMIT: Final = 1_000
_STATUS_SECONDS: Final = 60.0
_STATUS_POLL_SECONDS: Final = 0.5
_AWAITED: Final = frozenset({"NO_REVOCATION_STATUS", "TRY_LATER"})
_OVER: Final = frozenset({"accepted", "returned"})


def demo(
    *,
    home: HomeOption = DEFAULT_HOME,
    source: Annotated[
        Path | None,
        typer.Option(
            "--source", help="移交文件夹，默认为自动生成的示例工程 Folder; default: a generated sample project."
        ),
    ] = None,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="完成后不提供服务 Do not serve afterwards.")] = False,
    reuse: Annotated[
        bool, typer.Option("--reuse", help="已有移交则不再新建 Make no new handover if there is one.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """一条命令完成整个移交：五方签章、上链、接收、取证。The whole handover, with development keys.

    Makes the home if need be, starts the server if none runs, hands the folder over, has five parties seal it, anchors
    it, has the archive accept it, and writes a verified evidence bundle for each document. A second run on the same
    home makes a second handover that supplements the first; an interrupted one is gone on with.

    Examples:

        yunshang demo --home var/demo

        yunshang demo --home var/demo --source ./handover --no-serve --json
    """
    output = Output(as_json)
    digests: dict[str, FileDigests] | None = None
    if source is not None:
        # Before anything is made: a folder with problems leaves nothing behind.
        digests = digest_folder(source, output)
    ensure_home(home, output)
    output.note("启动节点、存储与接口", "starting node, store and API")
    with companion_server(home) as server:
        result = _run(home, server, source, digests, reuse=reuse, output=output)
        _show(output, result)
        output.result(result)
        if no_serve:
            return
        output.note(
            f"登录网页：密钥文件 {desk_path(home)} ，口令在 {passphrase_path(home)}",
            "sign in to the pages with this key file; its passphrase is in the other",
        )
        output.note(f"服务地址 {server.api} ，按 Ctrl-C 停止", "serving; Ctrl-C stops")
        try:
            server.wait()
        except KeyboardInterrupt:
            output.note("正在停止", "stopping")


def _run(
    home: Path,
    server: Companion,
    source: Path | None,
    digests: dict[str, FileDigests] | None,
    *,
    reuse: bool,
    output: Output,
) -> dict[str, Any]:
    client = connect(home, server.api)
    trust = load_trust(home, None)
    handover = HandOver(client=client, home=home, rpc_url=server.rpc_url, trust=trust, output=output)
    ensure_projects(client, home, output)
    last = last_submission(client)
    ref = None
    if last is not None and last["state"] not in _OVER:
        output.note("继续上次未完成的移交", "going on with the interrupted handover")
        same = digests is not None and same_files(read_entries(list(client.entries(str(last["id"])))), digests)
        ref = handover.finish(str(last["id"]), source, digests) if same else handover.finish(str(last["id"]))
        if digests is not None and not same:
            ref = _new(home, handover, source, digests, output)
    elif last is not None and reuse:
        output.note("沿用已有的移交", "using the handover that was made before")
        ref = str(last["id"])
    else:
        ref = _new(home, handover, source, digests, output)
    submission = client.submission(ref)
    evidence = _evidence(client, home, submission, trust, output)
    return _result(submission, server, home, trust, evidence)


def _new(
    home: Path, handover: HandOver, source: Path | None, digests: dict[str, FileDigests] | None, output: Output
) -> str:
    if source is None or digests is None:
        source = _sample(home, output, revision=1 if last_submission(handover.client) else 0)
        digests = digest_folder(source, output)
    folder = home / "preparation"
    if not _is_prepared(folder, digests):
        with tempfile.TemporaryDirectory(prefix="yunshang-") as scratch:
            preparation = build_preparation(
                source,
                demo_unit_project(),
                digests,
                output,
                scratch=Path(scratch),
                client=handover.client,
                models=handover.models,
            )
            write_preparation(folder, preparation, replace=True)
    ref = handover.new(folder, source, digests)
    shutil.rmtree(folder)
    return ref


def _is_prepared(folder: Path, digests: Mapping[str, FileDigests]) -> bool:
    """Whether an interrupted run left a preparation of just these files: sending it goes on where it stopped."""
    try:
        return same_files(read_preparation(folder).entries, digests)
    except (ApiError, LedgerError):
        return False


def _sample(home: Path, output: Output, *, revision: int) -> Path:
    from archive_api.sample import generate_sample_project

    folder = home / ("sample" if revision == 0 else "sample-revised")
    if not folder.exists():
        output.note("生成示例工程", "generating the sample project")
        partial = home / f".sample-{uuid.uuid4().hex}"
        try:
            generate_sample_project(partial, revision=revision)
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder


def _evidence(
    client: ArchiveClient, home: Path, submission: Mapping[str, Any], trust: TrustFile, output: Output
) -> list[str]:
    identifier = str(submission["submission_id"])
    count = min(int(submission["document_count"]), EVIDENCE_LIMIT)
    if count < int(submission["document_count"]):
        output.warn(
            f"只写出前 {EVIDENCE_LIMIT} 份证据包；其余用 yunshang evidence get 取得",
            f"only the first {EVIDENCE_LIMIT} bundles are written; get others with yunshang evidence get",
        )
    target = home / "evidence" / identifier
    if target.exists():
        return [str((target / f"{index}.json").absolute()) for index in range(count)]
    partial = target.with_name(f".{identifier}.{uuid.uuid4().hex}")
    partial.mkdir(parents=True)
    try:
        with output.progress("取得并核验证据包", "writing and verifying evidence", count) as advance:
            for index in range(count):
                bundle, report = _whole_evidence(client, identifier, index, trust)
                if report.outcome is not Outcome.PASSED:
                    step = report.decisive
                    raise CommandError(
                        f"证据包 {index} 未通过：{step.finding.zh if step else report.outcome}",
                        f"expected bundle {index} to pass, got {report.outcome}: {step.finding.en if step else ''}",
                        code="evidence_refused",
                    )
                (partial / f"{index}.json").write_bytes(bundle)
                advance(1)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return [str((target / f"{index}.json").absolute()) for index in range(count)]


def _whole_evidence(
    client: ArchiveClient, identifier: str, index: int, trust: TrustFile
) -> tuple[bytes, VerificationReport]:
    """One bundle with its report; revocation status and timestamp may take a moment to arrive, so it is asked again."""
    deadline = time.monotonic() + _STATUS_SECONDS
    while True:
        bundle = client.evidence(identifier, index).content
        report = verify_locally(bundle, trust)
        awaited = any(party.finding.reason in _AWAITED for party in report.parties)
        if not awaited or time.monotonic() >= deadline:
            return bundle, report
        time.sleep(_STATUS_POLL_SECONDS)


def _result(
    submission: Mapping[str, Any], server: Companion, home: Path, trust: TrustFile, evidence: list[str]
) -> dict[str, Any]:
    anchor = submission["anchor"]
    return {
        "building": f"{BUILDING.scheme}:{BUILDING.value}",
        "submission": submission["submission_id"],
        "transaction": anchor["transaction"],
        "block": anchor["block_number"],
        "gas_used": anchor["gas_used"],
        "documents": submission["document_count"],
        "bytes": submission["total_bytes"],
        "documents_root": submission["documents_root"],
        "content_cid": submission["content_cid"],
        "contract": "0x" + trust.contracts["archive_ledger"].address.hex(),
        "rpc_url": server.rpc_url,
        "trust": str((home / "trust.json").absolute()),
        "evidence": evidence,
    }


def _show(output: Output, result: Mapping[str, Any]) -> None:
    rows = [[name, value] for name, value in result.items() if name != "evidence"]
    output.table("移交完成 Handover done", ["项目 item", "值 value"], rows)
    evidence = result["evidence"]
    output.say(f"证据包 {len(evidence)} 份，已逐一核验", f"{len(evidence)} evidence bundles, each verified")
    if evidence:
        output.say(f"自行核验：yunshang-verify {evidence[0]} --trust {result['trust']}", "verify it yourself")
