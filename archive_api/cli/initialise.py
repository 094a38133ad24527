"""`yunshang init`: a new home."""

from __future__ import annotations

from typing import Annotated

import typer

from archive_api.cli.cast import ARCHIVE
from archive_api.cli.development import create_home
from archive_api.cli.options import DEFAULT_HOME, HomeOption, JsonOption
from archive_api.cli.output import Output

__all__ = ["init"]


def init(
    *,
    home: HomeOption = DEFAULT_HOME,
    archive_code: Annotated[
        str, typer.Option("--archive-code", help="档案馆统一社会信用代码 The archive's organisation code.")
    ] = ARCHIVE.code,
    archive_name: Annotated[str, typer.Option("--archive-name", help="档案馆名称 The archive's name.")] = ARCHIVE.name,
    api_port: Annotated[
        int, typer.Option("--api-port", min=0, max=65535, help="接口端口 Port of the API; 0: a free one.")
    ] = 0,
    rpc_port: Annotated[
        int, typer.Option("--rpc-port", min=0, max=65535, help="节点端口 Port of the node; 0: a free one.")
    ] = 0,
    p256_tables: Annotated[
        bool,
        typer.Option(
            "--p256-tables",
            help="链上无 P-256 预编译时用倍点表验签 Check seals by tables: networks without the P-256 precompile.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """建立档案馆目录：随机链号、密钥、开发用证书机构。Make a home: random chain id, keys, a development CA.

    Contracts are deployed and `trust.json` is written at the first `yunshang up`.

    Example:

        yunshang init --home var/home --archive-code 1244010045535T8158 --archive-name 广州市云上城建档案馆
    """
    output = Output(as_json)
    made = create_home(
        home, code=archive_code, name=archive_name, api_port=api_port, rpc_port=rpc_port, p256_tables=p256_tables
    )
    output.say(f"已建立：{home}", f"home of {archive_name} on chain {made.config.chain_id}", style="green")
    output.say(f"下一步：yunshang up --home {home}", "next: start it")
    output.result(
        {
            "home": str(home),
            "chain_id": made.config.chain_id,
            "archive": {"code": archive_code, "name": archive_name},
            "ca_root": str(home / "ca" / "root.pem"),
            "trust": str(made.trust_path),
        }
    )
