"""`yunshang key …`: encryption keys of an organisation, and their rotation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archive_api.cli.context import connect, read_certificate, read_passphrase
from archive_api.cli.decryption import issue_encryption_key
from archive_api.cli.failures import FAILED, USAGE, CommandError
from archive_api.cli.options import DEFAULT_HOME, ApiOption, HomeOption, JsonOption, PassphraseFileOption
from archive_api.cli.output import Output
from archive_api.client.commitments import read_entries
from archive_api.client.encryption import rotate_keys
from signing.encryption_keys import Pkcs12EncryptionKey

__all__ = ["app"]

app = typer.Typer(help="单位的加密密钥：签发、登记、更换。Encryption keys of an organisation: issue, register, rotate.")


@app.command("issue")
def issue(
    code: Annotated[str, typer.Argument(metavar="CODE", help="统一社会信用代码 Organisation code, 18 signs.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="单位名称 Name of the organisation.")],
    *,
    days: Annotated[int, typer.Option("--days", min=1, help="有效天数 Days of validity.")] = 1_825,
    out: Annotated[Path | None, typer.Option("--out", help="密钥文件 Key file; default: in HOME/keys.")] = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """用开发用证书机构签发加密密钥。Draw an encryption key and have the development CA certify it.

    It opens encrypted documents and can neither seal nor sign in. Its passphrase is that of HOME/keys/passphrase.

    Example:

        yunshang key issue 91440101MA5Y3K7TXY 广州云溪置业有限公司
    """
    output = Output(as_json)
    path, key = issue_encryption_key(home, code=code, name=name, days=days, out=out)
    certificate = key.certificate
    output.say(f"已签发加密密钥：{name}", f"certificate {certificate.certificate_id.hex()}", style="green")
    output.say(f"密钥文件：{path}", f"certificate: {path.with_suffix('.pem')}")
    output.result(
        {
            "certificate_id": certificate.certificate_id.hex(),
            "organisation": {"code": code, "name": name},
            "key": str(path),
            "certificate": str(path.with_suffix(".pem")),
            "not_after": certificate.not_after.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )


@app.command("register")
def register(
    certificate: Annotated[Path, typer.Argument(metavar="CERT", help="加密证书 PEM/DER Encryption certificate.")],
    *,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """把加密证书列入档案馆的目录。Put an encryption certificate into the archive's directory.

    Example:

        yunshang key register keys/91440101MA5Y3K7TXY.encryption.pem
    """
    output = Output(as_json)
    document = connect(home, api).add_encryption_certificate(read_certificate(certificate))
    output.say(f"已登记加密证书：{document['organisation']['name']}", f"certificate {document['id']}", style="green")
    output.result(document)


@app.command("list")
def list_keys(
    organisation: Annotated[str | None, typer.Argument(metavar="[CODE]", help="单位代码 Organisation code.")] = None,
    *,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """列出加密证书。List encryption certificates.

    Example:

        yunshang key list 91440101MA5Y3K7TXY
    """
    output = Output(as_json)
    items = list(connect(home, api).encryption_certificates(organisation))
    output.table(
        "加密证书 Encryption certificates",
        ["单位 organisation", "代码 code", "证书 certificate", "有效期至 not after", "停用 retired"],
        [
            [c["organisation"]["name"], c["organisation"]["code"], c["id"], c["not_after"], c["retired_at"]]
            for c in items
        ],
    )
    output.result({"items": items})


@app.command("retire")
def retire(
    certificate_id: Annotated[str, typer.Argument(metavar="ID", help="证书编号 Certificate id, hex.")],
    *,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """停用一张加密证书，今后不再为它封装密钥。Retire an encryption certificate: nobody wraps for it any more.

    Example:

        yunshang key retire 5f…
    """
    output = Output(as_json)
    document = connect(home, api).retire_encryption_certificate(certificate_id)
    output.say(f"已停用：{document['organisation']['name']}", f"certificate {document['id']}", style="green")
    output.result(document)


@app.command("rotate")
def rotate(
    old: Annotated[Path, typer.Option("--key", help="旧的加密密钥 PKCS#12 file of the old key.")],
    new: Annotated[Path, typer.Option("--new", help="新的加密密钥 PKCS#12 file of the new key.")],
    *,
    passphrase_file: PassphraseFileOption = None,
    new_passphrase_file: Annotated[
        Path | None, typer.Option("--new-passphrase-file", help="新密钥的口令文件 Default: as for the old one.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="不停用旧证书 Do not retire the old certificate.")] = False,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """更换加密密钥：为新证书重新封装全部数据密钥，不动任何文件。Wrap all data keys anew for a new key.

    No content is read or written. The old certificate is retired at the end, unless documents are left that the old
    key did not open. What the old key could open already it can open still: see docs/encryption.md section 4.

    Example:

        yunshang key rotate --key keys/91440101MA5Y3K7TXY.encryption.p12 --new keys/new.p12
    """
    output = Output(as_json)
    first = Pkcs12EncryptionKey(old, read_passphrase(passphrase_file))
    second = Pkcs12EncryptionKey(new, read_passphrase(new_passphrase_file or passphrase_file))
    if first.certificate.organisation_code != second.certificate.organisation_code:
        raise CommandError(
            "新旧密钥属于不同的单位",
            f"expected keys of one organisation, got {first.certificate.organisation_code} and "
            f"{second.certificate.organisation_code}",
            code="usage",
            exit_code=USAGE,
        )
    client = connect(home, api)
    client.add_encryption_certificate(second.certificate.der)
    done = lost = touched = 0
    for submission in client.submissions():
        entries = read_entries(list(client.entries(str(submission["id"]))))
        wrapped, left = rotate_keys(client, str(submission["id"]), entries, first, second)
        # A draft is wrapped anew when it is sent.
        lost += 0 if submission["state"] == "draft" else left
        done, touched = done + wrapped, touched + bool(wrapped)
    output.say(f"已为新密钥封装 {done} 个文件", f"{done} data keys in {touched} submissions", style="green")
    if lost:
        output.warn(f"{lost} 个加密文件旧密钥打不开", "documents that the old key does not open; it is not retired")
    elif not keep:
        client.retire_encryption_certificate(first.certificate.certificate_id.hex())
        output.say("旧证书已停用", "the old certificate is retired")
    output.result({"wrapped": done, "submissions": touched, "not_opened": lost, "retired": not (lost or keep)})
    if lost:
        raise typer.Exit(FAILED)
