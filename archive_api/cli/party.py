"""`yunshang party …`: sealing certificates on chain, and who holds the five roles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archive_api.cli.context import connect, find_unit_project, read_certificate
from archive_api.cli.options import DEFAULT_HOME, ApiOption, HomeOption, JsonOption
from archive_api.cli.output import Output
from ledger.types import ROLES, Roster, RosterMember, implied_joint_appointments
from signing.certificates import parse_certificate

__all__ = ["app"]

app = typer.Typer(help="五方责任主体：证书与名册。The five parties: certificates and rosters.")


@app.command("register")
def register(
    certificate: Annotated[Path, typer.Argument(metavar="CERT", help="签章证书 PEM/DER Sealing certificate.")],
    *,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """登记一张签章证书。Register a sealing certificate on chain.

    Example:

        yunshang party register keys/91440101MA5Y3K7TXY.pem
    """
    output = Output(as_json)
    document = connect(home, api).add_certificate(read_certificate(certificate))
    organisation = document["organisation"]
    output.say(
        f"已提交登记：{organisation['name']}", f"certificate {document['id']}: {document['status']}", style="green"
    )
    output.result(document)


@app.command("list")
def list_certificates(*, home: HomeOption = DEFAULT_HOME, api: ApiOption = None, as_json: JsonOption = False) -> None:
    """列出已登记的证书。List registered certificates.

    Example:

        yunshang party list --json
    """
    output = Output(as_json)
    items = list(connect(home, api).certificates())
    output.table(
        "证书 Certificates",
        ["单位 organisation", "代码 code", "证书 certificate", "有效期至 not after", "状态 status"],
        [
            [c["organisation"]["name"], c["organisation"]["code"], c["id"], c.get("not_after"), c["status"]]
            for c in items
        ],
    )
    output.result({"items": items})


@app.command("roster")
def roster(
    building: Annotated[str, typer.Argument(metavar="BUILDING", help="建筑 The building.")],
    *,
    unit: Annotated[str, typer.Argument(metavar="UNIT", help="单位工程编号 Code of the unit project.")],
    owner: Annotated[Path, typer.Option("--owner", help="建设单位证书 Certificate of the owner.")],
    surveyor: Annotated[Path, typer.Option("--surveyor", help="勘察单位证书 Certificate of the surveyor.")],
    designer: Annotated[Path, typer.Option("--designer", help="设计单位证书 Certificate of the designer.")],
    contractor: Annotated[Path, typer.Option("--contractor", help="施工单位证书 Certificate of the contractor.")],
    supervisor: Annotated[Path, typer.Option("--supervisor", help="监理单位证书 Certificate of the supervisor.")],
    joint: Annotated[
        bool, typer.Option("--joint", help="声明同一单位兼任允许的两方 Declare the allowed joint appointments.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """设定单位工程的五方名册（新版本）。Record a new version of a unit project's roster.

    Names and codes are read from the certificates, so that seals and roster can't disagree.

    Example:

        yunshang party roster 440106-YX0001 01 --owner o.pem --surveyor s.pem --designer d.pem
        --contractor c.pem --supervisor j.pem
    """
    output = Output(as_json)
    client = connect(home, api)
    members = []
    for role, path in zip(ROLES, (owner, surveyor, designer, contractor, supervisor), strict=True):
        parsed = parse_certificate(read_certificate(path))
        members.append(RosterMember(role, parsed.organisation_code, parsed.organisation_name))
    pairs = implied_joint_appointments(members) if joint else ()
    # Built here first: a roster that breaks a rule is refused before anything is sent.
    wanted = Roster(tuple(members), pairs).to_json()
    key = str(find_unit_project(client, building, unit)["unit_project_key"])
    document = client.set_roster(key, wanted["organisations"], joint_appointments=wanted["joint_appointments"])
    output.table(
        "五方责任主体 The five parties",
        ["角色 role", "单位 organisation", "代码 code"],
        [[f"{member.role.zh} {member.role}", member.name, member.code] for member in members],
    )
    output.say("已记录名册", f"roster recorded as version {document.get('version')}", style="green")
    output.result(document)
