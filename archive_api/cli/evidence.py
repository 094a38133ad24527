"""`yunshang evidence …`: bundles out of the archive, and taken apart for openssl, wallets and other stock tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archive_api.cli.context import connect
from archive_api.cli.options import DEFAULT_HOME, ApiOption, HomeOption, JsonOption
from archive_api.cli.output import Output
from archive_api.home import write_private
from ledger.cli.export import export_evidence

__all__ = ["app"]

app = typer.Typer(help="证据包：取得与拆解。Evidence bundles: get and export.")


@app.command("get")
def get(
    submission: Annotated[str, typer.Argument(metavar="SUBMISSION", help="移交编号 0x id of the submission.")],
    index: Annotated[int, typer.Argument(metavar="INDEX", min=0, help="文件序号 Leaf index of the document.")],
    *,
    element: Annotated[
        str | None,
        typer.Option(
            "--element",
            metavar="GLOBALID",
            help="文件为 BIM 模型时，一并证明其中的构件 Prove an element too, where the document is a BIM model.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="写入何处 Where to; default evidence-INDEX.json.")] = None,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """取得一份文件的证据包，可连同模型中一个构件。Get one document's evidence bundle, if asked with an element of it.

    Examples:

        yunshang evidence get 0x5f… 0 --out evidence.json

        yunshang evidence get 0x5f… 3 --element '1hOSvn6df7F8_7GcBWlRGQ' --out door.json
    """
    output = Output(as_json)
    target = out or Path(f"evidence-{index}.json")
    content = connect(home, api).evidence(submission, index, element=element)
    write_private(target.absolute(), content)
    output.say(f"已写入：{target}", f"{len(content)} bytes", style="green")
    output.result({"bundle": str(target), "bytes": len(content)})


@app.command("export")
def export(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="证据包 Evidence bundle.")],
    *,
    trust: Annotated[Path, typer.Option("--trust", help="自己的信任文件 Your own trust file.")],
    directory: Annotated[Path, typer.Option("--dir", help="写入的文件夹 Folder to write to.")],
    as_json: JsonOption = False,
) -> None:
    """把证据包拆成通用工具可验的文件。Take a bundle apart into files for stock tools.

    Writes payload.bin, statement.json, seal-ROLE.p7s and cert-ROLE.pem, trust.pem, entry.json and proof.json.

    Example:

        yunshang evidence export evidence.json --trust trust.json --dir out

        openssl cms -verify -inform DER -in out/seal-owner.p7s -content out/payload.bin -binary
        -CAfile out/trust.pem -purpose any -out /dev/null
    """
    output = Output(as_json)
    files = export_evidence(bundle, trust, directory)
    output.table("已写入 Written", ["文件 file"], [[path] for path in files])
    output.result({"directory": str(directory), "files": [str(path) for path in files]})
