"""`yunshang token …`: keys in tokens and HSMs, from drawing one to having its certificate beside it.

The key never leaves the token. Its PIN is asked for, or read from a file; it is on no command line and in no log.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from archive_api.cli.context import read_certificate
from archive_api.cli.failures import USAGE, CommandError
from archive_api.cli.keys import open_token, token_place
from archive_api.cli.options import JsonOption, PinFileOption
from archive_api.cli.output import Output
from ledger.identifiers import validate_uscc
from signing.authority import write_private_file
from signing.certificates import certificate_id, parse_certificate
from signing.errors import PolicyError, SigningError
from signing.personal import parse_personal_certificate
from signing.token_session import TokenKey, TokenSession

__all__ = ["app"]

app = typer.Typer(help="令牌与密码机：密钥不出设备。Tokens and HSMs: keys that never leave the device.")

ModuleOption = Annotated[
    Path, typer.Option("--pkcs11", help="令牌厂商的 PKCS#11 模块 The token maker's PKCS#11 module.")
]
LabelOption = Annotated[
    str, typer.Option("--token", help="令牌标签，或 serial:序列号 Label of the token, or serial:NUMBER.")
]
KeyIdOption = Annotated[
    str | None, typer.Option("--key-id", help="密钥编号，默认为唯一未领证书的密钥 Default: the only key uncertified.")
]

_PIN_ZH: Mapping[str, str] = {
    "set": "已设",
    "unset": "未设",
    "low": "近期输错过",
    "final_try": "仅剩一次",
    "locked": "已锁定",
}


@app.command("list")
def list_all(*, pkcs11: ModuleOption, as_json: JsonOption = False) -> None:
    """列出令牌及其证书；不需要 PIN。List tokens and their certificates; needs no PIN.

    Example:

        yunshang token list --pkcs11 /usr/lib/softhsm/libsofthsm2.so
    """
    from signing.tokens import list_tokens

    output = Output(as_json)
    items: list[dict[str, Any]] = [
        {
            "label": info.label,
            "serial": info.serial,
            "manufacturer": info.manufacturer,
            "model": info.model,
            "pin": info.pin_state,
            "pin_pad": info.pin_pad,
            "certificates": [_describe(stored) for stored in info.certificates],
        }
        for info in list_tokens(pkcs11)
    ]
    output.table(
        "令牌 Tokens",
        ["标签 label", "序列号 serial", "型号 model", "PIN", "证书 certificates"],
        [
            [
                item["label"],
                item["serial"],
                f"{item['manufacturer']} {item['model']}",
                f"{_PIN_ZH[str(item['pin'])]} {item['pin']}",
                "\n".join(f"{stored['purpose']} {stored['name'] or ''}" for stored in item["certificates"]) or None,
            ]
            for item in items
        ],
    )
    output.result({"items": items})


@app.command("generate")
def generate(
    *,
    pkcs11: ModuleOption,
    token: LabelOption,
    label: Annotated[str, typer.Option("--label", help="密钥名称 Name shown by other programs.")] = "yunshang",
    pin_file: PinFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """在令牌内生成一把不可导出的 P-256 密钥。Draw a P-256 key in the token; it can't be read out.

    Example:

        yunshang token generate --pkcs11 /usr/lib/softhsm/libsofthsm2.so --token 云溪置业
    """
    output = Output(as_json)
    with open_token(token_place(pkcs11, token, pin_file=pin_file), writable=True) as session:
        key = session.generate(label)
    output.say("已在令牌内生成密钥", f"key {key.key_id.hex()}", style="green")
    output.say("下一步：yunshang token request", "next: request its certificate")
    output.result({"key_id": key.key_id.hex()})


@app.command("request")
def request(
    code: Annotated[str | None, typer.Argument(metavar="[CODE]", help="统一社会信用代码 Organisation code.")] = None,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="单位名称 Name of the organisation.")] = None,
    *,
    pkcs11: ModuleOption,
    token: LabelOption,
    out: Annotated[Path, typer.Option("--out", help="申请文件 Where to write the request (PKCS#10, PEM).")],
    person: Annotated[
        str | None, typer.Option("--person", help="姓名：申请个人证书 Name of a person: a personal certificate.")
    ] = None,
    key_id: KeyIdOption = None,
    pin_file: PinFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """为令牌内的密钥申请证书：单位签章证书，或个人证书。Request a key's certificate: for sealing, or personal.

    Examples:

        yunshang token request 91440101MA5Y3K7TXY 广州云溪置业有限公司 --pkcs11 M.so --token 云溪置业 --out seal.csr

        yunshang token request 91440101MA5Y3K7TXY 广州云溪置业有限公司 --person 陈海燕 --pkcs11 M.so --token 陈海燕
        --out me.csr
    """
    from signing.pkcs11 import request_certificate
    from signing.requests import organisation_subject, person_subject, request_pem

    output = Output(as_json)
    if (code is None) != (name is None) or (code is None and person is None):
        raise CommandError(
            "请给出单位代码与名称；申请个人证书请用 --person",
            "expected CODE and NAME of an organisation, --person, or all three",
            code="usage",
            exit_code=USAGE,
        )
    organisation = None if code is None or name is None else (validate_uscc(code), name)
    if person is not None:
        subject = person_subject(person, organisation)
    else:
        subject = organisation_subject(*(organisation or ("", "")))
    with open_token(token_place(pkcs11, token, pin_file=pin_file)) as session:
        key = _uncertified(session, key_id)
        request_der = request_certificate(session, key, subject)
    write_private_file(out, request_pem(request_der).encode("ascii"), mode=0o644)
    output.say(f"已写入申请：{out}", f"request for key {key.key_id.hex()}", style="green")
    output.result({"request": str(out), "key_id": key.key_id.hex(), "subject": subject.rfc4514_string()})


@app.command("import")
def import_certificate(
    certificate: Annotated[Path, typer.Argument(metavar="CERT", help="证书文件 PEM/DER The certificate.")],
    *,
    pkcs11: ModuleOption,
    token: LabelOption,
    pin_file: PinFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """把签发的证书存到令牌内其密钥旁。Store an issued certificate beside its key in the token.

    Example:

        yunshang token import seal.pem --pkcs11 /usr/lib/softhsm/libsofthsm2.so --token 云溪置业
    """
    output = Output(as_json)
    data = read_certificate(certificate)
    described = _describe(data)
    if described["purpose"] == "other":
        raise PolicyError(
            "expected a certificate for sealing or a personal one, got another",
            code="certificate_profile",
            where=str(certificate),
        )
    with open_token(token_place(pkcs11, token, pin_file=pin_file), writable=True) as session:
        key = session.store_certificate(data, label=str(described["name"]))
    output.say(f"已存入证书：{described['name']}", f"{described['purpose']} {described['id']}", style="green")
    output.result(described | {"key_id": key.key_id.hex()})


def _uncertified(session: TokenSession, key_id: str | None) -> TokenKey:
    keys = session.list_keys()
    found = [key for key in keys if (key.certificate is None if key_id is None else key.key_id.hex() == key_id)]
    if len(found) != 1:
        names = ", ".join(key.key_id.hex() for key in keys) or "none"
        raise CommandError(
            f"令牌中未领证书的密钥须恰有一把，得到 {len(found)} 把；请用 --key-id 指定",
            f"expected one key without a certificate, got {len(found)}: name one of {names} by --key-id",
            code="token_key",
        )
    return found[0]


def _describe(stored: bytes) -> dict[str, Any]:
    """What a certificate is for and whose it is: `sealing`, `personal` or `other`."""
    identifier = certificate_id(stored).hex()
    try:
        organisation = parse_certificate(stored)
    except SigningError:
        try:
            person = parse_personal_certificate(stored)
        except SigningError:
            return {"id": identifier, "purpose": "other", "name": None, "organisation_code": None, "not_after": None}
        name, code, not_after, purpose = person.name, person.organisation_code, person.not_after, "personal"
    else:
        name, code = organisation.organisation_name, organisation.organisation_code
        not_after, purpose = organisation.not_after, "sealing"
    return {
        "id": identifier,
        "purpose": purpose,
        "name": name,
        "organisation_code": code,
        "not_after": not_after.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
