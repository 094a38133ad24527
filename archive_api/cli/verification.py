"""`yunshang verify …`: is this file, digest or bundle what was recorded?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from archive_api.cli.chain import open_reader
from archive_api.cli.context import connect
from archive_api.cli.failures import COULD_NOT_CHECK, FAILED, OK, USAGE, CommandError
from archive_api.cli.options import DEFAULT_HOME, ApiOption, HomeOption, JsonOption, TrustOption
from archive_api.cli.output import Output
from archive_api.cli.review import load_trust
from ledger.cli.seals import CadesSeals
from ledger.cli.text import print_report
from ledger.cli.verify import EXIT_CODES, digest_file
from ledger.report import AnchorLevel, VerificationReport
from ledger.trust import TrustFile
from ledger.verify import verify_bundle

__all__ = ["app", "verify_locally"]

app = typer.Typer(help="核验文件、摘要或证据包。Verify a file, a digest or an evidence bundle.")

_VERDICTS = {"PASSED": OK, "FAILED": FAILED, "INDETERMINATE": COULD_NOT_CHECK}


@app.command("bundle")
def bundle(
    path: Annotated[Path, typer.Argument(metavar="BUNDLE", help="证据包 Evidence bundle.")],
    *,
    file: Annotated[Path | None, typer.Option("--file", help="一并核对的文件 The document, to be compared.")] = None,
    rpc: Annotated[str | None, typer.Option("--rpc", help="自己的节点地址 Address of your own node.")] = None,
    require_anchor: Annotated[
        str, typer.Option("--require-anchor", help="attested, observed or proved.")
    ] = AnchorLevel.ATTESTED.label,
    remote: Annotated[
        bool, typer.Option("--remote", help="由档案馆的接口核验 Let the archive's API verify, not this machine.")
    ] = False,
    trust: TrustOption = None,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """核验证据包，默认在本机、只凭自己的信任文件。Verify a bundle, on this machine unless `--remote`.

    Exit code: 0 passed, 1 failed, 2 could not check. `yunshang-verify` does the same without any server installed.

    Examples:

        yunshang verify bundle evidence.json --file 竣工图.pdf

        yunshang verify bundle evidence.json --rpc http://127.0.0.1:8545 --require-anchor observed --json
    """
    output = Output(as_json)
    content = path.read_bytes()
    if remote:
        document = connect(home, api).verify_bundle(content)
        _show_remote(output, document)
        raise typer.Exit(_VERDICTS.get(str(document.get("verdict")), COULD_NOT_CHECK))
    level = _level(require_anchor)
    report = verify_locally(content, load_trust(home, trust), file=file, rpc=rpc, home=home, required=level)
    if not as_json:
        print_report(report, console=output.result_console)
    output.result(report.to_json())
    raise typer.Exit(EXIT_CODES[report.outcome])


@app.command("file")
def file(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="手中的文件 The file at hand.")],
    *,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """查手中的文件是否在档；只发送摘要，不上传文件。Whether a file is on record; only its digest is sent.

    Example:

        yunshang verify file 竣工图.pdf
    """
    output = Output(as_json)
    digest = digest_file(path)
    output.note(f"SHA-256 {digest.sha256.hex()}", f"SM3 {digest.sm3.hex()}, CID {digest.cid}")
    _digest(digest.sha256.hex(), output, home, api)


@app.command("digest")
def digest(
    sha256: Annotated[str, typer.Argument(metavar="SHA256", help="文件的 SHA-256 Digest of the file, hex.")],
    *,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """按摘要查文件是否在档。Whether a document with this SHA-256 is on record.

    Example:

        yunshang verify digest e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 --json
    """
    _digest(sha256, Output(as_json), home, api)


def _digest(sha256: str, output: Output, home: Path, api: str | None) -> None:
    document = connect(home, api).verify_digest(sha256)
    _show_remote(output, document)
    raise typer.Exit(_VERDICTS.get(str(document.get("verdict")), COULD_NOT_CHECK))


def verify_locally(
    content: bytes,
    trust: TrustFile,
    *,
    file: Path | None = None,
    rpc: str | None = None,
    home: Path = DEFAULT_HOME,
    required: AnchorLevel = AnchorLevel.ATTESTED,
) -> VerificationReport:
    """Verify a bundle on this machine by one's own trust file.

    Args:
        content: the bundle.
        trust: one's own.
        file: the document to compare.
        rpc: one's own node; None: nothing is observed.
        home: for `rpc`'s default, see `open_reader`.
        required: anchor level asked for.
    """
    return verify_bundle(
        content,
        trust,
        seal_checker=CadesSeals(),
        now=datetime.now(UTC).replace(microsecond=0),
        file=digest_file(file) if file else None,
        chain=open_reader(home, rpc, trust) if rpc else None,
        required_level=required,
    )


def _level(text: str) -> AnchorLevel:
    for level in AnchorLevel:
        if level.label == text and level is not AnchorLevel.NONE:
            return level
    raise CommandError(
        f"级别须为 attested、observed 或 proved，得到 {text}",
        f"expected attested, observed or proved, got {text}",
        code="usage",
        exit_code=USAGE,
    )


def _show_remote(output: Output, document: Mapping[str, Any]) -> None:
    verdict = str(document.get("verdict"))
    zh = {"PASSED": "通过", "FAILED": "未通过"}.get(verdict, "无法判定")
    output.say(f"档案馆的结论：{zh}", f"the archive says: {verdict}", style="bold")
    matches = [match["document"] for match in document.get("matches", ())]
    if matches:
        output.table(
            "在档文件 Documents on record",
            ["题名 title", "路径 path", "移交 submission"],
            [[item["title"], item["path"], item["submission_id"]] for item in matches],
        )
    elif document.get("reason") == "not_recorded":
        output.warn(
            "档案馆没有这份文件的记录；这不说明文件的真伪", "not on record here, which says nothing about the file"
        )
    output.result(document)
