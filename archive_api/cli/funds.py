"""`yunshang funds flow`: where a building's money came from and went."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archive_api.cli.context import connect, find_building
from archive_api.cli.options import DEFAULT_HOME, ApiOption, HomeOption, JsonOption
from archive_api.cli.output import Output
from ledger.texts import visible

__all__ = ["app"]

app = typer.Typer(help="资金：来源与流向。Money: where it came from and went.")

_SUMS = (
    ("contracted", "合同额"),
    ("applied", "申请"),
    ("approved", "批准"),
    ("paid", "已付"),
    ("settled", "结算"),
)


@app.command("flow")
def flow(
    *,
    building: Annotated[str, typer.Option("--building", help="建筑标识 Building: key, scheme:value or value.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="另存为流向图 Write the picture (SVG) to this file.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """按合同汇总资金，并可画出流向图。A building's money by contract, and a picture of where it flows.

    Amounts are in yuan (CNY), exact to the fen. It is the archive's reckoning of what parties reported under seal.

    Examples:

        yunshang funds flow --building 440106-YX0001 --out flow.svg

        yunshang funds flow --building 440106-YX0001 --json
    """
    output = Output(as_json)
    client = connect(home, api)
    path = f"/buildings/{find_building(client, building)['building_key']}/funds/flow"
    document = client.connection.get(path)
    names = {party["code"]: visible(party["name"] or party["code"]) for party in document["parties"]}
    totals = document["totals"]
    output.say(f"资金来源 {totals['funded']} 元", f"funded; paid {totals['paid']}", style="bold")
    output.table(
        "合同 Contracts",
        ["合同 contract", "付款方 → 收款方 payer to payee", *(f"{zh} {name}" for name, zh in _SUMS)],
        [
            [
                item["contract"].rpartition(":")[2],
                f"{names[item['payer']]} → {names[item['payee']]}",
                *(item[name] for name, _ in _SUMS),
            ]
            for item in document["contracts"]
        ],
    )
    if document["repeated"]:
        output.warn(f"{len(document['repeated'])} 个事件的编号重复，未计入", "events with a number that counted before")
    if out is not None:
        out.write_bytes(client.connection.get_bytes(f"{path}?format=svg"))
        output.note(f"流向图已存为 {out}", f"wrote the picture to {out}")
    output.result(document)
