"""`yunshang ca …`: the development CA of a home."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated

import typer

from archive_api.cli.context import connect, find_archive, read_certificate
from archive_api.cli.development import issue_key, issue_requested, open_authority
from archive_api.cli.failures import USAGE, CommandError
from archive_api.cli.options import DEFAULT_HOME, ApiOption, HomeOption, JsonOption
from archive_api.cli.output import Output
from archive_api.errors import NotFoundError
from signing.authority import write_private_file
from signing.authority_services import read_revoked, record_revocation
from signing.certificates import certificate_id, load_p256_certificate
from signing.requests import parse_request
from signing.revocation import Revocation, RevocationReason

__all__ = ["app"]

app = typer.Typer(help="开发用证书机构。The development CA: for a desk, not a certification service.")

_REASONS = ("key_compromise", "affiliation_changed", "superseded", "cessation_of_operation")


@app.command("init")
def init(*, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """建立根密钥与根证书（已有则不变）。Make the root key and certificate; one that is there stays.

    Example:

        yunshang ca init --home var/home
    """
    output = Output(as_json)
    authority = open_authority(home, create=True)
    root = home / "ca" / "root.pem"
    output.say(f"根证书：{root}", "root certificate", style="green")
    output.result({"root": str(root), "sha256": certificate_id(authority.root_certificate).hex()})


@app.command("issue")
def issue(
    code: Annotated[
        str | None, typer.Argument(metavar="[CODE]", help="统一社会信用代码 Organisation code, 18 signs.")
    ] = None,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="单位名称 Name of the organisation.")] = None,
    *,
    request: Annotated[
        Path | None,
        typer.Option("--request", help="证书申请（PKCS#10），密钥在申请者手中 A request: the key stays where it is."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="证书文件，默认在申请旁 Certificate; default: beside the request.")
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, help="有效天数 Days of validity.")] = 1_825,
    force: Annotated[bool, typer.Option("--force", help="替换该单位的旧密钥文件 Replace the old key file.")] = False,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """为一家单位生成签章密钥并签发证书，或按申请签发。Draw a sealing key and certify it, or certify a requested one.

    The key file is protected by the passphrase in HOME/keys/passphrase. A request, from a token for example, says
    itself whose certificate it asks for, and brings the proof that its sender has the key; who that is, is yours to
    make sure of.

    Examples:

        yunshang ca issue 91440101MA5Y3K7TXY 广州云溪置业有限公司

        yunshang ca issue --request seal.csr
    """
    output = Output(as_json)
    if request is not None:
        if code is not None or force:
            raise _issue_usage()
        _issue_requested(home, request, out or request.with_suffix(".pem"), days=days, output=output)
        return
    if code is None or name is None or out is not None:
        raise _issue_usage()
    issued = issue_key(home, code=code, name=name, days=days, force=force)
    certificate = issued.certificate
    output.say(f"已签发：{name}", f"certificate {certificate.certificate_id.hex()}", style="green")
    output.say(f"密钥文件：{issued.key_file}", f"certificate: {issued.certificate_file}")
    output.result(
        {
            "certificate_id": certificate.certificate_id.hex(),
            "serial_number": str(certificate.serial_number),
            "organisation": {"code": code, "name": name},
            "key": str(issued.key_file),
            "certificate": str(issued.certificate_file),
            "not_after": certificate.not_after.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )


def _issue_requested(home: Path, path: Path, out: Path, *, days: int, output: Output) -> None:
    request = parse_request(path.read_bytes())
    certificate = issue_requested(home, request, days=days)
    write_private_file(out, certificate.pem.encode("ascii"), mode=0o644)
    purpose = "签章证书" if request.for_sealing else "个人证书"
    output.say(f"已签发{purpose}：{request.name}", f"certificate {certificate.certificate_id.hex()}", style="green")
    output.say(f"证书文件：{out}", "the certificate")
    code, organisation = request.organisation_code, request.organisation_name
    output.result(
        {
            "certificate_id": certificate.certificate_id.hex(),
            "serial_number": str(certificate.serial_number),
            "purpose": "sealing" if request.for_sealing else "personal",
            "person": None if request.for_sealing else request.name,
            "organisation": None if code is None else {"code": code, "name": organisation},
            "certificate": str(out),
            "not_after": certificate.not_after.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )


def _issue_usage() -> CommandError:
    return CommandError(
        "请给出单位代码与名称，或用 --request 给出申请文件",
        "expected CODE and NAME, or --request FILE",
        code="usage",
        exit_code=USAGE,
    )


@app.command("list")
def list_issued(*, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """列出已签发的证书。List the certificates it issued.

    Example:

        yunshang ca list --json
    """
    output = Output(as_json)
    issued = open_authority(home).issued
    items = [
        {
            "certificate_id": c.certificate_id.hex(),
            "serial_number": str(c.serial_number),
            "organisation": {"code": c.organisation_code, "name": c.organisation_name},
            "not_before": c.not_before.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "not_after": c.not_after.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        for c in issued
    ]
    output.table(
        "已签发证书 Issued certificates",
        ["单位 organisation", "代码 code", "证书 certificate", "有效期至 not after"],
        [[c.organisation_name, c.organisation_code, c.certificate_id.hex(), c.not_after.date()] for c in issued],
    )
    output.result({"items": items})


@app.command("revoke")
def revoke(
    certificate: Annotated[Path, typer.Argument(metavar="CERT", help="证书文件 PEM/DER The certificate.")],
    *,
    reason: Annotated[str, typer.Option("--reason", help=f"吊销原因 One of {', '.join(_REASONS)}.")],
    invalidity_time: Annotated[
        str | None,
        typer.Option(
            "--invalidity-time",
            "--invalid-since",
            help="密钥自何时起不可信，如 2026-11-22T08:00:00Z Since when the key is not to be trusted.",
        ),
    ] = None,
    only_ca: Annotated[bool, typer.Option("--only-ca", help="不在链上停用 Do not stop it on chain.")] = False,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """吊销一张证书：写入吊销列表与 OCSP，并在链上停用。Revoke a certificate: in CRL and OCSP, and stop it on chain.

    What the CA says reaches back to the invalidity time for key_compromise; the stop on chain begins with its block.

    Example:

        yunshang ca revoke keys/91440101MA5Y3K7TXY.pem --reason key_compromise --invalidity-time 2026-11-22T08:00:00Z
    """
    output = Output(as_json)
    if reason not in _REASONS:
        raise CommandError(
            f"吊销原因须为：{'、'.join(_REASONS)}",
            f"expected a reason of {', '.join(_REASONS)}, got {reason}",
            code="usage",
            exit_code=USAGE,
        )
    since = None if invalidity_time is None else _unix_time(invalidity_time)
    der = read_certificate(certificate)
    identifier = certificate_id(der).hex()
    recorded = _revoke_at_ca(home, der, reason=reason, since=since)
    if recorded:
        output.say("证书机构已吊销", f"certificate {identifier}: in CRL and OCSP from now on", style="green")
    document: dict[str, object] = {"certificate_id": identifier, "reason": reason, "ca": recorded, "status": None}
    client = None if only_ca else find_archive(home, api)
    if client is None and not recorded:
        client = connect(home, api)  # says what to do
    if client is not None and (not recorded or _seals(home, identifier)):
        document |= client.revoke_certificate(identifier, reason=reason)
        output.say("已提交链上停用", f"certificate {identifier}: {document.get('status')}", style="green")
    elif not only_ca and _seals(home, identifier):
        output.warn("服务未运行，链上尚未停用", "no server runs: it is not stopped on chain; run this again with one")
    output.result(document)


def _revoke_at_ca(home: Path, der: bytes, *, reason: str, since: int | None) -> bool:
    """Record a revocation at the home's CA; false where it did not issue the certificate, or there is none."""
    try:
        authority = open_authority(home)
    except NotFoundError:
        return False
    loaded, _ = load_p256_certificate(der)
    serial_number = loaded.serial_number
    if loaded.issuer != authority.status_signer.certificate.subject or serial_number not in authority.serial_numbers:
        return False
    revocation = Revocation(
        datetime.datetime.now(datetime.UTC).replace(microsecond=0),
        RevocationReason[reason.upper()],
        None if since is None else datetime.datetime.fromtimestamp(since, datetime.UTC),
    )
    if serial_number not in {
        item.serial_number for item in read_revoked(home / "ca")
    }:  # run again, it only goes on where it stopped
        record_revocation(home / "ca", serial_number, revocation)
    return True


def _seals(home: Path, identifier: str) -> bool:
    return any(c.certificate_id.hex() == identifier for c in open_authority(home).issued)


def _unix_time(text: str) -> int:
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise CommandError(
            f"时间须带时区，如 2026-11-22T08:00:00Z，得到 {text}",
            f"expected a time with a zone such as 2026-11-22T08:00:00Z, got {text}",
            code="usage",
            exit_code=USAGE,
        )
    return int(time.timestamp())
