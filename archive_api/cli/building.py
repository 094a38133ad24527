"""`yunshang building …`: buildings, their identifiers and unit projects."""

from __future__ import annotations

from typing import Annotated

import typer

from archive_api.cli.context import connect, find_building
from archive_api.cli.options import DEFAULT_HOME, ApiOption, HomeOption, JsonOption
from archive_api.cli.output import Output

__all__ = ["app"]

app = typer.Typer(help="房屋建筑与单位工程。Buildings and their unit projects.")

BuildingArgument = Annotated[
    str, typer.Argument(metavar="BUILDING", help="建筑键、标识或 scheme:value Key, identifier or scheme:value.")
]


@app.command("add")
def add(
    *,
    identifier: Annotated[str, typer.Argument(metavar="VALUE", help="电子身份证编号 The building's identifier.")],
    name: Annotated[str, typer.Option("--name", help="名称 Name.")],
    scheme: Annotated[str, typer.Option("--scheme", help="编码体系 Scheme of the identifier.")] = "yunshang",
    address: Annotated[str | None, typer.Option("--address", help="地址 Address.")] = None,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """登记一栋建筑。Register a building under its electronic ID.

    Example:

        yunshang building add 440106-YX0001 --name 云溪花园1号楼 --address 广州市天河区云溪路18号
    """
    output = Output(as_json)
    building = connect(home, api).add_building(scheme, identifier, name=name, address=address)
    output.say(f"已登记：{name}", f"registered {scheme}:{identifier}, key {building['building_key']}", style="green")
    output.result(building)


@app.command("list")
def list_buildings(
    query: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="要找的文字 Text to find.")] = None,
    *,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """列出建筑。List buildings.

    Example:

        yunshang building list 云溪 --json
    """
    output = Output(as_json)
    items = list(connect(home, api).buildings(query))
    output.table(
        "建筑 Buildings",
        ["标识 identifier", "名称 name", "地址 address", "状态 status"],
        [[f"{b['scheme']}:{b['value']}", b["name"], b.get("address"), b.get("status")] for b in items],
    )
    output.result({"items": items})


@app.command("show")
def show(
    building: BuildingArgument,
    *,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """显示一栋建筑、它的单位工程与移交。Show a building with its unit projects and submissions.

    Example:

        yunshang building show 440106-YX0001
    """
    output = Output(as_json)
    client = connect(home, api)
    found = find_building(client, building)
    key = str(found["building_key"])
    units = list(client.unit_projects(key))
    submissions = list(client.submissions(building_key=key))
    output.say(str(found["name"]), f"{found['scheme']}:{found['value']}, key {key}", style="bold")
    output.table(
        "单位工程 Unit projects",
        ["编号 code", "名称 name", "键 key"],
        [[unit["code"], unit["name"], unit["unit_project_key"]] for unit in units],
    )
    output.table(
        "移交 Submissions",
        ["序号 sequence", "状态 state", "编号 id"],
        [[item.get("sequence"), item["state"], item.get("submission_id") or item["id"]] for item in submissions],
    )
    output.result(found | {"unit_projects": units, "submissions": submissions})


@app.command("alias")
def alias(
    building: BuildingArgument,
    *,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="另一标识 The other identifier.")],
    scheme: Annotated[str, typer.Option("--scheme", help="另一标识的编码体系 Its scheme.")],
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """给建筑登记另一标识。Record another identifier of a building.

    Example:

        yunshang building alias 440106-YX0001 440106004005GB00001F00010001 --scheme real-estate-unit
    """
    output = Output(as_json)
    client = connect(home, api)
    found = find_building(client, building)
    answer = client.add_alias(str(found["building_key"]), scheme, value)
    output.say(f"已登记别名：{scheme}:{value}", "alias recorded", style="green")
    output.result(answer)


@app.command("unit-project")
def unit_project(
    building: BuildingArgument,
    *,
    code: Annotated[str, typer.Argument(metavar="CODE", help="单位工程编号 Code of the unit project.")],
    name: Annotated[str, typer.Option("--name", help="名称 Name.")],
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """登记单位工程。Register a unit project of a building.

    Example:

        yunshang building unit-project 440106-YX0001 01 --name 1号楼土建工程
    """
    output = Output(as_json)
    client = connect(home, api)
    found = find_building(client, building)
    unit = client.add_unit_project(str(found["building_key"]), code, name=name)
    output.say(f"已登记单位工程：{code} {name}", f"key {unit['unit_project_key']}", style="green")
    output.result(unit)
