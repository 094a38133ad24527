"""`yunshang access …`: who may do what."""

from __future__ import annotations

from typing import Annotated

import typer

from archive_api.access.matrix import COLUMNS, matrix_rows
from archive_api.access.roles import GRANTABLE, ROLE_NAMES, AccessRole
from archive_api.cli.context import connect
from archive_api.cli.options import DEFAULT_HOME, ApiOption, HomeOption, JsonOption
from archive_api.cli.output import Output

__all__ = ["app"]

app = typer.Typer(help="权限：谁可以做什么。Access: who may do what.")

_ROLES = "、".join(f"{role.value} {ROLE_NAMES[role]}" for role in AccessRole if role in GRANTABLE)
PersonArgument = Annotated[str, typer.Argument(metavar="PERSON", help="人员编号 Id of the person.")]


@app.command("matrix")
def matrix(*, as_json: JsonOption = False) -> None:
    """列出每个接口和页面对各角色的权限。Print which role may use which route.

    Example:

        yunshang access matrix
    """
    output = Output(as_json)
    rows = matrix_rows()
    output.table("权限表 Policy table", COLUMNS, rows)
    names = (*COLUMNS[:5], *(role.value for role in AccessRole))
    output.result(
        {
            "routes": [
                {name: bool(cell) if name in ROLE_NAMES else cell for name, cell in zip(names, row, strict=True)}
                for row in rows
            ]
        }
    )


@app.command("grant")
def grant(
    person: PersonArgument,
    role: Annotated[str, typer.Argument(metavar="ROLE", help=f"角色 Role: {_ROLES}")],
    *,
    project: Annotated[
        str | None, typer.Option("--project", help="仅限此单位工程 Only on this unit project (its key).")
    ] = None,
    organisation: Annotated[
        str | None, typer.Option("--organisation", help="代表的单位代码 Code of the organisation acted for.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """授予角色。Give somebody a role, everywhere or on one unit project; a party's takes an organisation.

    Examples:

        yunshang access grant 7f0a8a8e-6b0c-4f8e-9d55-0d3f6f3f8f11 archivist_reviewer

        yunshang access grant 7f0a8a8e-6b0c-4f8e-9d55-0d3f6f3f8f11 party_sealer --organisation 91440101MA5Y3K7TXY
    """
    output = Output(as_json)
    given = connect(home, api).give_role(person, role, unit_project_key=project, organisation_code=organisation)
    output.say(f"已授予：{ROLE_NAMES[AccessRole(given['role'])]}", f"grant {given['id']}", style="green")
    output.result(given)


@app.command("revoke")
def revoke(
    number: Annotated[int, typer.Argument(metavar="GRANT", help="授权编号 Number of the grant.")],
    *,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """收回角色。Take a role back; it does not count from the next request on.

    Example:

        yunshang access revoke 3
    """
    output = Output(as_json)
    taken = connect(home, api).take_role(number)
    output.say(f"已收回：{ROLE_NAMES[AccessRole(taken['role'])]}", f"grant {number} taken back", style="green")
    output.result(taken)


@app.command("list")
def list_grants(
    person: Annotated[str | None, typer.Option("--person", help="仅此人 Only this person's.")] = None,
    *,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """列出授权。List who has which role.

    Example:

        yunshang access list
    """
    output = Output(as_json)
    grants = list(connect(home, api).grants(person))
    rows = [
        (item["id"], item["person_id"], item["role"], item["unit_project_key"] or "*", item["organisation_code"] or "")
        for item in grants
    ]
    output.table("授权 Grants", ("编号 id", "人员 person", "角色 role", "单位工程 project", "单位 organisation"), rows)
    output.result({"grants": grants})
