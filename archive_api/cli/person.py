"""`yunshang person …`: who may sign in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from archive_api.cli.context import connect, read_certificate
from archive_api.cli.development import ensure_desk, issue_personal_key
from archive_api.cli.failures import USAGE, CommandError
from archive_api.cli.options import DEFAULT_HOME, ApiOption, HomeOption, JsonOption
from archive_api.cli.output import Output
from archive_api.cli.running import running_server
from archive_api.home import load_home

__all__ = ["app"]

app = typer.Typer(help="人员：谁可以登录。Persons: who may sign in.")

PersonArgument = Annotated[str, typer.Argument(metavar="PERSON", help="人员编号 Id of the person.")]


@app.command("add")
def add(
    certificate: Annotated[
        Path | None, typer.Argument(metavar="[CERT]", help="个人证书 PEM/DER Personal certificate.")
    ] = None,
    *,
    name: Annotated[str | None, typer.Option("--name", help="姓名，无证书时 Name, without a certificate.")] = None,
    organisation: Annotated[
        str | None, typer.Option("--organisation", help="单位代码，无证书时 Organisation code, the same.")
    ] = None,
    oidc_issuer: Annotated[
        str | None, typer.Option("--oidc-issuer", help="统一身份认证地址 Issuer of the unified identity.")
    ] = None,
    oidc_subject: Annotated[
        str | None, typer.Option("--oidc-subject", help="其中的用户标识 The person's subject there.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """添加可以登录的人。Add somebody who may sign in; grants are given with `yunshang access grant`.

    Example:

        yunshang person add keys/li-ming.pem
    """
    output = Output(as_json)
    if (oidc_issuer is None) != (oidc_subject is None):
        raise CommandError(
            "--oidc-issuer 与 --oidc-subject 须同时给出",
            "expected --oidc-issuer and --oidc-subject together, got one",
            code="usage",
            exit_code=USAGE,
        )
    oidc = None if oidc_issuer is None else {"issuer": oidc_issuer, "subject": str(oidc_subject)}
    person = connect(home, api).add_person(
        certificate=None if certificate is None else read_certificate(certificate),
        name=name,
        organisation_code=organisation,
        oidc=oidc,
    )
    output.say(f"已添加：{person['name']}", f"person {person['person_id']}", style="green")
    output.result(person)


@app.command("issue")
def issue(
    name: Annotated[str, typer.Argument(metavar="NAME", help="姓名 Name of the person.")],
    *,
    out: Annotated[Path, typer.Option("--out", help="新密钥文件 The new PKCS#12 file.")],
    organisation: Annotated[
        str | None, typer.Option("--organisation", help="单位代码 Code of the person's organisation.")
    ] = None,
    organisation_name: Annotated[str | None, typer.Option("--organisation-name", help="单位名称 Its name.")] = None,
    days: Annotated[int, typer.Option("--days", min=1, help="有效天数 Days of validity.")] = 1_825,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """由开发用证书机构签发个人密钥与证书。Draw a personal key and have the development CA certify it.

    The key file is protected by the passphrase in HOME/keys/passphrase.

    Example:

        yunshang person issue 李明 --organisation 91440101MA5Y3K7TXY --organisation-name 广州云溪置业有限公司
        --out var/home/keys/li-ming.p12
    """
    output = Output(as_json)
    certificate = issue_personal_key(
        home,
        out,
        name=name,
        organisation_code=organisation,
        organisation_name=organisation_name,
        days=days,
    )
    output.say(f"密钥文件：{out}", f"certificate: {out.with_suffix('.pem')}", style="green")
    output.result(
        {
            "key": str(out),
            "certificate": str(out.with_suffix(".pem")),
            "certificate_id": certificate.certificate_id.hex(),
            "name": name,
            "organisation_code": organisation,
        }
    )


@app.command("list")
def list_persons(
    query: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="姓名的一部分 Part of a name.")] = None,
    *,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """列出可以登录的人。List who may sign in.

    Example:

        yunshang person list --json
    """
    output = Output(as_json)
    items = list(connect(home, api).persons(query))
    output.table(
        "人员 Persons",
        ["姓名 name", "单位 organisation", "编号 id", "状态 state"],
        [[p["name"], p["organisation_code"], p["person_id"], "停用 disabled" if p["disabled"] else ""] for p in items],
    )
    output.result({"items": items})


@app.command("disable")
def disable(
    person: PersonArgument, *, home: HomeOption = DEFAULT_HOME, api: ApiOption = None, as_json: JsonOption = False
) -> None:
    """停用一个人，其会话立即结束。Disable somebody; their sessions are over at once.

    Example:

        yunshang person disable 5f0c2a9e-8a4e-4b61-9a53-1d9d7f0a7b11
    """
    _change(connect(home, api).change_person(person, disabled=True), "已停用", "disabled", Output(as_json))


@app.command("enable")
def enable(
    person: PersonArgument, *, home: HomeOption = DEFAULT_HOME, api: ApiOption = None, as_json: JsonOption = False
) -> None:
    """重新启用一个人。Let somebody sign in again.

    Example:

        yunshang person enable 5f0c2a9e-8a4e-4b61-9a53-1d9d7f0a7b11
    """
    _change(connect(home, api).change_person(person, disabled=False), "已启用", "enabled", Output(as_json))


@app.command("sessions")
def sessions(
    person: PersonArgument,
    *,
    end: Annotated[bool, typer.Option("--end", help="结束其全部会话 Sign the person out everywhere.")] = False,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """查看或结束一个人的会话。Show somebody's open sessions, or end them.

    Example:

        yunshang person sessions 5f0c2a9e-8a4e-4b61-9a53-1d9d7f0a7b11 --end
    """
    output = Output(as_json)
    client = connect(home, api)
    if end:
        ended = client.end_sessions(person)
        output.say(f"已结束 {ended} 个会话", f"{ended} sessions ended", style="green")
        output.result({"ended": ended})
        return
    items = client.person_sessions(person)
    output.table(
        "会话 Sessions",
        ["编号 id", "方式 method", "开始 since", "到期 until"],
        [[s["session_id"], s["method"], s["created_at"], s["expires_at"]] for s in items],
    )
    output.result({"items": items})


@app.command("desk")
def desk(*, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """为旧目录补建开发工作台（须先停止服务）。Make the development desk of an older home; stop its server first.

    Example:

        yunshang person desk --home var/home
    """
    output = Output(as_json)
    if running_server(home) is not None:
        raise CommandError(
            f"{home} 的服务正在运行，请先停止", f"expected no server on {home}, got one; stop it", code="home_in_use"
        )
    made = ensure_desk(load_home(home))
    key = made.keys_dir / "desk.p12"
    output.say(f"开发工作台：{key}", "the development desk, which has every role", style="green")
    output.result({"key": str(key)})


def _change(person: dict[str, Any], zh: str, en: str, output: Output) -> None:
    output.say(f"{zh}：{person['name']}", f"{en}: {person['person_id']}", style="green")
    output.result(person)
